/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Speed tests at the end of a circuit: their sizes, and who gets how many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "one_circuit.h"

static void
test_speed_test_sizes(void **state)
{
	static const struct {
		uint8_t id;
		uint16_t ask;
		size_t extra, answer;
	} cases[] = {{19, 0, 0, 0}, {19, 1, 0, 1}, {19, 100, 900, 100}, {19, 1400, 3, 1400},
		{19, 65535, 0, 1400}, {21, 512, 512, 512}, {21, 65535, 1, 1400}};
	uint8_t msg[2304], answer[2304];

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		size_t id_len = cases[i].id == 19 ? 2 : 4, len;

		memset(msg, 0x5a, sizeof(msg));
		msg[0] = cases[i].id;
		peel_put_be16(msg + 1 + id_len, cases[i].ask);
		feed_message(msg, 3 + id_len + cases[i].extra, false);
		rig_poll(&rig);
		len = open_answer(0, answer);
		assert_int_equal(answer[0], cases[i].id + 1);
		assert_memory_equal(answer + 1, msg + 1, id_len);
		assert_int_equal(len, 1 + id_len + cases[i].answer);
	}
	rig.policy.flags = PEEL_FLAG_RELAY;
	feed_message(msg, 8, false);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 0);
	finish();
}

static void
test_speed_test_rate(void **state)
{
	uint8_t msg[5] = {PEEL_MSG_TEST_REQUEST, 0, 1, 0, 10};
	unsigned int answered = 0;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	for (int i = 0; i < 400; i++) {
		feed_message(msg, sizeof(msg), false);
		rig_poll(&rig);
		answered += rig.n_out;
	}
	/* 100 a second, all for the one circuit that asks: one second's worth, or more when the
	 * clock's second turned over meanwhile */
	assert_in_range(answered, 100, 300);
	assert_int_equal(rig_count(&rig, PEEL_DROP_RATE), 400 - answered);
	finish();
}

/* What an operator changes while the worker runs. */
static void
test_speed_test_change(void **state)
{
	uint8_t msg[5] = {PEEL_MSG_TEST_REQUEST, 0, 1, 4, 0}, answer[2304];
	unsigned int answered = 0;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	peel_worker_set_tests(rig.worker, 0, 200);
	for (int i = 0; i < 400; i++) {
		feed_message(msg, sizeof(msg), false);
		rig_poll(&rig);
		answered += rig.n_out;
	}
	assert_int_equal(answered, 400);
	assert_int_equal(open_answer(0, answer), 1 + 2 + 200);
	peel_worker_set_tests(rig.worker, 1, 0);
	for (int i = 0; i < 400; i++) {
		feed_message(msg, sizeof(msg), false);
		rig_poll(&rig);
		answered += rig.n_out;
	}
	/* one in each second that turns over meanwhile */
	assert_in_range(answered, 401, 440);
	finish();
}

/* Another circuit, of the same keys, from the same neighbour. */
static void
add_circuit(uint32_t cid)
{
	struct peel_route other = {
		.kind = PEEL_ROUTE_EXIT, .in_cid = cid, .out_cid = cid, .max_early = 8};

	other.in = other.out = c.previous;
	assert_int_equal(peel_session_add(rig.routes, &c.forward, c.salt_forward, &c.backward,
				 c.salt_backward, 0, &other.session),
		0);
	assert_int_equal(peel_route_publish(rig.routes, &other, NULL), 0);
}

/* @return answers of @p n requests on it. */
static unsigned int
ask_speed_tests(uint32_t cid, unsigned int n)
{
	uint8_t msg[5] = {PEEL_MSG_TEST_REQUEST, 0, 1, 0, 10}, cell[256];
	unsigned int answered = 0;

	while (n-- > 0) {
		size_t len = sealed_cell(cell, msg, sizeof(msg), false);

		peel_put_be32(cell + PEEL_CELL_OFF_CID, cid);
		rig_feed(&rig, &c.previous, cell, len);
		rig_poll(&rig);
		answered += rig.n_out;
	}
	return answered;
}

/* A circuit that has all answers of a second leaves half of the next ones, and enough in this one,
 * to who comes later. */
static void
test_speed_test_share(void **state)
{
	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	add_circuit(98);
	add_circuit(99);
	assert_in_range(ask_speed_tests(98, 400), 100, 300);
	assert_in_range(ask_speed_tests(99, 400), 50, 300);
	finish();
}

/* Nor do many circuits that ask without end, and before the others do: each has its share. */
static void
test_speed_test_share_among_many(void **state)
{
	const unsigned int n = 8, share = 100 / (n + 1);
	struct timespec t;
	unsigned int answered = 0;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	for (uint32_t i = 0; i <= n; i++)
		add_circuit(100 + i);
	clock_gettime(CLOCK_MONOTONIC, &t);
	for (time_t end = t.tv_sec + 20; answered < 2 * share && t.tv_sec < end;
		clock_gettime(CLOCK_MONOTONIC, &t)) {
		for (uint32_t i = 0; i < n; i++)
			ask_speed_tests(100 + i, 50);
		answered += ask_speed_tests(100 + n, 1);
	}
	assert_in_range(answered, 2 * share, 100);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_speed_test_sizes),
		cmocka_unit_test(test_speed_test_rate),
		cmocka_unit_test(test_speed_test_change),
		cmocka_unit_test(test_speed_test_share),
		cmocka_unit_test(test_speed_test_share_among_many),
	};

	return with_each_engine(tests, PEEL_ARRAY_LEN(tests));
}
