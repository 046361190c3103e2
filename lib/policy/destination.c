/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_policy.h"

enum reach {
	REACH_PUBLIC,
	REACH_LOOPBACK,
	REACH_PRIVATE,
	REACH_LINK_LOCAL,
	REACH_MULTICAST,
	REACH_NEVER, /* unspecified, broadcast, reserved */
};

struct range {
	uint8_t ip[16];
	uint8_t prefix_len;
	uint8_t reach; /* enum reach */
};

/* IPv4 networks as numbers: an exit looks here for every datagram. */
struct range4 {
	uint32_t net;
	uint8_t prefix_len; /* 1..32 */
	uint8_t reach;	    /* enum reach */
};

#define NET4(a, b, c) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8)

/* IANA special-purpose registries, as far as a datagram sent there would reach somebody. Documentation networks lead
 * nowhere and are left out. */
static const struct range4 ranges4[] = {
	{NET4(0, 0, 0), 8, REACH_NEVER}, {NET4(10, 0, 0), 8, REACH_PRIVATE},
	{NET4(100, 64, 0), 10, REACH_PRIVATE}, /* shared behind carrier NAT */
	{NET4(127, 0, 0), 8, REACH_LOOPBACK},
	{NET4(169, 254, 0), 16, REACH_LINK_LOCAL}, /* cloud metadata services live here */
	{NET4(172, 16, 0), 12, REACH_PRIVATE}, {NET4(192, 0, 0), 24, REACH_NEVER},
	{NET4(192, 168, 0), 16, REACH_PRIVATE},
	{NET4(198, 18, 0), 15, REACH_PRIVATE}, /* benchmarks */
	{NET4(224, 0, 0), 4, REACH_MULTICAST},
	{NET4(240, 0, 0), 4, REACH_NEVER}, /* and broadcast */
};

static const struct range ranges6[] = {
	{{[15] = 1}, 128, REACH_LOOPBACK},
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, REACH_PRIVATE}, /* NAT64 of a local network */
	{{0x01, 0x00}, 64, REACH_NEVER},			   /* discard */
	{{0xfc}, 7, REACH_PRIVATE},
	{{0xfe, 0x80}, 10, REACH_LINK_LOCAL},
	{{0xfe, 0xc0}, 10, REACH_PRIVATE}, /* the old site-local */
	{{0xff}, 8, REACH_MULTICAST},
};

static bool
prefix_matches(const uint8_t *ip, const uint8_t *prefix, unsigned int len)
{
	unsigned int bytes = len / 8, bits = len % 8;

	if (memcmp(ip, prefix, bytes) != 0)
		return false;
	return bits == 0 || (uint8_t)((ip[bytes] ^ prefix[bytes]) >> (8 - bits)) == 0;
}

static bool
in_networks(const struct peel_network *net, unsigned int n, const struct peel_addr *a)
{
	unsigned int max = a->family == PEEL_FAMILY_IPV4 ? 32 : 128;

	for (unsigned int i = 0; i < n && i < PEEL_POLICY_DENY_MAX; i++) {
		unsigned int len = net[i].prefix_len < max ? net[i].prefix_len : max;

		if (net[i].addr.family == a->family && prefix_matches(a->ip, net[i].addr.ip, len))
			return true;
	}
	return false;
}

static enum reach
classify4(const struct peel_addr *a)
{
	uint32_t ip = peel_get_be32(a->ip);

	for (size_t i = 0; i < PEEL_ARRAY_LEN(ranges4); i++) {
		if ((ip ^ ranges4[i].net) >> (32 - ranges4[i].prefix_len) == 0)
			return ranges4[i].reach;
	}
	return REACH_PUBLIC;
}

static enum reach
classify(const struct peel_addr *a)
{
	if (a->family == PEEL_FAMILY_IPV4)
		return classify4(a);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(ranges6); i++) {
		if (prefix_matches(a->ip, ranges6[i].ip, ranges6[i].prefix_len))
			return ranges6[i].reach;
	}
	return REACH_PUBLIC;
}

/* The IPv4 address that a translator or tunnel would deliver to, if there is one inside. */
static bool
embedded_ipv4(const struct peel_addr *a, struct peel_addr *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t compatible[12];
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	static const uint8_t six_to_four[2] = {0x20, 0x02};
	static const uint8_t teredo[4] = {0x20, 0x01, 0x00, 0x00};
	const uint8_t *ip = a->ip;

	if (a->family != PEEL_FAMILY_IPV6)
		return false;
	if (prefix_matches(ip, mapped, 96) || prefix_matches(ip, nat64, 96) ||
		prefix_matches(ip, compatible, 96))
		*out = peel_addr_ipv4(ip[12], ip[13], ip[14], ip[15], a->port);
	else if (prefix_matches(ip, six_to_four, 16))
		*out = peel_addr_ipv4(ip[2], ip[3], ip[4], ip[5], a->port);
	else if (prefix_matches(ip, teredo, 32)) /* the client's, written inverted */
		*out = peel_addr_ipv4((uint8_t)~ip[12], (uint8_t)~ip[13], (uint8_t)~ip[14],
			(uint8_t)~ip[15], a->port);
	else
		return false;
	return true;
}

static bool
reach_allowed(const struct peel_policy *p, enum reach reach)
{
	switch (reach) {
	case REACH_PUBLIC:
		return true;
	case REACH_LOOPBACK:
		return p->allow_loopback;
	case REACH_PRIVATE:
		return p->allow_private;
	case REACH_LINK_LOCAL:
		return p->allow_link_local;
	case REACH_MULTICAST:
		return p->allow_multicast;
	case REACH_NEVER:
		break;
	}
	return false;
}

static bool
address_allowed(const struct peel_policy *p, const struct peel_addr *a)
{
	if (in_networks(p->deny, p->n_deny, a))
		return false;
	if (!p->allow_own && in_networks(p->own, p->n_own, a))
		return false;
	return reach_allowed(p, classify(a));
}

bool
peel_policy_destination(const struct peel_policy *p, const struct peel_addr *a)
{
	struct peel_addr inner;

	if (a->port == 0 || (a->family != PEEL_FAMILY_IPV4 && a->family != PEEL_FAMILY_IPV6))
		return false;
	if (!address_allowed(p, a))
		return false;
	if (a->family == PEEL_FAMILY_IPV4)
		return true;
	/* ::1 looks like an IPv4-compatible address of 0/8; what it is has been decided above. */
	if (classify(a) != REACH_LOOPBACK && embedded_ipv4(a, &inner))
		return address_allowed(p, &inner);
	return true;
}
