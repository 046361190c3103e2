/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Facts about the machine; each is found out once.
 */
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include <rte_cycles.h>

#include "bench_machine.h"

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

void
bench_unpin(void)
{
	(void)sched_setaffinity(0, sizeof(cpu_set_t), allowed());
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
