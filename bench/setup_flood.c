/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A whole node in a flood of creates: what its control thread still does for neighbours, and how
 * many of the creates it answers. The worker makes the flood, too, on the last CPU; everything else
 * has the one before.
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "flood_port.h"
#include "node.h" /* its prefixes, key and counters */
#include "peel_aead_engines.h"
#include "relay_rig.h"
#include "setup_flood.h"

#define ASKS_PER_S 600
#define ASKS_PER_S_QUICK 3000
#define MAX_JOINED 50000

static struct peel_node *node;
static pthread_t control;
static bool stopping;
static _Atomic long preemptions; /* of the control thread */

static void *
control_main(void *arg)
{
	(void)arg;
	bench_pin(1);
	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE)) {
		peel_node_poll(node, 100);
		preemptions = relay_rig_preemptions();
	}
	peel_node_finish(node);
	return NULL;
}

static void
start(struct bench *b)
{
	static struct peel_node_conf conf;
	char why[256];

	prctl(PR_SET_TIMERSLACK, 1000);
	peel_node_conf_init(&conf);
	conf.port = &flood_port;
	conf.engine = peel_aead_engine_best();
	if (conf.engine == NULL)
		bench_fail("no AEAD engine works here");
	conf.n_workers = 1;
	conf.idle = PEEL_IDLE_POLL;
	conf.port_conf.listen = conf.public_address = peel_addr_ipv4(192, 0, 2, 1, 8090);
	conf.tunnel.max_joined_circuits = MAX_JOINED;
	/* Limits would make the flood cheap. */
	conf.tunnel.create_rate_per_source = conf.tunnel.create_rate = 0;
	relay_rig_eal(b, (uint32_t)(peel_node_memory(&conf) / 2048));
	bench_pin(1);
	if (peel_node_new(&conf, &node, why, sizeof(why)) != 0)
		bench_fail("%s", why);
	flood_port_init(&(struct flood_node){
		.prefix = (const uint8_t(*)[PEEL_PREFIX_LEN])node->prefix,
		.pk = node->identity.pk,
		.preemptions = &preemptions,
	});
	bench_pin(0); /* inherited by the worker */
	bench_must(peel_node_start(node), "workers");
	bench_pin(1);
	bench_must(pthread_create(&control, NULL, control_main, NULL), "thread");
}

struct figures {
	struct bench_result *answered[FLOOD_N_ASKS], *undisturbed[FLOOD_N_ASKS];
	struct bench_result *p50[FLOOD_N_ASKS], *p99[FLOOD_N_ASKS];
	struct bench_result *joined;
};

static void
one_round(const struct bench *b, const struct figures *f, double creates_per_s, bool counts)
{
	static struct flood_waits w;
	double us = 1e6 / bench_tsc_hz();
	uint64_t joined, begun;

	flood_port_circuits();
	joined = peel_stats_get(&node->stats, PEEL_CREATE_ACCEPTED);
	begun = rte_rdtsc();
	flood_port_flood(creates_per_s, b->quick ? ASKS_PER_S_QUICK : ASKS_PER_S);
	joined = peel_stats_get(&node->stats, PEEL_CREATE_ACCEPTED) - joined;
	if (counts)
		bench_sample(
			f->joined, (double)joined * bench_tsc_hz() / (double)(rte_rdtsc() - begun));
	for (unsigned int ask = 0; ask < FLOOD_N_ASKS; ask++) {
		flood_port_waits(ask, &w);
		if (w.answered == 0)
			bench_fail("%s: never answered", flood_ask_name[ask]);
		if (!counts)
			continue;
		bench_sort(w.cycles, w.n);
		bench_sample(f->answered[ask], 100.0 * w.answered / FLOOD_NEIGHBOURS);
		bench_sample(f->undisturbed[ask], 100.0 * w.n / w.answered);
		bench_sample(f->p50[ask], w.n > 0 ? w.cycles[w.n / 2] * us : 0);
		bench_sample(f->p99[ask], w.n > 0 ? w.cycles[w.n * 99 / 100] * us : 0);
	}
}

void
setup_flood(struct bench *b, unsigned int lanes, double creates_per_s)
{
	const char *params = "{s:s,s:i,s:i}";
	struct figures f;

	if (bench_cpus() < 2) /* one for the worker */
		return;
	peel_x25519_limit(lanes);
	if (node == NULL)
		start(b);
	f.joined = bench_result(b, "flood, joined", "circuits/s", "{s:i}", "lanes", (int)lanes);
	for (unsigned int ask = 0; ask < FLOOD_N_ASKS; ask++) {
		const char *name = flood_ask_name[ask];

		f.answered[ask] = bench_result(
			b, "flood, answered", "%", "{s:s,s:i}", "what", name, "lanes", (int)lanes);
		f.undisturbed[ask] = bench_result(b, "flood, waits that count, of those answered",
			"%", "{s:s,s:i}", "what", name, "lanes", (int)lanes);
		f.p50[ask] = bench_result(b, "flood, control latency", "us", params, "what", name,
			"percentile", 50, "lanes", (int)lanes);
		f.p99[ask] = bench_result(b, "flood, control latency", "us", params, "what", name,
			"percentile", 99, "lanes", (int)lanes);
	}
	for (unsigned int round = 0; round <= b->rounds; round++) {
		bench_progress(b, "flood, %u lanes: round %u of %u", lanes, round, b->rounds);
		one_round(b, &f, creates_per_s, round > 0);
	}
}

void
setup_flood_end(void)
{
	if (node == NULL)
		return;
	__atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
	pthread_join(control, NULL);
	peel_node_free(node);
}
