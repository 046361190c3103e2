/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A relay's data plane between load ports: set up, worked, checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <rte_eal.h>
#include <rte_errno.h>

#include "peel_cell.h"
#include "peel_discovery.h"
#include "relay_rig.h"

#define MBUF_BYTES 2560
#define NEIGHBOURS 256 /* peers of a busy relay, on each side */
#define FILTER_ENTRIES (1u << 20)
#define RING 1024
#define CHECK_EVERY 32
#define CAPACITY_BATCHES 9

/* What of the tables one cell needs, at random. */
struct rig_cold {
	const void *line[3];
	uint64_t fingerprint;
};

#define COLD_AHEAD 4 /* cells */

static unsigned long
free_hugepages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned long n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

void
relay_rig_eal(struct bench *b, uint32_t n_mbufs)
{
	char megabytes[16];
	unsigned long need = (unsigned long)n_mbufs * MBUF_BYTES / (1u << 20) + 64;
	char *huge[] = {"bench", "--no-pci", "--in-memory", "-l", "0", "--no-telemetry",
		"--log-level=3", NULL};
	char *plain[] = {"bench", "--no-pci", "--no-huge", "-m", megabytes, "-l", "0",
		"--no-shconf", "--no-telemetry", "--log-level=3", NULL};
	bool enough = free_hugepages() >= need / 2 + 1;

	snprintf(megabytes, sizeof(megabytes), "%lu", need);
	bench_progress(b, "packet memory: %s", enough ? "hugepages" : "ordinary pages");
	if (rte_eal_init((int)(enough ? PEEL_ARRAY_LEN(huge) : PEEL_ARRAY_LEN(plain)) - 1,
		    enough ? huge : plain) < 0)
		bench_skip("EAL does not start: %s", rte_strerror(rte_errno));
	bench_pin(0); /* EAL pins, too */
}

static void
no_wake(void *arg)
{
	(void)arg;
}

static void
start_worker(struct relay_rig *rig, unsigned int i)
{
	struct peel_worker_conf c = {.id = i,
		.ops = &peel_port_load,
		.port = rig->port,
		.pool = rig->pool,
		.engine = rig->conf.engine,
		.routes = rig->routes,
		.replay = rig->replay,
		.rcu = rig->rcu,
		.stats = &rig->stats[i],
		.policy = &rig->policy,
		.n_prefixes = 1,
		.test_response_max = 1400,
		.wake_control = no_wake,
		.env = &peel_env_system};

	bench_must(peel_mailbox_new(RING, &rig->mailbox[i]), "mailbox");
	c.mailbox = rig->mailbox[i];
	memcpy(c.prefix[0], rig->policy.prefix, PEEL_PREFIX_LEN);
	bench_must(peel_worker_new(&c, &rig->worker[i]), "worker");
	peel_worker_set_bandwidth(rig->worker[i], rig->bandwidth);
	bench_must(rig->conf.engine->new (&rig->aead[i]), "engine");
	bench_must(peel_load_crypto_new(rig->port, &rig->crypto[i]), "crypto");
}

void
relay_rig_start(struct relay_rig *rig, const struct relay_rig_conf *conf)
{
	static const uint8_t prefix[PEEL_PREFIX_LEN] = {0x00, 0x02, 0x81, 0xde, 0xd0, 0x73, 0x32,
		0xbd, 0xc7, 0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9,
		0xf3};
	static unsigned int n_pools;
	struct peel_load_conf load = conf->load;
	char name[32];

	snprintf(name, sizeof(name), "bench%u", n_pools++);
	memset(rig, 0, sizeof(*rig));
	rig->conf = *conf;
	rig->policy.flags = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT;
	memcpy(rig->policy.prefix, prefix, PEEL_PREFIX_LEN);
	rig->pool = peel_port_pool_new(name, conf->n_mbufs, false, SOCKET_ID_ANY);
	if (rig->pool == NULL)
		bench_fail("%u mbufs: %s", conf->n_mbufs, rte_strerror(rte_errno));
	bench_must(peel_rcu_new(conf->n_workers, &rig->rcu), "rcu");
	struct peel_route_conf rc = {.max_sessions = load.n_circuits,
		.rcu = rig->rcu,
		.env = &peel_env_system,
		.heap = true,
		.socket_id = SOCKET_ID_ANY};

	bench_must(peel_route_table_new(&rc, &rig->routes), "table");
	if (conf->filter)
		bench_must(peel_replay_new(FILTER_ENTRIES, &peel_env_system, true, SOCKET_ID_ANY,
				   &rig->replay),
			"filter");
	load.n_queues = (uint16_t)conf->n_workers;
	load.n_neighbours = NEIGHBOURS;
	load.check_every = CHECK_EVERY;
	load.prefix = prefix;
	load.engine = conf->engine;
	load.pool = rig->pool;
	load.routes = rig->routes;
	load.seed = 1;
	bench_must(peel_load_new(&load, &rig->port), "load port");
	bench_must(peel_load_publish(rig->port, 0), "circuits");
	rig->cold = calloc(load.batch, sizeof(rig->cold[0]));
	if (rig->cold == NULL)
		bench_fail("out of memory");
	if (conf->limits != NULL)
		bench_must(peel_bandwidth_new(conf->limits, peel_session_limit(rig->routes),
				   rte_get_tsc_hz(), rte_rdtsc(), &rig->bandwidth),
			"limits");
	for (unsigned int i = 0; i < conf->n_workers; i++)
		start_worker(rig, i);
}

static void
check(const struct relay_rig *rig, unsigned int w)
{
	const struct peel_load_count *n = peel_load_count(rig->port, (uint16_t)w);

	if (n->checked == 0 || n->wrong != 0 || n->out_of_order != 0)
		bench_fail("of %lu cells looked into %lu are wrong, %lu out of order",
			(unsigned long)n->checked, (unsigned long)n->wrong,
			(unsigned long)n->out_of_order);
}

void
relay_rig_stop(struct relay_rig *rig)
{
	for (unsigned int i = 0; i < rig->conf.n_workers; i++) {
		check(rig, i);
		peel_worker_free(rig->worker[i]);
		peel_mailbox_free(rig->mailbox[i]);
		rig->conf.engine->free(rig->aead[i]);
		peel_load_crypto_free(rig->crypto[i]);
	}
	peel_port_load.close(rig->port);
	peel_bandwidth_free(rig->bandwidth);
	free(rig->cold);
	peel_replay_free(rig->replay);
	peel_route_table_free(rig->routes);
	peel_rcu_free(rig->rcu);
	rte_mempool_free(rig->pool);
}

void
relay_rig_prepare(struct relay_rig *rig, unsigned int w)
{
	uint32_t n = rig->conf.load.batch;

	peel_load_collect(rig->port, (uint16_t)w);
	if (peel_load_prepare(rig->port, (uint16_t)w, n) < n)
		bench_fail("no packet buffers");
}

void
relay_rig_work(struct relay_rig *rig, unsigned int w)
{
	while (peel_load_left(rig->port, (uint16_t)w) > 0)
		peel_worker_poll(rig->worker[w]);
}

double
relay_rig_capacity(struct relay_rig *rig)
{
	double took[CAPACITY_BATCHES];

	for (unsigned int i = 0; i < CAPACITY_BATCHES; i++) {
		relay_rig_prepare(rig, 0);
		uint64_t start = rte_rdtsc_precise();

		relay_rig_work(rig, 0);
		took[i] = (double)(rte_rdtsc_precise() - start);
		(void)relay_rig_control(rig, 0);
	}
	return bench_median_of(took, CAPACITY_BATCHES) / rig->conf.load.batch;
}

void
relay_rig_port_alone(struct relay_rig *rig, unsigned int w)
{
	struct rte_mbuf *pkts[PEEL_PORT_BURST];

	while (peel_load_left(rig->port, (uint16_t)w) > 0) {
		uint16_t n = peel_port_load.rx(rig->port, (uint16_t)w, pkts, PEEL_PORT_BURST);

		/* These were not relayed: the caller discards them before the port checks them. */
		peel_port_load.tx(rig->port, (uint16_t)w, pkts, n);
		peel_port_load.flush(rig->port, (uint16_t)w);
	}
}

void
relay_rig_prepare_crypto(struct relay_rig *rig, unsigned int w)
{
	relay_rig_prepare(rig, w);
	peel_load_crypto_fill(rig->port, (uint16_t)w, rig->crypto[w]);
}

void
relay_rig_crypto_alone(struct relay_rig *rig, unsigned int w)
{
	const struct peel_aead_engine *e = rig->conf.engine;
	struct peel_load_crypto *c = rig->crypto[w];
	uint64_t failed = 0;

	for (uint32_t i = 0; i < c->n_open; i += PEEL_AEAD_BURST)
		failed |= e->open(
			rig->aead[w], c->open + i, RTE_MIN(c->n_open - i, PEEL_AEAD_BURST + 0u));
	for (uint32_t i = 0; i < c->n_seal; i += PEEL_AEAD_BURST)
		e->seal(rig->aead[w], c->seal + i, RTE_MIN(c->n_seal - i, PEEL_AEAD_BURST + 0u));
	if (failed != 0)
		bench_fail("cells did not open");
}

void
relay_rig_prepare_cold(struct relay_rig *rig, unsigned int w)
{
	uint32_t n = rig->conf.load.n_circuits;

	relay_rig_prepare_crypto(rig, w);
	for (uint32_t i = 0; i < rig->conf.load.batch; i++) {
		struct rig_cold *c = &rig->cold[i];

		uint32_t pages = (n + PEEL_ROUTE_PAGE_SESSIONS - 1) / PEEL_ROUTE_PAGE_SESSIONS,
			 lines = pages * PEEL_ROUTE_PAGE_LINES;
		uint32_t line = (uint32_t)(bench_random() % lines);

		/* A line of any page stands in for the bucket: the port has no business in the
		 * index. The route and the session share a page. */
		c->line[0] = peel_route_at(rig->routes, (uint32_t)(bench_random() % lines));
		c->line[1] = peel_route_at(rig->routes, line);
		c->line[2] = peel_route_at(rig->routes, line ^ PEEL_ROUTE_PAGE_LINES / 2);
		c->fingerprint = bench_random();
	}
}

static void
fetch_cold(const struct relay_rig *rig, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++) {
		for (unsigned int k = 0; k < PEEL_ARRAY_LEN(rig->cold[i].line); k++)
			__builtin_prefetch(rig->cold[i].line[k]);
		if (rig->replay != NULL)
			peel_replay_prefetch(rig->replay, rig->cold[i].fingerprint);
	}
}

void
relay_rig_crypto_cold(struct relay_rig *rig, unsigned int w)
{
	const struct peel_aead_engine *e = rig->conf.engine;
	struct peel_load_crypto *c = rig->crypto[w];
	uint64_t failed = 0;

	for (uint32_t i = 0; i < rig->conf.load.batch; i += COLD_AHEAD) {
		uint32_t n = RTE_MIN(rig->conf.load.batch - i, COLD_AHEAD + 0u);

		fetch_cold(rig, i, n);
		if (c->n_open > 0)
			failed |= e->open(rig->aead[w], c->open + i, n);
		if (c->n_seal > 0)
			e->seal(rig->aead[w], c->seal + i, n);
	}
	if (failed != 0)
		bench_fail("cells did not open");
}

long
relay_rig_preemptions(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nivcsw : 0;
}

unsigned int
relay_rig_control(struct relay_rig *rig, unsigned int w)
{
	struct rte_mbuf *m[PEEL_PORT_BURST];
	unsigned int n = 0, got;

	for (unsigned int c = 0; c < PEEL_N_CLASSES; c++) {
		while ((got = peel_mailbox_pop_control(rig->mailbox[w], c, m, PEEL_PORT_BURST)) >
			0) {
			rte_pktmbuf_free_bulk(m, got);
			n += got;
		}
	}
	return n;
}
