/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * One crypto burst each for opening and sealing, and what follows from an opened cell.
 */
#include "burst.h"

/* Opened: the header moves 8 bytes forward, over the salt, and the tag is cut off. */
static inline void
forward(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route, uint8_t early)
{
	uint8_t *head = rte_pktmbuf_mtod_offset(m, uint8_t *, PEEL_SEAL_SALT_LEN);

	trim(m, PEEL_SEAL_SALT_LEN, PEEL_SEAL_TAG_LEN);
	if (!burst_admit(w, m, route->session, PEEL_BANDWIDTH_RELAY, m->data_len))
		return;
	memcpy(head, w->header, PEEL_CELL_HEADER_LEN);
	peel_put_be32(head + PEEL_CELL_OFF_CID, route->out_cid);
	head[PEEL_CELL_OFF_EARLY] = early;
	burst_tx(w, m, &route->out, PEEL_ENDPOINT_MAIN);
	w->burst.n_forward++;
}

/* Others of the same burst may have used up the limit since the cell was let in. */
static inline bool
count_early(struct peel_route *route)
{
	uint8_t before = __atomic_load_n(&route->n_early, __ATOMIC_RELAXED);

	if (before != UINT8_MAX)
		before = __atomic_fetch_add(&route->n_early, 1, __ATOMIC_RELAXED);
	return route->kind == PEEL_ROUTE_EXIT || before < route->max_early;
}

static inline void
opened(struct peel_worker *w, struct rte_mbuf *m, struct peel_route *route)
{
	struct peel_session *session = peel_session_at(w->conf.routes, route->session);
	bool early = *rte_pktmbuf_mtod_offset(m, uint8_t *, PEEL_CELL_OFF_EARLY) != 0;

	burst_vouch(w, m, route);
	peel_direction_account(&session->forward, w->now_s, m->data_len);
	if (unlikely(early) && !count_early(route)) {
		burst_drop(w, m, PEEL_DROP_EARLY);
		return;
	}
	if (likely(route->kind == PEEL_ROUTE_FORWARD)) {
		forward(w, m, route, early);
		return;
	}
	/* Nothing but the message is left. */
	trim(m, PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN, PEEL_SEAL_TAG_LEN);
	if (route->kind == PEEL_ROUTE_EXIT) {
		stage_exit(w, m, route, early);
	} else { /* rendezvous: relay_early is always cleared, section 13.4 */
		struct peel_session *peer = peel_session_at(w->conf.routes, route->peer);

		if (!burst_admit(
			    w, m, route->session, PEEL_BANDWIDTH_RELAY, m->data_len + SEALED_MORE))
			return;
		burst_seal(w, m, &peer->backward, &route->out, route->out_cid, 0);
		peel_stats_add(w->conf.stats, PEEL_CELLS_RENDEZVOUS, 1);
	}
}

void
stage_open(struct peel_worker *w)
{
	struct burst *b = &w->burst;

	if (b->n_open == 0)
		return;
	stage_done(w, PEEL_STAGE_ACT); /* what led here: the work on routes */
	b->failed = w->conf.engine->open(w->aead, b->open_op, b->n_open);
	stage_done(w, PEEL_STAGE_OPEN);
}

void
stage_opened(struct peel_worker *w)
{
	struct burst *b = &w->burst;

	for (uint16_t i = 0; i < b->n_open; i++) {
		if (unlikely(b->failed >> i & 1))
			burst_drop(w, b->open[i], PEEL_DROP_AUTH);
		else if (unlikely(w->conf.replay != NULL &&
				  peel_replay_seen(w->conf.replay, b->fingerprint[i])))
			burst_drop(w, b->open[i], PEEL_DROP_REPLAY);
		else
			opened(w, b->open[i], b->open_route[i]);
	}
}

void
stage_seal(struct peel_worker *w)
{
	struct burst *b = &w->burst;

	if (b->n_seal == 0)
		return;
	stage_done(w, PEEL_STAGE_ACT);
	w->conf.engine->seal(w->aead, b->seal_op, b->n_seal);
	stage_done(w, PEEL_STAGE_SEAL);
	memcpy(b->tx + b->n_tx, b->seal, b->n_seal * sizeof(b->seal[0]));
	b->n_tx += b->n_seal;
}
