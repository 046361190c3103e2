/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include <rte_errno.h>

#include "peel_port.h"

/*
 * Threads of the program that send take buffers which a worker gave back. Last in, first out they
 * are still in its cache; in a ring all of the pool's go round. Without locks, as those threads may
 * be preempted anywhere.
 */
#define STACK_OPS "lf_stack"

struct rte_mempool *
peel_port_pool_new(const char *name, unsigned int n, bool many_threads, int socket_id)
{
	const uint16_t room = RTE_PKTMBUF_HEADROOM + PEEL_PORT_RX_MAX + PEEL_PORT_TAILROOM;
	/* The cache holds a few bursts, so that a worker rarely touches what the pool shares. */
	const unsigned int cache = 4 * PEEL_PORT_BURST;
	struct rte_mempool *pool;

	if (many_threads) {
		pool = rte_pktmbuf_pool_create_by_ops(
			name, n, cache, PEEL_PKT_PRIV_SIZE, room, socket_id, STACK_OPS);
		if (pool != NULL || rte_errno == ENOMEM || rte_errno == EEXIST)
			return pool;
		/* Not for this processor, or its driver is not installed. */
	}
	return rte_pktmbuf_pool_create(name, n, cache, PEEL_PKT_PRIV_SIZE, room, socket_id);
}
