/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Inside of the switching table, shared by its control side (table.c) and its worker side (lookup.c). */

#include "index.h"
#include "memory.h"
#include "peel_route.h"

/* Unused indices, first in first out, so that an index rests as long as possible. The link of a free object is inside
 * of it; what was never used is not in the list and not touched. */
struct peel_free_list {
	uint32_t head, tail; /* PEEL_NONE when empty */
	uint32_t fresh;	     /* first index never used */
	uint32_t end;
};

struct peel_route_table {
	/* Set at creation, read by workers. */
	struct peel_route_base base; /* first: the accessors of peel_route.h rely on it */
	struct peel_index exact;     /* by neighbour and circuit id */
	struct peel_index by_cid;    /* by circuit id alone */
	uint64_t exact_seed;
	uint64_t cid_seed;

	/* Control thread only. */
	struct peel_memory memory __attribute__((aligned(64)));
	struct peel_rcu *rcu;
	const struct peel_env *env;
	struct peel_free_list free_routes;
	struct peel_free_list free_sessions;
	uint32_t max_sessions;
	uint32_t max_routes; /* published; there are a few more slots, for replacing when full */
	uint32_t n_sessions;
	uint32_t n_routes;
	uint64_t n_deferred; /* waiting for their grace period */
	bool closing;	     /* freed by the last deferred one */
};

static inline uint64_t
peel_route_hash(const struct peel_route_table *t, const struct peel_addr *in, uint32_t cid)
{
	return peel_addr_hash(in, cid, t->exact_seed);
}

static inline uint64_t
peel_route_cid_hash(const struct peel_route_table *t, uint32_t cid)
{
	static const struct peel_addr none;

	return peel_addr_hash(&none, cid, t->cid_seed);
}

/* The whole key: 20 bytes of address and the circuit id behind it, three words. */
static inline bool
peel_route_is(const struct peel_route *r, const struct peel_addr *in, uint32_t cid)
{
	uint64_t a[3], b[2];
	uint32_t b2;

	_Static_assert(offsetof(struct peel_route, in) == 0, "the key is the first 24 bytes");
	_Static_assert(offsetof(struct peel_route, in_cid) == 20, "the key is the first 24 bytes");
	memcpy(a, r, sizeof(a));
	memcpy(b, in, sizeof(b));
	memcpy(&b2, (const uint8_t *)in + sizeof(b), sizeof(b2));
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ ((uint64_t)cid << 32 | b2))) == 0;
}
