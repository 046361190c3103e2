/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Exact-duplicate filter (W3). Remembers the fingerprints of the cells opened lately, all circuits
 * together, in a table of fixed size: only an exact duplicate (same session, same explicit salt and
 * same tag) is refused, because legitimate peers repeat salts. Shared by the workers, relaxed
 * atomics.
 *
 * A circuit cannot make the filter forget what others sent. The salts of a session fall into so
 * many classes, each of them belongs to one set, and of a class a set keeps two cells: the third
 * takes the place of one of these. So a session fills a 256th of the filter and no more, and its
 * latest cells, as many as that, stay however much others send. In a set that is full of others'
 * cells the oldest makes way.
 *
 *   fingerprint | set | class in its set 10 | cell | way 2 |
 */

#include "peel_base.h"

#define PEEL_REPLAY_WAYS 4	  /* of a set: half a cache line */
#define PEEL_REPLAY_CLASS_BITS 10 /* that tell classes apart in a set */
/* a session has this part of all places as classes, two cells each */
#define PEEL_REPLAY_PART 512

struct peel_replay {
	/* fingerprints, 0: unused; the low bits of the first say which way was filled last */
	uint64_t *sets;
	unsigned int shift;  /* the set is what is left of a fingerprint shifted by this */
	uint64_t class_mask; /* of a fingerprint: set and class */
	uint64_t salt_mask;  /* of a salt: its class */
	uint64_t seed[4];
};

/** @p entries is rounded up to a power of two, at least 1024; 8 bytes each. Memory as in
 * peel_route_conf.   Thread: control. */
int peel_replay_new(uint32_t entries, const struct peel_env *env, bool heap, int socket_id,
	struct peel_replay **out) PEEL_MUST_USE;
/** The bytes that it will take of that memory.   Thread: any. */
size_t peel_replay_memsize(uint32_t entries);
/** NULL is fine. */
void peel_replay_free(struct peel_replay *r);

static inline uint64_t
peel_replay_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/** Fingerprint of a cell; @p tag points to its 16 tag bytes, taken BEFORE opening.   Thread:
 * workers. */
static inline uint64_t
peel_replay_fingerprint(
	const struct peel_replay *r, uint32_t session, uint64_t explicit_salt, const uint8_t *tag)
{
	uint64_t t[2];

	/* Tags are as good as random to whoever has no key, and the seeds are ours: nobody can aim
	 * at a set. */
	memcpy(t, tag, sizeof(t));
	uint64_t h = peel_replay_fold(t[0] ^ explicit_salt ^ r->seed[0], t[1] ^ r->seed[1]);
	uint64_t class =
		peel_replay_fold(session ^ r->seed[2], (explicit_salt & r->salt_mask) ^ r->seed[3]);

	h = (class ^ (h & ~r->class_mask)) & ~(uint64_t)(PEEL_REPLAY_WAYS - 1);
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

/** Remember it; true when it was there already (drop the cell). Call only for cells whose tag
 * verified.   Thread: workers. */
static inline bool
peel_replay_seen(struct peel_replay *r, uint64_t fingerprint)
{
	const uint64_t mask = PEEL_REPLAY_WAYS - 1, in_class = ~r->class_mask;
	uint64_t *set = peel_replay_set(r, fingerprint);
	uint64_t first = __atomic_load_n(&set[0], __ATOMIC_RELAXED), last = first & mask;
	uint64_t differ = (first - last) ^ fingerprint;
	bool seen = differ == 0;
	unsigned int same = differ <= in_class; /* bit per way: of the same class */

	for (unsigned int i = 1; i < PEEL_REPLAY_WAYS; i++) {
		differ = __atomic_load_n(&set[i], __ATOMIC_RELAXED) ^ fingerprint;
		seen |= differ == 0;
		same |= (unsigned int)(differ <= in_class) << i;
	}
	if (seen)
		return true;
	/*
	 * Ways are filled in turn, so the oldest goes, unless its class has two cells: then either
	 * of these. No branches: nobody could predict them. Two workers in one set at a time may
	 * lose an entry: a duplicate more, no harm.
	 */
	unsigned int second = same & (same - 1);
	unsigned int own = fingerprint & PEEL_REPLAY_WAYS ? second : same;
	uint64_t next = (last + 1) & mask;
	uint64_t way = second != 0 ? (uint64_t)__builtin_ctz(own | 1u << PEEL_REPLAY_WAYS) : next;

	last = second != 0 ? last : next;
	first = way == 0 ? fingerprint : first & ~mask;
	__atomic_store_n(&set[way], fingerprint, __ATOMIC_RELAXED);
	__atomic_store_n(&set[0], first | last, __ATOMIC_RELAXED);
	return false;
}
