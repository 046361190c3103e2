/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Introduction points through a DHT in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dht_net.h"
#include "peel_dht_ipv8.h"

static const uint8_t hash[PEEL_INFO_HASH_LEN] = {1, 2, 3};

static struct {
	struct peel_dht_introduction point[8];
	size_t n;
	unsigned int n_ended;
} told;

static void
on_found(void *arg, const uint8_t *info_hash, const struct peel_dht_introduction *point, size_t n)
{
	(void)arg;
	assert_memory_equal(info_hash, hash, sizeof(hash));
	assert_true(told.n + n <= PEEL_ARRAY_LEN(told.point));
	memcpy(&told.point[told.n], point, n * sizeof(*point));
	told.n += n;
}

static void
on_ended(void *arg, const uint8_t *info_hash)
{
	(void)arg;
	assert_memory_equal(info_hash, hash, sizeof(hash));
	told.n_ended++;
}

static void *
open_at(const struct net_node *node)
{
	struct peel_provider_conf conf = {
		.env = &node->net->env, .dht = node->dht, .found = on_found, .ended = on_ended};
	void *self;
	char why[64];

	assert_int_equal(peel_dht_ipv8.open(&conf, &self, why, sizeof(why)), 0);
	return self;
}

static struct net *
network(void)
{
	struct net *net = net_new();

	memset(&told, 0, sizeof(told));
	for (unsigned int i = 0; i < 12; i++) {
		struct net_node *node = net_add(net, net_at(i, 1));

		for (unsigned int k = 0; k < i && k < 3; k++)
			net_introduce(net, node, &net->node[k]);
	}
	net_run(net, 30000);
	return net;
}

static struct peel_provider_count
count(void *self)
{
	struct peel_provider_count c;

	peel_dht_ipv8.count(self, &c);
	return c;
}

static void
test_announced_is_found(void **state)
{
	struct net *net = network();
	void *here = open_at(&net->node[3]), *there = open_at(&net->node[9]);
	struct peel_dht_introduction point = {.address = net->node[3].addr};
	static const uint8_t nothing[] = "no introduction point";
	uint32_t id, other;

	(void)state;
	memcpy(point.pk, net->node[3].identity.pk, PEEL_PK_LEN);
	memcpy(point.seeder_pk, net->node[4].identity.pk, PEEL_PK_LEN);
	assert_int_equal(peel_dht_ipv8.announce(here, hash, &point, &id), 0);
	assert_int_equal(peel_dht_publish(net->node[5].dht, hash,
				 (struct peel_span){nothing, sizeof(nothing)}, 0, &other),
		0);
	assert_int_equal(count(here).announced, 1);
	net_run(net, 20000);
	assert_int_equal(peel_dht_ipv8.look_up(there, hash), 0);
	assert_int_equal(count(there).lookups, 1);
	net_run(net, 10000);
	assert_int_equal(told.n_ended, 1);
	assert_int_equal(told.n, 1);
	assert_true(peel_addr_equal(&told.point[0].address, &point.address));
	assert_memory_equal(told.point[0].pk, point.pk, PEEL_PK_LEN);
	assert_memory_equal(told.point[0].seeder_pk, point.seeder_pk, PEEL_PK_LEN);
	assert_true(told.point[0].last_seen > 1700000000);
	assert_int_equal(count(there).lookups, 0);
	assert_in_range(count(there).nodes, 3, 11);
	peel_dht_ipv8.withdraw(here, id);
	assert_int_equal(count(here).announced, 0);
	net_run(net, 3700u * 1000); /* others forget it */
	assert_int_equal(peel_dht_ipv8.look_up(there, hash), 0);
	net_run(net, 10000);
	assert_int_equal(told.n_ended, 2);
	assert_int_equal(told.n, 1);
	peel_dht_ipv8.close(here);
	peel_dht_ipv8.close(there);
	net_free(net);
}

static void
test_cancelled(void **state)
{
	struct net *net = network();
	void *there = open_at(&net->node[9]);

	(void)state;
	assert_int_equal(peel_dht_ipv8.look_up(there, hash), 0);
	peel_dht_ipv8.cancel(there, hash);
	assert_int_equal(count(there).lookups, 0);
	net_run(net, 10000);
	assert_int_equal(told.n_ended, 0);
	peel_dht_ipv8.close(there);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_announced_is_found),
		cmocka_unit_test(test_cancelled),
	};

	if (peel_keys_init() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
