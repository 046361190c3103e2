/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The port and its queues. A queue belongs to one worker, which alone touches struct ethdev_queue.
 * Shared are the neighbour table (neigh.h says how) and the table of endpoints, which control
 * writes (endpoint.c). The rest of struct peel_port is constant after open().
 *
 * A file calls only files further down:
 *
 *   ethdev.c, watch.c, device.c, wait.c   the port; xdp_log.c
 *   ethdev_rx.c, ethdev_tx.c              what a worker calls
 *   ip4.c, ip6.c                          ip.h
 *   icmp.c, arp.c, nd.c, frag_tx.c        ip.h, neighbour.h
 *   ethdev_udp.c, ip.c, frag.c            ip.h
 *   ethdev_frame.c                        frame.h
 *   endpoint.c, neigh.c, interface*.c     tables and the kernel, neigh.h, interface.h
 */
#pragma once

#include <rte_ethdev.h>

#include "peel_port.h"
#include "peel_rate.h"
#include "interface.h"
#include "neigh.h"

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
	bool tx_ipv6[TX_BUFFER];      /* it is a frame with IPv6 */
	uint32_t tx_bytes[TX_BUFFER]; /* UDP payload that is on its way when this frame is sent */
	struct rte_mbuf *tx_buf[TX_BUFFER];
	uint64_t next_tick, next_announcement;
	uint32_t pending_generation;
	struct ethdev_pending pending[PENDING_HOPS + PENDING_GATEWAYS];
	struct peel_bucket answers, gateway_answers, echoes;
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

/* ---- device.c -------------------------------------------------------------------------------- */

/** Find the interface that the device sits on and take it, for as long as the port lives. */
int ethdev_interface_take(struct peel_port *port, char *why, size_t why_size) PEEL_MUST_USE;
/** Again after close as well. */
int ethdev_device_open(struct peel_port *port, char *why, size_t why_size) PEEL_MUST_USE;
void ethdev_device_close(struct peel_port *port);

/* ---- xdp_log.c ------------------------------------------------------------------------------- */

/** From now on, what the libraries below af_xdp say goes to the log, with the level debug. */
void ethdev_xdp_log(void);

/* ---- watch.c --------------------------------------------------------------------------------- */

int ethdev_watch(struct peel_port *port, char *why, size_t why_size) PEEL_MUST_USE;
void ethdev_watch_dump(const struct peel_port *port, const struct rte_eth_stats *s,
	void (*line)(void *arg, const char *name, uint64_t value), void *arg);

/* ---- ethdev_rx.c, ethdev_tx.c ---------------------------------------------------------------- */

uint16_t ethdev_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
void ethdev_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
void ethdev_flush(struct peel_port *port, uint16_t queue);

/* ---- frag.c ---------------------------------------------------------------------------------- */

int ethdev_frag_init(struct ethdev_queue *q) PEEL_MUST_USE;
void ethdev_frag_fini(struct ethdev_queue *q);
void ethdev_frag_tick(struct ethdev_queue *q);
void ethdev_vouch(struct peel_port *port, const struct peel_addr *remote);

/* ---- endpoint.c ------------------------------------------------------------------------------ */

int ethdev_endpoints_new(
	const struct peel_port_conf *conf, struct ethdev_endpoints **out) PEEL_MUST_USE;
void ethdev_endpoints_free(struct ethdev_endpoints *e);
int ethdev_exit_open(struct peel_port *port, uint16_t queue, uint64_t cookie, uint32_t *endpoint);
void ethdev_exit_close(struct peel_port *port, uint32_t endpoint);
uint32_t ethdev_endpoints_count(const struct ethdev_endpoints *e);
/** Who listens at this UDP port of ours? Thread: worker. */
bool ethdev_endpoint_by_port(
	const struct ethdev_endpoints *e, uint16_t udp_port, uint32_t *endpoint, uint64_t *cookie);
/** UDP port of an endpoint, 0 when it is not open; @p generation tells its users apart. Thread:
 * worker. */
uint16_t ethdev_endpoint_port(
	const struct ethdev_endpoints *e, uint32_t endpoint, uint32_t *generation);

/* ---- wait.c ---------------------------------------------------------------------------------- */

/** Once, when the device is open. Thread: control. */
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

static inline bool
ethdev_on_link(const uint8_t *a, const uint8_t *b, const uint8_t *mask, unsigned int len)
{
	uint8_t diff = 0;

	for (unsigned int i = 0; i < len; i++)
		diff |= (a[i] ^ b[i]) & mask[i];
	return diff == 0;
}
