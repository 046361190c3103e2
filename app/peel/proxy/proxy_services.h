/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Hidden services that `peel client` has joined, from its configuration and as it is told at the
 * management socket. In the loop's thread, all of it. */

#include "peel_proxy_peers.h"
#include "session.h"

struct proxy_services;

/** Join those of the session's configuration. 0, or -errno and why not: *out is there all the
 * same. */
int proxy_services_new(struct session *s, struct peel_proxy_peers *peers,
	struct proxy_services **out, char *why, size_t why_size) PEEL_MUST_USE;
void proxy_services_free(struct proxy_services *ps);
