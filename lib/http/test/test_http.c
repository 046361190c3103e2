/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_http.h"

/* ---- bencode --------------------------------------------------------------------------------- */

/* 1: a value; 0: the beginning of one; -EBADMSG. Fed whole and byte by byte, from exact-size
 * memory. */
static int
bencode(const char *text, size_t len)
{
	struct peel_bencode whole, bytes;
	int rc = 0;

	peel_bencode_init(&whole);
	peel_bencode_init(&bytes);
	for (size_t i = 0; i < len && rc == 0; i++) {
		char *one = malloc(1);

		assert_non_null(one);
		*one = text[i];
		rc = peel_bencode_feed(&bytes, one, 1);
		free(one);
	}
	assert_int_equal(peel_bencode_feed(&whole, text, len), rc);
	assert_int_equal(peel_bencode_done(&whole), peel_bencode_done(&bytes));
	return rc != 0 ? rc : peel_bencode_done(&whole);
}

static void
test_bencode(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = {
		{"de", 1},
		{"le", 1},
		{"i0e", 1},
		{"i-17e", 1},
		{"i18446744073709551616e", 1},
		{"0:", 1},
		{"4:spam", 1},
		{"10:0123456789", 1},
		{"d8:intervali1800e5:peers6:abcdefe", 1},
		{"d5:filesd20:aaaaaaaaaaaaaaaaaaaad8:completei1eeee", 1},
		{"d1:bi1e1:ai2ee", 1}, /* keys out of order */
		{"d0:0:e", 1},
		{"d0:lee", 1},
		{"l4:spaml0:eded1:alelee", -EBADMSG},
		{"l4:spaml0:eded1:aleee", 1},
		/* what libtorrent takes as well: zeros in front, anything behind */
		{"i-0e", 1},
		{"i03e", 1},
		{"04:spam", 1},
		{"de\n", 1},
		{"de\r\n", 1},
		{"dee", 1},
		{"0:0:", 1},
		{"i1ei1e", 1},
		{"d1:ai1ee<!-- cached -->", 1},
		{"", 0},
		{"d", 0},
		{"4:spa", 0},
		{"12", 0},
		{"i", 0},
		{"i-", 0},
		{"i5", 0},
		{"e", -EBADMSG},
		{"ie", -EBADMSG},
		{"i-e", -EBADMSG},
		{"i+1e", -EBADMSG},
		{"i1 e", -EBADMSG},
		{"-1:", -EBADMSG},
		{"99999999:", -EBADMSG},
		{"di1ei2ee", -EBADMSG},
		{"dlelee", -EBADMSG},
		{"d1:ae", -EBADMSG},
		{"<html>", -EBADMSG},
		{" de", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		if (bencode(cases[i].text, strlen(cases[i].text)) != cases[i].want)
			fail_msg("%s", cases[i].text);
	}
}

static void
test_bencode_depth_is_bounded(void **state)
{
	char text[2 * PEEL_BENCODE_DEPTH_MAX + 2];

	(void)state;
	memset(text, 'l', PEEL_BENCODE_DEPTH_MAX);
	memset(text + PEEL_BENCODE_DEPTH_MAX, 'e', PEEL_BENCODE_DEPTH_MAX);
	assert_int_equal(bencode(text, 2 * PEEL_BENCODE_DEPTH_MAX), 1);
	memset(text, 'l', sizeof(text));
	assert_int_equal(bencode(text, PEEL_BENCODE_DEPTH_MAX), 0);
	assert_int_equal(bencode(text, PEEL_BENCODE_DEPTH_MAX + 1), -EBADMSG);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* Take a request from exact-size memory; what comes of it is a string of exact size, or NULL. */
static char *
taken(const char *text, size_t len)
{
	char *exact = malloc(len + 1), *out = calloc(1, len + PEEL_HTTP_REQUEST_MORE + 1);
	int n;

	assert_non_null(exact);
	assert_non_null(out);
	exact = realloc(exact, len > 0 ? len : 1);
	assert_non_null(exact);
	memcpy(exact, text, len);
	n = peel_http_request_take(exact, len, out);
	free(exact);
	if (n < 0) {
		assert_int_equal(n, -EBADMSG);
		free(out);
		return NULL;
	}
	assert_in_range(n, 1, len + PEEL_HTTP_REQUEST_MORE);
	assert_int_equal(out[n], '\0');
	return out;
}

#define IDENTITY "Accept-Encoding: identity\r\n\r\n"

static void
test_requests(void **state)
{
	static const struct {
		const char *text, *sent;
	} cases[] = {
		{"GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0\r\n" IDENTITY},
		{"GET /announce?info_hash=%01x HTTP/1.1\r\nHost: t.example\r\n\r\n",
			"GET /announce?info_hash=%01x HTTP/1.1\r\nHost: t.example\r\n" IDENTITY},
		{"GET http://t.example:80/scrape HTTP/1.1\r\nConnection: close\r\nX:\r\n\r\n",
			"GET http://t.example:80/scrape HTTP/1.1\r\nConnection: close\r\n"
			"X:\r\n" IDENTITY},
		/* as libtorrent asks */
		{"GET /a HTTP/1.1\r\nHost: t:80\r\nUser-Agent: libtorrent/2.0.8\r\n"
		 "Accept-Encoding: gzip\r\nConnection: close\r\n\r\n",
			"GET /a HTTP/1.1\r\nHost: t:80\r\nUser-Agent: libtorrent/2.0.8\r\n"
			"Connection: close\r\n" IDENTITY},
		{"GET / HTTP/1.1\r\nACCEPT-encoding: gzip, br\r\naccept-encoding: x\r\n\r\n",
			"GET / HTTP/1.1\r\n" IDENTITY},
		{"GET / HTTP/1.1\r\nAccept: text/html;\tq=1, \xc3\xa9\r\n\r\n",
			"GET / HTTP/1.1\r\nAccept: text/html;\tq=1, \xc3\xa9\r\n" IDENTITY},
		{"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
			"GET / HTTP/1.1\r\nContent-Length: 0\r\n" IDENTITY},
	};
	static const char *const bad[] = {
		"",
		"GET / HTTP/1.1\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r",
		"GET /\r\n\r\n",
		"GET  HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"GET / HTTP/1.2\r\n\r\n",
		"GET / http/1.1\r\n\r\n",
		"get / HTTP/1.1\r\n\r\n",
		"GET / x HTTP/1.1\r\n\r\n",
		"GET /\x01 HTTP/1.1\r\n\r\n",
		/* nothing in front, nothing behind */
		"\r\nGET / HTTP/1.1\r\n\r\n",
		"\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"\nGET / HTTP/1.1\r\n\r\n",
		" GET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\nx",
		"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		/* no body */
		"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\nde",
		"GET / HTTP/1.1\r\nContent-Length: 2\r\n\r\n",
		"GET / HTTP/1.1\r\ncontent-length:2\r\n\r\nde",
		"GET / HTTP/1.1\r\nContent-Length: 0 0\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length:\r\n\r\n",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
		/* other readers might see another request */
		"GET / HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\r\nHost: x\nContent-Length: 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\rContent-Length: 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n Content-Length: 2\r\n\r\n",
		"GET / HTTP/1.1\r\nContent-Length : 2\r\n\r\n",
		"GET / HTTP/1.1\r\nHost\r\n\r\n",
		"GET / HTTP/1.1\r\n: x\r\n\r\n",
		/* other methods, other protocols */
		"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		"HEAD / HTTP/1.1\r\n\r\n",
		"CONNECT x:25 HTTP/1.1\r\n\r\n",
		"EHLO example\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		char *sent = taken(cases[i].text, strlen(cases[i].text)), *again;

		if (sent == NULL || strcmp(sent, cases[i].sent) != 0)
			fail_msg("%s became %s", cases[i].text, sent);
		again = taken(sent, strlen(sent));
		assert_non_null(again);
		assert_string_equal(again, sent);
		free(again);
		free(sent);
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(bad); i++) {
		if (taken(bad[i], strlen(bad[i])) != NULL)
			fail_msg("%s", bad[i]);
	}
	assert_null(taken("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 30));
	assert_null(taken("GET / HTTP/1.1\r\nHo\0st: ab\r\n\r\n", 30));
}

static void
test_request_length_is_bounded(void **state)
{
	char long_one[PEEL_HTTP_REQUEST_MAX + 2], *sent;

	(void)state;
	memset(long_one, 'a', sizeof(long_one));
	memcpy(long_one, "GET /", 5);
	memcpy(long_one + PEEL_HTTP_REQUEST_MAX - 13, " HTTP/1.1\r\n\r\n", 13);
	sent = taken(long_one, PEEL_HTTP_REQUEST_MAX);
	assert_non_null(sent);
	assert_int_equal(strlen(sent), PEEL_HTTP_REQUEST_MAX + PEEL_HTTP_REQUEST_MORE);
	free(sent);
	memcpy(long_one + PEEL_HTTP_REQUEST_MAX - 13, "a HTTP/1.1\r\n\r\n", 14);
	assert_null(taken(long_one, PEEL_HTTP_REQUEST_MAX + 1));
}

/* ---- answers --------------------------------------------------------------------------------- */

#define GO_ON 0
#define GOOD 1

/* Feed an answer in pieces of `step` bytes, then the end if it wants one. */
static int
answer(const char *text, size_t len, size_t step, bool end, size_t *kept)
{
	struct peel_http_answer *a;
	int rc = 0;

	assert_int_equal(peel_http_answer_new(&a), 0);
	for (size_t i = 0; i < len && rc == 0; i += step) {
		size_t n = len - i < step ? len - i : step;
		char *exact = malloc(n);

		assert_non_null(exact);
		memcpy(exact, text + i, n);
		rc = peel_http_answer_feed(a, exact, n);
		free(exact);
	}
	if (rc == 0 && end)
		rc = peel_http_answer_end(a);
	if (rc == 1) {
		const uint8_t *bytes = peel_http_answer_bytes(a, kept);

		assert_true(*kept <= len);
		assert_memory_equal(bytes, text, *kept);
	}
	peel_http_answer_free(a);
	return rc;
}

static void
test_answers(void **state)
{
	static const struct {
		const char *text;
		const char *behind; /* bytes that are no part of it */
		int want, at_end;
	} cases[] = {
		/* by content-length */
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nde", "", GOOD, GOOD},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nde", "HTTP/1.1 200 OK\r\n", GOOD,
			GOOD},
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nde", "zzz", GOOD, GOOD},
		{"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nde",
			"zzz", GOOD, GOOD},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nde", "", GO_ON, -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nl4", "", GO_ON, -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nd", "", -EBADMSG, -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nde\n", "", GOOD, GOOD},
		{"HTTP/1.0 200 OK\r\n\r\nde\r\n", "", GO_ON, GOOD},
		{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: "
		 "3\r\n\r\n\x1f\x8b\x08",
			"", -EBADMSG, -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", -EBADMSG, -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "", -EBADMSG, -EBADMSG},
		{"HTTP/1.1 204 No Content\r\n\r\n", "", -EBADMSG, -EBADMSG},
		/* in chunks */
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: "
		 "chunked\r\n\r\n1\r\nd\r\n1\r\ne\r\n0\r\n\r\n",
			"", GOOD, GOOD},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nde\r\n0\r\nX: "
		 "y\r\n\r\n",
			"more", GOOD, GOOD},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n", "", GO_ON,
			-EBADMSG},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nde\r\n", "", -EBADMSG,
			-EBADMSG},
		/* until the server closes */
		{"HTTP/1.0 200 OK\r\n\r\nd1:ai1ee", "", GO_ON, GOOD},
		{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nde", "", GO_ON, GOOD},
		{"HTTP/1.0 200 OK\r\n\r\nd1:ai1e", "", GO_ON, -EBADMSG},
		{"HTTP/1.0 200 OK\r\n\r\n", "", GO_ON, -EBADMSG},
		/* redirections */
		{"HTTP/1.1 307 Temporary Redirect\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "",
			GOOD, GOOD},
		{"HTTP/1.1 307 X\r\nContent-Length: 6\r\n\r\n<html>", "", GOOD, GOOD},
		{"HTTP/1.1 307 X\r\n\r\n<html>", "", GO_ON, GOOD},
		{"HTTP/1.0 307 X\r\nContent-Length: 6\r\n\r\n<html>", "", -EBADMSG, -EBADMSG},
		{"HTTP/1.1 308 X\r\nContent-Length: 6\r\n\r\n<html>", "", -EBADMSG, -EBADMSG},
		/* others */
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nde", "",
			GOOD, GOOD},
		{"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nde", "",
			-EBADMSG, -EBADMSG},
		{"220 mail.example ESMTP\r\n", "", -EBADMSG, -EBADMSG},
		{"de", "", -EBADMSG, -EBADMSG},
		{"", "", GO_ON, -EBADMSG},
		{"HTTP/1.1 200 OK\r\nContent-Le", "", GO_ON, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		char text[512];
		size_t len = strlen(cases[i].text);

		snprintf(text, sizeof(text), "%s%s", cases[i].text, cases[i].behind);
		for (size_t step = 1; step <= strlen(text) + 1; step++) {
			size_t kept = 0;

			if (answer(text, strlen(text), step, false, &kept) != cases[i].want ||
				(cases[i].want == GOOD && kept != len))
				fail_msg("step %zu, kept %zu: %s", step, kept, text);
			if (answer(text, strlen(text), step, true, &kept) != cases[i].at_end ||
				(cases[i].at_end == GOOD && kept != len))
				fail_msg("end, step %zu, kept %zu: %s", step, kept, text);
		}
	}
}

static void
test_answer_length_is_bounded(void **state)
{
	static char text[PEEL_HTTP_ANSWER_MAX + 100];
	static const char end[] = "\r\n\r\n60000:";
	size_t kept, head;

	(void)state;
	for (size_t len = PEEL_HTTP_ANSWER_MAX - 1; len <= PEEL_HTTP_ANSWER_MAX + 1; len++) {
		/* As long a header as makes the whole so long. */
		memset(text, 'x', sizeof(text));
		head = (size_t)sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: 60006\r\nX: ");
		text[head] = 'x';
		memcpy(text + len - 60000 - strlen(end), end, strlen(end));
		for (size_t step = 1000; step < 100000; step *= 3)
			assert_int_equal(answer(text, len, step, true, &kept),
				len <= PEEL_HTTP_ANSWER_MAX ? 1 : -EMSGSIZE);
		/* What comes behind a complete answer does not make it too long. */
		if (len == PEEL_HTTP_ANSWER_MAX) {
			assert_int_equal(answer(text, len + 50, len + 50, true, &kept), 1);
			assert_int_equal(kept, len);
		}
	}
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void
test_parts_in_any_order(void **state)
{
	static uint8_t answer_bytes[PEEL_HTTP_ANSWER_MAX];
	const uint16_t total = PEEL_HTTP_PARTS_MAX;
	struct peel_http_parts p = {0};

	(void)state;
	assert_int_equal(peel_http_n_parts(0), 0);
	assert_int_equal(peel_http_n_parts(1), 1);
	assert_int_equal(peel_http_n_parts(1400), 1);
	assert_int_equal(peel_http_n_parts(1401), 2);
	assert_int_equal(peel_http_n_parts(sizeof(answer_bytes)), total);
	for (size_t i = 0; i < sizeof(answer_bytes); i++)
		answer_bytes[i] = (uint8_t)(i * 7 + i / 1400);
	/* 47 is prime: steps of 13 visit all, and each comes twice. */
	for (uint16_t i = 0; i < total; i++) {
		uint16_t part = (uint16_t)(i * 13 % total);
		size_t at = (size_t)part * PEEL_HTTP_PART_LEN;
		size_t len = part == total - 1 ? sizeof(answer_bytes) - at : PEEL_HTTP_PART_LEN;

		assert_null(peel_http_parts_join(&p));
		assert_int_equal(peel_http_parts_add(&p, part, total, answer_bytes + at, len),
			i == total - 1);
		assert_int_equal(peel_http_parts_add(&p, part, total, "other", 5), i == total - 1);
	}
	uint8_t *all = peel_http_parts_join(&p);

	assert_non_null(all);
	assert_int_equal(p.bytes, sizeof(answer_bytes));
	assert_memory_equal(all, answer_bytes, sizeof(answer_bytes));
	free(all);
	peel_http_parts_free(&p);
}

static void
test_parts_that_do_not_fit_are_ignored(void **state)
{
	static const uint8_t big[40000];
	struct peel_http_parts p = {0};

	(void)state;
	assert_int_equal(peel_http_parts_add(&p, 0, 0, "a", 1), -EBADMSG);
	assert_int_equal(peel_http_parts_add(&p, 0, PEEL_HTTP_PARTS_MAX + 1, "a", 1), -EBADMSG);
	assert_int_equal(peel_http_parts_add(&p, 2, 2, "a", 1), -EBADMSG);
	assert_int_equal(peel_http_parts_add(&p, 1, 2, big, sizeof(big)), 0);
	assert_int_equal(peel_http_parts_add(&p, 0, 3, "a", 1), -EBADMSG);
	assert_int_equal(peel_http_parts_add(&p, 0, 2, big, sizeof(big)), -EBADMSG);
	assert_int_equal(peel_http_parts_add(&p, 0, 2, NULL, 0), 1);
	uint8_t *all = peel_http_parts_join(&p);

	assert_non_null(all);
	assert_int_equal(p.bytes, sizeof(big));
	free(all);
	peel_http_parts_free(&p);
	assert_int_equal(peel_http_parts_add(&p, 0, 1, "", 0), 1);
	all = peel_http_parts_join(&p);
	assert_non_null(all);
	free(all);
	peel_http_parts_free(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bencode),
		cmocka_unit_test(test_bencode_depth_is_bounded),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_request_length_is_bounded),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_answer_length_is_bounded),
		cmocka_unit_test(test_parts_in_any_order),
		cmocka_unit_test(test_parts_that_do_not_fit_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
