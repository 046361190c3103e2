/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the files of the socket driver share: the port, its queues (one per worker, all state of one
 * worker in one block) and the table of exit endpoints (written by the control thread, read by
 * workers without locks).
 */

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "peel_links.h"
#include "peel_port_socket.h"

#define SOCK_SUPER_MAX 65536  /* no UDP message is longer */
#define SOCK_SLOTS 64	      /* mbufs kept ready for receiving */
#define SOCK_MESSAGES 32      /* messages per recvmmsg */
#define SOCK_SEGMENTS_MAX 128 /* the kernel's limit of segments in one message */
#define SOCK_PENDING_MAX ((SOCK_MESSAGES + 1) * SOCK_SEGMENTS_MAX + PEEL_PORT_BURST)
#define SOCK_FLAT_MAX 512 /* datagrams up to this size are sent from a flat buffer */
#define SOCK_EVENTS 32
#define SOCK_TX_MAX 128	    /* datagrams held back until flush */
#define SOCK_TX_SEGMENTS 64 /* all kernels take this many segments in one message */
#define SOCK_TX_BYTES 65507 /* and this many bytes over IPv4 */
#define SOCK_BUCKETS 256    /* power of two, at least 2 * SOCK_TX_MAX */
#define SOCK_NO_GSO 256	    /* power of two */

union sock_name {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

/* Room for one control message that holds an int (UDP_GRO) or a uint16_t (UDP_SEGMENT). */
union sock_control {
	struct cmsghdr align;
	uint8_t room[CMSG_SPACE(sizeof(int))];
};

/** What the last messages of a socket looked like. Belongs to the worker that receives from it. */
struct sock_hint {
	uint16_t average; /* segments per message, moving average, in sixteenths */
};

/** Where datagrams come from. */
struct sock_source {
	int fd;
	uint32_t endpoint;
	uint64_t cookie;
	struct sock_hint *hint;
};

/** Datagrams of one flush with the same endpoint and destination, in order. */
struct sock_group {
	struct peel_addr remote;
	uint32_t endpoint;
	uint64_t hash;
	uint16_t head, tail; /* indices into tx[], linked by tx_next[] */
	bool done;
	int fd; /* -1: cannot be sent */
	socklen_t name_len;
	union sock_name name;
};

/** Destinations that refused segments of a size, because their path's MTU is smaller. */
struct sock_no_gso {
	uint32_t tag;
	uint16_t size;
	uint64_t until_tsc;
};

/** Details for the status, beside the common counters. Written by the worker, read by anybody
 * (relaxed). */
struct sock_details {
	uint64_t rx_messages, rx_coalesced, rx_coalesced_segments, rx_copied;
	uint64_t tx_messages, tx_gso, tx_gso_segments, tx_resent;
};

struct sock_rx {
	struct sock_hint hint;
	uint16_t first;	     /* slot[first..SOCK_SLOTS) hold mbufs */
	uint32_t head, tail; /* pending[head..tail) wait to be returned */
	/* [SOCK_MESSAGES][SOCK_SUPER_MAX], then one more to lay a message out flat */
	uint8_t *overflow;
	uint64_t datagrams, ipv6, bytes, no_buffer,
		oversize; /* of this call, not yet in the stats */

	/* Exit endpoints: events fetched but not served yet, and when to ask again. */
	uint16_t n_events, next_event;
	bool exits_hot; /* ask at the next call, whatever the time */
	uint64_t exits_tsc;
	struct epoll_event events[SOCK_EVENTS];

	struct rte_mbuf *slot[SOCK_SLOTS];
	struct iovec narrow[SOCK_SLOTS][2]; /* one mbuf and an overflow per message */
	struct mmsghdr message[SOCK_MESSAGES];
	struct sockaddr_storage name[SOCK_MESSAGES];
	union sock_control control[SOCK_MESSAGES];
	struct rte_mbuf *pending[SOCK_PENDING_MAX];
};

struct sock_tx {
	bool gso;
	uint16_t n, n_groups;
	uint64_t until_tsc, now_tsc;
	uint64_t datagrams, ipv6, bytes, dropped; /* of this flush, not yet in the stats */
	struct rte_mbuf *mbuf[SOCK_TX_MAX];
	uint16_t next[SOCK_TX_MAX];
	uint16_t bucket[SOCK_BUCKETS]; /* group index + 1 */
	struct sock_group group[SOCK_TX_MAX];
	struct mmsghdr message[SOCK_TX_MAX];
	/* to send a refused message's segments one by one */
	struct mmsghdr single[SOCK_TX_SEGMENTS];
	struct iovec iov[SOCK_TX_MAX];	    /* every datagram */
	struct iovec *segment[SOCK_TX_MAX]; /* the first one of message[] */
	uint16_t n_segments[SOCK_TX_MAX];
	struct iovec flat[SOCK_TX_MAX]; /* message[] of small datagrams, copied together */
	union sock_control control[SOCK_TX_MAX];
	const struct sock_group *owner[SOCK_TX_MAX]; /* of message[] */
	struct sock_no_gso no_gso[SOCK_NO_GSO];
	uint8_t flat_room[SOCK_TX_MAX * SOCK_FLAT_MAX];
};

struct sock_queue {
	/* Set by the control thread before the workers start. */
	struct peel_port *port;
	int fd, exit_epoll, event_fd;
	struct peel_stats *stats;
	uint32_t n_exits; /* control writes, worker reads, relaxed: a wrong zero only delays */
	/* The worker's own. */
	struct sock_details details __attribute__((aligned(64)));
	struct sock_rx rx;
	struct sock_tx tx;
	/* Anybody's. */
	bool woken __attribute__((aligned(64)));
};

/**
 * An exit endpoint. The control thread fills it while `generation` is even and publishes it by
 * storing the next odd number (release); a worker that loads the expected odd number (acquire) may
 * use the fields until its next quiescent state, because slots are emptied and reused only after a
 * grace period.
 */
struct sock_endpoint {
	uint32_t generation;
	int fd4, fd6; /* fd6 -1: no IPv6 here */
	uint16_t queue;
	uint64_t cookie;
	uint32_t next; /* of the free ones, or of those closed */
	struct sock_hint hint;
} __attribute__((aligned(64)));

/** Apart from the port, for deferred ends of endpoints may come after the port's. */
struct sock_exits {
	uint32_t max, n_open;
	struct peel_slots slots;
	struct peel_list closed; /* not handed to RCU yet, for lack of memory */
	uint32_t deferred;
	bool orphan; /* the port is gone: the last deferred end frees the table */
	struct sock_endpoint *endpoint; /* [max + 1], the first unused */
};

struct peel_port {
	uint16_t n_queues;
	struct rte_mempool *pool;
	struct peel_rcu *rcu;
	struct sock_queue **queue;
	struct sock_exits *exits;
	struct peel_addr local, exit_ipv4, exit_ipv6;
	bool gro, gso, ipv6_exits;
	uint64_t seed; /* of the hash of destinations */
	uint64_t exit_period_tsc, no_gso_period_tsc;
};

static inline void
sock_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

/* A generation as it travels in an epoll event: bits 0..31 slot, 32 IPv6, 33..63 generation. */
static inline uint64_t
sock_event(uint32_t endpoint, uint32_t generation, bool v6)
{
	return (uint64_t)generation << 33 | (uint64_t)v6 << 32 | endpoint;
}

/* sockets.c */
/** A bound, non-blocking UDP socket with large buffers. >= 0: the descriptor, else -errno. */
int socket_open(const struct peel_addr *bind_to, bool reuse_port, bool v6_only, int buffer_bytes);
/** Does the kernel know UDP_GRO (switching it) and UDP_SEGMENT? */
bool socket_set_gro(int fd, bool on);
bool socket_has_gso(int fd);
bool socket_can_reach(const struct peel_port *port, bool exit, const struct peel_addr *to);

/* socket_exit.c */
int socket_exits_new(uint32_t max, struct sock_exits **out) PEEL_MUST_USE;
/** Closes all sockets; the workers have stopped. */
void socket_exits_free(struct sock_exits *x, struct peel_rcu *rcu);
int socket_exit_open(struct peel_port *port, uint16_t queue, uint64_t cookie, uint32_t *endpoint);
void socket_exit_close(struct peel_port *port, uint32_t endpoint);
int socket_exit_bind(
	struct peel_port *port, const struct peel_addr *ipv4, const struct peel_addr *ipv6);
/** Worker: the socket of an open endpoint for a family, -1 when closed, out of range or without
 * that family. */
int socket_exit_fd(const struct sock_exits *x, uint32_t endpoint, uint8_t family);
/** Worker: who an epoll event is about; false: a stale one. */
bool socket_exit_source(struct sock_exits *exits, uint64_t event, struct sock_source *out);

/* socket_rx.c */
void socket_rx_init(struct sock_rx *rx);
void socket_rx_fini(struct sock_rx *rx);
uint16_t socket_rx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
void socket_wait(struct peel_port *port, uint16_t queue, unsigned int timeout_us);
void socket_wake(struct peel_port *port, uint16_t queue);

/* socket_tx.c */
void socket_tx_init(struct sock_tx *tx, bool gso);
void socket_tx_fini(struct sock_tx *tx);
void socket_tx(struct peel_port *port, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);
void socket_flush(struct peel_port *port, uint16_t queue);
