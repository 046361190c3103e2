/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Cells and the messages inside them: parsed, checked against the fields, and rebuilt byte by
 * byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "peel_cell.h"

/* Parse message `id` and build it again; -EBADMSG when refused, -ENOTSUP when it is none of
 * ours. */
static int
rebuild(struct peel_span message, uint8_t *out, size_t size)
{
	uint8_t id = message.p[0];
	const uint8_t *body = message.p + 1;
	size_t len = message.len - 1;
	union {
		struct peel_msg_create create;
		struct peel_msg_created created;
		struct peel_msg_extend extend;
		struct peel_msg_data data;
		struct peel_msg_test test;
		uint16_t identifier;
	} m;
	int ret;

	switch (id) {
	case PEEL_MSG_DATA:
		ret = peel_data_parse(body, len, &m.data);
		return ret != 0 ? ret : peel_data_build(out, size, &m.data);
	case PEEL_MSG_CREATE:
		ret = peel_create_parse(body, len, &m.create);
		return ret != 0 ? ret : peel_create_build(out, size, &m.create);
	case PEEL_MSG_CREATED:
	case PEEL_MSG_EXTENDED:
		ret = peel_created_parse(body, len, &m.created);
		return ret != 0 ? ret : peel_created_build(out, size, id, &m.created);
	case PEEL_MSG_EXTEND:
		ret = peel_extend_parse(body, len, &m.extend);
		return ret != 0 ? ret : peel_extend_build(out, size, &m.extend);
	case PEEL_MSG_PING:
	case PEEL_MSG_PONG:
	case PEEL_MSG_INTRO_ESTABLISHED:
	case PEEL_MSG_LINKED_E2E:
		ret = peel_identifier_parse(body, len, &m.identifier);
		return ret != 0 ? ret : peel_identifier_build(out, size, id, m.identifier);
	case PEEL_MSG_TEST_REQUEST:
	case PEEL_MSG_TEST_RESPONSE:
	case PEEL_MSG_TEST_REQUEST_RUST:
	case PEEL_MSG_TEST_RESPONSE_RUST:
		ret = peel_test_parse(id, body, len, &m.test);
		return ret != 0 ? ret : peel_test_build(out, size, id, &m.test);
	default:
		return -ENOTSUP;
	}
}

/* Bytes that must be there: everything but the field that takes what is left. */
static size_t
fixed_len(struct peel_span message)
{
	switch (message.p[0]) {
	case PEEL_MSG_CREATED:
	case PEEL_MSG_EXTENDED:
		return 69;
	case PEEL_MSG_TEST_REQUEST:
		return 5;
	case PEEL_MSG_TEST_RESPONSE:
		return 3;
	case PEEL_MSG_TEST_REQUEST_RUST:
		return 7;
	case PEEL_MSG_TEST_RESPONSE_RUST:
		return 5;
	default:
		return message.len;
	}
}

static int
rebuild_exact(struct peel_span message, size_t len, uint8_t *out, size_t size)
{
	uint8_t *exact = malloc(len);
	int ret;

	assert_non_null(exact);
	memcpy(exact, message.p, len);
	ret = rebuild((struct peel_span){exact, len}, out, size);
	free(exact);
	return ret;
}

static void
check_message(const char *id, struct peel_span message, size_t *n)
{
	uint8_t out[4096];
	int len = rebuild(message, out, sizeof(out));

	if (len == -ENOTSUP)
		return;
	if (len < 0)
		fail_msg("%s refused", id);
	expect_bytes(id, out, (size_t)len, message.p, message.len);
	for (size_t size = 0; size < message.len; size++)
		assert_int_equal(rebuild(message, out, size), -ENOSPC);
	if (message.p[0] != PEEL_MSG_DATA) {
		for (size_t cut = 1; cut < fixed_len(message); cut++)
			assert_int_equal(rebuild_exact(message, cut, out, sizeof(out)), -EBADMSG);
	}
	(*n)++;
}

static void
test_messages(void **state)
{
	static const char *const names[] = {"messages", "extras"};
	size_t n = 0;

	(void)state;
	for (size_t k = 0; k < PEEL_ARRAY_LEN(names); k++) {
		json_t *file = peel_vectors_load(names[k]), *v;
		size_t i;

		peel_vectors_foreach (file, i, v) {
			struct arena a = {0};

			if (peel_vec_find(v, "cell_message") != NULL)
				check_message(
					peel_vec_id(v), field_span(&a, v, "cell_message"), &n);
			arena_free(&a);
		}
		json_decref(file);
	}
	assert_int_equal(n, 15);
}

static void
test_message_fields(void **state)
{
	json_t *file = peel_vectors_load("messages");
	struct arena a = {0};
	struct peel_msg_create create;
	struct peel_msg_created created;
	struct peel_msg_extend extend;
	struct peel_msg_test test;
	const json_t *v;
	struct peel_span m;

	(void)state;
	v = peel_vectors_find(file, "create");
	m = field_span(&a, v, "cell_message");
	assert_int_equal(peel_create_parse(m.p + 1, m.len - 1, &create), 0);
	assert_int_equal(create.identifier, peel_vec_int(v, "fields.identifier"));
	struct peel_span pk = field_span(&a, v, "fields.node_public_key");
	struct peel_span x = field_span(&a, v, "fields.key");
	expect_bytes("create pk", create.pk.p, create.pk.len, pk.p, pk.len);
	expect_bytes("create x", create.x.p, create.x.len, x.p, x.len);

	v = peel_vectors_find(file, "created");
	m = field_span(&a, v, "cell_message");
	assert_int_equal(peel_created_parse(m.p + 1, m.len - 1, &created), 0);
	struct peel_span auth = field_span(&a, v, "fields.auth");
	struct peel_span list = field_span(&a, v, "fields.candidates_enc");
	expect_bytes("created y", created.y.p, created.y.len, x.p, x.len);
	expect_bytes("created auth", created.auth.p, created.auth.len, auth.p, auth.len);
	expect_bytes(
		"list", created.candidates_enc.p, created.candidates_enc.len, list.p, list.len);

	v = peel_vectors_find(file, "extend-v6");
	m = field_span(&a, v, "cell_message");
	assert_int_equal(peel_extend_parse(m.p + 1, m.len - 1, &extend), 0);
	struct peel_addr want = field_addr(v, "fields.node_address");
	assert_true(peel_addr_equal(&extend.address, &want));
	v = peel_vectors_find(file, "extend-none");
	m = field_span(&a, v, "cell_message");
	assert_int_equal(peel_extend_parse(m.p + 1, m.len - 1, &extend), 0);
	assert_true(peel_addr_is_none(&extend.address));

	v = peel_vectors_find(file, "test-request");
	m = field_span(&a, v, "cell_message");
	assert_int_equal(peel_test_parse(19, m.p + 1, m.len - 1, &test), 0);
	assert_int_equal(test.response_size, peel_vec_int(v, "fields.response_size"));
	assert_int_equal(test.identifier, peel_vec_int(v, "fields.identifier"));
	arena_free(&a);
	json_decref(file);
}

/* Inside cells bytes behind the last field are ignored. */
static void
test_trailing_bytes(void **state)
{
	static const char *const ids[] = {"create", "extend-v4", "ping", "pong"};
	json_t *file = peel_vectors_load("messages");

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(ids); i++) {
		struct arena a = {0};
		struct peel_span m =
			field_span(&a, peel_vectors_find(file, ids[i]), "cell_message");
		uint8_t longer[512] = {0}, out[512];

		memcpy(longer, m.p, m.len);
		expect_bytes(ids[i], out,
			(size_t)rebuild((struct peel_span){longer, m.len + 2}, out, sizeof(out)),
			m.p, m.len);
		arena_free(&a);
	}
	json_decref(file);
}

static void
test_wrong_keys_and_points(void **state)
{
	static const char *const ids[] = {"create", "extend-v4"};
	json_t *file = peel_vectors_load("messages");
	uint8_t out[512];

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(ids); i++) {
		struct arena a = {0};
		struct peel_span m =
			field_span(&a, peel_vectors_find(file, ids[i]), "cell_message");
		uint8_t *bytes = (uint8_t *)(uintptr_t)m.p;

		assert_true(rebuild(m, out, sizeof(out)) > 0);
		bytes[5] ^= 1; /* magic of the key */
		assert_int_equal(rebuild(m, out, sizeof(out)), -EBADMSG);
		bytes[5] ^= 1;
		bytes[80]--; /* length of X */
		assert_int_equal(rebuild(m, out, sizeof(out)), -EBADMSG);
		bytes[80] += 2;
		assert_int_equal(rebuild(m, out, sizeof(out)), -EBADMSG);
		bytes[80]--;
		bytes[3] = 0xff; /* length of the key */
		assert_int_equal(rebuild(m, out, sizeof(out)), -EBADMSG);
		arena_free(&a);
	}
	json_decref(file);
}

static void
expect_host(const char *id, const struct peel_host *got, const char *text)
{
	struct peel_host want = text_host(text);

	assert_int_equal(got->type, want.type);
	assert_true(peel_addr_equal(&got->addr, &want.addr));
	expect_bytes(id, got->name.p, got->name.len, want.name.p, want.name.len);
}

static void
test_data(void **state)
{
	json_t *file = peel_vectors_load("exit"), *v;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		struct peel_msg_data m;

		if (strcmp(peel_vec_str(v, "kind"), "data-message") != 0)
			continue;
		struct peel_span message = field_span(&a, v, "message");
		struct peel_span data = field_span(&a, v, "data");
		const char *id = peel_vec_id(v);

		check_message(id, message, &n);
		assert_int_equal(peel_data_parse(message.p + 1, message.len - 1, &m), 0);
		expect_host(id, &m.destination, peel_vec_str(v, "destination"));
		expect_host(id, &m.origin, peel_vec_str(v, "origin"));
		expect_bytes(id, m.payload.p, m.payload.len, data.p, data.len);
		arena_free(&a);
	}
	assert_int_equal(n, 11);
	json_decref(file);
}

static void
test_data_mixed_addresses(void **state)
{
	static const char *const hosts[] = {
		"0.0.0.0:0", "198.51.100.7:6881", "[2001:db8::7]:1", "tracker.example:80"};
	static const uint8_t payload[] = "payload";

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		struct peel_msg_data m = {.destination = text_host(hosts[i / 4]),
			.origin = text_host(hosts[i % 4]),
			.payload = {payload, i % 3 == 0 ? 0 : sizeof(payload)}};
		struct peel_msg_data got;
		uint8_t out[128];
		int len = peel_data_build(out, sizeof(out), &m);

		assert_true(len > 0);
		assert_int_equal(peel_data_parse(out + 1, (size_t)len - 1, &got), 0);
		assert_int_equal(got.destination.type, m.destination.type);
		assert_true(peel_addr_equal(&got.destination.addr, &m.destination.addr));
		assert_true(peel_addr_equal(&got.origin.addr, &m.origin.addr));
		expect_bytes("name", got.origin.name.p, got.origin.name.len, m.origin.name.p,
			m.origin.name.len);
		expect_bytes("payload", got.payload.p, got.payload.len, m.payload.p, m.payload.len);
		for (size_t cut = 0; cut < (size_t)len - 1 - m.payload.len; cut++) {
			uint8_t *exact = malloc(cut + 1);

			assert_non_null(exact);
			memcpy(exact, out + 1, cut);
			assert_int_equal(peel_data_parse(exact, cut, &got), -EBADMSG);
			free(exact);
		}
	}
}

static void
check_cell(const char *id, struct peel_span packet)
{
	struct peel_cell cell;
	uint8_t header[PEEL_CELL_HEADER_LEN];

	if (packet.len < PEEL_CELL_MIN || packet.p[22] != PEEL_MSG_CELL) {
		assert_int_equal(peel_cell_parse(packet.p, packet.len, &cell), -EBADMSG);
		return;
	}
	assert_int_equal(peel_cell_parse(packet.p, packet.len, &cell), 0);
	assert_int_equal(cell.message.len, packet.len - PEEL_CELL_HEADER_LEN);
	peel_cell_header(header, packet.p, cell.cid, cell.plain, cell.early);
	assert_int_equal(cell.plain, packet.p[27] != 0);
	assert_int_equal(cell.early, packet.p[28] != 0);
	if (packet.p[27] <= 1 && packet.p[28] <= 1)
		expect_bytes(id, header, sizeof(header), packet.p, sizeof(header));
}

static void
test_cells(void **state)
{
	static const char *const names[] = {"cells", "cells_hidden", "negative", "tolerate",
		"flow_circuit_1hop", "flow_circuit_2hop", "flow_circuit_3hop", "flow_hidden"};
	static const char *const inner[] = {"message", "decrypted_message"};
	size_t n = 0;

	(void)state;
	for (size_t k = 0; k < PEEL_ARRAY_LEN(names); k++) {
		json_t *file = peel_vectors_load(names[k]), *v;
		size_t i;

		peel_vectors_foreach (file, i, v) {
			struct arena a = {0};

			check_cell(names[k], field_span(&a, v, "packet"));
			for (size_t m = 0; m < PEEL_ARRAY_LEN(inner); m++) {
				if (peel_vec_find(v, inner[m]) != NULL)
					check_message(names[k], field_span(&a, v, inner[m]), &n);
			}
			arena_free(&a);
		}
		json_decref(file);
	}
	assert_int_equal(n, 271);
}

static void
test_candidates(void **state)
{
	uint8_t keys[9][PEEL_PK_LEN], out[1024];
	const uint8_t *relays[4], *exits[4];
	struct peel_candidates got;

	(void)state;
	for (size_t i = 0; i < 9; i++)
		memset(keys[i], (int)i + 1, PEEL_PK_LEN);
	for (size_t n_relays = 0; n_relays <= 4; n_relays++) {
		for (size_t n_exits = 0; n_exits <= 4; n_exits++) {
			for (size_t i = 0; i < 4; i++) {
				relays[i] = keys[i];
				exits[i] = keys[4 + i];
			}
			int len = peel_candidates_build(
				out, sizeof(out), relays, n_relays, exits, n_exits);

			assert_int_equal(len, 1 + 76 * (n_relays + n_exits + (n_exits > 0)));
			assert_int_equal(peel_candidates_parse(out, (size_t)len, &got), 0);
			assert_int_equal(got.n, n_relays + n_exits);
			assert_int_equal(got.n_relays, n_relays);
			for (size_t i = 0; i < got.n; i++) {
				const uint8_t *want =
					i < n_relays ? relays[i] : exits[i - n_relays];

				expect_bytes(
					"key", got.key[i].p, got.key[i].len, want, PEEL_PK_LEN);
			}
			assert_int_equal(peel_candidates_build(out, (size_t)len - 1, relays,
						 n_relays, exits, n_exits),
				-ENOSPC);
			for (size_t cut = 0; cut < (size_t)len; cut++)
				assert_int_equal(peel_candidates_parse(out, cut, &got), -EBADMSG);
		}
	}
}

/* Lists as strangers may write them. */
static void
test_candidates_odd(void **state)
{
	/* a, empty, empty, b, b, b: the empty pair separates, the rest stays. */
	static const uint8_t twice[] = {6, 0, 1, 'a', 0, 0, 0, 0, 0, 1, 'b', 0, 1, 'b', 0, 1, 'b'};
	uint8_t many[1 + 255 * 2] = {255};
	struct peel_candidates got;

	(void)state;
	assert_int_equal(peel_candidates_parse(twice, sizeof(twice), &got), 0);
	assert_int_equal(got.n, 5);
	assert_int_equal(got.n_relays, 1);
	assert_int_equal(got.key[1].len, 0);
	assert_int_equal(got.key[4].p[0], 'b');

	assert_int_equal(peel_candidates_parse(many, sizeof(many), &got), 0);
	assert_int_equal(got.n, 254); /* 255 empty keys, one of them the separator */
	assert_int_equal(got.n_relays, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_message_fields),
		cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_wrong_keys_and_points),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_data_mixed_addresses),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_candidates_odd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
