/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A network of IPv6 nodes, and one that has both families: ids, shares and look-ups are those of
 * each family. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dht_net.h"

#define NODES 30

/* 2001:db8:SUBNET::HOST, port 8090. */
static struct peel_addr
at6(unsigned int subnet, unsigned int host)
{
	char text[64];
	struct peel_addr addr;

	snprintf(text, sizeof(text), "[2001:db8:%x::%x]:8090", subnet, host);
	assert_int_equal(peel_addr_parse(text, 0, &addr), 0);
	assert_int_equal(addr.family, PEEL_FAMILY_IPV6);
	return addr;
}

static struct net *
network(void)
{
	struct net *net = net_new();

	for (unsigned int i = 0; i < NODES; i++) {
		struct net_node *node = net_add(net, at6(i, 1));

		for (unsigned int k = 0; k < i && k < 3; k++)
			net_introduce(net, node, &net->node[peel_random_below(&net->env, i)]);
	}
	net_run(net, 60000);
	return net;
}

struct end {
	unsigned int n, n_stored;
	size_t n_values, n_nodes, n_peers;
	char data[16];
	struct peel_addr peer;
};

static void
ended(void *arg, uint64_t token, const struct peel_dht_result *r)
{
	struct end *e = arg;

	(void)token;
	*e = (struct end){.n = e->n + 1,
		.n_stored = r->n_stored,
		.n_values = r->n_values,
		.n_nodes = r->n_nodes,
		.n_peers = r->n_peers};
	if (r->n_values > 0)
		memcpy(e->data, r->value[0].data.p, r->value[0].data.len);
	if (r->n_peers > 0)
		e->peer = r->peer[0].addr;
}

static struct peel_dht_count
count(const struct net_node *node)
{
	struct peel_dht_count c;

	peel_dht_count(node->dht, &c);
	return c;
}

static void
test_stored_and_found(void **state)
{
	static const uint8_t hello[] = "hello";
	struct net *net = network();
	uint8_t key[PEEL_DHT_KEY_LEN];
	struct end end = {0};

	(void)state;
	for (unsigned int i = 0; i < NODES; i++) {
		assert_in_range(count(&net->node[i]).nodes_ipv6, 8, NODES - 1);
		assert_int_equal(count(&net->node[i]).nodes_ipv4, 0);
	}
	peel_random(&net->env, key, sizeof(key));
	assert_int_equal(peel_dht_store(net->node[0].dht, key,
				 (struct peel_span){hello, sizeof(hello)}, 0, ended, &end, 0),
		0);
	net_run(net, 20000);
	assert_int_equal(end.n, 1);
	assert_int_equal(end.n_stored, 8);
	for (unsigned int i = 1; i < NODES; i++) {
		end.n = 0;
		assert_int_equal(peel_dht_find(net->node[i].dht, key, 0, ended, &end, 0), 0);
		net_run(net, 10000);
		assert_int_equal(end.n, 1);
		assert_int_equal(end.n_values, 1);
		assert_string_equal(end.data, "hello");
	}
	net_free(net);
}

static void
test_peers_are_found_by_member_id(void **state)
{
	struct net *net = network();
	struct net_node *hidden = &net->node[4];
	struct end end = {0};

	(void)state;
	peel_dht_store_peer(hidden->dht, true);
	net_run(net, 40000);
	assert_true(count(hidden).storers >= 4);
	assert_int_equal(
		peel_dht_connect_peer(net->node[20].dht, hidden->identity.mid, ended, &end, 0), 0);
	net_run(net, 20000);
	assert_int_equal(end.n_peers, 1);
	assert_true(peel_addr_equal(&end.peer, &hidden->addr));
	net_free(net);
}

/* One customer's network (/56) has two places in a bucket, whatever number of keys and addresses.
 */
static void
test_one_network_fills_no_bucket(void **state)
{
	struct net *net = net_new();
	struct net_node *node = net_add(net, at6(1, 1));
	unsigned int most = 0;

	(void)state;
	for (unsigned int i = 0; i < 60; i++)
		net_introduce(net, node, net_add(net, at6(2, 1 + i)));
	net_run(net, 20000);
	for (unsigned int i = 0; i < DHT_BUCKETS; i++) {
		if (node->dht->routing[DHT_V6].bucket[i].n > most)
			most = node->dht->routing[DHT_V6].bucket[i].n;
	}
	assert_int_equal(most, 2);
	net_free(net);
}

/* Who knows nodes of both families has a table of each, and tells of both. */
static void
test_both_families(void **state)
{
	struct net *net = network();
	struct net_node *both = net_add(net, net_at(100, 1));
	struct end end = {0};

	(void)state;
	for (unsigned int i = 0; i < 10; i++) {
		struct net_node *v4 = net_add(net, net_at(101 + i, 1));

		net_introduce(net, both, v4);
		net_introduce(net, both, &net->node[i]);
	}
	net_run(net, 60000);
	assert_true(count(both).nodes_ipv4 >= 8);
	assert_true(count(both).nodes_ipv6 >= 8);
	assert_int_equal(peel_dht_find_nodes(both->dht, both->identity.mid, ended, &end, 0), 0);
	net_run(net, 20000);
	assert_int_equal(end.n_nodes, 16);
	net_free(net);
}

static void
test_remembered(void **state)
{
	static uint8_t saved[PEEL_DHT_STATE_MAX];
	struct net *net = network();
	size_t n = count(&net->node[0]).nodes_ipv6, len = peel_dht_save(net->node[0].dht, 1, saved);
	struct net_node *again = net_add(net, at6(200, 1));

	(void)state;
	assert_int_equal(len, 22 + n * (19 + PEEL_PK_LEN) + 20);
	assert_int_equal(peel_dht_load(again->dht, saved, len), 0);
	net_run(net, 20000);
	assert_true(count(again).nodes_ipv6 >= 8);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stored_and_found),
		cmocka_unit_test(test_peers_are_found_by_member_id),
		cmocka_unit_test(test_one_network_fills_no_bucket),
		cmocka_unit_test(test_both_families),
		cmocka_unit_test(test_remembered),
	};

	if (peel_keys_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
