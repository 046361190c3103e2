/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"

#define BURSTS_MAX 512
#define BURSTS_MIN 8
#define SLICE_S 0.004 /* of one thing in one round, preparations included */
#define SLICE_QUICK_S 0.0002

uint64_t
bench_random(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1du;
}

/* What the process was allowed when it began; pinning a thread changes what the kernel answers. */
static const cpu_set_t *
allowed(void)
{
	static cpu_set_t set;
	static bool known;

	if (!known) {
		CPU_ZERO(&set);
		if (sched_getaffinity(0, sizeof(set), &set) != 0)
			CPU_SET(0, &set);
		known = true;
	}
	return &set;
}

unsigned int
bench_cpus(void)
{
	return (unsigned int)CPU_COUNT(allowed());
}

void
bench_pin(unsigned int nth)
{
	const cpu_set_t *from = allowed();
	cpu_set_t set;

	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (CPU_ISSET(cpu, from) && nth-- == 0) {
			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			(void)sched_setaffinity(0, sizeof(set), &set);
			return;
		}
	}
}

static double
now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double
bench_tsc_hz(void)
{
	static double hz;

	if (hz == 0) {
		double start_s = now_s(), end_s;
		uint64_t start = rte_rdtsc();

		do
			end_s = now_s();
		while (end_s - start_s < 0.02);
		hz = (double)(rte_rdtsc() - start) / (end_s - start_s);
	}
	return hz;
}

uint64_t
bench_memory_available(void)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long long kb = 0;
	char line[128];

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "MemAvailable: %llu", &kb) == 1)
			break;
	}
	fclose(f);
	return kb * 1024;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

uint64_t
bench_timer_cost(void)
{
	static uint64_t cost;

	if (cost == 0) {
		cost = UINT64_MAX;
		for (unsigned int i = 0; i < 1000; i++) {
			uint64_t start = rte_rdtsc_precise(), took = rte_rdtsc_precise() - start;

			cost = took < cost ? took : cost;
		}
	}
	return cost;
}

double
bench_slice(const struct bench *b, const struct bench_timed *t)
{
	uint64_t cycles = (uint64_t)((b->quick ? SLICE_QUICK_S : SLICE_S) * bench_tsc_hz());
	uint64_t took[BURSTS_MAX], begin = rte_rdtsc(), cost = bench_timer_cost();
	unsigned int n = 0;

	while (n < BURSTS_MAX && (n < BURSTS_MIN || rte_rdtsc() - begin < cycles)) {
		if (t->prepare != NULL)
			t->prepare(t->arg);
		uint64_t start = rte_rdtsc_precise();

		t->run(t->arg);
		took[n] = rte_rdtsc_precise() - start;
		took[n] -= took[n] > cost ? cost : 0;
		n++;
	}
	qsort(took, n, sizeof(took[0]), compare);
	return (double)took[(n - 1) / 2] / t->items;
}

static void
rounds(struct bench *b, struct bench_timed *t, size_t n, bool rate)
{
	for (unsigned int round = 0; round <= b->rounds; round++) {
		if (!b->quick)
			bench_progress(b, "round %u of %u", round, b->rounds);
		for (size_t i = 0; i < n; i++) {
			double each = bench_slice(b, &t[i]);

			if (round > 0)
				bench_sample(t[i].result, rate ? bench_tsc_hz() / each : each);
		}
	}
}

void
bench_time(struct bench *b, struct bench_timed *t, size_t n)
{
	rounds(b, t, n, false);
}

void
bench_time_rate(struct bench *b, struct bench_timed *t, size_t n)
{
	rounds(b, t, n, true);
}
