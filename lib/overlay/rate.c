/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

/* Sets of a few buckets, as in a cache: constant time, and a stranger cannot make it grow. */
#define N_SETS 1024u
#define N_WAYS 4u

int
peel_overlay_rate_init(struct ov_rate_table *t, struct ov_rate rate, uint64_t seed)
{
	t->rate = rate;
	t->seed = seed;
	t->bucket = calloc(N_SETS * N_WAYS, sizeof(*t->bucket));
	return t->bucket == NULL ? -ENOMEM : 0;
}

void
peel_overlay_rate_fini(struct ov_rate_table *t)
{
	free(t->bucket);
	memset(t, 0, sizeof(*t));
}

bool
peel_overlay_bucket_take(struct ov_bucket *b, struct ov_rate rate, uint64_t now)
{
	uint64_t full = (uint64_t)rate.burst * 1000, milli = full;

	if (b->used) {
		uint64_t idle = now - b->updated_ms;

		/* thousandths per millisecond are tokens per second */
		if (idle < full)
			milli = b->milli + idle * rate.per_second;
		if (milli > full)
			milli = full;
	}
	b->used = true;
	b->updated_ms = now;
	b->milli = (uint32_t)milli;
	if (milli < 1000)
		return false;
	b->milli -= 1000;
	return true;
}

bool
peel_overlay_rate_take(struct ov_rate_table *t, const struct peel_addr *from, uint64_t now)
{
	struct peel_addr net = *from;

	/* Test networks have many nodes on one local address; the buckets over all sources hold for them too. */
	if (!peel_overlay_addr_local(from))
		net.port = 0;
	if (net.family == PEEL_FAMILY_IPV6)
		memset(net.ip + 8, 0, 8);
	uint64_t key = peel_addr_hash(&net, 0, t->seed);
	struct ov_bucket *set = &t->bucket[(key % N_SETS) * N_WAYS], *victim = set;

	for (uint32_t i = 0; i < N_WAYS; i++) {
		if (set[i].used && set[i].key == key)
			return peel_overlay_bucket_take(&set[i], t->rate, now);
		if (!set[i].used || (victim->used && set[i].updated_ms < victim->updated_ms))
			victim = &set[i];
	}
	*victim = (struct ov_bucket){.key = key};
	return peel_overlay_bucket_take(victim, t->rate, now);
}
