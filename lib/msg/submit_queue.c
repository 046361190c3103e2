/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The ring from the threads of a program to a worker.
 */
#include <errno.h>
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
	struct peel_submit_queue *q;

	if (posix_memalign((void **)&q, 64, sizeof(*q)) != 0)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	/* Threads of a program are preempted: none of them may have to wait for another in the
	 * middle of a push. */
	q->ring = ring_new(ring_size, RING_F_MP_RTS_ENQ);
	if (q->ring == NULL) {
		free(q);
		return rte_errno == EINVAL ? -EINVAL : -ENOMEM;
	}
	*out = q;
	return 0;
}

void
peel_submit_queue_free(struct peel_submit_queue *q)
{
	if (q == NULL)
		return;
	ring_free(q->ring);
	free(q);
}

int
peel_submit_queue_push(struct peel_submit_queue *q, struct rte_mbuf *m, bool *wake)
{
	*wake = false;
	if (rte_ring_enqueue(q->ring, m) != 0)
		return -ENOSPC;
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in peel_submit_queue_doze */
	/* Looked at first: a shared line that nobody writes costs nothing while the worker is
	 * awake. */
	if (__atomic_load_n(&q->asleep, __ATOMIC_RELAXED))
		*wake = __atomic_exchange_n(&q->asleep, false, __ATOMIC_RELAXED);
	return 0;
}

bool
peel_submit_queue_has_room(const struct peel_submit_queue *q, unsigned int quarters)
{
	return ring_fill(q->ring) < rte_ring_get_size(q->ring) / 4 * quarters;
}

unsigned int
peel_submit_queue_pop(struct peel_submit_queue *q, struct rte_mbuf **m, unsigned int n)
{
	return rte_ring_sc_dequeue_burst(q->ring, (void **)m, n, NULL);
}

bool
peel_submit_queue_doze(struct peel_submit_queue *q)
{
	__atomic_store_n(&q->asleep, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in peel_submit_queue_push */
	return !ring_is_empty(q->ring);
}

void
peel_submit_queue_awake(struct peel_submit_queue *q)
{
	__atomic_store_n(&q->asleep, false, __ATOMIC_RELAXED);
}
