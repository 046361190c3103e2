/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Creates whose handshakes helper threads compute. */
#include <errno.h>

#include "rules.h"

#define MANY 48 /* what a node of the tests remembers to have sent, at most 64 */

const struct world_helpers world_helpers = {.n = 2, .late = true};

static struct originator originators[MANY];

/* Two helpers draw random numbers at a time; the node of the tests has one generator. */
static void
system_random(void *arg, void *out, size_t len)
{
	(void)arg;
	peel_random(&peel_env_system, out, len);
}

static struct node *
node_helped(void)
{
	struct node *n = node_with(NULL);

	n->env.random = system_random;
	n->joins_wait = true;
	for (unsigned int i = 0; i < MANY; i++)
		originator_init(&originators[i],
			peel_addr_ipv4(198, 51, 100, (uint8_t)(1 + i), 7000), 1 + i);
	return n;
}

static void
expect_all_answered(struct node *n)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	unsigned int n_answered = 0;
	struct packet p;

	while (node_pop(n, &p)) {
		struct originator *o = &originators[p.to.ip[3] - 1];
		int len = originator_open(o, p.data, p.len, msg);

		assert_true(len > 0);
		assert_int_equal(originator_hop(o, msg, (size_t)len), 0);
		n_answered++;
	}
	assert_int_equal(n_answered, MANY);
}

static void
test_all_joined(void **state)
{
	struct node *n = node_helped();

	(void)state;
	node_start_helpers(n);
	for (unsigned int i = 0; i < MANY; i++) {
		assert_int_equal(try_create(n, &originators[i], 7 + i), 0);
		if (i % 3 == 0) /* batches of all sizes */
			peel_or_join(n->circuits);
	}
	assert_false(peel_or_joins_wait(n->circuits)); /* the helpers say when to go on */
	node_join(n);
	assert_int_equal(counts(n).exits, MANY);
	assert_int_equal(node_stat(n, PEEL_CREATE_ACCEPTED), MANY);
	expect_all_answered(n);
	node_free(n);
}

/* With all helpers at work, what fills no batch waits for them; a full one does not. */
static void
test_lone_ones_wait_together(void **state)
{
	struct node *n = node_helped();
	unsigned int i = 0;

	(void)state;
	for (; i < 4; i++) {
		assert_int_equal(try_create(n, &originators[i], 7 + i), 0);
		assert_int_equal(peel_or_join(n->circuits), 0);
	}
	assert_int_equal(counts(n).computing, 2);
	assert_int_equal(counts(n).waiting, 2);
	for (; i < 2 + PEEL_HANDSHAKES; i++)
		assert_int_equal(try_create(n, &originators[i], 7 + i), 0);
	assert_int_equal(peel_or_join(n->circuits), 0);
	assert_int_equal(counts(n).computing, 2 + PEEL_HANDSHAKES);
	assert_int_equal(counts(n).waiting, 0);
	node_start_helpers(n);
	assert_int_equal(node_join(n), i);
	node_free(n);
}

/* What comes while a handshake is computed: destroy, the same create again, a drain. */
static void
test_meanwhile(void **state)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct node *n = node_helped();
	struct originator again;
	size_t len;

	(void)state;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(try_create(n, &originators[i], 7), 0);
	peel_or_join(n->circuits);
	assert_int_equal(counts(n).computing, 2);
	again = originators[0];
	assert_int_equal(try_create(n, &again, 7), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_IN_USE), 1);
	len = destroy_build(&originators[1].id, 7, PEEL_DESTROY_UNNEEDED, out);
	assert_int_equal(node_input(n, &originators[1].addr, out, len), 0);
	node_start_helpers(n);
	assert_int_equal(node_join(n), 1);
	assert_int_equal(n->sent_total, 1);
	node_stop_helpers(n);
	node_free(n);

	n = node_helped();
	assert_int_equal(try_create(n, &originators[0], 7), 0);
	peel_or_join(n->circuits);
	peel_or_drain(n->circuits, true);
	node_start_helpers(n);
	assert_int_equal(node_join(n), 0);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_DRAIN), 1);
	node_free(n);
}

/* Nothing comes of handshakes that are done after the node's end, nor of those nobody begins. */
static void
test_end(void **state)
{
	struct node *n = node_helped();

	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(try_create(n, &originators[i], 7 + i), 0);
	node_start_helpers(n);
	peel_or_join(n->circuits);
	assert_int_equal(peel_or_shutdown(n->circuits), 0);
	assert_int_equal(counts(n).waiting, 0);
	assert_int_equal(node_join(n), 0);
	assert_int_equal(counts(n).computing, 0);
	assert_int_equal(n->sent_total, 0);
	node_free(n);

	n = node_helped();
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(try_create(n, &originators[i], 7 + i), 0);
	peel_or_join(n->circuits);
	assert_in_range(counts(n).computing, 1, MANY);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_joined),
		cmocka_unit_test(test_lone_ones_wait_together),
		cmocka_unit_test(test_meanwhile),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
