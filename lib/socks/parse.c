/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * RFC 1928 sections 3, 4, 6, 7 and RFC 1929.
 */
#include <errno.h>

#include "parse.h"

enum address_type {
	ADDRESS_IPV4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_IPV6 = 4,
};

ssize_t
socks_parse_greeting(const uint8_t *p, size_t len, bool *none, bool *password)
{
	*none = *password = false;
	if (len >= 1 && p[0] != 5)
		return -EPROTO;
	if (len < 2 || len < 2u + p[1])
		return 0;
	for (unsigned int i = 0; i < p[1]; i++) {
		*none |= p[2 + i] == SOCKS_METHOD_NONE;
		*password |= p[2 + i] == SOCKS_METHOD_PASSWORD;
	}
	return 2 + p[1];
}

ssize_t
socks_parse_login(const uint8_t *p, size_t len, struct socks_login *out)
{
	size_t user, password;

	memset(out, 0, sizeof(*out));
	if (len >= 1 && p[0] != 1)
		return -EPROTO;
	if (len < 2)
		return 0;
	user = p[1];
	if (len < 2 + user + 1)
		return 0;
	password = p[2 + user];
	if (len < 2 + user + 1 + password)
		return 0;
	memcpy(out->user, p + 2, user);
	memcpy(out->password, p + 3 + user, password);
	return (ssize_t)(3 + user + password);
}

static int
take_name(const uint8_t *p, size_t len, struct peel_socks_target *out)
{
	struct peel_addr literal;

	if (len == 0)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		if (p[i] <= ' ' || p[i] == 0x7f)
			return -EBADMSG;
	}
	memcpy(out->name, p, len);
	out->name[len] = '\0';
	/* Many clients send addresses as names. With a colon, it is an IPv6 address or invalid. */
	if (strpbrk(out->name, ":[]") != NULL) {
		if (strchr(out->name, '[') != NULL ||
			peel_addr_parse(out->name, 0, &literal) != 0 ||
			literal.family != PEEL_FAMILY_IPV6)
			return -EBADMSG;
	} else if (peel_addr_parse(out->name, 0, &literal) != 0) {
		return 0;
	}
	out->addr = literal;
	out->name[0] = '\0';
	return 0;
}

/* Read ATYP, address and port. */
static ssize_t
parse_target(const uint8_t *p, size_t len, struct peel_socks_target *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	size_t head;
	int ret = 0;

	memset(&out->addr, 0, sizeof(out->addr));
	out->name[0] = '\0';
	if (len < 2)
		return len == 1 && p[0] != ADDRESS_IPV4 && p[0] != ADDRESS_NAME &&
				       p[0] != ADDRESS_IPV6
			       ? -EAFNOSUPPORT
			       : 0;
	switch (p[0]) {
	case ADDRESS_IPV4:
		head = 1 + 4;
		break;
	case ADDRESS_NAME:
		head = 2u + p[1];
		break;
	case ADDRESS_IPV6:
		head = 1 + 16;
		break;
	default:
		return -EAFNOSUPPORT;
	}
	if (len < head + 2)
		return 0;
	if (p[0] == ADDRESS_NAME) {
		ret = take_name(p + 2, p[1], out);
	} else if (p[0] == ADDRESS_IPV4) {
		out->addr = peel_addr_ipv4(p[1], p[2], p[3], p[4], 0);
	} else if (memcmp(p + 1, mapped, sizeof(mapped)) == 0) {
		out->addr = peel_addr_ipv4(p[13], p[14], p[15], p[16], 0);
	} else {
		out->addr.family = PEEL_FAMILY_IPV6;
		memcpy(out->addr.ip, p + 1, 16);
	}
	out->addr.port = peel_get_be16(p + head);
	return ret != 0 ? ret : (ssize_t)(head + 2);
}

ssize_t
socks_parse_request(const uint8_t *p, size_t len, uint8_t *command, struct peel_socks_target *out)
{
	ssize_t n;

	if (len >= 1 && p[0] != 5)
		return -EPROTO;
	if (len < 4)
		return 0;
	*command = p[1];
	n = parse_target(p + 3, len - 3, out);
	return n > 0 ? 3 + n : n;
}

ssize_t
socks_parse_datagram(const uint8_t *p, size_t len, struct peel_socks_target *to)
{
	ssize_t n;

	/* RSV is ignored, as some clients leave garbage there. FRAG must be 0: fragments are
	 * dropped (section 7). */
	if (len < 4 || p[2] != 0)
		return -EBADMSG;
	n = parse_target(p + 3, len - 3, to);
	if (n <= 0 || to->addr.port == 0)
		return -EBADMSG;
	return 3 + n;
}

static size_t
build_addr(uint8_t *out, const struct peel_addr *a)
{
	size_t n = a->family == PEEL_FAMILY_IPV6 ? 16 : 4;

	out[0] = n == 16 ? ADDRESS_IPV6 : ADDRESS_IPV4;
	memcpy(out + 1, a->ip, n);
	peel_put_be16(out + 1 + n, a->port);
	return 1 + n + 2;
}

size_t
socks_build_reply(
	uint8_t out[SOCKS_REPLY_MAX], enum socks_reply reply, const struct peel_addr *bound)
{
	static const struct peel_addr none;

	out[0] = 5;
	out[1] = (uint8_t)reply;
	out[2] = 0;
	return 3 + build_addr(out + 3, bound != NULL ? bound : &none);
}

size_t
socks_build_datagram(uint8_t out[SOCKS_HEADER_MAX], const struct peel_socks_target *origin)
{
	size_t len = strlen(origin->name);

	out[0] = out[1] = out[2] = 0;
	if (len == 0)
		return 3 + build_addr(out + 3, &origin->addr);
	out[3] = ADDRESS_NAME;
	out[4] = (uint8_t)len;
	memcpy(out + 5, origin->name, len);
	peel_put_be16(out + 5 + len, origin->addr.port);
	return 5 + len + 2;
}
