/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Introduction points, rendezvous points and questions for peers: rule by rule. */
#include "scene.h"

static const struct peel_addr *
home(void)
{
	static struct peel_addr a;

	a = peel_addr_ipv4(192, 0, 2, 11, 8090);
	return &a;
}

static void
circuit(struct scene *s, struct originator *o, uint8_t host, uint32_t cid)
{
	originator_init(o, peel_addr_ipv4(198, 51, 100, host, 8090), 1000 + cid);
	drain(s->n); /* answers that nobody has looked at */
	exit_make(s->n, o, cid);
}

static void
expect_id(struct scene *s, struct originator *o, uint8_t id)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];

	assert_true(scene_answer(s, o, msg) > 0);
	assert_int_equal(msg[0], id);
}

static void
expect_silence(struct scene *s)
{
	assert_int_equal(s->n->n_sent, 0);
	assert_int_equal(s->n_sent, 0);
}

static void
test_create_e2e_reaches_the_seeder(void **state)
{
	struct peel_addr downloader = peel_addr_ipv4(203, 0, 113, 5, 40000);
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct peel_msg_data data;
	struct originator seeder;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder, 1, 1);
	assert_int_equal(say_create_e2e(&s, &downloader, 1, 0xaa), -EBADMSG);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 0xaa), 0);
	expect_id(&s, &seeder, PEEL_MSG_INTRO_ESTABLISHED);
	assert_int_equal(s.n_announced, 1);
	assert_int_equal(say_create_e2e(&s, &downloader, 1, 0xaa), 0);
	int len = scene_answer(&s, &seeder, msg);

	assert_true(len > 0);
	assert_int_equal(msg[0], PEEL_MSG_DATA);
	assert_int_equal(peel_data_parse(msg + 1, (size_t)len - 1, &data), 0);
	assert_true(peel_addr_is_none(&data.destination.addr));
	assert_true(peel_addr_equal(&data.origin.addr, &downloader));
	assert_int_equal(data.payload.p[PEEL_PREFIX_LEN], PEEL_MSG_CREATE_E2E);
	assert_int_equal(data.payload.len, 155);
	/* Another key, another info hash. */
	assert_int_equal(say_create_e2e(&s, &downloader, 2, 0xaa), -EBADMSG);
	assert_int_equal(say_create_e2e(&s, &downloader, 1, 0xab), -EBADMSG);
	expect_silence(&s);
	scene_close(&s);
}

/* Nothing is offered that nobody could use. */
static void
test_without_public_address(void **state)
{
	struct originator seeder, downloader;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	s.here.port = 0;
	circuit(&s, &seeder, 1, 1);
	circuit(&s, &downloader, 2, 2);
	assert_false(scene_count(&s).offered);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), -EBADMSG);
	assert_int_equal(say_cookie(&s, &seeder, PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), -EBADMSG);
	assert_int_equal(say_cookie(&s, &downloader, PEEL_MSG_LINK_E2E, 1), -EBADMSG);
	expect_silence(&s);
	assert_int_equal(node_stat(s.n, PEEL_HIDDEN_REFUSED), 3);
	s.here = *home();
	assert_true(scene_count(&s).offered);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), 0);
	scene_close(&s);
}

/* Who drains introduces nobody else, and goes on for those that it introduces. */
static void
test_introduction_while_draining(void **state)
{
	struct originator seeder, another;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder, 1, 1);
	circuit(&s, &another, 2, 2);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), 0);
	peel_hidden_drain(s.h, true);
	assert_int_equal(say_establish_intro(&s, &another, 2, 1), -EBADMSG);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), 0);
	assert_int_equal(scene_count(&s).introductions, 1);
	peel_hidden_drain(s.h, false);
	assert_int_equal(say_establish_intro(&s, &another, 2, 1), 0);
	scene_close(&s);
}

/* The registration ends with its circuit, also when that is extended. */
static void
test_introduction_ends(void **state)
{
	struct originator seeder, another;
	uint8_t out[256];
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder, 1, 1);
	circuit(&s, &another, 2, 2);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), 0);
	assert_int_equal(say_establish_intro(&s, &another, 2, 1), 0);
	assert_int_equal(scene_count(&s).introductions, 2);
	drain(s.n);
	size_t len = destroy_build(&seeder.id, seeder.cid, PEEL_DESTROY_UNNEEDED, out);

	assert_int_equal(node_input(s.n, &seeder.addr, out, len), 0);
	relay_make(s.n, &another, nobody_pk, peel_addr_ipv4(192, 0, 2, 88, 1));
	scene_run(&s, 5500);
	assert_int_equal(scene_count(&s).introductions, 0);
	circuit(&s, &seeder, 1, 3); /* the key is free again */
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), 0);
	scene_close(&s);
}

static void
keep_alive(struct scene *s, const struct originator *o)
{
	touch(s->n, o);
	scene_run(s, 10000);
}

/* max_time_ip for an introduction point's circuit, max_time for others. */
static void
test_ages(void **state)
{
	struct originator seeder, plain;
	struct peel_or_settings settings;
	struct scene s;

	(void)state;
	peel_or_settings_init(&settings);
	settings.max_time = 100;
	settings.max_time_ip = 300;
	scene_open(&s, *home(), NULL, &settings, 64);
	circuit(&s, &seeder, 1, 1);
	circuit(&s, &plain, 2, 2);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), 0);
	for (int i = 0; i < 9; i++) {
		touch(s.n, &plain);
		keep_alive(&s, &seeder);
	}
	assert_int_equal(counts(s.n).exits, 2);
	for (int i = 0; i < 10; i++)
		keep_alive(&s, &seeder);
	assert_int_equal(counts(s.n).exits, 1);
	assert_int_equal(scene_count(&s).introductions, 1);
	for (int i = 0; i < 10; i++)
		keep_alive(&s, &seeder);
	scene_run(&s, 20000);
	assert_int_equal(counts(s.n).exits, 0);
	assert_int_equal(scene_count(&s).introductions, 0);
	scene_close(&s);
}

/* One that had to make room is an ordinary circuit again. */
static void
test_age_of_who_made_room(void **state)
{
	struct originator rich[3], poor;
	struct peel_or_settings settings;
	struct scene s;

	(void)state;
	peel_or_settings_init(&settings);
	settings.max_time = 100;
	settings.max_time_ip = 300;
	settings.max_joined_circuits = 6;
	scene_open(&s, *home(), NULL, &settings, 64);
	for (uint32_t i = 0; i < 3; i++)
		circuit(&s, &rich[i], 1, i + 1);
	circuit(&s, &poor, 2, 9);
	for (uint32_t key = 0; key < 6; key++)
		assert_int_equal(say_establish_intro(&s,
					 &rich[key == 0	   ? 0
						 : key < 5 ? 1
							   : 2],
					 key, 1),
			0);
	assert_int_equal(say_establish_intro(&s, &poor, 10, 1), 0);
	assert_int_equal(scene_count(&s).introductions, 6);
	for (int i = 0; i < 11; i++) {
		for (int k = 0; k < 3; k++)
			touch(s.n, &rich[k]);
		keep_alive(&s, &poor);
	}
	assert_int_equal(counts(s.n).exits, 3);
	assert_int_equal(scene_count(&s).introductions, 6);
	scene_close(&s);
}

static void
test_link(void **state)
{
	struct originator seeder, downloader;
	uint8_t msg[PEEL_DATAGRAM_MAX], text[300], out[PEEL_DATAGRAM_MAX];
	struct peel_msg_rendezvous_established established;
	struct packet got;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder, 1, 1);
	circuit(&s, &downloader, 2, 2);
	assert_int_equal(say_cookie(&s, &seeder, PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), 0);
	int len = scene_answer(&s, &seeder, msg);

	assert_int_equal(
		peel_rendezvous_established_parse(msg + 1, (size_t)len - 1, &established), 0);
	assert_int_equal(established.identifier, 9);
	assert_true(peel_addr_equal(&established.address, &s.here));
	assert_int_equal(say_cookie(&s, &downloader, PEEL_MSG_LINK_E2E, 2), -EBADMSG);
	assert_int_equal(say_cookie(&s, &seeder, PEEL_MSG_LINK_E2E, 1), -EBADMSG);
	assert_int_equal(say_cookie(&s, &downloader, PEEL_MSG_LINK_E2E, 1), 0);
	expect_id(&s, &downloader, PEEL_MSG_LINKED_E2E);
	expect_silence(&s);
	memset(text, 0x77, sizeof(text));
	size_t n = originator_seal(&seeder, text, sizeof(text), false, out);

	assert_int_equal(node_input(s.n, &seeder.addr, out, n), 0);
	assert_true(node_pop(s.n, &got));
	assert_int_equal(originator_open(&downloader, got.data, got.len, msg), sizeof(text));
	assert_memory_equal(msg, text, sizeof(text));
	/* The cookie has served. */
	assert_int_equal(scene_count(&s).rendezvous, 0);
	assert_int_equal(say_cookie(&s, &downloader, PEEL_MSG_LINK_E2E, 1), -EBADMSG);
	scene_close(&s);
}

/* Data has left through one of them. */
static void
test_no_link_after_data(void **state)
{
	struct originator seeder, downloader;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder, 1, 1);
	circuit(&s, &downloader, 2, 2);
	uint32_t session = scene_session(&s, &downloader);

	assert_int_equal(peel_or_exit_opened(s.n->circuits, session,
				 peel_session_generation(s.n->routes, session), 5),
		0);
	assert_int_equal(say_cookie(&s, &downloader, PEEL_MSG_ESTABLISH_RENDEZVOUS, 2), -EBADMSG);
	assert_int_equal(say_cookie(&s, &seeder, PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), 0);
	drain(s.n);
	assert_int_equal(say_cookie(&s, &downloader, PEEL_MSG_LINK_E2E, 1), -EBADMSG);
	expect_silence(&s);
	assert_int_equal(counts(s.n).rendezvous, 0);
	scene_close(&s);
}

static void
test_cookies_age(void **state)
{
	struct originator seeder;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder, 1, 1);
	assert_int_equal(say_cookie(&s, &seeder, PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), 0);
	for (int i = 0; i < 11; i++)
		keep_alive(&s, &seeder);
	assert_int_equal(scene_count(&s).rendezvous, 1);
	keep_alive(&s, &seeder);
	assert_int_equal(scene_count(&s).rendezvous, 0);
	scene_close(&s);
}

/* The answer was lost: the same circuit asks again and is answered again. */
static void
test_said_twice(void **state)
{
	struct originator seeder;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder, 1, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(say_establish_intro(&s, &seeder, 1, 1), 0);
		expect_id(&s, &seeder, PEEL_MSG_INTRO_ESTABLISHED);
		assert_int_equal(say_cookie(&s, &seeder, PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), 0);
		expect_id(&s, &seeder, PEEL_MSG_RENDEZVOUS_ESTABLISHED);
	}
	assert_int_equal(scene_count(&s).introductions, 1);
	assert_int_equal(scene_count(&s).rendezvous, 1);
	assert_int_equal(s.n_announced, 1);
	scene_close(&s);
}

static void
test_peers_by_datagram(void **state)
{
	struct peel_addr downloader = peel_addr_ipv4(203, 0, 113, 5, 40000);
	struct originator seeder[9];
	struct peel_msg_peers_response m;
	bool told[9] = {false};
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	for (uint32_t i = 0; i < 9; i++) {
		circuit(&s, &seeder[i], (uint8_t)(1 + i), 1 + i);
		assert_int_equal(say_establish_intro(&s, &seeder[i], i, i < 8 ? 1 : 2), 0);
	}
	assert_int_equal(say_peers_request(&s, &downloader, 3), -EBADMSG);
	assert_int_equal(s.n_sent, 0);
	assert_int_equal(say_peers_request(&s, &downloader, 2), 0);
	assert_int_equal(peel_peers_response_parse(s.sent.data + PEEL_HEADER_LEN,
				 s.sent.len - PEEL_HEADER_LEN, true, &m),
		0);
	assert_int_equal(m.n, 1);
	assert_int_equal(m.cid, 0x01020304);
	assert_int_equal(m.peer[0].source, PEEL_SOURCE_PEX);
	assert_true(peel_addr_equal(&m.peer[0].address, &s.here));
	/* Of eight, seven at a time, and not always the same. */
	for (int round = 0; round < 15; round++) {
		assert_int_equal(say_peers_request(&s, &downloader, 1), 0);
		assert_int_equal(peel_peers_response_parse(s.sent.data + PEEL_HEADER_LEN,
					 s.sent.len - PEEL_HEADER_LEN, true, &m),
			0);
		assert_int_equal(m.n, PEEL_PEERS_MAX);
		for (size_t i = 0; i < m.n; i++)
			told[peel_get_be32(m.peer[i].seeder_pk.p + 10)] = true;
	}
	for (int i = 0; i < 8; i++)
		assert_true(told[i]);
	scene_close(&s);
}

/* The DHT is told of a seeder as long as it is introduced here, also when it had no room at first.
 */
static void
test_announced_and_withdrawn(void **state)
{
	uint8_t hash[PEEL_INFO_HASH_LEN], key[PEEL_PK_LEN];
	struct originator seeder[2];
	struct scene s;

	(void)state;
	memset(hash, 0xaa, sizeof(hash));
	seeder_key(1, key);
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &seeder[0], 1, 1);
	circuit(&s, &seeder[1], 2, 2);
	assert_int_equal(say_establish_intro(&s, &seeder[0], 1, 0xaa), 0);
	assert_int_equal(s.n_announced, 1);
	assert_memory_equal(s.announced_hash, hash, sizeof(hash));
	assert_memory_equal(s.announced_seeder, key, sizeof(key));
	s.dht_result = -ENOSPC;
	assert_int_equal(say_establish_intro(&s, &seeder[1], 2, 0xaa), 0);
	assert_int_equal(scene_count(&s).announced, 1);
	s.dht_result = 0;
	world_now += 1000;
	peel_hidden_tick(s.h);
	assert_int_equal(s.n_announced, 2);
	assert_int_equal(scene_count(&s).announced, 2);
	peel_hidden_exit_gone(s.h, scene_session(&s, &seeder[0]));
	assert_int_equal(s.n_withdrawn, 1);
	peel_hidden_exit_gone(s.h, scene_session(&s, &seeder[1]));
	assert_int_equal(s.n_withdrawn, 2);
	assert_int_equal(scene_count(&s).announced, 0);
	world_now += 1000;
	peel_hidden_tick(s.h);
	assert_int_equal(s.n_announced, 2);
	scene_close(&s);
}

/* Values follow our address: with another one they are withdrawn and published anew; without one
 * they stay until there is one again. */
static void
test_announced_at_another_address(void **state)
{
	struct originator seeder[3];
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	for (uint32_t i = 0; i < 2; i++) {
		circuit(&s, &seeder[i], 1 + i, 1 + i);
		assert_int_equal(say_establish_intro(&s, &seeder[i], 1 + i, 0xaa), 0);
	}
	s.here.port = 0;
	world_now += 1000;
	peel_hidden_tick(s.h);
	assert_int_equal(s.n_withdrawn, 0);
	s.here = peel_addr_ipv4(192, 0, 2, 77, 7777); /* what scene_announce() expects, too */
	world_now += 1000;
	peel_hidden_tick(s.h);
	assert_int_equal(s.n_withdrawn, 2);
	assert_int_equal(s.n_announced, 4);
	assert_int_equal(scene_count(&s).announced, 2);
	/* A newcomer may be the first to tell. */
	s.here.port = 7778;
	circuit(&s, &seeder[2], 3, 3);
	assert_int_equal(say_establish_intro(&s, &seeder[2], 3, 0xaa), 0);
	assert_int_equal(s.n_withdrawn, 4);
	assert_int_equal(s.n_announced, 5);
	world_now += 1000;
	peel_hidden_tick(s.h);
	assert_int_equal(s.n_withdrawn, 4);
	assert_int_equal(s.n_announced, 7);
	scene_close(&s);
}

/* What this node does not know itself is looked up, and told if the circuit still is there. */
static void
test_look_up(void **state)
{
	struct peel_dht_introduction many[20] = {0};
	struct peel_msg_peers_response m;
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct originator downloader;
	struct scene s;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		many[i].address = peel_addr_ipv4(192, 0, 2, 1, (uint16_t)(1 + i));
		seeder_key(i, many[i].pk);
		seeder_key(100 + i, many[i].seeder_pk);
	}
	many[1].address.port = 0; /* nobody can be asked there */
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &downloader, 1, 1);
	assert_int_equal(say_peers_cell(&s, &downloader, 1), 0);
	expect_silence(&s);
	assert_int_equal(s.n_look_ups, 1);
	scene_found(&s, NULL, 0);
	assert_int_equal(scene_answer(&s, &downloader, msg), 24);
	assert_int_equal(msg[0], PEEL_MSG_PEERS_RESPONSE);
	assert_int_equal(say_peers_cell(&s, &downloader, 2), 0);
	scene_found(&s, many, 2);
	int len = scene_answer(&s, &downloader, msg);

	assert_int_equal(len, 24 + 162);
	assert_int_equal(peel_peers_response_parse(msg + 1, (size_t)len - 1, false, &m), 0);
	assert_int_equal(m.identifier, 9);
	assert_true(peel_addr_equal(&m.peer[0].address, &many[0].address));
	assert_memory_equal(m.peer[0].pk.p, many[0].pk, PEEL_PK_LEN);
	assert_memory_equal(m.peer[0].seeder_pk.p, many[0].seeder_pk, PEEL_PK_LEN);
	assert_int_equal(m.peer[0].source, PEEL_SOURCE_DHT);
	assert_int_equal(say_peers_cell(&s, &downloader, 3), 0);
	scene_found(&s, many, 20);
	assert_int_equal(scene_answer(&s, &downloader, msg), 24 + 7 * 162);
	assert_int_equal(say_peers_cell(&s, &downloader, 4), 0);
	scene_run(&s, 8500);
	expect_silence(&s);
	scene_run(&s, 1000);
	assert_int_equal(scene_answer(&s, &downloader, msg), 24); /* nothing in nine seconds */
	scene_found(&s, many, 20);
	expect_silence(&s);
	scene_close(&s);
}

/* Who asks meanwhile waits for the same look-up, and who asks soon after gets the same answer. */
static void
test_look_up_once_for_all(void **state)
{
	struct peel_dht_introduction one = {.address = peel_addr_ipv4(192, 0, 2, 1, 1)};
	struct originator downloader[10];
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct scene s;

	(void)state;
	seeder_key(1, one.pk);
	seeder_key(2, one.seeder_pk);
	scene_open(&s, *home(), NULL, NULL, 64);
	for (uint8_t i = 0; i < 10; i++)
		circuit(&s, &downloader[i], (uint8_t)(1 + i), 1 + i);
	drain(s.n);
	for (int turn = 0; turn < 2; turn++) {
		for (int i = 0; i < 10; i++)
			assert_int_equal(say_peers_cell(&s, &downloader[i], 1), 0);
	}
	assert_int_equal(s.n_look_ups, 1);
	assert_int_equal(scene_count(&s).searches, 1);
	scene_found(&s, &one, 1);
	assert_int_equal(s.n->n_sent, 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(scene_answer(&s, &downloader[i], msg), 24 + 162);
	assert_int_equal(say_peers_cell(&s, &downloader[9], 1), 0);
	assert_int_equal(scene_answer(&s, &downloader[9], msg), 24 + 162);
	assert_int_equal(s.n_look_ups, 1);
	/* Later it may have changed; a failure then is no answer, and the next one tries again. */
	world_now += 30000;
	s.dht_result = -EHOSTUNREACH;
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(say_peers_cell(&s, &downloader[i], 1), 0);
		assert_int_equal(s.n_look_ups, 2 + i);
	}
	s.dht_result = 0;
	assert_int_equal(say_peers_cell(&s, &downloader[0], 1), 0);
	expect_silence(&s);
	scene_found(&s, NULL, 0);
	assert_int_equal(scene_answer(&s, &downloader[0], msg), 24);
	scene_close(&s);
}

static void
test_not_for_us(void **state)
{
	struct peel_addr from = peel_addr_ipv4(203, 0, 113, 5, 40000);
	uint8_t d[64] = {0}, msg[4] = {PEEL_MSG_HTTP_REQUEST};
	struct originator o;
	struct scene s;

	(void)state;
	scene_open(&s, *home(), NULL, NULL, 64);
	circuit(&s, &o, 1, 1);
	assert_int_equal(peel_hidden_datagram(s.h, &from, d, sizeof(d)), -ENOENT);
	memcpy(d, world_prefix, PEEL_PREFIX_LEN);
	for (unsigned int id = 0; id < 256; id++) {
		if (id == PEEL_MSG_CREATE_E2E || id == PEEL_MSG_PEERS_REQUEST ||
			id == PEEL_MSG_PEERS_RESPONSE)
			continue;
		d[PEEL_PREFIX_LEN] = (uint8_t)id;
		assert_int_equal(peel_hidden_datagram(s.h, &from, d, sizeof(d)), -ENOENT);
	}
	assert_int_equal(peel_hidden_datagram(s.h, &from, d, 22), -ENOENT);
	assert_int_equal(scene_message(&s, &o, msg, 4), -ENOENT);
	assert_int_equal(scene_message(&s, &o, msg, 0), -ENOENT);
	scene_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_e2e_reaches_the_seeder),
		cmocka_unit_test(test_without_public_address),
		cmocka_unit_test(test_introduction_while_draining),
		cmocka_unit_test(test_introduction_ends),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_age_of_who_made_room),
		cmocka_unit_test(test_link),
		cmocka_unit_test(test_no_link_after_data),
		cmocka_unit_test(test_cookies_age),
		cmocka_unit_test(test_said_twice),
		cmocka_unit_test(test_peers_by_datagram),
		cmocka_unit_test(test_announced_and_withdrawn),
		cmocka_unit_test(test_announced_at_another_address),
		cmocka_unit_test(test_look_up),
		cmocka_unit_test(test_look_up_once_for_all),
		cmocka_unit_test(test_not_for_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
