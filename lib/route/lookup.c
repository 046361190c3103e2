/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Worker side of the switching table: look-ups only.
 */
#include "table.h"

#define BURST_MAX 64
#define PART 8		       /* of a burst: a core drops prefetches of too many in a row */
#define UNSURE (PEEL_NONE - 1) /* nothing in the home group, but it was full */

uint32_t
route_find(
	const struct peel_route_table *t, uint64_t hash, const struct peel_addr *in, uint32_t cid)
{
	struct index_walk w = index_walk_begin(&t->exact, hash);

	for (uint32_t slot; (slot = index_walk_next(&t->exact, &w)) != PEEL_NONE;) {
		if (route_is(peel_route_at(t, slot), in, cid))
			return slot;
	}
	return PEEL_NONE;
}

void
peel_route_lookup_hash(const struct peel_route_table *t, const struct peel_addr *const *from,
	const uint32_t *cid, unsigned int n, uint64_t *hash)
{
	for (unsigned int i = 0; i < n; i++)
		hash[i] = route_hash(t, from[i], cid[i]);
	for (unsigned int i = 0; i < n; i++) /* see lookup_find */
		__builtin_prefetch(index_group(&t->exact, index_home(&t->exact, hash[i])));
}

void
peel_route_lookup_find(
	const struct peel_route_table *t, const uint64_t *hash, unsigned int n, uint32_t *slot)
{
	for (unsigned int i = 0; i < n; i++) {
		const uint64_t *group = index_group(&t->exact, index_home(&t->exact, hash[i]));
		bool last;
		uint64_t match = index_match(group, index_signature(hash[i]), &last);

		if (__builtin_expect(match != 0, 1))
			slot[i] = index_slot(match);
		else
			slot[i] = last ? PEEL_NONE : UNSURE;
	}
	/* Prefetches in a row: nothing behind one retires before its page walk is over, so what
	 * stands between two of them would keep the second from starting its own. */
	for (unsigned int i = 0; i < n; i++) {
		if (__builtin_expect(slot[i] < UNSURE, 1))
			__builtin_prefetch(peel_route_at(t, slot[i]));
	}
}

void
peel_route_lookup_check(const struct peel_route_table *t, const struct peel_addr *const *from,
	const uint32_t *cid, const uint64_t *hash, unsigned int n, uint32_t *slot)
{
	for (unsigned int i = 0; i < n; i++) {
		/* A key that found its home full, or a foreign route behind the signature, about
		 * once in 2^28 look-ups. */
		if (__builtin_expect(slot[i] >= UNSURE, 0)) {
			if (slot[i] == UNSURE)
				slot[i] = route_find(t, hash[i], from[i], cid[i]);
		} else if (__builtin_expect(
				   !route_is(peel_route_at(t, slot[i]), from[i], cid[i]), 0)) {
			slot[i] = route_find(t, hash[i], from[i], cid[i]);
		}
	}
}

static inline unsigned int
part(unsigned int at, unsigned int n)
{
	return n - at < PART ? n - at : PART;
}

void
peel_route_lookup_burst(const struct peel_route_table *t, const struct peel_addr *const *from,
	const uint32_t *cid, unsigned int n, uint32_t *slot)
{
	uint64_t hash[BURST_MAX];

	for (unsigned int at = 0; at < n; at += PART)
		peel_route_lookup_hash(t, from + at, cid + at, part(at, n), hash + at);
	for (unsigned int at = 0; at < n; at += PART)
		peel_route_lookup_find(t, hash + at, part(at, n), slot + at);
	peel_route_lookup_check(t, from, cid, hash, n, slot);
}

uint32_t
peel_route_lookup(const struct peel_route_table *t, const struct peel_addr *from, uint32_t cid)
{
	return route_find(t, route_hash(t, from, cid), from, cid);
}

uint32_t
peel_route_lookup_any(const struct peel_route_table *t, uint32_t cid)
{
	struct index_walk w = index_walk_begin(&t->by_cid, route_cid_hash(t, cid));

	for (uint32_t slot; (slot = index_walk_next(&t->by_cid, &w)) != PEEL_NONE;) {
		const struct peel_route *r = peel_route_at(t, slot);

		/* From a previous hop, whose cells carry a tag that will tell. Cells from a next
		 * hop carry none. */
		if (r->in_cid == cid &&
			(r->kind == PEEL_ROUTE_FORWARD || r->kind == PEEL_ROUTE_EXIT ||
				r->kind == PEEL_ROUTE_RENDEZVOUS))
			return slot;
	}
	return PEEL_NONE;
}

bool
peel_route_relays(const struct peel_route_table *t, uint32_t cid)
{
	struct index_walk w = index_walk_begin(&t->by_cid, route_cid_hash(t, cid));

	for (uint32_t slot; (slot = index_walk_next(&t->by_cid, &w)) != PEEL_NONE;) {
		const struct peel_route *r = peel_route_at(t, slot);

		if (r->in_cid == cid &&
			(r->kind == PEEL_ROUTE_FORWARD || r->kind == PEEL_ROUTE_BACKWARD ||
				r->kind == PEEL_ROUTE_RENDEZVOUS))
			return true;
	}
	return false;
}
