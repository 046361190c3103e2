/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_links.h"

#define FIRST_SIZE 64

void *
peel_slots_grow(struct peel_slots *s)
{
	struct peel_links *l = &s->free.next;
	uint32_t size = s->size == 0 ? FIRST_SIZE : s->size * 2;
	void *array = size <= PEEL_NONE / 2 ? realloc(l->array, (size_t)size * l->stride) : NULL;

	if (array == NULL)
		return NULL;
	l->array = array;
	s->size = size;
	return array;
}

int
peel_chains_init(struct peel_chains *c, uint32_t n, struct peel_links next)
{
	uint32_t heads = 1;

	while (heads < n)
		heads *= 2;
	*c = (struct peel_chains){
		.head = malloc(heads * sizeof(*c->head)), .mask = heads - 1, .next = next};
	if (c->head == NULL)
		return -ENOMEM;
	memset(c->head, 0xff, heads * sizeof(*c->head)); /* PEEL_NONE */
	return 0;
}

void
peel_chains_fini(struct peel_chains *c)
{
	free(c->head);
	*c = (struct peel_chains){0};
}
