/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Does a worker still do what it can when more arrives than it can handle? Cells arrive at
 * multiples of its capacity into a ring of a thousand places, which overflows like a NIC's. Among
 * the data messages for an exit are circuit pings, which the worker answers, and creates, which it
 * hands to the control thread. Batches during which the kernel ran something else on the core are
 * repeated.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

#define BATCH 4096
#define BATCHES 12 /* per round */
#define BATCHES_QUICK 2
#define TRIES 4 /* times as many batches as wanted, on a busy machine */
#define MBUFS (8192 - 1)
#define RING 1024
#define PINGS 10 /* per thousand */

static const double loads[] = {0.5, 1, 2, 5, 10};
static const struct {
	const char *name;
	uint16_t creates; /* per thousand */
} mixes[] = {{"exit", 10}, {"exit, create flood", 500}};

struct figures {
	struct bench_result *goodput, *ping_p99, *pings, *creates;
};

struct sums {
	double goodput[BATCHES];
	unsigned int n_batches;
	uint64_t came, pings, pings_came, creates, creates_came;
	double ping[BATCHES * BATCH]; /* cycles */
	size_t n_ping;
};

static void
add_records(struct relay_rig *rig, struct sums *s)
{
	const struct peel_load_record *r;
	uint32_t n;

	r = peel_load_records(rig->port, 0, &n);
	for (uint32_t i = 0; i < n; i++) {
		bool came = r[i].departure != 0;

		s->came += came && r[i].kind == PEEL_LOAD_CELL;
		s->pings += r[i].kind == PEEL_LOAD_PING;
		s->creates += r[i].kind == PEEL_LOAD_CREATE;
		if (r[i].kind != PEEL_LOAD_PING || !came)
			continue;
		s->pings_came++;
		s->ping[s->n_ping++] = (double)(r[i].departure - r[i].arrival);
	}
}

/* One batch at a rate. @return false: the kernel ran something else meanwhile, nothing counts. */
static bool
batch_at(struct relay_rig *rig, double cycles, struct sums *s, bool always)
{
	struct peel_load_pace pace = {.cycles = cycles, .ring = RING};
	uint64_t start, took;
	unsigned int creates;
	long preempted;

	relay_rig_prepare(rig, 0);
	preempted = relay_rig_preemptions();
	start = rte_rdtsc();
	peel_load_pace_start(rig->port, 0, &pace, start);
	relay_rig_work(rig, 0);
	took = rte_rdtsc() - start;
	creates = relay_rig_control(rig, 0);
	if (relay_rig_preemptions() != preempted && !always)
		return false;
	s->came = 0;
	add_records(rig, s);
	s->goodput[s->n_batches++] = (double)s->came * bench_tsc_hz() / (double)took;
	s->creates_came += creates;
	return true;
}

static void
round_at(struct bench *b, struct relay_rig *rig, double cycles, const struct figures *f)
{
	unsigned int wanted = b->quick ? BATCHES_QUICK : BATCHES;
	static struct sums s;

	memset(&s, 0, sizeof(s));
	for (unsigned int tries = 0; s.n_batches < wanted; tries++)
		batch_at(rig, cycles, &s, tries >= TRIES * wanted);
	if (s.n_ping == 0)
		bench_fail("no ping was answered");
	bench_sort(s.ping, s.n_ping);
	bench_sample(f->goodput, bench_median_of(s.goodput, s.n_batches));
	bench_sample(f->ping_p99, s.ping[s.n_ping * 99 / 100] * 1e6 / bench_tsc_hz());
	bench_sample(f->pings, 100.0 * (double)s.pings_came / (double)s.pings);
	bench_sample(f->creates, 100.0 * (double)s.creates_came / (double)s.creates);
}

static void
measure(struct bench *b, struct relay_rig *rig, const char *name)
{
	struct figures f[PEEL_ARRAY_LEN(loads)];
	const struct bench_result *peak;

	for (size_t l = 0; l < PEEL_ARRAY_LEN(loads); l++) {
		const char *params = "{s:f,s:s}";

		f[l].goodput = bench_result(
			b, name, "cells/s", params, "offered", loads[l], "what", "goodput");
		f[l].ping_p99 = bench_result(
			b, name, "us", params, "offered", loads[l], "what", "ping p99");
		f[l].pings = bench_result(b, name, "%", params, "offered", loads[l], "what",
			"pings answered, of those received");
		f[l].creates = bench_result(b, name, "%", params, "offered", loads[l], "what",
			"creates in the mailbox, of those received");
	}
	for (unsigned int round = 0; round < b->rounds; round++) {
		double cycles = relay_rig_capacity(rig);

		for (size_t l = 0; l < PEEL_ARRAY_LEN(loads); l++)
			round_at(b, rig, cycles / loads[l], &f[l]);
	}
	peak = f[0].goodput;
	for (size_t l = 1; l < PEEL_ARRAY_LEN(loads); l++) {
		if (bench_median(f[l].goodput) > bench_median(peak))
			peak = f[l].goodput;
	}
	for (size_t l = 0; l < PEEL_ARRAY_LEN(loads); l++)
		bench_vs(f[l].goodput, "peak", peak);
}

int
main(int argc, char **argv)
{
	struct bench b;

	bench_begin(&b, "overload", argc, argv, NULL);
	relay_rig_eal(&b, MBUFS);
	if (peel_aead_engine_best() == NULL)
		bench_skip("no AEAD engine works here");
	for (size_t i = 0; i < PEEL_ARRAY_LEN(mixes); i++) {
		static struct relay_rig rig;
		struct relay_rig_conf c = {.n_workers = 1,
			.n_mbufs = MBUFS,
			.filter = true,
			.engine = peel_aead_engine_best(),
			.load = {.work = PEEL_LOAD_EXIT,
				.n_circuits = b.quick ? 1000 : 100000,
				.batch = BATCH,
				.size = {64, 256, 512, 1400},
				.n_sizes = 4,
				.ping = PINGS,
				.create = mixes[i].creates}};

		bench_progress(&b, "%s", mixes[i].name);
		relay_rig_start(&rig, &c);
		measure(&b, &rig, mixes[i].name);
		relay_rig_stop(&rig);
	}
	return bench_end(&b);
}
