/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* SOCKS listeners on top of a session: one for each length of circuits, each with its associations
 * and its circuits. */

#include "session.h"

struct proxy;

/** Open the listeners of the session's configuration and ask for their circuits. 0, or -errno and
 * why not. */
int proxy_open(struct session *s, struct proxy **out, char *why, size_t why_size) PEEL_MUST_USE;
/** "socks HOPS ADDRESS:PORT" for each listener, on standard output. */
void proxy_print(const struct proxy *p);
/** Drop all clients; the loop stops when that is done. */
void proxy_close(struct proxy *p);
/** Call it when the loop has stopped after proxy_close. */
void proxy_free(struct proxy *p);
