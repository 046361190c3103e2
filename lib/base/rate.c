/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_rate.h"

#define WAYS 4
#define MIN_SOURCES 64
#define MAX_SOURCES (1u << 24)
#define MILLI 1000u

/*
 * Which source an entry belongs to is remembered as its keyed hash: an aimed collision would need
 * the seed, and a chance one (1 in 2^60 or so) only makes two sources share a bucket.
 */
struct entry {
	uint64_t id; /* 0: free */
	struct peel_bucket bucket;
};

struct peel_rate {
	const struct peel_env *env;
	uint64_t seed;
	uint32_t per_second;
	uint32_t burst;
	uint32_t mask; /* sets - 1 */
	struct entry entry[];
};

void
peel_bucket_init(struct peel_bucket *b, uint32_t burst, uint64_t now_ms)
{
	b->tokens = (uint64_t)burst * MILLI;
	b->last_ms = now_ms;
}

/* One token per second is one thousandth per millisecond. */
static void
refill(struct peel_bucket *b, uint32_t per_second, uint32_t burst, uint64_t now_ms)
{
	uint64_t full = (uint64_t)burst * MILLI;
	uint64_t elapsed = now_ms > b->last_ms ? now_ms - b->last_ms : 0;

	/* Longer than it takes to fill: compared as a quotient, because the product could wrap. */
	if (elapsed > full / per_second || elapsed * per_second >= full - b->tokens)
		b->tokens = full;
	else
		b->tokens += elapsed * per_second;
	if (now_ms > b->last_ms)
		b->last_ms = now_ms;
}

bool
peel_bucket_take(
	struct peel_bucket *b, uint32_t per_second, uint32_t burst, uint32_t cost, uint64_t now_ms)
{
	if (per_second == 0)
		return true;
	refill(b, per_second, burst, now_ms);
	if (b->tokens < (uint64_t)cost * MILLI)
		return false;
	b->tokens -= (uint64_t)cost * MILLI;
	return true;
}

int
peel_rate_new(const struct peel_env *env, uint32_t per_second, uint32_t burst, uint32_t n_sources,
	struct peel_rate **out)
{
	uint32_t n = MIN_SOURCES;

	if (burst == 0 || n_sources > MAX_SOURCES)
		return -EINVAL;
	while (n < n_sources)
		n *= 2;
	struct peel_rate *r = calloc(1, sizeof(*r) + (size_t)n * sizeof(r->entry[0]));

	if (r == NULL)
		return -ENOMEM;
	r->env = env;
	r->seed = peel_random_u64(env);
	r->per_second = per_second;
	r->burst = burst;
	r->mask = n / WAYS - 1;
	*out = r;
	return 0;
}

void
peel_rate_free(struct peel_rate *r)
{
	free(r);
}

static struct entry *
find(struct peel_rate *r, const struct peel_addr *from, uint64_t now_ms)
{
	struct peel_addr source = peel_addr_source(from);
	struct entry *victim = NULL;

	source.port = from->port;
	uint64_t hash = peel_addr_hash(&source, 0, r->seed);
	uint64_t id = hash | 1; /* never 0 */
	struct entry *set = &r->entry[(size_t)((hash >> 8) & r->mask) * WAYS];

	for (unsigned int i = 0; i < WAYS; i++) {
		struct entry *e = &set[i];

		if (e->id == id)
			return e;
		if (e->id == 0)
			peel_bucket_init(&e->bucket, r->burst, now_ms);
		refill(&e->bucket, r->per_second, r->burst, now_ms);
		if (victim == NULL || e->bucket.tokens > victim->bucket.tokens)
			victim = e;
	}
	victim->id = id; /* keeps the tokens that were left */
	return victim;
}

bool
peel_rate_take_port(struct peel_rate *r, const struct peel_addr *from, uint32_t cost)
{
	if (r->per_second == 0)
		return true;
	uint64_t now_ms = peel_now_ms(r->env);
	struct entry *e = find(r, from, now_ms);

	return peel_bucket_take(&e->bucket, r->per_second, r->burst, cost, now_ms);
}

bool
peel_rate_take(struct peel_rate *r, const struct peel_addr *from, uint32_t cost)
{
	struct peel_addr source = *from;

	source.port = 0;
	return peel_rate_take_port(r, &source, cost);
}
