/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Routing tables over a restart. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dht_net.h"

#define NODES 40

static uint8_t state_of[PEEL_DHT_STATE_MAX];

static struct peel_dht_count
count(const struct net_node *node)
{
	struct peel_dht_count c;

	peel_dht_count(node->dht, &c);
	return c;
}

/* Nodes that know each other; the state of the first. */
static struct net *
network(size_t *len)
{
	struct net *net = net_new();

	for (unsigned int i = 0; i < NODES; i++) {
		struct net_node *node = net_add(net, net_at(i, 1));

		for (unsigned int k = 0; k < i && k < 3; k++)
			net_introduce(net, node, &net->node[k]);
	}
	net_run(net, 60000);
	*len = peel_dht_save(net->node[0].dht, 5, state_of);
	return net;
}

/* A newcomer that knows nobody but what is remembered finds its way back; half of them are gone. */
static void
test_remembered_nodes_are_asked(void **state)
{
	size_t len;
	struct net *net = network(&len);
	struct net_node *again = net_add(net, net_at(200, 1));
	size_t known = count(&net->node[0]).nodes_ipv4, alive = 0;

	(void)state;
	assert_true(known > 8);
	assert_int_equal(len, 22 + known * (7 + PEEL_PK_LEN) + 20);
	for (unsigned int i = 1; i < NODES; i += 2)
		net->node[i].down = true;
	assert_int_equal(peel_dht_load(again->dht, state_of, len), 0);
	assert_int_equal(count(again).remembered, known);
	assert_int_equal(count(again).nodes_ipv4, 0); /* nobody is believed */
	net_run(net, 20000);
	assert_int_equal(count(again).remembered, 0);
	assert_true(count(again).nodes_ipv4 > 3);
	for (unsigned int i = 0; i < NODES; i += 2)
		alive += dht_routing_find(&again->dht->routing[DHT_V4],
				 net->node[i].dht->routing[DHT_V4].own_id) != NULL;
	assert_int_equal(alive, count(again).nodes_ipv4);
	net_free(net);
}

/* Nobody is asked before we know our own place; at most so many at a time. */
static void
test_asked_bit_by_bit(void **state)
{
	size_t len;
	struct net *net = network(&len);
	struct net_node *again = net_add(net, net_at(200, 1));
	const struct peel_addr nowhere = {.family = PEEL_FAMILY_NONE};
	size_t known = count(&net->node[0]).nodes_ipv4;

	(void)state;
	again->dht->own = nowhere;
	assert_int_equal(peel_dht_load(again->dht, state_of, len), 0);
	net_run(net, 5000);
	assert_int_equal(count(again).remembered, known);
	peel_dht_address(again->dht, &again->addr);
	again->n_sent = 0;
	peel_dht_tick(again->dht);
	assert_int_equal(count(again).remembered, known > 16 ? known - 16 : 0);
	assert_in_range(again->n_sent, 1, 16);
	net_free(net);
}

/* Every byte counts: with one changed, or missing, nothing is taken. What is behind is ignored. */
static void
test_damaged(void **state)
{
	size_t len;
	struct net *net = network(&len);
	struct net_node *again = net_add(net, net_at(200, 1));
	uint64_t sequence;

	(void)state;
	assert_int_equal(peel_dht_state_sequence(state_of, len, &sequence), 0);
	assert_int_equal(sequence, 5);
	for (size_t i = 0; i < len; i++) {
		state_of[i] ^= 0x10;
		assert_int_equal(peel_dht_load(again->dht, state_of, len), -EBADMSG);
		assert_int_equal(peel_dht_state_sequence(state_of, len, &sequence), -EBADMSG);
		state_of[i] ^= 0x10;
		assert_int_equal(peel_dht_load(again->dht, state_of, i), -EBADMSG);
	}
	assert_int_equal(count(again).remembered, 0);
	assert_int_equal(peel_dht_load(again->dht, state_of, sizeof(state_of)), 0);
	assert_true(count(again).remembered > 0);
	/* The right sum around a key that is none. */
	state_of[22 + 7] = 'x';
	peel_mid(state_of, len - 20, state_of + len - 20);
	assert_int_equal(peel_dht_load(again->dht, state_of, len), -EBADMSG);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remembered_nodes_are_asked),
		cmocka_unit_test(test_asked_bit_by_bit),
		cmocka_unit_test(test_damaged),
	};

	if (peel_keys_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
