/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The load port in front of a real worker: whatever it offers comes out right, what must not come
 * out does not, and its check notices a relay that makes mistakes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "peel_aead_engines.h"
#include "peel_cell.h"
#include "peel_datapath.h"
#include "peel_discovery.h"
#include "peel_port_load.h"

#define BATCH 192

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 7, 7, 7};

static struct {
	struct peel_port *port;
	struct rte_mempool *pool;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_replay *replay;
	struct peel_mailbox *mailbox;
	struct peel_policy policy;
	struct peel_stats stats;
	struct peel_worker *worker;
} t;

static int
eal(void **state)
{
	char *argv[] = {"test", "--no-pci", "--no-huge", "-m", "64", "-l", "0", "--no-shconf",
		"--no-telemetry", "--log-level=3", NULL};

	(void)state;
	return rte_eal_init((int)PEEL_ARRAY_LEN(argv) - 1, argv) < 0;
}

static void
no_wake(void *arg)
{
	(void)arg;
}

static struct peel_load_conf
conf_of(enum peel_load_work work)
{
	return (struct peel_load_conf){.work = work,
		.n_circuits = 50,
		.n_queues = 1,
		.n_neighbours = 4,
		.batch = BATCH,
		.size = {32, 64, 700, 1400},
		.n_sizes = 4,
		.check_every = 1,
		.prefix = prefix,
		.engine = peel_aead_engine_best(),
		.seed = 7};
}

static void
start(struct peel_load_conf conf, bool filter)
{
	static unsigned int n;
	char name[32];

	memset(&t, 0, sizeof(t));
	snprintf(name, sizeof(name), "load%u", n++);
	t.pool = peel_port_pool_new(name, 1023, false, SOCKET_ID_ANY);
	assert_non_null(t.pool);
	assert_int_equal(peel_rcu_new(1, &t.rcu), 0);
	struct peel_route_conf rc = {.max_sessions = conf.n_circuits,
		.rcu = t.rcu,
		.env = &peel_env_system,
		.heap = true};

	assert_int_equal(peel_route_table_new(&rc, &t.routes), 0);
	if (filter)
		assert_int_equal(peel_replay_new(1 << 16, &peel_env_system, true, 0, &t.replay), 0);
	assert_int_equal(peel_mailbox_new(256, &t.mailbox), 0);
	t.policy.flags = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT;
	memcpy(t.policy.prefix, prefix, sizeof(prefix));
	conf.pool = t.pool;
	conf.routes = t.routes;
	assert_int_equal(peel_load_new(&conf, &t.port), 0);
	assert_int_equal(peel_load_publish(t.port, 0), 0);

	struct peel_worker_conf wc = {.ops = &peel_port_load,
		.port = t.port,
		.pool = t.pool,
		.engine = conf.engine,
		.routes = t.routes,
		.replay = t.replay,
		.rcu = t.rcu,
		.mailbox = t.mailbox,
		.stats = &t.stats,
		.policy = &t.policy,
		.n_prefixes = 1,
		.test_response_max = 1400,
		.wake_control = no_wake,
		.env = &peel_env_system};

	memcpy(wc.prefix[0], prefix, sizeof(prefix));
	assert_int_equal(peel_worker_new(&wc, &t.worker), 0);
}

static void
finish(void)
{
	peel_worker_free(t.worker);
	peel_port_load.close(t.port);
	peel_mailbox_free(t.mailbox);
	assert_int_equal(rte_mempool_in_use_count(t.pool), 0);
	peel_replay_free(t.replay);
	peel_route_table_free(t.routes);
	peel_rcu_free(t.rcu);
	rte_mempool_free(t.pool);
}

static const struct peel_load_count *
relay_batches(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		assert_true(peel_load_prepare(t.port, 0, BATCH) >= BATCH);
		while (peel_load_left(t.port, 0) > 0)
			peel_worker_poll(t.worker);
		peel_load_collect(t.port, 0);
	}
	return peel_load_count(t.port, 0);
}

static void
test_all_work_comes_out_right(void **state)
{
	(void)state;
	for (unsigned int work = 0; work < PEEL_LOAD_N_WORKS; work++) {
		start(conf_of(work), true);
		const struct peel_load_count *n = relay_batches(5);

		assert_int_equal(n->offered, 5 * BATCH);
		assert_int_equal(n->expected, n->offered);
		assert_int_equal(n->came, n->offered);
		assert_int_equal(n->checked, n->offered);
		assert_int_equal(n->wrong, 0);
		assert_int_equal(n->out_of_order, 0);
		finish();
	}
}

static void
test_disturbed_traffic(void **state)
{
	(void)state;
	for (unsigned int work = 0; work < PEEL_LOAD_N_WORKS; work++) {
		struct peel_load_conf conf = conf_of(work);
		bool sealed = work != PEEL_LOAD_BACKWARD && work != PEEL_LOAD_RETURN;

		conf.loss = conf.reorder = 100;
		conf.duplicate = conf.forge = 200;
		start(conf, true);
		const struct peel_load_count *n = relay_batches(5);

		assert_true(n->forged > 50 && n->duplicates > 50);
		assert_int_equal(n->expected + n->forged + n->duplicates, n->offered);
		assert_int_equal(n->wrong, 0);
		assert_int_equal(n->came, n->expected + (sealed ? 0 : n->duplicates));
		assert_int_equal(n->came_twice, sealed ? 0 : n->duplicates);
		finish();
	}
}

static void
test_without_filter_copies_come_out(void **state)
{
	struct peel_load_conf conf = conf_of(PEEL_LOAD_FORWARD);

	(void)state;
	conf.duplicate = 300;
	start(conf, false);
	const struct peel_load_count *n = relay_batches(5);

	assert_true(n->duplicates > 100);
	assert_int_equal(n->came, n->offered);
	assert_int_equal(n->came_twice, n->duplicates);
	assert_int_equal(n->wrong, 0);
	finish();
}

static void
test_pings_and_creates(void **state)
{
	struct peel_load_conf conf = conf_of(PEEL_LOAD_EXIT);
	struct rte_mbuf *m;
	uint64_t creates = 0;

	(void)state;
	conf.ping = 100;
	conf.create = 50;
	start(conf, true);
	const struct peel_load_count *n = relay_batches(5);

	assert_true(n->pings > 20 && n->creates > 10);
	assert_int_equal(n->came_pings, n->pings);
	assert_int_equal(n->came, n->expected);
	assert_int_equal(n->expected + n->creates, n->offered);
	assert_int_equal(n->wrong, 0);
	while (peel_mailbox_pop_control(t.mailbox, PEEL_CLASS_CREATE, &m, 1) == 1) {
		rte_pktmbuf_free(m);
		creates++;
	}
	assert_int_equal(creates, n->creates);
	finish();
}

/* Each kind of mistake a relay could make is noticed. */
static void
spoil(struct rte_mbuf *m, unsigned int how)
{
	switch (how) {
	case 0:
		rte_pktmbuf_mtod(m, uint8_t *)[m->data_len - 1] ^= 1;
		break;
	case 1:
		rte_pktmbuf_mtod(m, uint8_t *)[0] ^= 1;
		break;
	case 2:
		peel_pkt(m)->remote.port ^= 1;
		break;
	case 3:
		peel_pkt(m)->endpoint ^= 1;
		break;
	default:
		m->data_len--;
		m->pkt_len--;
	}
}

static void
test_mistakes_are_noticed(void **state)
{
	(void)state;
	for (unsigned int work = 0; work < PEEL_LOAD_N_WORKS; work++) {
		for (unsigned int how = 0; how < 5; how++) {
			struct rte_mbuf *m;

			start(conf_of(work), true);
			assert_int_equal(peel_load_prepare(t.port, 0, 1), 1);
			peel_worker_poll(t.worker);
			/* Take it out of the port, spoil it, put it back. */
			m = peel_load_last(t.port, 0);
			assert_non_null(m);
			spoil(m, how);
			peel_load_collect(t.port, 0);
			assert_int_equal(peel_load_count(t.port, 0)->came, 1);
			assert_int_equal(peel_load_count(t.port, 0)->wrong, 1);
			finish();
		}
	}
}

static void
test_zipf_and_queues(void **state)
{
	struct peel_load_conf conf = conf_of(PEEL_LOAD_FORWARD);
	const struct peel_load_record *r;
	uint32_t n, of[1000] = {0}, busiest = 0, used = 0;

	(void)state;
	conf.n_circuits = 1000;
	conf.n_queues = 2;
	conf.zipf = 1.0;
	start(conf, true);
	for (unsigned int i = 0; i < 20; i++) {
		assert_int_equal(peel_load_prepare(t.port, 1, BATCH), BATCH);
		r = peel_load_records(t.port, 1, &n);
		assert_int_equal(n, BATCH);
		for (uint32_t k = 0; k < n; k++) {
			assert_true(r[k].circuit < 1000 && r[k].circuit % 2 == 1);
			of[r[k].circuit]++;
		}
		peel_load_discard(t.port, 1);
	}
	for (unsigned int i = 0; i < 1000; i++) {
		busiest = RTE_MAX(busiest, of[i]);
		used += of[i] > 0;
	}
	/* The first of 500 gets about a tenth, and most of the others something. */
	assert_in_range(busiest, 20 * BATCH / 20, 20 * BATCH / 5);
	assert_true(used > 250);
	finish();
}

/* What is joined at a rendezvous leaves by the queue where it arrived, or by the other one. */
static void
test_joined_circuits_of_one_queue_or_two(void **state)
{
	(void)state;
	for (unsigned int apart = 0; apart < 2; apart++) {
		struct peel_load_conf conf = conf_of(PEEL_LOAD_RENDEZVOUS);

		conf.n_queues = 2;
		conf.apart = apart != 0;
		start(conf, true);
		assert_int_equal(peel_load_prepare(t.port, 0, BATCH), BATCH);
		while (peel_load_left(t.port, 0) > 0) {
			peel_worker_poll(t.worker);
			/* A neighbour's number is its circuit's, modulo their even number. */
			assert_int_equal(
				peel_pkt(peel_load_last(t.port, 0))->remote.ip[3] % 2, apart);
		}
		peel_load_collect(t.port, 0);
		assert_int_equal(peel_load_count(t.port, 0)->came, BATCH);
		assert_int_equal(peel_load_count(t.port, 0)->wrong, 0);
		finish();
	}
}

static void
test_pace(void **state)
{
	struct peel_load_pace pace = {.cycles = 1000, .ring = 16};
	struct rte_mbuf *m[PEEL_PORT_BURST];
	const struct peel_load_record *r;
	uint64_t now;
	uint32_t n;

	(void)state;
	start(conf_of(PEEL_LOAD_FORWARD), true);
	assert_int_equal(peel_load_prepare(t.port, 0, BATCH), BATCH);
	now = rte_rdtsc();
	peel_load_pace_start(t.port, 0, &pace, now + (1u << 30));
	assert_int_equal(peel_port_load.rx(t.port, 0, m, PEEL_PORT_BURST), 0);
	/* 40 have come into 16 places, and about as many as the test is slow */
	peel_load_pace_start(t.port, 0, &pace, rte_rdtsc() - 40 * 1000);
	n = peel_port_load.rx(t.port, 0, m, PEEL_PORT_BURST);
	assert_int_equal(n, 16);
	assert_true(peel_load_count(t.port, 0)->overflow >= 24);
	peel_port_load.tx(t.port, 0, m, (uint16_t)n);
	r = peel_load_records(t.port, 0, &n);
	for (unsigned int i = 0; i < 16; i++) {
		assert_true(r[i].arrival >= now - 40 * 1000 && r[i].departure > r[i].arrival);
		assert_true(i == 0 || r[i].arrival - r[i - 1].arrival - 999 <= 2);
	}
	peel_load_discard(t.port, 0);
	finish();
}

static void
test_crypto_alone(void **state)
{
	struct peel_load_crypto *c;
	struct peel_aead *aead;

	(void)state;
	for (unsigned int work = 0; work < PEEL_LOAD_N_WORKS; work++) {
		struct peel_load_conf conf = conf_of(work);
		bool opens = work != PEEL_LOAD_BACKWARD && work != PEEL_LOAD_RETURN;

		start(conf, true);
		assert_int_equal(conf.engine->new (&aead), 0);
		assert_int_equal(peel_load_crypto_new(t.port, &c), 0);
		assert_int_equal(peel_load_prepare(t.port, 0, PEEL_AEAD_BURST), PEEL_AEAD_BURST);
		peel_load_crypto_fill(t.port, 0, c);
		assert_int_equal(c->n_open, opens ? PEEL_AEAD_BURST : 0);
		assert_int_equal(
			c->n_seal, !opens || work == PEEL_LOAD_RENDEZVOUS ? PEEL_AEAD_BURST : 0);
		assert_int_equal(conf.engine->open(aead, c->open, c->n_open), 0);
		conf.engine->seal(aead, c->seal, c->n_seal);
		peel_load_crypto_free(c);
		conf.engine->free(aead);
		peel_load_discard(t.port, 0);
		finish();
	}
}

static void
test_refusals(void **state)
{
	struct peel_load_conf conf;
	struct peel_port *port;

	(void)state;
	conf = conf_of(PEEL_LOAD_FORWARD);
	conf.size[3] = PEEL_LOAD_PAYLOAD_MAX + 1;
	assert_int_equal(peel_load_new(&conf, &port), -EINVAL);
	conf = conf_of(PEEL_LOAD_FORWARD);
	conf.n_neighbours = 3;
	conf.n_queues = 2;
	assert_int_equal(peel_load_new(&conf, &port), -EINVAL);
	conf = conf_of(PEEL_LOAD_N_WORKS);
	assert_int_equal(peel_load_new(&conf, &port), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_work_comes_out_right),
		cmocka_unit_test(test_disturbed_traffic),
		cmocka_unit_test(test_without_filter_copies_come_out),
		cmocka_unit_test(test_pings_and_creates),
		cmocka_unit_test(test_mistakes_are_noticed),
		cmocka_unit_test(test_zipf_and_queues),
		cmocka_unit_test(test_joined_circuits_of_one_queue_or_two),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_crypto_alone),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, eal, NULL);
}
