/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Exact-duplicate filter (W3). Remembers the fingerprints of the cells opened lately, all circuits together, in a table of
 * fixed size: only an exact duplicate (same session, same explicit salt and same tag) is refused, because legitimate
 * peers repeat salts. The oldest fingerprint of a set of eight makes way, so false negatives under load; false positives
 * are rarer than entries / 2^61. Shared by the workers, relaxed atomics.
 */

#include "peel_base.h"

#define PEEL_REPLAY_WAYS 8 /* of a set: one cache line */

struct peel_replay {
	uint64_t *
		sets; /* fingerprints, 0: unused; the low bits of the first say which way was filled last */
	unsigned int shift; /* the set is what is left of a fingerprint shifted by this */
	uint64_t seed[3];
};

/** @p entries is rounded up to a power of two, at least 1024; 8 bytes each. Memory as in peel_route_conf.   Thread: control. */
int peel_replay_new(uint32_t entries, const struct peel_env *env, bool heap, int socket_id,
	struct peel_replay **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_replay_free(struct peel_replay *r);

static inline uint64_t
peel_replay_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/** Fingerprint of a cell; @p tag points to its 16 tag bytes, taken BEFORE opening.   Thread: workers. */
static inline uint64_t
peel_replay_fingerprint(
	const struct peel_replay *r, uint32_t session, uint64_t explicit_salt, const uint8_t *tag)
{
	uint64_t t[2];

	/* Tags are as good as random to whoever has no key, and the seeds are ours: nobody can aim at a set. */
	memcpy(t, tag, sizeof(t));
	uint64_t h = peel_replay_fold(t[0] ^ r->seed[0], explicit_salt ^ r->seed[1]);

	h = peel_replay_fold(h ^ t[1], session ^ r->seed[2]) & ~(uint64_t)(PEEL_REPLAY_WAYS - 1);
	return h != 0 ? h : PEEL_REPLAY_WAYS;
}

static inline uint64_t *
peel_replay_set(const struct peel_replay *r, uint64_t fingerprint)
{
	return &r->sets[(fingerprint >> r->shift) * PEEL_REPLAY_WAYS];
}

/** Some time before peel_replay_seen().   Thread: workers. */
static inline void
peel_replay_prefetch(const struct peel_replay *r, uint64_t fingerprint)
{
	__builtin_prefetch(peel_replay_set(r, fingerprint), 1);
}

/** Remember it; true when it was there already (drop the cell). Call only for cells whose tag verified.   Thread: workers. */
static inline bool
peel_replay_seen(struct peel_replay *r, uint64_t fingerprint)
{
	const uint64_t mask = PEEL_REPLAY_WAYS - 1;
	uint64_t *set = peel_replay_set(r, fingerprint);
	uint64_t first = __atomic_load_n(&set[0], __ATOMIC_RELAXED), way = (first + 1) & mask;
	bool seen = (first & ~mask) == fingerprint;

	for (unsigned int i = 1; i < PEEL_REPLAY_WAYS; i++)
		seen |= __atomic_load_n(&set[i], __ATOMIC_RELAXED) == fingerprint;
	if (seen)
		return true;
	/* In turn, so the oldest goes. Two workers in one set at a time may lose an entry: a duplicate more, no harm. */
	if (way != 0) {
		__atomic_store_n(&set[way], fingerprint, __ATOMIC_RELAXED);
		fingerprint = first & ~mask;
	}
	__atomic_store_n(&set[0], fingerprint | way, __ATOMIC_RELAXED);
	return false;
}
