/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <rte_eal.h>

#include "peel_fan.h"
#include "peel_msg.h"

#define RING 64
#define WORKERS 3

static struct rte_mempool *pool;

static int
setup(void **state)
{
	char *argv[] = {"test", "--no-pci", "--no-huge", "-m", "64", "-l", "0", "--no-shconf",
		"--no-telemetry", "--log-level=3", NULL};

	(void)state;
	if (rte_eal_init((int)PEEL_ARRAY_LEN(argv) - 1, argv) < 0)
		return -1;
	pool = peel_port_pool_new("msg", 1023, false, SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static struct rte_mbuf *
tagged(uint32_t tag)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	assert_non_null(m);
	peel_pkt(m)->session = tag;
	return m;
}

static void
test_classes_are_apart_and_bounded(void **state)
{
	struct peel_mailbox *mb, *other;
	struct rte_mbuf *m, *out[RING];
	unsigned int n = 0;

	(void)state;
	assert_int_equal(peel_mailbox_new(RING, &mb), 0);
	/* of another worker, or another node */
	assert_int_equal(peel_mailbox_new(RING, &other), 0);
	m = tagged(0);
	while (peel_mailbox_push_control(mb, PEEL_CLASS_CREATE, m) == 0) {
		n++;
		m = tagged(n);
	}
	assert_in_range(n, 1, RING);
	assert_int_equal(peel_mailbox_fill(mb, PEEL_CLASS_CREATE), n);
	assert_int_equal(peel_mailbox_fill(mb, PEEL_CLASS_OR), 0);
	assert_int_equal(peel_mailbox_fill(mb, PEEL_N_CLASSES), 0);
	/* a flood of one class leaves the others and the way back free */
	assert_int_equal(peel_mailbox_push_control(mb, PEEL_CLASS_OR, m), 0);
	assert_int_equal(peel_mailbox_push_worker(mb, tagged(99)), 0);
	assert_int_equal(peel_mailbox_fill(mb, PEEL_CLASS_OR), 1);
	assert_int_equal(peel_mailbox_fill(mb, PEEL_N_CLASSES), 1);
	assert_int_equal(peel_mailbox_pop_control(other, PEEL_CLASS_CREATE, out, RING), 0);
	assert_int_equal(peel_mailbox_pop_control(mb, PEEL_CLASS_CREATE, out, RING), n);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(peel_pkt(out[i])->session, i);
		rte_pktmbuf_free(out[i]);
	}
	assert_int_equal(peel_mailbox_pop_worker(mb, out, RING), 1);
	assert_int_equal(peel_pkt(out[0])->session, 99);
	rte_pktmbuf_free(out[0]);
	peel_mailbox_free(mb); /* the circuit message is still inside */
	peel_mailbox_free(other);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void
test_fan_moves_between_workers(void **state)
{
	struct peel_fan *fan;
	struct rte_mbuf *in[RING], *out[RING];
	unsigned int taken;

	(void)state;
	assert_int_equal(peel_fan_new(WORKERS, RING, &fan), 0);
	for (unsigned int i = 0; i < RING; i++)
		in[i] = tagged(i);
	taken = peel_fan_push(fan, 0, 1, in, RING);
	assert_int_equal(taken, RING - 1);
	assert_int_equal(peel_fan_push(fan, 2, 1, in + taken, 1), 1);
	assert_int_equal(peel_fan_pop(fan, 0, out, RING), 0);
	assert_int_equal(peel_fan_pop(fan, 2, out, RING), 0);
	/* both senders are served, whoever's turn it is */
	unsigned int got = 0;

	for (unsigned int n; (n = peel_fan_pop(fan, 1, out, 16)) > 0; got += n)
		rte_pktmbuf_free_bulk(out, n);
	assert_int_equal(got, RING);
	assert_int_equal(peel_fan_push(fan, 1, 0, (struct rte_mbuf *[]){tagged(7)}, 1), 1);
	peel_fan_free(fan);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void
test_fan_spreads_ids(void **state)
{
	unsigned int count[WORKERS] = {0};

	(void)state;
	for (uint32_t cid = 0; cid < 30000; cid++)
		count[peel_fan_worker(cid, WORKERS)]++;
	for (unsigned int i = 0; i < WORKERS; i++)
		assert_in_range(count[i], 9000, 11000);
	assert_int_equal(peel_fan_worker(UINT32_MAX, 1), 0);
}

/* A sleeper that is told of nothing would sleep for ever: every push is seen by one of both
 * sides. */
static struct peel_fan *shared;
static unsigned int woken, received;

static void *
sleeper(void *arg)
{
	struct rte_mbuf *m[8];

	(void)arg;
	while (received < 20000) {
		unsigned int n = peel_fan_pop(shared, 1, m, 8);

		rte_pktmbuf_free_bulk(m, n);
		received += n;
		if (n > 0 || peel_fan_doze(shared, 1)) {
			peel_fan_awake(shared, 1);
			continue;
		}
		/* asleep: only a wake-up ends this */
		while (__atomic_exchange_n(&woken, 0, __ATOMIC_ACQUIRE) == 0)
			sched_yield();
		peel_fan_awake(shared, 1);
	}
	return NULL;
}

static void
test_fan_loses_no_wake_up(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(peel_fan_new(2, RING, &shared), 0);
	assert_int_equal(pthread_create(&thread, NULL, sleeper, NULL), 0);
	for (unsigned int i = 0; i < 20000; i++) {
		struct rte_mbuf *m = NULL;

		while ((m = rte_pktmbuf_alloc(pool)) == NULL)
			sched_yield();
		while (peel_fan_push(shared, 0, 1, &m, 1) == 0)
			sched_yield();
		if (peel_fan_asleep(shared, 1))
			__atomic_store_n(&woken, 1, __ATOMIC_RELEASE);
	}
	pthread_join(thread, NULL);
	assert_int_equal(received, 20000);
	peel_fan_free(shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes_are_apart_and_bounded),
		cmocka_unit_test(test_fan_moves_between_workers),
		cmocka_unit_test(test_fan_spreads_ids),
		cmocka_unit_test(test_fan_loses_no_wake_up),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
