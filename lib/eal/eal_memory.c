/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How much of EAL's memory a node takes, reckoned before it exists.
 */
#include "peel_eal.h"

#define MIB ((size_t)1024 * 1024)

/* Bytes of one packet buffer in its pool: header, private area, room, and DPDK's own trailer. */
#define MBUF_BYTES 2560

uint32_t
peel_eal_mbufs(const struct peel_node_conf *n)
{
	/* Full rings towards control must not starve reception. */
	uint32_t per_worker = 4096 + 2 * n->ring_size;

	if (n->n_mbufs != 0)
		return n->n_mbufs;
	if (per_worker < 8192)
		per_worker = 8192;
	/* A device keeps buffers in its descriptors (1024 each way unless told). */
	if (n->device[0] != '\0') {
		per_worker += n->port_conf.rx_descriptors != 0 ? n->port_conf.rx_descriptors : 1024;
		per_worker += n->port_conf.tx_descriptors != 0 ? n->port_conf.tx_descriptors : 1024;
	}
	return n->n_workers * per_worker + 4096;
}

size_t
peel_eal_bytes(const struct peel_node_conf *n, uint32_t n_mbufs)
{
	/* A session has two lines per direction, two routes of one line each and four buckets of 8
	 * bytes at the table's lowest load, all rounded up to powers of two in the worst case. Own
	 * circuits have a session per layer. */
	size_t sessions = (size_t)peel_or_sessions(&n->tunnel) +
			  (size_t)n->max_own_circuits * PEEL_PATH_LAYERS_MAX;
	size_t table = sessions * 2 * (128 + 2 * 64 + 64);

	return (size_t)n_mbufs * MBUF_BYTES + table + (size_t)n->replay_entries * 2 * 8 +
	       (size_t)n->port_conf.max_endpoints * 256 +
	       n->n_workers * ((size_t)n->ring_size * 6 * 8 + MIB) + 8 * MIB;
}

uint32_t
peel_eal_memory_mib(size_t bytes)
{
	/* Memory that is never touched costs nothing: half as much again for fragments. */
	return (uint32_t)((bytes + bytes / 2) / MIB + 16);
}
