/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "names_share.h"

#define BURST_SECONDS 3

void
names_budget_init(struct names_budget *budget, uint64_t now_ms)
{
	peel_bucket_init(&budget->modest, NAMES_MODEST_ALL_BURST, now_ms);
	peel_bucket_init(&budget->others, NAMES_RATE_ALL, now_ms);
}

void
names_share_init(struct names_share *share, uint32_t generation, uint64_t now_ms)
{
	*share = (struct names_share){.generation = generation, .places = NAMES_PLACES_FIRST};
	peel_bucket_init(&share->lookups, BURST_SECONDS * NAMES_RATE, now_ms);
	peel_bucket_init(&share->modest, NAMES_MODEST_FIRST, now_ms);
}

bool
names_share_take(struct names_share *share, struct names_budget *budget, uint64_t now_ms)
{
	/* The circuit's own budget first: a flooding circuit must not use up the common one. */
	if (share->asking >= share->places || !peel_bucket_take(&share->lookups, NAMES_RATE,
						      BURST_SECONDS * NAMES_RATE, 1, now_ms))
		return false;
	if (!(peel_bucket_take(&share->modest, NAMES_MODEST_RATE, NAMES_MODEST_BURST, 1, now_ms) &&
		    peel_bucket_take(&budget->modest, NAMES_MODEST_ALL, NAMES_MODEST_ALL_BURST, 1,
			    now_ms)) &&
		!peel_bucket_take(&budget->others, NAMES_RATE_ALL, NAMES_RATE_ALL, 1, now_ms))
		return false;
	share->asking++;
	return true;
}

void
names_share_done(struct names_share *share, bool answered)
{
	share->asking--;
	if (answered && share->places < NAMES_PLACES_MAX)
		share->places++;
	else if (!answered)
		share->places =
			share->places / 2 > NAMES_PLACES_MIN ? share->places / 2 : NAMES_PLACES_MIN;
}
