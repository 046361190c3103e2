/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Timing for micro-benchmarks: cycles of the time stamp counter per item, minimum and median over many rounds, one line per
 * case. The program pins itself to the last CPU of its affinity. With --quick each case runs a few rounds, to see that
 * it works.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_cycles.h>

#define BENCH_ROUNDS_MAX 1000

struct bench {
	unsigned int rounds; /* per case */
	bool quick;
	uint64_t cycles[BENCH_ROUNDS_MAX];
};

/** Reads --quick, pins, prints the header. */
void bench_begin(struct bench *b, int argc, char **argv);
/** Print a case whose rounds are in b->cycles, @p items per round. */
void bench_report(struct bench *b, const char *name, unsigned int burst, unsigned int items);
/** Repeatable randomness. */
uint64_t bench_random(void);

/** Run a statement b->rounds times; `setup` is not timed. */
#define BENCH(b, setup, statement)                                                                 \
	for (unsigned int round_ = 0; round_ < (b)->rounds; round_++) {                            \
		setup;                                                                             \
		uint64_t start_ = rte_rdtsc_precise();                                             \
		statement;                                                                         \
		(b)->cycles[round_] = rte_rdtsc_precise() - start_;                                \
	}
