/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Extending, created, and what comes with becoming a relay; with a fake clock. */
#include <errno.h>

#include "rules.h"

static void
test_extend_refusals(void **state)
{
	static const char *const bad[] = {"0.0.0.0:5", "1.2.3.4:0", "224.0.0.1:5",
		"[::ffff:1.2.3.4]:5", "255.255.255.255:5", "[::]:5", "[ff02::1]:5"};
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(bad); i++) {
		struct peel_addr a;

		assert_int_equal(peel_addr_parse(bad[i], 0, &a), 0);
		assert_int_equal(try_extend(n, &o, nobody_pk, &a), -EBADMSG);
	}
	/* no address, not in our list */
	assert_int_equal(try_extend(n, &o, nobody_pk, NULL), -EBADMSG);
	assert_int_equal(try_extend(n, &o, n->id.pk, &other), -EBADMSG); /* ourselves */
	assert_int_equal(node_stat(n, PEEL_EXTEND_REFUSED), PEEL_ARRAY_LEN(bad) + 2);
	assert_int_equal(n->sent_total, 1); /* created */
	assert_int_equal(counts(n).pending, 0);
	node_free(n);
}

/* Whoever comes from the Internet does not make us send into local networks; a neighbour there
 * may. */
static void
test_extend_into_local_networks(void **state)
{
	static const char *const local[] = {"127.0.0.1:53", "10.1.2.3:5", "192.168.0.1:161",
		"169.254.169.254:80", "[::1]:5", "[fd00::1]:5", "[fe80::1]:5",
		"[::ffff:192.168.0.1]:5"};
	static const char *const neighbours[] = {"10.9.9.9:5", "127.0.0.1:999", "[fd00::9]:5"};
	struct peel_addr a = peel_addr_ipv4(10, 1, 2, 3, 5), from;
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(local); i++) {
		assert_int_equal(peel_addr_parse(local[i], 0, &from), 0);
		assert_int_equal(try_extend(n, &o, nobody_pk, &from), -EBADMSG);
	}
	assert_int_equal(n->sent_total, 1); /* created */
	/* A peer that we know there is not the originator's invention. */
	memcpy(n->peers[0].pk, nobody_pk, PEEL_PK_LEN);
	n->peers[0].addr = a;
	n->n_peers = 1;
	assert_int_equal(try_extend(n, &o, nobody_pk, &a), 0);
	n->n_peers = 0;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(neighbours); i++) {
		assert_int_equal(peel_addr_parse(neighbours[i], 0, &from), 0);
		drain(n);
		originator_init(&o, from, 2 + i);
		exit_make(n, &o, 8 + (uint32_t)i);
		assert_int_equal(try_extend(n, &o, nobody_pk, &a), 0);
	}
	node_free(n);
}

/* Keys of the list are where they were listed, whatever else is said; others where the originator
 * says, after a ping unless the node was heard there lately. */
static void
test_extend_addresses(void **state)
{
	struct node *n = node_with(NULL);
	struct peel_addr given = peel_addr_ipv4(198, 51, 100, 1, 1),
			 believed = peel_addr_ipv4(192, 0, 2, 41, 41),
			 inside = peel_addr_ipv4(10, 0, 0, 1, 1);
	struct originator o;
	struct packet p;

	(void)state;
	memcpy(n->relays[0].pk, nobody_pk, PEEL_PK_LEN);
	n->relays[0].addr = peel_addr_ipv4(192, 0, 2, 40, 40);
	n->n_relays = 1;
	n->reach_result = 0;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	n->n_relays = 0; /* forgotten since: the address of then */
	assert_int_equal(try_extend(n, &o, nobody_pk, NULL), 0);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &n->relays[0].addr));
	n->peers[0] = n->relays[0]; /* moved since, or so it seems */
	n->peers[0].addr = believed;
	n->n_peers = 1;
	assert_int_equal(try_extend(n, &o, nobody_pk, &given), 0);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &n->relays[0].addr));
	assert_int_equal(n->n_reach, 0); /* never for keys of the list */

	struct peel_identity x;

	assert_int_equal(peel_identity_generate(&n->env, &x), 0);
	memcpy(n->peers[0].pk, x.pk, PEEL_PK_LEN);
	n->peers[0].last_heard_ms = world_now - 57499;
	assert_int_equal(try_extend(n, &o, x.pk, &believed), 0);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &believed));
	n->peers[0].last_heard_ms = world_now - 57500; /* silent too long: ping first */
	assert_int_equal(try_extend(n, &o, x.pk, &believed), 0);
	assert_false(node_pop(n, &p));
	assert_int_equal(n->n_reach, 1);
	assert_true(peel_addr_equal(&n->reach_addr, &believed));
	peel_or_reached(n->circuits, n->reach_token, NULL);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &believed));
	n->peers[0].last_heard_ms = world_now; /* heard, but somewhere else */
	assert_int_equal(try_extend(n, &o, x.pk, &given), 0);
	assert_false(node_pop(n, &p));
	assert_true(peel_addr_equal(&n->reach_addr, &given));
	peel_or_reached(n->circuits, n->reach_token + 1, NULL); /* nobody's */
	peel_or_reached(n->circuits, ~n->reach_token, NULL);
	assert_false(node_pop(n, &p));
	peel_or_reached(n->circuits, n->reach_token, NULL);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &given));
	peel_or_reached(n->circuits, n->reach_token, NULL); /* once only */
	assert_false(node_pop(n, &p));
	n->n_peers = 0; /* unknown: the same */
	assert_int_equal(try_extend(n, &o, x.pk, &given), 0);
	assert_false(node_pop(n, &p));
	peel_or_reached(n->circuits, n->reach_token, NULL);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &given));
	assert_int_equal(counts(n).pending, 6);
	/* Found somewhere else: there, if circuits may go there. */
	assert_int_equal(try_extend(n, &o, x.pk, &given), 0);
	peel_or_reached(n->circuits, n->reach_token, &believed);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &believed));
	assert_int_equal(try_extend(n, &o, x.pk, &given), 0);
	peel_or_reached(n->circuits, n->reach_token, &inside);
	assert_true(node_pop(n, &p) && peel_addr_equal(&p.to, &given));
	node_free(n);
}

/* The callback may answer within the call, and even then report an error. */
static void
test_extend_reach_at_once(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;
	struct packet p;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	n->reach_at_once = true;
	n->reach_result = 0;
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	assert_true(node_pop(n, &p));
	assert_false(node_pop(n, &p));
	n->reach_result = -EBUSY;
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	assert_true(node_pop(n, &p));
	assert_false(node_pop(n, &p));
	assert_int_equal(counts(n).pending, 2);
	node_free(n);
}

/* A node that is never reported reached: given up after next_hop_timeout; and one whose circuit
 * went meanwhile. */
static void
test_extend_reach_never(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;
	struct packet p;
	uint8_t out[256];

	(void)state;
	n->reach_result = 0;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	uint64_t token = n->reach_token;

	node_run(n, 10000, 1000);
	peel_or_reached(n->circuits, token, NULL);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	token = n->reach_token;
	assert_int_equal(node_input(n, &alice, out, destroy_build(&o.id, 7, 4, out)), 0);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), -EBADMSG); /* being removed */
	node_run(n, 6000, 1000);
	peel_or_reached(n->circuits, token, NULL);
	assert_false(node_pop(n, &p));
	assert_int_equal(node_stat(n, PEEL_EXTEND_TIMEOUT), 0); /* nothing was sent */
	node_free(n);
}

static void
test_extend_window(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	world_now += 60000;
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	world_now += 1;
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), -EBADMSG);
	node_free(n);
}

static void
test_extend_too_many(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;
	unsigned int n_ok = 0;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	for (int i = 0; i < 20; i++)
		n_ok += try_extend(n, &o, nobody_pk, &other) == 0;
	assert_int_equal(n_ok, 8);
	assert_int_equal(counts(n).pending, 8);
	touch(n, &o);
	node_run(n, 10000, 1000);
	assert_int_equal(counts(n).pending, 0);
	assert_int_equal(node_stat(n, PEEL_EXTEND_TIMEOUT), 8);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	node_free(n);
}

/* W5: created by anybody but the one asked, with another identifier, for another id, too short or
 * too long. */
static void
test_created_forged(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;
	struct packet create, p;
	uint8_t out[PEEL_DATAGRAM_MAX];

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	assert_true(node_pop(n, &create));
	uint32_t d = peel_get_be32(create.data + PEEL_CELL_OFF_CID);
	uint16_t identifier = peel_get_be16(create.data + PEEL_CELL_HEADER_LEN + 1);
	struct peel_addr port = other;

	port.port++;
	size_t len = created_build(d, identifier, out);

	assert_int_equal(node_input(n, &alice, out, len), -EBADMSG);
	assert_int_equal(node_input(n, &port, out, len), -EBADMSG);
	assert_int_equal(node_input(n, &other, out, 29 + 68), -EBADMSG); /* cut */
	/* no room for a layer */
	assert_int_equal(node_input(n, &other, out, sizeof(out)), -EBADMSG);
	len = created_build(d, identifier ^ 1, out);
	assert_int_equal(node_input(n, &other, out, len), -EBADMSG);
	len = created_build(d ^ 1, identifier, out);
	assert_int_equal(node_input(n, &other, out, len), -ENOENT);
	assert_false(node_pop(n, &p));
	assert_int_equal(counts(n).relays, 0);
	len = created_build(d, identifier, out); /* the attempt survived it all */
	assert_int_equal(node_input(n, &other, out, len), 0);
	assert_int_equal(counts(n).relays, 1);
	assert_true(node_pop(n, &p));
	/* again: nobody waits any more */
	assert_int_equal(node_input(n, &other, out, len), -ENOENT);
	assert_false(node_pop(n, &p));
	node_free(n);
}

static void
test_created_too_late(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;
	struct packet create, p;
	uint8_t out[PEEL_DATAGRAM_MAX];

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	assert_true(node_pop(n, &create));
	node_run(n, 10000, 1000);
	size_t len = created_build(peel_get_be32(create.data + PEEL_CELL_OFF_CID),
		peel_get_be16(create.data + PEEL_CELL_HEADER_LEN + 1), out);

	assert_int_equal(node_input(n, &other, out, len), -ENOENT);
	assert_false(node_pop(n, &p));
	assert_int_equal(counts(n).exits, 1);
	assert_int_equal(node_stat(n, PEEL_EXTEND_TIMEOUT), 1);
	node_free(n);
}

/* Two attempts at once: the first to answer wins, the other is ignored. */
static void
test_created_twice(void **state)
{
	struct node *n = node_with(NULL);
	struct peel_addr third = peel_addr_ipv4(192, 0, 2, 77, 7);
	struct originator o;
	struct packet create[2], p;
	uint8_t out[PEEL_DATAGRAM_MAX], msg[PEEL_DATAGRAM_MAX];

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	assert_int_equal(try_extend(n, &o, nobody_pk, &third), 0);
	assert_true(node_pop(n, &create[0]) && node_pop(n, &create[1]));
	for (int i = 1; i >= 0; i--) {
		size_t len = created_build(peel_get_be32(create[i].data + PEEL_CELL_OFF_CID),
			peel_get_be16(create[i].data + PEEL_CELL_HEADER_LEN + 1), out);

		assert_int_equal(node_input(n, &create[i].to, out, len), i == 1 ? 0 : -EBADMSG);
	}
	assert_true(node_pop(n, &p));
	assert_true(originator_open(&o, p.data, p.len, msg) > 0);
	assert_int_equal(peel_get_be16(msg + 1), o.identifier); /* of the second extend */
	assert_false(node_pop(n, &p));
	assert_int_equal(counts(n).pending, 0);
	assert_int_equal(peel_route_count(n->routes), 2);
	node_free(n);
}

/*
 * A route table full of exits that all want to become relays. Routes that were replaced are free
 * only after a grace period: without one an attempt fails as a whole, the exit stays, and a later
 * attempt succeeds.
 */
static void
test_created_table_full(void **state)
{
	struct peel_or_settings s;
	struct originator o[255];
	unsigned int n_made = 0, n_failed = 0;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 1000;
	s.create_rate_per_source = s.create_rate = 0;
	struct node *n = node_with(&s);

	/* An odd number: once there is room for BACKWARD and none for FORWARD. */
	for (unsigned int i = 0; i < 255; i++) {
		originator_init(&o[i], alice, i);
		if (try_create(n, &o[i], 10 + i) == 0)
			n_made++;
		drain(n);
	}
	assert_int_equal(n_made, 255);
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 255; i++) {
			uint8_t msg[256], out[256] = {9};
			uint32_t session =
				peel_route_at(n->routes, node_route(n, &alice, 10 + i))->session;
			const struct peel_msg_extend m = {
				.pk = {nobody_pk, PEEL_PK_LEN}, .x = {out, 32}, .address = other};
			int len = peel_extend_build(msg, sizeof(msg), &m);
			struct packet p;

			if (peel_or_message(n->circuits, session,
				    peel_session_generation(n->routes, session), true, msg,
				    (size_t)len) != 0)
				continue; /* a relay since the first round */
			assert_true(node_pop(n, &p));
			size_t size = created_build(peel_get_be32(p.data + PEEL_CELL_OFF_CID),
				peel_get_be16(p.data + PEEL_CELL_HEADER_LEN + 1), out);

			n_failed += node_input(n, &other, out, size) != 0;
			drain(n);
			assert_int_equal(peel_route_count(n->routes), 255 + counts(n).relays);
			if (round == 1)
				peel_rcu_poll(n->rcu);
		}
		peel_rcu_poll(n->rcu);
	}
	assert_in_range(n_failed, 1, 254);
	assert_int_equal(counts(n).relays, 255);
	assert_int_equal(counts(n).exits, 0);
	assert_int_equal(peel_or_shutdown(n->circuits), 510);
	assert_int_equal(peel_route_count(n->routes), 0);
	node_free(n);
}

/* The session goes on: never the same explicit salt twice. The exit's owner hears of its end 5 s
 * later. */
static void
test_exit_becomes_relay(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;
	uint8_t ping[3], out[PEEL_DATAGRAM_MAX];
	struct packet p;
	uint64_t last = 0;
	struct peel_exit_info info;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	struct peel_session *s = session_of(n, &o);
	uint32_t session = peel_route_at(n->routes, node_route(n, &alice, 7))->session;
	uint32_t generation = peel_session_generation(n->routes, session);

	assert_int_equal(peel_or_exit_opened(n->circuits, session, generation, 55), 0);
	assert_int_equal(peel_or_exit(n->circuits, session, generation, &info), 0);
	assert_int_equal(info.endpoint, 55);
	assert_int_equal(info.cid, 7);
	assert_true(peel_addr_equal(&info.previous, &alice));
	assert_int_equal(peel_route_at(n->routes, info.route)->endpoint, 55);
	for (int i = 0; i < 6; i++) {
		size_t len;

		if (i == 3) {
			uint32_t d = relay_make(n, &o, nobody_pk, other);

			assert_int_equal(node_route(n, &other, d) != PEEL_NONE, true);
			assert_ptr_equal(session_of(n, &o), s);
		}
		if (i < 3) {
			len = originator_seal(&o, ping, ping_build(1, ping), false, out);
			assert_int_equal(node_input(n, &alice, out, len), 0);
		} else {
			assert_int_equal(peel_or_answer(n->circuits, session, ping, 3), 0);
		}
		assert_true(node_pop(n, &p));
		uint64_t salt = peel_get_be64(p.data + PEEL_CELL_HEADER_LEN);

		assert_true(salt > last);
		last = salt;
	}
	assert_int_equal(peel_or_exit(n->circuits, session, generation, &info), -ENOENT);
	assert_int_equal(peel_or_exit_opened(n->circuits, session, generation, 1), -ENOENT);
	node_run(n, 4900, 100);
	assert_int_equal(n->n_gone, 0);
	node_run(n, 100, 100);
	assert_int_equal(n->n_gone, 1);
	assert_int_equal(n->gone[0].session, session);
	assert_int_equal(n->gone[0].endpoint, 55);
	assert_int_equal(peel_or_answer(n->circuits, session, ping, 3), -ENOENT);
	const struct peel_route *r = peel_route_at(n->routes, node_route(n, &alice, 7));

	assert_int_equal(r->kind, PEEL_ROUTE_FORWARD);
	assert_int_equal(r->n_early, 1);
	assert_int_equal(r->max_early, 8);
	node_free(n);
}

/* Messages that were on their way when their circuit ended, or its session was given to another
 * one. */
static void
test_message_stale(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, o2;
	uint8_t out[PEEL_DATAGRAM_MAX], extend[256], ping[3];
	struct peel_exit_info info;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	exit_make(n, &o, 7);
	uint32_t session = peel_route_at(n->routes, node_route(n, &alice, 7))->session;
	uint32_t generation = peel_session_generation(n->routes, session);

	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	size_t len = n->message_len;

	memcpy(extend, n->message, len);
	drain(n);
	assert_int_equal(
		peel_or_message(n->circuits, session, generation + 1, true, extend, len), -EBADMSG);
	assert_int_equal(
		peel_or_message(n->circuits, 200, generation, true, extend, len), -EBADMSG);
	assert_int_equal(
		peel_or_message(n->circuits, PEEL_NONE, generation, true, extend, len), -EBADMSG);
	assert_int_equal(
		peel_or_message(n->circuits, session, generation, false, extend, len), -EBADMSG);
	assert_int_equal(
		peel_or_message(n->circuits, session, generation, true, extend, 0), -EBADMSG);
	ping_build(1, ping);
	assert_int_equal(peel_or_message(n->circuits, session, generation, true, ping, 3), -ENOENT);
	assert_int_equal(peel_or_exit(n->circuits, session, generation + 1, &info), -ENOENT);
	assert_int_equal(n->n_sent, 0);
	assert_int_equal(node_input(n, &alice, out, destroy_build(&o.id, 7, 4, out)), 0);
	node_run(n, 5000, 1000);
	exit_make(n, &o2, 9);
	assert_int_equal(
		peel_or_message(n->circuits, session, generation, true, extend, len), -EBADMSG);
	assert_int_equal(n->n_sent, 0);
	node_free(n);
}

static void
test_answer_sizes(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;
	uint8_t big[PEEL_DATAGRAM_MAX] = {1};
	struct packet p;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(peel_or_answer(n->circuits, 99, big, 3), -ENOENT);
	assert_int_equal(peel_or_answer(n->circuits, PEEL_NONE, big, 3), -ENOENT);
	uint32_t session = peel_route_at(n->routes, node_route(n, &alice, 7))->session;

	assert_int_equal(peel_or_answer(n->circuits, session, big, 0), -EINVAL);
	assert_int_equal(peel_or_answer(n->circuits, session, big, 2048 - 52), -EINVAL);
	assert_int_equal(peel_or_answer(n->circuits, session, big, 2048 - 53), 0);
	assert_true(node_pop(n, &p));
	assert_int_equal(p.len, 2048);
	assert_true(originator_open(&o, p.data, p.len, big) == 2048 - 53);
	/* What comes from outside is held back in the name of its circuit, nothing else is. */
	assert_int_equal(n->limited_session, PEEL_NONE);
	assert_int_equal(peel_or_answer_limited(n->circuits, session, big, 2048 - 53), 0);
	assert_int_equal(n->limited_session, session);
	assert_true(node_pop(n, &p));
	assert_true(originator_open(&o, p.data, p.len, big) == 2048 - 53);
	assert_int_equal(peel_or_answer_limited(n->circuits, 99, big, 3), -ENOENT);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extend_refusals),
		cmocka_unit_test(test_extend_into_local_networks),
		cmocka_unit_test(test_extend_addresses),
		cmocka_unit_test(test_extend_reach_at_once),
		cmocka_unit_test(test_extend_reach_never),
		cmocka_unit_test(test_extend_window),
		cmocka_unit_test(test_extend_too_many),
		cmocka_unit_test(test_created_forged),
		cmocka_unit_test(test_created_too_late),
		cmocka_unit_test(test_created_twice),
		cmocka_unit_test(test_created_table_full),
		cmocka_unit_test(test_exit_becomes_relay),
		cmocka_unit_test(test_message_stale),
		cmocka_unit_test(test_answer_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
