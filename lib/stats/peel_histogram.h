/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* How long something took: durations counted in classes of 1, 2.5 and 5 per power of ten, from 10
 * microseconds to a second. Exactly one thread adds; any thread may read (relaxed). */

#include "peel_base.h"

#define PEEL_HISTOGRAM_BOUNDS 16

struct peel_histogram {
	uint64_t n[PEEL_HISTOGRAM_BOUNDS + 1]; /* up to that bound and above the one before it */
	uint64_t sum_ns;
};

/** The upper bounds, in nanoseconds. What is longer than the last is in a class behind it. */
extern const uint64_t peel_histogram_ns[PEEL_HISTOGRAM_BOUNDS];

/** Count @p n events of @p ns nanoseconds each. Thread: the owner. */
void peel_histogram_add(struct peel_histogram *h, uint64_t ns, uint64_t n);

/** How many there were up to a bound (its index), or in all (PEEL_HISTOGRAM_BOUNDS). Thread: any.
 */
uint64_t peel_histogram_upto(const struct peel_histogram *h, unsigned int bound);
