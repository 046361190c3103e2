/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdlib.h>

#include "or_internal.h"

#define FIRST_SIZE 64

void
or_offers_init(struct offers *o)
{
	*o = (struct offers){.free = NONE};
}

void
or_offers_fini(struct offers *o)
{
	free(o->offer);
}

static bool
grow(struct offers *o)
{
	uint32_t size = o->size == 0 ? FIRST_SIZE : o->size * 2;

	if (size > NONE / 2)
		return false;
	struct offer *offer = realloc(o->offer, (size_t)size * sizeof(*offer));

	if (offer == NULL)
		return false;
	o->offer = offer;
	o->size = size;
	return true;
}

uint32_t
or_offer_new(struct offers *o)
{
	uint32_t i = o->free;

	if (i != NONE) {
		o->free = o->offer[i].n;
	} else {
		if (o->n_high == o->size && !grow(o))
			return NONE;
		i = o->n_high++;
	}
	o->offer[i].n = 0;
	return i;
}

void
or_offer_end(struct offers *o, uint32_t offer)
{
	o->offer[offer].n = o->free;
	o->free = offer;
}
