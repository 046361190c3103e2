/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Receiving IPv4.
 */
#include "ip.h"

/* Addresses that no datagram of ours may come from. */
static bool
bad_source(const struct peel_port *port, const uint8_t ip[4])
{
	return ip[0] == 0 || ip[0] == 127 || ip[0] >= 224 || memcmp(ip, port->ip4, 4) == 0;
}

static bool
header_good(const struct rte_mbuf *m, const uint8_t *ip, uint32_t room, uint32_t *header,
	uint32_t *total)
{
	if (room < IP4_LEN || ip[0] >> 4 != 4)
		return false;
	*header = (ip[0] & 15) * 4;
	*total = peel_get_be16(ip + 2);
	if (*header < IP4_LEN || *total < *header || *total > room)
		return false;
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return ethdev_fold(ethdev_sum(ip, *header, 0)) == 0xffff;
}

static struct rte_mbuf *
fragment_rx(struct ethdev_queue *q, struct rte_mbuf *m, uint32_t header, struct ethdev_l4 *l4)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ETH_LEN);
	uint32_t part = m->data_len - ETH_LEN - header, frag = peel_get_be16(ip + 6);

	/* All parts but the last are multiples of eight bytes, and none ends beyond the largest
	 * packet. */
	if (part == 0 || ((frag & IP4_MORE) != 0 && part % 8 != 0) ||
		(frag & IP4_OFFSET_MASK) * 8 + part > UINT16_MAX - IP4_LEN)
		return ethdev_drop(q, m, PEEL_DROP_FRAGMENT);
	const struct ethdev_part p = {
		.from = l4->remote,
		.id = peel_get_be16(ip + 4),
		.at = (frag & IP4_OFFSET_MASK) * 8,
		.len = part,
		.more = (frag & IP4_MORE) != 0,
		.data = ip + header,
	};

	return ethdev_whole_rx(q, ethdev_frag_rx(q, m, &p), l4);
}

struct rte_mbuf *
ethdev_ip4_rx(struct ethdev_queue *q, struct rte_mbuf *m)
{
	const struct peel_port *port = q->port;
	const uint8_t *ip = rte_pktmbuf_mtod_offset(m, const uint8_t *, ETH_LEN);
	uint32_t header, total;

	if (!header_good(m, ip, m->data_len - ETH_LEN, &header, &total) ||
		memcmp(ip + 16, port->ip4, 4) != 0 || bad_source(port, ip + 12))
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	/* What follows is padding of short Ethernet frames. */
	m->data_len = (uint16_t)(ETH_LEN + total);
	m->pkt_len = m->data_len;

	bool fragment = (peel_get_be16(ip + 6) & (IP4_MORE | IP4_OFFSET_MASK)) != 0;

	if (ip[9] == PROTO_ICMP && !fragment)
		return ethdev_icmp4_rx(q, m, ETH_LEN + header, total - header);
	if (ip[9] != PROTO_UDP)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);

	struct ethdev_l4 l4 = {
		.remote = ethdev_ip4(ip + 12),
		.pseudo = ethdev_pseudo(ip + 12, ip + 16, 4, PROTO_UDP),
		.off = ETH_LEN + header,
		.len = total - header,
		.verified =
			(m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD,
	};

	if (unlikely(fragment))
		return fragment_rx(q, m, header, &l4);
	return ethdev_udp_rx(q, m, &l4);
}
