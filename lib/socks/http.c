/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Finds the end of an HTTP/1 request. It is strict, because what passes leaves through somebody
 * else's exit: a request line, header fields, and as many bytes of body as one Content-Length says.
 * No chunks, and no second request after it.
 */
#include <errno.h>
#include <strings.h>

#include "parse.h"

static bool
is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* "GET /announce?... HTTP/1.1", without the line's end. */
static bool
is_request_line(const uint8_t *p, size_t len)
{
	static const char version[] = " HTTP/1.";
	size_t i = 0, end = len - strlen(version) - 1;

	if (len < strlen("A / HTTP/1.1") || memcmp(p + end, version, strlen(version)) != 0 ||
		(p[len - 1] != '0' && p[len - 1] != '1'))
		return false;
	while (i < end && is_token(p[i]))
		i++;
	if (i == 0 || i + 1 >= end || p[i] != ' ')
		return false;
	for (i++; i < end; i++) {
		if (p[i] <= ' ' || p[i] == 0x7f)
			return false;
	}
	return true;
}

/* A first look, before the line is complete: a method, then a space. Ends TLS and other protocols
 * early. */
static bool
begins_like_request(const uint8_t *p, size_t len)
{
	size_t i = 0;

	while (i < len && p[i] >= 'A' && p[i] <= 'Z')
		i++;
	return i == len ? i <= 16 : i > 0 && i <= 16 && p[i] == ' ';
}

/* A header field's line. 0, or -EBADMSG. @p body gets the value of Content-Length. */
static int
take_field(const uint8_t *p, size_t len, ssize_t *body)
{
	size_t name = 0, i;
	ssize_t v = 0;

	while (name < len && is_token(p[name]))
		name++;
	if (name == 0 || name == len || p[name] != ':')
		return -EBADMSG;
	for (i = name + 1; i < len; i++) {
		if ((p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
			return -EBADMSG;
	}
	if (name == 17 && strncasecmp((const char *)p, "transfer-encoding", name) == 0)
		return -EBADMSG;
	if (name != 14 || strncasecmp((const char *)p, "content-length", name) != 0)
		return 0;
	i = name + 1;
	while (i < len && (p[i] == ' ' || p[i] == '\t'))
		i++;
	while (len > i && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	if (i == len || *body >= 0)
		return -EBADMSG; /* empty, or a second one */
	for (; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -EBADMSG;
		v = v * 10 + (p[i] - '0');
		if (v > PEEL_SOCKS_REQUEST_MAX)
			return -EMSGSIZE;
	}
	*body = v;
	return 0;
}

ssize_t
socks_http_length(const uint8_t *p, size_t len)
{
	ssize_t body = -1;
	size_t at = 0, total;
	bool first = true;

	if (!begins_like_request(p, len))
		return -EBADMSG;
	for (;;) {
		const uint8_t *lf = at < len ? memchr(p + at, '\n', len - at) : NULL;
		size_t line;
		int ret = 0;

		if (lf == NULL)
			return len >= PEEL_SOCKS_REQUEST_MAX ? -EMSGSIZE : 0;
		line = (size_t)(lf - p) - at;
		if (line == 0 || p[at + line - 1] != '\r')
			return -EBADMSG;
		line--;
		if (first)
			ret = is_request_line(p + at, line) ? 0 : -EBADMSG;
		else if (line > 0)
			ret = take_field(p + at, line, &body);
		if (ret != 0)
			return ret;
		at += line + 2;
		if (!first && line == 0)
			break;
		first = false;
	}
	total = at + (body > 0 ? (size_t)body : 0);
	if (total > PEEL_SOCKS_REQUEST_MAX)
		return -EMSGSIZE;
	if (len > total)
		return -EBADMSG;
	return len == total ? (ssize_t)total : 0;
}
