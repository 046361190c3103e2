/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A hash index from 64-bit hashes to slots: 8-byte buckets {signature, slot + 1}, eight to a cache
 * line (a group). A key lives in its home group or, when that was full, in the next one with room.
 * One writer, any number of readers; each change is one 64-bit store, entries never move, so a
 * reader finds every key that stays.
 *
 * A reader stops at the first group with an empty bucket. The writer counts for every group the
 * keys that passed over it; a bucket that is vacated in a group that was passed becomes a
 * tombstone, and empty again once nobody passes any more. So tombstones never outlive their reason.
 */

#include "peel_base.h"

#define PEEL_INDEX_WAYS 8

struct index {
	uint64_t *buckets; /* n_groups * PEEL_INDEX_WAYS */
	uint64_t n_groups; /* any number: no power of two, no division */
	/* writer: keys stored behind this group that belong to it or before it; saturates */
	uint8_t *passed;
};

/** How many groups hold @p n keys, @p load (below PEEL_INDEX_WAYS) in each on average. Never add
 * more than that. */
uint64_t index_groups(uint64_t n, unsigned int load);
void index_add(struct index *ix, uint64_t hash, uint32_t slot);
/** False when (hash, slot) is not there. */
bool index_del(struct index *ix, uint64_t hash, uint32_t slot);
bool index_replace(struct index *ix, uint64_t hash, uint32_t slot, uint32_t new_slot);

/* Never zero, so that neither an empty bucket nor a tombstone matches. */
static inline uint32_t
index_signature(uint64_t hash)
{
	return (uint32_t)hash | 1;
}

/* High bits of the hash; the signature has the low ones. */
static inline uint64_t
index_home(const struct index *ix, uint64_t hash)
{
	return (uint64_t)((unsigned __int128)hash * ix->n_groups >> 64);
}

static inline uint64_t *
index_group(const struct index *ix, uint64_t group)
{
	return ix->buckets + group * PEEL_INDEX_WAYS;
}

/* What one look at a group yields. */
struct index_view {
	uint64_t bucket[PEEL_INDEX_WAYS];
	uint32_t match; /* bit per bucket with the signature */
	bool last;	/* an empty bucket: the key is in no later group */
};

static inline void
index_look(const uint64_t *group, uint32_t signature, struct index_view *v)
{
	uint32_t match = 0, empty = 0;

	for (unsigned int i = 0; i < PEEL_INDEX_WAYS; i++) {
		/* Pairs with the release store of the writer: what the slot refers to is
		 * complete. */
		v->bucket[i] = __atomic_load_n(&group[i], __ATOMIC_ACQUIRE);
		match |= (uint32_t)((uint32_t)(v->bucket[i] >> 32) == signature) << i;
		empty |= v->bucket[i] == 0;
	}
	v->match = match;
	v->last = empty != 0;
}

/* The same for those who need one match only: its bucket, or 0. */
static inline uint64_t
index_match(const uint64_t *group, uint32_t signature, bool *last)
{
	uint64_t match = 0;
	bool empty = false;

	for (unsigned int i = 0; i < PEEL_INDEX_WAYS; i++) {
		uint64_t bucket = __atomic_load_n(&group[i], __ATOMIC_ACQUIRE); /* as above */

		match = (uint32_t)(bucket >> 32) == signature ? bucket : match;
		empty |= bucket == 0;
	}
	*last = empty;
	return match;
}

static inline uint32_t
index_slot(uint64_t bucket)
{
	return (uint32_t)bucket - 1;
}

/* All slots that may belong to a hash, one after the other. */
struct index_walk {
	struct index_view view;
	uint64_t group, left;
	uint32_t signature;
};

static inline struct index_walk
index_walk_begin(const struct index *ix, uint64_t hash)
{
	struct index_walk w = {
		.group = index_home(ix, hash),
		.left = ix->n_groups,
		.signature = index_signature(hash),
	};

	index_look(index_group(ix, w.group), w.signature, &w.view);
	return w;
}

/* UINT32_MAX at the end. */
static inline uint32_t
index_walk_next(const struct index *ix, struct index_walk *w)
{
	while (w->view.match == 0) {
		if (w->view.last || --w->left == 0)
			return UINT32_MAX;
		if (++w->group == ix->n_groups)
			w->group = 0;
		index_look(index_group(ix, w->group), w->signature, &w->view);
	}
	unsigned int way = (unsigned int)__builtin_ctz(w->view.match);

	w->view.match &= w->view.match - 1;
	return index_slot(w->view.bucket[way]);
}
