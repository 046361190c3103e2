/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Sending: the next hop of a datagram, the wait for its link address, and timers.
 */
#include "ip.h"
#include "neighbour.h"

/* ---- one datagram whose next hop is known ---------------------------------------------------- */

static void
offload(struct rte_mbuf *m, bool v6)
{
	m->tx_offload = 0;
	m->l2_len = ETH_LEN;
	m->l3_len = v6 ? IP6_LEN : IP4_LEN;
	m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM |
		       (v6 ? RTE_MBUF_F_TX_IPV6 : RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
}

/* Takes @p m, which has room for the headers. */
static void
datagram_tx(struct ethdev_queue *q, struct rte_mbuf *m, const uint8_t mac[6], uint16_t src_port)
{
	const struct peel_port *port = q->port;
	const struct peel_addr remote = peel_pkt(m)->remote;
	bool v6 = remote.family == PEEL_FAMILY_IPV6;
	uint32_t bytes = m->data_len;
	uint32_t ip_len = (v6 ? IP6_LEN : IP4_LEN), size = ip_len + UDP_LEN + bytes;

	m->ol_flags = 0; /* what the receiving device noted is not for the sending one */
	if (unlikely(size > ethdev_mtu(port))) {
		ethdev_udp_build(port, m, &remote, src_port, false);
		ethdev_frag_tx(q, m, &remote, mac);
		return;
	}
	ethdev_udp_build(port, m, &remote, src_port, port->tx_checksum);
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, (uint16_t)(ETH_LEN + ip_len));

	p += ethdev_eth_build(port, p, mac, v6 ? ETH_TYPE_IPV6 : ETH_TYPE_IPV4);
	if (v6)
		ethdev_ip6_build(port, p, remote.ip, PROTO_UDP, UDP_LEN + bytes, 64);
	else
		ethdev_ip4_build(port, p, remote.ip, PROTO_UDP, UDP_LEN + bytes,
			(uint16_t)peel_splitmix(&q->rng), 0);
	if (port->tx_checksum)
		offload(m, v6);
	ethdev_frame_tx(q, m, bytes);
}

/* ---- datagrams that wait for a link address -------------------------------------------------- */

/* Send what waits, unless its endpoint was closed or given to somebody else meanwhile. */
static void
pending_send(struct ethdev_queue *q, struct ethdev_pending *w, const uint8_t mac[6])
{
	for (uint16_t i = 0; i < w->n; i++) {
		struct rte_mbuf *m = w->pkts[i];
		uint32_t generation;
		uint16_t src_port = ethdev_endpoint_port(
			q->port->endpoints, peel_pkt(m)->endpoint, &generation);

		if (src_port == 0 || generation != w->generation[i])
			ethdev_drop(q, m, PEEL_DROP_TX);
		else
			datagram_tx(q, m, mac, src_port);
	}
	w->n = 0;
	w->hop.family = PEEL_FAMILY_NONE;
	q->n_pending--;
}

/* Look again; true when nothing waits there any more. */
static bool
pending_try(struct ethdev_queue *q, struct ethdev_pending *w)
{
	enum neigh_ask ask;
	uint8_t mac[6];

	if (neigh_get(q->port->neigh, &w->hop, q->now, mac, &ask) == PEEL_NEIGH_OK) {
		if (ask != PEEL_NEIGH_ASK_NONE)
			ethdev_ask(q, &w->hop, ask == PEEL_NEIGH_ASK_UNICAST ? mac : NULL);
		pending_send(q, w, mac);
		return true;
	}
	if (ask != PEEL_NEIGH_ASK_NONE)
		ethdev_ask(q, &w->hop, NULL);
	if (q->now < w->deadline)
		return false;
	for (uint16_t i = 0; i < w->n; i++)
		ethdev_drop(q, w->pkts[i], PEEL_DROP_NEIGHBOUR);
	w->n = 0;
	w->hop.family = PEEL_FAMILY_NONE;
	q->n_pending--;
	return true;
}

static struct ethdev_pending *
pending_find(struct ethdev_queue *q, const struct peel_addr *hop)
{
	if (likely(q->n_pending == 0))
		return NULL;
	for (size_t i = 0; i < RTE_DIM(q->pending); i++) {
		if (peel_addr_equal(&q->pending[i].hop, hop))
			return &q->pending[i];
	}
	return NULL;
}

static void
pending_add(struct ethdev_queue *q, struct rte_mbuf *m, const struct peel_addr *hop,
	uint32_t generation)
{
	struct ethdev_pending *w = pending_find(q, hop);
	size_t n = ethdev_is_gateway(q->port, hop) ? RTE_DIM(q->pending) : PENDING_HOPS;

	for (size_t i = 0; w == NULL && i < n; i++) {
		if (q->pending[i].hop.family != PEEL_FAMILY_NONE)
			continue;
		w = &q->pending[i];
		w->hop = *hop;
		w->deadline = q->now + PENDING_MS;
		q->n_pending++;
	}
	if (w == NULL || w->n == PENDING_PACKETS) {
		ethdev_drop(q, m, PEEL_DROP_NEIGHBOUR);
		return;
	}
	w->generation[w->n] = generation;
	w->pkts[w->n++] = m;
}

/* ---- routing --------------------------------------------------------------------------------- */

static bool
next_hop4(const struct peel_port *port, const uint8_t *ip, struct peel_addr *hop)
{
	if (ip[0] == 0 || ip[0] == 127 || ip[0] >= 224)
		return false;
	if (!ethdev_on_link(ip, port->ip4, port->mask4, 4)) {
		*hop = port->gateway;
		return hop->family != PEEL_FAMILY_NONE;
	}
	*hop = ethdev_ip4(ip);
	return memcmp(ip, port->ip4, 4) != 0;
}

static bool
next_hop6(const struct peel_port *port, const uint8_t *ip, struct peel_addr *hop)
{
	static const uint8_t reserved[15];

	if (!port->has_ip6 || ip[0] == 0xff || (memcmp(ip, reserved, 15) == 0 && ip[15] <= 1))
		return false;
	if (!ethdev_link_local6(ip) && !ethdev_on_link(ip, port->ip6, port->mask6, 16)) {
		*hop = port->gateway6;
		return hop->family != PEEL_FAMILY_NONE;
	}
	*hop = ethdev_ip6(ip);
	return memcmp(ip, port->ip6, 16) != 0;
}

/* Headers can be written in front of the payload; otherwise a copy where they can. Takes @p m. */
static struct rte_mbuf *
make_writable(struct ethdev_queue *q, struct rte_mbuf *m)
{
	if (likely(m->nb_segs == 1 && ethdev_is_ours(m) &&
		    rte_pktmbuf_headroom(m) >= ETH_LEN + IP6_LEN + UDP_LEN))
		return m;
	struct rte_mbuf *copy = ethdev_copy(q, m, 0, m->pkt_len, 0);

	if (copy != NULL)
		*peel_pkt(copy) = *peel_pkt(m);
	rte_pktmbuf_free(m);
	return copy;
}

static void
one_tx(struct ethdev_queue *q, struct rte_mbuf *m)
{
	const struct peel_port *port = q->port;
	const struct peel_pkt *pkt = peel_pkt(m);
	const struct peel_addr *remote = &pkt->remote;
	struct peel_addr hop = {0};
	enum neigh_ask ask;
	enum neigh_state state;
	uint32_t generation;
	uint8_t mac[6];
	uint16_t src_port = ethdev_endpoint_port(port->endpoints, pkt->endpoint, &generation);
	bool routed = remote->family == PEEL_FAMILY_IPV4   ? next_hop4(port, remote->ip, &hop)
		      : remote->family == PEEL_FAMILY_IPV6 ? next_hop6(port, remote->ip, &hop)
							   : false;

	if (!routed || src_port == 0 || remote->port == 0) {
		ethdev_drop(q, m, PEEL_DROP_TX);
		return;
	}
	m = make_writable(q, m);
	if (m == NULL)
		return;

	/* Earlier datagrams to the same hop go first: order is kept within one remote. */
	struct ethdev_pending *waiting = pending_find(q, &hop);

	if (waiting != NULL && !pending_try(q, waiting)) {
		pending_add(q, m, &hop, generation);
		return;
	}
	state = neigh_get(port->neigh, &hop, q->now, mac, &ask);
	if (ask != PEEL_NEIGH_ASK_NONE)
		ethdev_ask(q, &hop, ask == PEEL_NEIGH_ASK_UNICAST ? mac : NULL);
	if (likely(state == PEEL_NEIGH_OK))
		datagram_tx(q, m, mac, src_port);
	else if (state == PEEL_NEIGH_WAIT)
		pending_add(q, m, &hop, generation);
	else
		ethdev_drop(q, m, PEEL_DROP_NEIGHBOUR);
}

void
ethdev_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n)
{
	struct ethdev_queue *q = &port->queue[queue];

	if (unlikely(ethdev_gone(port))) {
		peel_stats_add(q->stats, PEEL_DROP_TX, n);
		rte_pktmbuf_free_bulk(pkts, n);
		return;
	}
	q->now = peel_now_ms(port->conf.env);
	for (uint16_t i = 0; i < n; i++)
		one_tx(q, pkts[i]);
}

/* ---- timers ---------------------------------------------------------------------------------- */

static void
pending_check(struct ethdev_queue *q)
{
	for (size_t i = 0; i < RTE_DIM(q->pending) && q->n_pending > 0; i++) {
		if (q->pending[i].hop.family != PEEL_FAMILY_NONE)
			pending_try(q, &q->pending[i]);
	}
}

static void
tick(struct ethdev_queue *q)
{
	q->next_tick = q->now + TICK_MS;
	ethdev_frag_tick(q);
	pending_check(q);
	if (q->id == 0 && q->announced != __atomic_load_n(&q->port->announce, __ATOMIC_RELAXED)) {
		q->announced = __atomic_load_n(&q->port->announce, __ATOMIC_RELAXED);
		q->announcements = ANNOUNCEMENTS;
		q->next_announcement = q->now;
	}
	if (q->announcements > 0 && q->now >= q->next_announcement) {
		q->announcements--;
		q->next_announcement = q->now + 1000;
		ethdev_announce(q);
	}
}

void
ethdev_flush(struct peel_port *port, uint16_t queue)
{
	struct ethdev_queue *q = &port->queue[queue];

	if (unlikely(ethdev_gone(port))) { /* with the link address that frames would carry */
		ethdev_drain(q);
		return;
	}
	q->now = peel_now_ms(port->conf.env);
	if (q->n_pending > 0) {
		uint32_t generation = neigh_generation(port->neigh);

		if (generation != q->pending_generation) {
			q->pending_generation = generation;
			pending_check(q);
		}
	}
	if (q->now >= q->next_tick)
		tick(q);
	ethdev_drain(q);
}
