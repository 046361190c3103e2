/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Filter for exact duplicates (W3): sets of eight fingerprints, one cache line each, newest first.
 */
#include <errno.h>
#include <stdlib.h>

#include "memory.h"
#include "peel_route.h"

#define WAYS 8
#define ENTRIES_MIN 1024
#define ENTRIES_MAX (1u << 31)

struct peel_replay {
	uint64_t *sets;	    /* 0 = unused */
	unsigned int shift; /* the set is what is left of a fingerprint shifted by this */
	uint64_t seed[3];
	struct peel_memory memory;
};

int
peel_replay_new(uint32_t entries, const struct peel_env *env, bool heap, int socket_id,
	struct peel_replay **out)
{
	uint32_t size = ENTRIES_MIN;
	struct peel_replay *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	while (size < entries && size < ENTRIES_MAX)
		size *= 2;
	rc = peel_memory_alloc(&r->memory, (size_t)size * sizeof(uint64_t), heap, socket_id);
	if (rc != 0) {
		free(r);
		return rc;
	}
	r->sets = r->memory.p;
	r->shift = 64 - (unsigned int)__builtin_ctz(size / WAYS);
	peel_random(env, r->seed, sizeof(r->seed));
	*out = r;
	return 0;
}

void
peel_replay_free(struct peel_replay *r)
{
	if (r == NULL)
		return;
	peel_memory_free(&r->memory);
	free(r);
}

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t
peel_replay_fingerprint(
	const struct peel_replay *r, uint32_t session, uint64_t explicit_salt, const uint8_t *tag)
{
	uint64_t t[2];

	/* Tags are as good as random to whoever has no key, and the seeds are ours: nobody can aim at a set. */
	memcpy(t, tag, sizeof(t));
	uint64_t h = fold(t[0] ^ r->seed[0], explicit_salt ^ r->seed[1]);

	h = fold(h ^ t[1], session ^ r->seed[2]);
	return h != 0 ? h : 1;
}

void
peel_replay_prefetch(const struct peel_replay *r, uint64_t fingerprint)
{
	__builtin_prefetch(&r->sets[(fingerprint >> r->shift) * WAYS], 1);
}

bool
peel_replay_seen(struct peel_replay *r, uint64_t fingerprint)
{
	uint64_t *set = &r->sets[(fingerprint >> r->shift) * WAYS];
	uint64_t old[WAYS];
	bool seen = false;

	for (unsigned int i = 0; i < WAYS; i++) {
		old[i] = __atomic_load_n(&set[i], __ATOMIC_RELAXED);
		seen |= old[i] == fingerprint;
	}
	if (seen)
		return true;
	/* The oldest falls off the end. Two workers in one set at a time may lose an entry: a duplicate more, no harm. */
	__atomic_store_n(&set[0], fingerprint, __ATOMIC_RELAXED);
	for (unsigned int i = 1; i < WAYS; i++)
		__atomic_store_n(&set[i], old[i - 1], __ATOMIC_RELAXED);
	return false;
}
