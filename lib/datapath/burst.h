/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What stages do with a cell: cut it, seal it, send it, hand it to the control thread or drop it.
 */
#pragma once

#include <rte_prefetch.h>

#include "worker.h"

static inline bool
prefix_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t a0, a1, a2, b0, b1, b2;

	/* 22 bytes as three overlapping words */
	memcpy(&a0, a, 8);
	memcpy(&a1, a + 8, 8);
	memcpy(&a2, a + PEEL_PREFIX_LEN - 8, 8);
	memcpy(&b0, b, 8);
	memcpy(&b1, b + 8, 8);
	memcpy(&b2, b + PEEL_PREFIX_LEN - 8, 8);
	return ((a0 ^ b0) | (a1 ^ b1) | (a2 ^ b2)) == 0;
}

/* A sealed cell of this node's circuits, for the next stage. */
static inline void
group_add(struct group *g, struct rte_mbuf *m, const uint8_t *d, uint32_t len)
{
	g->cell[g->n_cells] = m;
	g->from[g->n_cells] = &peel_pkt(m)->remote;
	g->cid[g->n_cells] = peel_get_be32(d + PEEL_CELL_OFF_CID);
	g->n_cells++;
	rte_prefetch0(d + len - 1); /* the tag, for the duplicate filter */
}

/* Acquire: pairs with the release in peel_worker_set_policy. */
static inline const struct peel_policy *
worker_policy(const struct peel_worker *w)
{
	return __atomic_load_n(&w->policy, __ATOMIC_ACQUIRE);
}

/* The route of an endpoint's datagram, if it is still there. */
static inline struct peel_route *
return_route(const struct peel_worker *w, struct rte_mbuf *m)
{
	return peel_route_at(w->conf.routes, (uint32_t)(peel_pkt(m)->cookie >> 32));
}

/* Cut bytes off the front and the back; negative numbers take room in again. */
static inline void
trim(struct rte_mbuf *m, int front, int back)
{
	m->data_off = (uint16_t)(m->data_off + front);
	m->data_len = (uint16_t)(m->data_len - front - back);
	m->pkt_len = m->data_len;
}

/* bytes by which burst_seal makes a message longer */
#define SEALED_MORE (PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD)

/* The AEAD operation on the @p len bytes behind an explicit salt. */
static inline void
set_op(struct peel_aead_op *op, const struct peel_direction *direction, uint8_t *salt, uint32_t len)
{
	op->key = &direction->key;
	op->text = salt + PEEL_SEAL_SALT_LEN;
	op->len = len;
	memcpy(op->nonce, direction->salt, 4);
	memcpy(op->nonce + 4, salt, PEEL_SEAL_SALT_LEN);
}

static inline void
burst_drop(struct peel_worker *w, struct rte_mbuf *m, enum peel_counter reason)
{
	peel_stats_add(w->conf.stats, reason, 1);
	w->burst.drop[w->burst.n_drop++] = m;
}

/* For stages that drop more than a group at once. */
static inline void
burst_free(struct peel_worker *w, struct rte_mbuf *m, enum peel_counter reason)
{
	peel_stats_add(w->conf.stats, reason, 1);
	rte_pktmbuf_free(m);
}

/* A cell of @p route that is authentic, or carries a circuit id that only its neighbour knows. */
static inline void
burst_vouch(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route)
{
	const struct peel_pkt *pkt = peel_pkt(m);

	/* From where the route says: the sender of an authentic cell may still write any address on
	 * it. */
	if (unlikely(pkt->in_parts != 0) && w->conf.ops->vouch != NULL &&
		peel_addr_equal(&pkt->remote, &route->in))
		w->conf.ops->vouch(w->conf.port, &pkt->remote);
}

static inline void
burst_tx(struct peel_worker *w, struct rte_mbuf *m, const struct peel_addr *to, uint32_t endpoint)
{
	struct peel_pkt *pkt = peel_pkt(m);

	pkt->remote = *to;
	pkt->endpoint = endpoint;
	w->burst.tx[w->burst.n_tx++] = m;
}

/* Whether the limits let a circuit send so many bytes; they are spent then. If not: the reason. */
static inline bool
burst_may_send(struct peel_worker *w, uint32_t session, enum peel_bandwidth_kind kind,
	uint32_t bytes, enum peel_counter *reason)
{
	static const enum peel_counter reasons[] = {
		[PEEL_BANDWIDTH_ALL] = PEEL_DROP_BANDWIDTH,
		[PEEL_BANDWIDTH_RELAY] = PEEL_DROP_BANDWIDTH_RELAY,
		[PEEL_BANDWIDTH_EXIT] = PEEL_DROP_BANDWIDTH_EXIT,
		[PEEL_BANDWIDTH_CIRCUIT] = PEEL_DROP_BANDWIDTH_CIRCUIT,
	};
	enum peel_bandwidth_kind limit;

	if (likely(w->limits.limits == NULL))
		return true;
	limit = peel_bandwidth_take(&w->limits, session, kind, bytes);
	if (likely(limit == PEEL_N_BANDWIDTHS))
		return true;
	*reason = reasons[limit];
	return false;
}

/* The same for a datagram that is dropped if not. */
static inline bool
burst_admit(struct peel_worker *w, struct rte_mbuf *m, uint32_t session,
	enum peel_bandwidth_kind kind, uint32_t bytes)
{
	enum peel_counter reason;

	if (likely(burst_may_send(w, session, kind, bytes, &reason)))
		return true;
	burst_drop(w, m, reason);
	return false;
}

/* Push to the control thread. @return false when its ring is full; then @p m stays the caller's. */
bool burst_push(struct peel_worker *w, struct rte_mbuf *m, enum peel_msg_class cls,
	enum peel_msg_kind kind);

/* The same, counted and dropped when it cannot be. */
void burst_punt(struct peel_worker *w, struct rte_mbuf *m, enum peel_msg_class cls,
	enum peel_msg_kind kind);

/*
 * Queue a message for sealing: @p m holds the bytes to seal (no header), which may themselves be
 * sealed. Puts a cell header and an explicit salt in front, room for the tag behind.
 */
static inline void
burst_seal(struct peel_worker *w, struct rte_mbuf *m, struct peel_direction *direction,
	const struct peel_addr *to, uint32_t cid, uint8_t early)
{
	const uint32_t front = PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN, len = m->data_len;
	struct burst *b = &w->burst;

	if (unlikely(len + front + PEEL_SEAL_TAG_LEN > PEEL_DATAGRAM_MAX ||
		     rte_pktmbuf_headroom(m) < front ||
		     rte_pktmbuf_tailroom(m) < PEEL_SEAL_TAG_LEN)) {
		burst_drop(w, m, PEEL_DROP_OVERSIZE);
		return;
	}
	uint8_t *head = rte_pktmbuf_mtod(m, uint8_t *) - front;

	memcpy(head, w->header, PEEL_CELL_HEADER_LEN);
	peel_put_be32(head + PEEL_CELL_OFF_CID, cid);
	head[PEEL_CELL_OFF_EARLY] = early;
	peel_put_be64(head + PEEL_CELL_HEADER_LEN, peel_direction_next(direction));
	set_op(&b->seal_op[b->n_seal], direction, head + PEEL_CELL_HEADER_LEN, len);
	trim(m, -(int)front, -PEEL_SEAL_TAG_LEN);
	peel_direction_account(direction, w->now_s, m->data_len);
	peel_pkt(m)->remote = *to;
	peel_pkt(m)->endpoint = PEEL_ENDPOINT_MAIN;
	b->seal[b->n_seal++] = m;
}
