/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Whole networks: nodes find each other, stay together, and forget the dead.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net.h"

#define RELAY (PEEL_FLAG_RELAY | PEEL_FLAG_SPEED_TEST)
#define EXIT (RELAY | PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8)

static struct peel_addr
public_addr(unsigned int i)
{
	return peel_addr_ipv4(198, 51, (uint8_t)(100 + i), 7, 8090);
}

/* n nodes on public addresses; node 0 is everybody's bootstrap address; each third one is an
 * exit. */
static void
build(struct net *net, unsigned int n)
{
	struct peel_addr first = public_addr(0);

	for (unsigned int i = 0; i < n; i++) {
		struct peel_addr addr = public_addr(i);
		struct peel_overlay_conf conf = net_conf(net, &addr, i % 3 == 2 ? EXIT : RELAY);

		conf.bootstrap = &first;
		conf.n_bootstrap = 1;
		conf.walk_target = (int)n - 1;
		net_add(net, &addr, &conf);
	}
}

static void
test_two_nodes_become_candidates_of_each_other(void **state)
{
	struct net *net = net_new();
	struct peel_addr a, b;

	(void)state;
	build(net, 2);
	net_run(net, 1000);
	assert_true(net_is_candidate(&net->node[0], &net->node[1], RELAY));
	assert_true(net_is_candidate(&net->node[1], &net->node[0], RELAY));
	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
		assert_int_equal(peel_overlay_count(net->node[0].ov, c), 1);
		assert_int_equal(peel_overlay_count(net->node[1].ov, c), 1);
	}
	/* The only voice there is tells them their public address. */
	assert_true(peel_overlay_public(net->node[0].ov, &a));
	assert_true(peel_overlay_public(net->node[1].ov, &b));
	assert_true(peel_addr_equal(&a, &net->node[0].addr));
	assert_true(peel_addr_equal(&b, &net->node[1].addr));
	assert_true(peel_addr_equal(&b, &net->node[1].public_address));
	net_free(net);
}

/* Others learn within a minute or so that a node offers nothing any more, or something else. */
static void
test_flags_change(void **state)
{
	struct net *net = net_new();

	(void)state;
	build(net, 2);
	net_run(net, 1000);
	assert_true(net_is_candidate(&net->node[0], &net->node[1], RELAY));
	peel_overlay_flags(net->node[1].ov, 0);
	net_run(net, 120 * 1000);
	assert_false(net_is_candidate(&net->node[0], &net->node[1], RELAY));
	peel_overlay_flags(net->node[1].ov, RELAY);
	net_run(net, 120 * 1000);
	assert_true(net_is_candidate(&net->node[0], &net->node[1], RELAY));
	net_free(net);
}

static void
check_complete(struct net *net, size_t n, size_t least)
{
	struct peel_peer peers[NET_NODES];

	for (size_t i = 0; i < n; i++) {
		struct peel_overlay *ov = net->node[i].ov;
		size_t relays = peel_overlay_candidates(ov, RELAY, 0, peers, NET_NODES);
		size_t exits = peel_overlay_candidates(ov, PEEL_FLAG_EXIT_BT, 0, peers, NET_NODES);
		size_t plain =
			peel_overlay_candidates(ov, RELAY, PEEL_FLAG_EXIT_BT, peers, NET_NODES);

		assert_in_range(relays, least, n - 1);
		assert_in_range(exits, 1, relays - 1);
		assert_int_equal(relays, exits + plain);
		assert_int_equal(
			peel_overlay_candidates(ov, PEEL_FLAG_EXIT_HTTP, 0, peers, NET_NODES), 0);
		for (size_t j = 0; j < n; j++)
			assert_false(i == j && net_is_candidate(&net->node[i], &net->node[j], 0));
	}
}

static void
test_network_comes_together_and_stays(void **state)
{
	struct net *net = net_new();

	(void)state;
	build(net, 10);
	net_run(net, 20 * 1000);
	check_complete(net, 10, 8);
	for (int minute = 0; minute < 10; minute++) {
		net_run(net, 60 * 1000);
		check_complete(net, 10, 8);
	}
	for (size_t i = 0; i < net->n_nodes; i++) {
		struct peel_stats *stats = &net->node[i].stats;

		/* Nobody misunderstood anybody, and quiet nodes stay cheap. */
		assert_int_equal(peel_stats_get(stats, PEEL_CONTROL_MALFORMED), 0);
		assert_int_equal(peel_stats_get(stats, PEEL_BAD_SIGNATURE), 0);
		assert_int_equal(peel_stats_get(stats, PEEL_CONTROL_RATE), 0);
		assert_int_equal(peel_stats_get(stats, PEEL_INTRO_UNSOLICITED), 0);
		assert_true(peel_stats_get(stats, PEEL_LIVENESS_PINGS) > 0);
		assert_in_range(net->node[i].n_sent, 100, 5000);
	}
	net_free(net);
}

static void
test_dead_node_is_forgotten_in_about_a_minute(void **state)
{
	struct net *net = net_new();
	struct peel_peer peer;

	(void)state;
	build(net, 4);
	net_run(net, 30 * 1000);
	for (int i = 1; i < 4; i++)
		assert_true(net_is_candidate(&net->node[i], &net->node[0], RELAY));
	net->node[0].down = true;
	net_run(net, 40 * 1000);
	for (int i = 1; i < 4; i++)
		assert_true(peel_overlay_find(net->node[i].ov, net->node[0].identity.pk, &peer));
	net_run(net, 30 * 1000);
	for (int i = 1; i < 4; i++) {
		assert_false(peel_overlay_find(net->node[i].ov, net->node[0].identity.pk, &peer));
		assert_false(net_is_candidate(&net->node[i], &net->node[0], 0));
		assert_true(net_is_candidate(&net->node[i], &net->node[i % 3 + 1], RELAY));
		assert_int_equal(peel_overlay_count(net->node[i].ov, PEEL_COMMUNITY_TUNNEL), 2);
	}
	/* It comes back: without peers it bootstraps from nobody (it is the bootstrap), the others
	 * ask it again. */
	net->node[0].down = false;
	net_run(net, 120 * 1000);
	assert_in_range(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 1, 3);
	net_free(net);
}

static void
test_pause_of_the_process_loses_nobody(void **state)
{
	struct net *net = net_new();

	(void)state;
	build(net, 4);
	net_run(net, 30 * 1000);
	net->delay_ms = 600; /* longer than a tick */
	net->now += 300 * 1000;
	for (int second = 0; second < 5; second++) {
		net_run(net, 1000);
		for (int i = 0; i < 4; i++) {
			for (int j = 0; j < 4; j++)
				assert_int_equal(
					net_is_candidate(&net->node[i], &net->node[j], RELAY),
					i != j);
		}
	}
	net_free(net);
}

static void
test_lossy_network_works(void **state)
{
	struct net *net = net_new();
	struct peel_peer peers[NET_NODES];
	size_t found = 0, rounds = 0;

	(void)state;
	build(net, 8);
	net->loss = 20;
	net_run(net, 60 * 1000);
	for (int k = 0; k < 9; k++) {
		net_run(net, 60 * 1000);
		for (size_t i = 0; i < net->n_nodes; i++) {
			found += peel_overlay_candidates(
				net->node[i].ov, RELAY, 0, peers, NET_NODES);
			rounds++;
		}
	}
	assert_true(found >= rounds * 6);
	net_free(net);
}

static void
test_loopback_network(void **state)
{
	struct net *net = net_new();
	struct peel_addr first = peel_addr_ipv4(127, 0, 0, 1, 9000), own;

	(void)state;
	for (uint16_t i = 0; i < 6; i++) {
		struct peel_addr addr = peel_addr_ipv4(127, 0, 0, 1, (uint16_t)(9000 + i));
		struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

		conf.bootstrap = &first;
		conf.n_bootstrap = 1;
		conf.walk_target = -1;
		net_add(net, &addr, &conf);
	}
	net_run(net, 20 * 1000);
	for (int i = 0; i < 6; i++) {
		for (int j = 0; j < 6; j++)
			assert_int_equal(
				net_is_candidate(&net->node[i], &net->node[j], RELAY), i != j);
		assert_true(peel_overlay_public(net->node[i].ov, &own));
		assert_true(peel_addr_equal(&own, &net->node[i].addr));
	}
	net_free(net);
}

static void
test_ipv6_network(void **state)
{
	struct net *net = net_new();
	struct peel_addr first;

	(void)state;
	assert_int_equal(peel_addr_parse("[2001:db8::1]:8090", 0, &first), 0);
	for (uint8_t i = 0; i < 4; i++) {
		struct peel_addr addr = first;

		addr.ip[4] = i;
		struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

		conf.bootstrap = &first;
		conf.n_bootstrap = 1;
		net_add(net, &addr, &conf);
	}
	net_run(net, 20 * 1000);
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 4; j++)
			assert_int_equal(
				net_is_candidate(&net->node[i], &net->node[j], RELAY), i != j);
	}
	net_free(net);
}

static void
test_late_bootstrap_name(void **state)
{
	struct net *net = net_new();

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct peel_addr addr = public_addr(i);
		struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

		net_add(net, &addr, &conf);
	}
	net_run(net, 10 * 1000);
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 0);
	peel_overlay_add_bootstrap(net->node[0].ov, &net->node[1].addr);
	net_run(net, 1000);
	assert_true(net_is_candidate(&net->node[0], &net->node[1], RELAY));
	assert_true(net_is_candidate(&net->node[1], &net->node[0], RELAY));
	net_free(net);
}

static void
count_verified(void *arg, const struct peel_peer *peer)
{
	*(size_t *)arg += peer->candidate;
}

static void
test_status_lists_peers(void **state)
{
	struct net *net = net_new();
	size_t n = 0;

	(void)state;
	build(net, 3);
	net_run(net, 10 * 1000);
	peel_overlay_dump(net->node[0].ov, count_verified, &n);
	assert_int_equal(n, 2);
	/* Early ticks only say how long to wait. */
	uint64_t wait = peel_overlay_tick(net->node[0].ov);

	assert_in_range(wait, 1, 500);
	assert_int_equal(peel_overlay_tick(net->node[0].ov), wait);
	peel_overlay_free(NULL);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_nodes_become_candidates_of_each_other),
		cmocka_unit_test(test_flags_change),
		cmocka_unit_test(test_network_comes_together_and_stays),
		cmocka_unit_test(test_dead_node_is_forgotten_in_about_a_minute),
		cmocka_unit_test(test_pause_of_the_process_loses_nobody),
		cmocka_unit_test(test_lossy_network_works),
		cmocka_unit_test(test_loopback_network),
		cmocka_unit_test(test_ipv6_network),
		cmocka_unit_test(test_late_bootstrap_name),
		cmocka_unit_test(test_status_lists_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
