/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Asynchronous name resolution: c-ares on the control thread's loop. Thread: control. */

#include <uv.h>

#include "peel_base.h"

struct dns;

/** @p addr has port 0; NULL: the name did not resolve. Called exactly once, possibly from inside dns_resolve. */
typedef void (*dns_fn)(void *arg, const struct peel_addr *addr);

/** @p servers n may be 0: the system's configuration. 0, -ENOMEM or -EINVAL. */
int dns_new(uv_loop_t *loop, const struct peel_addr *servers, size_t n, uint32_t timeout_ms,
	struct dns **out) PEEL_MUST_USE;
/** Look-ups still under way are answered with NULL. */
void dns_free(struct dns *dns);
/** First IPv4 address of a host name, else its first IPv6 address; the hosts file counts. */
void dns_resolve(struct dns *dns, const char *name, dns_fn fn, void *arg);
