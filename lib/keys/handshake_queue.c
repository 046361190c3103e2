/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Batches of handshakes between their owner and helper threads. The lock is held for a few
 * instructions at a time, so the owner never waits for a handshake.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "peel_handshake_queue.h"
#include "peel_links.h"

#define SLICE_NS 20000000 /* the kernel's own are 0.7 to 4 ms */

struct peel_handshake_queue {
	struct peel_handshake_queue_conf conf;
	struct peel_handshake_batch *batch;
	/* the owner's */
	struct peel_slots slots;
	unsigned int under_way;
	/* under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct peel_list waiting, done;
	unsigned int n_waiting;
	bool stopped;
};

static size_t
batches_size(const struct peel_handshake_queue_conf *conf)
{
	return (size_t)conf->threads * PEEL_HANDSHAKE_BATCHES * sizeof(struct peel_handshake_batch);
}

int
peel_handshake_queue_new(
	const struct peel_handshake_queue_conf *conf, struct peel_handshake_queue **out)
{
	struct peel_handshake_queue *q;

	if (conf->threads < 1 || conf->threads > PEEL_HANDSHAKE_THREADS_MAX)
		return -EINVAL;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	q->conf = *conf;
	q->batch = peel_secret_alloc(batches_size(conf));
	if (q->batch == NULL) {
		free(q);
		return -ENOMEM;
	}
	peel_slots_init(&q->slots, conf->threads * PEEL_HANDSHAKE_BATCHES, PEEL_REUSE_SOON,
		PEEL_LINKS(q->batch, next));
	peel_list_init(&q->waiting, PEEL_LINKS(q->batch, next));
	peel_list_init(&q->done, PEEL_LINKS(q->batch, next));
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->work, NULL);
	*out = q;
	return 0;
}

void
peel_handshake_queue_free(struct peel_handshake_queue *q)
{
	if (q == NULL)
		return;
	pthread_cond_destroy(&q->work);
	pthread_mutex_destroy(&q->lock);
	peel_secret_free(q->batch, batches_size(&q->conf));
	free(q);
}

/* ---- the owner ------------------------------------------------------------------------------- */

struct peel_handshake_batch *
peel_handshake_queue_take(struct peel_handshake_queue *q, unsigned int n)
{
	uint32_t slot;

	if (n < PEEL_HANDSHAKES && q->under_way >= q->conf.threads)
		return NULL;
	slot = peel_slots_take(&q->slots);
	return slot != PEEL_NONE ? &q->batch[slot] : NULL;
}

void
peel_handshake_queue_put(struct peel_handshake_queue *q, struct peel_handshake_batch *b)
{
	q->under_way++;
	pthread_mutex_lock(&q->lock);
	peel_list_add_last(&q->waiting, (uint32_t)(b - q->batch));
	q->n_waiting++;
	pthread_mutex_unlock(&q->lock);
	pthread_cond_signal(&q->work);
}

struct peel_handshake_batch *
peel_handshake_queue_collect(struct peel_handshake_queue *q)
{
	uint32_t slot;

	if (q->under_way == 0)
		return NULL;
	pthread_mutex_lock(&q->lock);
	slot = peel_list_take(&q->done);
	pthread_mutex_unlock(&q->lock);
	if (slot == PEEL_NONE)
		return NULL;
	q->under_way--;
	return &q->batch[slot];
}

void
peel_handshake_queue_give(struct peel_handshake_queue *q, struct peel_handshake_batch *b)
{
	peel_wipe(b, sizeof(*b));
	peel_slots_give(&q->slots, (uint32_t)(b - q->batch));
}

unsigned int
peel_handshake_queue_under_way(const struct peel_handshake_queue *q)
{
	return q->under_way;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Wait for work, and make key pairs meanwhile if there is room for some; they take less time than a
 * batch. @return NULL: the queue is stopped. */
static struct peel_handshake_batch *
next_batch(struct peel_handshake_queue *q, struct peel_key_pairs *pairs)
{
	bool room = pairs != NULL;
	uint32_t slot = PEEL_NONE;

	pthread_mutex_lock(&q->lock);
	while (!q->stopped && (slot = peel_list_take(&q->waiting)) == PEEL_NONE) {
		if (room) {
			pthread_mutex_unlock(&q->lock);
			room = peel_key_pairs_fill(pairs, q->conf.env);
			pthread_mutex_lock(&q->lock);
		} else {
			pthread_cond_wait(&q->work, &q->lock);
		}
	}
	if (slot != PEEL_NONE)
		q->n_waiting--;
	pthread_mutex_unlock(&q->lock);
	return slot != PEEL_NONE ? &q->batch[slot] : NULL;
}

/* Another batch is done. @return whether its owner should know now: not while so many wait that the
 * helpers have work until the next one is done. */
static bool
add_done(struct peel_handshake_queue *q, const struct peel_handshake_batch *b)
{
	bool tell;

	pthread_mutex_lock(&q->lock);
	peel_list_add_last(&q->done, (uint32_t)(b - q->batch));
	tell = q->n_waiting <= q->conf.threads * PEEL_HANDSHAKE_BATCHES / 2;
	pthread_mutex_unlock(&q->lock);
	return tell;
}

/* Ask the kernel (from Linux 6.12 on) for long slices: then a thread that wakes up, as the owner
 * does, need not wait until the slice of a helper ends. */
static void
give_way(void)
{
	/* glibc has had it for a short time only */
	struct {
		uint32_t size, policy;
		uint64_t flags;
		int32_t nice;
		uint32_t priority;
		uint64_t runtime, deadline, period;
	} attr = {
		.size = sizeof(attr),
		.policy = SCHED_OTHER,
		.nice = getpriority(PRIO_PROCESS, 0), /* on Linux: of the thread */
		.runtime = SLICE_NS,
	};

	if (sched_getscheduler(0) == SCHED_OTHER)
		syscall(SYS_sched_setattr, 0, &attr, 0); /* it is no fault without */
}

void
peel_handshake_queue_run(struct peel_handshake_queue *q)
{
	struct peel_key_pairs *pairs = NULL;
	struct peel_handshake_batch *b;

	give_way();
	if (q->conf.key_pairs && peel_key_pairs_new(&pairs) != 0)
		pairs = NULL; /* they are then made with the handshakes */
	while ((b = next_batch(q, pairs)) != NULL) {
		uint64_t begun = now_ns();

		peel_handshake_respond_batch(q->conf.env, q->conf.identity, pairs, b->h, b->n);
		b->ns = now_ns() - begun;
		if (add_done(q, b))
			q->conf.done(q->conf.arg);
	}
	peel_key_pairs_free(pairs);
}

void
peel_handshake_queue_stop(struct peel_handshake_queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->stopped = true;
	pthread_mutex_unlock(&q->lock);
	pthread_cond_broadcast(&q->work);
}
