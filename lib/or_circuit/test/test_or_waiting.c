/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Creates that wait for their handshakes: whose turn it is, and who gets none. */
#include <errno.h>

#include "rules.h"

#define LINE 256 /* of neighbours, and of strangers */
#define SOME 5
#define PATIENCE_MS 5000 /* half of next_hop_timeout */

static struct originator flooder, honest[SOME];

/* Nothing is limited but the number of those that wait. */
static struct node *
node_waiting(void)
{
	struct peel_or_settings s;

	peel_or_settings_init(&s);
	s.create_rate = s.create_rate_per_source = 0;
	s.max_joined_circuits = 1000;
	struct node *n = node_with(&s);

	node_free(n);
	n = node_new(peel_addr_ipv4(192, 0, 2, 11, 8090), NULL, &s, 8192);
	n->joins_wait = true;
	originator_init(&flooder, peel_addr_ipv4(203, 0, 113, 1, 7000), 1);
	for (unsigned int i = 0; i < SOME; i++)
		originator_init(
			&honest[i], peel_addr_ipv4(198, 51, 100, (uint8_t)(1 + i), 7000), 2 + i);
	return n;
}

static void
flood(struct node *n, struct originator *o, unsigned int creates)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	size_t len = originator_create(o, n, 0, out);

	for (unsigned int i = 0; i < creates; i++) {
		peel_put_be32(out + PEEL_CELL_OFF_CID, 1000 + i);
		assert_int_equal(node_input(n, &o->addr, out, len), 0);
	}
}

/* Among those that were sent: whether this originator got its answer. */
static bool
answered(struct node *n, struct originator *o)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	bool found = false;

	for (size_t i = 0; i < n->n_sent; i++) {
		const struct packet *p = &n->sent[i];

		if (!peel_addr_equal(&p->to, &o->addr))
			continue;
		int len = originator_open(o, p->data, p->len, msg);

		assert_true(len > 0);
		assert_int_equal(originator_hop(o, msg, (size_t)len), 0);
		found = true;
	}
	return found;
}

/* A neighbour with hundreds of creates has one turn, like each of the others. */
static void
test_sources_take_turns(void **state)
{
	struct node *n = node_waiting();

	(void)state;
	flood(n, &flooder, 200);
	for (unsigned int i = 0; i < SOME; i++)
		assert_int_equal(try_create(n, &honest[i], 7), 0);
	assert_int_equal(join_some(n), PEEL_HANDSHAKES);
	for (unsigned int i = 0; i < SOME; i++)
		assert_true(answered(n, &honest[i]));
	assert_int_equal(node_join(n), 200 + SOME - PEEL_HANDSHAKES);
	node_free(n);
}

static void
test_neighbours_before_strangers(void **state)
{
	struct node *n = node_waiting();

	(void)state;
	n->strangers = true;
	flood(n, &flooder, 100);
	n->strangers = false;
	for (unsigned int i = 0; i < SOME; i++)
		assert_int_equal(try_create(n, &honest[i], 7), 0);
	assert_int_equal(join_some(n), PEEL_HANDSHAKES);
	for (unsigned int i = 0; i < SOME; i++)
		assert_true(answered(n, &honest[i]));
	node_free(n);
}

/* Strangers have a turn of four even so. */
static void
test_strangers_have_turns(void **state)
{
	struct node *n = node_waiting();

	(void)state;
	flood(n, &flooder, 100);
	n->strangers = true;
	assert_int_equal(try_create(n, &honest[0], 7), 0);
	assert_int_equal(try_create(n, &honest[1], 7), 0);
	assert_int_equal(join_some(n), PEEL_HANDSHAKES);
	assert_true(answered(n, &honest[0]));
	assert_true(answered(n, &honest[1]));
	node_free(n);
}

/* When there is no room, who has most gives way; of his, the oldest. */
static void
test_full(void **state)
{
	struct node *n = node_waiting();

	(void)state;
	assert_int_equal(try_create(n, &honest[0], 7), 0);
	flood(n, &flooder, LINE - 1);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_QUEUE), 0);
	for (unsigned int i = 1; i < SOME; i++)
		assert_int_equal(try_create(n, &honest[i], 7), 0);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_QUEUE), SOME - 1);
	assert_int_equal(counts(n).waiting, LINE);
	/* strangers have a line of their own */
	n->strangers = true;
	assert_int_equal(try_create(n, &flooder, 7), 0);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_QUEUE), SOME - 1);
	assert_int_equal(join_some(n), PEEL_HANDSHAKES);
	for (unsigned int i = 0; i < SOME; i++)
		assert_true(answered(n, &honest[i]));
	assert_int_equal(node_join(n), LINE + 1 - PEEL_HANDSHAKES);
	for (unsigned int i = 0; i < LINE - 1; i++)
		assert_int_equal(
			node_route(n, &flooder.addr, 1000 + i) != PEEL_NONE, i >= SOME - 1);
	node_free(n);
}

/* A flood that fills the line again and again, and loses its creates, leaves nothing behind. */
static void
test_full_again_and_again(void **state)
{
	struct node *n = node_waiting();

	(void)state;
	for (unsigned int round = 0; round < 3; round++) {
		flooder.addr.port++;
		flood(n, &flooder, 3 * LINE);
		assert_int_equal(counts(n).waiting, LINE);
		assert_int_equal(try_create(n, &honest[round], 7), 0);
		/* Its turn comes although the flood has lost hundreds of its own. */
		assert_int_equal(join_some(n), PEEL_HANDSHAKES);
		assert_true(answered(n, &honest[round]));
		assert_int_equal(node_join(n), LINE - PEEL_HANDSHAKES);
		assert_int_equal(counts(n).waiting + counts(n).computing, 0);
	}
	node_free(n);
}

static void
test_age(void **state)
{
	struct node *n = node_waiting();

	(void)state;
	assert_int_equal(try_create(n, &honest[0], 7), 0);
	world_now += 1;
	assert_int_equal(try_create(n, &honest[1], 7), 0);
	world_now += PATIENCE_MS;
	assert_int_equal(try_create(n, &honest[2], 7), 0);
	assert_int_equal(join_some(n), 2);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_AGE), 1);
	assert_false(answered(n, &honest[0]));
	assert_true(answered(n, &honest[1]));
	assert_true(answered(n, &honest[2]));
	/* It is forgotten: the same id may be tried again. */
	assert_int_equal(try_create(n, &honest[0], 7), 0);
	assert_int_equal(node_join(n), 1);
	node_free(n);
}

static void
test_all_too_old(void **state)
{
	struct node *n = node_waiting();

	(void)state;
	flood(n, &flooder, LINE);
	world_now += PATIENCE_MS + 1;
	assert_int_equal(join_some(n), 0);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_AGE), LINE);
	assert_int_equal(counts(n).waiting + counts(n).computing, 0);
	assert_int_equal(n->sent_total, 0);
	node_free(n);
}

static void
test_destroyed_while_waiting(void **state)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct node *n = node_waiting();
	size_t len;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(try_create(n, &honest[i], 7), 0);
	/* Somebody else's, one whose signature is wrong, and the good one. */
	len = destroy_build(&flooder.id, 7, PEEL_DESTROY_UNNEEDED, out);
	assert_int_equal(node_input(n, &honest[0].addr, out, len), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_DESTROY_REFUSED), 1);
	len = destroy_build(&honest[1].id, 7, PEEL_DESTROY_UNNEEDED, out);
	out[len - 1] ^= 1;
	for (unsigned int i = 0; i < 10; i++)
		assert_int_equal(node_input(n, &honest[1].addr, out, len), -EBADMSG);
	/* Each verification costs as much as answering a create. */
	assert_int_equal(node_stat(n, PEEL_BAD_SIGNATURE), 3);
	len = destroy_build(&honest[2].id, 7, PEEL_DESTROY_UNNEEDED, out);
	assert_int_equal(node_input(n, &honest[2].addr, out, len), 0);
	assert_int_equal(node_stat(n, PEEL_DESTROY_RECEIVED), 1);
	assert_int_equal(node_input(n, &honest[2].addr, out, len), -EBADMSG);
	assert_int_equal(node_join(n), 2);
	assert_true(answered(n, &honest[0]));
	assert_true(answered(n, &honest[1]));
	assert_false(answered(n, &honest[2]));
	assert_int_equal(counts(n).exits, 2);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sources_take_turns),
		cmocka_unit_test(test_neighbours_before_strangers),
		cmocka_unit_test(test_strangers_have_turns),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_full_again_and_again),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_all_too_old),
		cmocka_unit_test(test_destroyed_while_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
