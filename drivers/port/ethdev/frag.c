/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdlib.h>

#include "ip.h"

/*
 * Reassembly. Parts are copied into a place of their own, so that what never becomes whole holds no
 * packet buffer. Anybody can forge a first part, and nothing about it tells: so places are few, and
 * when they run out, the datagram that waited longest gives way. Parts of an honest one follow each
 * other within milliseconds; a flood must fill all places within that time to be in its way. Who is
 * in whose way:
 *
 *  - Neighbours whose authentic cells came in parts before (ethdev_vouch) have places that
 *    strangers cannot take.
 *  - A source that holds a quarter of its set or more displaces only datagrams of its own.
 *
 * A datagram whose parts overlap, repeat or contradict each other is given up as a whole, also the
 * parts still to come (RFC 5722), for as long as its place is not wanted.
 */

#define WAYS 32
#define STRANGER_SETS 16
#define KNOWN_SETS 8
#define SOURCE_SHARE (WAYS / 4)
#define DATAGRAM_MAX (UDP_LEN + PEEL_PORT_RX_MAX)
#define UNITS ((DATAGRAM_MAX + 7) / 8) /* offsets count in these */
#define PARTS_MAX 8		       /* none that is honest has more than four */

/* A datagram that is not whole yet. */
struct whole {
	struct peel_addr from; /* port 0 */
	uint32_t id;
	uint16_t have;	/* bytes */
	uint16_t reach; /* where the farthest part ends */
	uint16_t end;	/* 0: its last part is not there */
	uint8_t n_parts;
	bool bad;
	uint64_t seen[(UNITS + 63) / 64];
	uint8_t data[DATAGRAM_MAX];
};

struct set {
	uint32_t tag[WAYS]; /* of the datagram; 0: free */
	uint32_t source[WAYS];
	uint64_t since[WAYS]; /* ms */
	struct whole whole[WAYS];
};

struct ethdev_frags {
	uint64_t seed;
	uint32_t n; /* datagrams under way */
	struct set set[STRANGER_SETS + KNOWN_SETS];
};

int
ethdev_frag_init(struct ethdev_queue *q)
{
	q->frags = calloc(1, sizeof(*q->frags));
	if (q->frags == NULL)
		return -ENOMEM;
	q->frags->seed = peel_splitmix(&q->rng);
	return 0;
}

void
ethdev_frag_fini(struct ethdev_queue *q)
{
	free(q->frags);
	q->frags = NULL;
}

/* ---- who is known ---------------------------------------------------------------------------- */

/* Those who share a place here take it from each other; the price is that they count as strangers
 * for a while. */
static uint64_t *
known_place(struct peel_port *port, const struct peel_addr *ip, uint32_t *fingerprint)
{
	struct peel_addr key = *ip;

	key.port = 0;
	uint64_t h = peel_addr_hash(&key, 0, port->known_seed);

	*fingerprint = (uint32_t)(h >> 32);
	return &port->known[h % RTE_DIM(port->known)];
}

void
ethdev_vouch(struct peel_port *port, const struct peel_addr *remote)
{
	uint32_t fingerprint, now_s = (uint32_t)(peel_now_ms(port->conf.env) / 1000);
	uint64_t *place = known_place(port, remote, &fingerprint);

	__atomic_store_n(place, (uint64_t)fingerprint << 32 | now_s, __ATOMIC_RELAXED);
}

static bool
is_known(struct ethdev_queue *q, const struct peel_addr *ip)
{
	uint32_t fingerprint;
	uint64_t v = __atomic_load_n(known_place(q->port, ip, &fingerprint), __ATOMIC_RELAXED);

	return v != 0 && v >> 32 == fingerprint &&
	       (uint32_t)(q->now / 1000) - (uint32_t)v <= KNOWN_S;
}

/* ---- places ---------------------------------------------------------------------------------- */

static void
release(struct ethdev_queue *q, struct set *s, unsigned int way)
{
	s->tag[way] = 0;
	q->frags->n--;
}

/* Not whole in time, or displaced. */
static void
give_up(struct ethdev_queue *q, struct set *s, unsigned int way)
{
	peel_stats_add(q->stats, PEEL_DROP_FRAGMENT, s->whole[way].n_parts);
	release(q, s, way);
}

/* A way for one more datagram of @p source. */
static unsigned int
make_room(struct ethdev_queue *q, struct set *s, uint32_t source)
{
	unsigned int oldest = 0, own = WAYS, n_own = 0;

	for (unsigned int i = 0; i < WAYS; i++) {
		if (s->tag[i] == 0)
			return i;
		if (s->since[i] < s->since[oldest])
			oldest = i;
		if (s->source[i] != source)
			continue;
		n_own++;
		if (own == WAYS || s->since[i] < s->since[own])
			own = i;
	}
	if (n_own >= SOURCE_SHARE)
		oldest = own;
	give_up(q, s, oldest);
	ethdev_count(q, ETHDEV_DISPLACED);
	return oldest;
}

/* The way of the datagram that @p part belongs to, WAYS: it is not in this set. */
static unsigned int
way_of(const struct set *s, uint32_t tag, const struct ethdev_part *part)
{
	unsigned int way = 0;

	while (way < WAYS && (s->tag[way] != tag || s->whole[way].id != part->id ||
				     !peel_addr_equal(&s->whole[way].from, &part->from)))
		way++;
	return way;
}

/* The place of the datagram that @p part belongs to, a new one if need be. */
static struct set *
find(struct ethdev_queue *q, const struct ethdev_part *part, unsigned int *way)
{
	struct ethdev_frags *f = q->frags;
	struct peel_addr net = peel_addr_source(&part->from);
	uint64_t source = peel_addr_hash(&net, 0, f->seed);
	uint32_t tag = (uint32_t)peel_addr_hash(&part->from, part->id, f->seed) | 1;
	struct set *known = &f->set[STRANGER_SETS + source % KNOWN_SETS];
	struct set *s = &f->set[source % STRANGER_SETS];

	/* A source may have become known, or no longer be, since the first part. */
	if ((*way = way_of(known, tag, part)) < WAYS)
		return known;
	if ((*way = way_of(s, tag, part)) < WAYS)
		return s;
	if (is_known(q, &part->from))
		s = known;
	*way = make_room(q, s, (uint32_t)(source >> 32));
	f->n++;
	s->tag[*way] = tag;
	s->source[*way] = (uint32_t)(source >> 32);
	s->since[*way] = q->now;
	memset(&s->whole[*way], 0, offsetof(struct whole, data));
	s->whole[*way].from = part->from;
	s->whole[*way].id = part->id;
	return s;
}

/* ---- parts ----------------------------------------------------------------------------------- */

static bool
fits(const struct whole *w, const struct ethdev_part *part)
{
	uint32_t end = part->at + part->len;

	if (w->n_parts == PARTS_MAX || (w->end != 0 && (end > w->end || !part->more)) ||
		(!part->more && end < w->reach))
		return false;
	for (uint32_t unit = part->at / 8; unit < (end + 7) / 8; unit++) {
		if ((w->seen[unit / 64] >> unit % 64 & 1) != 0)
			return false;
	}
	return true;
}

static void
put(struct whole *w, const struct ethdev_part *part)
{
	uint32_t end = part->at + part->len;

	for (uint32_t unit = part->at / 8; unit < (end + 7) / 8; unit++)
		w->seen[unit / 64] |= UINT64_C(1) << unit % 64;
	memcpy(w->data + part->at, part->data, part->len);
	w->n_parts++;
	w->have = (uint16_t)(w->have + part->len);
	w->reach = (uint16_t)RTE_MAX(w->reach, end);
	if (!part->more)
		w->end = (uint16_t)end;
}

static struct rte_mbuf *
deliver(struct ethdev_queue *q, const struct whole *w)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(q->port->conf.pool);

	if (m == NULL) {
		peel_stats_add(q->stats, PEEL_DROP_NO_BUFFER, 1);
		return NULL;
	}
	m->data_off = PEEL_PORT_HEADROOM - UDP_LEN;
	memcpy(rte_pktmbuf_append(m, w->end), w->data, w->end);
	ethdev_count(q, ETHDEV_REASSEMBLED);
	return m;
}

struct rte_mbuf *
ethdev_frag_rx(struct ethdev_queue *q, struct rte_mbuf *m, const struct ethdev_part *part)
{
	unsigned int way;
	struct set *s = find(q, part, &way);
	struct whole *w = &s->whole[way];
	struct rte_mbuf *whole = NULL;

	if (w->bad)
		return ethdev_drop(q, m, PEEL_DROP_FRAGMENT);
	bool too_large = part->at + part->len > DATAGRAM_MAX;

	if (too_large || !fits(w, part)) {
		/* A datagram that is too large counts once. */
		if (!too_large)
			peel_stats_add(q->stats, PEEL_DROP_FRAGMENT, w->n_parts);
		w->n_parts = 0;
		w->bad = true;
		return ethdev_drop(q, m, too_large ? PEEL_DROP_OVERSIZE : PEEL_DROP_FRAGMENT);
	}
	put(w, part);
	if (w->have == w->end) {
		whole = deliver(q, w);
		release(q, s, way);
	}
	rte_pktmbuf_free(m);
	return whole;
}

void
ethdev_frag_tick(struct ethdev_queue *q)
{
	for (unsigned int k = 0; k < RTE_DIM(q->frags->set) && q->frags->n > 0; k++) {
		struct set *s = &q->frags->set[k];

		for (unsigned int i = 0; i < WAYS; i++) {
			if (s->tag[i] != 0 && q->now - s->since[i] >= FRAG_MS)
				give_up(q, s, i);
		}
	}
}
