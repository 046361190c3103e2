/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "peel_base.h"

#define IPV6_SOURCE_BYTES 7 /* /56 */

struct peel_addr
peel_addr_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
	return (struct peel_addr){.ip = {a, b, c, d}, .port = port, .family = PEEL_FAMILY_IPV4};
}

static int
parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long v;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	v = strtoul(text, &end, 10);
	if (*end != '\0' || v > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

int
peel_addr_parse(const char *text, uint16_t default_port, struct peel_addr *out)
{
	char host[INET6_ADDRSTRLEN];
	const char *begin = text, *end, *port = NULL;
	int family = AF_INET;

	memset(out, 0, sizeof(*out));
	if (text[0] == '[') {
		family = AF_INET6;
		begin = text + 1;
		end = strchr(begin, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':'))
			return -EINVAL;
		if (end[1] == ':')
			port = end + 2;
	} else {
		const char *colon = strchr(text, ':');

		end = text + strlen(text);
		if (colon != NULL && strchr(colon + 1, ':') != NULL) {
			family = AF_INET6; /* a bare IPv6 address, no port */
		} else if (colon != NULL) {
			end = colon;
			port = colon + 1;
		}
	}
	if ((size_t)(end - begin) >= sizeof(host))
		return -EINVAL;
	memcpy(host, begin, (size_t)(end - begin));
	host[end - begin] = '\0';
	if (inet_pton(family, host, out->ip) != 1)
		return -EINVAL;
	out->family = family == AF_INET ? PEEL_FAMILY_IPV4 : PEEL_FAMILY_IPV6;
	out->port = default_port;
	return port == NULL ? 0 : parse_port(port, &out->port);
}

const char *
peel_addr_text(const struct peel_addr *a, char out[PEEL_ADDR_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN];

	if (a->family == PEEL_FAMILY_IPV6) {
		inet_ntop(AF_INET6, a->ip, host, sizeof(host));
		snprintf(out, PEEL_ADDR_TEXT_MAX, "[%s]:%u", host, a->port);
	} else {
		inet_ntop(AF_INET, a->ip, host, sizeof(host));
		snprintf(out, PEEL_ADDR_TEXT_MAX, "%s:%u", host, a->port);
	}
	return out;
}

unsigned int
peel_addr_to_sockaddr(const struct peel_addr *a, struct sockaddr_storage *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == PEEL_FAMILY_IPV6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	}
	struct sockaddr_in *in = (struct sockaddr_in *)out;

	in->sin_family = AF_INET;
	in->sin_port = htons(a->port);
	memcpy(&in->sin_addr, a->ip, sizeof(in->sin_addr));
	return sizeof(*in);
}

int
peel_addr_from_sockaddr(const struct sockaddr_storage *in, struct peel_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (in->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)in;

		memcpy(out->ip, &v4->sin_addr, 4);
		out->port = ntohs(v4->sin_port);
		out->family = PEEL_FAMILY_IPV4;
		return 0;
	}
	if (in->ss_family != AF_INET6)
		return -EINVAL;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)in;

	out->port = ntohs(v6->sin6_port);
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
		memcpy(out->ip, v6->sin6_addr.s6_addr + 12, 4);
		out->family = PEEL_FAMILY_IPV4;
	} else {
		memcpy(out->ip, &v6->sin6_addr, 16);
		out->family = PEEL_FAMILY_IPV6;
	}
	return 0;
}

bool
peel_addr_is_host(const struct peel_addr *a)
{
	if (a->family == PEEL_FAMILY_IPV4)
		return a->ip[0] != 0 && a->ip[0] < 224;
	return a->family == PEEL_FAMILY_IPV6 && a->ip[0] != 0xff && !peel_addr_is_any(a);
}

bool
peel_addr_is_loopback(const struct peel_addr *a)
{
	static const uint8_t one[16] = {[15] = 1};

	if (a->family == PEEL_FAMILY_IPV6)
		return memcmp(a->ip, one, sizeof(one)) == 0;
	return a->family == PEEL_FAMILY_IPV4 && a->ip[0] == 127;
}

struct peel_addr
peel_addr_source(const struct peel_addr *a)
{
	struct peel_addr source = *a;

	source.port = 0;
	if (source.family == PEEL_FAMILY_IPV6)
		memset(source.ip + IPV6_SOURCE_BYTES, 0, sizeof(source.ip) - IPV6_SOURCE_BYTES);
	return source;
}
