/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "index.h"

#define EMPTY UINT64_C(0)
#define TOMBSTONE UINT64_C(0xffffffff) /* signature 0 */

static uint64_t
pack(uint64_t hash, uint32_t slot)
{
	return (uint64_t)index_signature(hash) << 32 | (slot + 1);
}

/* The writer reads its own stores. */
static uint64_t
peek(const uint64_t *bucket)
{
	return __atomic_load_n(bucket, __ATOMIC_RELAXED);
}

static void
put(uint64_t *bucket, uint64_t value)
{
	__atomic_store_n(bucket, value, __ATOMIC_RELEASE);
}

static uint64_t
next_group(const struct index *ix, uint64_t group)
{
	return group + 1 == ix->n_groups ? 0 : group + 1;
}

uint64_t
index_groups(uint64_t n, unsigned int load)
{
	uint64_t groups = (n + load - 1) / load;

	return groups > 0 ? groups : 1;
}

void
index_add(struct index *ix, uint64_t hash, uint32_t slot)
{
	/* There are more places than keys: some group has room. */
	for (uint64_t g = index_home(ix, hash);; g = next_group(ix, g)) {
		uint64_t *b = index_group(ix, g);

		for (unsigned int i = 0; i < PEEL_INDEX_WAYS; i++) {
			if (peek(&b[i]) == EMPTY || peek(&b[i]) == TOMBSTONE) {
				put(&b[i], pack(hash, slot));
				return;
			}
		}
		if (ix->passed[g] < UINT8_MAX)
			ix->passed[g]++;
	}
}

/* The bucket of (hash, slot) and its group, or NULL. */
static uint64_t *
find(const struct index *ix, uint64_t hash, uint32_t slot, uint64_t *group)
{
	uint64_t wanted = pack(hash, slot), g = index_home(ix, hash);

	for (uint64_t left = ix->n_groups; left > 0; left--, g = next_group(ix, g)) {
		uint64_t *b = index_group(ix, g);
		bool last = false;

		for (unsigned int i = 0; i < PEEL_INDEX_WAYS; i++) {
			if (peek(&b[i]) == wanted) {
				*group = g;
				return &b[i];
			}
			last |= peek(&b[i]) == EMPTY;
		}
		if (last)
			break;
	}
	return NULL;
}

/* One key less is stored behind this group; after the last one readers may stop here again. */
static void
unpass(struct index *ix, uint64_t group)
{
	uint64_t *b = index_group(ix, group);

	/* A saturated count has lost track: its tombstones stay, which costs readers a line and
	 * nothing else. */
	if (ix->passed[group] == UINT8_MAX || --ix->passed[group] > 0)
		return;
	for (unsigned int i = 0; i < PEEL_INDEX_WAYS; i++) {
		if (peek(&b[i]) == TOMBSTONE)
			put(&b[i], EMPTY);
	}
}

bool
index_del(struct index *ix, uint64_t hash, uint32_t slot)
{
	uint64_t group;
	uint64_t *bucket = find(ix, hash, slot, &group);

	if (bucket == NULL)
		return false;
	put(bucket, ix->passed[group] == 0 ? EMPTY : TOMBSTONE);
	for (uint64_t g = index_home(ix, hash); g != group; g = next_group(ix, g))
		unpass(ix, g);
	return true;
}

bool
index_replace(struct index *ix, uint64_t hash, uint32_t slot, uint32_t new_slot)
{
	uint64_t group;
	uint64_t *bucket = find(ix, hash, slot, &group);

	if (bucket == NULL)
		return false;
	put(bucket, pack(hash, new_slot));
	return true;
}
