/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Worker side of the switching table: look-ups only.
 */
#include "table.h"

#define BURST_MAX 64

static uint32_t
lookup_one(
	const struct peel_route_table *t, uint64_t hash, const struct peel_addr *from, uint32_t cid)
{
	struct peel_index_walk w = peel_index_walk_begin(&t->exact, hash);

	for (uint32_t slot; (slot = peel_index_walk_next(&t->exact, &w)) != PEEL_NONE;) {
		if (peel_route_is(peel_route_at(t, slot), from, cid))
			return slot;
	}
	return PEEL_NONE;
}

void
peel_route_lookup_burst(const struct peel_route_table *t, const struct peel_addr *const *from,
	const uint32_t *cid, unsigned int n, uint32_t *slot)
{
	uint64_t hash[BURST_MAX];
	uint64_t unsure = 0; /* nothing in the home group, but it was full */

	for (unsigned int i = 0; i < n; i++) {
		hash[i] = peel_route_hash(t, from[i], cid[i]);
		__builtin_prefetch(
			peel_index_group(&t->exact, peel_index_home(&t->exact, hash[i])));
	}
	for (unsigned int i = 0; i < n; i++) {
		struct peel_index_view v;

		peel_index_look(peel_index_group(&t->exact, peel_index_home(&t->exact, hash[i])),
			peel_index_signature(hash[i]), &v);
		slot[i] = PEEL_NONE;
		if (v.match != 0) {
			slot[i] = peel_index_slot(v.bucket[__builtin_ctz(v.match)]);
			__builtin_prefetch(peel_route_at(t, slot[i]));
		} else {
			unsure |= (uint64_t)!v.last << i;
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		/* A foreign route behind the signature, about once in 2^28 look-ups, or a key that found its home full. */
		if (slot[i] != PEEL_NONE) {
			if (!peel_route_is(peel_route_at(t, slot[i]), from[i], cid[i]))
				slot[i] = lookup_one(t, hash[i], from[i], cid[i]);
		} else if ((unsure >> i & 1) != 0) {
			slot[i] = lookup_one(t, hash[i], from[i], cid[i]);
		}
	}
}

uint32_t
peel_route_lookup_any(const struct peel_route_table *t, uint32_t cid)
{
	struct peel_index_walk w = peel_index_walk_begin(&t->by_cid, peel_route_cid_hash(t, cid));

	for (uint32_t slot; (slot = peel_index_walk_next(&t->by_cid, &w)) != PEEL_NONE;) {
		const struct peel_route *r = peel_route_at(t, slot);

		/* From a previous hop, whose cells carry a tag that will tell. Cells from a next hop carry none. */
		if (r->in_cid == cid &&
			(r->kind == PEEL_ROUTE_FORWARD || r->kind == PEEL_ROUTE_EXIT ||
				r->kind == PEEL_ROUTE_RENDEZVOUS))
			return slot;
	}
	return PEEL_NONE;
}
