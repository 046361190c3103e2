/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Whose cell is it, and what must be done with its content: open with the forward key, or seal with
 * the backward key.
 */
#include <rte_prefetch.h>

#include "burst.h"

/*
 * Relay_early cells are counted per route (protocol 13.6): forward ones when authentic, so that
 * strangers cannot use the limit up. A limit of 0 drops every cell, as in the reference.
 */
static inline bool
early_exceeded(const struct peel_route *route, bool early)
{
	if (likely(!early || route->kind == PEEL_ROUTE_EXIT) && route->max_early != 0)
		return false;
	return __atomic_load_n(&route->n_early, __ATOMIC_RELAXED) >= route->max_early;
}

static inline void
queue_open(
	struct peel_worker *w, struct rte_mbuf *m, struct peel_route *route, uint64_t fingerprint)
{
	struct burst *b = &w->burst;
	struct peel_direction *direction =
		&peel_session_at(w->conf.routes, route->session)->forward;

	set_op(&b->open_op[b->n_open], direction,
		rte_pktmbuf_mtod_offset(m, uint8_t *, PEEL_CELL_HEADER_LEN),
		m->data_len - PEEL_CELL_HEADER_LEN - PEEL_SEAL_SALT_LEN);
	b->fingerprint[b->n_open] = fingerprint;
	b->open[b->n_open] = m;
	b->open_route[b->n_open] = route;
	b->n_open++;
}

static inline void
queue_backward(struct peel_worker *w, struct rte_mbuf *m, struct peel_route *route, bool early)
{
	struct peel_direction *direction =
		&peel_session_at(w->conf.routes, route->session)->backward;

	if (early)
		__atomic_add_fetch(&route->n_early, 1, __ATOMIC_RELAXED);
	trim(m, PEEL_CELL_HEADER_LEN, 0);
	if (!burst_admit(w, m, route->session, PEEL_BANDWIDTH_RELAY, m->data_len + SEALED_MORE))
		return;
	burst_seal(w, m, direction, &route->out, route->out_cid, early);
	w->burst.n_backward++;
}

static inline void
act_on_route(struct peel_worker *w, struct rte_mbuf *m, uint32_t slot, uint64_t fingerprint)
{
	struct peel_route *route = peel_route_at(w->conf.routes, slot);
	bool early = *rte_pktmbuf_mtod_offset(m, uint8_t *, PEEL_CELL_OFF_EARLY) != 0;

	if (unlikely(early_exceeded(route, early))) {
		burst_drop(w, m, PEEL_DROP_EARLY);
		return;
	}
	switch (route->kind) {
	case PEEL_ROUTE_FORWARD:
	case PEEL_ROUTE_RENDEZVOUS:
	case PEEL_ROUTE_EXIT:
		/* Only opening needs a whole sealed message: a relay wraps whatever comes back,
		 * however short. */
		if (unlikely(m->data_len < PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD))
			burst_drop(w, m, PEEL_DROP_SHORT);
		else
			queue_open(w, m, route, fingerprint);
		break;
	case PEEL_ROUTE_BACKWARD:
		burst_vouch(w, m, route);
		queue_backward(w, m, route, early);
		break;
	case PEEL_ROUTE_ORIGIN:
		burst_vouch(w, m, route);
		stage_origin_queue(w, m, route, fingerprint);
		break;
	default:
		burst_drop(w, m, PEEL_DROP_UNKNOWN_CIRCUIT);
	}
}

void
stage_find(struct peel_worker *w, struct group *g)
{
	peel_route_lookup_find(w->conf.routes, g->hash, g->n_cells, g->slot);
	for (uint16_t i = 0; i < g->n_returns; i++) {
		const struct peel_route *route = return_route(w, g->ret[i]);

		if (likely(route->kind == PEEL_ROUTE_EXIT))
			rte_prefetch0(&peel_session_at(w->conf.routes, route->session)->backward);
	}
}

/* The fingerprint of a sealed cell, 0: none. */
static inline uint64_t
fingerprint(const struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route)
{
	const uint8_t *salt = rte_pktmbuf_mtod_offset(m, const uint8_t *, PEEL_CELL_HEADER_LEN);

	if (w->conf.replay == NULL ||
		unlikely(m->data_len < PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD))
		return 0;
	return peel_replay_fingerprint(w->conf.replay, route->session, peel_get_be64(salt),
		salt + m->data_len - PEEL_CELL_HEADER_LEN - PEEL_SEAL_TAG_LEN);
}

/* Meet the routes, and note what the work on the cells will need. */
void
stage_load(struct peel_worker *w, struct group *g)
{
	const struct peel_route_table *t = w->conf.routes;

	peel_route_lookup_check(t, g->from, g->cid, g->hash, g->n_cells, g->slot);
	for (uint16_t i = 0; i < g->n_cells; i++) {
		g->direction[i] = NULL;
		g->fingerprint[i] = 0;
		/* A multi-homed neighbour: the circuit id alone finds the route, the tag
		 * decides. */
		if (unlikely(g->slot[i] == PEEL_NONE)) {
			g->slot[i] = peel_route_lookup_any(t, g->cid[i]);
			if (g->slot[i] == PEEL_NONE)
				continue;
		}
		const struct peel_route *route = peel_route_at(t, g->slot[i]);
		struct peel_session *s = peel_session_at(t, route->session);

		if (unlikely(w->limits.limits != NULL && route->kind != PEEL_ROUTE_ORIGIN))
			peel_bandwidth_prefetch(&w->limits, route->session);
		if (route->kind == PEEL_ROUTE_BACKWARD) {
			rte_prefetch0(&s->backward); /* three lines in all: no need to wait */
			continue;
		}
		g->direction[i] = route->kind == PEEL_ROUTE_ORIGIN ? &s->backward : &s->forward;
		if (route->kind == PEEL_ROUTE_RENDEZVOUS)
			rte_prefetch0(&peel_session_at(t, route->peer)->backward);
		g->fingerprint[i] = fingerprint(w, g->cell[i], route);
	}
}

void
stage_load_filter(struct peel_worker *w, const struct group *g)
{
	for (uint16_t i = 0; i < g->n_cells; i++) {
		if (likely(g->fingerprint[i] != 0))
			peel_replay_prefetch(w->conf.replay, g->fingerprint[i]);
	}
}

void
stage_load_sessions(const struct group *g)
{
	for (uint16_t i = 0; i < g->n_cells; i++) {
		if (likely(g->direction[i] != NULL))
			rte_prefetch0(g->direction[i]);
	}
}

/* Nothing of circuits passes. */
static void
refuse_all(struct peel_worker *w, struct group *g)
{
	for (uint16_t i = 0; i < g->n_cells; i++)
		burst_drop(w, g->cell[i], PEEL_DROP_ACCOUNTING);
	for (uint16_t i = 0; i < g->n_returns; i++)
		burst_drop(w, g->ret[i], PEEL_DROP_ACCOUNTING);
	g->n_cells = g->n_returns = 0;
}

void
stage_work(struct peel_worker *w, struct group *g)
{
	if (unlikely(w->shut))
		refuse_all(w, g);
	w->burst.n_open = w->burst.n_seal = 0;
	for (uint16_t i = 0; i < g->n_cells; i++) {
		if (unlikely(g->slot[i] == PEEL_NONE))
			burst_drop(w, g->cell[i], PEEL_DROP_UNKNOWN_CIRCUIT);
		else
			act_on_route(w, g->cell[i], g->slot[i], g->fingerprint[i]);
	}
	stage_open(w);
}

void
stage_finish(struct peel_worker *w, struct group *g)
{
	stage_opened(w);
	stage_returns(w, g);
	stage_seal(w);
	stage_done(w, PEEL_STAGE_ACT);
	g->n_cells = g->n_returns = 0; /* the next round begins with empty ones */
}
