/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Names that circuits send to: what to remember about them, which datagrams wait for an answer, and
 * how many look-ups each circuit gets. Source: protocol section 18.1. Thread: control. */

#include "peel_dns.h"
#include "peel_port.h"
#include "peel_wire.h"

struct peel_names;

struct peel_names_conf {
	const struct peel_env *env;
	struct peel_stats *stats; /* of the control thread */
	struct peel_dns *dns;
	uint32_t n_sessions;  /* above all session indices (peel_session_limit) */
	uint32_t queue_max;   /* datagrams of a circuit that may wait */
	uint32_t waiting_max; /* of all circuits; receiving lacks their buffers meanwhile */
	/** Whether exits may and can send to this address, whose port is 0. */
	bool (*usable)(void *arg, const struct peel_addr *addr);
	/** Send a datagram whose destination (remote) is now known. Takes the mbuf. */
	void (*send)(void *arg, struct rte_mbuf *m);
	/** All datagrams that waited for a name have been handled. */
	void (*served)(void *arg);
	void *arg;
};

int peel_names_new(const struct peel_names_conf *conf, struct peel_names **out) PEEL_MUST_USE;
/** Free everything. Call this after peel_dns_free(), which ends all look-ups under way. NULL is
 * fine. */
void peel_names_free(struct peel_names *names);

/** Change how many datagrams of a circuit may wait. */
void peel_names_queue_max(struct peel_names *names, uint32_t queue_max);

/**
 * Send m (payload only; its pkt has session and generation) to a name: now if the cache has it,
 * otherwise later. Takes the mbuf; one that cannot be sent is counted.
 */
void peel_names_send(
	struct peel_names *names, struct rte_mbuf *m, struct peel_span span, uint16_t port);

typedef void (*peel_names_fn)(void *arg, const struct peel_addr *addr);
/**
 * Look up a name for a circuit, within its budget. fn is called exactly once, perhaps before this
 * returns, with an address of port 0, or NULL. 0; or, if fn will not be called, -EINVAL (not a
 * name), -EAGAIN (over the budget), -ENOENT (did not resolve a moment ago) or -ENOMEM.
 */
int peel_names_lookup(struct peel_names *names, uint32_t session, uint32_t generation,
	struct peel_span span, peel_names_fn fn, void *arg);
