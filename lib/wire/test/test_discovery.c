/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Signed and unsigned frames, discovery, liveness and destroy: parsed, and rebuilt byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "peel_cell.h"
#include "peel_discovery.h"

static void
expect_addr(const char *id, const json_t *v, const char *key, const struct peel_addr *got)
{
	struct peel_addr want = field_addr(v, key);

	if (!peel_addr_equal(got, &want))
		fail_msg("%s: %s", id, key);
}

static uint8_t
type_bits(const json_t *fields)
{
	const char *type = peel_vec_str(fields, "connection_type");

	return strcmp(type, "public") == 0 ? 0x80 : strcmp(type, "symmetric-NAT") == 0 ? 0xc0 : 0;
}

static bool
has(const json_t *fields, const char *key)
{
	return json_is_true(json_object_get(fields, key));
}

static uint8_t
request_bits(const json_t *fields, bool new_style)
{
	if (new_style)
		return (uint8_t)peel_vec_int(fields, "flags_byte");
	return (uint8_t)(type_bits(fields) |
			 (has(fields, "supports_new_style") ? PEEL_BITS_REQUEST_NEW_STYLE : 0) |
			 (has(fields, "advice") ? PEEL_BITS_ADVICE : 0));
}

static uint8_t
response_bits(const json_t *fields, bool new_style)
{
	if (new_style)
		return has(fields, "intro_supports_new_style") ? PEEL_BITS_INTRO_NEW_233 : 0;
	return (uint8_t)(type_bits(fields) |
			 (has(fields, "supports_new_style") ? PEEL_BITS_RESPONSE_NEW_STYLE : 0) |
			 (has(fields, "intro_supports_new_style") ? PEEL_BITS_RESPONSE_INTRO_NEW
								  : 0) |
			 (has(fields, "peer_limit_reached") ? PEEL_BITS_RESPONSE_LIMIT : 0));
}

static void
check_request(const json_t *v, struct arena *a, bool new_style, struct peel_span body,
	struct peel_writer *w)
{
	const json_t *f = peel_vec_get(v, "fields");
	const char *id = peel_vec_id(v);
	struct peel_intro_request m;
	struct peel_span extra = field_span(a, f, "extra_bytes");

	assert_int_equal(peel_intro_request_parse(body, new_style, &m), 0);
	expect_addr(id, f, "destination", &m.dest);
	expect_addr(id, f, "source_lan", &m.src_lan);
	expect_addr(id, f, "source_wan", &m.src_wan);
	assert_int_equal(m.identifier, peel_vec_int(f, "identifier"));
	assert_int_equal(m.bits, request_bits(f, new_style));
	expect_bytes(id, m.extra.p, m.extra.len, extra.p, extra.len);

	m.bits = request_bits(f, new_style);
	m.extra = extra;
	peel_intro_request_write(w, new_style, &m);
}

static void
check_response(const json_t *v, struct arena *a, bool new_style, struct peel_span body,
	struct peel_writer *w)
{
	const json_t *f = peel_vec_get(v, "fields");
	const char *id = peel_vec_id(v);
	struct peel_intro_response m;
	struct peel_span extra = field_span(a, f, "extra_bytes");

	assert_int_equal(peel_intro_response_parse(body, new_style, &m), 0);
	expect_addr(id, f, "destination", &m.dest);
	expect_addr(id, f, "source_lan", &m.src_lan);
	expect_addr(id, f, "source_wan", &m.src_wan);
	expect_addr(id, f, "lan_introduction", &m.lan_intro);
	expect_addr(id, f, "wan_introduction", &m.wan_intro);
	assert_int_equal(m.identifier, peel_vec_int(f, "identifier"));
	assert_int_equal(m.bits, response_bits(f, new_style));
	expect_bytes(id, m.extra.p, m.extra.len, extra.p, extra.len);
	peel_intro_response_write(w, new_style, &m);
}

static void
check_puncture(const json_t *v, bool new_style, struct peel_span body, struct peel_writer *w)
{
	const json_t *f = peel_vec_get(v, "fields");
	struct peel_puncture m;

	assert_int_equal(peel_puncture_parse(body, new_style, &m), 0);
	expect_addr(peel_vec_id(v), f, "source_lan", &m.src_lan);
	expect_addr(peel_vec_id(v), f, "source_wan", &m.src_wan);
	assert_int_equal(m.identifier, peel_vec_int(f, "identifier"));
	peel_puncture_write(w, new_style, &m);
	/* Exactly consumed: one byte less or more is refused. */
	body.len--;
	assert_int_equal(peel_puncture_parse(body, new_style, &m), -EBADMSG);
	body.len += 2;
	assert_int_equal(peel_puncture_parse(body, new_style, &m), -EBADMSG);
}

static void
check_puncture_request(
	const json_t *v, struct peel_span packet, bool new_style, struct peel_writer *w)
{
	const json_t *f = peel_vec_get(v, "fields");
	struct peel_puncture_request m;
	uint8_t longer[PEEL_DATAGRAM_MAX] = {0};

	assert_int_equal(peel_puncture_request_parse(packet.p, packet.len, &m), 0);
	expect_addr(peel_vec_id(v), f, "lan_walker", &m.lan_walker);
	expect_addr(peel_vec_id(v), f, "wan_walker", &m.wan_walker);
	assert_int_equal(m.identifier, peel_vec_int(f, "identifier"));
	peel_unsigned_begin(w, packet.p, packet.p[22], (uint64_t)peel_vec_int(f, "global_time"));
	peel_puncture_request_write(w, new_style, &m);
	for (size_t len = 0; len < packet.len; len++)
		assert_int_equal(peel_puncture_request_parse(packet.p, len, &m), -EBADMSG);
	memcpy(longer, packet.p, packet.len);
	assert_int_equal(peel_puncture_request_parse(longer, packet.len + 1, &m), -EBADMSG);
	longer[22] = PEEL_MSG_PUNCTURE;
	assert_int_equal(peel_puncture_request_parse(longer, packet.len, &m), -EBADMSG);
}

/* Split a signed frame and begin the same one; the body is the caller's. */
static struct peel_span
open_frame(const json_t *v, struct peel_span packet, bool with_clock, struct peel_writer *w)
{
	struct peel_signed s;
	uint64_t clock = with_clock ? (uint64_t)peel_vec_int(v, "fields.global_time") : 0;

	assert_int_equal(peel_signed_parse(packet.p, packet.len, with_clock, false, &s), 0);
	assert_int_equal(s.id, peel_vec_int(v, "msg_id"));
	assert_int_equal(s.clock, clock);
	assert_false(s.legacy);
	assert_int_equal(s.covered.len, packet.len - PEEL_SIGNATURE_LEN);
	assert_ptr_equal(s.signature.p, packet.p + s.covered.len);
	peel_signed_begin(w, packet.p, s.id, s.pk.p, with_clock, s.clock);
	return s.body;
}

static void
test_introduction_messages(void **state)
{
	json_t *file = peel_vectors_load("introduction"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		uint8_t out[PEEL_DATAGRAM_MAX];
		struct peel_writer w = peel_writer_init(out, sizeof(out));
		struct peel_span packet = field_span(&a, v, "packet"), body = {0};
		int64_t msg = peel_vec_int(v, "msg_id");
		size_t covered = packet.len;

		if (has(v, "signed")) {
			body = open_frame(v, packet, true, &w);
			covered -= PEEL_SIGNATURE_LEN;
		}
		if (msg == PEEL_MSG_INTRO_REQUEST || msg == PEEL_MSG_INTRO_REQUEST_NEW)
			check_request(v, &a, msg == PEEL_MSG_INTRO_REQUEST_NEW, body, &w);
		else if (msg == PEEL_MSG_INTRO_RESPONSE || msg == PEEL_MSG_INTRO_RESPONSE_NEW)
			check_response(v, &a, msg == PEEL_MSG_INTRO_RESPONSE_NEW, body, &w);
		else if (msg == PEEL_MSG_PUNCTURE || msg == PEEL_MSG_PUNCTURE_NEW)
			check_puncture(v, msg == PEEL_MSG_PUNCTURE_NEW, body, &w);
		else
			check_puncture_request(v, packet, msg == PEEL_MSG_PUNCTURE_REQUEST_NEW, &w);
		expect_bytes(peel_vec_id(v), out, (size_t)peel_writer_len(&w), packet.p, covered);
		arena_free(&a);
	}
	assert_int_equal(i, 18);
	json_decref(file);
}

static void
test_introduction_cut_is_refused(void **state)
{
	json_t *file = peel_vectors_load("introduction"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		struct peel_span packet = field_span(&a, v, "packet");
		uint8_t id = packet.p[22];
		struct peel_intro_request q;
		struct peel_intro_response s;
		size_t extra = 0;

		if (id < PEEL_MSG_INTRO_RESPONSE_NEW || id > PEEL_MSG_INTRO_REQUEST) {
			arena_free(&a);
			continue;
		}
		extra = strlen(peel_vec_str(v, "fields.extra_bytes")) / 2;
		for (size_t len = 0; len < packet.len - 171 - extra; len++) {
			struct peel_span body = {packet.p + 107, len};
			bool new_style = id < PEEL_MSG_INTRO_RESPONSE;

			if (id == PEEL_MSG_INTRO_REQUEST || id == PEEL_MSG_INTRO_REQUEST_NEW)
				assert_int_equal(
					peel_intro_request_parse(body, new_style, &q), -EBADMSG);
			else
				assert_int_equal(
					peel_intro_response_parse(body, new_style, &s), -EBADMSG);
		}
		arena_free(&a);
	}
	json_decref(file);
}

static void
check_similarity_request(struct peel_span body, const json_t *v, struct peel_writer *w)
{
	const json_t *f = peel_vec_get(v, "fields");
	struct peel_similarity_request m;

	assert_int_equal(peel_similarity_request_parse(body, &m), 0);
	expect_addr(peel_vec_id(v), f, "lan", &m.lan);
	expect_addr(peel_vec_id(v), f, "wan", &m.wan);
	assert_int_equal(m.identifier, peel_vec_int(f, "identifier"));
	assert_int_equal(m.bits, type_bits(f));
	assert_int_equal(m.communities.len, 20 * json_array_size(peel_vec_get(f, "communities")));
	peel_similarity_request_write(w, &m);
	body.len--;
	assert_int_equal(peel_similarity_request_parse(body, &m), -EBADMSG);
}

static void
check_similarity_response(struct peel_span body, const json_t *v, struct peel_writer *w)
{
	const json_t *f = peel_vec_get(v, "fields");
	struct peel_similarity_response m;

	assert_int_equal(peel_similarity_response_parse(body, &m), 0);
	assert_int_equal(m.identifier, peel_vec_int(f, "identifier"));
	assert_int_equal(m.communities.len, 20 * json_array_size(peel_vec_get(f, "communities")));
	assert_int_equal(m.tail.len, 24 * json_array_size(peel_vec_get(f, "tb_overlap")));
	peel_similarity_response_write(w, &m);
	body.len--;
	assert_int_equal(peel_similarity_response_parse(body, &m), -EBADMSG);
}

static void
check_discovery_ping(struct peel_span packet, const json_t *v, struct peel_writer *w)
{
	uint8_t longer[64] = {0};
	uint16_t identifier;

	assert_int_equal(peel_discovery_ping_parse(packet.p, packet.len, &identifier), 0);
	assert_int_equal(identifier, peel_vec_int(v, "fields.identifier"));
	peel_unsigned_begin(
		w, packet.p, packet.p[22], (uint64_t)peel_vec_int(v, "fields.global_time"));
	peel_write_u16(w, identifier);
	for (size_t len = 0; len < packet.len; len++)
		assert_int_equal(peel_discovery_ping_parse(packet.p, len, &identifier), -EBADMSG);
	memcpy(longer, packet.p, packet.len);
	assert_int_equal(peel_discovery_ping_parse(longer, packet.len + 1, &identifier), -EBADMSG);
}

static void
test_discovery_community(void **state)
{
	json_t *file = peel_vectors_load("discovery"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		uint8_t out[PEEL_DATAGRAM_MAX];
		struct peel_writer w = peel_writer_init(out, sizeof(out));
		struct peel_span packet = field_span(&a, v, "packet"), body = {0};
		size_t covered = packet.len;

		if (has(v, "signed")) {
			body = open_frame(v, packet, true, &w);
			covered -= PEEL_SIGNATURE_LEN;
		}
		if (packet.p[22] == PEEL_MSG_SIMILARITY_REQUEST)
			check_similarity_request(body, v, &w);
		else if (packet.p[22] == PEEL_MSG_SIMILARITY_RESPONSE)
			check_similarity_response(body, v, &w);
		else
			check_discovery_ping(packet, v, &w);
		expect_bytes(peel_vec_id(v), out, (size_t)peel_writer_len(&w), packet.p, covered);
		arena_free(&a);
	}
	assert_int_equal(i, 5);
	json_decref(file);
}

static void
test_tracker_frames(void **state)
{
	json_t *file = peel_vectors_load("tracker"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		struct peel_span packet = field_span(&a, v, "packet");
		struct peel_span key = field_span(&a, v, "public_key_bin");
		const json_t *f = peel_vec_get(v, "fields");
		struct peel_intro_response m;
		struct peel_signed s;
		const char *id = peel_vec_id(v);

		assert_int_equal(
			peel_signed_parse(packet.p, packet.len, true, false, &s), -EBADMSG);
		assert_int_equal(peel_signed_parse(packet.p, packet.len, true, true, &s), 0);
		assert_true(s.legacy);
		expect_bytes(id, s.pk.p, s.pk.len, key.p, key.len);
		assert_int_equal(s.pk.len, peel_vec_int(v, "public_key_length"));
		assert_int_equal(s.signature.len, peel_vec_int(v, "signature_length"));
		assert_int_equal(s.clock, peel_vec_int(f, "global_time"));
		assert_int_equal(peel_intro_response_parse(s.body, false, &m), 0);
		expect_addr(id, f, "destination", &m.dest);
		expect_addr(id, f, "source_wan", &m.src_wan);
		expect_addr(id, f, "lan_introduction", &m.lan_intro);
		expect_addr(id, f, "wan_introduction", &m.wan_intro);
		assert_int_equal(m.identifier, peel_vec_int(f, "identifier"));
		assert_int_equal(m.extra.len, 0);
		arena_free(&a);
	}
	assert_int_equal(i, 4);
	json_decref(file);
}

static void
test_frame_cut_is_refused(void **state)
{
	json_t *file = peel_vectors_load("introduction");
	struct arena a = {0};
	struct peel_span packet = field_span(&a, peel_vectors_find(file, "request-old"), "packet");
	struct peel_signed s;

	(void)state;
	/* Prefix, id, key, clock and signature must fit, whatever the body. */
	for (size_t len = 0; len < 107 + PEEL_SIGNATURE_LEN; len++) {
		uint8_t *exact = malloc(len + 1);

		assert_non_null(exact);
		memcpy(exact, packet.p, len);
		assert_int_equal(peel_signed_parse(exact, len, true, true, &s), -EBADMSG);
		free(exact);
	}
	assert_int_equal(peel_signed_parse(packet.p, 107 + 64, true, true, &s), 0);
	assert_int_equal(s.body.len, 0);
	arena_free(&a);
	json_decref(file);
}

static void
test_destroy_frames(void **state)
{
	json_t *file = peel_vectors_load("destroy"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		struct peel_span packet = field_span(&a, v, "packet");
		struct peel_msg_destroy m;
		struct peel_signed s;
		uint8_t out[PEEL_DATAGRAM_MAX], body[PEEL_DESTROY_BODY_LEN];
		struct peel_writer w = peel_writer_init(out, sizeof(out));

		assert_int_equal(peel_signed_parse(packet.p, packet.len, false, false, &s), 0);
		assert_int_equal(s.id, PEEL_MSG_DESTROY);
		if (strcmp(peel_vec_id(v), "trailing-byte") == 0) {
			assert_int_equal(peel_destroy_parse(s.body.p, s.body.len, &m), -EBADMSG);
			arena_free(&a);
			continue;
		}
		assert_int_equal(peel_destroy_parse(s.body.p, s.body.len, &m), 0);
		peel_signed_begin(&w, packet.p, PEEL_MSG_DESTROY, s.pk.p, false, 0);
		peel_destroy_body(body, &m);
		peel_write_bytes(&w, body, sizeof(body));
		expect_bytes(peel_vec_id(v), out, (size_t)peel_writer_len(&w), packet.p,
			packet.len - PEEL_SIGNATURE_LEN);
		arena_free(&a);
	}
	assert_int_equal(i, 14);
	json_decref(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_introduction_messages),
		cmocka_unit_test(test_introduction_cut_is_refused),
		cmocka_unit_test(test_discovery_community),
		cmocka_unit_test(test_tracker_frames),
		cmocka_unit_test(test_frame_cut_is_refused),
		cmocka_unit_test(test_destroy_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
