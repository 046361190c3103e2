/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Datagrams that exceed the MTU leave in parts.
 */
#include "ip.h"

#define PARTS_MAX 8 /* of the largest datagram at the smallest MTU there are four */

struct outgoing {
	const struct peel_addr *remote;
	const uint8_t *mac;
	uint32_t id;
	bool v6;
};

/* One fragment: @p n bytes from @p at of the IP payload in @p m, as a copy. Works on devices that
 * cannot send chains. */
static struct rte_mbuf *
part_build(struct ethdev_queue *q, const struct rte_mbuf *m, uint32_t at, uint32_t n,
	const struct outgoing *o)
{
	const struct peel_port *port = q->port;
	uint32_t headers = ETH_LEN + (o->v6 ? IP6_LEN + IP6_FRAGMENT_LEN : IP4_LEN);
	bool more = at + n < m->data_len;
	struct rte_mbuf *part = ethdev_frame_new(q, (uint16_t)(headers + n));

	if (part == NULL)
		return NULL;
	uint8_t *p = rte_pktmbuf_mtod(part, uint8_t *);

	p += ethdev_eth_build(port, p, o->mac, o->v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
	if (o->v6) {
		p += ethdev_ip6_build(
			port, p, o->remote->ip, PROTO_FRAGMENT, IP6_FRAGMENT_LEN + n, 64);
		p[0] = PROTO_UDP;
		p[1] = 0;
		peel_put_be16(p + 2, (uint16_t)(at | more));
		peel_put_be32(p + 4, o->id);
		p += IP6_FRAGMENT_LEN;
	} else {
		p += ethdev_ip4_build(port, p, o->remote->ip, PROTO_UDP, n, (uint16_t)o->id,
			(uint16_t)(at / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
	}
	memcpy(p, rte_pktmbuf_mtod_offset(m, const uint8_t *, at), n);
	return part;
}

void
ethdev_frag_tx(struct ethdev_queue *q, struct rte_mbuf *m, const struct peel_addr *remote,
	const uint8_t mac[6])
{
	const struct outgoing o = {.remote = remote,
		.mac = mac,
		.id = (uint32_t)peel_splitmix(&q->rng),
		.v6 = remote->family == PEEL_FAMILY_IPV6};
	uint32_t headers = o.v6 ? IP6_LEN + IP6_FRAGMENT_LEN : IP4_LEN;
	uint32_t step = (ethdev_mtu(q->port) - headers) & ~7u, n = 0;
	struct rte_mbuf *parts[PARTS_MAX];

	for (uint32_t at = 0; at < m->data_len; at += step) {
		uint32_t left = m->data_len - at;

		if (n == RTE_DIM(parts))
			break;
		parts[n] = part_build(q, m, at, RTE_MIN(left, step), &o);
		if (parts[n++] == NULL)
			break;
	}
	/* All or nothing: a datagram with a hole helps nobody. */
	if (n * step < m->data_len || parts[n - 1] == NULL) {
		if (parts[n - 1] != NULL)
			peel_stats_add(q->stats, PEEL_DROP_OVERSIZE, 1);
		for (uint32_t i = 0; i < n; i++)
			rte_pktmbuf_free(parts[i]);
		rte_pktmbuf_free(m);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		ethdev_frame_tx(
			q, parts[i], i + 1 < n ? NOT_A_DATAGRAM : (uint32_t)m->data_len - UDP_LEN);
	ethdev_count(q, ETHDEV_FRAGMENTED);
	rte_pktmbuf_free(m);
}
