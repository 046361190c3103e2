/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Neighbour discovery (RFC 4861): the two messages that a host without autoconfiguration needs.
 */
#include "ip.h"
#include "neighbour.h"

#define ND_SOLICIT 135
#define ND_ADVERT 136
#define ND_LEN 24    /* type, code, checksum, flags, target */
#define ND_OPT_LEN 8 /* one link-layer address option */
#define ND_OPT_SOURCE 1
#define ND_OPT_TARGET 2
#define ND_SOLICITED 0x40
#define ND_OVERRIDE 0x20

void
ethdev_nd_group(const uint8_t ip[16], uint8_t mac[6])
{
	const uint8_t group[6] = {0x33, 0x33, 0xff, ip[13], ip[14], ip[15]};

	memcpy(mac, group, 6);
}

static void
nd_tx(struct ethdev_queue *q, uint8_t type, uint8_t flags, const uint8_t target[16],
	const uint8_t dst[16], const uint8_t mac[6])
{
	const struct peel_port *port = q->port;
	struct rte_mbuf *m = ethdev_frame_new(q, ETH_LEN + IP6_LEN + ND_LEN + ND_OPT_LEN);

	if (m == NULL)
		return;
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	p += ethdev_eth_build(port, p, mac, ETH_TYPE_IPV6);
	p += ethdev_ip6_build(port, p, dst, PROTO_ICMPV6, ND_LEN + ND_OPT_LEN, 255);
	memset(p, 0, ND_LEN + ND_OPT_LEN);
	p[0] = type;
	p[4] = flags;
	memcpy(p + 8, target, 16);
	p[ND_LEN] = type == ND_SOLICIT ? ND_OPT_SOURCE : ND_OPT_TARGET;
	p[ND_LEN + 1] = 1; /* in units of eight bytes */
	memcpy(p + ND_LEN + 2, port->mac, 6);

	uint64_t sum = ethdev_pseudo(port->ip6, dst, 16, PROTO_ICMPV6) +
		       rte_cpu_to_be_16(ND_LEN + ND_OPT_LEN);

	ethdev_put_sum(p + 2, (uint16_t)~ethdev_fold(ethdev_sum(p, ND_LEN + ND_OPT_LEN, sum)));
	ethdev_frame_tx(q, m, NOT_A_DATAGRAM);
}

void
ethdev_nd_ask(struct ethdev_queue *q, const uint8_t ip[16], const uint8_t *mac)
{
	uint8_t group[16] = {
		0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0xff, ip[13], ip[14], ip[15]};
	uint8_t group_mac[6];

	ethdev_nd_group(ip, group_mac);
	if (mac != NULL)
		nd_tx(q, ND_SOLICIT, 0, ip, ip, mac);
	else
		nd_tx(q, ND_SOLICIT, 0, ip, group, group_mac);
}

/* The link-layer address option of @p type; NULL when absent, malformed or nonsense. */
static const uint8_t *
find_option(const uint8_t *p, uint32_t len, uint8_t type)
{
	const uint8_t *found = NULL;

	for (uint32_t at = ND_LEN; at < len;) {
		uint32_t left = len - at, size = left >= 2 ? p[at + 1] * 8u : 0;

		if (size == 0 || size > left)
			return NULL;
		if (p[at] == type && size == ND_OPT_LEN)
			found = p + at + 2;
		at += size;
	}
	return found != NULL && ethdev_is_host_mac(found) ? found : NULL;
}

static bool
is_neighbour(const struct peel_port *port, const uint8_t ip[16])
{
	return ethdev_link_local6(ip) || ethdev_on_link(ip, port->ip6, port->mask6, 16) ||
	       (port->gateway6.family == PEEL_FAMILY_IPV6 &&
		       memcmp(ip, port->gateway6.ip, 16) == 0);
}

static void
solicit_rx(struct ethdev_queue *q, const uint8_t *eth, const uint8_t *p, uint32_t len)
{
	static const uint8_t all_nodes[16] = {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
	static const uint8_t all_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	const uint8_t *src = eth + ETH_LEN + 8;
	const uint8_t *mac = find_option(p, len, ND_OPT_SOURCE);

	if (ethdev_unspecified6(src)) {
		/* Somebody is about to take our address: tell all that it is in use. */
		ethdev_count(q, ETHDEV_ADDRESS_CONFLICTS);
		if (ethdev_allow(q, &q->answers, ANSWERS_PER_SECOND))
			nd_tx(q, ND_ADVERT, ND_OVERRIDE, q->port->ip6, all_nodes, all_mac);
		return;
	}
	struct peel_addr sender = ethdev_ip6(src);

	if (mac != NULL && is_neighbour(q->port, src))
		neigh_learn(q->port->neigh, &sender, mac, q->now, PEEL_NEIGH_REQUEST);
	if (ethdev_may_answer(q, &sender)) {
		ethdev_count(q, ETHDEV_NEIGHBOUR_ANSWERS);
		/* To where the frame came from: that needs no look-up, and an option may be
		 * missing. */
		nd_tx(q, ND_ADVERT, ND_SOLICITED | ND_OVERRIDE, q->port->ip6, src,
			mac != NULL ? mac : eth + 6);
	}
}

static void
advert_rx(struct ethdev_queue *q, const uint8_t *eth, const uint8_t *p, uint32_t len)
{
	struct peel_addr target = ethdev_ip6(p + 8);
	const uint8_t *mac = find_option(p, len, ND_OPT_TARGET);
	bool to_us = memcmp(eth + ETH_LEN + 24, q->port->ip6, 16) == 0;

	if (!is_neighbour(q->port, p + 8))
		return;
	if (mac == NULL) { /* allowed in answers to unicast requests: "still here" */
		if (to_us && (p[4] & ND_SOLICITED) != 0)
			neigh_confirm(q->port->neigh, &target, q->now);
		return;
	}
	neigh_learn(q->port->neigh, &target, mac, q->now,
		to_us && (p[4] & ND_SOLICITED) != 0 ? PEEL_NEIGH_ANSWER : PEEL_NEIGH_OVERHEARD);
}

struct rte_mbuf *
ethdev_nd_rx(struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *), *p = eth + off;

	/* Hop limit 255: it cannot have passed a router. */
	if (len < ND_LEN || p[1] != 0 || eth[ETH_LEN + 7] != 255)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	if (p[0] == ND_ADVERT)
		advert_rx(q, eth, p, len);
	else if (p[0] == ND_SOLICIT && memcmp(p + 8, q->port->ip6, 16) == 0)
		solicit_rx(q, eth, p, len);
	else
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	rte_pktmbuf_free(m);
	return NULL;
}
