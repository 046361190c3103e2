/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Ethernet frames: making them, sending them, and getting rid of them.
 */
#pragma once

#include "ethdev_internal.h"

#define ETH_LEN 14
#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_IPV6 0x86dd

/** Free @p m and count why; NULL. */
struct rte_mbuf *ethdev_drop(struct ethdev_queue *q, struct rte_mbuf *m, enum peel_counter why);
/** Copy @p len bytes from @p off into a new single-segment mbuf. Of these, @p front bytes stand
 * where the contract's headroom will be, and the tailroom is kept free. NULL (counted) when there
 * is no mbuf or it does not fit. @p m stays. */
struct rte_mbuf *ethdev_copy(struct ethdev_queue *q, const struct rte_mbuf *m, uint32_t off,
	uint32_t len, uint16_t front);

/** A complete frame into the buffer; @p bytes as in tx_bytes. */
void ethdev_frame_tx(struct ethdev_queue *q, struct rte_mbuf *m, uint32_t bytes);
/** A new mbuf of @p len bytes for a frame of our own; NULL (counted) when there is none. */
struct rte_mbuf *ethdev_frame_new(struct ethdev_queue *q, uint16_t len);
/** Ethernet header; its length. */
uint32_t ethdev_eth_build(
	const struct peel_port *port, uint8_t *p, const uint8_t dst[6], uint16_t type);
/** Send what the buffer holds. */
void ethdev_drain(struct ethdev_queue *q);

/** May it be written and sent as it is? */
static inline bool
ethdev_is_ours(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

/** One more answer? @p rate a second, bursts of as many. */
static inline bool
ethdev_allow(struct ethdev_queue *q, struct peel_bucket *b, uint32_t rate)
{
	if (peel_bucket_take(b, rate, rate, 1, q->now))
		return true;
	ethdev_count(q, ETHDEV_ANSWERS_LIMITED);
	return false;
}
