/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Creates that are joined together. */
#include <errno.h>

#include "rules.h"

#define TOGETHER PEEL_HANDSHAKES

static struct originator originators[3 * TOGETHER];

/* A node whose creates wait until the test has them joined. */
static struct node *
node_waiting(const struct peel_or_settings *s)
{
	struct node *n = node_with(s);

	n->joins_wait = true;
	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(originators); i++)
		originator_init(&originators[i],
			peel_addr_ipv4(198, 51, 100, (uint8_t)(1 + i), 7000), 1 + i);
	return n;
}

static void
expect_created(struct node *n, struct originator *o)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct packet p;

	assert_true(node_pop(n, &p));
	assert_true(peel_addr_equal(&p.to, &o->addr));
	int len = originator_open(o, p.data, p.len, msg);

	assert_true(len > 0);
	assert_int_equal(originator_hop(o, msg, (size_t)len), 0);
}

/* Their order is that of turns. */
static void
expect_all_created(struct node *n, unsigned int n_creates)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct packet p;

	for (unsigned int i = 0; i < n_creates; i++) {
		assert_true(node_pop(n, &p));
		struct originator *o = &originators[p.to.ip[3] - 1];
		int len = originator_open(o, p.data, p.len, msg);

		assert_true(len > 0);
		assert_int_equal(originator_hop(o, msg, (size_t)len), 0);
	}
	assert_int_equal(n->n_sent, 0);
}

static void
test_all_answered(void **state)
{
	struct node *n = node_waiting(NULL);
	unsigned int n_creates = 2 * TOGETHER + 3;

	(void)state;
	for (unsigned int i = 0; i < n_creates; i++)
		assert_int_equal(try_create(n, &originators[i], 7 + i), 0);
	assert_int_equal(counts(n).waiting, n_creates);
	assert_int_equal(counts(n).exits, 0);
	for (unsigned int left = n_creates; left > 0;) {
		unsigned int now = left < TOGETHER ? left : TOGETHER;

		assert_true(peel_or_joins_wait(n->circuits));
		assert_int_equal(join_some(n), now);
		left -= now;
	}
	assert_false(peel_or_joins_wait(n->circuits));
	assert_int_equal(peel_or_join(n->circuits), 0);
	assert_int_equal(counts(n).exits, n_creates);
	assert_int_equal(node_stat(n, PEEL_CREATE_ACCEPTED), n_creates);
	expect_all_created(n, n_creates);
	node_free(n);
}

static void
test_tick_joins(void **state)
{
	struct node *n = node_waiting(NULL);

	(void)state;
	assert_int_equal(try_create(n, &originators[0], 7), 0);
	assert_int_equal(n->n_sent, 0);
	peel_or_tick(n->circuits);
	expect_created(n, &originators[0]);
	node_free(n);
}

static void
test_shutdown_answers_nobody(void **state)
{
	struct node *n = node_waiting(NULL);

	(void)state;
	assert_int_equal(try_create(n, &originators[0], 7), 0);
	assert_int_equal(peel_or_shutdown(n->circuits), 0);
	peel_or_tick(n->circuits);
	assert_int_equal(peel_or_join(n->circuits), 0);
	assert_int_equal(n->sent_total, 0);
	node_free(n);
}

/* The same id and address twice: they are no circuits yet when the second one comes. */
static void
test_same_pair(void **state)
{
	struct node *n = node_waiting(NULL);
	struct originator second = originators[0];

	(void)state;
	assert_int_equal(try_create(n, &originators[0], 7), 0);
	second = originators[0];
	assert_int_equal(try_create(n, &second, 7), -EBADMSG);
	assert_int_equal(try_create(n, &originators[1], 7), 0);
	assert_int_equal(node_join(n), 2);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_IN_USE), 1);
	expect_all_created(n, 2);
	node_free(n);
}

/* A point of low order among others: it alone is refused. */
static void
test_low_order_among_others(void **state)
{
	struct node *n = node_waiting(NULL);
	uint8_t out[PEEL_DATAGRAM_MAX];

	(void)state;
	assert_int_equal(try_create(n, &originators[0], 7), 0);
	size_t len = originator_create(&originators[1], n, 7, out);

	memset(out + len - PEEL_X_LEN, 0, PEEL_X_LEN);
	assert_int_equal(node_input(n, &originators[1].addr, out, len), 0);
	assert_int_equal(try_create(n, &originators[2], 7), 0);
	assert_int_equal(node_join(n), 2);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_BAD), 1);
	expect_all_created(n, 2);
	node_free(n);
}

/* Key pairs made ahead of time serve joins; a node that takes part in nothing makes none. */
static void
test_keys_ready(void **state)
{
	struct peel_or_settings s;
	struct node *n = node_waiting(NULL);
	unsigned int n_turns = 1;

	(void)state;
	while (peel_or_prepare(n->circuits))
		n_turns++;
	assert_in_range(n_turns, 2, 1000);
	for (unsigned int i = 0; i < TOGETHER; i++)
		assert_int_equal(try_create(n, &originators[i], 7 + i), 0);
	assert_int_equal(node_join(n), TOGETHER);
	expect_all_created(n, TOGETHER);
	node_free(n);
	peel_or_settings_init(&s);
	s.peer_flags = 0;
	n = node_waiting(&s);
	assert_false(peel_or_prepare(n->circuits));
	node_free(n);
}

/* Those that wait together take no more places than there are: of the node, or of a source. */
static void
test_places(void **state)
{
	struct peel_or_settings s;
	unsigned int n_places = 3;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = n_places;
	struct node *n = node_waiting(&s);

	for (uint32_t i = 0; i + 1 < TOGETHER; i++)
		assert_int_equal(try_create(n, &originators[0], 7 + i), 0);
	assert_int_equal(node_join(n), n_places);
	assert_int_equal(counts(n).exits, n_places);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_LIMIT), TOGETHER - 1 - n_places);
	node_free(n);
}

/* Rates are taken when a create comes, not when it is answered. */
static void
test_rate(void **state)
{
	struct peel_or_settings s;

	(void)state;
	peel_or_settings_init(&s);
	s.create_rate = 4; /* three quarters for neighbours */
	struct node *n = node_waiting(&s);

	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(try_create(n, &originators[i], 7), i < 3 ? 0 : -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_RATE), 2);
	assert_int_equal(node_join(n), 3);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_answered),
		cmocka_unit_test(test_tick_joins),
		cmocka_unit_test(test_shutdown_answers_nobody),
		cmocka_unit_test(test_same_pair),
		cmocka_unit_test(test_low_order_among_others),
		cmocka_unit_test(test_keys_ready),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
