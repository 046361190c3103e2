/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Limits of bandwidth: what they cost a worker's cell while they are not reached, and how circuits
 * share them when they are.
 */
#include <stdlib.h>
#include <string.h>

#include "relay_rig.h"

#define BATCH 256
#define MBUFS 1535

/* ---- what they cost -------------------------------------------------------------------------- */

static void
prepare(void *arg)
{
	relay_rig_prepare(arg, 0);
}

static void
work(void *arg)
{
	relay_rig_work(arg, 0);
}

#define NEVER                                                                                      \
	{                                                                                          \
		.rate = UINT64_C(1) << 37                                                          \
	} /* is it reached */

static const struct {
	const char *name;
	struct peel_bandwidth_settings limits;
} kinds[] = {
	{"none", {}},
	{"not reached", {.limit = {[PEEL_BANDWIDTH_ALL] = NEVER, [PEEL_BANDWIDTH_RELAY] = NEVER}}},
	{"not reached, circuits too", {.limit = {[PEEL_BANDWIDTH_ALL] = NEVER,
					       [PEEL_BANDWIDTH_RELAY] = NEVER,
					       [PEEL_BANDWIDTH_CIRCUIT] = NEVER}}},
};
#define N_KINDS PEEL_ARRAY_LEN(kinds)

/* With and without limits, interleaved. */
static void
cost(struct bench *b, uint32_t n_circuits, uint16_t size)
{
	static struct relay_rig rig[N_KINDS];
	struct bench_timed timed[N_KINDS];

	bench_progress(b, "%u circuits, %u bytes", n_circuits, size);
	for (unsigned int i = 0; i < N_KINDS; i++) {
		struct relay_rig_conf c = {.engine = peel_aead_engine_best(),
			.n_workers = 1,
			.n_mbufs = MBUFS,
			.filter = true,
			.limits = i > 0 ? &kinds[i].limits : NULL,
			.load = {.work = PEEL_LOAD_FORWARD,
				.n_circuits = n_circuits,
				.batch = BATCH,
				.size = {size},
				.n_sizes = 1}};

		relay_rig_start(&rig[i], &c);
		timed[i] = (struct bench_timed){.prepare = prepare,
			.run = work,
			.arg = &rig[i],
			.items = BATCH,
			.result = bench_result(b, "cost", "cycles/cell", "{s:i,s:i,s:s}",
				"circuits", (int)n_circuits, "bytes", (int)size, "limits",
				kinds[i].name)};
	}
	bench_time(b, timed, N_KINDS);
	for (unsigned int i = 1; i < N_KINDS; i++)
		bench_vs(timed[i].result, "none", timed[0].result);
	for (unsigned int i = 0; i < N_KINDS; i++)
		relay_rig_stop(&rig[i]);
}

/* ---- how they share -------------------------------------------------------------------------- */

#define HZ UINT64_C(1000000000)
#define ROUNDS_PER_S 10000
#define RATE UINT64_C(10000000)
#define SENDERS_MAX 1000

struct sender {
	uint32_t size;
	uint64_t rate, due;
	double offered, passed;
};

static struct sender sender[SENDERS_MAX];

static void
play(struct peel_bandwidth *limits, unsigned int n, unsigned int seconds, uint64_t *now)
{
	struct peel_bandwidth_round r;

	for (unsigned int k = 0; k < seconds * ROUNDS_PER_S; k++) {
		*now += HZ / ROUNDS_PER_S;
		peel_bandwidth_begin(&r, limits, *now);
		for (unsigned int i = 0; i < n; i++) {
			struct sender *s = &sender[(i + k) % n];

			for (s->due += s->rate; s->due >= (uint64_t)s->size * ROUNDS_PER_S;
				s->due -= (uint64_t)s->size * ROUNDS_PER_S) {
				s->offered += s->size;
				if (peel_bandwidth_take(&r, (i + k) % n, PEEL_BANDWIDTH_RELAY,
					    s->size) == PEEL_N_BANDWIDTHS)
					s->passed += s->size;
			}
		}
		peel_bandwidth_end(&r);
	}
}

/* The first one wants half of its share, the others two to twenty-one times theirs, in datagrams of
 * two sizes. */
static void
share(const struct bench *b, unsigned int n, double *fair, double *modest)
{
	const struct peel_bandwidth_settings s = {.limit[PEEL_BANDWIDTH_ALL] = {.rate = RATE}};
	struct peel_bandwidth *limits;
	double sum = 0, squares = 0;
	uint64_t now = HZ;

	bench_must(peel_bandwidth_new(&s, n, HZ, now, &limits), "limits");
	memset(sender, 0, sizeof(sender));
	for (unsigned int i = 0; i < n; i++)
		sender[i] = (struct sender){.size = i % 2 ? 1400 : 100,
			.rate = i == 0 ? RATE / n / 2 : RATE / n * (2 + i % 20)};
	play(limits, n, 3, &now);
	for (unsigned int i = 0; i < n; i++)
		sender[i].offered = sender[i].passed = 0;
	play(limits, n, b->quick ? 2 : 10, &now);
	for (unsigned int i = 1; i < n; i++) {
		sum += sender[i].passed;
		squares += sender[i].passed * sender[i].passed;
	}
	*fair = sum * sum / ((n - 1) * squares);
	*modest = sender[0].passed / sender[0].offered;
	peel_bandwidth_free(limits);
}

static void
shares(struct bench *b)
{
	static const unsigned int circuits[] = {3, 10, 100, 1000};

	for (size_t k = 0; k < PEEL_ARRAY_LEN(circuits); k++) {
		int n = (int)circuits[k];
		struct bench_result *fairness = bench_result(b, "shares", "%", "{s:i,s:s}",
			"circuits", n, "what", "Jain's index of the greedy");
		struct bench_result *kept = bench_result(b, "shares", "%", "{s:i,s:s}", "circuits",
			n, "what", "kept by a modest one");
		double fair, modest;

		bench_progress(b, "%d circuits share", n);
		share(b, circuits[k], &fair, &modest);
		for (unsigned int i = 0; i < b->rounds; i++) { /* the clock is ours: all the same */
			bench_sample(fairness, 100 * fair);
			bench_sample(kept, 100 * modest);
		}
	}
}

int
main(int argc, char **argv)
{
	static const uint16_t sizes[] = {64, 1400};
	static const uint32_t circuits[] = {1000, 100000};
	struct bench b;

	bench_begin(&b, "bandwidth", argc, argv, NULL);
	relay_rig_eal(&b, N_KINDS * MBUFS);
	if (peel_aead_engine_best() == NULL)
		bench_skip("no AEAD engine works here");
	for (size_t i = 0; i < (b.quick ? 1 : PEEL_ARRAY_LEN(circuits)); i++) {
		for (size_t k = 0; k < PEEL_ARRAY_LEN(sizes); k++)
			cost(&b, circuits[i], sizes[k]);
	}
	shares(&b);
	return bench_end(&b);
}
