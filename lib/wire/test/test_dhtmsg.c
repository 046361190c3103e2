/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* DHT messages and stored values: parsed, compared with their fields, and rebuilt byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "peel_dhtmsg.h"

static void
expect_span(const char *id, const json_t *f, const char *key, const uint8_t *got, size_t len)
{
	struct arena a = {0};
	struct peel_span want = field_span(&a, f, key);

	expect_bytes(id, got, len, want.p, want.len);
	arena_free(&a);
}

static void
expect_values(const char *id, const json_t *f, const struct peel_dht_values *got)
{
	json_t *list = peel_vec_get(f, "values"), *item;
	size_t i;

	assert_int_equal(got->n, json_array_size(list));
	json_array_foreach (list, i, item) {
		struct arena a = {0};
		struct peel_span want = text_span(&a, json_string_value(item));

		expect_bytes(id, got->value[i].p, got->value[i].len, want.p, want.len);
		arena_free(&a);
	}
}

static void
expect_contacts(const char *id, const json_t *f, const struct peel_dht_contacts *got)
{
	json_t *list = peel_vec_get(f, "nodes"), *item;
	size_t i;

	assert_int_equal(got->n, json_array_size(list));
	json_array_foreach (list, i, item) {
		struct peel_addr want = field_addr(item, "address");

		assert_true(peel_addr_equal(&got->contact[i].addr, &want));
		expect_span(id, item, "public_key", got->contact[i].pk.p, got->contact[i].pk.len);
	}
}

static void
expect_lan(const json_t *f, const struct peel_addr *got)
{
	struct peel_addr want = field_addr(f, "lan");

	assert_true(peel_addr_equal(got, &want));
}

/* Parse a body, compare it with @p f and write it again; with NULL for @p f only parse. */
static int
check_body(
	uint8_t msg, struct peel_span body, const char *id, const json_t *f, struct peel_writer *w)
{
	union {
		struct peel_dht_store_request store;
		struct peel_dht_find_request find;
		struct peel_dht_find_response found;
		struct peel_dht_store_peer_request store_peer;
		struct peel_dht_connect_peer_request connect;
		struct peel_dht_connect_peer_response connected;
	} m;
	uint32_t identifier;
	int rc;

	switch (msg) {
	case PEEL_MSG_DHT_STORE_REQUEST:
		rc = peel_dht_store_request_parse(body, &m.store);
		if (rc != 0 || f == NULL)
			return rc;
		identifier = m.store.identifier;
		expect_span(id, f, "token", m.store.token, PEEL_DHT_TOKEN_LEN);
		expect_span(id, f, "target", m.store.target, PEEL_DHT_KEY_LEN);
		expect_values(id, f, &m.store.values);
		peel_dht_store_request_write(w, &m.store);
		break;
	case PEEL_MSG_DHT_FIND_REQUEST:
		rc = peel_dht_find_request_parse(body, &m.find);
		if (rc != 0 || f == NULL)
			return rc;
		identifier = m.find.identifier;
		expect_lan(f, &m.find.lan);
		expect_span(id, f, "target", m.find.target, PEEL_DHT_KEY_LEN);
		assert_int_equal(m.find.offset, peel_vec_int(f, "offset"));
		assert_int_equal(m.find.force_nodes, json_is_true(peel_vec_get(f, "force_nodes")));
		peel_dht_find_request_write(w, &m.find);
		break;
	case PEEL_MSG_DHT_FIND_RESPONSE:
		rc = peel_dht_find_response_parse(body, &m.found);
		if (rc != 0 || f == NULL)
			return rc;
		identifier = m.found.identifier;
		expect_span(id, f, "token", m.found.token, PEEL_DHT_TOKEN_LEN);
		expect_values(id, f, &m.found.values);
		expect_contacts(id, f, &m.found.nodes);
		peel_dht_find_response_write(w, &m.found);
		break;
	case PEEL_MSG_DHT_STORE_PEER_REQUEST:
		rc = peel_dht_store_peer_request_parse(body, &m.store_peer);
		if (rc != 0 || f == NULL)
			return rc;
		identifier = m.store_peer.identifier;
		expect_span(id, f, "token", m.store_peer.token, PEEL_DHT_TOKEN_LEN);
		expect_span(id, f, "target", m.store_peer.target, PEEL_DHT_KEY_LEN);
		peel_dht_store_peer_request_write(w, &m.store_peer);
		break;
	case PEEL_MSG_DHT_CONNECT_PEER_REQUEST:
		rc = peel_dht_connect_peer_request_parse(body, &m.connect);
		if (rc != 0 || f == NULL)
			return rc;
		identifier = m.connect.identifier;
		expect_lan(f, &m.connect.lan);
		expect_span(id, f, "target", m.connect.target, PEEL_DHT_KEY_LEN);
		peel_dht_connect_peer_request_write(w, &m.connect);
		break;
	case PEEL_MSG_DHT_CONNECT_PEER_RESPONSE:
		rc = peel_dht_connect_peer_response_parse(body, &m.connected);
		if (rc != 0 || f == NULL)
			return rc;
		identifier = m.connected.identifier;
		expect_contacts(id, f, &m.connected.nodes);
		peel_dht_connect_peer_response_write(w, &m.connected);
		break;
	default:
		rc = peel_dht_plain_parse(body, &identifier);
		if (rc != 0 || f == NULL)
			return rc;
		peel_dht_plain_write(w, identifier);
	}
	assert_int_equal(identifier, peel_vec_int(f, "identifier"));
	return 0;
}

/* Cut at every length, or one byte longer, it is refused. Each block is exactly as long. */
static void
expect_exact(uint8_t msg, struct peel_span body)
{
	for (size_t len = 0; len <= body.len + 1; len++) {
		uint8_t *copy = calloc(1, len + 1);

		assert_non_null(copy);
		memcpy(copy + 1, body.p, len < body.len ? len : body.len);
		assert_int_equal(check_body(msg, (struct peel_span){copy + 1, len}, "", NULL, NULL),
			len == body.len ? 0 : -EBADMSG);
		free(copy);
	}
}

/* Into every buffer that is too small nothing is written beyond it, and the writer says so. */
static void
expect_full(uint8_t msg, struct peel_span body, const char *id, const json_t *f)
{
	for (size_t size = 0; size < body.len; size++) {
		uint8_t *small = malloc(size + 1);
		struct peel_writer w = peel_writer_init(small, size);

		assert_non_null(small);
		assert_int_equal(check_body(msg, body, id, f, &w), 0);
		assert_int_equal(peel_writer_len(&w), -ENOSPC);
		free(small);
	}
}

static void
test_messages(void **state)
{
	json_t *file = peel_vectors_load("dht"), *v;
	unsigned int seen = 0;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const json_t *f = peel_vec_find(v, "fields");
		const char *id = peel_vec_id(v);
		struct arena a = {0};
		uint8_t out[PEEL_DATAGRAM_MAX];
		struct peel_writer w = peel_writer_init(out, sizeof(out));
		struct peel_signed s;

		if (f == NULL)
			continue;
		seen++;
		struct peel_span packet = field_span(&a, v, "packet");

		assert_int_equal(peel_signed_parse(packet.p, packet.len, false, false, &s), 0);
		assert_int_equal(s.id, peel_vec_int(v, "msg_id"));
		peel_signed_begin(&w, packet.p, s.id, s.pk.p, false, 0);
		assert_int_equal(check_body(s.id, s.body, id, f, &w), 0);
		expect_bytes(id, out, (size_t)peel_writer_len(&w), packet.p, s.covered.len);
		expect_exact(s.id, s.body);
		expect_full(s.id, s.body, id, f);
		arena_free(&a);
	}
	assert_int_equal(seen, 14);
	json_decref(file);
}

/* Counts are looked at before anything is read that they promise. */
static void
test_long_lists_are_refused(void **state)
{
	uint8_t body[4 + 2 * 20 + 1 + 9 * 2 + 1] = {0};
	struct peel_dht_store_request store;
	struct peel_dht_find_response found;
	const size_t count_at = 4 + 2 * 20;

	(void)state;
	body[count_at] = 8;
	assert_int_equal(
		peel_dht_store_request_parse((struct peel_span){body, count_at + 17}, &store), 0);
	body[count_at] = 9;
	assert_int_equal(
		peel_dht_store_request_parse((struct peel_span){body, count_at + 19}, &store),
		-EBADMSG);
	body[count_at] = 0;
	body[24] = 9; /* values, and behind them nodes */
	assert_int_equal(
		peel_dht_find_response_parse((struct peel_span){body, 24 + 20}, &found), -EBADMSG);
	body[24] = 0;
	body[25] = 255;
	assert_int_equal(
		peel_dht_find_response_parse((struct peel_span){body, sizeof(body)}, &found),
		-EBADMSG);
}

static void
check_value(const char *id, const json_t *v, struct peel_span blob)
{
	struct peel_dht_value m;
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	assert_int_equal(peel_dht_value_parse(blob, &m), 0);
	assert_int_equal(m.is_signed, json_is_true(peel_vec_get(v, "signed")));
	if (peel_vec_find(v, "data") != NULL) {
		expect_span(id, v, "data", m.data.p, m.data.len);
		assert_int_equal(m.version, peel_vec_int(v, "version"));
	}
	if (!m.is_signed) {
		peel_dht_value_write_unsigned(&w, m.data);
		expect_bytes(id, out, (size_t)peel_writer_len(&w), blob.p, blob.len);
		return;
	}
	peel_dht_value_begin_signed(&w, m.data, m.version, m.pk.p);
	expect_bytes(id, out, (size_t)peel_writer_len(&w), m.covered.p, m.covered.len);
	assert_ptr_equal(m.covered.p, blob.p);
	assert_ptr_equal(m.signature.p, blob.p + blob.len - PEEL_SIGNATURE_LEN);
	assert_int_equal(m.signature.len, PEEL_SIGNATURE_LEN);
	for (size_t len = 0; len <= blob.len + 1; len++) {
		uint8_t *copy = calloc(1, len + 1);

		assert_non_null(copy);
		memcpy(copy, blob.p, len < blob.len ? len : blob.len);
		assert_int_equal(peel_dht_value_parse((struct peel_span){copy, len}, &m),
			len == blob.len ? 0 : -EBADMSG);
		free(copy);
	}
}

static void
test_values(void **state)
{
	json_t *file = peel_vectors_load("dht"), *v;
	unsigned int seen = 0;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const json_t *kind = peel_vec_find(v, "kind");
		struct arena a = {0};
		struct peel_dht_value m;

		if (kind == NULL || strcmp(json_string_value(kind), "value") != 0)
			continue;
		seen++;
		struct peel_span blob = field_span(&a, v, "blob");

		if (strcmp(peel_vec_id(v), "value-unknown-type") == 0)
			assert_int_equal(peel_dht_value_parse(blob, &m), -EBADMSG);
		else
			check_value(peel_vec_id(v), v, blob);
		arena_free(&a);
	}
	assert_int_equal(seen, 7);
	json_decref(file);
}

static void
check_introduction(const char *id, const json_t *v, struct peel_span data)
{
	struct peel_dht_introduction m;
	uint8_t out[PEEL_DHT_VALUE_MAX], changed[PEEL_DHT_VALUE_MAX] = {0};
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	assert_int_equal(peel_dht_introduction_parse(data, &m), 0);
	struct peel_addr want = field_addr(v, "address");

	assert_true(peel_addr_equal(&m.address, &want));
	assert_int_equal(m.last_seen, peel_vec_int(v, "last_seen"));
	expect_span(id, v, "intro_point_public_key", m.pk, sizeof(m.pk));
	expect_span(id, v, "seeder_public_key", m.seeder_pk, sizeof(m.seeder_pk));
	peel_dht_introduction_write(&w, &m);
	expect_bytes(id, out, (size_t)peel_writer_len(&w), data.p, data.len);
	memcpy(changed, data.p, data.len);
	for (size_t len = 0; len <= data.len + 1; len++)
		assert_int_equal(peel_dht_introduction_parse((struct peel_span){changed, len}, &m),
			len >= data.len ? 0 : -EBADMSG);
	changed[data.len - PEEL_PK_LEN + 10 - 1]++; /* a key that is longer than the data */
	assert_int_equal(
		peel_dht_introduction_parse((struct peel_span){changed, data.len}, &m), -EBADMSG);
}

static void
test_introductions(void **state)
{
	json_t *file = peel_vectors_load("dht"), *v;
	unsigned int seen = 0;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const json_t *kind = peel_vec_find(v, "kind");
		struct arena a = {0};
		struct peel_dht_value m;

		if (kind == NULL || strcmp(json_string_value(kind), "intro-point") != 0)
			continue;
		seen++;
		struct peel_span data = field_span(&a, v, "value"),
				 blob = field_span(&a, v, "blob");

		assert_int_equal(peel_dht_value_parse(blob, &m), 0);
		expect_bytes(peel_vec_id(v), m.data.p, m.data.len, data.p, data.len);
		check_introduction(peel_vec_id(v), v, data);
		arena_free(&a);
	}
	assert_int_equal(seen, 2);
	json_decref(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_long_lists_are_refused),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_introductions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
