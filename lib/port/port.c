/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Pools of datagram buffers.
 */
#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_mbuf_pool_ops.h>

#include "peel_port.h"

/*
 * Threads of the program that send take buffers which a worker gave back. A stack hands out those
 * that are still in its cache; a ring would go through all of the pool. It has no locks, as those
 * threads may be preempted anywhere.
 */
#define STACK_OPS "lf_stack"
#define ROOM (RTE_PKTMBUF_HEADROOM + PEEL_PORT_RX_MAX + PEEL_PORT_TAILROOM)
_Static_assert(RTE_PKTMBUF_HEADROOM >= PEEL_PORT_HEADROOM, "room for headers");

struct rte_mempool *
peel_port_pool_new(const char *name, unsigned int n, bool many_threads, int socket_id)
{
	/* The cache holds a few bursts, so that a worker rarely touches what the pool shares. */
	const unsigned int cache = 4 * PEEL_PORT_BURST;
	struct rte_mempool *pool;

	if (many_threads) {
		pool = rte_pktmbuf_pool_create_by_ops(
			name, n, cache, PEEL_PKT_PRIV_SIZE, ROOM, socket_id, STACK_OPS);
		if (pool != NULL || rte_errno == ENOMEM || rte_errno == EEXIST)
			return pool;
		/* Not for this processor, or its driver is not installed. */
	}
	return rte_pktmbuf_pool_create(name, n, cache, PEEL_PKT_PRIV_SIZE, ROOM, socket_id);
}

bool
peel_port_pool_possible(void)
{
	const char *name = rte_mbuf_best_mempool_ops();

	for (unsigned int i = 0; i < rte_mempool_ops_table.num_ops; i++) {
		if (strcmp(rte_mempool_ops_table.ops[i].name, name) == 0)
			return true;
	}
	return false;
}

bool
peel_port_pool_fits(struct rte_mempool *pool)
{
	return rte_pktmbuf_priv_size(pool) >= PEEL_PKT_PRIV_SIZE &&
	       rte_pktmbuf_data_room_size(pool) >= ROOM;
}
