/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * UDP: from packet to datagram, and the header on the way out.
 */
#include "ip.h"

/* The contract promises room on both sides. Drivers leave it, except for datagrams near the largest
 * size. */
static struct rte_mbuf *
give_room(struct ethdev_queue *q, struct rte_mbuf *m)
{
	uint16_t len = m->data_len;
	bool ours = ethdev_is_ours(m);

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
	if (m == NULL)
		return NULL;
	l4->off = 0;
	l4->len = m->data_len;
	l4->verified = false;
	m = ethdev_udp_rx(q, m, l4);
	if (m != NULL)
		peel_pkt(m)->in_parts = 1;
	return m;
}

/* Checksum over the UDP header (its own field zero) and the payload; the device wants the pseudo
 * header's only. */
static void
udp_checksum(uint8_t *udp, uint32_t len, uint64_t pseudo, bool by_device)
{
	uint16_t sum;

	pseudo += rte_cpu_to_be_16((uint16_t)len);
	if (by_device) {
		ethdev_put_sum(udp + 6, ethdev_fold(pseudo));
		return;
	}
	sum = (uint16_t)~ethdev_fold(ethdev_sum(udp, len, pseudo));
	ethdev_put_sum(udp + 6, sum == 0 ? 0xffff : sum);
}

void
ethdev_udp_build(const struct peel_port *port, struct rte_mbuf *m, const struct peel_addr *remote,
	uint16_t src_port, bool by_device)
{
	uint8_t *udp = (uint8_t *)rte_pktmbuf_prepend(m, UDP_LEN);
	bool v6 = remote->family == PEEL_FAMILY_IPV6;
	uint64_t pseudo = v6 ? ethdev_pseudo(port->ip6, remote->ip, 16, PROTO_UDP)
			     : ethdev_pseudo(port->ip4, remote->ip, 4, PROTO_UDP);

	peel_put_be16(udp, src_port);
	peel_put_be16(udp + 2, remote->port);
	peel_put_be16(udp + 4, m->data_len);
	peel_put_be16(udp + 6, 0);
	udp_checksum(udp, m->data_len, pseudo, by_device);
}
