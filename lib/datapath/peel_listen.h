/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Overlays that come and go while workers run, such as the PEX overlays of protocol section 20: a
 * small published set of prefixes whose discovery messages (section 7) workers hand to control. It
 * is asked only about datagrams that are in none of the node's lasting overlays, so it costs cells
 * nothing. It knows bits of a keyed hash, not prefixes: a few of those that nobody wants pass, and
 * control drops them.
 */

#include "peel_wire.h"

struct peel_listen;

/** An empty set. 0 or -ENOMEM. Thread: control. */
int peel_listen_new(const struct peel_env *env, struct peel_listen **out) PEEL_MUST_USE;
/** Free it, after the workers have ended. NULL is fine. Thread: control. */
void peel_listen_free(struct peel_listen *l);
/** Want this prefix, until it was taken out as often as it was added. Thread: control. */
void peel_listen_add(struct peel_listen *l, const uint8_t prefix[PEEL_PREFIX_LEN]);
void peel_listen_del(struct peel_listen *l, const uint8_t prefix[PEEL_PREFIX_LEN]);
/** Whether a datagram, at least PEEL_HEADER_LEN long, seems to be wanted. Thread: any. */
bool peel_listen_wants(const struct peel_listen *l, const uint8_t *datagram);
