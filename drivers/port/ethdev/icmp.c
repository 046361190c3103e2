/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Answers to pings.
 *
 * ICMP errors are neither sent nor obeyed: silence tells scanners nothing, and the protocol does
 * not need them.
 */
#include "ip.h"
#include "neighbour.h"

#define ECHO_REQUEST4 8
#define ECHO_REPLY4 0
#define ECHO_REQUEST6 128
#define ECHO_REPLY6 129
#define ND_FIRST 133 /* neighbour discovery: 133 to 137 */
#define ND_LAST 137

static void
echo_tx(struct ethdev_queue *q, struct rte_mbuf *m)
{
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t to[6];

	/* Back the way it came: no routing, no neighbour to resolve for a stranger's ping. */
	memcpy(to, eth + 6, 6);
	ethdev_eth_build(q->port, eth, to, peel_get_be16(eth + 12));
	ethdev_count(q, ETHDEV_ECHO_REPLIES);
	ethdev_frame_tx(q, m, NOT_A_DATAGRAM);
}

struct rte_mbuf *
ethdev_icmp4_rx(struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETH_LEN), *p = ip + off - ETH_LEN;
	uint8_t to[4];

	if (len < 8 || p[0] != ECHO_REQUEST4 || p[1] != 0 || off != ETH_LEN + IP4_LEN ||
		!ethdev_is_ours(m) || ethdev_fold(ethdev_sum(p, len, 0)) != 0xffff)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	if (!ethdev_allow(q, &q->echoes, ECHOES_PER_SECOND))
		return ethdev_drop(q, m, PEEL_DROP_RATE);
	p[0] = ECHO_REPLY4;
	peel_put_be16(p + 2, 0);
	ethdev_put_sum(p + 2, (uint16_t)~ethdev_fold(ethdev_sum(p, len, 0)));
	memcpy(to, ip + 12, 4);
	ethdev_ip4_build(q->port, ip, to, PROTO_ICMP, len, (uint16_t)peel_splitmix(&q->rng), 0);
	echo_tx(q, m);
	return NULL;
}

static void
echo6_tx(struct ethdev_queue *q, struct rte_mbuf *m, uint8_t *ip, uint8_t *p, uint32_t len)
{
	uint8_t to[16];

	p[0] = ECHO_REPLY6;
	peel_put_be16(p + 2, 0);
	memcpy(to, ip + 8, 16);
	ethdev_ip6_build(q->port, ip, to, PROTO_ICMPV6, len, 64);

	uint64_t sum =
		ethdev_pseudo(ip + 8, ip + 24, 16, PROTO_ICMPV6) + rte_cpu_to_be_16((uint16_t)len);

	ethdev_put_sum(p + 2, (uint16_t)~ethdev_fold(ethdev_sum(p, len, sum)));
	echo_tx(q, m);
}

struct rte_mbuf *
ethdev_icmp6_rx(struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint8_t *eth = rte_pktmbuf_mtod(m, uint8_t *), *ip = eth + ETH_LEN, *p = eth + off;
	uint64_t sum =
		ethdev_pseudo(ip + 8, ip + 24, 16, PROTO_ICMPV6) + rte_cpu_to_be_16((uint16_t)len);

	if (len < 8 || ethdev_fold(ethdev_sum(p, len, sum)) != 0xffff)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	if (p[0] >= ND_FIRST && p[0] <= ND_LAST)
		return ethdev_nd_rx(q, m, off, len);
	/* Pings to groups stay unanswered: answers of a whole link are an amplifier. */
	if (p[0] != ECHO_REQUEST6 || p[1] != 0 || (eth[0] & 1) != 0 || !ethdev_is_ours(m) ||
		memcmp(ip + 24, q->port->ip6, 16) != 0 || ethdev_unspecified6(ip + 8))
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	if (!ethdev_allow(q, &q->echoes, ECHOES_PER_SECOND))
		return ethdev_drop(q, m, PEEL_DROP_RATE);
	echo6_tx(q, m, ip, p, len);
	return NULL;
}
