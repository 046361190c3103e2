/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What is it? By prefix, message id and flags alone; nothing is looked up here.
 */
#include <rte_prefetch.h>

#include "burst.h"
#include "peel_discovery.h"

#define PREFETCH_AHEAD 4

/* Bare datagrams of the tunnel overlay. Hidden service datagrams belong to control as well. */
static void
classify_datagram(struct peel_worker *w, struct rte_mbuf *m, uint8_t id)
{
	switch (id) {
	case PEEL_MSG_DESTROY:
		burst_punt(w, m, PEEL_CLASS_ANSWER, PEEL_KIND_DATAGRAM);
		break;
	case PEEL_MSG_CREATE_E2E:
	case PEEL_MSG_CREATED_E2E:
	case PEEL_MSG_PEERS_REQUEST:
	case PEEL_MSG_PEERS_RESPONSE:
	case PEEL_MSG_PUNCTURE_NEW ... PEEL_MSG_INTRO_REQUEST_NEW:
	case PEEL_MSG_INTRO_RESPONSE:
	case PEEL_MSG_INTRO_REQUEST:
	case PEEL_MSG_PUNCTURE:
	case PEEL_MSG_PUNCTURE_REQUEST:
		burst_punt(w, m, PEEL_CLASS_OVERLAY, PEEL_KIND_DATAGRAM);
		break;
	default:
		burst_drop(w, m, PEEL_DROP_MALFORMED);
	}
}

static void
classify_plain(struct peel_worker *w, struct rte_mbuf *m, uint8_t id)
{
	if (id == PEEL_MSG_CREATE)
		burst_punt(w, m, PEEL_CLASS_CREATE, PEEL_KIND_DATAGRAM);
	else if (id == PEEL_MSG_CREATED)
		burst_punt(w, m, PEEL_CLASS_ANSWER, PEEL_KIND_DATAGRAM);
	else
		burst_drop(w, m, PEEL_DROP_PLAIN);
}

static void
classify_other(struct peel_worker *w, struct rte_mbuf *m, const uint8_t *d)
{
	for (unsigned int i = 1; i < w->conf.n_prefixes; i++) {
		if (prefix_equal(d, w->conf.prefix[i])) {
			burst_punt(w, m, PEEL_CLASS_OVERLAY, PEEL_KIND_DATAGRAM);
			return;
		}
	}
	if (w->conf.listen != NULL && peel_listen_wants(w->conf.listen, d))
		burst_punt(w, m, PEEL_CLASS_OVERLAY, PEEL_KIND_DATAGRAM);
	else
		burst_drop(w, m, PEEL_DROP_PREFIX);
}

static inline void
classify_one(struct peel_worker *w, struct group *g, struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t len = m->data_len;

	if (peel_pkt(m)->endpoint != PEEL_ENDPOINT_MAIN) {
		g->ret[g->n_returns++] = m;
		rte_prefetch0(return_route(w, m));
	} else if (unlikely(w->conf.guest != NULL)) {
		guest_classify(w, g, m, d, len);
	} else if (unlikely(len < PEEL_HEADER_LEN)) {
		burst_drop(w, m, PEEL_DROP_SHORT);
	} else if (unlikely(!prefix_equal(d, w->conf.prefix[0]))) {
		classify_other(w, m, d);
	} else if (unlikely(d[PEEL_PREFIX_LEN] != PEEL_MSG_CELL)) {
		classify_datagram(w, m, d[PEEL_PREFIX_LEN]);
	} else if (unlikely(len < PEEL_CELL_HEADER_LEN)) {
		burst_drop(w, m, PEEL_DROP_SHORT);
	} else if (unlikely(d[PEEL_CELL_OFF_PLAIN] != 0)) {
		classify_plain(w, m, len < PEEL_CELL_MIN ? PEEL_MSG_CELL : d[PEEL_CELL_HEADER_LEN]);
	} else {
		group_add(g, m, d, len);
	}
}

void
stage_classify(struct peel_worker *w, struct group *g, struct rte_mbuf *const *pkts, uint16_t n)
{
	g->n_cells = g->n_returns = 0;
	for (uint16_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], const void *));
	for (uint16_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + PREFETCH_AHEAD], const void *));
		classify_one(w, g, pkts[i]);
	}
	peel_route_lookup_hash(w->conf.routes, g->from, g->cid, g->n_cells, g->hash);
}
