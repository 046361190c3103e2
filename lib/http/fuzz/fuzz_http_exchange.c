/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * A whole exchange: one byte that says how it is cut, two bytes of length, a request, and what the
 * server says to it. What is sent to the server, what comes back over the circuit in parts, and
 * what a client asks next after a redirection are looked at with http_parser, as the servers and
 * clients at both ends might.
 */
#include <http_parser.h>
#include <stdlib.h>
#include <strings.h>

#include "peel_http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

struct seen {
	bool complete;
	unsigned int status, n_encodings;
	char name[32], location[256];
	size_t name_len, location_len;
	bool in_value;
	struct peel_bencode body;
	bool no_bencode;
	size_t body_len;
};

static int
on_name(http_parser *parser, const char *p, size_t len)
{
	struct seen *s = parser->data;

	if (s->in_value)
		s->name_len = 0;
	s->in_value = false;
	for (size_t i = 0; i < len && s->name_len < sizeof(s->name) - 1; i++)
		s->name[s->name_len++] = p[i];
	s->name[s->name_len] = '\0';
	return 0;
}

static int
on_value(http_parser *parser, const char *p, size_t len)
{
	struct seen *s = parser->data;

	if (!s->in_value && strcasecmp(s->name, "accept-encoding") == 0)
		s->n_encodings++;
	s->in_value = true;
	if (strcasecmp(s->name, "location") != 0)
		return 0;
	for (size_t i = 0; i < len && s->location_len < sizeof(s->location); i++)
		s->location[s->location_len++] = p[i];
	return 0;
}

static int
on_body(http_parser *parser, const char *p, size_t len)
{
	struct seen *s = parser->data;

	s->body_len += len;
	s->no_bencode |= peel_bencode_feed(&s->body, p, len) != 0;
	return 0;
}

static int
on_complete(http_parser *parser)
{
	struct seen *s = parser->data;

	if (parser->type == HTTP_RESPONSE && parser->status_code / 100 == 1) {
		s->in_value = true;
		return 0;
	}
	s->complete = true;
	s->status = parser->status_code;
	http_parser_pause(parser, 1);
	return 0;
}

/* @return false: not for http_parser. It may be stricter than we are, but must not see an end
 * before ours. */
static bool
look(enum http_parser_type type, const void *text, size_t len, struct seen *s)
{
	static const http_parser_settings settings = {.on_header_field = on_name,
		.on_header_value = on_value,
		.on_body = on_body,
		.on_message_complete = on_complete};
	http_parser parser;
	size_t n;

	memset(s, 0, sizeof(*s));
	peel_bencode_init(&s->body);
	http_parser_init(&parser, type);
	parser.data = s;
	n = http_parser_execute(&parser, &settings, text, len);
	if (!s->complete && HTTP_PARSER_ERRNO(&parser) == HPE_OK)
		http_parser_execute(&parser, &settings, NULL, 0);
	CHECK(!s->complete || n == len);
	CHECK(!s->complete || !parser.upgrade);
	CHECK(!s->complete || type == HTTP_RESPONSE || parser.method == HTTP_GET);
	return s->complete;
}

/* What is accepted is one GET without a body to any reader, and is accepted again unchanged. */
static void
ask(const void *request, size_t len)
{
	char *exact = malloc(len + 1), *out = malloc(len + PEEL_HTTP_REQUEST_MORE),
	     *again = malloc(len + 2 * PEEL_HTTP_REQUEST_MORE);
	struct seen s;
	int n;

	CHECK(exact != NULL && out != NULL && again != NULL);
	if (len > 0)
		memcpy(exact, request, len);
	n = peel_http_request_take(exact, len, out);
	if (n >= 0) {
		CHECK((size_t)n <= len + PEEL_HTTP_REQUEST_MORE && memcmp(out, "GET ", 4) == 0);
		if (look(HTTP_REQUEST, out, (size_t)n, &s))
			CHECK(s.n_encodings == 1 && s.body_len == 0);
		if ((size_t)n <= PEEL_HTTP_REQUEST_MAX)
			CHECK(peel_http_request_take(out, (size_t)n, again) == n &&
				memcmp(out, again, (size_t)n) == 0);
	}
	free(exact);
	free(out);
	free(again);
}

/* A client follows: whatever the location is, the next request is one again or refused. */
static void
follow(const struct seen *s)
{
	char next[sizeof(s->location) + 64] = "GET ";
	size_t len = 4;

	memcpy(next + len, s->location, s->location_len);
	len += s->location_len;
	memcpy(next + len, " HTTP/1.1\r\nHost: x\r\n\r\n", 22);
	ask(next, len + 22);
}

/* Over the circuit in parts, in some order, and together again. */
static void
come_back(const uint8_t *bytes, size_t len, size_t stride)
{
	struct peel_http_parts parts = {0};
	unsigned int total = peel_http_n_parts(len), done = 0;
	struct seen s;
	uint8_t *all;

	CHECK(total > 0 && total <= PEEL_HTTP_PARTS_MAX);
	for (unsigned int start = 0; start < stride; start++) {
		for (size_t i = start; i < total; i += stride) {
			size_t at = i * PEEL_HTTP_PART_LEN, left = len - at;

			done++;
			CHECK(peel_http_parts_add(&parts, (uint16_t)i, (uint16_t)total, bytes + at,
				      left < PEEL_HTTP_PART_LEN ? left : PEEL_HTTP_PART_LEN) ==
				(done == total));
		}
	}
	all = peel_http_parts_join(&parts);
	CHECK(all != NULL && parts.bytes == len && memcmp(all, bytes, len) == 0);
	CHECK(look(HTTP_RESPONSE, all, len, &s));
	if (s.status == 307)
		follow(&s);
	CHECK((len >= 12 && memcmp(all, "HTTP/1.1 307", 12) == 0) ||
		(peel_bencode_done(&s.body) && !s.no_bencode));
	free(all);
	peel_http_parts_free(&parts);
}

static void
answer(const uint8_t *data, size_t size, size_t step)
{
	struct peel_http_answer *a;
	const uint8_t *bytes;
	size_t len;
	int rc = 0;

	CHECK(peel_http_answer_new(&a) == 0);
	for (size_t i = 0; i < size && rc == 0; i += step)
		rc = peel_http_answer_feed(a, data + i, size - i < step ? size - i : step);
	if (rc == 0)
		rc = peel_http_answer_end(a);
	bytes = peel_http_answer_bytes(a, &len);
	if (rc == 1)
		come_back(bytes, len, 1 + step % 5);
	peel_http_answer_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;

	if (size < 3)
		return 0;
	len = peel_get_be16(data + 1);
	if (len > size - 3)
		len = size - 3;
	ask(data + 3, len);
	answer(data + 3 + len, size - 3 - len, 1u + data[0]);
	return 0;
}
