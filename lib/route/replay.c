/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "table_memory.h"
#include "peel_replay.h"

#define ENTRIES_MIN 1024
#define ENTRIES_MAX (1u << 31)

struct replay {
	struct peel_replay base;
	struct memory memory;
};

static uint32_t
rounded(uint32_t entries)
{
	uint32_t size = ENTRIES_MIN;

	while (size < entries && size < ENTRIES_MAX)
		size *= 2;
	return size;
}

size_t
peel_replay_memsize(uint32_t entries)
{
	return (size_t)rounded(entries) * sizeof(uint64_t);
}

int
peel_replay_new(uint32_t entries, const struct peel_env *env, bool heap, int socket_id,
	struct peel_replay **out)
{
	uint32_t size = rounded(entries);
	struct replay *r = calloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	if (r == NULL)
		return -ENOMEM;
	rc = memory_alloc(&r->memory, peel_replay_memsize(entries), heap, socket_id);
	if (rc != 0) {
		free(r);
		return rc;
	}
	r->base.sets = r->memory.p;
	r->base.shift = 64 - (unsigned int)__builtin_ctz(size / PEEL_REPLAY_WAYS);
	r->base.class_mask = ~UINT64_C(0) << (r->base.shift - PEEL_REPLAY_CLASS_BITS);
	r->base.salt_mask = size / PEEL_REPLAY_PART - 1;
	peel_random(env, r->base.seed, sizeof(r->base.seed));
	*out = &r->base;
	return 0;
}

void
peel_replay_free(struct peel_replay *r)
{
	struct replay *whole = (struct replay *)r;

	if (r == NULL)
		return;
	memory_free(&whole->memory);
	free(whole);
}
