/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Inside of the switching table, shared by its control side (table.c) and its worker side
 * (lookup.c). */

#include "index.h"
#include "table_memory.h"
#include "peel_route.h"

/* Unused sessions, first in first out, so that one rests as long as possible. The link of a free
 * session is inside it. Sessions that were never used are not in the list and not touched. */
struct free_list {
	uint32_t head, tail; /* PEEL_NONE when empty */
	uint32_t fresh;	     /* how many were ever used */
	uint32_t end;
};

/* Of a page. */
#define PEEL_PAGE_FIRST_ROUTE                                                                      \
	(PEEL_ROUTE_PAGE_SESSIONS * sizeof(struct peel_session) / sizeof(struct peel_route))
#define PEEL_PAGE_ROUTES (PEEL_ROUTE_PAGE_LINES - PEEL_PAGE_FIRST_ROUTE)

struct peel_route_table {
	/* Set at creation, read by workers. */
	struct peel_route_base base; /* first: the accessors of peel_route.h rely on it */
	struct index exact;	     /* by neighbour and circuit id */
	struct index by_cid;	     /* by circuit id alone */
	uint64_t exact_seed;
	uint64_t cid_seed;

	/* Control thread only. */
	struct memory memory __attribute__((aligned(64)));
	struct peel_rcu *rcu;
	const struct peel_env *env;
	void (*begins)(void *arg, uint32_t session); /* or NULL */
	void *arg;
	/* [n_pages] bit per line that holds a route, or has held one that workers may still see */
	uint64_t *lines;
	uint32_t n_pages;
	uint32_t n_pages_used; /* from here on nothing was ever touched */
	uint32_t cursor;       /* page to look at next for a route that found no room at home */
	uint32_t turn;	       /* spreads the lines of a page */
	struct free_list free_sessions;
	uint32_t max_sessions;
	uint32_t max_routes; /* published; there are a few more slots, for replacing when full */
	uint32_t n_sessions;
	uint32_t n_routes;
	uint64_t n_deferred; /* waiting for their grace period */
	bool closing;	     /* freed by the last deferred one */
};

static inline uint64_t
route_hash(const struct peel_route_table *t, const struct peel_addr *in, uint32_t cid)
{
	return peel_addr_hash(in, cid, t->exact_seed);
}

static inline uint64_t
route_cid_hash(const struct peel_route_table *t, uint32_t cid)
{
	return peel_hash_u32(cid, t->cid_seed);
}

/* lookup.c: PEEL_NONE when there is none. */
uint32_t route_find(
	const struct peel_route_table *t, uint64_t hash, const struct peel_addr *in, uint32_t cid);

/* The whole key: 20 bytes of address and the circuit id behind it, three words. */
static inline bool
route_is(const struct peel_route *r, const struct peel_addr *in, uint32_t cid)
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
