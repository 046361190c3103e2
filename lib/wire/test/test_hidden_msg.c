/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Messages of hidden services: parsed, checked against the fields, and rebuilt byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "peel_hidden_msg.h"

/* Parse message `id` and build it again; -EBADMSG when refused, -ENOTSUP when it is none of
 * ours. */
static int
rebuild(struct peel_span message, bool datagram, uint8_t *out, size_t size)
{
	uint8_t id = message.p[0];
	const uint8_t *body = message.p + 1;
	size_t len = message.len - 1;
	union {
		struct peel_msg_establish_intro establish_intro;
		struct peel_msg_cookie cookie;
		struct peel_msg_rendezvous_established established;
		struct peel_msg_create_e2e create_e2e;
		struct peel_msg_created created_e2e;
		struct peel_msg_peers_request request;
		struct peel_msg_peers_response response;
	} m;
	int ret;

	switch (id) {
	case PEEL_MSG_ESTABLISH_INTRO:
		ret = peel_establish_intro_parse(body, len, &m.establish_intro);
		return ret != 0 ? ret : peel_establish_intro_build(out, size, &m.establish_intro);
	case PEEL_MSG_ESTABLISH_RENDEZVOUS:
	case PEEL_MSG_LINK_E2E:
		ret = peel_cookie_parse(body, len, &m.cookie);
		return ret != 0 ? ret : peel_cookie_build(out, size, id, &m.cookie);
	case PEEL_MSG_RENDEZVOUS_ESTABLISHED:
		ret = peel_rendezvous_established_parse(body, len, &m.established);
		return ret != 0 ? ret
				: peel_rendezvous_established_build(out, size, &m.established);
	case PEEL_MSG_CREATE_E2E:
		ret = peel_create_e2e_parse(body, len, &m.create_e2e);
		return ret != 0 ? ret : peel_create_e2e_build(out, size, &m.create_e2e);
	case PEEL_MSG_CREATED_E2E:
		ret = peel_created_parse(body, len, &m.created_e2e);
		return ret != 0 ? ret : peel_created_build(out, size, id, &m.created_e2e);
	case PEEL_MSG_PEERS_REQUEST:
		ret = peel_peers_request_parse(body, len, datagram, &m.request);
		return ret != 0 ? ret : peel_peers_request_build(out, size, datagram, &m.request);
	case PEEL_MSG_PEERS_RESPONSE:
		ret = peel_peers_response_parse(body, len, datagram, &m.response);
		return ret != 0 ? ret : peel_peers_response_build(out, size, datagram, &m.response);
	default:
		return -ENOTSUP;
	}
}

static void
check_message(const char *id, struct peel_span message, bool datagram, size_t *n)
{
	uint8_t out[4096];
	int len = rebuild(message, datagram, out, sizeof(out));
	/* All but the field that takes what is left. */
	size_t fixed = message.p[0] == PEEL_MSG_CREATED_E2E ? 69 : message.len;

	if (len == -ENOTSUP)
		return;
	if (len < 0)
		fail_msg("%s refused", id);
	expect_bytes(id, out, (size_t)len, message.p, message.len);
	for (size_t size = 0; size < message.len; size++)
		assert_int_equal(rebuild(message, datagram, out, size), -ENOSPC);
	for (size_t cut = 1; cut < fixed; cut++) {
		uint8_t *exact = malloc(cut);

		assert_non_null(exact);
		memcpy(exact, message.p, cut);
		assert_int_equal(
			rebuild((struct peel_span){exact, cut}, datagram, out, sizeof(out)),
			-EBADMSG);
		free(exact);
	}
	(*n)++;
}

static void
check_datagram(const char *id, struct peel_span d, size_t *n)
{
	if (d.len > PEEL_PREFIX_LEN)
		check_message(id,
			(struct peel_span){d.p + PEEL_PREFIX_LEN, d.len - PEEL_PREFIX_LEN}, true,
			n);
}

static void
test_messages(void **state)
{
	json_t *file = peel_vectors_load("messages"), *v;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};

		if (peel_vec_find(v, "cell_message") != NULL)
			check_message(peel_vec_id(v), field_span(&a, v, "cell_message"), false, &n);
		if (peel_vec_find(v, "datagram") != NULL)
			check_datagram(peel_vec_id(v), field_span(&a, v, "datagram"), &n);
		arena_free(&a);
	}
	assert_int_equal(n, 17);
	json_decref(file);
}

/* Messages that the nodes of a recorded session exchanged, in cells and as datagrams. */
static void
test_recorded_session(void **state)
{
	json_t *file = peel_vectors_load("flow_hidden"), *v;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		struct peel_span packet = field_span(&a, v, "packet");
		struct peel_msg_data data;

		if (peel_vec_find(v, "decrypted_message") == NULL) {
			check_datagram("packet", packet, &n);
			arena_free(&a);
			continue;
		}
		struct peel_span m = field_span(&a, v, "decrypted_message");

		check_message("message", m, false, &n);
		if (m.p[0] == PEEL_MSG_DATA) {
			assert_int_equal(peel_data_parse(m.p + 1, m.len - 1, &data), 0);
			if (data.payload.len > PEEL_PREFIX_LEN &&
				memcmp(data.payload.p, packet.p, PEEL_PREFIX_LEN) == 0)
				check_datagram("data", data.payload, &n);
		}
		arena_free(&a);
	}
	assert_int_equal(n, 16);
	json_decref(file);
}

static void
check_peer(const struct peel_introduction *got, const json_t *want)
{
	struct arena a = {0};
	struct peel_addr address = field_addr(want, "address");
	struct peel_span pk = field_span(&a, want, "key");
	struct peel_span seeder_pk = field_span(&a, want, "seeder_pk");

	assert_true(peel_addr_equal(&got->address, &address));
	expect_bytes("key", got->pk.p, got->pk.len, pk.p, pk.len);
	expect_bytes("seeder", got->seeder_pk.p, got->seeder_pk.len, seeder_pk.p, seeder_pk.len);
	assert_int_equal(got->source, peel_vec_int(want, "source"));
	arena_free(&a);
}

static void
test_fields(void **state)
{
	json_t *file = peel_vectors_load("messages");
	struct arena a = {0};
	struct peel_msg_establish_intro intro;
	struct peel_msg_rendezvous_established established;
	struct peel_msg_create_e2e create;
	struct peel_msg_peers_response response;
	const json_t *v = peel_vectors_find(file, "establish-intro");
	struct peel_span m = field_span(&a, v, "cell_message");

	(void)state;
	assert_int_equal(peel_establish_intro_parse(m.p + 1, m.len - 1, &intro), 0);
	assert_int_equal(intro.identifier, peel_vec_int(v, "fields.identifier"));
	struct peel_span hash = field_span(&a, v, "fields.info_hash");
	struct peel_span pk = field_span(&a, v, "fields.public_key");
	expect_bytes("hash", intro.info_hash, PEEL_INFO_HASH_LEN, hash.p, hash.len);
	expect_bytes("pk", intro.seeder_pk.p, intro.seeder_pk.len, pk.p, pk.len);

	v = peel_vectors_find(file, "rendezvous-established-v6");
	m = field_span(&a, v, "cell_message");
	assert_int_equal(peel_rendezvous_established_parse(m.p + 1, m.len - 1, &established), 0);
	struct peel_addr want = field_addr(v, "fields.rendezvous_point_address");
	assert_true(peel_addr_equal(&established.address, &want));

	v = peel_vectors_find(file, "create-e2e");
	m = field_span(&a, v, "datagram");
	assert_int_equal(
		peel_create_e2e_parse(m.p + PEEL_HEADER_LEN, m.len - PEEL_HEADER_LEN, &create), 0);
	struct peel_span x = field_span(&a, v, "fields.key");
	expect_bytes("x", create.x.p, create.x.len, x.p, x.len);

	v = peel_vectors_find(file, "peers-response-7");
	m = field_span(&a, v, "datagram");
	assert_int_equal(peel_peers_response_parse(
				 m.p + PEEL_HEADER_LEN, m.len - PEEL_HEADER_LEN, true, &response),
		0);
	assert_int_equal(response.cid, peel_vec_int(v, "fields.circuit_id"));
	assert_int_equal(response.n, PEEL_PEERS_MAX);
	for (size_t i = 0; i < response.n; i++)
		check_peer(&response.peer[i], json_array_get(peel_vec_get(v, "fields.peers"), i));
	arena_free(&a);
	json_decref(file);
}

static void
test_rendezvous_info(void **state)
{
	json_t *file = peel_vectors_load("e2e_handshake"), *v;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		struct peel_rendezvous_info info;
		struct peel_span plain = field_span(&a, v, "rp_info_plain");
		struct peel_addr address = field_addr(v, "rendezvous_info.address");
		struct peel_span cookie = field_span(&a, v, "rendezvous_info.cookie");
		uint8_t out[256];

		assert_int_equal(peel_rendezvous_info_parse(plain.p, plain.len, &info), 0);
		assert_true(peel_addr_equal(&info.address, &address));
		expect_bytes("cookie", info.cookie, PEEL_COOKIE_LEN, cookie.p, cookie.len);
		expect_bytes("info", out,
			(size_t)peel_rendezvous_info_build(out, sizeof(out), &info), plain.p,
			plain.len);
		for (size_t cut = 0; cut < plain.len; cut++) {
			assert_int_equal(peel_rendezvous_info_parse(plain.p, cut, &info), -EBADMSG);
		}
		arena_free(&a);
		n++;
	}
	assert_true(n > 0);
	json_decref(file);
}

/* More peers than anybody may tell, and an inner length that does not fit what is inside. */
static void
test_odd_responses(void **state)
{
	static const uint8_t hash[PEEL_INFO_HASH_LEN];
	struct peel_msg_peers_response m = {.info_hash = hash, .n = 1}, got;
	uint8_t out[512];

	(void)state;
	m.peer[0].address = peel_addr_ipv4(192, 0, 2, 1, 1);
	int len = peel_peers_response_build(out, sizeof(out), false, &m);

	assert_int_equal(len, 1 + 2 + 20 + 1 + 2 + 12);
	out[23] = 20;
	for (int i = 1; i < 20; i++)
		memcpy(out + len + (i - 1) * 14, out + 24, 14);
	size_t all = (size_t)len + 19 * 14;

	assert_int_equal(peel_peers_response_parse(out + 1, all - 1, false, &got), 0);
	assert_int_equal(got.n, PEEL_PEERS_MAX);
	assert_int_equal(peel_peers_response_parse(out + 1, all - 2, false, &got), -EBADMSG);
	out[23] = 1;
	for (int wrong = -1; wrong <= 1; wrong += 2) {
		out[25] = (uint8_t)(12 + wrong);
		assert_int_equal(
			peel_peers_response_parse(out + 1, all - 1, false, &got), -EBADMSG);
	}
}

static void
test_wrong_keys(void **state)
{
	json_t *file = peel_vectors_load("messages");
	struct arena a = {0};
	uint8_t out[512];
	struct peel_span m =
		field_span(&a, peel_vectors_find(file, "establish-intro"), "cell_message");
	uint8_t *bytes = (uint8_t *)(uintptr_t)m.p;

	(void)state;
	assert_true(rebuild(m, false, out, sizeof(out)) > 0);
	bytes[25] ^= 1; /* magic of the key */
	assert_int_equal(rebuild(m, false, out, sizeof(out)), -EBADMSG);
	bytes[25] ^= 1;
	bytes[24]--; /* its length */
	assert_int_equal(rebuild(m, false, out, sizeof(out)), -EBADMSG);
	arena_free(&a);
	json_decref(file);
}

static void
check_keys(struct peel_span extra, const json_t *want)
{
	struct peel_pex_keys keys;
	uint8_t out[1024];
	size_t n = json_array_size(want);

	assert_int_equal(peel_pex_keys_parse(extra.p, extra.len, &keys), 0);
	assert_int_equal(keys.n, n < PEEL_PEX_KEYS_MAX ? n : PEEL_PEX_KEYS_MAX);
	for (size_t i = 0; i < keys.n; i++) {
		struct arena a = {0};
		struct peel_span key = text_span(&a, json_string_value(json_array_get(want, i)));

		expect_bytes("key", keys.key[i].p, keys.key[i].len, key.p, key.len);
		arena_free(&a);
	}
	expect_bytes("extra", out, (size_t)peel_pex_keys_build(out, sizeof(out), &keys), extra.p,
		extra.len);
	assert_int_equal(peel_pex_keys_build(out, extra.len - 1, &keys), -ENOSPC);
	for (size_t cut = 1; cut < extra.len; cut++)
		assert_int_equal(peel_pex_keys_parse(extra.p, cut, &keys), -EBADMSG);
}

static void
test_pex(void **state)
{
	json_t *file = peel_vectors_load("pex"), *v;
	uint8_t ones[PEEL_INFO_HASH_LEN], community[PEEL_COMMUNITY_LEN];
	struct peel_pex_keys keys;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};

		if (peel_vec_find(v, "extra_bytes") != NULL) {
			check_keys(field_span(&a, v, "extra_bytes"), peel_vec_get(v, "seeder_pks"));
			n++;
		}
		if (peel_vec_find(v, "community_id") != NULL) {
			struct peel_span hash = field_span(&a, v, "info_hash");
			struct peel_span want = field_span(&a, v, "community_id");

			assert_true(peel_pex_community(hash.p, community));
			expect_bytes("community", community, sizeof(community), want.p, want.len);
			n++;
		}
		arena_free(&a);
	}
	assert_true(n >= 5);
	assert_int_equal(peel_pex_keys_parse(NULL, 0, &keys), 0);
	assert_int_equal(keys.n, 0);
	memset(ones, 0xff, sizeof(ones));
	assert_false(peel_pex_community(ones, community));
	ones[0] = 0x12;
	assert_true(peel_pex_community(ones, community));
	assert_int_equal(community[0], 0x13);
	assert_int_equal(community[19], 0);
	json_decref(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_recorded_session),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_rendezvous_info),
		cmocka_unit_test(test_odd_responses),
		cmocka_unit_test(test_wrong_keys),
		cmocka_unit_test(test_pex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
