/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What strangers and liars cannot do: counter-measures W6 to W8.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net.h"

#define RELAY (PEEL_FLAG_RELAY | PEEL_FLAG_SPEED_TEST)
#define EXIT (RELAY | PEEL_FLAG_EXIT_BT)

/* Keep a puppet alive for some time by answering pings. */
static void
run_answering_pings(struct net *net, struct net_node *puppet, uint64_t ms)
{
	for (uint64_t t = 0; t < ms; t += 1000) {
		const struct net_datagram *d;

		net_run(net, 1000);
		d = net_received(puppet, PEEL_MSG_DISCOVERY_PING);
		if (d == NULL)
			continue;
		struct net_datagram pong = *d;

		pong.data[PEEL_PREFIX_LEN] = PEEL_MSG_DISCOVERY_PONG;
		net_post(net, &puppet->addr, &net->node[0].addr, pong.data, pong.len);
	}
}

/* ---- W8 -------------------------------------------------------------------------------------- */

static void
test_stranger_is_candidate_only_after_its_answer(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr addr = net_at(1, 1);
	struct net_node *p = net_add(net, &addr, NULL);
	struct peel_peer peer;

	(void)state;
	net_ask(p, &net->node[0], EXIT);
	net_run(net, 100);
	assert_int_equal(net_n_received(p, PEEL_MSG_INTRO_RESPONSE), 1);
	assert_int_equal(net_n_received(p, PEEL_MSG_INTRO_REQUEST), 1);
	assert_false(net_is_candidate(&net->node[0], p, 0));
	assert_false(peel_overlay_find(net->node[0].ov, p->identity.pk, &peer));
	assert_false(peel_overlay_proved(net->node[0].ov, &addr));
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 0);
	/* What the answer says counts, not what the request said. */
	assert_true(net_answer(p, &addr, RELAY, NULL));
	net_run(net, 100);
	assert_true(peel_overlay_proved(net->node[0].ov, &addr));
	addr.port++;
	assert_false(peel_overlay_proved(net->node[0].ov, &addr));
	assert_true(net_is_candidate(&net->node[0], p, RELAY));
	assert_false(net_is_candidate(&net->node[0], p, EXIT));
	assert_true(peel_overlay_find(net->node[0].ov, p->identity.pk, &peer));
	assert_true(peer.candidate);
	assert_int_equal(peer.flags, RELAY);
	assert_memory_equal(peer.mid, p->identity.mid, PEEL_MID_LEN);
	net_free(net);
}

static void
test_silent_stranger_gets_one_question_and_no_place(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr addr = net_at(1, 1);
	struct net_node *p = net_add(net, &addr, NULL);

	(void)state;
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 80 * 1000);
	assert_int_equal(p->n_inbox, 2);
	assert_int_equal(net_n_received(p, PEEL_MSG_INTRO_RESPONSE), 1);
	assert_int_equal(net_n_received(p, PEEL_MSG_INTRO_REQUEST), 1);
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 0);
	net_free(net);
}

static void
test_changed_flags_are_asked_for(void **state)
{
	struct net *net = net_new();
	struct peel_addr own = net_at(0, 1), addr = net_at(1, 1);
	struct peel_overlay_conf conf = net_conf(net, &own, RELAY);

	(void)state;
	conf.walk_target = 1; /* has enough: asks now and then only */
	net_add(net, &own, &conf);
	struct net_node *p = net_confirmed(net, &addr, RELAY);

	net_run(net, 5000);
	p->n_inbox = 0;
	net_ask(p, &net->node[0], EXIT);
	net_run(net, 100);
	assert_false(net_is_candidate(&net->node[0], p, EXIT)); /* may be a replay */
	assert_int_equal(net_n_received(p, PEEL_MSG_INTRO_REQUEST), 1);
	assert_true(net_answer(p, &addr, EXIT, NULL));
	net_run(net, 100);
	assert_true(net_is_candidate(&net->node[0], p, EXIT));
	net_free(net);
}

/* ---- answers nobody asked for ---------------------------------------------------------------- */

static void
test_unsolicited_answers_change_nothing(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr addr = net_at(1, 1), other = net_at(2, 1), lie = net_at(9, 9), own;
	struct net_node *p = net_add(net, &addr, NULL);
	struct peel_intro_response m = {.dest = lie, .wan_intro = net_at(3, 1), .identifier = 77};
	uint8_t out[NET_DATAGRAM];
	size_t len;

	(void)state;
	for (int style = 0; style < 2; style++) {
		len = net_response(net, &p->identity, PEEL_COMMUNITY_TUNNEL, style, &m, out);
		net_post(net, &addr, &net->node[0].addr, out, len);
	}
	net_run(net, 2000);
	assert_int_equal(net_counter(net, PEEL_INTRO_UNSOLICITED), 2);
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 0);
	assert_false(peel_overlay_public(net->node[0].ov, &own));
	assert_int_equal(net->node[0].n_sent, 0);
	/* A guessed identifier, while an answer is expected; the right one from the wrong place. */
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	len = net_response(net, &p->identity, PEEL_COMMUNITY_TUNNEL, false, &m, out);
	net_post(net, &addr, &net->node[0].addr, out, len);
	net_run(net, 100);
	assert_int_equal(net_counter(net, PEEL_INTRO_UNSOLICITED), 3);
	assert_false(net_is_candidate(&net->node[0], p, 0));
	assert_true(net_answer(p, &other, RELAY, &lie));
	net_run(net, 100);
	assert_int_equal(net_counter(net, PEEL_INTRO_UNSOLICITED), 4);
	assert_false(net_is_candidate(&net->node[0], p, 0));
	assert_false(peel_overlay_public(net->node[0].ov, &own));
	/* Twice the same: the second one is an answer to nothing. */
	assert_true(net_answer(p, &addr, RELAY, NULL));
	net_run(net, 100);
	assert_true(net_is_candidate(&net->node[0], p, 0));
	assert_true(net_answer(p, &addr, RELAY, &lie));
	net_run(net, 100);
	assert_int_equal(net_counter(net, PEEL_INTRO_UNSOLICITED), 5);
	net_free(net);
}

static void
test_forged_answer_does_not_use_up_the_request(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr addr = net_at(1, 1);
	struct net_node *p = net_add(net, &addr, NULL);

	(void)state;
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	assert_true(net_answer(p, &addr, RELAY, NULL));
	net->queue[net->first].data[120] ^= 1;
	net_run(net, 100);
	assert_int_equal(net_counter(net, PEEL_BAD_SIGNATURE), 1);
	assert_false(net_is_candidate(&net->node[0], p, 0));
	assert_true(net_answer(p, &addr, RELAY, NULL));
	net_run(net, 100);
	assert_true(net_is_candidate(&net->node[0], p, 0));
	net_free(net);
}

/* ---- W6 -------------------------------------------------------------------------------------- */

static void
check_address(struct net *net, const struct net_node *p, const struct peel_addr *addr)
{
	struct peel_peer peer;

	assert_true(peel_overlay_find(net->node[0].ov, p->identity.pk, &peer));
	assert_true(peel_addr_equal(&peer.addr, addr));
}

static void
test_replayed_request_does_not_move_a_peer(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1), thief = net_at(66, 6);
	struct net_node *p = net_confirmed(net, &home, RELAY);
	struct net_node *m = net_puppet_with_key(net, &thief, &p->identity);

	(void)state;
	net_ask(m, &net->node[0], RELAY); /* what p signed once, from elsewhere */
	net_run(net, 1000);
	check_address(net, p, &home);
	assert_int_equal(net_n_received(m, PEEL_MSG_INTRO_RESPONSE), 1);
	/* p answers at home: nobody asks it elsewhere, so the thief has nothing to pass on to
	 * it. */
	assert_int_equal(net_n_received(m, PEEL_MSG_INTRO_REQUEST), 0);
	/* Nor does it when p has sent nothing but pongs. */
	run_answering_pings(net, p, 60 * 1000);
	check_address(net, p, &home);
	net_free(net);
}

/* The node is led to the thief, who passes the question on to p and p's answer back. */
static void
test_forwarded_answer_does_not_move_a_peer(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1), thief = net_at(66, 6);
	struct net_node *p = net_confirmed(net, &home, RELAY);
	struct net_node *m = net_puppet_with_key(net, &thief, &p->identity);

	(void)state;
	peel_overlay_add_bootstrap(net->node[0].ov, &thief); /* one way to be led */
	for (int i = 0; i < 60 && net_received(m, PEEL_MSG_INTRO_REQUEST) == NULL; i++)
		run_answering_pings(net, p, 1000);
	assert_true(net_answer(m, &thief, RELAY, NULL));
	net_run(net, 100);
	assert_int_equal(net_counter(net, PEEL_INTRO_UNSOLICITED), 0);
	check_address(net, p, &home);
	net_free(net);
}

static void
test_silent_peer_may_move_after_an_answer(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1), moved = net_at(5, 5);
	struct net_node *p = net_confirmed(net, &home, RELAY);
	struct net_node *q = net_puppet_with_key(net, &moved, &p->identity);

	(void)state;
	net_run(net, 45 * 1000);
	net_ask(q, &net->node[0], RELAY);
	net_run(net, 100);
	check_address(net, p, &home); /* a request alone moves nothing */
	assert_int_equal(net_n_received(q, PEEL_MSG_INTRO_REQUEST), 1);
	assert_true(net_answer(q, &moved, RELAY, NULL));
	net_run(net, 100);
	check_address(net, p, &moved);
	assert_true(net_is_candidate(&net->node[0], p, RELAY));
	net_free(net);
}

static void
test_squatter_loses_to_the_owner(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1), squat = net_at(66, 6);
	struct net_node *p = net_add(net, &home, NULL);
	struct net_node *m = net_puppet_with_key(net, &squat, &p->identity);

	(void)state;
	net_ask(m, &net->node[0], RELAY); /* a replay, before the owner ever came */
	net_run(net, 200);
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 200);
	assert_true(net_answer(p, &home, RELAY, NULL));
	net_run(net, 200);
	check_address(net, p, &home);
	net_free(net);
}

static void
test_new_key_at_an_address_replaces_the_old_one(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr home = net_at(1, 1);
	struct net_node *before = net_confirmed(net, &home, RELAY);

	(void)state;
	before->down = true;
	struct net_node *after = net_confirmed(net, &home, RELAY);

	assert_false(net_is_candidate(&net->node[0], before, 0));
	assert_true(net_is_candidate(&net->node[0], after, 0));
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 1);
	net_free(net);
}

static void
test_own_messages_are_not_answered(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr addr = net_at(1, 1);
	struct net_node *mirror = net_puppet_with_key(net, &addr, &net->node[0].identity);

	(void)state;
	net_ask(mirror, &net->node[0], RELAY);
	net_run(net, 1000);
	assert_int_equal(mirror->n_inbox, 0);
	assert_int_equal(net_counter(net, PEEL_CONTROL_MALFORMED), 1);
	net_free(net);
}

/* ---- W7 -------------------------------------------------------------------------------------- */

static void
vote(struct net *net, unsigned int subnet, const struct peel_addr *seen)
{
	struct peel_addr addr = net_at(subnet, 1);
	struct net_node *p = net_add(net, &addr, NULL);

	/* Who comes again is answered and asked in turns. */
	do {
		net_ask(p, &net->node[0], RELAY);
		net_run(net, 100);
	} while (!net_answer(p, &addr, RELAY, seen));
	net_run(net, 100);
}

static void
check_public(const struct net *net, const struct peel_addr *expected)
{
	struct peel_addr own;

	assert_true(peel_overlay_public(net->node[0].ov, &own));
	assert_true(peel_addr_equal(&own, expected));
}

static void
test_public_address_needs_agreement(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr lie = net_at(99, 1), truth = net_at(0, 1), moved = net_at(0, 2);
	struct peel_addr private = peel_addr_ipv4(192, 168, 1, 1, 8090);

	(void)state;
	vote(net, 1, &lie); /* the only voice there is */
	check_public(net, &lie);
	vote(net, 2, &truth); /* one against one: no change */
	check_public(net, &lie);
	vote(net, 1, &moved); /* all changed their minds, but not to the same */
	check_public(net, &lie);
	vote(net, 1, &lie);
	vote(net, 3, &truth);
	check_public(net, &truth);
	vote(net, 4, &lie); /* two against two: no change */
	check_public(net, &truth);
	vote(net, 5, &private); /* nobody on the Internet sees us there */
	vote(net, 6, &private);
	vote(net, 7, &private);
	check_public(net, &truth);
	for (unsigned int i = 10; i < 13; i++)
		vote(net, i, &moved);
	check_public(net, &moved);
	assert_true(peel_addr_equal(&net->node[0].public_address, &moved));
	net_free(net);
}

static void
test_many_voices_of_one_subnet_are_one(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr lie = net_at(99, 1), truth = net_at(0, 1);

	(void)state;
	vote(net, 2, &truth);
	vote(net, 3, &truth);
	for (unsigned int host = 1; host < 10; host++) {
		struct peel_addr addr = net_at(66, host);
		struct net_node *p = net_add(net, &addr, NULL);

		net_ask(p, &net->node[0], RELAY);
		net_run(net, 100);
		assert_true(net_answer(p, &addr, RELAY, &lie));
		net_run(net, 100);
	}
	check_public(net, &truth);
	net_free(net);
}

static void
test_local_address_counts_until_a_global_one_is_known(void **state)
{
	struct net *net = net_with_one_node(RELAY);
	struct peel_addr lan = peel_addr_ipv4(10, 0, 0, 7, 8090), truth = net_at(0, 1);
	struct peel_addr neighbour = peel_addr_ipv4(10, 0, 0, 8, 8090);
	struct net_node *p = net_add(net, &neighbour, NULL);

	(void)state;
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	assert_true(net_answer(p, &neighbour, RELAY, &lan));
	net_run(net, 100);
	check_public(net, &lan);
	vote(net, 2, &truth);
	check_public(net, &truth);
	net_free(net);
}

static void
test_configured_public_address_stays(void **state)
{
	struct net *net = net_new();
	struct peel_addr addr = net_at(0, 1), configured = net_at(0, 9), lie = net_at(99, 1);
	struct peel_overlay_conf conf = net_conf(net, &addr, RELAY);

	(void)state;
	conf.public_address = configured;
	net_add(net, &addr, &conf);
	vote(net, 1, &lie);
	vote(net, 2, &lie);
	check_public(net, &configured);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stranger_is_candidate_only_after_its_answer),
		cmocka_unit_test(test_silent_stranger_gets_one_question_and_no_place),
		cmocka_unit_test(test_changed_flags_are_asked_for),
		cmocka_unit_test(test_unsolicited_answers_change_nothing),
		cmocka_unit_test(test_forged_answer_does_not_use_up_the_request),
		cmocka_unit_test(test_replayed_request_does_not_move_a_peer),
		cmocka_unit_test(test_forwarded_answer_does_not_move_a_peer),
		cmocka_unit_test(test_silent_peer_may_move_after_an_answer),
		cmocka_unit_test(test_squatter_loses_to_the_owner),
		cmocka_unit_test(test_new_key_at_an_address_replaces_the_old_one),
		cmocka_unit_test(test_own_messages_are_not_answered),
		cmocka_unit_test(test_public_address_needs_agreement),
		cmocka_unit_test(test_many_voices_of_one_subnet_are_one),
		cmocka_unit_test(test_local_address_counts_until_a_global_one_is_known),
		cmocka_unit_test(test_configured_public_address_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
