/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Headers of IPv4 and IPv6.
 */
#include "ip.h"

uint64_t
ethdev_pseudo(const uint8_t *src, const uint8_t *dst, unsigned int ip_len, uint8_t proto)
{
	return ethdev_sum(src, ip_len, ethdev_sum(dst, ip_len, rte_cpu_to_be_16(proto)));
}

uint32_t
ethdev_ip4_build(const struct peel_port *port, uint8_t *p, const uint8_t dst[4], uint8_t proto,
	uint32_t payload, uint16_t id, uint16_t frag)
{
	p[0] = 0x45;
	p[1] = 0;
	peel_put_be16(p + 2, (uint16_t)(IP4_LEN + payload));
	peel_put_be16(p + 4, id);
	peel_put_be16(p + 6, frag);
	p[8] = 64;
	p[9] = proto;
	peel_put_be16(p + 10, 0);
	memcpy(p + 12, port->ip4, 4);
	memcpy(p + 16, dst, 4);
	if (!port->tx_checksum || proto != PROTO_UDP || (frag & (IP4_MORE | IP4_OFFSET_MASK)) != 0)
		ethdev_put_sum(p + 10, (uint16_t)~ethdev_fold(ethdev_sum(p, IP4_LEN, 0)));
	return IP4_LEN;
}

uint32_t
ethdev_ip6_build(const struct peel_port *port, uint8_t *p, const uint8_t dst[16], uint8_t proto,
	uint32_t payload, uint8_t hops)
{
	peel_put_be32(p, 6u << 28);
	peel_put_be16(p + 4, (uint16_t)payload);
	p[6] = proto;
	p[7] = hops;
	memcpy(p + 8, port->ip6, 16);
	memcpy(p + 24, dst, 16);
	return IP6_LEN;
}
