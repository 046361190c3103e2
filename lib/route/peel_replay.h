/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The filter for exact duplicates (W3). A table of fixed size remembers the fingerprints of
 * recently opened cells of all circuits. Only an exact duplicate (same session, explicit salt and
 * tag) is dropped, because legitimate peers repeat salts. The workers share the table with relaxed
 * atomics.
 *
 * A circuit cannot make the filter forget other circuits' cells. The salts of a session fall into
 * classes, each class belongs to one set, and the set keeps two cells of a class: the third
 * replaces one of these. So a session fills at most a 256th of the filter. In a set that is full of
 * cells of other classes, the oldest gives way.
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

/** Make a filter. @p entries is rounded up to a power of two, at least 1024; 8 bytes each. @p heap
 * and @p socket_id choose the memory as in peel_route_conf. 0 or -ENOMEM. Thread: control. */
int peel_replay_new(uint32_t entries, const struct peel_env *env, bool heap, int socket_id,
	struct peel_replay **out) PEEL_MUST_USE;
/** The bytes that such a filter takes. Thread: any. */
size_t peel_replay_memsize(uint32_t entries);
/** NULL is fine. */
void peel_replay_free(struct peel_replay *r);

static inline uint64_t
peel_replay_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/** The fingerprint of a cell; @p tag points to its 16 tag bytes. Compute it BEFORE opening. Thread:
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

/** Prefetch the set, some time before peel_replay_seen(). Thread: workers. */
static inline void
peel_replay_prefetch(const struct peel_replay *r, uint64_t fingerprint)
{
	__builtin_prefetch(peel_replay_set(r, fingerprint), 1);
}

/** Remember a fingerprint; true if it was there already, so that the cell must be dropped. Call
 * this only for cells whose tag has verified. Thread: workers. */
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
	 * Ways are filled in turn, so the oldest goes, unless the class has two cells: then one of
	 * these goes. No branches, because they would be unpredictable. Two workers in one set at
	 * the same time may lose an entry; one more duplicate passes, which does no harm.
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
