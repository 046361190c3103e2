/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Receiving: a burst of frames, and what each of them is.
 */
#include "ip.h"
#include "neighbour.h"

/* A frame in several segments: only when the device ignores that scattering was not asked for. */
static struct rte_mbuf *
linearise(struct ethdev_queue *q, struct rte_mbuf *m)
{
	struct rte_mbuf *copy = ethdev_copy(q, m, 0, m->pkt_len, ETH_LEN + IP4_LEN + UDP_LEN);

	rte_pktmbuf_free(m);
	return copy;
}

static struct rte_mbuf *
frame_rx(struct ethdev_queue *q, struct rte_mbuf *m)
{
	const struct peel_port *port = q->port;

	if (unlikely(m->nb_segs > 1)) {
		m = linearise(q, m);
		if (m == NULL)
			return NULL;
	}
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	if (m->data_len < ETH_LEN || (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	bool to_us = memcmp(p, port->mac, 6) == 0;

	switch (peel_get_be16(p + 12)) {
	case ETH_TYPE_IPV4:
		if (to_us)
			return ethdev_ip4_rx(q, m);
		break;
	case ETH_TYPE_IPV6: /* neighbour discovery is multicast */
		if (port->has_ip6 && (to_us || (p[0] & 1) != 0))
			return ethdev_ip6_rx(q, m);
		break;
	case ETH_TYPE_ARP:
		if (to_us || (p[0] & 1) != 0)
			return ethdev_arp_rx(q, m);
		break;
	default:
		break;
	}
	return ethdev_drop(q, m, PEEL_DROP_FRAME);
}

uint16_t
ethdev_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev_queue *q = &port->queue[queue];
	uint16_t kept = 0, got;
	uint64_t bytes = 0, ipv6 = 0;

	if (unlikely(ethdev_gone(port)))
		return 0;
	got = rte_eth_rx_burst(port->id, queue, pkts, RTE_MIN(n, PEEL_PORT_BURST));
	if (got == 0)
		return 0;
	q->silent_us = 0;
	q->now = peel_now_ms(port->conf.env);
	for (int i = 0; i < RTE_MIN(got, 4); i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < got; i++) {
		if (i + 4 < got)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], void *));
		struct rte_mbuf *m = frame_rx(q, pkts[i]);

		if (m == NULL)
			continue;
		bytes += m->data_len;
		ipv6 += peel_pkt(m)->remote.family == PEEL_FAMILY_IPV6;
		pkts[kept++] = m;
	}
	peel_stats_add(q->stats, PEEL_RX_DATAGRAMS, kept);
	peel_stats_add(q->stats, PEEL_RX_IPV6, ipv6);
	peel_stats_add(q->stats, PEEL_RX_BYTES, bytes);
	return kept;
}
