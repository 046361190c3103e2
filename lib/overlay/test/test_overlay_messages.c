/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Which answer each node gets: styles, introductions, walkable addresses, liveness messages.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net.h"

#define RELAY (PEEL_FLAG_RELAY | PEEL_FLAG_SPEED_TEST)

static struct peel_addr
at(unsigned int subnet)
{
	return peel_addr_ipv4(203, 0, (uint8_t)subnet, 1, 8090);
}

static struct net *
one_node(const struct peel_addr *addr, int walk_target)
{
	struct net *net = net_new();
	struct peel_overlay_conf conf = net_conf(net, addr, RELAY);

	conf.walk_target = walk_target;
	net_add(net, addr, &conf);
	return net;
}

static struct net_node *
confirmed(struct net *net, const struct peel_addr *addr)
{
	struct net_node *p = net_add(net, addr, NULL);

	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	assert_true(net_answer(p, addr, RELAY, NULL));
	net_run(net, 100);
	p->n_inbox = 0;
	return p;
}

static void
post_request(struct net *net, const struct net_node *p, enum peel_community c, bool new_style,
	uint8_t bits, const struct peel_addr *src_lan)
{
	struct peel_intro_request m = {
		.dest = net->node[0].addr,
		.src_lan = *src_lan,
		.identifier = 0x4321,
		.bits = bits,
	};
	uint8_t out[NET_DATAGRAM];

	net_post(net, &p->addr, &net->node[0].addr, out,
		net_request(net, &p->identity, c, new_style, &m, out));
	net_run(net, 100);
}

static struct peel_intro_response
response_in(const struct net_datagram *d)
{
	struct peel_intro_response m;
	struct peel_signed s;

	assert_non_null(d);
	assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
	assert_true(peel_signed_verify(&s));
	assert_int_equal(peel_intro_response_parse(s.body,
				 d->data[PEEL_PREFIX_LEN] == PEEL_MSG_INTRO_RESPONSE_NEW, &m),
		0);
	return m;
}

static void
test_style_of_answers(void **state)
{
	static const struct {
		bool new_style;
		uint8_t bits;
		uint8_t answer;
	} cases[] = {
		{false, 0x01, PEEL_MSG_INTRO_RESPONSE},
		{false, 0x00, PEEL_MSG_INTRO_RESPONSE},
		{false, 0xc1, PEEL_MSG_INTRO_RESPONSE},
		{false, 0x21, PEEL_MSG_INTRO_RESPONSE_NEW},
		{true, 0x00, PEEL_MSG_INTRO_RESPONSE_NEW},
		{true, 0xff, PEEL_MSG_INTRO_RESPONSE_NEW},
	};
	static const size_t length[2] = {206, 211};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		struct peel_addr own = at(0), addr = at(1), none = {0};
		struct net *net = one_node(&own, 0);
		struct net_node *p = net_add(net, &addr, NULL);

		for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++) {
			p->addr.ip[3]++; /* its first contact */
			addr = p->addr;
			p->n_inbox = 0;
			post_request(net, p, c, cases[i].new_style, cases[i].bits, &none);
			const struct net_datagram *d = net_received(p, cases[i].answer);
			struct peel_intro_response m = response_in(d);
			bool tunnel = c == PEEL_COMMUNITY_TUNNEL;
			bool new_style = cases[i].answer == PEEL_MSG_INTRO_RESPONSE_NEW;

			assert_int_equal(m.identifier, 0x4321);
			assert_int_equal(m.bits, new_style ? 0 : 0x10);
			assert_true(peel_addr_equal(&m.dest, &addr));
			assert_true(peel_addr_equal(&m.src_lan, &own));
			assert_true(peel_addr_is_none(&m.lan_intro));
			assert_true(peel_addr_is_none(&m.wan_intro));
			assert_int_equal(m.extra.len, tunnel ? 2 : 0);
			assert_int_equal(d->len, length[new_style] - (tunnel ? 0 : 2));
			if (tunnel)
				assert_int_equal(peel_get_be16(m.extra.p), RELAY);
		}
		net_free(net);
	}
}

static void
test_style_is_remembered_from_an_answer(void **state)
{
	struct peel_addr own = at(0), addr = at(1), none = {0};
	struct net *net = one_node(&own, 0);
	struct net_node *p = net_add(net, &addr, NULL);
	const struct net_datagram *d;
	struct peel_intro_request request;
	struct peel_intro_response m = {.dest = own, .bits = PEEL_BITS_RESPONSE_NEW_STYLE};
	struct peel_signed s;
	uint8_t out[NET_DATAGRAM];

	(void)state;
	net_ask(p, &net->node[0], RELAY);
	net_run(net, 100);
	d = net_received(p, PEEL_MSG_INTRO_REQUEST);
	assert_non_null(d);
	assert_int_equal(d->len, 194);
	assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
	assert_int_equal(peel_intro_request_parse(s.body, false, &request), 0);
	assert_int_equal(request.bits, PEEL_BITS_ADVICE);
	m.identifier = request.identifier;
	net_post(net, &addr, &own, out,
		net_response(net, &p->identity, PEEL_COMMUNITY_TUNNEL, false, &m, out));
	net_run(net, 100);
	post_request(net, p, PEEL_COMMUNITY_TUNNEL, false, 0x01, &none);
	assert_int_equal(net_n_received(p, PEEL_MSG_INTRO_RESPONSE_NEW), 1);
	net_free(net);
}

static void
test_introduces_who_answered(void **state)
{
	struct peel_addr own = at(0), a_addr = at(1), b_addr = at(2), c_addr = at(3);
	struct peel_addr lan = peel_addr_ipv4(192, 168, 5, 5, 8090), none = {0};
	struct net *net = one_node(&own, 0);
	struct net_node *b = net_add(net, &b_addr, NULL);

	(void)state;
	net_ask(b, &net->node[0], RELAY); /* never answers */
	net_run(net, 100);
	struct net_node *a = confirmed(net, &a_addr);
	struct net_node *c = confirmed(net, &c_addr);

	a->n_inbox = 0;
	for (int i = 0; i < 10; i++) {
		post_request(net, c, PEEL_COMMUNITY_TUNNEL, i % 2 != 0, 0, &lan);
		struct peel_intro_response m = response_in(net_received(
			c, i == 0 ? PEEL_MSG_INTRO_RESPONSE : PEEL_MSG_INTRO_RESPONSE_NEW));

		assert_true(peel_addr_equal(&m.wan_intro, &a_addr));
		assert_true(peel_addr_is_none(&m.lan_intro)); /* a's LAN address is no local one */
	}
	assert_int_equal(net_n_received(b, PEEL_MSG_PUNCTURE_REQUEST), 0);
	assert_int_equal(net_n_received(a, PEEL_MSG_PUNCTURE_REQUEST), 1);
	assert_int_equal(net_n_received(a, PEEL_MSG_PUNCTURE_REQUEST_NEW), 9);
	const struct net_datagram *d = net_received(a, PEEL_MSG_PUNCTURE_REQUEST);
	struct peel_puncture_request ask;

	assert_int_equal(d->len, 45);
	assert_int_equal(net_received(a, PEEL_MSG_PUNCTURE_REQUEST_NEW)->len, 47);
	assert_int_equal(peel_puncture_request_parse(d->data, d->len, &ask), 0);
	assert_true(peel_addr_equal(&ask.wan_walker, &c_addr));
	assert_true(peel_addr_equal(&ask.lan_walker, &lan));
	assert_int_equal(ask.identifier, 0x4321);
	/* Once it names one, that goes along for those behind the same NAT. */
	post_request(net, a, PEEL_COMMUNITY_TUNNEL, false, 0, &lan);
	post_request(net, c, PEEL_COMMUNITY_TUNNEL, false, 0, &none);
	struct peel_intro_response with_lan =
		response_in(net_received(c, PEEL_MSG_INTRO_RESPONSE_NEW));

	assert_true(peel_addr_equal(&with_lan.lan_intro, &lan));
	assert_true(peel_addr_equal(&with_lan.wan_intro, &a_addr));
	/* Nobody is introduced to itself. */
	post_request(net, a, PEEL_COMMUNITY_TUNNEL, false, 0, &none);
	struct peel_intro_response m = response_in(net_received(a, PEEL_MSG_INTRO_RESPONSE));

	assert_true(peel_addr_equal(&m.wan_intro, &c_addr));
	net_free(net);
}

static void
test_neighbour_is_introduced_through_our_public_address(void **state)
{
	struct net *net = net_new();
	struct peel_addr own = peel_addr_ipv4(192, 168, 1, 2, 8090), none = {0};
	struct peel_addr public_address = at(0), stranger = at(1), seen;
	struct peel_addr neighbour = peel_addr_ipv4(192, 168, 1, 9, 7777);
	struct peel_overlay_conf conf = net_conf(net, &own, RELAY);

	(void)state;
	conf.public_address = public_address;
	net_add(net, &own, &conf);
	confirmed(net, &neighbour);
	struct net_node *p = net_add(net, &stranger, NULL);

	post_request(net, p, PEEL_COMMUNITY_TUNNEL, false, 0, &none);
	struct peel_intro_response m = response_in(net_received(p, PEEL_MSG_INTRO_RESPONSE));

	assert_true(peel_addr_equal(&m.lan_intro, &neighbour));
	seen = public_address;
	seen.port = 7777;
	assert_true(peel_addr_equal(&m.wan_intro, &seen));
	assert_true(peel_addr_equal(&m.src_wan, &public_address));
	net_free(net);
}

static void
test_listening_everywhere_names_no_local_address(void **state)
{
	struct net *net = net_new();
	struct peel_addr own = at(0), addr = at(1), none = {0};
	struct peel_overlay_conf conf = net_conf(net, &own, RELAY);

	(void)state;
	conf.lan = peel_addr_ipv4(0, 0, 0, 0, 8090);
	net_add(net, &own, &conf);
	struct net_node *p = net_add(net, &addr, NULL);

	post_request(net, p, PEEL_COMMUNITY_TUNNEL, false, 0, &none);
	struct peel_intro_response m = response_in(net_received(p, PEEL_MSG_INTRO_RESPONSE));

	assert_true(peel_addr_is_none(&m.src_lan));
	net_free(net);
}

/* The node asks, @p via answers with an introduction; what is asked next? */
static void
introduce(struct net *net, struct net_node *via, const struct peel_addr *lan,
	const struct peel_addr *wan, uint8_t bits)
{
	struct peel_intro_request request;
	struct peel_signed s;
	uint8_t out[NET_DATAGRAM];

	via->n_inbox = 0;
	net_run(net, 11 * 1000); /* longer than between two refreshing requests */
	const struct net_datagram *d = net_received(via, PEEL_MSG_INTRO_REQUEST);

	assert_non_null(d);
	assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
	assert_int_equal(peel_intro_request_parse(s.body, false, &request), 0);
	struct peel_intro_response m = {
		.dest = net->node[0].addr,
		.lan_intro = *lan,
		.wan_intro = *wan,
		.identifier = request.identifier,
		.bits = bits,
	};

	net_post(net, &via->addr, &net->node[0].addr, out,
		net_response(net, &via->identity, PEEL_COMMUNITY_TUNNEL, false, &m, out));
	net_run(net, 3000);
}

static void
test_walks_to_introduced_addresses(void **state)
{
	struct peel_addr own = at(0), via_addr = at(1), wan = at(2), none = {0}, multicast, port0;
	struct peel_addr lan = peel_addr_ipv4(192, 168, 1, 9, 8090);
	struct peel_addr same_ip = own, near = peel_addr_ipv4(10, 0, 0, 3, 8090);
	struct net *net = net_new();
	struct peel_overlay_conf conf = net_conf(net, &own, RELAY);

	(void)state;
	conf.lan = peel_addr_ipv4(192, 168, 1, 2, 8090); /* behind a NAT */
	conf.walk_target = 9;
	net_add(net, &own, &conf);
	struct net_node *via = confirmed(net, &via_addr);
	struct net_node *w = net_add(net, &wan, NULL), *l = net_add(net, &lan, NULL);

	multicast = peel_addr_ipv4(224, 0, 0, 1, 8090);
	port0 = peel_addr_ipv4(203, 0, 9, 9, 0);
	introduce(net, via, &lan, &wan, 0);
	assert_int_equal(net_n_received(w, PEEL_MSG_INTRO_REQUEST), 1);
	/* A stranger on the Internet cannot make us probe a local network ... */
	assert_int_equal(l->n_inbox, 0);
	/* ... except behind the address we share. */
	same_ip.port = 9999;
	introduce(net, via, &lan, &same_ip, 0);
	assert_int_equal(net_n_received(l, PEEL_MSG_INTRO_REQUEST), 1);
	/* In the style that was told. */
	w->n_inbox = 0;
	introduce(net, via, &none, &wan, PEEL_BITS_RESPONSE_INTRO_NEW);
	assert_int_equal(net_n_received(w, PEEL_MSG_INTRO_REQUEST_NEW), 1);
	assert_int_equal(net_received(w, PEEL_MSG_INTRO_REQUEST_NEW)->len, 197);
	/* Nonsense goes nowhere; ourselves neither. */
	introduce(net, via, &none, &multicast, 0);
	introduce(net, via, &own, &own, 0);
	introduce(net, via, &none, &port0, 0);
	unsigned int before = net->node[0].n_sent;

	via->down = true;
	assert_int_equal(net_n_received(w, PEEL_MSG_INTRO_REQUEST), 0);
	/* Among local peers local addresses are fine. */
	struct net_node *neighbour = confirmed(net, &near);

	l->n_inbox = 0;
	introduce(net, neighbour, &none, &lan, 0);
	assert_int_equal(net_n_received(l, PEEL_MSG_INTRO_REQUEST), 1);
	assert_true(net->node[0].n_sent > before);
	net_free(net);
}

static void
test_walk_stops_at_its_target(void **state)
{
	struct peel_addr own = at(0), via_addr = at(1), wan = at(2), none = {0};
	struct net *net = one_node(&own, 1);
	struct net_node *via = confirmed(net, &via_addr), *w = net_add(net, &wan, NULL);

	(void)state;
	introduce(net, via, &none, &wan, 0);
	net_run(net, 20 * 1000);
	assert_int_equal(w->n_inbox, 0);
	/* The only peer is asked now and then: its flags and our address stay fresh. */
	assert_in_range(net_n_received(via, PEEL_MSG_INTRO_REQUEST), 2, 4);
	net_free(net);
}

/* ---- the discovery community ----------------------------------------------------------------- */

static size_t
liveness_message(struct net *net, uint8_t id, uint16_t identifier, uint8_t *out)
{
	struct peel_writer w = peel_writer_init(out, NET_DATAGRAM);
	uint8_t prefix[PEEL_PREFIX_LEN];

	peel_prefix_build(prefix, net->community[PEEL_COMMUNITY_DISCOVERY]);
	peel_unsigned_begin(&w, prefix, id, 9);
	peel_write_u16(&w, identifier);
	return (size_t)peel_writer_len(&w);
}

static void
test_ping_and_pong(void **state)
{
	struct peel_addr own = at(0), addr = at(1);
	struct net *net = one_node(&own, 1);
	struct net_node *p = confirmed(net, &addr);
	uint8_t out[NET_DATAGRAM];
	uint16_t identifier;
	size_t len = liveness_message(net, PEEL_MSG_DISCOVERY_PING, 0xabcd, out);

	(void)state;
	net_post(net, &addr, &own, out, len);
	net_run(net, 100);
	const struct net_datagram *d = net_received(p, PEEL_MSG_DISCOVERY_PONG);

	assert_non_null(d);
	assert_int_equal(d->len, 33);
	assert_int_equal(peel_discovery_ping_parse(d->data, d->len, &identifier), 0);
	assert_int_equal(identifier, 0xabcd);
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, out, len + 1), -EBADMSG);
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, out, len - 1), -EBADMSG);
	out[PEEL_PREFIX_LEN] = 99;
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, out, len), -EBADMSG);
	assert_int_equal(peel_stats_get(&net->node[0].stats, PEEL_CONTROL_UNKNOWN), 1);
	out[PEEL_PREFIX_LEN] = PEEL_MSG_DISCOVERY_PONG; /* not asked for: harmless */
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, out, len), 0);
	net_free(net);
}

/* Whatever is said in its name, signed once or not at all: only an answer shows that it is still
 * there. */
static void
test_nothing_but_answers_keeps_a_peer(void **state)
{
	struct peel_addr own = at(0), addr = at(1), none = {0};
	struct net *net = one_node(&own, 0);
	struct net_node *p = confirmed(net, &addr);
	uint8_t out[NET_DATAGRAM];

	(void)state;
	p->down = true;
	for (int i = 0; i < 6; i++) {
		assert_true(net_is_candidate(&net->node[0], p, RELAY));
		post_request(net, p, PEEL_COMMUNITY_TUNNEL, false, 0, &none);
		for (uint8_t id = PEEL_MSG_DISCOVERY_PING; id <= PEEL_MSG_DISCOVERY_PONG; id++)
			net_post(net, &addr, &own, out, liveness_message(net, id, 77, out));
		net_run(net, 10 * 1000);
	}
	net_run(net, 5 * 1000);
	assert_false(net_is_candidate(&net->node[0], p, RELAY));
	net_free(net);
}

/* Not every node takes part in the discovery community: who does not pong is asked as well. */
static void
test_a_peer_that_never_pongs_stays(void **state)
{
	struct peel_addr own = at(0), addr = at(1);
	struct net *net = one_node(&own, 0);
	struct net_node *p = confirmed(net, &addr);

	(void)state;
	for (int i = 0; i < 300; i++) {
		net_run(net, 1000);
		if (net_received(p, PEEL_MSG_INTRO_REQUEST) != NULL)
			(void)net_answer(p, &addr, RELAY, NULL);
		p->n_inbox = 0;
	}
	assert_true(net_is_candidate(&net->node[0], p, RELAY));
	net_free(net);
}

static void
test_similarity(void **state)
{
	struct peel_addr own = at(0), addr = at(1);
	struct net *net = one_node(&own, 5);
	struct net_node *p = net_add(net, &addr, NULL);
	struct peel_similarity_request m = {
		.identifier = 0x1111,
		.communities = {net->community[0], sizeof(net->community)},
	};
	struct peel_similarity_response r;
	uint8_t out[NET_DATAGRAM], prefix[PEEL_PREFIX_LEN];
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_signed s;

	(void)state;
	peel_prefix_build(prefix, net->community[PEEL_COMMUNITY_DISCOVERY]);
	peel_signed_begin(&w, prefix, PEEL_MSG_SIMILARITY_REQUEST, p->identity.pk, true, 1);
	peel_similarity_request_write(&w, &m);
	peel_sign(&w, &p->identity);
	for (int peer = 0; peer < 2; peer++) {
		net_post(net, &addr, &own, out, (size_t)peel_writer_len(&w));
		net_run(net, 3000);
		assert_int_equal(net_n_received(p, PEEL_MSG_SIMILARITY_RESPONSE), 1);
		if (peer)
			break;
		/* On a stranger's word nobody is asked. */
		assert_int_equal(net_n_received(p, PEEL_MSG_INTRO_REQUEST), 0);
		net_ask(p, &net->node[0], RELAY);
		net_run(net, 100);
		assert_true(net_answer(p, &addr, RELAY, NULL));
		net_run(net, 100);
		p->n_inbox = 0;
	}
	const struct net_datagram *d = net_received(p, PEEL_MSG_SIMILARITY_RESPONSE);

	assert_non_null(d);
	assert_int_equal(peel_signed_parse(d->data, d->len, true, false, &s), 0);
	assert_true(peel_signed_verify(&s));
	assert_int_equal(peel_similarity_response_parse(s.body, &r), 0);
	assert_int_equal(r.identifier, 0x1111);
	assert_int_equal(r.communities.len, sizeof(net->community));
	assert_memory_equal(r.communities.p, net->community, sizeof(net->community));
	/* It shares three communities with us: an introduction in each, beside what the walk
	 * asks. */
	unsigned int asked = 0;

	for (size_t i = 0; i < p->n_inbox; i++) {
		const uint8_t *data = p->inbox[i].data;

		for (unsigned int c = 0; c < PEEL_N_COMMUNITIES; c++)
			asked |= data[PEEL_PREFIX_LEN] == PEEL_MSG_INTRO_REQUEST &&
						 memcmp(data + 2, net->community[c],
							 PEEL_COMMUNITY_LEN) == 0
					 ? 1u << c
					 : 0;
	}
	assert_int_equal(asked, 7);
	net_free(net);
}

static void
test_similarity_request_follows_an_introduction(void **state)
{
	struct peel_addr own = at(0), addr = at(1), none = {0};
	struct net *net = one_node(&own, 0);
	struct net_node *p = net_add(net, &addr, NULL);

	(void)state;
	post_request(net, p, PEEL_COMMUNITY_DISCOVERY, false, 0, &none);
	assert_true(net_answer(p, &addr, 0, NULL));
	net_run(net, 100);
	const struct net_datagram *d = net_received(p, PEEL_MSG_SIMILARITY_REQUEST);

	assert_non_null(d);
	assert_int_equal(d->len, 246);
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_DISCOVERY), 1);
	assert_int_equal(peel_overlay_count(net->node[0].ov, PEEL_COMMUNITY_TUNNEL), 0);
	net_free(net);
}

static void
test_other_prefixes_and_ids_are_not_ours(void **state)
{
	struct peel_addr own = at(0), addr = at(1);
	struct net *net = one_node(&own, 0);
	uint8_t d[64] = {0};

	(void)state;
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, d, sizeof(d)), -ENOENT);
	peel_prefix_build(d, net->community[PEEL_COMMUNITY_TUNNEL]);
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, d, sizeof(d)), -ENOENT);
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, d, PEEL_PREFIX_LEN), -ENOENT);
	d[PEEL_PREFIX_LEN] = PEEL_MSG_INTRO_REQUEST;
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, d, sizeof(d)), -EBADMSG);
	assert_int_equal(peel_overlay_input(net->node[0].ov, &addr, d, PEEL_HEADER_LEN), -EBADMSG);
	assert_int_equal(peel_stats_get(&net->node[0].stats, PEEL_CONTROL_MALFORMED), 2);
	net_free(net);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_style_of_answers),
		cmocka_unit_test(test_style_is_remembered_from_an_answer),
		cmocka_unit_test(test_introduces_who_answered),
		cmocka_unit_test(test_neighbour_is_introduced_through_our_public_address),
		cmocka_unit_test(test_listening_everywhere_names_no_local_address),
		cmocka_unit_test(test_walks_to_introduced_addresses),
		cmocka_unit_test(test_walk_stops_at_its_target),
		cmocka_unit_test(test_ping_and_pong),
		cmocka_unit_test(test_nothing_but_answers_keeps_a_peer),
		cmocka_unit_test(test_a_peer_that_never_pongs_stays),
		cmocka_unit_test(test_similarity),
		cmocka_unit_test(test_similarity_request_follows_an_introduction),
		cmocka_unit_test(test_other_prefixes_and_ids_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
