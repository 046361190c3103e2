/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "overlay_internal.h"

bool
overlay_addr_local(const struct peel_addr *a)
{
	const uint8_t *ip = a->ip;

	if (peel_addr_is_loopback(a))
		return true;
	if (a->family == PEEL_FAMILY_IPV6)
		return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
	return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
	       (ip[0] == 192 && ip[1] == 168) || (ip[0] == 169 && ip[1] == 254) ||
	       (ip[0] == 100 && (ip[1] & 0xc0) == 64);
}

bool
overlay_addr_neighbours(const struct peel_addr *a, const struct peel_addr *b)
{
	return a->family == b->family && overlay_addr_local(a) && !peel_addr_is_loopback(a) &&
	       memcmp(a->ip, b->ip, a->family == PEEL_FAMILY_IPV6 ? 8 : 3) == 0;
}

struct peel_addr
overlay_addr_source(const struct peel_addr *a)
{
	return overlay_addr_local(a) ? *a : peel_addr_source(a);
}

bool
overlay_addr_usable(const struct peel_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return a->port != 0 && peel_addr_is_host(a) &&
	       (a->family == PEEL_FAMILY_IPV4 || memcmp(a->ip, mapped, sizeof(mapped)) != 0);
}

struct peel_addr
overlay_addr_subnet(const struct peel_addr *a)
{
	struct peel_addr net = *a;

	/* Local test networks have many nodes on one address: there the port tells them apart. */
	if (overlay_addr_local(a))
		return net;
	net.port = 0;
	if (a->family == PEEL_FAMILY_IPV6)
		memset(net.ip + 6, 0, sizeof(net.ip) - 6);
	else
		net.ip[3] = 0;
	return net;
}
