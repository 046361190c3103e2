/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Frames: the buffer in front of the device, new ones, copies, drops.
 */
#include "frame.h"

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

void
ethdev_drain(struct ethdev_queue *q)
{
	const struct peel_port *port = q->port;
	uint64_t datagrams = 0, ipv6 = 0, bytes = 0, refused = 0;
	uint16_t n = q->n_tx, sent = 0, last = !ethdev_gone(port);

	if (n == 0)
		return;
	/* Some devices take a burst in parts; a call that takes nothing means that the ring is
	 * full. */
	while (last > 0 && sent < n) {
		uint16_t ready = (uint16_t)(n - sent);

		if (port->tx_checksum)
			ready = rte_eth_tx_prepare(port->id, q->id, q->tx_buf + sent, ready);
		last = rte_eth_tx_burst(port->id, q->id, q->tx_buf + sent, ready);
		sent = (uint16_t)(sent + last);
	}

	for (uint16_t i = 0; i < n; i++) {
		bool datagram = q->tx_bytes[i] != NOT_A_DATAGRAM;

		if (i >= sent) {
			refused += datagram;
			rte_pktmbuf_free(q->tx_buf[i]);
		} else if (datagram) {
			datagrams++;
			ipv6 += q->tx_ipv6[i];
			bytes += q->tx_bytes[i];
		}
	}
	q->n_tx = 0;
	peel_stats_add(q->stats, PEEL_TX_DATAGRAMS, datagrams);
	peel_stats_add(q->stats, PEEL_TX_IPV6, ipv6);
	peel_stats_add(q->stats, PEEL_TX_BYTES, bytes);
	peel_stats_add(q->stats, PEEL_DROP_TX, refused);
}

void
ethdev_frame_tx(struct ethdev_queue *q, struct rte_mbuf *m, uint32_t bytes)
{
	q->tx_buf[q->n_tx] = m;
	q->tx_ipv6[q->n_tx] =
		peel_get_be16(rte_pktmbuf_mtod_offset(m, const uint8_t *, 12)) == ETH_TYPE_IPV6;
	q->tx_bytes[q->n_tx++] = bytes;
	if (q->n_tx == TX_BUFFER)
		ethdev_drain(q);
}

struct rte_mbuf *
ethdev_frame_new(struct ethdev_queue *q, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(q->port->conf.pool);

	if (m == NULL || rte_pktmbuf_append(m, len) == NULL) {
		rte_pktmbuf_free(m);
		peel_stats_add(q->stats, PEEL_DROP_NO_BUFFER, 1);
		return NULL;
	}
	return m;
}

uint32_t
ethdev_eth_build(const struct peel_port *port, uint8_t *p, const uint8_t dst[6], uint16_t type)
{
	memcpy(p, dst, 6);
	memcpy(p + 6, port->mac, 6);
	peel_put_be16(p + 12, type);
	return ETH_LEN;
}
