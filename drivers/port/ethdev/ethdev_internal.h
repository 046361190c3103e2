/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Inside of the ethdev driver. Every queue belongs to one worker, which alone touches struct
 * ethdev_queue; shared are the neighbour table (its own rules, neigh.h), the endpoint table
 * (written by control, endpoint.c) and the rest of struct peel_port, constant after open().
 *
 * Receive handlers take the mbuf: they return a datagram ready for the worker, or NULL when it is
 * used up. The mbuf's data starts at the Ethernet header until ethdev_udp_rx() strips everything in
 * front of the payload.
 */

#include <rte_ethdev.h>

#include "peel_port.h"
#include "interface.h"
#include "neigh.h"

#define ETH_LEN 14
#define ETH_TYPE_IPV4 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_IPV6 0x86dd
#define IP4_LEN 20
#define IP6_LEN 40
#define UDP_LEN 8
#define PROTO_ICMP 1
#define PROTO_UDP 17
#define PROTO_FRAGMENT 44
#define PROTO_ICMPV6 58

#define TX_BUFFER 64
#define NOT_A_DATAGRAM UINT32_MAX /* in tx_bytes: ARP and the like, not counted */
#define PENDING_HOPS 32		  /* next hops a queue waits for at once ... */
#define PENDING_GATEWAYS 2	  /* ... beside the gateways ... */
#define PENDING_PACKETS 4	  /* ... and datagrams kept for each */
#define PENDING_MS 3000
/* parts of a datagram leave together and arrive within milliseconds */
#define FRAG_MS 300
/* a neighbour whose authentic cells come in parts has room of its own so long */
#define KNOWN_S 600
#define KNOWN_MAX 4096
#define MTU_LEAST 68 /* that the kernel lets an Ethernet have */
#define TICK_MS 100
#define ANNOUNCEMENTS 3 /* gratuitous ARP, a second apart: links come up late */
/* ARP and ND answers of a queue, and as many to gateways */
#define ANSWERS_PER_SECOND 500
#define ECHOES_PER_SECOND 100 /* ICMP echo replies of a queue */

/** What only this driver counts; lines of dump(). */
#define PEEL_ETHDEV_COUNTERS(X)                                                                    \
	X(NEIGHBOUR_REQUESTS, "neighbour_requests_sent")                                           \
	X(NEIGHBOUR_ANSWERS, "neighbour_answers_sent")                                             \
	X(ADDRESS_CONFLICTS, "address_conflicts")                                                  \
	X(ECHO_REPLIES, "echo_replies_sent")                                                       \
	X(ANSWERS_LIMITED, "answers_rate_limited")                                                 \
	X(REASSEMBLED, "datagrams_reassembled")                                                    \
	X(DISPLACED, "reassemblies_displaced")                                                     \
	X(FRAGMENTED, "datagrams_fragmented")                                                      \
	X(COPIED, "datagrams_copied")

enum ethdev_counter {
#define X(id, name) ETHDEV_##id,
	PEEL_ETHDEV_COUNTERS(X)
#undef X
	ETHDEV_N_COUNTERS
};

struct ethdev_bucket {
	uint64_t last_ms;
	uint64_t tokens; /* thousandths */
};

/** Datagrams that wait for the link address of one next hop. */
struct ethdev_pending {
	struct peel_addr hop; /* family NONE: free */
	uint64_t deadline;
	uint16_t n;
	struct rte_mbuf *pkts[PENDING_PACKETS];
	uint32_t generation[PENDING_PACKETS]; /* of the endpoint it leaves from */
};

struct ethdev_queue {
	struct peel_port *port;
	struct peel_stats *stats;
	uint64_t now; /* ms, read once per call from outside */
	uint64_t rng;
	uint16_t id;
	uint16_t n_tx;
	uint16_t n_pending;
	uint16_t announcements;
	uint32_t announced;	      /* the port's `announce` as last seen */
	uint32_t tx_bytes[TX_BUFFER]; /* UDP payload that is on its way when this frame is sent */
	struct rte_mbuf *tx_buf[TX_BUFFER];
	uint64_t next_tick, next_announcement;
	uint32_t pending_generation;
	struct ethdev_pending pending[PENDING_HOPS + PENDING_GATEWAYS];
	struct ethdev_bucket answers, gateway_answers, echoes;
	struct ethdev_frags *frags;
	uint64_t count[ETHDEV_N_COUNTERS];
	/* wait() */
	bool slack_set, has_interrupt;
	uint32_t silent_us; /* spent in naps since the last frame */
	int epoll_fd, wake_fd;
	struct rte_epoll_event wake_event;
} __attribute__((aligned(64)));

struct ethdev_endpoints;
struct ethdev_frags;

struct peel_port {
	struct peel_port_conf conf;
	uint16_t id;  /* DPDK's */
	uint16_t mtu; /* relaxed atomic: follows the interface's */
	uint8_t mac[6];
	bool created; /* by us: remove the device at close */
	bool started;
	bool interrupts; /* of reception work */
	/* watch.c: control's, but for those that workers read */
	bool gone;	   /* release, acquire: workers do not touch the device */
	uint32_t announce; /* relaxed: how often neighbours were to be told where we are */
	bool quiet;	   /* no worker is in the device any more */
	bool link_up;
	bool foreign; /* another's XDP program is where ours should be */
	uint8_t tries;
	uint16_t mtu_max;
	int interface_fd, lock_fd, program_fd; /* -1: none */
	char interface_name[IFNAMSIZ]; /* of the kernel, that the device sits on; empty: none */
	struct interface interface;    /* as it was when the device was opened */
	bool tx_checksum;	       /* the device fills in IPv4 and UDP checksums */
	uint64_t rx_offloads;
	uint8_t ip4[4], mask4[4], ip6[16], mask6[16];
	bool has_ip6;
	struct peel_addr gateway, gateway6; /* port 0 */
	struct rte_mempool *rx_pool;	    /* conf.pool, or our own of larger buffers */
	struct neigh_table *neigh;
	struct ethdev_endpoints *endpoints;
	struct ethdev_queue *queue;
	uint64_t known_seed;
	uint64_t known[KNOWN_MAX]; /* frag.c: who was vouched for; relaxed atomics */
};

/** A UDP header and what follows, found by ip4.c or ip6.c. */
struct ethdev_l4 {
	struct peel_addr remote; /* family and ip */
	uint64_t pseudo;	 /* sum of both addresses and the protocol */
	uint32_t off;		 /* of the UDP header in the mbuf */
	uint32_t len;		 /* bytes there */
	bool verified;		 /* by the device */
};

/* ---- device.c -------------------------------------------------------------------------------- */

/** Find the interface that the device sits on and take it, for as long as the port lives. */
int ethdev_interface_take(struct peel_port *port, char *why, size_t why_size) PEEL_MUST_USE;
/** Again after close as well. */
int ethdev_device_open(struct peel_port *port, char *why, size_t why_size) PEEL_MUST_USE;
void ethdev_device_close(struct peel_port *port);

/* ---- watch.c --------------------------------------------------------------------------------- */

int ethdev_watch(struct peel_port *port, char *why, size_t why_size) PEEL_MUST_USE;
void ethdev_watch_dump(const struct peel_port *port, const struct rte_eth_stats *s,
	void (*line)(void *arg, const char *name, uint64_t value), void *arg);

/* ---- ethdev_rx.c ----------------------------------------------------------------------------- */

uint16_t ethdev_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
struct rte_mbuf *ethdev_udp_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, const struct ethdev_l4 *l4);
/** The same for what was put together from fragments: @p m is the IP payload, @p l4 tells whose. */
struct rte_mbuf *ethdev_whole_rx(struct ethdev_queue *q, struct rte_mbuf *m, struct ethdev_l4 *l4);
/** Free @p m and count why; NULL. */
struct rte_mbuf *ethdev_drop(struct ethdev_queue *q, struct rte_mbuf *m, enum peel_counter why);
/** Copy @p len bytes from @p off into a new single-segment mbuf. Of these, @p front bytes stand
 * where the contract's headroom will be, and the tailroom is kept free. NULL (counted) when there
 * is no mbuf or it does not fit. @p m stays. */
struct rte_mbuf *ethdev_copy(struct ethdev_queue *q, const struct rte_mbuf *m, uint32_t off,
	uint32_t len, uint16_t front);

/* ---- ethdev_tx.c ----------------------------------------------------------------------------- */

void ethdev_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
void ethdev_flush(struct peel_port *port, uint16_t queue);
/** A complete frame into the buffer; @p bytes as in tx_bytes. */
void ethdev_frame_tx(struct ethdev_queue *q, struct rte_mbuf *m, uint32_t bytes);
/** A new mbuf of @p len bytes for a frame of our own; NULL (counted) when there is none. */
struct rte_mbuf *ethdev_frame_new(struct ethdev_queue *q, uint16_t len);
/** Ethernet header; its length. */
uint32_t ethdev_eth_build(
	const struct peel_port *port, uint8_t *p, const uint8_t dst[6], uint16_t type);

/* ---- ip4.c, ip6.c, icmp.c, arp.c, nd.c ------------------------------------------------------- */

struct rte_mbuf *ethdev_ip4_rx(struct ethdev_queue *q, struct rte_mbuf *m);
struct rte_mbuf *ethdev_ip6_rx(struct ethdev_queue *q, struct rte_mbuf *m);
/** Headers of a datagram or fragment. @p frag: fragment offset field with flags. Return their
 * length. */
uint32_t ethdev_ip4_build(const struct peel_port *port, uint8_t *p, const uint8_t dst[4],
	uint8_t proto, uint32_t payload, uint16_t id, uint16_t frag);
uint32_t ethdev_ip6_build(const struct peel_port *port, uint8_t *p, const uint8_t dst[16],
	uint8_t proto, uint32_t payload, uint8_t hops);
/** Sum of the pseudo header without the length; addresses of @p ip_len bytes. */
uint64_t ethdev_pseudo(const uint8_t *src, const uint8_t *dst, unsigned int ip_len, uint8_t proto);

struct rte_mbuf *ethdev_icmp4_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len);
struct rte_mbuf *ethdev_icmp6_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len);
struct rte_mbuf *ethdev_arp_rx(struct ethdev_queue *q, struct rte_mbuf *m);
/** Request the link address of @p hop from everybody, or from @p mac only. IPv4 and IPv6. */
void ethdev_ask(struct ethdev_queue *q, const struct peel_addr *hop, const uint8_t *mac);
void ethdev_announce(struct ethdev_queue *q);
struct rte_mbuf *ethdev_nd_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, uint32_t off, uint32_t len);
void ethdev_nd_ask(struct ethdev_queue *q, const uint8_t ip[16], const uint8_t *mac);
/** The solicited-node multicast address of @p ip, as link address. */
void ethdev_nd_group(const uint8_t ip[16], uint8_t mac[6]);

/* ---- frag.c ---------------------------------------------------------------------------------- */

/** A fragment: @p data stays in its mbuf. */
struct ethdev_part {
	struct peel_addr from; /* port 0 */
	uint32_t id;
	uint32_t at,
		/* bytes of the IP payload; `at` is a multiple of 8, `len` > 0, and of 8 when
		 * `more` */
		len;
	bool more;
	const uint8_t *data;
};

int ethdev_frag_init(struct ethdev_queue *q) PEEL_MUST_USE;
void ethdev_frag_fini(struct ethdev_queue *q);
/** One more fragment, in @p m. NULL: used up. Otherwise a new mbuf whose data is the whole payload
 * behind the IP headers. */
struct rte_mbuf *ethdev_frag_rx(
	struct ethdev_queue *q, struct rte_mbuf *m, const struct ethdev_part *part);
void ethdev_frag_tick(struct ethdev_queue *q);
void ethdev_vouch(struct peel_port *port, const struct peel_addr *remote);

/* ---- frag_tx.c ------------------------------------------------------------------------------- */

/** Send a datagram (data: UDP header and payload) that exceeds the MTU. Takes @p m. */
void ethdev_frag_tx(struct ethdev_queue *q, struct rte_mbuf *m, const struct peel_addr *remote,
	const uint8_t mac[6]);

/* ---- endpoint.c ------------------------------------------------------------------------------ */

int ethdev_endpoints_new(
	const struct peel_port_conf *conf, struct ethdev_endpoints **out) PEEL_MUST_USE;
void ethdev_endpoints_free(struct ethdev_endpoints *e);
int ethdev_exit_open(struct peel_port *port, uint16_t queue, uint64_t cookie, uint32_t *endpoint);
void ethdev_exit_close(struct peel_port *port, uint32_t endpoint);
uint32_t ethdev_endpoints_count(const struct ethdev_endpoints *e);
/** Who listens at this UDP port of ours?   Thread: worker. */
bool ethdev_endpoint_by_port(
	const struct ethdev_endpoints *e, uint16_t udp_port, uint32_t *endpoint, uint64_t *cookie);
/** UDP port of an endpoint, 0 when it is not open; @p generation tells its users apart.   Thread:
 * worker. */
uint16_t ethdev_endpoint_port(
	const struct ethdev_endpoints *e, uint32_t endpoint, uint32_t *generation);

/* ---- wait.c ---------------------------------------------------------------------------------- */

/** Once, when the device is open.   Thread: control. */
void ethdev_wait_init(struct ethdev_queue *q, bool interrupts);
void ethdev_wait_fini(struct ethdev_queue *q);
void ethdev_wait(struct peel_port *port, uint16_t queue, unsigned int timeout_us);
void ethdev_wake(struct peel_port *port, uint16_t queue);

/* ---- small things of the hot path ------------------------------------------------------------ */

/** May a worker use the device? Pairs with watch.c. */
static inline bool
ethdev_gone(const struct peel_port *port)
{
	return __atomic_load_n(&port->gone, __ATOMIC_ACQUIRE);
}

static inline uint16_t
ethdev_mtu(const struct peel_port *port)
{
	return __atomic_load_n(&port->mtu, __ATOMIC_RELAXED);
}

static inline void
ethdev_count(struct ethdev_queue *q, enum ethdev_counter c)
{
	__atomic_store_n(&q->count[c], __atomic_load_n(&q->count[c], __ATOMIC_RELAXED) + 1,
		__ATOMIC_RELAXED);
}

/** One more answer? @p rate a second, bursts of as many. */
static inline bool
ethdev_allow(struct ethdev_queue *q, struct ethdev_bucket *b, uint32_t rate)
{
	uint64_t full = (uint64_t)rate * 1000;
	uint64_t passed = q->now > b->last_ms ? q->now - b->last_ms : 0;

	b->last_ms = q->now;
	b->tokens = passed >= 1000 ? full : RTE_MIN(full, b->tokens + passed * rate);
	if (b->tokens < 1000) {
		ethdev_count(q, ETHDEV_ANSWERS_LIMITED);
		return false;
	}
	b->tokens -= 1000;
	return true;
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
ethdev_on_link(const uint8_t *a, const uint8_t *b, const uint8_t *mask, unsigned int len)
{
	uint8_t diff = 0;

	for (unsigned int i = 0; i < len; i++)
		diff |= (a[i] ^ b[i]) & mask[i];
	return diff == 0;
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
