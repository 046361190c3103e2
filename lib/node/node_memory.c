/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How much of EAL's memory a node takes, computed before it exists.
 */
#include "peel_guest_circuits.h"
#include "peel_node.h"
#include "peel_path.h"
#include "peel_replay.h"

#define MIB ((size_t)1024 * 1024)

/* Bytes of one packet buffer in its pool: header, private area, room, and DPDK's own trailer. */
#define MBUF_BYTES 2560
#define MBUFS_BASE 4096
#define MBUFS_PER_WORKER 8192
/* that a device keeps in its descriptors, each way, unless told */
#define DESCRIPTORS 1024

uint32_t
peel_node_buffers(const struct peel_node_conf *conf)
{
	/* Full rings towards control must not starve reception. */
	uint32_t per_worker = 4096 + 2 * conf->ring_size;

	if (conf->n_mbufs != 0)
		return conf->n_mbufs;
	if (per_worker < MBUFS_PER_WORKER)
		per_worker = MBUFS_PER_WORKER;
	if (conf->device[0] != '\0') {
		uint32_t rx = conf->port_conf.rx_descriptors, tx = conf->port_conf.tx_descriptors;

		per_worker += (rx != 0 ? rx : DESCRIPTORS) + (tx != 0 ? tx : DESCRIPTORS);
	}
	return conf->n_workers * per_worker + MBUFS_BASE;
}

uint32_t
peel_node_sessions(const struct peel_node_conf *conf)
{
	if (conf->guest.max_circuits > 0)
		return peel_gc_sessions(conf->guest.max_circuits);
	return peel_or_sessions(&conf->tunnel) + 1 + conf->max_own_circuits * PEEL_PATH_LAYERS_MAX;
}

size_t
peel_node_memory(const struct peel_node_conf *conf)
{
	size_t replay = conf->replay_entries != 0 ? peel_replay_memsize(conf->replay_entries) : 0;

	return (size_t)peel_node_buffers(conf) * MBUF_BYTES +
	       peel_route_memsize(peel_node_sessions(conf)) + replay +
	       (size_t)conf->port_conf.max_endpoints * 256 +
	       conf->n_workers * ((size_t)conf->ring_size * 6 * 8 + MIB) + 8 * MIB;
}
