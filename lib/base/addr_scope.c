/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Kinds of addresses, as overlays judge what strangers claim.
 */
#include "peel_base.h"

bool
peel_addr_is_local(const struct peel_addr *a)
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

struct peel_addr
peel_addr_sender(const struct peel_addr *a)
{
	return peel_addr_is_local(a) ? *a : peel_addr_source(a);
}

bool
peel_addr_usable(const struct peel_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return a->port != 0 && peel_addr_is_host(a) &&
	       (a->family == PEEL_FAMILY_IPV4 || memcmp(a->ip, mapped, sizeof(mapped)) != 0);
}
