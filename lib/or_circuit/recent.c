/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"

/*
 * Pairs are remembered as a keyed 64-bit hash: a false match would refuse one create in 2^64 /
 * size, and the asker tries somebody else.
 */

int
recent_init(struct recent *r, const struct peel_env *env, uint32_t size)
{
	memset(r, 0, sizeof(*r));
	for (r->size = 64; r->size < size;)
		r->size *= 2;
	r->seed = peel_random_u64(env);
	r->entry = calloc(r->size, sizeof(*r->entry));
	r->bucket = malloc((size_t)r->size * sizeof(*r->bucket));
	if (r->entry == NULL || r->bucket == NULL)
		return -ENOMEM;
	memset(r->bucket, 0xff, (size_t)r->size * sizeof(*r->bucket)); /* NONE */
	return 0;
}

void
recent_fini(struct recent *r)
{
	free(r->entry);
	free(r->bucket);
}

/* Upper bits: the lower ones may be fewer than 64 of a ring of any size. */
static uint32_t *
bucket_of(const struct recent *r, uint64_t id)
{
	return &r->bucket[(uint32_t)(id >> 32) & (r->size - 1)];
}

static void
drop_oldest(struct recent *r)
{
	uint32_t oldest = (r->head - r->n) & (r->size - 1);
	uint32_t *link = bucket_of(r, r->entry[oldest].id);

	while (*link != oldest)
		link = &r->entry[*link].chain;
	*link = r->entry[oldest].chain;
	r->n--;
}

void
recent_add(struct recent *r, const struct peel_addr *from, uint32_t cid, uint32_t until_s)
{
	if (r->n == r->size)
		drop_oldest(r);
	uint32_t index = r->head;
	struct recent_entry *e = &r->entry[index];

	r->head = (r->head + 1) & (r->size - 1);
	r->n++;
	e->id = peel_addr_hash(from, cid, r->seed);
	e->until_s = until_s;
	uint32_t *bucket = bucket_of(r, e->id);

	e->chain = *bucket;
	*bucket = index;
}

bool
recent_has(const struct recent *r, const struct peel_addr *from, uint32_t cid, uint32_t now_s)
{
	uint64_t id = peel_addr_hash(from, cid, r->seed);

	for (uint32_t i = *bucket_of(r, id); i != NONE; i = r->entry[i].chain) {
		if (r->entry[i].id == id && (int32_t)(r->entry[i].until_s - now_s) >= 0)
			return true;
	}
	return false;
}

void
recent_expire(struct recent *r, uint32_t now_s)
{
	while (r->n > 0 &&
		(int32_t)(r->entry[(r->head - r->n) & (r->size - 1)].until_s - now_s) < 0)
		drop_oldest(r);
}
