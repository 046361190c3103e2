/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The stages of a round and what they hand on: parallel arrays, reused by each burst.
 *
 *   rx -> classify -> find -> load -> work -> tx
 *          hash        \       \       open, act, seal
 *                    buckets  routes
 *
 * A burst goes through in groups, each group one stage behind the one before it: memory that a
 * stage prefetches arrives while the others work, mostly in the crypto of an earlier group. No
 * stage looks back. A datagram is in exactly one array at a time and ends in `tx`, in `drop` or in
 * the mailbox.
 */

#include <rte_cycles.h>

#include "peel_cell.h"
#include "peel_datapath.h"

#define BURST PEEL_PORT_BURST
/*
 * Small groups spread the prefetches. A prefetch whose page is not in the TLB holds up what follows
 * until its page walk is over; a walk or two at a time disappear behind the crypto, four do not
 * (bench/run relay: a million circuits). An engine that turns several cells at once is worth more
 * than that and gets larger groups.
 */
#define GROUP 8 /* at most */
#define GROUP_SMALL 2
#define N_GROUPS 4 /* under way: one per stage */
_Static_assert(GROUP <= PEEL_AEAD_BURST, "one crypto burst per stage");
_Static_assert(BURST % GROUP == 0, "whole groups");

struct group {
	/* classify: cells of this node's circuits, still sealed */
	uint16_t n_cells;
	struct rte_mbuf *cell[GROUP];
	const struct peel_addr *from[GROUP];
	uint32_t cid[GROUP];
	uint64_t hash[GROUP];
	uint32_t slot[GROUP];	     /* find */
	uint64_t fingerprint[GROUP]; /* load: fingerprints for the duplicate filter */

	/* classify: datagrams that came to an exit's outside endpoint */
	uint16_t n_returns;
	struct rte_mbuf *ret[GROUP];
};

/* What the last stage of one group fills and empties, and what leaves. */
struct burst {
	/* cells to open with their session's forward key */
	uint16_t n_open;
	struct rte_mbuf *open[GROUP];
	struct peel_route *open_route[GROUP];
	struct peel_aead_op open_op[GROUP];
	uint64_t fingerprint[GROUP];

	/* messages to seal with a session's backward key; data already is a whole cell */
	uint16_t n_seal;
	struct rte_mbuf *seal[GROUP];
	struct peel_aead_op seal_op[GROUP];

	uint16_t n_tx;
	struct rte_mbuf *tx[BURST];
	uint16_t n_drop;
	struct rte_mbuf *drop[N_GROUPS * GROUP];
	bool notify; /* something was pushed to the mailbox */

	/* the frequent counters, added to the worker's block once per round */
	uint32_t n_forward, n_backward, n_exited, n_returned;
};

#define OWN_CONTROL 256 /* paths are counted by their low bits */
/* messages for control per second: a circuit that is being built has a few */
#define OWN_CONTROL_MAX 64

/* Cells of own circuits: those of a whole round together, whichever way they go. */
struct origin_cells {
	uint16_t n;
	struct rte_mbuf *m[BURST]; /* NULL: dropped on the way */
	const struct peel_path *path[BURST];
	uint32_t index[BURST]; /* of the path */
	uint8_t n_layers[BURST];
	uint64_t fingerprint[BURST]; /* for the duplicate filter */
	struct peel_aead_op op[BURST];
	uint32_t control_s; /* the second of ... */
	uint8_t control[OWN_CONTROL];
};

#define TEST_CIRCUITS 256 /* speed tests are counted by the low bits of sessions */

struct peel_worker {
	struct peel_worker_conf conf;
	const struct peel_policy *policy; /* replaced by control, read with worker_policy */
	struct peel_aead *aead;
	uint8_t header[PEEL_CELL_HEADER_LEN]; /* template: own prefix, sealed cell, circuit id 0 */
	uint32_t now_s;			      /* seconds of the node's clock */
	uint64_t next_second_tsc;
	uint64_t tsc_hz;
	uint16_t group_size;
	uint64_t test_tokens;		    /* speed test answers left */
	uint32_t test_asked[TEST_CIRCUITS]; /* and asked for in this second, */
	uint32_t test_askers;		    /* by so many circuits, */
	uint32_t test_askers_before;	    /* and in the one before */
	uint64_t filler;		    /* state of the generator for speed test bytes */
	bool stop;			    /* relaxed atomic */
	bool want_timing;		    /* relaxed atomic: control wants cycles per stage ... */
	bool timing;			    /* ... as seen at the start of this round */
	uint64_t stage_tsc;		    /* when the last stage ended */
	uint64_t stage_cycles[PEEL_N_STAGES];	      /* relaxed, read by control */
	struct rte_mbuf *staged[PEEL_FAN_MAX][BURST]; /* fan: cells for other workers */
	struct group group[N_GROUPS];
	struct burst burst;
	struct origin_cells origin;
};

/* Account the time since the last mark to a stage. */
static inline void
stage_done(struct peel_worker *w, enum peel_stage stage)
{
	if (likely(!w->timing))
		return;
	uint64_t now = rte_rdtsc();

	__atomic_store_n(&w->stage_cycles[stage], w->stage_cycles[stage] + now - w->stage_tsc,
		__ATOMIC_RELAXED);
	w->stage_tsc = now;
}

/* share.c: give away what is others', take what they gave. @return datagrams in pkts now, at most
 * BURST. */
uint16_t stage_fan(struct peel_worker *w, struct rte_mbuf **pkts, uint16_t n);
/* classify.c */
void stage_classify(
	struct peel_worker *w, struct group *g, struct rte_mbuf *const *pkts, uint16_t n);
/* find.c */
void stage_find(struct peel_worker *w, struct group *g);
void stage_load(struct peel_worker *w, struct group *g);
void stage_work(struct peel_worker *w, struct group *g);
/* crypt.c */
void stage_open(struct peel_worker *w);
void stage_seal(struct peel_worker *w);
/* exit_cells.c */
void stage_exit(struct peel_worker *w, struct rte_mbuf *m, struct peel_route *route, bool early);
void stage_returns(struct peel_worker *w, const struct group *g);

/* origin_cells.c */
/** A cell that came back over an own circuit, for stage_origin_receive(); at most BURST in
 * between. */
void stage_origin_queue(struct peel_worker *w, struct rte_mbuf *m, const struct peel_route *route,
	uint64_t fingerprint);
void stage_origin_receive(struct peel_worker *w);
/** What the program gave to send goes into the burst's tx. @return how many messages. */
unsigned int stage_origin_send(struct peel_worker *w);

/* Acquire: pairs with the release in peel_worker_set_policy. */
static inline const struct peel_policy *
worker_policy(const struct peel_worker *w)
{
	return __atomic_load_n(&w->policy, __ATOMIC_ACQUIRE);
}

/** The route of an endpoint's datagram, if it still is there. */
static inline struct peel_route *
return_route(const struct peel_worker *w, struct rte_mbuf *m)
{
	return peel_route_at(w->conf.routes, (uint32_t)(peel_pkt(m)->cookie >> 32));
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

/** A cell of @p route that is authentic, or carries a circuit id that only its neighbour knows. */
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

/** To the control thread; ownership moves in any case. */
void burst_punt(struct peel_worker *w, struct rte_mbuf *m, enum peel_msg_class cls,
	enum peel_msg_kind kind);

/**
 * Queue a message for sealing: @p m holds the bytes to seal (no header), which may themselves be
 * sealed. Puts a cell header and an explicit salt in front, room for the tag behind.
 */
static inline void
burst_seal(struct peel_worker *w, struct rte_mbuf *m, struct peel_direction *direction,
	const struct peel_addr *to, uint32_t cid, uint8_t early)
{
	struct burst *b = &w->burst;
	uint32_t len = m->data_len;

	if (unlikely(len + PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD > PEEL_DATAGRAM_MAX ||
		     rte_pktmbuf_headroom(m) < PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN ||
		     rte_pktmbuf_tailroom(m) < PEEL_SEAL_TAG_LEN)) {
		burst_drop(w, m, PEEL_DROP_OVERSIZE);
		return;
	}
	uint8_t *text = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t *head = text - PEEL_SEAL_SALT_LEN - PEEL_CELL_HEADER_LEN;
	uint64_t salt = peel_direction_next(direction);
	struct peel_aead_op *op = &b->seal_op[b->n_seal];

	memcpy(head, w->header, PEEL_CELL_HEADER_LEN);
	peel_put_be32(head + PEEL_CELL_OFF_CID, cid);
	head[PEEL_CELL_OFF_EARLY] = early;
	peel_put_be64(text - PEEL_SEAL_SALT_LEN, salt);
	op->key = &direction->key;
	op->text = text;
	op->len = len;
	memcpy(op->nonce, direction->salt, 4);
	memcpy(op->nonce + 4, text - PEEL_SEAL_SALT_LEN, PEEL_SEAL_SALT_LEN);

	len += PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD;
	m->data_off -= PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	peel_direction_account(direction, w->now_s, len);
	peel_pkt(m)->remote = *to;
	peel_pkt(m)->endpoint = PEEL_ENDPOINT_MAIN;
	b->seal[b->n_seal++] = m;
}
