/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "ethdev_internal.h"

struct rte_mbuf *
ethdev_drop(struct ethdev_queue *q, struct rte_mbuf *m, enum peel_counter why)
{
	peel_stats_add(q->stats, why, 1);
	rte_pktmbuf_free(m);
	return NULL;
}

struct rte_mbuf *
ethdev_copy(struct ethdev_queue *q, const struct rte_mbuf *m, uint32_t off, uint32_t len,
	uint16_t front)
{
	struct rte_mbuf *copy = rte_pktmbuf_alloc(q->port->conf.pool);

	if (copy == NULL) {
		peel_stats_add(q->stats, PEEL_DROP_NO_BUFFER, 1);
		return NULL;
	}
	copy->data_off = (uint16_t)(PEEL_PORT_HEADROOM - front);
	if (len + PEEL_PORT_TAILROOM > rte_pktmbuf_tailroom(copy))
		return ethdev_drop(q, copy, PEEL_DROP_OVERSIZE);
	uint8_t *to = (uint8_t *)rte_pktmbuf_append(copy, (uint16_t)len);
	const void *from = rte_pktmbuf_read(m, off, len, to);

	if (from == NULL)
		return ethdev_drop(q, copy, PEEL_DROP_FRAME);
	if (from != to)
		memcpy(to, from, len);
	ethdev_count(q, ETHDEV_COPIED);
	return copy;
}

/* The contract promises room on both sides. Drivers leave it, except for datagrams near the largest
 * size. */
static struct rte_mbuf *
give_room(struct ethdev_queue *q, struct rte_mbuf *m)
{
	uint16_t len = m->data_len;
	bool ours = RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;

	if (likely(ours && rte_pktmbuf_headroom(m) >= PEEL_PORT_HEADROOM &&
		    rte_pktmbuf_tailroom(m) >= PEEL_PORT_TAILROOM))
		return m;
	if (ours && m->buf_len >= PEEL_PORT_HEADROOM + len + PEEL_PORT_TAILROOM) {
		memmove((uint8_t *)m->buf_addr + PEEL_PORT_HEADROOM, rte_pktmbuf_mtod(m, void *),
			len);
		m->data_off = PEEL_PORT_HEADROOM;
		return m;
	}
	struct rte_mbuf *copy = ethdev_copy(q, m, 0, len, 0);

	rte_pktmbuf_free(m);
	return copy;
}

static bool
udp_sum_good(const uint8_t *udp, uint32_t len, const struct ethdev_l4 *l4)
{
	if (peel_get_be16(udp + 6) == 0)
		return l4->remote.family == PEEL_FAMILY_IPV4; /* RFC 768: not computed */
	if (l4->verified)
		return true;
	return ethdev_fold(ethdev_sum(udp, len, l4->pseudo + rte_cpu_to_be_16((uint16_t)len))) ==
	       0xffff;
}

struct rte_mbuf *
ethdev_udp_rx(struct ethdev_queue *q, struct rte_mbuf *m, const struct ethdev_l4 *l4)
{
	const uint8_t *udp = rte_pktmbuf_mtod_offset(m, const uint8_t *, l4->off);
	uint32_t endpoint, len;
	uint64_t cookie;

	if (l4->len < UDP_LEN)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	len = peel_get_be16(udp + 4);
	uint16_t from = peel_get_be16(udp);

	if (len < UDP_LEN || len > l4->len || from == 0)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	if (!ethdev_endpoint_by_port(
		    q->port->endpoints, peel_get_be16(udp + 2), &endpoint, &cookie))
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	if (len - UDP_LEN > PEEL_PORT_RX_MAX)
		return ethdev_drop(q, m, PEEL_DROP_OVERSIZE);
	if (!udp_sum_good(udp, len, l4))
		return ethdev_drop(q, m, PEEL_DROP_FRAME);

	m->data_off = (uint16_t)(m->data_off + l4->off + UDP_LEN);
	m->data_len = (uint16_t)(len - UDP_LEN);
	m->pkt_len = m->data_len;
	m = give_room(q, m);
	if (m == NULL)
		return NULL;
	struct peel_pkt *pkt = peel_pkt(m);

	pkt->remote = l4->remote;
	pkt->remote.port = from;
	pkt->endpoint = endpoint;
	pkt->cookie = cookie;
	pkt->in_parts = 0;
	return m;
}

struct rte_mbuf *
ethdev_whole_rx(struct ethdev_queue *q, struct rte_mbuf *m, struct ethdev_l4 *l4)
{
	l4->off = 0;
	l4->len = m->data_len;
	l4->verified = false;
	m = ethdev_udp_rx(q, m, l4);
	if (m != NULL)
		peel_pkt(m)->in_parts = 1;
	return m;
}

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
	uint64_t bytes = 0;

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
		pkts[kept++] = m;
	}
	peel_stats_add(q->stats, PEEL_RX_DATAGRAMS, kept);
	peel_stats_add(q->stats, PEEL_RX_BYTES, bytes);
	return kept;
}
