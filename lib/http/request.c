/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What exits ask web servers: one GET, line by line. The request is rewritten from what was parsed,
 * so that a server cannot see a different request from the one that was judged.
 */
#include <errno.h>
#include <strings.h>

#include "peel_http.h"

#define METHOD "GET "
#define VERSION " HTTP/1." /* a digit follows */
#define ENCODING "Accept-Encoding: identity\r\n"

_Static_assert(PEEL_HTTP_REQUEST_MORE == sizeof(ENCODING) - 1, "room for the line that is added");

struct line {
	const char *p;
	size_t len; /* without its CR LF */
};

/* The next line of the request, or -EBADMSG if it has no end. */
static int
next_line(const char **p, const char *end, struct line *line)
{
	const char *cr = memchr(*p, '\r', (size_t)(end - *p));

	if (cr == NULL || end - cr < 2 || cr[1] != '\n')
		return -EBADMSG;
	*line = (struct line){*p, (size_t)(cr - *p)};
	*p = cr + 2;
	return 0;
}

/* Reject control characters (RFC 9110, 5.5). Some clients send bytes beyond ASCII. */
static bool
is_text(const char *p, size_t len, bool spaces)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)p[i];

		if (c == 0x7f || c < ' ' ? !(spaces && c == '\t') : !spaces && c == ' ')
			return false;
	}
	return true;
}

static bool
is_token(const char *p, size_t len)
{
	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = p[i];

		if ((c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') &&
			(c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			return false;
	}
	return true;
}

static bool
is_request_line(const struct line *l)
{
	const size_t method = sizeof(METHOD) - 1, version = sizeof(VERSION); /* with its digit */
	const char *last;

	if (l->len < method + 1 + version)
		return false;
	last = l->p + l->len - version;
	return memcmp(l->p, METHOD, method) == 0 && memcmp(last, VERSION, version - 1) == 0 &&
	       (last[version - 1] == '0' || last[version - 1] == '1') &&
	       is_text(l->p + method, l->len - method - version, false);
}

enum field {
	FIELD_PASS,
	FIELD_REPLACED,
	FIELD_REFUSED,
};

static bool
is_name(const struct line *l, size_t len, const char *name)
{
	return len == strlen(name) && strncasecmp(l->p, name, len) == 0;
}

static bool
is_zero(const char *p, size_t len)
{
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '0')
			digits++;
		else if (p[i] != ' ' && p[i] != '\t')
			return false;
	}
	return digits == 1;
}

static enum field
judge_field(const struct line *l)
{
	const char *colon = memchr(l->p, ':', l->len);
	size_t name = colon == NULL ? 0 : (size_t)(colon - l->p), value = l->len - name - 1;

	if (!is_token(l->p, name) || !is_text(colon + 1, value, true))
		return FIELD_REFUSED;
	if (is_name(l, name, "accept-encoding"))
		return FIELD_REPLACED;
	if (is_name(l, name, "transfer-encoding") || is_name(l, name, "upgrade") ||
		(is_name(l, name, "content-length") && !is_zero(colon + 1, value)))
		return FIELD_REFUSED;
	return FIELD_PASS;
}

static void
write_line(char **out, const struct line *l)
{
	memcpy(*out, l->p, l->len + 2);
	*out += l->len + 2;
}

int
peel_http_request_take(const void *request, size_t len, void *out)
{
	const char *p = request, *end = p + len;
	char *to = out;
	struct line line;

	if (len > PEEL_HTTP_REQUEST_MAX || next_line(&p, end, &line) != 0 ||
		!is_request_line(&line))
		return -EBADMSG;
	write_line(&to, &line);
	while (next_line(&p, end, &line) == 0) {
		if (line.len == 0) {
			if (p != end)
				return -EBADMSG;
			memcpy(to, ENCODING "\r\n", sizeof(ENCODING "\r\n") - 1);
			return (int)(to - (char *)out) + (int)sizeof(ENCODING "\r\n") - 1;
		}
		switch (judge_field(&line)) {
		case FIELD_PASS:
			write_line(&to, &line);
			break;
		case FIELD_REPLACED:
			break;
		case FIELD_REFUSED:
			return -EBADMSG;
		}
	}
	return -EBADMSG;
}
