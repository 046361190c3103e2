/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Workers of a relay between load ports, with everything they need: for the suites relay, latency
 * and overload. */

#include "bench.h"
#include "peel_aead_engines.h"
#include "peel_datapath.h"
#include "peel_port_load.h"

#define RIG_WORKERS_MAX 2

struct relay_rig_conf {
	struct peel_load_conf load; /* work, circuits, sizes, mixes; the rig fills in the rest */
	const struct peel_aead_engine *engine;
	unsigned int n_workers;
	uint32_t n_mbufs;
	bool filter;				      /* of duplicates */
	const struct peel_bandwidth_settings *limits; /* NULL: none */
};

struct relay_rig {
	struct relay_rig_conf conf;
	struct rte_mempool *pool;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_replay *replay;
	struct peel_policy policy;
	struct peel_bandwidth *bandwidth;
	struct peel_port *port;
	struct peel_mailbox *mailbox[RIG_WORKERS_MAX];
	struct peel_stats stats[RIG_WORKERS_MAX];
	struct peel_worker *worker[RIG_WORKERS_MAX];
	struct peel_aead *aead[RIG_WORKERS_MAX]; /* for the crypto alone */
	struct peel_load_crypto *crypto[RIG_WORKERS_MAX];
	struct rig_cold *cold; /* [batch], see relay_rig_crypto_cold() */
};

/** EAL, once per program, with memory for that many mbufs: hugepages when enough are free, ordinary
 * memory otherwise. */
void relay_rig_eal(struct bench *b, uint32_t n_mbufs);
/** Fails the program when something is amiss. */
void relay_rig_start(struct relay_rig *rig, const struct relay_rig_conf *conf);
/** Checks that everything came out right. */
void relay_rig_stop(struct relay_rig *rig);

/** Prepare a batch and let worker @p w work it off. */
void relay_rig_prepare(struct relay_rig *rig, unsigned int w);
void relay_rig_work(struct relay_rig *rig, unsigned int w);
/** Cycles per cell when there always is a next one: median of a few batches. */
double relay_rig_capacity(struct relay_rig *rig);
/** The same batch without a worker: what the port costs. */
void relay_rig_port_alone(struct relay_rig *rig, unsigned int w);
/** The same batch's crypto and nothing else; prepare it with relay_rig_prepare_crypto(). */
void relay_rig_prepare_crypto(struct relay_rig *rig, unsigned int w);
void relay_rig_crypto_alone(struct relay_rig *rig, unsigned int w);
/**
 * The crypto alone again, while random lines of the tables come from memory, as many as a cell
 * needs (bucket, route, session, duplicate filter), prefetched four cells ahead and never read. No
 * relay with such tables can be faster.
 */
void relay_rig_prepare_cold(struct relay_rig *rig, unsigned int w);
void relay_rig_crypto_cold(struct relay_rig *rig, unsigned int w);
/** How often the kernel took the core from this thread. A measurement during which this grew says
 * nothing about the worker. */
long relay_rig_preemptions(void);
/** Throw away what the worker sent to the control thread. @return how many messages. */
unsigned int relay_rig_control(struct relay_rig *rig, unsigned int w);
