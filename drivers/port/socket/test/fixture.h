/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A socket port on loopback with its pool, RCU and counters, plain UDP clients to talk to it, and
 * faults to order from the kernel: the program's own sendmmsg, recvmsg and recvmmsg stand before
 * the C library's.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "peel_port_socket.h"

#define FIX_QUEUES 2
#define FIX_MBUFS 8191

#if defined(__SANITIZE_ADDRESS__)
#define FIX_SLOW 5 /* divides the amount of traffic */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIX_SLOW 5
#endif
#endif
#ifndef FIX_SLOW
#define FIX_SLOW 1
#endif

struct fix {
	struct peel_port *port;
	struct rte_mempool *pool;
	struct peel_rcu *rcu;
	struct peel_stats stats[FIX_QUEUES];
	struct peel_addr local;
	uint16_t n_queues;
};

/* Faults: the next `count` calls fail with `error`; `count` 0: none. */
struct fix_fault {
	int error;
	unsigned int count;
	bool segmented_only;  /* sendmmsg: only messages with UDP_SEGMENT */
	unsigned int at_most; /* sendmmsg: take no more messages than this at once; 0: no limit */
};
extern struct fix_fault fix_send, fix_receive;
extern unsigned int fix_send_calls;

/* cmocka group setup: EAL and the pool. */
int fix_setup(void **state);

/* Open a port at an address ("127.0.0.1:0"); ends the test when it fails. */
void fix_open(struct fix *f, const char *listen, uint16_t n_queues, uint32_t endpoints);
/* Close it and check that every mbuf came back. */
void fix_close(struct fix *f);

uint64_t fix_count(const struct fix *f, enum peel_counter c);
/* A line of the port's dump. */
uint64_t fix_detail(const struct fix *f, const char *name);

/* Receive until `want` datagrams came or nothing more comes for a while. */
unsigned int fix_rx(struct fix *f, uint16_t queue, struct rte_mbuf **pkts, unsigned int want);
/* Send everything back where it came from. */
void fix_echo(struct fix *f, uint16_t queue, struct rte_mbuf **pkts, unsigned int n);

/* A client socket connected to an address, receiving with a time limit. */
int fix_client(const struct peel_addr *to);
struct peel_addr fix_name(int fd);
/* Send len bytes as segments; false when the kernel refuses so many. */
bool fix_send_segments(int fd, const void *data, size_t len, uint16_t segment);

/* Pattern: flow and sequence number, then bytes that follow from them, as far as they fit. */
void fix_fill(uint8_t *p, size_t len, uint32_t flow, uint32_t seq);
bool fix_matches(const uint8_t *p, size_t len, uint32_t flow, uint32_t seq);

/* A datagram to send, with the pattern of flow `endpoint`; or send it at once from queue 0. */
struct rte_mbuf *fix_datagram(
	const struct fix *f, uint32_t endpoint, const struct peel_addr *to, uint16_t len);
void fix_send_one(struct fix *f, uint32_t endpoint, const struct peel_addr *to, uint16_t len);
