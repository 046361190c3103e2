/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* An introduction point that is the exit of those who ask. */
#include "scene.h"

static void
circuit(struct scene *s, struct originator *o, uint8_t number)
{
	originator_init(o, peel_addr_ipv4(198, 51, 100, number, 8090), 1000u + number);
	drain(s->n);
	exit_make(s->n, o, number);
}

/* A seeder of key 1 and info hash 7, and one who asks. */
static void
open_scene(struct scene *s, struct originator *seeder, struct originator *asker)
{
	scene_open(s, peel_addr_ipv4(192, 0, 2, 11, 8090), NULL, NULL, 64);
	circuit(s, seeder, 1);
	circuit(s, asker, 2);
	assert_int_equal(say_establish_intro(s, seeder, 1, 7), 0);
	drain(s->n);
}

/* The originator sends a datagram to one of our own addresses. */
static int
say_inside(struct scene *s, const struct originator *o, const struct peel_addr *to,
	const uint8_t *datagram, size_t len)
{
	const struct peel_msg_data m = {
		.destination = {.type = PEEL_HOST_IPV4, .addr = *to},
		.origin = {.type = PEEL_HOST_IPV4},
		.payload = {datagram, len},
	};
	uint32_t session = scene_session(s, o);
	uint8_t msg[PEEL_DATAGRAM_MAX];
	int n = peel_data_build(msg, sizeof(msg), &m);

	assert_true(n > 0);
	return peel_hidden_inside(
		s->h, session, peel_session_generation(s->n->routes, session), msg, (size_t)n);
}

static size_t
create_e2e(uint32_t key, uint8_t out[256])
{
	uint8_t pk[PEEL_PK_LEN], info_hash[PEEL_INFO_HASH_LEN], x[PEEL_X_LEN] = {9};
	const struct peel_msg_create_e2e m = {.identifier = 3,
		.info_hash = info_hash,
		.seeder_pk = {pk, sizeof(pk)},
		.x = {x, sizeof(x)}};

	seeder_key(key, pk);
	memset(info_hash, 7, sizeof(info_hash));
	memcpy(out, world_prefix, PEEL_PREFIX_LEN);
	int len = peel_create_e2e_build(out + PEEL_PREFIX_LEN, 256 - PEEL_PREFIX_LEN, &m);

	return PEEL_PREFIX_LEN + (size_t)len;
}

static size_t
created_e2e(uint16_t identifier, uint8_t out[256])
{
	uint8_t x[PEEL_X_LEN] = {8}, auth[32] = {7}, info[60] = {6};
	struct peel_writer w = peel_writer_init(out, 256);

	peel_write_bytes(&w, world_prefix, PEEL_PREFIX_LEN);
	peel_write_u8(&w, PEEL_MSG_CREATED_E2E);
	peel_write_u16(&w, identifier);
	peel_write_varlen(&w, x, sizeof(x));
	peel_write_bytes(&w, auth, sizeof(auth));
	peel_write_bytes(&w, info, sizeof(info));
	return (size_t)peel_writer_len(&w);
}

/* What a circuit got as data; its origin. */
static struct peel_addr
received(struct scene *s, struct originator *o, uint8_t id, const uint8_t *datagram, size_t len)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct peel_msg_data data;
	int n = scene_answer(s, o, msg);

	assert_true(n > 0);
	assert_int_equal(msg[0], PEEL_MSG_DATA);
	assert_int_equal(peel_data_parse(msg + 1, (size_t)n - 1, &data), 0);
	assert_true(peel_addr_is_none(&data.destination.addr));
	assert_int_equal(data.payload.p[PEEL_PREFIX_LEN], id);
	if (datagram != NULL) {
		assert_int_equal(data.payload.len, len);
		assert_memory_equal(data.payload.p, datagram, len);
	}
	return data.origin.addr;
}

/* Asked, and answered once: over the seeder's circuit to the one that asked. */
static void
test_there_and_back(void **state)
{
	struct originator seeder, asker, third;
	uint8_t ask[256], answer[256];
	struct peel_addr at;
	struct scene s;
	size_t n, n_answer = created_e2e(3, answer);

	(void)state;
	open_scene(&s, &seeder, &asker);
	circuit(&s, &third, 3);
	n = create_e2e(1, ask);
	assert_int_equal(say_inside(&s, &asker, &s.here, ask, n), 0);
	at = received(&s, &seeder, PEEL_MSG_CREATE_E2E, ask, n);
	assert_true(peel_addr_same_ip(&at, &s.here));
	assert_int_not_equal(at.port, s.here.port);

	/* Only the seeder that was asked, only a created-e2e, only there. */
	assert_int_equal(say_inside(&s, &third, &at, answer, n_answer), -ENOENT);
	assert_int_equal(say_inside(&s, &asker, &at, answer, n_answer), -ENOENT);
	assert_int_equal(say_inside(&s, &seeder, &at, ask, n), -ENOENT);
	assert_int_equal(say_inside(&s, &seeder, &at, answer, 40), -EBADMSG);
	at.port++;
	assert_int_equal(say_inside(&s, &seeder, &at, answer, n_answer), -ENOENT);
	at.port--;
	assert_int_equal(s.n->n_sent, 0);

	assert_int_equal(say_inside(&s, &seeder, &at, answer, n_answer), 0);
	at = received(&s, &asker, PEEL_MSG_CREATED_E2E, answer, n_answer);
	assert_true(peel_addr_equal(&at, &s.here));
	assert_int_equal(say_inside(&s, &seeder, &at, answer, n_answer), -ENOENT);
	assert_int_equal(s.n->n_sent, 0);
	assert_int_equal(s.n_sent, 0); /* nothing ever left */
	scene_close(&s);
}

/* An answer that is too late, or whose circuit has ended. */
static void
test_no_answer_any_more(void **state)
{
	uint8_t ask[256], answer[256], destroy[PEEL_DESTROY_LEN];
	size_t n = create_e2e(1, ask), n_answer = created_e2e(3, answer);
	struct originator seeder, asker;
	struct peel_addr at;

	(void)state;
	for (int late = 0; late < 2; late++) {
		struct scene s;

		open_scene(&s, &seeder, &asker);
		assert_int_equal(say_inside(&s, &asker, &s.here, ask, n), 0);
		at = received(&s, &seeder, PEEL_MSG_CREATE_E2E, ask, n);
		if (late != 0) {
			world_now += 15000;
		} else {
			size_t len =
				destroy_build(&asker.id, asker.cid, PEEL_DESTROY_UNNEEDED, destroy);

			assert_int_equal(
				peel_or_datagram(s.n->circuits, &asker.addr, destroy, len), 0);
			scene_run(&s, 5500);
			drain(s.n);
		}
		assert_int_equal(say_inside(&s, &seeder, &at, answer, n_answer),
			late != 0 ? -ENOENT : -EBADMSG);
		assert_int_equal(s.n->n_sent, 0);
		scene_close(&s);
	}
}

static void
test_peers(void **state)
{
	uint8_t info_hash[PEEL_INFO_HASH_LEN], ask[64], msg[PEEL_DATAGRAM_MAX];
	struct peel_msg_peers_request m = {
		.cid = 0x01020304, .identifier = 5, .info_hash = info_hash};
	struct peel_msg_peers_response r;
	struct originator seeder, asker;
	struct peel_msg_data data;
	struct scene s;

	(void)state;
	open_scene(&s, &seeder, &asker);
	memset(info_hash, 7, sizeof(info_hash));
	memcpy(ask, world_prefix, PEEL_PREFIX_LEN);
	int len = peel_peers_request_build(
		ask + PEEL_PREFIX_LEN, sizeof(ask) - PEEL_PREFIX_LEN, true, &m);

	assert_int_equal(say_inside(&s, &asker, &s.here, ask, PEEL_PREFIX_LEN + (size_t)len), 0);
	int n = scene_answer(&s, &asker, msg);

	assert_int_equal(peel_data_parse(msg + 1, (size_t)n - 1, &data), 0);
	assert_true(peel_addr_equal(&data.origin.addr, &s.here));
	assert_int_equal(peel_peers_response_parse(data.payload.p + PEEL_HEADER_LEN,
				 data.payload.len - PEEL_HEADER_LEN, true, &r),
		0);
	assert_int_equal(r.cid, 0x01020304);
	assert_int_equal(r.n, 1);
	assert_true(peel_addr_equal(&r.peer[0].address, &s.here));
	assert_int_equal(s.n_sent, 0);
	/* Of what we do not introduce, nothing is said. */
	memset(info_hash, 8, sizeof(info_hash));
	len = peel_peers_request_build(
		ask + PEEL_PREFIX_LEN, sizeof(ask) - PEEL_PREFIX_LEN, true, &m);
	assert_int_equal(
		say_inside(&s, &asker, &s.here, ask, PEEL_PREFIX_LEN + (size_t)len), -EBADMSG);
	scene_close(&s);
}

/* Nothing else of this machine is reachable so, and who used it is joined to nobody. */
static void
test_opens_nothing_else(void **state)
{
	struct originator seeder, asker, waiting;
	uint8_t ask[256], answer[256];
	size_t n = create_e2e(1, ask), n_answer = created_e2e(3, answer);
	struct peel_addr to;
	struct scene s;

	(void)state;
	open_scene(&s, &seeder, &asker);
	for (uint32_t port = 0; port < 65536; port++) {
		to = s.here;
		to.port = (uint16_t)port;
		if (port == s.here.port)
			continue;
		assert_int_equal(say_inside(&s, &asker, &to, ask, n), -ENOENT);
		assert_int_equal(say_inside(&s, &asker, &to, answer, n_answer), -ENOENT);
	}
	to = peel_addr_ipv4(192, 0, 2, 12, s.here.port); /* ours, but not where we say we are */
	assert_int_equal(say_inside(&s, &asker, &to, ask, n), -ENOENT);
	for (unsigned int id = 0; id < 256; id++) {
		ask[PEEL_PREFIX_LEN] = (uint8_t)id;
		if (id == PEEL_MSG_CREATE_E2E || id == PEEL_MSG_PEERS_REQUEST)
			continue;
		assert_int_equal(say_inside(&s, &asker, &s.here, ask, n), -ENOENT);
	}
	assert_int_equal(s.n->n_sent, 0);
	/* It has not been used yet, and may be linked; then it has. */
	ask[PEEL_PREFIX_LEN] = PEEL_MSG_CREATE_E2E;
	assert_int_equal(say_inside(&s, &asker, &s.here, ask, n), 0);
	circuit(&s, &waiting, 3);
	assert_int_equal(say_cookie(&s, &waiting, PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), 0);
	assert_int_equal(say_cookie(&s, &asker, PEEL_MSG_LINK_E2E, 1), -EBADMSG);
	/* Without an address of our own there is nothing. */
	s.here.port = 0;
	to.port = 8090;
	assert_int_equal(say_inside(&s, &asker, &to, ask, n), -ENOENT);
	scene_close(&s);
}

/* A circuit that asks without end is heard five times at once and once a second. */
static void
test_rate(void **state)
{
	struct originator seeder, asker;
	uint8_t ask[256];
	size_t n = create_e2e(1, ask);
	struct scene s;

	(void)state;
	open_scene(&s, &seeder, &asker);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(say_inside(&s, &asker, &s.here, ask, n), 0);
		world_now += 10;
	}
	assert_in_range(peel_stats_get(&s.n->stats, PEEL_HIDDEN_CREATE_E2E), 5, 5 + 10 + 1);
	scene_close(&s);
}

/* Datagrams in the name of a neighbour, and of all the world, take nothing from its circuits. */
static void
test_forged_datagrams(void **state)
{
	uint8_t info_hash[PEEL_INFO_HASH_LEN], ask[64], msg[PEEL_DATAGRAM_MAX];
	const struct peel_msg_peers_request m = {
		.cid = 0x01020304, .identifier = 5, .info_hash = info_hash};
	struct originator seeder, asker;
	struct peel_addr from;
	struct scene s;

	(void)state;
	open_scene(&s, &seeder, &asker);
	memset(info_hash, 7, sizeof(info_hash));
	memcpy(ask, world_prefix, PEEL_PREFIX_LEN);
	int len = peel_peers_request_build(
		ask + PEEL_PREFIX_LEN, sizeof(ask) - PEEL_PREFIX_LEN, true, &m);

	for (uint32_t i = 0; i < 1000; i++) {
		from = i < 100 ? asker.addr
			       : peel_addr_ipv4(203, (uint8_t)(i >> 8), (uint8_t)i, 5, 40000);
		assert_int_equal(say_peers_request(&s, &from, 7), 0);
	}
	assert_int_equal(s.n_sent, 100);
	assert_int_equal(say_inside(&s, &asker, &s.here, ask, PEEL_PREFIX_LEN + (size_t)len), 0);
	assert_true(scene_answer(&s, &asker, msg) > 0);
	scene_close(&s);
}

static void
test_random(void **state)
{
	struct originator seeder, asker;
	struct scene s;

	(void)state;
	open_scene(&s, &seeder, &asker);
	for (uint32_t i = 0; i < 100000; i++) {
		uint8_t d[300];
		size_t len = i % sizeof(d);

		s.n->env.random(s.n->env.arg, d, sizeof(d));
		memcpy(d, world_prefix, PEEL_PREFIX_LEN);
		d[PEEL_PREFIX_LEN] = (uint8_t)(i % 2 == 0 ? 13 : 17);
		assert_int_not_equal(say_inside(&s, &asker, &s.here, d, len), 0);
	}
	assert_int_equal(s.n->n_sent, 0);
	assert_int_equal(s.n_sent, 0);
	scene_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_no_answer_any_more),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_opens_nothing_else),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_forged_datagrams),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
