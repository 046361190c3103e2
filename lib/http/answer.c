/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * http_parser says where an HTTP message ends; this file decides what may pass. It judges the body
 * as it arrives, so that a web page is given up at its first byte, not after all of it was fetched.
 */
#include <errno.h>
#include <http_parser.h>
#include <stdlib.h>

#include "peel_http.h"

#define SIZE_FIRST 2048 /* initial size: most tracker answers are shorter */
#define REDIRECT "HTTP/1.1 307"
#define REDIRECT_LEN (sizeof(REDIRECT) - 1)

struct peel_http_answer {
	http_parser parser;
	struct peel_bencode body;
	bool redirect; /* may go back whatever its body is */
	bool complete;
	bool refused;
	uint8_t *bytes;
	size_t len, size;
};

static bool
is_interim(const http_parser *parser)
{
	return parser->status_code >= 100 && parser->status_code < 200;
}

static int
on_headers(http_parser *parser)
{
	struct peel_http_answer *a = parser->data;

	/* By now `bytes` holds the whole header. */
	a->redirect = a->len >= REDIRECT_LEN && memcmp(a->bytes, REDIRECT, REDIRECT_LEN) == 0;
	return 0;
}

static int
on_body(http_parser *parser, const char *data, size_t len)
{
	struct peel_http_answer *a = parser->data;

	a->refused |= !a->redirect && peel_bencode_feed(&a->body, data, len) != 0;
	return a->refused;
}

static int
on_complete(http_parser *parser)
{
	struct peel_http_answer *a = parser->data;

	if (is_interim(parser))
		return 0; /* the final answer follows */
	a->complete = true;
	http_parser_pause(parser, 1); /* ignore what follows */
	return 0;
}

static const http_parser_settings answer_settings = {
	.on_headers_complete = on_headers,
	.on_body = on_body,
	.on_message_complete = on_complete,
};

int
peel_http_answer_new(struct peel_http_answer **out)
{
	struct peel_http_answer *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return -ENOMEM;
	http_parser_init(&a->parser, HTTP_RESPONSE);
	a->parser.data = a;
	peel_bencode_init(&a->body);
	*out = a;
	return 0;
}

void
peel_http_answer_free(struct peel_http_answer *a)
{
	if (a == NULL)
		return;
	free(a->bytes);
	free(a);
}

static int
append(struct peel_http_answer *a, const void *data, size_t len)
{
	size_t size = a->size > 0 ? a->size : SIZE_FIRST;
	uint8_t *bytes = a->bytes;

	while (size < a->len + len)
		size *= 2;
	if (size != a->size)
		bytes = realloc(bytes, size);
	if (bytes == NULL)
		return -ENOMEM;
	memcpy(bytes + a->len, data, len);
	a->bytes = bytes;
	a->size = size;
	a->len += len;
	return 0;
}

static int
verdict(const struct peel_http_answer *a)
{
	if (a->complete)
		return a->redirect || peel_bencode_done(&a->body) ? 1 : -EBADMSG;
	return a->refused || HTTP_PARSER_ERRNO(&a->parser) != HPE_OK || a->parser.upgrade ? -EBADMSG
											  : 0;
}

int
peel_http_answer_feed(struct peel_http_answer *a, const void *data, size_t len)
{
	size_t room = PEEL_HTTP_ANSWER_MAX - a->len;
	size_t n = len < room ? len : room; /* the answer may end within them */
	size_t before = a->len;
	int rc;

	if (a->complete || a->refused)
		return verdict(a);
	if (n > 0) { /* to the parser, 0 bytes would mean the end */
		rc = append(a, data, n);
		if (rc != 0)
			return rc;
		a->len = before + http_parser_execute(&a->parser, &answer_settings,
					  (const char *)a->bytes + before, n);
	}
	rc = verdict(a);
	return rc == 0 && n < len ? -EMSGSIZE : rc;
}

int
peel_http_answer_end(struct peel_http_answer *a)
{
	if (!a->complete && !a->refused)
		http_parser_execute(&a->parser, &answer_settings, NULL, 0);
	return a->complete ? verdict(a) : -EBADMSG;
}

const uint8_t *
peel_http_answer_bytes(const struct peel_http_answer *a, size_t *len)
{
	*len = a->len;
	return a->bytes;
}
