/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The man in the middle (W6): M, asked by us, asks V with the same identifier and hands V's signed
 * answer on to us from its own address. V's key must not be believed there, whether we know V or
 * not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net.h"

#define RELAY (PEEL_FLAG_RELAY | PEEL_FLAG_SPEED_TEST)

struct scene {
	struct net *net;
	struct net_node *m, *v;
	struct peel_addr m_for_v; /* where V sees M */
	bool v_talks;		  /* V takes part itself */
	unsigned int handed_on;
};

static struct scene
scene_new(const struct peel_addr *own, const struct peel_addr *lan)
{
	struct scene s = {.net = net_new(), .v_talks = true};
	struct peel_overlay_conf conf = net_conf(s.net, own, RELAY);
	struct peel_addr v = net_at(1, 1), m = net_at(66, 6);

	conf.lan = *lan;
	conf.walk_target = -1;
	net_add(s.net, own, &conf);
	s.v = net_add(s.net, &v, NULL);
	s.m = net_add(s.net, &m, NULL);
	s.m_for_v = m;
	return s;
}

/* Whatever M is asked, V answers it, to M. */
static void
hand_on(struct scene *s)
{
	struct net_node *m = s->m;

	for (size_t i = 0; i < m->n_inbox; i++) {
		const struct net_datagram *d = &m->inbox[i];
		struct net_datagram copy = *d;

		if (d->data[PEEL_PREFIX_LEN] == PEEL_MSG_DISCOVERY_PING) {
			copy.data[PEEL_PREFIX_LEN] = PEEL_MSG_DISCOVERY_PONG;
			net_post(s->net, &m->addr, &d->from, copy.data, copy.len);
		}
	}
	if (net_received(m, PEEL_MSG_INTRO_REQUEST) != NULL) {
		struct net_node as_v = *m; /* its inbox and address, V's signature */

		as_v.identity = s->v->identity;
		s->handed_on += net_answer(&as_v, &m->addr, RELAY, &s->m_for_v);
	}
	m->n_inbox = 0;
}

static void
play(struct scene *s, unsigned int seconds)
{
	for (unsigned int i = 0; i < seconds; i++) {
		struct net_node replay = *s->m;

		/* M makes us ask, with requests of V and of its own. */
		if (i % 2 == 0)
			replay.identity = s->v->identity;
		net_ask(&replay, &s->net->node[0], RELAY);
		if (s->v_talks && i % 5 == 0)
			net_ask(s->v, &s->net->node[0], RELAY);
		for (int part = 0; part < 10; part++) {
			net_run(s->net, 100);
			hand_on(s);
			if (s->v_talks && net_received(s->v, PEEL_MSG_INTRO_REQUEST) != NULL)
				(void)net_answer(s->v, &s->v->addr, RELAY, NULL);
			s->v->n_inbox = 0;
		}
	}
}

static bool
v_is_at(const struct scene *s, const struct peel_addr *addr)
{
	struct peel_peer peer;

	return peel_overlay_find(s->net->node[0].ov, s->v->identity.pk, &peer) &&
	       peel_addr_equal(&peer.addr, addr);
}

static void
test_server_with_a_public_address(void **state)
{
	struct peel_addr own = net_at(0, 1);

	(void)state;
	for (int known = 0; known < 2; known++) {
		struct scene s = scene_new(&own, &own);

		s.v_talks = known;
		if (known)
			play(&s, 1);
		for (int i = 0; i < 10; i++) {
			play(&s, 10);
			assert_false(v_is_at(&s, &s.m->addr));
			assert_int_equal(v_is_at(&s, &s.v->addr), known);
		}
		assert_true(s.handed_on > 5);
		assert_true(net_counter(s.net, PEEL_INTRO_FOREIGN) > 5);
		net_free(s.net);
	}
}

/* Nothing tells what our address is; M's own it is not. */
static void
test_behind_a_nat_alone_with_m(void **state)
{
	struct peel_addr own = net_at(0, 1), lan = peel_addr_ipv4(192, 168, 1, 2, 8090);
	struct scene s = scene_new(&own, &lan);

	(void)state;
	s.v_talks = false;
	play(&s, 100);
	assert_true(s.handed_on > 5);
	assert_false(v_is_at(&s, &s.m->addr));
	net_free(s.net);
}

/* Behind a NAT with an M that has an address we do not know, and speaks before anybody else: it is
 * believed, for now. */
static struct scene
scene_with_m_believed(void)
{
	struct peel_addr own = net_at(0, 1), lan = peel_addr_ipv4(192, 168, 1, 2, 8090);
	struct scene s = scene_new(&own, &lan);

	s.m_for_v = net_at(67, 7);
	s.v_talks = false;
	play(&s, 5);
	assert_true(v_is_at(&s, &s.m->addr));
	return s;
}

/* Until others say where we are. */
static void
test_behind_a_nat_m_has_two_addresses(void **state)
{
	struct scene s = scene_with_m_believed();

	(void)state;
	for (unsigned int i = 0; i < 2; i++) {
		struct peel_addr home = net_at(10 + i, 1);

		net_confirmed(s.net, &home, RELAY);
	}
	play(&s, 20);
	assert_false(v_is_at(&s, &s.m->addr));
	s.v_talks = true;
	play(&s, 100);
	assert_true(v_is_at(&s, &s.v->addr));
	net_free(s.net);
}

/* The same, and V answers us itself, which is worth more at once. */
static void
test_direct_answer_beats_a_doubtful_one(void **state)
{
	struct scene s = scene_with_m_believed();

	(void)state;
	struct peel_addr home = net_at(10, 1);

	net_confirmed(s.net, &home, RELAY);
	net_ask(s.v, &s.net->node[0], RELAY);
	net_run(s.net, 100);
	assert_true(net_answer(s.v, &s.v->addr, RELAY, NULL));
	net_run(s.net, 100);
	assert_true(v_is_at(&s, &s.v->addr));
	net_free(s.net);
}

/* Lists of communities do not say whom they are for. */
static void
test_similarity_response_makes_nobody_a_peer(void **state)
{
	struct peel_addr own = net_at(0, 1), addr = net_at(66, 6);
	struct net *net = net_with_one_node(RELAY);
	struct net_node *m = net_add(net, &addr, NULL);
	struct peel_intro_request ask = {.dest = own, .src_lan = addr, .identifier = 3};
	struct peel_similarity_request request;
	struct peel_identity v;
	struct peel_peer peer;
	uint8_t out[NET_DATAGRAM];
	struct peel_signed s;

	(void)state;
	assert_int_equal(peel_identity_generate(&net->env, &v), 0);
	net_post(net, &addr, &own, out,
		net_request(net, &m->identity, PEEL_COMMUNITY_DISCOVERY, false, &ask, out));
	net_run(net, 100);
	assert_true(net_answer(m, &addr, 0, NULL));
	net_run(net, 100);
	const struct net_datagram *d = net_received(m, PEEL_MSG_SIMILARITY_REQUEST);

	assert_non_null(d);
	assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
	assert_int_equal(peel_similarity_request_parse(s.body, &request), 0);
	struct peel_similarity_response response = {
		.identifier = request.identifier, .communities = request.communities};
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	peel_signed_begin(&w, d->data, PEEL_MSG_SIMILARITY_RESPONSE, v.pk, true, 1);
	peel_similarity_response_write(&w, &response);
	peel_sign(&w, &v);
	net_post(net, &addr, &own, out, (size_t)peel_writer_len(&w));
	net_run(net, 100);
	assert_int_equal(net_counter(net, PEEL_INTRO_UNSOLICITED), 0);
	assert_false(peel_overlay_find(net->node[0].ov, v.pk, &peer));
	assert_true(peel_overlay_find(net->node[0].ov, m->identity.pk, &peer));
	net_free(net);
}

/* ---- who may be wrongly taken for M ---------------------------------------------------------- */

static bool
answers_saying(struct net *net, unsigned int subnet, const struct peel_addr *seen)
{
	struct peel_addr home = net_at(subnet, 1);
	struct net_node *p = net_add(net, &home, NULL);

	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	assert_true(net_answer(p, &home, RELAY, seen));
	net_run(net, 100);
	return net_is_candidate(&net->node[0], p, RELAY);
}

/* Each peer sees another port, or one of two addresses; and addresses change. */
static void
test_nodes_whose_address_is_not_one(void **state)
{
	struct peel_addr own = net_at(0, 1), lan = peel_addr_ipv4(192, 168, 1, 2, 8090);
	struct peel_addr second = net_at(201, 1), moved = net_at(202, 1), seen = own;
	struct scene s = scene_new(&own, &lan);

	(void)state;
	for (unsigned int i = 0; i < 5; i++) {
		seen.port = (uint16_t)(40000 + i);
		assert_true(answers_saying(s.net, 10 + i, &seen));
	}
	net_free(s.net);

	s = scene_new(&own, &lan);
	assert_true(answers_saying(s.net, 10, &own));
	assert_true(answers_saying(s.net, 11, &own));
	assert_false(answers_saying(s.net, 12, &second)); /* could be M */
	for (unsigned int i = 13; i < 20; i++)
		assert_true(answers_saying(s.net, i, i % 2 != 0 ? &second : &own));
	/* A new address is believed when a third say so. */
	unsigned int refused = 0;

	for (unsigned int i = 20; i < 30; i++)
		refused += !answers_saying(s.net, i, &moved);
	assert_in_range(refused, 1, 5);
	net_free(s.net);
}

/* Who listens everywhere on one machine is seen at loopback there. */
static void
test_listening_everywhere_on_loopback(void **state)
{
	struct peel_addr any = peel_addr_ipv4(0, 0, 0, 0, 8090), own;
	struct peel_addr home = peel_addr_ipv4(127, 0, 0, 1, 9000);
	struct net *net = net_new();

	(void)state;
	own = peel_addr_ipv4(127, 0, 0, 1, 8090);
	struct peel_overlay_conf conf = net_conf(net, &own, RELAY);

	conf.lan = any;
	net_add(net, &own, &conf);
	net_confirmed(net, &home, RELAY);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_with_a_public_address),
		cmocka_unit_test(test_behind_a_nat_alone_with_m),
		cmocka_unit_test(test_behind_a_nat_m_has_two_addresses),
		cmocka_unit_test(test_direct_answer_beats_a_doubtful_one),
		cmocka_unit_test(test_similarity_response_makes_nobody_a_peer),
		cmocka_unit_test(test_nodes_whose_address_is_not_one),
		cmocka_unit_test(test_listening_everywhere_on_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
