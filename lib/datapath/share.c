/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A busy worker shares its cells with the others, by circuit id: all circuits between two relays
 * arrive in one flow, and so at one worker. Any worker may handle any cell (seal counters are
 * atomic); the id keeps a circuit in one cache.
 */
#include "worker.h"

/* below that there is no backlog to share, only latency to lose */
#define FAN_FROM (BURST / 2)

static inline unsigned int
owner_of(const struct peel_worker *w, struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	/* Sealed cells only. The prefix is not compared: whoever gets it classifies it. */
	if (peel_pkt(m)->endpoint != PEEL_ENDPOINT_MAIN || m->data_len < PEEL_CELL_HEADER_LEN ||
		d[PEEL_PREFIX_LEN] != PEEL_MSG_CELL || d[PEEL_CELL_OFF_PLAIN] != 0)
		return w->conf.id;
	return peel_fan_worker(peel_get_be32(d + PEEL_CELL_OFF_CID), w->conf.n_workers);
}

/* @return how many of pkts stay here. */
static uint16_t
share(struct peel_worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t n_staged[PEEL_FAN_MAX] = {0}, kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		unsigned int to = owner_of(w, pkts[i]);

		if (to == w->conf.id)
			pkts[kept++] = pkts[i];
		else
			w->staged[to][n_staged[to]++] = pkts[i];
	}
	for (unsigned int to = 0; to < w->conf.n_workers; to++) {
		unsigned int taken = 0;

		if (n_staged[to] == 0)
			continue;
		taken = peel_fan_push(w->conf.fan, w->conf.id, to, w->staged[to], n_staged[to]);
		peel_stats_add(w->conf.stats, PEEL_HANDED_ON, taken);
		if (taken > 0 && peel_fan_asleep(w->conf.fan, to))
			w->conf.ops->wake(w->conf.port, (uint16_t)to);
		/* A full ring means that the other one is busier still: the rest is done here. */
		while (taken < n_staged[to])
			pkts[kept++] = w->staged[to][taken++];
	}
	return kept;
}

uint16_t
stage_share(struct peel_worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	if (n >= FAN_FROM)
		n = share(w, pkts, n);
	return n + (uint16_t)peel_fan_pop(w->conf.fan, w->conf.id, pkts + n, BURST - n);
}
