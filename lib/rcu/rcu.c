/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <rte_rcu_qsbr.h>

#include "peel_rcu.h"

#define QUEUE_MIN 64 /* power of two */

struct deferred {
	uint64_t token; /* due once every online worker has reported this or a later one */
	peel_rcu_fn fn;
	void *arg;
	uint64_t value;
};

/* All of it belongs to the control thread, but for what qsbr points to. */
struct peel_rcu {
	struct rte_rcu_qsbr *qsbr;
	unsigned int max_workers;
	struct deferred *queue; /* ring: entry i at i & mask, oldest first, tokens ascending */
	size_t size, head, tail;
};

int
peel_rcu_new(unsigned int max_workers, struct peel_rcu **out)
{
	struct peel_rcu *rcu = calloc(1, sizeof(*rcu));

	*out = NULL;
	if (rcu == NULL)
		return -ENOMEM;
	if (max_workers == 0)
		max_workers = 1; /* qsbr refuses zero; a node without workers still defers */
	rcu->max_workers = max_workers;
	rcu->size = QUEUE_MIN;
	rcu->queue = calloc(rcu->size, sizeof(*rcu->queue));

	size_t bytes = rte_rcu_qsbr_get_memsize(max_workers);

	if (posix_memalign((void **)&rcu->qsbr, RTE_CACHE_LINE_SIZE, bytes) != 0)
		rcu->qsbr = NULL;
	if (rcu->queue == NULL || rcu->qsbr == NULL)
		goto fail;
	if (rte_rcu_qsbr_init(rcu->qsbr, max_workers) != 0)
		goto fail;
	/* Registered from the start: a worker counts only while it is online. */
	for (unsigned int i = 0; i < max_workers; i++) {
		if (rte_rcu_qsbr_thread_register(rcu->qsbr, i) != 0)
			goto fail;
	}
	*out = rcu;
	return 0;
fail:
	free(rcu->qsbr);
	free(rcu->queue);
	free(rcu);
	return -ENOMEM;
}

static void
run_oldest(struct peel_rcu *rcu)
{
	/* A copy: the callback may defer again and so move the queue. */
	struct deferred d = rcu->queue[rcu->head++ & (rcu->size - 1)];

	d.fn(d.arg, d.value);
}

void
peel_rcu_free(struct peel_rcu *rcu)
{
	if (rcu == NULL)
		return;
	while (rcu->head != rcu->tail)
		run_oldest(rcu);
	free(rcu->qsbr);
	free(rcu->queue);
	free(rcu);
}

static int
resize(struct peel_rcu *rcu, size_t size)
{
	struct deferred *queue = calloc(size, sizeof(*queue));
	size_t n = rcu->tail - rcu->head;

	if (queue == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		queue[i] = rcu->queue[(rcu->head + i) & (rcu->size - 1)];
	free(rcu->queue);
	rcu->queue = queue;
	rcu->size = size;
	rcu->head = 0;
	rcu->tail = n;
	return 0;
}

int
peel_rcu_defer(struct peel_rcu *rcu, peel_rcu_fn fn, void *arg, uint64_t value)
{
	if (rcu->tail - rcu->head == rcu->size) {
		int rc = resize(rcu, 2 * rcu->size);

		if (rc != 0)
			return rc;
	}
	/* The token's release pairs with the acquire in a worker's quiescent report: a worker that
	 * has seen the token has also seen what was unpublished before this call. */
	rcu->queue[rcu->tail++ & (rcu->size - 1)] = (struct deferred){
		.token = rte_rcu_qsbr_start(rcu->qsbr),
		.fn = fn,
		.arg = arg,
		.value = value,
	};
	return 0;
}

unsigned int
peel_rcu_poll(struct peel_rcu *rcu)
{
	unsigned int n = 0;
	size_t end = rcu->tail - rcu->head; /* what callbacks defer waits for the next call */

	while (end-- > 0) {
		uint64_t token = rcu->queue[rcu->head & (rcu->size - 1)].token;

		/* Tokens ascend: when the oldest is not due, none is. The check remembers the
		 * newest token that all have acknowledged, so a run of due entries looks at the
		 * workers once. */
		if (rte_rcu_qsbr_check(rcu->qsbr, token, false) == 0)
			break;
		run_oldest(rcu);
		n++;
	}
	/* Give back what a burst of removals took; keeping the larger queue when that fails does no
	 * harm. */
	if (n > 0 && rcu->size > QUEUE_MIN && rcu->tail - rcu->head < rcu->size / 8)
		(void)resize(rcu, rcu->size / 2);
	return n;
}

void
peel_rcu_online(struct peel_rcu *rcu, unsigned int worker)
{
	assert(worker < rcu->max_workers);
	rte_rcu_qsbr_thread_online(rcu->qsbr, worker);
}

void
peel_rcu_offline(struct peel_rcu *rcu, unsigned int worker)
{
	assert(worker < rcu->max_workers);
	rte_rcu_qsbr_thread_offline(rcu->qsbr, worker);
}

void
peel_rcu_quiescent(struct peel_rcu *rcu, unsigned int worker)
{
	assert(worker < rcu->max_workers);
	rte_rcu_qsbr_quiescent(rcu->qsbr, worker);
}
