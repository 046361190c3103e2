/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "overlay_internal.h"

bool
overlay_addr_neighbours(const struct peel_addr *a, const struct peel_addr *b)
{
	return a->family == b->family && peel_addr_is_local(a) && !peel_addr_is_loopback(a) &&
	       memcmp(a->ip, b->ip, a->family == PEEL_FAMILY_IPV6 ? 8 : 3) == 0;
}

struct peel_addr
overlay_addr_subnet(const struct peel_addr *a)
{
	struct peel_addr net = *a;

	/* Local test networks have many nodes on one address: there the port tells them apart. */
	if (peel_addr_is_local(a))
		return net;
	net.port = 0;
	if (a->family == PEEL_FAMILY_IPV6)
		memset(net.ip + 6, 0, sizeof(net.ip) - 6);
	else
		net.ip[3] = 0;
	return net;
}
