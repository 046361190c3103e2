/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Receiving IPv6.
 */
#include "ip.h"

/* Ours, or a group that neighbour discovery reaches us by. */
static bool
for_us(const struct peel_port *port, const uint8_t *dst, uint8_t proto)
{
	static const uint8_t solicited[13] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff};
	static const uint8_t all_nodes[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

	if (memcmp(dst, port->ip6, 16) == 0)
		return true;
	if (proto != PROTO_ICMPV6)
		return false;
	return memcmp(dst, all_nodes, 16) == 0 ||
	       (memcmp(dst, solicited, 13) == 0 && memcmp(dst + 13, port->ip6 + 13, 3) == 0);
}

static struct rte_mbuf *
fragment_rx(struct ethdev_queue *q, struct rte_mbuf *m, struct ethdev_l4 *l4)
{
	const uint8_t *frag = rte_pktmbuf_mtod_offset(m, const uint8_t *, ETH_LEN + IP6_LEN);

	if (l4->len <= IP6_FRAGMENT_LEN)
		return ethdev_drop(q, m, PEEL_DROP_FRAGMENT);
	uint32_t part = l4->len - IP6_FRAGMENT_LEN, flags = peel_get_be16(frag + 2);

	if (frag[0] != PROTO_UDP)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	l4->verified = false;
	if ((flags & ~6u) == 0) { /* "atomic" fragment: everything is here (RFC 6946) */
		l4->off += IP6_FRAGMENT_LEN;
		l4->len = part;
		return ethdev_udp_rx(q, m, l4);
	}
	if (((flags & 1) != 0 && part % 8 != 0) || (flags & ~7u) + part > UINT16_MAX)
		return ethdev_drop(q, m, PEEL_DROP_FRAGMENT);
	const struct ethdev_part p = {
		.from = l4->remote,
		.id = peel_get_be32(frag + 4),
		.at = flags & ~7u,
		.len = part,
		.more = (flags & 1) != 0,
		.data = frag + IP6_FRAGMENT_LEN,
	};

	return ethdev_whole_rx(q, ethdev_frag_rx(q, m, &p), l4);
}

struct rte_mbuf *
ethdev_ip6_rx(struct ethdev_queue *q, struct rte_mbuf *m)
{
	const struct peel_port *port = q->port;
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *), *ip = eth + ETH_LEN;
	uint32_t room = m->data_len - ETH_LEN;

	if (room < IP6_LEN || ip[0] >> 4 != 6)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	uint32_t payload = peel_get_be16(ip + 4);
	uint8_t proto = ip[6];

	/* Datagrams come to our own link address; multicast frames are for neighbour discovery
	 * alone. */
	if (payload > room - IP6_LEN || ip[8] == 0xff || !for_us(port, ip + 24, proto) ||
		((eth[0] & 1) != 0 && proto != PROTO_ICMPV6) || memcmp(ip + 8, port->ip6, 16) == 0)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	m->data_len = (uint16_t)(ETH_LEN + IP6_LEN + payload);
	m->pkt_len = m->data_len;

	if (proto == PROTO_ICMPV6)
		return ethdev_icmp6_rx(q, m, ETH_LEN + IP6_LEN, payload);
	if ((proto != PROTO_UDP && proto != PROTO_FRAGMENT) || ethdev_unspecified6(ip + 8))
		return ethdev_drop(q, m, PEEL_DROP_FRAME);

	struct ethdev_l4 l4 = {
		.remote = ethdev_ip6(ip + 8),
		.pseudo = ethdev_pseudo(ip + 8, ip + 24, 16, PROTO_UDP),
		.off = ETH_LEN + IP6_LEN,
		.len = payload,
		.verified =
			(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	};

	if (unlikely(proto == PROTO_FRAGMENT))
		return fragment_rx(q, m, &l4);
	return ethdev_udp_rx(q, m, &l4);
}
