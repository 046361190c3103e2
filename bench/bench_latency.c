/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The time that a relay adds to a cell, from its arrival in the port's ring until it is sent, at a
 * share of the worker's capacity. Cells arrive at a steady rate whatever the worker does (open
 * loop). Each has the time at which it was due, so that waiting counts. Batches during which the
 * kernel ran something else on the core are repeated; the results say how many.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

#define BATCH 2048
#define WARM (BATCH / 4) /* arrivals before those that count */
#define BATCHES 24	 /* per round */
#define BATCHES_QUICK 2
#define TRIES 4 /* times as many batches as wanted, on a busy machine */
#define MBUFS (4096 - 1)
#define RING 1024

static const uint16_t sizes[] = {64, 1400};
static const unsigned int loads[] = {10, 50, 90};
static const struct {
	const char *name;
	unsigned int of_10000;
} percentiles[] = {{"p50", 5000}, {"p99", 9900}, {"p99.9", 9990}};

static double sample[BATCHES * BATCH]; /* cycles */

static size_t
take_samples(struct relay_rig *rig, size_t n)
{
	const struct peel_load_record *r;
	uint32_t n_records;

	r = peel_load_records(rig->port, 0, &n_records);
	for (uint32_t i = WARM; i < n_records; i++) {
		if (r[i].departure > r[i].arrival)
			sample[n++] = (double)(r[i].departure - r[i].arrival);
	}
	return n;
}

static void
round_at(struct bench *b, struct relay_rig *rig, double cycles, struct bench_result *const *result)
{
	unsigned int wanted = b->quick ? BATCHES_QUICK : BATCHES, good = 0, tries = 0;
	struct peel_load_pace pace = {.cycles = cycles, .ring = RING};
	size_t n = 0;

	for (; good < wanted && tries < TRIES * wanted; tries++) {
		long preempted;

		relay_rig_prepare(rig, 0);
		preempted = relay_rig_preemptions();
		peel_load_pace_start(rig->port, 0, &pace, rte_rdtsc());
		relay_rig_work(rig, 0);
		/* The last ones count in any case, so that there are some. */
		if (relay_rig_preemptions() != preempted && tries < (TRIES - 1) * wanted)
			continue;
		n = take_samples(rig, n);
		good++;
	}
	if (n == 0)
		bench_fail("nothing came out");
	bench_sort(sample, n);
	for (size_t p = 0; p < PEEL_ARRAY_LEN(percentiles); p++)
		bench_sample(result[p],
			sample[n * percentiles[p].of_10000 / 10000] * 1e6 / bench_tsc_hz());
	bench_sample(result[PEEL_ARRAY_LEN(percentiles)], 100.0 * (tries - good) / tries);
}

static void
measure(struct bench *b, struct relay_rig *rig, uint16_t size)
{
	struct bench_result *result[PEEL_ARRAY_LEN(loads)][PEEL_ARRAY_LEN(percentiles) + 1];
	struct bench_result *capacity =
		bench_result(b, "capacity", "cells/s", "{s:i}", "bytes", size);

	if (peel_load_set_sizes(rig->port, &size, 1) != 0)
		bench_fail("%u bytes: impossible", size);
	for (size_t l = 0; l < PEEL_ARRAY_LEN(loads); l++) {
		for (size_t p = 0; p < PEEL_ARRAY_LEN(percentiles); p++)
			result[l][p] = bench_result(b, "forward", "us", "{s:i,s:i,s:s}", "bytes",
				size, "load_percent", loads[l], "what", percentiles[p].name);
		result[l][PEEL_ARRAY_LEN(percentiles)] =
			bench_result(b, "forward, interrupted batches", "% lost", "{s:i,s:i}",
				"bytes", size, "load_percent", loads[l]);
	}
	for (unsigned int round = 0; round < b->rounds; round++) {
		double cycles = relay_rig_capacity(rig);

		bench_sample(capacity, bench_tsc_hz() / cycles);
		for (size_t l = 0; l < PEEL_ARRAY_LEN(loads); l++)
			round_at(b, rig, cycles * 100 / loads[l], result[l]);
	}
}

int
main(int argc, char **argv)
{
	static struct relay_rig rig;
	struct relay_rig_conf c = {.n_workers = 1,
		.n_mbufs = MBUFS,
		.filter = true,
		.load = {.work = PEEL_LOAD_FORWARD,
			.batch = BATCH,
			.size = {sizes[0]},
			.n_sizes = 1}};
	struct bench b;

	bench_begin(&b, "latency", argc, argv, NULL);
	relay_rig_eal(&b, MBUFS);
	c.engine = peel_aead_engine_best();
	if (c.engine == NULL)
		bench_skip("no AEAD engine works here");
	c.load.n_circuits = b.quick ? 1000 : 100000;
	relay_rig_start(&rig, &c);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
		bench_progress(&b, "%u bytes", sizes[i]);
		measure(&b, &rig, sizes[i]);
	}
	relay_rig_stop(&rig);
	return bench_end(&b);
}
