/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Floods and full tables: limits per source and in total, which nodes are kept and which are turned
 * away.
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
	assert_in_range(net_n_received(bad, PEEL_MSG_INTRO_RESPONSE), 25, 60);
	assert_in_range(net_counter(net, PEEL_CONTROL_RATE), 940, 960);
	net_ask(good, &net->node[0], RELAY);
	net_run(net, 100);
	assert_int_equal(net_n_received(good, PEEL_MSG_INTRO_RESPONSE), 1);
	/* The budget grows again. */
	bad->n_inbox = 0;
	net_run(net, 10 * 1000);
	net_ask(bad, &net->node[0], RELAY);
	net_run(net, 100);
	assert_int_equal(bad->n_inbox, 1);
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
test_punctures_go_to_the_walker(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1), walker = net_at(1, 1), none = {0}, far = net_at(9, 9);
	struct peel_addr own_lan = peel_addr_ipv4(192, 168, 0, 2, 8090), from = net_at(2, 2);
	struct peel_addr lan = peel_addr_ipv4(192, 168, 0, 5, 8090), same_nat = addr;
	struct peel_addr other_lan = peel_addr_ipv4(10, 0, 0, 1, 8090), loopback = lan;
	struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

	(void)state;
	conf.public_address = addr;
	conf.lan = own_lan;
	net_add(net, &addr, &conf);
	struct net_node *w = net_add(net, &walker, NULL), *l = net_add(net, &lan, NULL);

	same_nat.port = 9999; /* behind our own NAT ... */
	assert_int_equal(ask_puncture(net, &far, &lan, &same_nat, false), 0); /* says a stranger */
	net_confirmed(net, &from, RELAY);
	assert_int_equal(ask_puncture(net, &from, &lan, &walker, false), 1);
	assert_int_equal(ask_puncture(net, &from, &lan, &walker, true), 1);
	assert_int_equal(net_n_received(w, PEEL_MSG_PUNCTURE), 1);
	assert_int_equal(net_n_received(w, PEEL_MSG_PUNCTURE_NEW), 1);
	assert_int_equal(net_received(w, PEEL_MSG_PUNCTURE)->len, 185);
	assert_int_equal(net_received(w, PEEL_MSG_PUNCTURE_NEW)->len, 187);
	assert_int_equal(ask_puncture(net, &from, &lan, &same_nat, false), 1);
	assert_int_equal(net_n_received(l, PEEL_MSG_PUNCTURE), 1);
	/* Not into other networks, not to our own machine, not at the wish of a peer without our
	 * address, not to ourselves, not nowhere. */
	struct peel_addr said_local = peel_addr_ipv4(192, 168, 0, 77, 8090);

	loopback = peel_addr_ipv4(127, 0, 0, 1, 53);
	assert_int_equal(ask_puncture(net, &said_local, &none, &loopback, false), 0);
	assert_int_equal(ask_puncture(net, &from, &other_lan, &same_nat, false), 0);
	assert_int_equal(ask_puncture(net, &from, &loopback, &same_nat, false), 0);
	assert_int_equal(ask_puncture(net, &from, &none, &lan, false), 0);
	assert_int_equal(ask_puncture(net, &from, &none, &addr, false), 0);
	assert_int_equal(ask_puncture(net, &from, &none, &none, false), 0);
	net_free(net);
}

static void
test_punctures_are_limited(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr none = {0}, walker = net_at(1, 1), stranger = net_at(66, 6);
	struct peel_addr friend = net_at(2, 2), lan = peel_addr_ipv4(192, 168, 0, 5, 8090);
	struct peel_addr said_local = peel_addr_ipv4(192, 168, 0, 77, 8090);
	size_t sent = 0;

	(void)state;
	/* On a public address nobody is in our local network, whatever source a datagram claims. */
	assert_int_equal(ask_puncture(net, &said_local, &none, &lan, false), 0);
	for (unsigned int i = 0; i < 200; i++) { /* many askers, one target: two, and one in 10 s */
		struct peel_addr asker = net_at(50 + i, 1);

		sent += ask_puncture(net, &asker, &none, &walker, false);
	}
	assert_int_equal(sent, 2);
	sent = 0;
	for (unsigned int i = 0; i < 200; i++) { /* one stranger, many targets: one in 10 s */
		struct peel_addr target = net_at(50 + i, 1);

		sent += ask_puncture(net, &stranger, &none, &target, false);
	}
	assert_int_equal(sent, 1);
	net_run(net, 10 * 1000);
	assert_int_equal(ask_puncture(net, &stranger, &none, &walker, false), 1);
	sent = 0;
	net_confirmed(net, &friend, RELAY);
	for (unsigned int i = 0; i < 200; i++) { /* a peer: 20 at once, and two in a second */
		struct peel_addr target = net_at(50 + i, 2);

		sent += ask_puncture(net, &friend, &none, &target, false);
	}
	assert_in_range(sent, 28, 34); /* 6 s */
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

/* A node with a key of its own that does everything right. @return whether it became a peer. */
static bool
new_node_comes(struct net *net, const struct peel_addr *home)
{
	struct net_node *p = net_add(net, home, NULL);
	bool is_peer;

	net_ask(p, &net->node[0], RELAY);
	net_run(net, 50);
	(void)net_answer(p, home, RELAY, NULL);
	net_run(net, 50);
	is_peer = net_is_candidate(&net->node[0], p, RELAY);
	p->down = true;
	return is_peer;
}

static void
test_one_ip_address_does_not_own_the_table(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr from = net_at(66, 6), other = net_at(66, 7);
	unsigned int n = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		from.port++;
		net_run(net, 2000);
		n += new_node_comes(net, &from);
	}
	assert_int_equal(n, 8);
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 8);
	assert_true(new_node_comes(net, &other));
	net_free(net);
}

/* Nor does one customer's IPv6 network, whatever number of addresses it has. */
static void
test_one_ipv6_network_does_not_own_the_table(void **state)
{
	struct net *net = net_new();
	struct peel_addr own, from;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(peel_addr_parse("[2001:db8:1::1]:8090", 0, &own), 0);
	struct peel_overlay_conf conf = net_conf(net, &own, RELAY);

	net_add(net, &own, &conf);
	assert_int_equal(peel_addr_parse("[2001:db8:2::1]:8090", 0, &from), 0);
	for (uint8_t i = 0; i < 20; i++) {
		from.ip[7] = i; /* /64s of one /56 */
		net_run(net, 2000);
		n += new_node_comes(net, &from);
	}
	assert_int_equal(n, 8);
	from.ip[6] = 1;
	assert_true(new_node_comes(net, &from));
	net_free(net);
}

/* Strangers take nothing that a peer has, whatever their number. */
static void
test_strangers_have_no_place_in_the_table(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1), home = net_at(1, 1);
	struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

	(void)state;
	conf.peers_max = 2;
	conf.max_peers = 1;
	net_add(net, &addr, &conf);
	struct net_node *friend = net_confirmed(net, &home, RELAY);

	for (unsigned int i = 0; i < 100; i++) {
		struct peel_addr from = net_at(2 + i, 1);

		new_key_asks(net, &from);
	}
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 1);
	assert_true(net_is_candidate(&net->node[0], friend, RELAY));
	/* An honest one still gets in. */
	struct peel_addr late = net_at(150, 1);

	net_confirmed(net, &late, RELAY);
	assert_true(net_is_candidate(&net->node[0], friend, RELAY));
	net_free(net);
}

/* Ten times what was enough to shut others out: signed requests from 400 invented addresses a
 * second, for a minute. */
static void
test_flood_of_invented_addresses_spares_newcomers(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct net_node *newcomer[15];
	struct peel_intro_request m = {.dest = net->node[0].addr, .identifier = 1};
	struct peel_identity id;
	uint8_t out[NET_DATAGRAM];
	unsigned int n_answered = 0, n_peers = 0;

	(void)state;
	assert_int_equal(peel_identity_generate(&net->env, &id), 0);
	/* The signature does not cover the source, so one is as good as thousands. */
	size_t len = net_request(net, &id, PEEL_COMMUNITY_TUNNEL, false, &m, out);

	for (unsigned int k = 0; k < PEEL_ARRAY_LEN(newcomer); k++) {
		struct peel_addr home = net_at(100 + k, 1);

		newcomer[k] = net_add(net, &home, NULL);
		for (unsigned int tenth = 0; tenth < 40; tenth++) {
			for (unsigned int i = 0; i < 40; i++) {
				struct peel_addr from =
					peel_addr_ipv4(11, 0, 0, 0, (uint16_t)(1000 + i));

				peel_random(&net->env, from.ip + 1, 3);
				(void)peel_overlay_input(net->node[0].ov, &from, out, len);
			}
			net_run(net, 100);
			if (tenth == 10)
				net_ask(newcomer[k], &net->node[0], RELAY);
			/* Its answer takes two seconds. */
			if (tenth == 30)
				(void)net_answer(newcomer[k], &home, RELAY, NULL);
			for (unsigned int j = 0; j < k; j++) { /* the others go on */
				struct net_node *p = newcomer[j];
				const struct net_datagram *d =
					net_received(p, PEEL_MSG_DISCOVERY_PING);

				if (d != NULL) {
					struct net_datagram pong = *d;

					pong.data[PEEL_PREFIX_LEN] = PEEL_MSG_DISCOVERY_PONG;
					net_post(net, &p->addr, &net->node[0].addr, pong.data,
						pong.len);
				}
				p->n_inbox = 0;
			}
		}
		n_answered += net_n_received(newcomer[k], PEEL_MSG_INTRO_RESPONSE) > 0;
	}
	for (unsigned int k = 0; k < PEEL_ARRAY_LEN(newcomer); k++)
		n_peers += net_is_candidate(&net->node[0], newcomer[k], RELAY);
	assert_int_equal(n_answered, PEEL_ARRAY_LEN(newcomer));
	assert_int_equal(n_peers, PEEL_ARRAY_LEN(newcomer));
	/* Nor do questions to strangers keep us from asking whom we want to. */
	struct peel_addr told = net_at(200, 1);
	struct net_node *p = net_add(net, &told, NULL);

	peel_overlay_add_bootstrap(net->node[0].ov, &told);
	net_run(net, 1000);
	assert_true(net_n_received(p, PEEL_MSG_INTRO_REQUEST) > 0);
	net_free(net);
}

/* ---- bytes for a source that may be invented ------------------------------------------------- */

static size_t
bytes_received(struct net_node *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_inbox; i++)
		n += p->inbox[i].len;
	p->n_inbox = 0;
	return n;
}

/* As little as a request may have, for as much as can be had for it. */
static size_t
post_smallest(struct net *net, struct net_node *p, enum peel_community c, int style)
{
	struct peel_addr to = net->node[0].addr;
	struct peel_intro_request m = {
		.dest = to, .identifier = 7, .bits = style == 1 ? PEEL_BITS_REQUEST_NEW_STYLE : 0};
	uint8_t out[NET_DATAGRAM];
	bool new_style = style == 2 || to.family == PEEL_FAMILY_IPV6;
	size_t len = net_request(net, &p->identity, c, new_style, &m, out);

	net_post(net, &p->addr, &to, out, len);
	net_run(net, 100);
	return len;
}

static void
check_amplification(const char *own, const char *neighbour, const char *victim, int style)
{
	struct net *net = net_new();
	struct peel_addr own_addr, friend_addr, addr;

	assert_int_equal(peel_addr_parse(own, 8090, &own_addr), 0);
	assert_int_equal(peel_addr_parse(neighbour, 8090, &friend_addr), 0);
	assert_int_equal(peel_addr_parse(victim, 8090, &addr), 0);
	struct peel_overlay_conf conf = net_conf(net, &own_addr, RELAY);

	net_add(net, &own_addr, &conf);
	struct net_node *friend = net_confirmed(net, &friend_addr, RELAY);
	struct net_node *p = net_add(net, &addr, NULL);

	for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
		friend->n_inbox = 0;
		p->addr.ip[2]++; /* another source: first contact */
		size_t in = post_smallest(net, p, c, style), out = bytes_received(p);

		assert_true(out > in); /* an answer and a question */
		assert_true(out * 10 <= in * 21);
		net_run(net, 60 * 1000);
		assert_int_equal(p->n_inbox, 0);
		for (int i = 0; i < 50; i++) {
			in = post_smallest(
				net, p, (c + (unsigned int)i) % PEEL_N_COMMUNITIES, style);
			out = bytes_received(p);
			assert_true(out > 0 || i > 10);
			assert_true(out * 10 <= in * 11);
		}
		net_run(net, 60 * 1000);
		assert_int_equal(p->n_inbox, 0);
		/* Two introductions in these 125 s of which one was at the start: nothing else for
		 * third nodes. */
		assert_in_range(net_n_received(friend, PEEL_MSG_PUNCTURE_REQUEST) +
					net_n_received(friend, PEEL_MSG_PUNCTURE_REQUEST_NEW),
			0, 2);
		/* The friend forgets to pong and is gone: so are introductions. */
	}
	net_free(net);
}

static void
test_strangers_get_few_bytes(void **state)
{
	(void)state;
	for (int style = 0; style < 3; style++)
		check_amplification("203.0.0.1", "203.0.1.1", "198.51.100.1", style);
	check_amplification("[2001:db8::1]", "[2001:db8:100::1]", "[2001:db8:5::1]", 2);
}

/* A question that its receiver answers with wrong signatures pays for a few checks only. */
static void
test_wrong_answers_do_not_use_up_the_checks(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1);
	struct net_node *p = net_add(net, &home, NULL);

	(void)state;
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	for (int i = 0; i < 10; i++) {
		assert_true(net_answer(p, &home, RELAY, NULL));
		net->queue[net->first].data[120] ^= 1;
		net_run(net, 50);
	}
	assert_int_equal(net_counter(net, PEEL_BAD_SIGNATURE), 3);
	assert_int_equal(net_counter(net, PEEL_INTRO_UNSOLICITED), 7);
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
		(void)net_answer(p[i], &home, RELAY, NULL);
		net_run(net, 100);
	}
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 3);
	net_ask(p[0], &net->node[0], RELAY); /* a member is still answered */
	net_run(net, 100);
	assert_int_equal(net_n_received(p[0], PEEL_MSG_INTRO_RESPONSE), 2);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flood_of_one_source_is_limited),
		cmocka_unit_test(test_answers_get_through_a_flood_from_the_same_source),
		cmocka_unit_test(test_flood_of_many_sources_spares_known_peers),
		cmocka_unit_test(test_punctures_go_to_the_walker),
		cmocka_unit_test(test_punctures_are_limited),
		cmocka_unit_test(test_one_ip_address_does_not_own_the_table),
		cmocka_unit_test(test_one_ipv6_network_does_not_own_the_table),
		cmocka_unit_test(test_strangers_have_no_place_in_the_table),
		cmocka_unit_test(test_flood_of_invented_addresses_spares_newcomers),
		cmocka_unit_test(test_strangers_get_few_bytes),
		cmocka_unit_test(test_wrong_answers_do_not_use_up_the_checks),
		cmocka_unit_test(test_table_full_of_good_peers_refuses),
		cmocka_unit_test(test_max_peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
