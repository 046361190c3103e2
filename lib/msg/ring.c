/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Making and freeing rings of datagrams.
 */
#include <stdio.h>

#include <rte_mbuf.h>

#include "ring.h"

struct rte_ring *
ring_new(unsigned int size, unsigned int flags)
{
	static unsigned int n_rings;
	char name[32];

	snprintf(name, sizeof(name), "peel_ring_%x",
		__atomic_fetch_add(&n_rings, 1, __ATOMIC_RELAXED));
	return rte_ring_create(name, size, SOCKET_ID_ANY, flags | RING_F_SC_DEQ);
}

void
ring_free(struct rte_ring *r)
{
	void *m;

	while (r != NULL && rte_ring_sc_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(r);
}
