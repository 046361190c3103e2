/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static uint64_t state = 0x9e3779b97f4a7c15u;

uint64_t
bench_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state * 0x2545f4914f6cdd1du;
}

static void
pin_to_last_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return;
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
		if (CPU_ISSET(cpu, &set)) {
			CPU_ZERO(&set);
			CPU_SET(cpu, &set);
			(void)sched_setaffinity(0, sizeof(set), &set);
			return;
		}
	}
}

void
bench_begin(struct bench *b, int argc, char **argv)
{
	b->quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	b->rounds = b->quick ? 5 : BENCH_ROUNDS_MAX;
	pin_to_last_cpu();
	printf("%-28s %6s %10s %10s\n", "case", "burst", "min", "median");
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void
bench_report(struct bench *b, const char *name, unsigned int burst, unsigned int items)
{
	qsort(b->cycles, b->rounds, sizeof(b->cycles[0]), compare);
	printf("%-28s %6u %10.1f %10.1f\n", name, burst, (double)b->cycles[0] / items,
		(double)b->cycles[b->rounds / 2] / items);
}
