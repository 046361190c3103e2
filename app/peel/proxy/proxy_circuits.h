/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Circuits and peers of lib/peel in the form that lib/proxy wants. In the loop's thread, all of it.
 */

#include "peel_proxy.h"
#include "peel_proxy_peers.h"
#include "session.h"

/** The circuits of one length. */
struct proxy_circuits {
	struct session *session;
	unsigned int hops;
	peel_circuit extra; /* begun last beside the pool */
};

/** @p c must outlive what gets them. */
struct peel_proxy_circuits proxy_circuits(struct proxy_circuits *c);
/** Peers of the services that the session has joined. NULL: out of memory. */
struct peel_proxy_peers *proxy_peers(struct session *s, struct peel_stats *stats);
/** An origin of data as lib/proxy wants it. */
void proxy_origin(const struct peel_address *a, struct peel_socks_target *out);
