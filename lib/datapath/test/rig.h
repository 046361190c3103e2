/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * A worker with everything around it, and a port whose wires end in two arrays: the test is the
 * network.
 */

#include "peel_cell.h"
#include "peel_datapath.h"
#include "peel_discovery.h"

#define RIG_OUT_MAX 256

struct rig_packet {
	struct peel_addr remote;
	uint32_t endpoint;
	size_t len;
	uint8_t data[2304];
};

struct rig {
	struct rte_mempool *pool;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_replay *replay;
	struct peel_paths *paths;
	struct peel_mailbox *mailbox;
	struct peel_submit_queue *submit_queue;
	struct peel_stats stats;
	struct peel_policy policy;
	struct peel_listen *listen;
	struct peel_worker *worker;
	struct peel_fan *fan; /* with a second worker only */
	struct peel_mailbox *mailbox2;
	struct peel_stats stats2;
	struct peel_worker *worker2; /* receives nothing from the port */
	/* of a guest's node only */
	struct peel_submit_queue *guest;
	struct peel_guest_counts *guest_counts;
	struct peel_guest_overlays *overlays; /* to change, then peel_worker_set_overlays() */
	unsigned int guest_wakes;
	unsigned int port_wakes; /* of the second worker */
	unsigned int wakes;
	void (*on_rx)(void); /* called once, before the next burst is received */
	unsigned int waits;  /* how often the worker slept for lack of work */
	bool in_parts;	     /* what is fed says it came in fragments */
	unsigned int vouches;
	struct peel_addr vouched; /* the last one */

	struct rte_mbuf *in[PEEL_PORT_BURST];
	unsigned int n_in;
	struct rig_packet out[RIG_OUT_MAX]; /* what the last poll sent */
	unsigned int n_out;
};

extern const uint8_t rig_prefix[PEEL_PREFIX_LEN];

/** EAL once per program. */
int rig_eal(void **state);
void rig_start(struct rig *rig, const struct peel_aead_engine *engine, uint16_t flags);
/** The same with two workers that share. */
void rig_start_two(struct rig *rig, const struct peel_aead_engine *engine, uint16_t flags);
/** The same for a guest, whose cells have the rig's prefix; no other overlay is open. */
void rig_start_guest(struct rig *rig, const struct peel_aead_engine *engine, uint16_t flags);
void rig_stop(struct rig *rig);
/** Queue a datagram for the next poll. */
void rig_feed(struct rig *rig, const struct peel_addr *from, const void *data, size_t len);
void rig_feed_endpoint(struct rig *rig, uint32_t endpoint, uint64_t cookie,
	const struct peel_addr *from, const void *data, size_t len);
/** One round; `out` holds what was sent. Every mbuf must be back in the pool or in the mailbox
 * afterwards. */
void rig_poll(struct rig *rig);
/** Message class waiting for control: one popped message or NULL. Free it with rte_pktmbuf_free. */
struct rte_mbuf *rig_pop(struct rig *rig, enum peel_msg_class cls);
/** The guest's next mail, in the same way. */
struct rte_mbuf *rig_pop_guest(struct rig *rig);
uint64_t rig_count(const struct rig *rig, enum peel_counter c);
/** Sum of all drop counters. */
uint64_t rig_drops(const struct rig *rig);
