/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_stats.h"

const struct peel_counter_info peel_counter_info[PEEL_N_COUNTERS] = {
#define X(id, text, about) [PEEL_##id] = {.name = text, .help = about},
	PEEL_COUNTERS(X)
#undef X
};

uint64_t
peel_stats_sum(const struct peel_stats *const *blocks, size_t n, enum peel_counter c)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += peel_stats_get(blocks[i], c);
	return sum;
}
