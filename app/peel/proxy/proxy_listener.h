/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A SOCKS listener: circuits of one length, and what goes through them. proxy.c opens and closes
 * it, proxy_data.c is about its datagrams, proxy_http.c about its HTTP requests. In the loop's
 * thread, all of it.
 */

#include "peel_flows.h"
#include "peel_held.h"
#include "session.h"

struct listener {
	struct session *session;
	struct peel_stats *stats; /* of the loop's thread */
	unsigned int hops;
	struct peel_socks *socks; /* NULL: none of this length, or closed */
	struct proxy_http *http;
	struct proxy_peers *peers; /* of hidden services; all listeners share it */
	/* what follows is proxy_data.c's */
	struct peel_flows *flows;
	struct peel_held *held;				  /* while there is no circuit */
	struct peel_socks_assoc *assoc[PEEL_FLOWS_USERS]; /* by slot of the flows */
	/* in which order they came; 0: there is none */
	uint64_t opened[PEEL_FLOWS_USERS], turn;
	bool ready;	    /* as last logged */
	size_t n_circuits;  /* that data goes through */
	peel_circuit extra; /* begun last beside the pool; when the next one may be: */
	uint64_t extra_ms, extra_pause_ms;
};

/* Of struct peel_socks_backend; the argument is the listener. */
void proxy_on_opened(void *arg, struct peel_socks_assoc *a);
void proxy_on_closed(void *arg, struct peel_socks_assoc *a);
void proxy_on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len);

/** A circuit came or went: tell the flows, and the log when that matters. */
void proxy_sync_circuits(struct listener *l);
/** Data came out of a circuit. @return whether the circuit is one of this listener's. */
bool proxy_take(struct listener *l, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len);
/** In the library's form. */
void proxy_address(const struct peel_socks_target *t, struct peel_address *out);
