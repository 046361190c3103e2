/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A port over rings whose other end is the test: it plays the network byte by byte. Frames are made
 * here by the plainest code possible, not by the driver's.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "peel_port_ethdev.h"

#define WORLD_QUEUES_MAX 2
#define WORLD_MBUFS 4095
#define WORLD_FRAME_MAX 2048

struct world {
	struct peel_port *port;
	struct peel_port_conf conf;
	struct peel_rcu *rcu;
	struct rte_ring *in[WORLD_QUEUES_MAX], *out[WORLD_QUEUES_MAX];
	struct peel_stats stats[WORLD_QUEUES_MAX];
	struct peel_stats *stats_of[WORLD_QUEUES_MAX];
	struct peel_env env;
	uint64_t now, seed;
	uint8_t mac[6]; /* the port's */
	uint16_t id;
	char name[64];
};

/** Group setup: EAL and the pool. */
int world_setup(void **state);
extern struct rte_mempool *world_pool;

/** Defaults in w->conf, to be changed before world_open. */
void world_init(struct world *w);
void world_open(struct world *w);
/** Also checks that no mbuf was lost. */
void world_close(struct world *w);

uint64_t world_count(const struct world *w, enum peel_counter c);
/** All that was received and not delivered, whatever the reason. */
uint64_t world_drops(const struct world *w);
/** A line of dump(). */
uint64_t world_line(const struct world *w, const char *name);

/** Put a frame on the wire towards the port. */
void world_send(struct world *w, const void *frame, size_t len);
/** rx and flush; the datagram received, or NULL. */
struct rte_mbuf *world_poll(struct world *w);
/** The next frame that the port sent; 0: none. */
size_t world_take(struct world *w, uint8_t frame[WORLD_FRAME_MAX]);
/** Take and forget everything sent so far (announcements). */
void world_drain(struct world *w);
/** Send through the port. */
void world_tx(struct world *w, const struct peel_addr *remote, uint32_t endpoint, size_t len,
	uint8_t fill);
void world_pass(struct world *w, uint64_t ms);

/* ---- frames ---------------------------------------------------------------------------------- */

extern const uint8_t host_mac[6], gate_mac[6], all_mac[6], own_ip[4], host_ip[4], gate_ip[4],
	far_ip[4], own_ip6[16], host_ip6[16], gate_ip6[16], far_ip6[16];

uint16_t sum16(const uint8_t *p, size_t len, uint32_t start);
size_t make_eth(uint8_t *f, const uint8_t *dst, const uint8_t *src, uint16_t type);
/** IPv4 header (20 bytes) at p, checksum included. */
size_t make_ip4(uint8_t *p, const uint8_t *src, const uint8_t *dst, uint8_t proto, size_t payload,
	uint16_t id, uint16_t frag);
void fix_ip4(uint8_t *ip);
size_t make_ip6(uint8_t *p, const uint8_t *src, const uint8_t *dst, uint8_t proto, size_t payload,
	uint8_t hops);
/** UDP header and payload of @p len bytes 0, 1, 2 ... with checksum; addresses of ip_len bytes. */
size_t make_udp(uint8_t *p, const uint8_t *src, const uint8_t *dst, size_t ip_len, uint16_t sport,
	uint16_t dport, size_t len);
/** A whole frame from host_ip (through host_mac) to the main address. */
size_t make_frame4(const struct world *w, uint8_t *f, uint16_t dport, size_t len);
size_t make_frame6(const struct world *w, uint8_t *f, uint16_t dport, size_t len);
size_t make_arp(uint8_t *f, const uint8_t *dst, uint16_t op, const uint8_t *sha, const uint8_t *spa,
	const uint8_t *tha, const uint8_t *tpa);
/** Neighbour solicitation (135) or advertisement (136). */
size_t make_nd(uint8_t *f, const uint8_t *dst_mac, const uint8_t *src_mac, uint8_t type,
	uint8_t flags, const uint8_t *src, const uint8_t *dst, const uint8_t *target);
bool udp_sum_ok(
	const uint8_t *udp, size_t len, const uint8_t *src, const uint8_t *dst, size_t ip_len);

/** The port asks for host_ip / gate_ip or IPv6 twins; answer it. */
void world_resolve(struct world *w, const uint8_t *ip, const uint8_t *mac);
struct peel_addr addr4(const uint8_t *ip, uint16_t port);
struct peel_addr addr6(const uint8_t *ip, uint16_t port);
