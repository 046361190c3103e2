/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "parse.h"

/* Input as a literal: its length without the terminator. */
#define IN(s) (const uint8_t *)(s), sizeof(s) - 1

static void
test_greeting(void **state)
{
	bool none, password;

	(void)state;
	assert_int_equal(socks_parse_greeting(IN("\5\2\0\2"), &none, &password), 4);
	assert_true(none && password);
	assert_int_equal(socks_parse_greeting(IN("\5\1\2\5\1"), &none, &password), 3);
	assert_true(!none && password);
	assert_int_equal(socks_parse_greeting(IN("\5\0"), &none, &password), 2);
	assert_true(!none && !password);
	assert_int_equal(socks_parse_greeting(IN("\5\3\0\1"), &none, &password), 0);
	assert_int_equal(socks_parse_greeting(IN("\5"), &none, &password), 0);
	assert_int_equal(socks_parse_greeting(IN(""), &none, &password), 0);
	assert_int_equal(socks_parse_greeting(IN("\4\1\0P"), &none, &password), -EPROTO);
	assert_int_equal(socks_parse_greeting(IN("GET /"), &none, &password), -EPROTO);
}

static void
test_login(void **state)
{
	struct socks_login login;
	const uint8_t whole[] = "\1\4name\6secret";
	uint8_t longest[513] = {1, 255};

	(void)state;
	assert_int_equal(socks_parse_login(whole, 13, &login), 13);
	assert_string_equal((char *)login.user, "name");
	assert_string_equal((char *)login.password, "secret");
	for (size_t i = 0; i < 13; i++)
		assert_int_equal(socks_parse_login(whole, i, &login), 0);
	assert_int_equal(socks_parse_login(IN("\1\0\0"), &login), 3);
	assert_int_equal(socks_parse_login(IN("\5\1\0"), &login), -EPROTO);
	memset(longest + 2, 'x', sizeof(longest) - 2);
	longest[257] = 255;
	assert_int_equal(socks_parse_login(longest, sizeof(longest), &login), SOCKS_INPUT_MAX);
	assert_int_equal(strlen((char *)login.user), 255);
	assert_int_equal(strlen((char *)login.password), 255);
}

static const struct {
	const char *bytes;
	size_t len;
	ssize_t result;
	const char *text; /* address, or name and port */
} requests[] = {
#define R(s, result, text)                                                                         \
	{                                                                                          \
		s, sizeof(s) - 1, result, text                                                     \
	}
	R("\5\3\0\1\xc0\0\2\7\0\x50", 10, "192.0.2.7:80"),
	R("\5\3\0\1\0\0\0\0\0\0", 10, "0.0.0.0:0"),
	R("\5\3\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\x50", 22, "[2001:db8::7]:80"),
	R("\5\3\0\4\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\7\0\x50", 22, "192.0.2.7:80"),
	R("\5\1\0\3\xb"
	  "example.org\0\x50",
		18, "example.org 80"),
	R("\5\1\0\3\x9"
	  "192.0.2.7\0\x50",
		16, "192.0.2.7:80"),
	R("\5\1\0\3\3::1\0\x50", 10, "[::1]:80"),
	R("\5\1\0\3\xb"
	  "192.0.2.7:9\0\x50",
		-EBADMSG, NULL),
	R("\5\1\0\3\5[::1]\0\x50", -EBADMSG, NULL),
	R("\5\1\0\3\0\0\x50", -EBADMSG, NULL),
	R("\5\1\0\3\3a b\0\x50", -EBADMSG, NULL),
	R("\5\1\0\3\3a\0b\0\x50", -EBADMSG, NULL),
	R("\5\1\0\0\1\2\3\4\0\x50", -EAFNOSUPPORT, NULL),
	R("\5\1\0\5", -EAFNOSUPPORT, NULL),
	R("\4\1\0\1", -EPROTO, NULL),
#undef R
};

static void
test_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(requests); i++) {
		struct peel_socks_target t;
		char text[300];
		uint8_t command = 0, *copy = malloc(requests[i].len);
		ssize_t n;

		assert_non_null(copy);
		memcpy(copy, requests[i].bytes, requests[i].len);
		n = socks_parse_request(copy, requests[i].len, &command, &t);
		assert_int_equal(n, requests[i].result);
		for (ssize_t part = 0; part < n; part++)
			assert_int_equal(socks_parse_request(copy, (size_t)part, &command, &t), 0);
		if (n > 0) {
			assert_int_equal(
				socks_parse_request(copy, requests[i].len, &command, &t), n);
			assert_int_equal(command, copy[1]);
			if (t.name[0] != '\0')
				snprintf(text, sizeof(text), "%s %u", t.name, t.addr.port);
			else
				peel_addr_text(&t.addr, text);
			assert_string_equal(text, requests[i].text);
		}
		free(copy);
	}
}

static void
test_datagram(void **state)
{
	struct peel_socks_target t, back;
	uint8_t head[SOCKS_HEADER_MAX];
	size_t n;

	(void)state;
	assert_int_equal(socks_parse_datagram(IN("\0\0\0\1\xc0\0\2\7\0\x50hello"), &t), 10);
	assert_int_equal(t.addr.port, 80);
	assert_int_equal(socks_parse_datagram(IN("\0\0\0\3\1a\0\x50"), &t), 8);
	assert_string_equal(t.name, "a");
	n = socks_build_datagram(head, &t);
	assert_memory_equal(head, "\0\0\0\3\1a\0\x50", n);
	assert_int_equal(socks_parse_datagram(head, n, &back), n);
	/* Fragments, no port, cut, another type. */
	assert_int_equal(socks_parse_datagram(IN("\0\0\1\1\xc0\0\2\7\0\x50hello"), &t), -EBADMSG);
	assert_int_equal(socks_parse_datagram(IN("\0\0\x80\1\xc0\0\2\7\0\x50hello"), &t), -EBADMSG);
	assert_int_equal(socks_parse_datagram(IN("\0\0\0\1\xc0\0\2\7\0\0hello"), &t), -EBADMSG);
	assert_int_equal(socks_parse_datagram(IN("\0\0\0\1\xc0\0\2\7\0"), &t), -EBADMSG);
	assert_int_equal(socks_parse_datagram(IN("\0\0\0\2\xc0\0\2\7\0\x50hello"), &t), -EBADMSG);
	assert_int_equal(socks_parse_datagram(IN(""), &t), -EBADMSG);
}

static void
test_replies(void **state)
{
	uint8_t out[SOCKS_REPLY_MAX];
	struct peel_addr a = peel_addr_ipv4(127, 0, 0, 1, 0x1234);
	struct peel_addr six = {.family = PEEL_FAMILY_IPV6, .ip = {[15] = 1}, .port = 7};

	(void)state;
	assert_int_equal(socks_build_reply(out, SOCKS_OK, &a), 10);
	assert_memory_equal(out, "\5\0\0\1\x7f\0\0\1\x12\x34", 10);
	assert_int_equal(socks_build_reply(out, SOCKS_COMMAND_UNKNOWN, NULL), 10);
	assert_memory_equal(out, "\5\7\0\1\0\0\0\0\0\0", 10);
	assert_int_equal(socks_build_reply(out, SOCKS_OK, &six), 22);
	assert_memory_equal(out + 19, "\1\0\7", 3);
}

static const struct {
	const char *text;
	ssize_t result; /* 1: all of it */
} http[] = {
	{"GET /announce?info_hash=%00 HTTP/1.1\r\nHost: a\r\n\r\n", 1},
	{"GET / HTTP/1.0\r\n\r\n", 1},
	{"POST /x HTTP/1.1\r\ncontent-LENGTH:  3 \r\n\r\nabc", 1},
	{"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 1},
	{"", 0},
	{"GE", 0},
	{"GET / HTTP/1.1\r\nHost: a\r\n", 0},
	{"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nab", 0},
	{"POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcd", -EBADMSG},
	{"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", -EBADMSG},
	{"GET / HTTP/2.0\r\n", -EBADMSG},
	{"GET / HTTP/1.1\n\n", -EBADMSG},
	{"GET /a b HTTP/1.1\r\n", -EBADMSG},
	{"GET  HTTP/1.1\r\n", -EBADMSG},
	{"GET HTTP/1.1\r\n", -EBADMSG},
	{" / HTTP/1.1\r\n", -EBADMSG},
	{"\r\nGET / HTTP/1.1\r\n\r\n", -EBADMSG},
	{"\x16\x03\x01", -EBADMSG},
	{"\x13"
	 "BitTorrent protocol",
		-EBADMSG},
	{"SSH-2.0-x\r\n", -EBADMSG},
	{"ABCDEFGHIJKLMNOPQ", -EBADMSG},
	{"GET / HTTP/1.1\r\nno colon\r\n\r\n", -EBADMSG},
	{"GET / HTTP/1.1\r\n: x\r\n\r\n", -EBADMSG},
	{"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", -EBADMSG},
	{"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", -EBADMSG},
	{"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", -EBADMSG},
	{"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", -EBADMSG},
	{"GET / HTTP/1.1\r\nContent-Length:\r\n\r\n", -EBADMSG},
	{"GET / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n", -EMSGSIZE},
	{"GET / HTTP/1.1\r\nContent-Length: 8192\r\n\r\n", -EMSGSIZE},
	{"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", -EBADMSG},
	{"GET / HTTP/1.1\r\nA: b\x01\r\n\r\n", -EBADMSG},
};

static void
test_http(void **state)
{
	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(http); i++) {
		size_t len = strlen(http[i].text);
		uint8_t *copy = malloc(len > 0 ? len : 1);
		ssize_t n;

		assert_non_null(copy);
		memcpy(copy, http[i].text, len);
		n = socks_http_length(copy, len);
		if (n != (http[i].result == 1 ? (ssize_t)len : http[i].result))
			fail_msg("%s: %zd", http[i].text, n);
		for (size_t part = 0; http[i].result == 1 && part < len; part++)
			assert_int_equal(socks_http_length(copy, part), 0);
		free(copy);
	}
}

static void
test_http_is_bounded(void **state)
{
	char text[PEEL_SOCKS_REQUEST_MAX + 1];
	int n;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "GET /", 5);
	assert_int_equal(socks_http_length((uint8_t *)text, sizeof(text) - 2), 0);
	assert_int_equal(socks_http_length((uint8_t *)text, sizeof(text) - 1), -EMSGSIZE);
	/* Exactly as much as may be. */
	n = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: 8148\r\n\r\n");
	text[n] = 'a';
	assert_int_equal(n + 8148, 8189);
	assert_int_equal(socks_http_length((uint8_t *)text, 8189), 8189);
	n = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nContent-Length: 8152\r\n\r\n");
	text[n] = 'a';
	assert_int_equal(socks_http_length((uint8_t *)text, (size_t)n), -EMSGSIZE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting),
		cmocka_unit_test(test_login),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_datagram),
		cmocka_unit_test(test_replies),
		cmocka_unit_test(test_http),
		cmocka_unit_test(test_http_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
