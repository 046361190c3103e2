/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_stats.h"

const struct peel_counter_info peel_counter_info[PEEL_N_COUNTERS] = {
#define X(id, text, about) [PEEL_##id] = {.name = text, .help = about},
	PEEL_COUNTERS(X)
#undef X
};
