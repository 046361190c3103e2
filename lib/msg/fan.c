/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Rings between the workers.
 */
#include <errno.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_ring.h>

#include "peel_fan.h"
#include "ring.h"

/* What one worker owns, on lines of its own. */
struct fan_worker {
	bool asleep;	   /* written by the worker, read by pushers */
	unsigned int turn; /* whose ring is served first: no sender can starve the others */
} __attribute__((aligned(64)));

struct peel_fan {
	unsigned int n;
	struct fan_worker *worker; /* [n] */
	struct rte_ring **ring;	   /* [from * n + to], NULL on the diagonal */
};

int
peel_fan_new(unsigned int n_workers, unsigned int ring_size, struct peel_fan **out)
{
	struct peel_fan *fan = calloc(1, sizeof(*fan));

	if (fan == NULL)
		return -ENOMEM;
	fan->n = n_workers;
	fan->ring = calloc((size_t)n_workers * n_workers, sizeof(fan->ring[0]));
	if (fan->ring == NULL || posix_memalign((void **)&fan->worker, 64,
					 n_workers * sizeof(fan->worker[0])) != 0) {
		free(fan->ring);
		free(fan);
		return -ENOMEM;
	}
	memset(fan->worker, 0, n_workers * sizeof(fan->worker[0]));
	for (unsigned int i = 0; i < n_workers * n_workers; i++) {
		if (i / n_workers == i % n_workers)
			continue;
		fan->ring[i] = ring_new(ring_size, RING_F_SP_ENQ);
		if (fan->ring[i] == NULL) {
			int rc = rte_errno == EINVAL ? -EINVAL : -ENOMEM;

			peel_fan_free(fan);
			return rc;
		}
	}
	*out = fan;
	return 0;
}

void
peel_fan_free(struct peel_fan *fan)
{
	if (fan == NULL)
		return;
	for (unsigned int i = 0; i < fan->n * fan->n; i++)
		ring_free(fan->ring[i]);
	free(fan->worker);
	free(fan->ring);
	free(fan);
}

unsigned int
peel_fan_push(struct peel_fan *fan, unsigned int from, unsigned int to, struct rte_mbuf **m,
	unsigned int n)
{
	return rte_ring_sp_enqueue_burst(fan->ring[from * fan->n + to], (void **)m, n, NULL);
}

unsigned int
peel_fan_pop(struct peel_fan *fan, unsigned int to, struct rte_mbuf **m, unsigned int n)
{
	struct fan_worker *me = &fan->worker[to];
	unsigned int got = 0;

	for (unsigned int i = 0; i < fan->n && got < n; i++) {
		unsigned int from = me->turn + i < fan->n ? me->turn + i : me->turn + i - fan->n;

		if (from != to)
			got += rte_ring_sc_dequeue_burst(
				fan->ring[from * fan->n + to], (void **)(m + got), n - got, NULL);
	}
	me->turn = me->turn + 1 < fan->n ? me->turn + 1 : 0;
	return got;
}

bool
peel_fan_doze(struct peel_fan *fan, unsigned int worker)
{
	__atomic_store_n(&fan->worker[worker].asleep, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the one in peel_fan_asleep */
	for (unsigned int from = 0; from < fan->n; from++) {
		if (from != worker && !ring_is_empty(fan->ring[from * fan->n + worker]))
			return true;
	}
	return false;
}

void
peel_fan_awake(struct peel_fan *fan, unsigned int worker)
{
	__atomic_store_n(&fan->worker[worker].asleep, false, __ATOMIC_RELAXED);
}

bool
peel_fan_asleep(const struct peel_fan *fan, unsigned int worker)
{
	/* the push comes first; pairs with peel_fan_doze */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&fan->worker[worker].asleep, __ATOMIC_RELAXED);
}
