/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Timing in rounds, and slices within them.
 */
#include "bench.h"

#define BURSTS_MAX 512
#define BURSTS_MIN 8
#define SLICE_S 0.004 /* of one thing in one round, preparations included */
#define SLICE_QUICK_S 0.0002

double
bench_slice(const struct bench *b, const struct bench_timed *t)
{
	uint64_t slice = (uint64_t)((b->quick ? SLICE_QUICK_S : SLICE_S) * bench_tsc_hz());
	uint64_t begin = rte_rdtsc(), cost = bench_timer_cost();
	double took[BURSTS_MAX];
	unsigned int n = 0;

	while (n < BURSTS_MAX && (n < BURSTS_MIN || rte_rdtsc() - begin < slice)) {
		if (t->prepare != NULL)
			t->prepare(t->arg);
		uint64_t start = rte_rdtsc_precise(), cycles;

		t->run(t->arg);
		cycles = rte_rdtsc_precise() - start;
		took[n++] = (double)(cycles > cost ? cycles - cost : cycles);
	}
	return bench_median_of(took, n) / t->items;
}

void
bench_time(struct bench *b, struct bench_timed *t, size_t n)
{
	for (unsigned int round = 0; round <= b->rounds; round++) {
		if (!b->quick)
			bench_progress(b, "round %u of %u", round, b->rounds);
		for (size_t i = 0; i < n; i++) {
			double cycles = bench_slice(b, &t[i]);

			if (round > 0)
				bench_sample(t[i].result, cycles);
		}
	}
}
