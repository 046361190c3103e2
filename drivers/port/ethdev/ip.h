/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * IPv4, IPv6 and UDP: receiving, headers, checksums and fragments.
 *
 * Receive handlers take the mbuf. They return a datagram ready for the worker, or NULL when it is
 * used up. The data begins at the Ethernet header until ethdev_udp_rx() cuts off everything in
 * front of the payload.
 */
#pragma once

#include "frame.h"

#define IP4_LEN 20
/* in the field of the fragment offset */
#define IP4_OFFSET_MASK 0x1fff
#define IP4_MORE 0x2000
#define IP6_LEN 40
#define IP6_FRAGMENT_LEN 8
#define UDP_LEN 8
#define PROTO_ICMP 1
#define PROTO_UDP 17
#define PROTO_FRAGMENT 44
#define PROTO_ICMPV6 58

/** A UDP header and what follows, found by ip4.c or ip6.c. */
struct ethdev_l4 {
	struct peel_addr remote; /* family and ip */
	uint64_t pseudo;	 /* sum of both addresses and the protocol */
	uint32_t off;		 /* of the UDP header in the mbuf */
	uint32_t len;		 /* bytes there */
	bool verified;		 /* by the device */
};

/** A fragment: @p data stays in its mbuf. */
struct ethdev_part {
	struct peel_addr from; /* port 0 */
	uint32_t id;
	/* bytes of the IP payload; `at` is a multiple of 8, `len` > 0, and of 8 when `more` */
	uint32_t at, len;
	bool more;
	const uint8_t *data;
};

/* ---- ip4.c, ip6.c, icmp.c -------------------------------------------------------------------- */

struct rte_mbuf *ethdev_ip4_rx(struct ethdev_queue *q, struct rte_mbuf *m);
struct rte_mbuf *ethdev_ip6_rx(struct ethdev_queue *q, struct rte_mbuf *m);
struct rte_mbuf *ethdev_icmp4_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len);
struct rte_mbuf *ethdev_icmp6_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len);

/* ---- ip.c ------------------------------------------------------------------------------------ */

/** Headers of a datagram or fragment. @p frag: fragment offset field with flags. Return their
 * length. */
uint32_t ethdev_ip4_build(const struct peel_port *port, uint8_t *p, const uint8_t dst[4],
	uint8_t proto, uint32_t payload, uint16_t id, uint16_t frag);
uint32_t ethdev_ip6_build(const struct peel_port *port, uint8_t *p, const uint8_t dst[16],
	uint8_t proto, uint32_t payload, uint8_t hops);
/** Sum of the pseudo header without the length; addresses of @p ip_len bytes. */
uint64_t ethdev_pseudo(const uint8_t *src, const uint8_t *dst, unsigned int ip_len, uint8_t proto);

/* ---- ethdev_udp.c ---------------------------------------------------------------------------- */

struct rte_mbuf *ethdev_udp_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, const struct ethdev_l4 *l4);
/** The same for what was put together from fragments: @p m is the IP payload or
 * NULL, @p l4 tells whose. */
struct rte_mbuf *ethdev_whole_rx(struct ethdev_queue *q, struct rte_mbuf *m, struct ethdev_l4 *l4);
/** Put the UDP header in front of the payload. The device wants the pseudo header's sum only
 * (@p by_device). */
void ethdev_udp_build(const struct peel_port *port, struct rte_mbuf *m,
	const struct peel_addr *remote, uint16_t src_port, bool by_device);

/* ---- frag.c, frag_tx.c ----------------------------------------------------------------------- */

/** One more fragment, in @p m. NULL: used up. Otherwise a new mbuf whose data is the whole payload
 * behind the IP headers. */
struct rte_mbuf *ethdev_frag_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, const struct ethdev_part *part);
/** Send a datagram (data: UDP header and payload) that exceeds the MTU. Takes @p m. */
void ethdev_frag_tx(struct ethdev_queue *q, struct rte_mbuf *m, const struct peel_addr *remote,
	const uint8_t mac[6]);

/* ---- addresses and sums ---------------------------------------------------------------------- */

static inline struct peel_addr
ethdev_ip4(const uint8_t ip[4])
{
	struct peel_addr a = {.family = PEEL_FAMILY_IPV4};

	memcpy(a.ip, ip, 4);
	return a;
}

static inline struct peel_addr
ethdev_ip6(const uint8_t ip[16])
{
	struct peel_addr a = {.family = PEEL_FAMILY_IPV6};

	memcpy(a.ip, ip, 16);
	return a;
}

static inline bool
ethdev_unspecified6(const uint8_t ip[16])
{
	static const uint8_t zero[16];

	return memcmp(ip, zero, 16) == 0;
}

static inline bool
ethdev_link_local6(const uint8_t ip[16])
{
	return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

/**
 * Ones' complement sum in the machine's own byte order (RFC 1071: the order does not matter as long
 * as the result is stored as it was summed). Add pieces of even length in any order; 64 bits do not
 * overflow.
 */
static inline uint64_t
ethdev_sum(const uint8_t *p, size_t len, uint64_t sum)
{
	uint64_t high = 0, word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		sum += (uint32_t)word;
		high += word >> 32;
	}
	word = 0;
	memcpy(&word, p, len);
	return sum + high + (uint32_t)word + (word >> 32);
}

static inline uint16_t
ethdev_fold(uint64_t sum)
{
	sum = (sum >> 32) + (uint32_t)sum;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)sum;
}

static inline void
ethdev_put_sum(uint8_t *p, uint16_t folded)
{
	memcpy(p, &folded, 2);
}
