/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Floods and full tables: limits per source and over all, who is kept and who is turned away.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net.h"

#define RELAY (PEEL_FLAG_RELAY | PEEL_FLAG_SPEED_TEST)

static void
test_flood_of_one_source_is_limited(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr bad_addr = net_at(66, 6), good_addr = net_at(1, 1);
	struct net_node *bad = net_add(net, &bad_addr, NULL);
	struct net_node *good = net_add(net, &good_addr, NULL);

	(void)state;
	for (int i = 0; i < 1000; i++)
		net_ask(bad, &net->node[0], RELAY);
	net_run(net, 100);
	assert_in_range(net_n_received(bad, PEEL_MSG_INTRO_RESPONSE), 200, 220);
	assert_in_range(net_counter(net, PEEL_CONTROL_RATE), 780, 800);
	net_ask(good, &net->node[0], RELAY);
	net_run(net, 100);
	assert_int_equal(net_n_received(good, PEEL_MSG_INTRO_RESPONSE), 1);
	/* The budget grows again. */
	bad->n_inbox = 0;
	net_run(net, 10 * 1000);
	net_ask(bad, &net->node[0], RELAY);
	net_run(net, 100);
	assert_int_equal(net_n_received(bad, PEEL_MSG_INTRO_RESPONSE), 1);
	net_free(net);
}

static void
test_answers_get_through_a_flood_from_the_same_source(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1);
	struct net_node *p = net_add(net, &home, NULL);

	(void)state;
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	net->delay_ms = 0;
	for (int i = 0; i < 1000; i++) /* somebody uses p's address, with its old messages */
		net_ask(p, &net->node[0], RELAY);
	assert_true(net_answer(p, &home, RELAY, NULL));
	net_run(net, 10);
	assert_true(net_counter(net, PEEL_CONTROL_RATE) > 700);
	assert_true(net_is_candidate(&net->node[0], p, RELAY));
	net_free(net);
}

static void
test_flood_of_many_sources_spares_known_peers(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1), stranger_addr = net_at(2, 2);
	struct net_node *friend = net_confirmed(net, &home, RELAY);
	struct net_node *stranger = net_add(net, &stranger_addr, NULL);
	struct peel_intro_request m = {.dest = net->node[0].addr, .identifier = 1};
	uint8_t out[NET_DATAGRAM];
	size_t len = net_request(net, &stranger->identity, PEEL_COMMUNITY_TUNNEL, false, &m, out);

	(void)state;
	out[len - 1] ^= 1; /* wrong signatures cost the same */
	for (unsigned int i = 0; i < 3000; i++) {
		struct peel_addr from = peel_addr_ipv4(100, (uint8_t)(i >> 8), (uint8_t)i, 1, 8090);

		(void)peel_overlay_input(net->node[0].ov, &from, out, len);
	}
	assert_in_range(net_counter(net, PEEL_BAD_SIGNATURE), 1900, 2100);
	assert_in_range(net_counter(net, PEEL_CONTROL_RATE), 900, 1100);
	friend->n_inbox = 0;
	net->delay_ms = 0;
	net_ask(friend, &net->node[0], RELAY);
	net_run(net, 10);
	net_run(net, 10);
	assert_int_equal(net_n_received(friend, PEEL_MSG_INTRO_RESPONSE), 1);
	net_free(net);
}

static size_t
ask_puncture(struct net *net, const struct peel_addr *from, const struct peel_addr *lan,
	const struct peel_addr *wan, bool new_style)
{
	uint8_t out[NET_DATAGRAM], prefix[PEEL_PREFIX_LEN];
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_puncture_request m = {.lan_walker = *lan, .wan_walker = *wan, .identifier = 5};
	uint64_t before = net_counter(net, PEEL_PUNCTURES_SENT);

	peel_prefix_build(prefix, net->community[PEEL_COMMUNITY_DHT]);
	peel_unsigned_begin(&w, prefix,
		new_style ? PEEL_MSG_PUNCTURE_REQUEST_NEW : PEEL_MSG_PUNCTURE_REQUEST, 3);
	peel_puncture_request_write(&w, new_style, &m);
	assert_int_equal(
		peel_overlay_input(net->node[0].ov, from, out, (size_t)peel_writer_len(&w)), 0);
	net_run(net, 30);
	return (size_t)(net_counter(net, PEEL_PUNCTURES_SENT) - before);
}

static void
test_punctures_go_to_the_walker_and_are_limited(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1), walker = net_at(1, 1), none = {0};
	struct peel_addr lan = peel_addr_ipv4(192, 168, 0, 5, 8090), from = net_at(2, 2);
	struct peel_addr same_nat = addr;
	struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);
	size_t sent = 0;

	(void)state;
	conf.public_address = addr;
	net_add(net, &addr, &conf);
	struct net_node *w = net_add(net, &walker, NULL), *l = net_add(net, &lan, NULL);

	assert_int_equal(ask_puncture(net, &from, &lan, &walker, false), 1);
	assert_int_equal(ask_puncture(net, &from, &lan, &walker, true), 1);
	assert_int_equal(net_n_received(w, PEEL_MSG_PUNCTURE), 1);
	assert_int_equal(net_n_received(w, PEEL_MSG_PUNCTURE_NEW), 1);
	assert_int_equal(net_received(w, PEEL_MSG_PUNCTURE)->len, 185);
	assert_int_equal(net_received(w, PEEL_MSG_PUNCTURE_NEW)->len, 187);
	same_nat.port = 9999; /* behind our own NAT: its local address */
	assert_int_equal(ask_puncture(net, &from, &lan, &same_nat, false), 1);
	assert_int_equal(net_n_received(l, PEEL_MSG_PUNCTURE), 1);
	/* Not into our network at the wish of a stranger, not to ourselves, not nowhere. */
	assert_int_equal(ask_puncture(net, &from, &none, &lan, false), 0);
	assert_int_equal(ask_puncture(net, &from, &none, &addr, false), 0);
	assert_int_equal(ask_puncture(net, &from, &none, &none, false), 0);
	for (unsigned int i = 0; i < 200; i++) { /* many askers, one target */
		struct peel_addr asker = net_at(50 + i, 1);

		sent += ask_puncture(net, &asker, &none, &walker, false);
	}
	assert_in_range(sent, 75, 85); /* 6 s: burst and 10 per second */
	sent = 0;
	for (unsigned int i = 0; i < 200; i++) { /* one asker, many targets */
		struct peel_addr target = net_at(50 + i, 1);

		sent += ask_puncture(net, &from, &none, &target, false);
	}
	assert_in_range(sent, 155, 165); /* 6 s: burst and 20 per second */
	assert_in_range(net_counter(net, PEEL_CONTROL_RATE), 150, 170);
	net_free(net);
}

/* A request of a key never seen before. */
static void
new_key_asks(struct net *net, const struct peel_addr *from)
{
	struct peel_intro_request m = {.dest = net->node[0].addr, .identifier = 1};
	struct peel_identity id;
	uint8_t out[NET_DATAGRAM];
	size_t len;

	assert_int_equal(peel_identity_generate(&net->env, &id), 0);
	len = net_request(net, &id, PEEL_COMMUNITY_TUNNEL, false, &m, out);
	assert_int_equal(peel_overlay_input(net->node[0].ov, from, out, len), 0);
}

static void
test_one_ip_address_does_not_own_the_table(void **state)
{
	struct net *net = net_with_one_node(RELAY);

	(void)state;
	for (uint16_t i = 0; i < 300; i++) {
		struct peel_addr from = net_at(66, 6);

		from.port = (uint16_t)(1000 + i);
		net->now += 50;
		new_key_asks(net, &from);
	}
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 256);
	net_free(net);
}

/* Nor does one customer's IPv6 network, whatever number of addresses it has. */
static void
test_one_ipv6_network_does_not_own_the_table(void **state)
{
	struct net *net = net_with_one_node(RELAY);

	(void)state;
	for (uint16_t i = 0; i < 300; i++) {
		struct peel_addr from = {.family = PEEL_FAMILY_IPV6, .port = 8090};

		peel_put_be32(from.ip, 0x20010db8);
		peel_put_be16(from.ip + 14, i);
		net->now += 50;
		new_key_asks(net, &from);
	}
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 256);
	net_free(net);
}

static void
test_full_table_keeps_who_answered(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1), home = net_at(1, 1);
	struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

	(void)state;
	conf.peers_max = 16;
	net_add(net, &addr, &conf);
	struct net_node *friend = net_confirmed(net, &home, RELAY);

	for (unsigned int i = 0; i < 100; i++) {
		struct peel_addr from = net_at(2 + i, 1);

		new_key_asks(net, &from);
	}
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 9);
	assert_true(net_is_candidate(&net->node[0], friend, RELAY));
	/* An honest one still gets in. */
	struct peel_addr late = net_at(150, 1);

	net_confirmed(net, &late, RELAY);
	assert_true(net_is_candidate(&net->node[0], friend, RELAY));
	net_free(net);
}

static void
test_table_full_of_good_peers_refuses(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1);
	struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

	(void)state;
	conf.peers_max = 4;
	net_add(net, &addr, &conf);
	for (unsigned int i = 1; i <= 4; i++) {
		struct peel_addr home = net_at(i, 1);

		net_confirmed(net, &home, RELAY);
	}
	struct peel_addr late = net_at(9, 1);
	struct net_node *p = net_add(net, &late, NULL);

	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	assert_int_equal(p->n_inbox, 0);
	assert_int_equal(net_counter(net, PEEL_CONTROL_RATE), 1);
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 4);
	net_free(net);
}

static void
test_max_peers(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1);
	struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);
	struct net_node *p[4];

	(void)state;
	conf.max_peers = 2;
	net_add(net, &addr, &conf);
	for (unsigned int i = 0; i < 4; i++) {
		struct peel_addr home = net_at(1 + i, 1);

		p[i] = net_add(net, &home, NULL);
		net_ask(p[i], &net->node[0], RELAY);
		net_run(net, 100);
		/* "more than" the limit: one beyond it is answered. */
		assert_int_equal(net_n_received(p[i], PEEL_MSG_INTRO_RESPONSE), i < 3);
	}
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 3);
	net_ask(p[0], &net->node[0], RELAY); /* a member is still answered */
	net_run(net, 100);
	assert_int_equal(net_n_received(p[0], PEEL_MSG_INTRO_RESPONSE), 2);
	net_free(net);
}

static void
test_many_keys_at_one_address(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1);

	(void)state;
	for (unsigned int i = 0; i < 30; i++) {
		struct net_node *p = net_add(net, &home, NULL);

		net_ask(p, &net->node[0], RELAY);
		net_run(net, 50);
		p->down = true;
	}
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 8);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood_of_one_source_is_limited),
		cmocka_unit_test(test_answers_get_through_a_flood_from_the_same_source),
		cmocka_unit_test(test_flood_of_many_sources_spares_known_peers),
		cmocka_unit_test(test_punctures_go_to_the_walker_and_are_limited),
		cmocka_unit_test(test_one_ip_address_does_not_own_the_table),
		cmocka_unit_test(test_one_ipv6_network_does_not_own_the_table),
		cmocka_unit_test(test_full_table_keeps_who_answered),
		cmocka_unit_test(test_table_full_of_good_peers_refuses),
		cmocka_unit_test(test_max_peers),
		cmocka_unit_test(test_many_keys_at_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
