/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Reader, writer, addresses, frames. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"
#include "peel_cell.h"

static void
write_bits(struct peel_writer *w, const json_t *value)
{
	uint8_t bits = 0;

	for (size_t i = 0; i < 8; i++)
		bits = (uint8_t)(bits << 1 | (json_integer_value(json_array_get(value, i)) != 0));
	peel_write_u8(w, bits);
}

static void
write_flags(struct peel_writer *w, const json_t *value)
{
	json_t *flag;
	size_t i;
	uint16_t flags = 0;

	json_array_foreach (value, i, flag)
		flags |= (uint16_t)json_integer_value(flag);
	peel_write_u16(w, flags);
}

static void
write_varlen_list(struct peel_writer *w, struct arena *a, const json_t *value)
{
	json_t *item;
	size_t i;

	peel_write_u8(w, (uint8_t)json_array_size(value));
	json_array_foreach (value, i, item) {
		struct peel_span s = text_span(a, json_string_value(item));

		peel_write_varlen(w, s.p, s.len);
	}
}

static bool
write_primitive(struct peel_writer *w, struct arena *a, const char *format, const json_t *v)
{
	const json_t *value = json_object_get(v, "value");
	const char *text = json_string_value(value);

	if (strcmp(format, "H") == 0) {
		peel_write_u16(w, (uint16_t)json_integer_value(value));
	} else if (strcmp(format, "I") == 0) {
		peel_write_u32(w, (uint32_t)json_integer_value(value));
	} else if (strcmp(format, "Q") == 0) {
		peel_write_u64(w, peel_vec_u64(v, "value"));
	} else if (strcmp(format, "?") == 0) {
		peel_write_u8(w, json_is_true(value));
	} else if (strcmp(format, "varlenH") == 0) {
		struct peel_span s = text_span(a, text);

		peel_write_varlen(w, s.p, s.len);
	} else if (strcmp(format, "varlenH-list") == 0) {
		write_varlen_list(w, a, value);
	} else if (strcmp(format, "ipv4") == 0) {
		struct peel_addr addr = text_addr(text);

		peel_write_ipv4(w, &addr);
	} else if (strcmp(format, "ip_address") == 0) {
		struct peel_addr addr = text_addr(text);

		peel_write_ip_address(w, &addr);
	} else if (strcmp(format, "address") == 0) {
		struct peel_host host = text_host(text);

		peel_write_address(w, &host);
	} else if (strcmp(format, "flags") == 0) {
		write_flags(w, value);
	} else if (strcmp(format, "bits") == 0) {
		write_bits(w, value);
	} else {
		return false;
	}
	return true;
}

/* Read one primitive and write what was read; false when the reader refused. */
static bool
copy_primitive(struct peel_reader *r, struct peel_writer *w, const char *format)
{
	if (strcmp(format, "H") == 0 || strcmp(format, "flags") == 0) {
		peel_write_u16(w, peel_read_u16(r));
	} else if (strcmp(format, "I") == 0) {
		peel_write_u32(w, peel_read_u32(r));
	} else if (strcmp(format, "Q") == 0) {
		peel_write_u64(w, peel_read_u64(r));
	} else if (strcmp(format, "?") == 0 || strcmp(format, "bits") == 0) {
		peel_write_u8(w, peel_read_u8(r));
	} else if (strcmp(format, "varlenH") == 0) {
		struct peel_span s = peel_read_varlen(r);

		peel_write_varlen(w, s.p, s.len);
	} else if (strcmp(format, "varlenH-list") == 0) {
		uint8_t n = peel_read_u8(r);

		peel_write_u8(w, n);
		for (; n > 0; n--) {
			struct peel_span s = peel_read_varlen(r);

			peel_write_varlen(w, s.p, s.len);
		}
	} else if (strcmp(format, "ipv4") == 0) {
		struct peel_addr addr = peel_read_ipv4(r);

		peel_write_ipv4(w, &addr);
	} else if (strcmp(format, "ip_address") == 0) {
		struct peel_addr addr = peel_read_ip_address(r);

		peel_write_ip_address(w, &addr);
	} else if (strcmp(format, "address") == 0) {
		struct peel_host host = peel_read_address(r);

		peel_write_address(w, &host);
	} else {
		fail_msg("unknown format %s", format);
	}
	return !r->bad;
}

static void
test_primitives_encode_and_decode(void **state)
{
	json_t *file = peel_vectors_load("serializer"), *v;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct arena a = {0};
		uint8_t out[1024];
		struct peel_writer w = peel_writer_init(out, sizeof(out));
		const char *format = peel_vec_str(v, "format");

		/* The nested payloads belong to the hidden service messages. */
		if (strcmp(peel_vec_str(v, "kind"), "encode") != 0 ||
			!write_primitive(&w, &a, format, v)) {
			arena_free(&a);
			continue;
		}
		struct peel_span hex = field_span(&a, v, "hex");

		expect_bytes(peel_vec_id(v), out, (size_t)peel_writer_len(&w), hex.p, hex.len);

		struct peel_reader r = peel_reader_init(hex.p, hex.len);

		w = peel_writer_init(out, sizeof(out));
		assert_true(copy_primitive(&r, &w, format));
		assert_int_equal(peel_reader_left(&r), 0);
		expect_bytes(peel_vec_id(v), out, (size_t)peel_writer_len(&w), hex.p, hex.len);
		arena_free(&a);
		n++;
	}
	assert_int_equal(n, 40);
	json_decref(file);
}

static void
test_primitives_odd_input(void **state)
{
	json_t *file = peel_vectors_load("serializer"), *v;
	size_t i, n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		if (strcmp(peel_vec_str(v, "kind"), "decode") != 0)
			continue;
		struct arena a = {0};
		uint8_t out[1024];
		struct peel_writer w = peel_writer_init(out, sizeof(out));
		struct peel_span hex = field_span(&a, v, "hex");
		struct peel_reader r = peel_reader_init(hex.p, hex.len);
		bool accepted = copy_primitive(&r, &w, peel_vec_str(v, "format"));

		if (accepted != (strcmp(peel_vec_str(v, "must"), "accept") == 0))
			fail_msg("%s: %s", peel_vec_id(v), accepted ? "accepted" : "refused");
		if (accepted)
			assert_int_equal(
				hex.len - peel_reader_left(&r), peel_vec_int(v, "consumed"));
		arena_free(&a);
		n++;
	}
	assert_int_equal(n, 18);
	json_decref(file);
}

static void
test_reader_stays_bad(void **state)
{
	const uint8_t in[5] = {1, 2, 3, 4, 5};
	struct peel_reader r = peel_reader_init(in, sizeof(in));

	(void)state;
	assert_int_equal(peel_read_u16(&r), 0x0102);
	assert_int_equal(peel_read_u32(&r), 0);
	assert_true(r.bad);
	assert_int_equal(peel_read_u8(&r), 0); /* though it would have fitted */
	assert_null(peel_read_bytes(&r, 0));
	assert_null(peel_read_rest(&r).p);
	assert_int_equal(peel_read_rest(&r).len, 0);
	assert_int_equal(peel_read_address(&r).type, 0);
	assert_true(r.bad);

	r = peel_reader_init(NULL, 0);
	assert_int_equal(peel_reader_left(&r), 0);
	assert_int_equal(peel_read_rest(&r).len, 0);
	assert_false(r.bad);
	peel_read_u8(&r);
	assert_true(r.bad);
}

static void
test_writer_stays_full(void **state)
{
	uint8_t out[4] = {9, 9, 9, 9};
	struct peel_writer w = peel_writer_init(out, 3);

	(void)state;
	peel_write_u16(&w, 0x0102);
	assert_int_equal(peel_writer_len(&w), 2);
	peel_write_u32(&w, 7);
	peel_write_u8(&w, 7); /* would fit, must not appear behind a gap */
	assert_int_equal(peel_writer_len(&w), -ENOSPC);
	assert_int_equal(out[2], 9);
	assert_int_equal(out[3], 9);

	uint8_t *big = calloc(1, 70000);

	assert_non_null(big);
	w = peel_writer_init(big, 70000);
	peel_write_varlen(&w, big, 65536);
	assert_int_equal(peel_writer_len(&w), -ENOSPC);
	free(big);
}

static void
test_addresses_without_a_family(void **state)
{
	static const uint8_t none4[6], none[7] = {1};
	struct peel_addr absent = {0}, v6 = text_addr("[2001:db8::1]:5");
	struct peel_host host = {0};
	uint8_t out[16];
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	(void)state;
	peel_write_ipv4(&w, &v6);
	expect_bytes("v6 as ipv4", out, (size_t)peel_writer_len(&w), none4, sizeof(none4));
	w = peel_writer_init(out, sizeof(out));
	peel_write_ip_address(&w, &absent);
	expect_bytes("none", out, (size_t)peel_writer_len(&w), none, sizeof(none));
	w = peel_writer_init(out, sizeof(out));
	peel_write_address(&w, &host);
	expect_bytes("none", out, (size_t)peel_writer_len(&w), none, sizeof(none));

	struct peel_reader r = peel_reader_init(none, sizeof(none));
	struct peel_addr read = peel_read_ip_address(&r);

	assert_true(peel_addr_is_none(&read));
}

static void
test_utf8(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{"", true},
		{"tracker.example", true},
		{"\x7f", true},
		{"\xc2\x80", true},
		{"\xdf\xbf", true},
		{"\xe0\xa0\x80", true},
		{"\xed\x9f\xbf", true},
		{"\xee\x80\x80", true},
		{"\xf0\x90\x80\x80", true},
		{"\xf4\x8f\xbf\xbf", true},
		{"\x80", false},		 /* continuation first */
		{"\xc3", false},		 /* cut */
		{"\xe2\x82", false},		 /* cut */
		{"\xf0\x9f\x98", false},	 /* cut */
		{"a\xc3z", false},		 /* no continuation */
		{"\xe2\x82z", false},		 /* no continuation */
		{"\xc0\x80", false},		 /* overlong */
		{"\xc1\xbf", false},		 /* overlong */
		{"\xe0\x9f\xbf", false},	 /* overlong */
		{"\xf0\x8f\xbf\xbf", false},	 /* overlong */
		{"\xed\xa0\x80", false},	 /* surrogate */
		{"\xed\xbf\xbf", false},	 /* surrogate */
		{"\xf4\x90\x80\x80", false},	 /* beyond Unicode */
		{"\xf8\x88\x80\x80\x80", false}, /* five bytes */
		{"\xff\xfe", false},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		const char *text = cases[i].text;

		if (peel_utf8_valid((const uint8_t *)text, strlen(text)) != cases[i].valid)
			fail_msg("case %zu", i);
	}
	assert_true(peel_utf8_valid((const uint8_t *)"a\0b", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_primitives_encode_and_decode),
		cmocka_unit_test(test_primitives_odd_input),
		cmocka_unit_test(test_reader_stays_bad),
		cmocka_unit_test(test_writer_stays_full),
		cmocka_unit_test(test_addresses_without_a_family),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
