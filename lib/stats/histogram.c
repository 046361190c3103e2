/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_histogram.h"

#define US 1000u
#define MS 1000000u

const uint64_t peel_histogram_ns[PEEL_HISTOGRAM_BOUNDS] = {10 * US, 25 * US, 50 * US, 100 * US,
	250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,
	250 * MS, 500 * MS, 1000 * MS};

static void
add(uint64_t *to, uint64_t n)
{
	__atomic_store_n(to, __atomic_load_n(to, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

void
peel_histogram_add(struct peel_histogram *h, uint64_t ns, uint64_t n)
{
	unsigned int c = 0;

	while (c < PEEL_HISTOGRAM_BOUNDS && ns > peel_histogram_ns[c])
		c++;
	add(&h->n[c], n);
	add(&h->sum_ns, ns * n);
}

uint64_t
peel_histogram_upto(const struct peel_histogram *h, unsigned int bound)
{
	uint64_t sum = 0;

	for (unsigned int c = 0; c <= bound && c <= PEEL_HISTOGRAM_BOUNDS; c++)
		sum += __atomic_load_n(&h->n[c], __ATOMIC_RELAXED);
	return sum;
}
