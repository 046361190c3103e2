/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The cycles that a worker spends on a cell, everything counted, beside the cycles of its AEAD
 * alone: same engine, same sizes, same buffers, same run. The cost of the load port is measured
 * with the same batches and subtracted.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

/* cells between two looks at the clock: their buffers fit the second level cache */
#define BATCH 256
#define BATCHES 16
#define BATCHES_QUICK 4
#define SETTLE 4   /* times as many before that, not counted */
#define MBUFS 1535 /* for two queues and the cache of their pool */
#define MIX 0	   /* for a size: all of them in one burst */

static const char *const works[PEEL_LOAD_N_WORKS] = {
	"forward", "backward", "rendezvous", "exit", "exit return"};
static const uint16_t sizes[] = {64, 256, 512, 1400};
static const uint32_t circuits[] = {1000, 100000, 1000000};
#define N_CIRCUITS PEEL_ARRAY_LEN(circuits)

/* One size in one rig, and its figures. */
struct row {
	struct relay_rig *rig;
	struct bench_result *total, *aead, *cold, *beside, *port;
};

typedef void (*rig_fn)(struct relay_rig *rig, unsigned int w);

static double
once(struct relay_rig *rig, unsigned int w, rig_fn prepare, rig_fn run)
{
	uint64_t start;

	prepare(rig, w);
	start = rte_rdtsc_precise();
	run(rig, w);
	return (double)(rte_rdtsc_precise() - start) / rig->conf.load.batch;
}

/* The port alone leaves unrelayed cells behind, which are not to be checked. */
static double
once_port(struct relay_rig *rig)
{
	double cycles = once(rig, 0, relay_rig_prepare, relay_rig_port_alone);

	peel_load_discard(rig->port, 0);
	return cycles;
}

static void
measure_row(struct row *row, unsigned int n, bool counts)
{
	double total[BATCHES], aead[BATCHES], cold[BATCHES], port[BATCHES];

	/* The other rigs have pushed this one's tables out of the caches. Steady traffic finds what
	 * it left there. */
	for (unsigned int i = 0; i < SETTLE * n; i++)
		(void)once(row->rig, 0, relay_rig_prepare, relay_rig_work);
	for (unsigned int i = 0; i < n; i++) {
		total[i] = once(row->rig, 0, relay_rig_prepare, relay_rig_work);
		aead[i] = once(row->rig, 0, relay_rig_prepare_crypto, relay_rig_crypto_alone);
	}
	for (unsigned int i = 0; i < n; i++) {
		cold[i] = once(row->rig, 0, relay_rig_prepare_cold, relay_rig_crypto_cold);
		port[i] = once_port(row->rig);
	}
	double p = bench_median_of(port, n), a = bench_median_of(aead, n),
	       t = bench_median_of(total, n) - p;

	if (!counts)
		return;
	bench_sample(row->port, p);
	bench_sample(row->aead, a);
	bench_sample(row->cold, bench_median_of(cold, n));
	bench_sample(row->total, t);
	bench_sample(row->beside, t > a ? t - a : 0); /* noise of a bad moment is not a gain */
}

static struct bench_result *
result(struct bench *b, const struct relay_rig *rig, const char *unit, const char *what,
	uint16_t size)
{
	char text[16] = "mix";

	if (size != MIX)
		snprintf(text, sizeof(text), "%u", size);
	return bench_result(b,
		rig->conf.load.apart ? "rendezvous of two workers" : works[rig->conf.load.work],
		unit, "{s:s,s:s,s:i,s:s,s:s,s:i}", "what", what, "bytes", text, "circuits",
		(int)rig->conf.load.n_circuits, "engine", rig->conf.engine->name, "filter",
		rig->conf.filter ? "yes" : "no", "workers", (int)rig->conf.n_workers);
}

static void
set_size(struct relay_rig *rig, uint16_t size)
{
	if (peel_load_set_sizes(rig->port, size == MIX ? sizes : &size,
		    size == MIX ? PEEL_ARRAY_LEN(sizes) : 1) != 0)
		bench_fail("%u bytes: impossible", size);
}

/* One size, all numbers of circuits, interleaved. */
static void
measure(struct bench *b, struct relay_rig *rig, unsigned int n, uint16_t size)
{
	struct row row[N_CIRCUITS];

	for (unsigned int i = 0; i < n; i++) {
		row[i].rig = &rig[i];
		set_size(&rig[i], size);
		row[i].total = result(b, &rig[i], "cycles/cell", "total", size);
		row[i].aead = result(b, &rig[i], "cycles/cell", "aead", size);
		row[i].cold =
			result(b, &rig[i], "cycles/cell", "aead while tables are fetched", size);
		row[i].beside = result(b, &rig[i], "cycles/cell", "beside the aead", size);
		row[i].port = result(b, &rig[i], "cycles/cell", "load port, taken off", size);
	}
	for (unsigned int round = 0; round <= b->rounds; round++) {
		for (unsigned int i = 0; i < n; i++)
			measure_row(&row[i], b->quick ? BATCHES_QUICK : BATCHES, round > 0);
	}
	for (unsigned int i = 0; i < n; i++) {
		bench_vs(row[i].total, "aead", row[i].aead);
		bench_vs(row[i].total, "aead while tables are fetched", row[i].cold);
		if (i > 0)
			bench_vs(row[i].total, "fewest circuits", row[0].total);
	}
}

static bool
wanted(const struct bench *b, const char *option, const char *value)
{
	const char *w = bench_option(b, option);

	return w == NULL || strcmp(w, value) == 0;
}

/* Each circuit has had a cell or two lately, as when uniform traffic has gone on for a while. */
static void
warm_up(const struct bench *b, struct relay_rig *rig)
{
	uint32_t cells = b->quick ? 0 : 2 * rig->conf.load.n_circuits;

	for (uint32_t i = 0; i < cells; i += BATCH) {
		relay_rig_prepare(rig, 0);
		relay_rig_work(rig, 0);
	}
}

static void
start(struct relay_rig *rig, enum peel_load_work work, uint32_t n_circuits, bool filter,
	const struct peel_aead_engine *engine, unsigned int workers, bool apart)
{
	struct relay_rig_conf c = {.engine = engine,
		.n_workers = workers,
		.n_mbufs = MBUFS,
		.filter = filter,
		.load = {.work = work,
			.n_circuits = n_circuits,
			.apart = apart,
			.batch = BATCH,
			.size = {sizes[0]},
			.n_sizes = 1}};

	relay_rig_start(rig, &c);
}

static void
one_worker(struct bench *b, enum peel_load_work work, bool filter,
	const struct peel_aead_engine *engine, bool everything)
{
	static struct relay_rig rig[N_CIRCUITS];
	unsigned int n = b->quick || !everything ? 1 : N_CIRCUITS;

	if (bench_option(b, "circuits") != NULL) /* one number only */
		n = 1;
	bench_progress(b, "%s, %s, %s duplicate filter", works[work], engine->name,
		filter ? "with" : "without");
	for (unsigned int i = 0; i < n; i++) {
		const char *own = bench_option(b, "circuits");

		start(&rig[i], work, own != NULL ? (uint32_t)atoi(own) : circuits[i], filter,
			engine, 1, false);
		warm_up(b, &rig[i]);
	}
	for (unsigned int s = 0; s < PEEL_ARRAY_LEN(sizes); s++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", sizes[s]);
		if (!wanted(b, "bytes", text) ||
			(!everything && s > 0 && s + 1 < PEEL_ARRAY_LEN(sizes)))
			continue;
		measure(b, rig, n, sizes[s]);
	}
	if (wanted(b, "bytes", "mix") && everything)
		measure(b, rig, n, MIX);
	for (unsigned int i = 0; i < n; i++)
		relay_rig_stop(&rig[i]);
}

/* ---- two workers ----------------------------------------------------------------------------- */

/* Where the threads wait for each other, so that both are at work while the clock runs. */
struct meeting {
	unsigned int arrived;
};

struct part {
	struct relay_rig *rig;
	struct meeting *meeting;
	unsigned int w, rounds, batches;
	double cycles[BENCH_ROUNDS_MAX + 1]; /* per cell */
};

static void
meet(struct meeting *m, unsigned int nth)
{
	__atomic_add_fetch(&m->arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&m->arrived, __ATOMIC_ACQUIRE) < 2 * nth)
		sched_yield();
}

static double
together(struct part *p, unsigned int round)
{
	double took[BATCHES];

	for (unsigned int i = 0; i < p->batches; i++) {
		relay_rig_prepare(p->rig, p->w);
		meet(p->meeting, round * p->batches + i + 1);
		uint64_t begin = rte_rdtsc_precise();

		relay_rig_work(p->rig, p->w);
		took[i] = (double)(rte_rdtsc_precise() - begin) / p->rig->conf.load.batch;
	}
	return bench_median_of(took, p->batches);
}

static void *
second_thread(void *arg)
{
	struct part *p = arg;

	bench_pin(1);
	for (unsigned int round = 0; round <= p->rounds; round++)
		p->cycles[round] = together(p, round);
	return NULL;
}

static double
alone(const struct part *p, rig_fn prepare, rig_fn run)
{
	double took[BATCHES];

	for (unsigned int i = 0; i < p->batches; i++)
		took[i] = once(p->rig, p->w, prepare, run);
	return bench_median_of(took, p->batches);
}

static void
measure_two(struct bench *b, struct relay_rig *rig, uint16_t size)
{
	static struct part part[2];
	static double one[BENCH_ROUNDS_MAX + 1], crypto[BENCH_ROUNDS_MAX + 1];
	struct bench_result *single = result(b, rig, "cells/s", "cells of one worker", size);
	struct bench_result *both = result(b, rig, "cells/s", "cells of two workers", size);
	struct bench_result *total = result(b, rig, "cycles/cell", "total", size);
	struct bench_result *aead = result(b, rig, "cycles/cell", "aead", size);
	struct meeting meeting = {0};
	pthread_t thread;

	set_size(rig, size);
	for (unsigned int w = 0; w < 2; w++) {
		part[w].rig = rig;
		part[w].meeting = &meeting;
		part[w].w = w;
		part[w].rounds = b->rounds;
		part[w].batches = b->quick ? BATCHES_QUICK : BATCHES;
	}
	if (pthread_create(&thread, NULL, second_thread, &part[1]) != 0)
		bench_fail("no thread");
	for (unsigned int round = 0; round <= b->rounds; round++) {
		one[round] = alone(&part[0], relay_rig_prepare, relay_rig_work);
		crypto[round] = alone(&part[0], relay_rig_prepare_crypto, relay_rig_crypto_alone);
		part[0].cycles[round] = together(&part[0], round);
	}
	pthread_join(thread, NULL);
	for (unsigned int round = 1; round <= b->rounds; round++) {
		double first = part[0].cycles[round], second = part[1].cycles[round];

		bench_sample(single, bench_tsc_hz() / one[round]);
		bench_sample(both, bench_tsc_hz() / first + bench_tsc_hz() / second);
		bench_sample(total, (first + second) / 2);
		bench_sample(aead, crypto[round]);
	}
	bench_vs(both, "one worker", single);
	bench_vs(total, "aead", aead);
}

static void
two_workers(struct bench *b, enum peel_load_work work, bool apart,
	const struct peel_aead_engine *engine)
{
	static struct relay_rig rig;
	/* Few rendezvous: so the workers want the same lines, if their pairs are apart. */
	uint32_t n = b->quick || work == PEEL_LOAD_RENDEZVOUS ? circuits[0] : circuits[1];

	bench_progress(b, "%s, two workers%s", works[work], apart ? ", pairs apart" : "");
	start(&rig, work, n, true, engine, 2, apart);
	measure_two(b, &rig, 64);
	measure_two(b, &rig, 1400);
	relay_rig_stop(&rig);
}

static void
memory(struct bench *b)
{
	static struct relay_rig rig;
	uint32_t n = b->quick ? 100000 : 1000000;
	struct bench_result *r = bench_result(b, "memory", "bytes/circuit", "{s:i,s:s}", "circuits",
		(int)n, "what", "routes and session, both directions");

	start(&rig, PEEL_LOAD_FORWARD, n, false, peel_aead_engine_best(), 1, false);
	bench_sample(r, (double)peel_route_memory(rig.routes) / n);
	relay_rig_prepare(&rig, 0);
	relay_rig_work(&rig, 0); /* it is a table that works */
	relay_rig_prepare(&rig, 0);
	relay_rig_stop(&rig);
}

int
main(int argc, char **argv)
{
	static const char *const options[] = {"case", "bytes", "engine", "circuits", NULL};
	const struct peel_aead_engine *best;
	const char *name;
	struct bench b;

	bench_begin(&b, "relay", argc, argv, options);
	relay_rig_eal(&b, (N_CIRCUITS + 1) * MBUFS);
	name = bench_option(&b, "engine");
	best = name != NULL ? peel_aead_engine_find(name) : peel_aead_engine_best();
	if (best == NULL || peel_aead_self_test(best) != 0)
		bench_skip("%s: no such AEAD engine works here", name != NULL ? name : "any");
	for (unsigned int e = 0; peel_aead_engines[e] != NULL; e++) {
		const struct peel_aead_engine *engine = peel_aead_engines[e];

		if (!wanted(&b, "engine", engine->name) || peel_aead_self_test(engine) != 0)
			continue;
		for (unsigned int work = 0; work < PEEL_LOAD_N_WORKS; work++) {
			if (!wanted(&b, "case", works[work]))
				continue;
			one_worker(&b, work, true, engine, engine == best);
			if (work == PEEL_LOAD_FORWARD || work == PEEL_LOAD_EXIT)
				one_worker(&b, work, false, engine, false);
		}
	}
	if (bench_cpus() >= 2 && wanted(&b, "case", "two workers")) {
		for (unsigned int work = 0; work <= PEEL_LOAD_RENDEZVOUS; work++)
			two_workers(&b, work, false, best);
		two_workers(&b, PEEL_LOAD_RENDEZVOUS, true, best);
	}
	if (wanted(&b, "case", "memory"))
		memory(&b);
	return bench_end(&b);
}
