/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How people name whom they ban.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peel_ban.h"

#define PREFIX4_MIN 8 /* shorter ones are mistakes */
#define PREFIX6_MIN 16

static int
wrong(char *why, size_t size, const char *text, const char *what)
{
	snprintf(why, size, "\"%s\" %s", text, what);
	return -EINVAL;
}

/* @return whether all of the text is hexadecimal digits for that many bytes. */
static bool
unhex(const char *text, uint8_t *out, size_t len)
{
	if (strlen(text) != 2 * len || strspn(text, "0123456789abcdefABCDEF") != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char byte[3] = {text[2 * i], text[2 * i + 1], '\0'};

		out[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return true;
}

static bool
parse_key(const char *text, struct peel_ban *out)
{
	uint8_t pk[PEEL_PK_LEN];

	if (unhex(text, out->mid, sizeof(out->mid)))
		return true;
	if (!unhex(text, pk, sizeof(pk)) || !peel_pk_valid((struct peel_span){pk, sizeof(pk)}))
		return false;
	peel_mid(pk, sizeof(pk), out->mid);
	return true;
}

static bool
host_bits(const struct peel_network *n)
{
	for (unsigned int bit = n->prefix_len; bit < peel_addr_bits(&n->addr); bit++) {
		if (n->addr.ip[bit / 8] & 0x80u >> bit % 8)
			return true;
	}
	return false;
}

static int
parse_network(const char *text, struct peel_network *out, char *why, size_t size)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */
	char host[INET6_ADDRSTRLEN], *end;
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned long prefix;

	if (len >= sizeof(host))
		return wrong(why, size, text, "is no address, network or key");
	memcpy(host, text, len);
	host[len] = '\0';
	if (inet_pton(AF_INET, host, out->addr.ip) == 1)
		out->addr.family = PEEL_FAMILY_IPV4;
	else if (inet_pton(AF_INET6, host, out->addr.ip) == 1)
		out->addr.family = PEEL_FAMILY_IPV6;
	else
		return wrong(why, size, text,
			"is no address (without a port), network or key (40 or 148 hexadecimal "
			"digits)");
	if (out->addr.family == PEEL_FAMILY_IPV6 &&
		memcmp(out->addr.ip, mapped, sizeof(mapped)) == 0)
		return wrong(why, size, text, "is an IPv4 address: write it as one");
	out->prefix_len = (uint8_t)peel_addr_bits(&out->addr);
	if (slash == NULL)
		return 0;
	prefix = strtoul(slash + 1, &end, 10);
	if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || prefix > out->prefix_len)
		return wrong(why, size, text, "has no prefix length behind its /");
	out->prefix_len = (uint8_t)prefix;
	if (prefix < (out->addr.family == PEEL_FAMILY_IPV4 ? PREFIX4_MIN : PREFIX6_MIN))
		return wrong(why, size, text, "is too much: at least /8 (IPv4) or /16 (IPv6)");
	if (host_bits(out))
		return wrong(why, size, text, "is no network: bits behind its prefix are set");
	return 0;
}

int
peel_ban_parse(const char *text, struct peel_ban *out, char *why, size_t why_size)
{
	*out = (struct peel_ban){.until_ms = PEEL_BAN_FOR_EVER};
	out->is_key = parse_key(text, out);
	return out->is_key ? 0 : parse_network(text, &out->network, why, why_size);
}

const char *
peel_ban_text(const struct peel_ban *ban, char out[PEEL_BAN_TEXT_MAX])
{
	const struct peel_network *n = &ban->network;
	size_t len;

	if (ban->is_key) {
		for (size_t i = 0; i < sizeof(ban->mid); i++)
			snprintf(out + 2 * i, 3, "%02x", ban->mid[i]);
		return out;
	}
	inet_ntop(n->addr.family == PEEL_FAMILY_IPV4 ? AF_INET : AF_INET6, n->addr.ip, out,
		PEEL_BAN_TEXT_MAX);
	len = strlen(out);
	if (n->prefix_len < peel_addr_bits(&n->addr))
		snprintf(out + len, PEEL_BAN_TEXT_MAX - len, "/%u", n->prefix_len);
	return out;
}
