/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_port.h"

struct rte_mempool *
peel_port_pool_new(const char *name, unsigned int n, int socket_id)
{
	/* The cache holds a few bursts, so that a worker rarely touches the shared ring of the pool. */
	return rte_pktmbuf_pool_create(name, n, 4 * PEEL_PORT_BURST, PEEL_PKT_PRIV_SIZE,
		RTE_PKTMBUF_HEADROOM + PEEL_PORT_RX_MAX + PEEL_PORT_TAILROOM, socket_id);
}
