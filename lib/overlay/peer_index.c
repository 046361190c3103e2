/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay_internal.h"

int
overlay_index_init(struct ov_index *x, uint32_t slots)
{
	uint32_t heads = 1;

	while (heads < slots)
		heads *= 2;
	x->mask = heads - 1;
	x->head = malloc(heads * sizeof(*x->head));
	x->next = malloc(slots * sizeof(*x->next));
	if (x->head == NULL || x->next == NULL) {
		overlay_index_fini(x);
		return -ENOMEM;
	}
	memset(x->head, 0xff, heads * sizeof(*x->head)); /* PEEL_SLOT_NONE */
	return 0;
}

void
overlay_index_fini(struct ov_index *x)
{
	free(x->head);
	free(x->next);
	memset(x, 0, sizeof(*x));
}

void
overlay_index_add(struct ov_index *x, uint64_t hash, uint32_t slot)
{
	x->next[slot] = x->head[hash & x->mask];
	x->head[hash & x->mask] = slot;
}

void
overlay_index_del(struct ov_index *x, uint64_t hash, uint32_t slot)
{
	uint32_t *link = &x->head[hash & x->mask];

	while (*link != slot) {
		if (*link == PEEL_SLOT_NONE)
			return;
		link = &x->next[*link];
	}
	*link = x->next[slot];
}
