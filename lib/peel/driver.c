/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The library's own thread that drives a node.
 */
#include <errno.h>
#include <signal.h>

#include <rte_lcore.h>

#include "handle.h"

void
signals_block(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
}

void
signals_restore(const sigset_t *old)
{
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

static void *
driver_main(void *arg)
{
	struct driver *d = arg;
	bool registered = rte_thread_register() == 0; /* for its cache of buffers */
	int rc = peel_node_start(d->node);

	d->result = rc;
	sem_post(&d->started);
	while (rc == 0 && !__atomic_load_n(&d->stop, __ATOMIC_ACQUIRE)) {
		peel_node_poll(d->node, -1);
		if (d->round != NULL)
			d->round(d->arg);
	}
	if (rc == 0)
		peel_node_finish(d->node);
	if (registered)
		rte_thread_unregister();
	return NULL;
}

int
driver_start(struct driver *d)
{
	sigset_t old;
	int rc;

	sem_init(&d->started, 0, 0);
	signals_block(&old);
	rc = -pthread_create(&d->thread, NULL, driver_main, d);
	signals_restore(&old);
	if (rc == 0) {
		pthread_setname_np(d->thread, "peel-control");
		while (sem_wait(&d->started) != 0)
			;
		rc = d->result;
		if (rc != 0)
			pthread_join(d->thread, NULL);
	}
	sem_destroy(&d->started);
	return rc;
}

void
driver_stop(struct driver *d)
{
	__atomic_store_n(&d->stop, true, __ATOMIC_RELEASE);
	peel_node_lock(d->node);
	peel_node_unlock(d->node); /* wakes it */
	pthread_join(d->thread, NULL);
}
