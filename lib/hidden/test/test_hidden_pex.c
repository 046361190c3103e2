/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Introduction points with their PEX overlays. */
#include <malloc.h>

#include "scene.h"

static void
circuit(struct scene *s, struct originator *o, uint32_t number)
{
	originator_init(o,
		peel_addr_ipv4(198, 51, (uint8_t)(number / 200), (uint8_t)(1 + number % 200), 8090),
		1000 + number);
	drain(s->n);
	exit_make(s->n, o, 1 + number);
}

static void
open_scene(struct scene *s)
{
	scene_open(s, peel_addr_ipv4(192, 0, 2, 11, 8090), NULL, NULL, 64);
}

/* From the first key to the last, however it ends. */
static void
test_first_and_last_key(void **state)
{
	uint8_t hash[PEEL_INFO_HASH_LEN], pk[PEEL_PK_LEN];
	struct peel_pex_keys keys;
	struct originator o[2];
	struct scene s;

	(void)state;
	open_scene(&s);
	circuit(&s, &o[0], 0);
	circuit(&s, &o[1], 1);
	memset(hash, 7, sizeof(hash));
	assert_int_equal(say_establish_intro(&s, &o[0], 1, 7), 0);
	assert_int_equal(say_establish_intro(&s, &o[1], 2, 7), 0);
	assert_int_equal(say_establish_intro(&s, &o[1], 3, 8), 0);
	assert_int_equal(scene_pex_overlays(&s), 2);
	peel_hidden_keys(s.h, hash, &keys);
	assert_int_equal(keys.n, 2);
	peel_hidden_exit_gone(s.h, scene_session(&s, &o[1]));
	assert_int_equal(scene_pex_overlays(&s), 1);
	peel_hidden_keys(s.h, hash, &keys);
	assert_int_equal(keys.n, 1);
	seeder_key(1, pk);
	assert_memory_equal(keys.key[0].p, pk, PEEL_PK_LEN);
	peel_hidden_exit_gone(s.h, scene_session(&s, &o[0]));
	assert_int_equal(scene_pex_overlays(&s), 0);
	/* It starts anew. */
	assert_int_equal(say_establish_intro(&s, &o[0], 1, 7), 0);
	assert_int_equal(scene_pex_overlays(&s), 1);
	scene_close(&s);
}

/* There is no overlay for a hash that is all ones, and one of our own is nobody's. */
static void
test_impossible_hashes(void **state)
{
	uint8_t hash[PEEL_INFO_HASH_LEN];
	struct originator o;
	struct scene s;

	(void)state;
	open_scene(&s);
	circuit(&s, &o, 0);
	assert_int_equal(say_establish_intro(&s, &o, 1, 0xff), -EBADMSG);
	memset(hash, 0xc0, sizeof(hash));
	hash[sizeof(hash) - 1]--;
	assert_int_equal(say_establish_intro_hash(&s, &o, 1, hash), -EBADMSG);
	assert_int_equal(scene_count(&s).introductions, 0);
	assert_int_equal(scene_pex_overlays(&s), 0);
	assert_int_equal(s.n_announced, 0);
	/* The circuit may still do something sensible. */
	assert_int_equal(say_establish_intro(&s, &o, 1, 7), 0);
	scene_close(&s);
}

/* The bootstrap server answers the overlay's question, and introduces seeders 100 to 109. */
static void
puppet_answers(struct scene *s, const struct peel_identity *puppet)
{
	static uint8_t pk[PEEL_PEX_KEYS_MAX][PEEL_PK_LEN];
	uint8_t out[1280], extra[1024];
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	struct peel_pex_keys keys = {.n = PEEL_PEX_KEYS_MAX};
	struct peel_intro_request request;
	struct peel_signed signed_request;
	const struct peel_addr from = scene_puppet();

	assert_int_equal(
		peel_signed_parse(s->told.data, s->told.len, true, false, &signed_request), 0);
	assert_int_equal(peel_intro_request_parse(signed_request.body, false, &request), 0);
	for (uint32_t i = 0; i < keys.n; i++) {
		seeder_key(100 + i, pk[i]);
		keys.key[i] = (struct peel_span){pk[i], PEEL_PK_LEN};
	}
	int len = peel_pex_keys_build(extra, sizeof(extra), &keys);
	const struct peel_intro_response m = {
		.dest = s->here,
		.identifier = request.identifier,
		.extra = {extra, (size_t)len},
	};

	peel_signed_begin(&w, s->told.data, PEEL_MSG_INTRO_RESPONSE, puppet->pk, true, 1);
	peel_intro_response_write(&w, false, &m);
	peel_sign(&w, puppet);
	assert_int_equal(peel_pex_input(s->pex, &from, out, (size_t)peel_writer_len(&w)), 0);
}

/* Seven of what it knows and of what it is itself, all with source 2; by datagram and by cell. */
static void
test_answers_with_the_list(void **state)
{
	unsigned int told[11] = {0};
	struct peel_msg_peers_response m;
	struct peel_identity puppet;
	struct originator seeder;
	uint8_t pk[PEEL_PK_LEN];
	struct scene s;

	(void)state;
	open_scene(&s);
	assert_int_equal(peel_identity_generate(&s.n->env, &puppet), 0);
	circuit(&s, &seeder, 0);
	assert_int_equal(say_establish_intro(&s, &seeder, 1, 7), 0);
	peel_pex_tick(s.pex);
	puppet_answers(&s, &puppet);
	for (uint8_t i = 0; i < 60; i++) {
		const struct peel_addr from = peel_addr_ipv4(203, 0, i, 5, 40000),
				       at = scene_puppet();

		assert_int_equal(say_peers_request(&s, &from, 7), 0);
		assert_int_equal(peel_peers_response_parse(s.sent.data + PEEL_HEADER_LEN,
					 s.sent.len - PEEL_HEADER_LEN, true, &m),
			0);
		assert_int_equal(m.n, PEEL_PEERS_MAX);
		for (size_t k = 0; k < m.n; k++) {
			uint32_t number = peel_get_be32(m.peer[k].seeder_pk.p + 10);
			const struct peel_addr *where = number == 1 ? &s.here : &at;

			assert_int_equal(m.peer[k].source, PEEL_SOURCE_PEX);
			assert_true(peel_addr_equal(&m.peer[k].address, where));
			assert_memory_equal(
				m.peer[k].pk.p, number == 1 ? s.n->id.pk : puppet.pk, PEEL_PK_LEN);
			seeder_key(number, pk);
			assert_memory_equal(m.peer[k].seeder_pk.p, pk, PEEL_PK_LEN);
			told[number == 1 ? 10 : number - 100]++;
		}
	}
	for (size_t i = 0; i < 11; i++)
		assert_in_range(told[i], 20, 60); /* 38 on average */
	/* They are not known under another hash, nor when the seeder is gone. */
	const struct peel_addr from = peel_addr_ipv4(203, 1, 0, 5, 40000);

	assert_int_equal(say_peers_request(&s, &from, 8), -EBADMSG);
	peel_hidden_exit_gone(s.h, scene_session(&s, &seeder));
	assert_int_equal(say_peers_request(&s, &from, 7), -EBADMSG);
	scene_close(&s);
}

static size_t
memory(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Everything that an idle introduction point takes here, its share of the tables included. */
static void
test_memory(void **state)
{
	static struct originator o[PEEL_HIDDEN_INTRODUCTIONS_MAX / 4];
	struct peel_or_settings settings;
	struct scene s;

	(void)state;
	if (memory() == 0) /* a sanitizer's allocator */
		skip();
	peel_or_settings_init(&settings);
	settings.max_joined_circuits = PEEL_HIDDEN_INTRODUCTIONS_MAX;
	settings.create_rate = settings.create_rate_per_source = 0;
	scene_open(&s, peel_addr_ipv4(192, 0, 2, 11, 8090), NULL, &settings, 2048);
	for (uint32_t i = 0; i < PEEL_ARRAY_LEN(o); i++)
		circuit(&s, &o[i], i);
	peel_hidden_free(s.h);
	peel_pex_free(s.pex);
	size_t before = memory();

	scene_serve(&s, &settings);
	for (uint32_t i = 0; i < PEEL_HIDDEN_INTRODUCTIONS_MAX; i++) {
		uint8_t hash[PEEL_INFO_HASH_LEN] = {7};

		peel_put_be32(hash + 1, i);
		assert_int_equal(say_establish_intro_hash(&s, &o[i / 4], i, hash), 0);
	}
	assert_int_equal(scene_count(&s).introductions, PEEL_HIDDEN_INTRODUCTIONS_MAX);
	assert_int_equal(scene_pex_overlays(&s), PEEL_HIDDEN_INTRODUCTIONS_MAX);
	size_t each = (memory() - before) / PEEL_HIDDEN_INTRODUCTIONS_MAX;

	print_message("%zu bytes for each introduction point and its PEX overlay\n", each);
	assert_in_range(each, 200, 2048);
	scene_close(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_and_last_key),
		cmocka_unit_test(test_impossible_hashes),
		cmocka_unit_test(test_answers_with_the_list),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
