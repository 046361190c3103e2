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

/* IPv4 networks as numbers: an exit looks here for every datagram. */
struct range4 {
	uint32_t net;
	uint8_t prefix_len; /* 1..32 */
	uint8_t reach;	    /* enum reach */
};

#define NET4(a, b, c) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8)

/* IANA special-purpose registries, as far as a datagram sent there would reach somebody.
 * Documentation networks lead nowhere and are left out. */
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

/* The same for IPv6: what the bits under the masks have to be, in the upper and the lower half of
 * an address. */
struct pattern6 {
	uint64_t high_mask, high, low_mask, low;
};

#define FIRST(n) (~UINT64_C(0) << (64 - (n))) /* 1..64 bits */
#define ALL FIRST(64)

static const struct range6 {
	struct pattern6 net;
	uint8_t reach; /* enum reach */
} ranges6[] = {
	{{ALL, 0, ALL, 1}, REACH_LOOPBACK},
	{{FIRST(48), 0x0064ff9b00010000, 0, 0}, REACH_PRIVATE}, /* NAT64 of a local network */
	{{FIRST(64), 0x0100000000000000, 0, 0}, REACH_NEVER},	/* discard */
	{{FIRST(7), 0xfc00000000000000, 0, 0}, REACH_PRIVATE},
	{{FIRST(10), 0xfe80000000000000, 0, 0}, REACH_LINK_LOCAL},
	{{FIRST(10), 0xfec0000000000000, 0, 0}, REACH_PRIVATE}, /* the old site-local */
	{{FIRST(8), 0xff00000000000000, 0, 0}, REACH_MULTICAST},
};

static bool
pattern_matches(const struct pattern6 *p, const struct peel_addr *a)
{
	uint64_t high = peel_get_be64(a->ip), low = peel_get_be64(a->ip + 8);

	return (((high ^ p->high) & p->high_mask) | ((low ^ p->low) & p->low_mask)) == 0;
}

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
	unsigned int max = peel_addr_bits(a);

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
		if (pattern_matches(&ranges6[i].net, a))
			return ranges6[i].reach;
	}
	return REACH_PUBLIC;
}

/* Forms of an IPv6 address that a translator or a tunnel delivers to an IPv4 address: what gives
 * them away, and where the other address is. */
static const struct embedding {
	struct pattern6 form;
	uint8_t ipv4_at;
	bool inverted;
} embeddings[] = {
	{{ALL, 0, FIRST(32), 0x0000ffff00000000}, 12, false}, /* mapped */
	{{ALL, 0, FIRST(32), 0}, 12, false},		      /* compatible */
	{{ALL, 0, FIRST(32), 0xffff000000000000}, 12, false}, /* translated (SIIT) */
	{{ALL, 0x0064ff9b00000000, FIRST(32), 0}, 12, false}, /* NAT64 */
	{{FIRST(48), 0x0064ff9b00010000, 0, 0}, 12, false},   /* NAT64 of a local network */
	{{FIRST(16), 0x2002000000000000, 0, 0}, 2, false},    /* 6to4 */
	{{FIRST(32), 0x2001000000000000, 0, 0}, 12, true},    /* Teredo: the client's */
	{{0, 0, FIRST(32), 0x00005efe00000000}, 12, false},   /* ISATAP, behind any prefix ... */
	{{0, 0, FIRST(32), 0x02005efe00000000}, 12,
		false}, /* ... and with the bit for global ones */
};

static bool
embedded_ipv4(const struct embedding *e, const struct peel_addr *a, struct peel_addr *out)
{
	uint8_t flip = e->inverted ? 0xff : 0;
	const uint8_t *ip = a->ip + e->ipv4_at;

	if (!pattern_matches(&e->form, a))
		return false;
	*out = peel_addr_ipv4(ip[0] ^ flip, ip[1] ^ flip, ip[2] ^ flip, ip[3] ^ flip, a->port);
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
	if (!p->allow_own && p->own != NULL && peel_addr_set_has(p->own, a))
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
	if (classify(a) == REACH_LOOPBACK)
		return true;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(embeddings); i++) {
		if (embedded_ipv4(&embeddings[i], a, &inner) && !address_allowed(p, &inner))
			return false;
	}
	return true;
}

bool
peel_policy_rules(const struct peel_policy *p, const struct peel_addr *a)
{
	struct peel_addr inner;

	if (p->rules == NULL)
		return true;
	if (!peel_rules_accept(p->rules, a))
		return false;
	if (a->family == PEEL_FAMILY_IPV4 || classify(a) == REACH_LOOPBACK)
		return true;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(embeddings); i++) {
		if (embedded_ipv4(&embeddings[i], a, &inner) &&
			!peel_rules_accept(p->rules, &inner))
			return false;
	}
	return true;
}

bool
peel_policy_http_port(const struct peel_policy *p, uint16_t port)
{
	return p->any_http_port || port == 80 || port == 443 || port > 1023;
}
