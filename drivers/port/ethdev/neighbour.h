/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * ARP and neighbour discovery: asking for link addresses, and telling ours.
 */
#pragma once

#include "frame.h"

struct rte_mbuf *ethdev_arp_rx(struct ethdev_queue *q, struct rte_mbuf *m);
/** Request the link address of @p hop from everybody, or from @p mac only. IPv4 and IPv6. */
void ethdev_ask(struct ethdev_queue *q, const struct peel_addr *hop, const uint8_t *mac);
void ethdev_announce(struct ethdev_queue *q);
struct rte_mbuf *ethdev_nd_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len);
void ethdev_nd_ask(struct ethdev_queue *q, const uint8_t ip[16], const uint8_t *mac);
/** The solicited-node multicast address of @p ip, as link address. */
void ethdev_nd_group(const uint8_t ip[16], uint8_t mac[6]);

/** May a host have this link address? Neither a group nor nobody. */
static inline bool
ethdev_is_host_mac(const uint8_t mac[6])
{
	static const uint8_t nobody[6];

	return (mac[0] & 1) == 0 && memcmp(mac, nobody, 6) != 0;
}

/** Without it nothing goes anywhere: it has what other hosts of the link cannot use up. */
static inline bool
ethdev_is_gateway(const struct peel_port *port, const struct peel_addr *ip)
{
	return peel_addr_equal(ip, &port->gateway) || peel_addr_equal(ip, &port->gateway6);
}

/** May @p to, who asked for our link address, have an answer? */
static inline bool
ethdev_may_answer(struct ethdev_queue *q, const struct peel_addr *to)
{
	return ethdev_allow(q, ethdev_is_gateway(q->port, to) ? &q->gateway_answers : &q->answers,
		ANSWERS_PER_SECOND);
}
