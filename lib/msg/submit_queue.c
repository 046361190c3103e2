/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_ring.h>

#include "peel_submit_queue.h"
#include "ring.h"

struct peel_submit_queue {
	struct rte_ring *ring;
	bool asleep
		__attribute__((aligned(64))); /* set by the worker; whoever clears it wakes it */
};

int
peel_submit_queue_new(unsigned int ring_size, struct peel_submit_queue **out)
{
	/* tells the rings of all submit_queues of the process apart */
	static unsigned int n_submit_queues;
	unsigned int serial = __atomic_fetch_add(&n_submit_queues, 1, __ATOMIC_RELAXED);
	struct peel_submit_queue *ob;
	char name[32];

	if (posix_memalign((void **)&ob, 64, sizeof(*ob)) != 0)
		return -ENOMEM;
	memset(ob, 0, sizeof(*ob));
	snprintf(name, sizeof(name), "out%x", serial);
	/* Threads of a program are preempted: none of them may have to wait for another in the
	 * middle of a push. */
	ob->ring =
		rte_ring_create(name, ring_size, SOCKET_ID_ANY, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ);
	if (ob->ring == NULL) {
		free(ob);
		return rte_errno == EINVAL ? -EINVAL : -ENOMEM;
	}
	*out = ob;
	return 0;
}

void
peel_submit_queue_free(struct peel_submit_queue *ob)
{
	void *m;

	if (ob == NULL)
		return;
	while (rte_ring_sc_dequeue(ob->ring, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(ob->ring);
	free(ob);
}

int
peel_submit_queue_push(struct peel_submit_queue *ob, struct rte_mbuf *m, bool *wake)
{
	*wake = false;
	if (rte_ring_enqueue(ob->ring, m) != 0)
		return -ENOSPC;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in peel_submit_queue_doze */
	/* Looked at first: a shared line that nobody writes costs nothing while the worker is
	 * awake. */
	if (__atomic_load_n(&ob->asleep, __ATOMIC_RELAXED))
		*wake = __atomic_exchange_n(&ob->asleep, false, __ATOMIC_RELAXED);
	return 0;
}

unsigned int
peel_submit_queue_pop(struct peel_submit_queue *ob, struct rte_mbuf **m, unsigned int n)
{
	return rte_ring_sc_dequeue_burst(ob->ring, (void **)m, n, NULL);
}

bool
peel_submit_queue_doze(struct peel_submit_queue *ob)
{
	__atomic_store_n(&ob->asleep, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in peel_submit_queue_push */
	return !ring_is_empty(ob->ring);
}

void
peel_submit_queue_awake(struct peel_submit_queue *ob)
{
	__atomic_store_n(&ob->asleep, false, __ATOMIC_RELAXED);
}
