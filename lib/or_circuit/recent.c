/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"

/*
 * Pairs are stored as a keyed 64-bit hash. A false match would refuse one create in 2^64 / size,
 * and the asker would try another node.
 */

int
recent_init(struct recent *r, const struct peel_env *env, uint32_t size)
{
	memset(r, 0, sizeof(*r));
	for (r->size = 64; r->size < size;)
		r->size *= 2;
	r->seed = peel_random_u64(env);
	r->entry = calloc(r->size, sizeof(*r->entry));
	if (r->entry == NULL)
		return -ENOMEM;
	return peel_chains_init(&r->chains, r->size, PEEL_LINKS(r->entry, chain));
}

void
recent_fini(struct recent *r)
{
	free(r->entry);
	peel_chains_fini(&r->chains);
}

static void
drop_oldest(struct recent *r)
{
	uint32_t oldest = (r->head - r->n) & (r->size - 1);

	peel_chains_del(&r->chains, r->entry[oldest].id, oldest);
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
	peel_chains_add(&r->chains, e->id, index);
}

bool
recent_has(const struct recent *r, const struct peel_addr *from, uint32_t cid, uint32_t now_s)
{
	uint64_t id = peel_addr_hash(from, cid, r->seed);
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &r->chains, id) {
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
