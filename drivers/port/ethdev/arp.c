/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * ARP (RFC 826), and questions for link addresses of both families.
 */
#include "ip.h"
#include "neighbour.h"

#define ARP_LEN 28
#define ARP_REQUEST 1
#define ARP_REPLY 2

static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t nobody[6];

static void
arp_tx(struct ethdev_queue *q, uint16_t op, const uint8_t to[6], const uint8_t target_mac[6],
	const uint8_t target_ip[4])
{
	const struct peel_port *port = q->port;
	struct rte_mbuf *m = ethdev_frame_new(q, ETH_LEN + ARP_LEN);

	if (m == NULL)
		return;
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	p += ethdev_eth_build(port, p, to, ETH_TYPE_ARP);
	peel_put_be16(p, 1); /* Ethernet */
	peel_put_be16(p + 2, ETH_TYPE_IPV4);
	p[4] = 6;
	p[5] = 4;
	peel_put_be16(p + 6, op);
	memcpy(p + 8, port->mac, 6);
	memcpy(p + 14, port->ip4, 4);
	memcpy(p + 18, target_mac, 6);
	memcpy(p + 24, target_ip, 4);
	ethdev_frame_tx(q, m, NOT_A_DATAGRAM);
}

void
ethdev_announce(struct ethdev_queue *q)
{
	arp_tx(q, ARP_REQUEST, everybody, nobody, q->port->ip4);
}

void
ethdev_ask(struct ethdev_queue *q, const struct peel_addr *hop, const uint8_t *mac)
{
	ethdev_count(q, ETHDEV_NEIGHBOUR_REQUESTS);
	if (hop->family == PEEL_FAMILY_IPV6)
		ethdev_nd_ask(q, hop->ip, mac);
	else
		arp_tx(q, ARP_REQUEST, mac != NULL ? mac : everybody, nobody, hop->ip);
}

static bool
well_formed(const struct rte_mbuf *m, const uint8_t *p)
{
	return m->data_len >= ETH_LEN + ARP_LEN && peel_get_be16(p) == 1 &&
	       peel_get_be16(p + 2) == ETH_TYPE_IPV4 && p[4] == 6 && p[5] == 4 &&
	       ethdev_is_host_mac(p + 8);
}

/* Nobody is learnt but the gateway and hosts of our own network, and those only as neigh.h
 * allows. */
static void
learn(struct ethdev_queue *q, const uint8_t *p, enum neigh_how how)
{
	const struct peel_port *port = q->port;
	struct peel_addr sender = ethdev_ip4(p + 14);

	if (p[14] != 0 && (ethdev_on_link(p + 14, port->ip4, port->mask4, 4) ||
				  peel_addr_equal(&sender, &port->gateway)))
		neigh_learn(port->neigh, &sender, p + 8, q->now, how);
}

struct rte_mbuf *
ethdev_arp_rx(struct ethdev_queue *q, struct rte_mbuf *m)
{
	const struct peel_port *port = q->port;
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *), *p = eth + ETH_LEN;

	if (!well_formed(m, p))
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	struct peel_addr sender;
	uint16_t op = peel_get_be16(p + 6);
	bool asks_us = memcmp(p + 24, port->ip4, 4) == 0, to_us = memcmp(eth, port->mac, 6) == 0;

	if (op != ARP_REQUEST && op != ARP_REPLY)
		return ethdev_drop(q, m, PEEL_DROP_FRAME);
	if (memcmp(p + 14, port->ip4, 4) == 0) {
		if (memcmp(p + 8, port->mac, 6) != 0)
			ethdev_count(q, ETHDEV_ADDRESS_CONFLICTS);
	} else if (op == ARP_REPLY && asks_us && to_us) {
		learn(q, p, PEEL_NEIGH_ANSWER);
	} else if (op == ARP_REQUEST && asks_us) {
		learn(q, p, PEEL_NEIGH_REQUEST);
		sender = ethdev_ip4(p + 14);
		if (ethdev_may_answer(q, &sender)) {
			ethdev_count(q, ETHDEV_NEIGHBOUR_ANSWERS);
			arp_tx(q, ARP_REPLY, p + 8, p + 8, p + 14);
		}
	} else {
		learn(q, p, PEEL_NEIGH_OVERHEARD);
	}
	rte_pktmbuf_free(m);
	return NULL;
}
