/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdlib.h>

#include "or_internal.h"

void
or_offers_init(struct offers *o)
{
	o->offer = NULL;
	peel_slots_init(&o->slots, 0, PEEL_REUSE_SOON, PEEL_LINKS(o->offer, n));
}

void
or_offers_fini(struct offers *o)
{
	free(o->offer);
}

uint32_t
or_offer_new(struct offers *o)
{
	uint32_t i = peel_slots_take(&o->slots);

	if (i == PEEL_NONE) {
		struct offer *more = peel_slots_grow(&o->slots);

		if (more == NULL)
			return PEEL_NONE;
		o->offer = more;
		i = peel_slots_take(&o->slots);
	}
	o->offer[i].n = 0;
	return i;
}

void
or_offer_end(struct offers *o, uint32_t offer)
{
	peel_slots_give(&o->slots, offer);
}
