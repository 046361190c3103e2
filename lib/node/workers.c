/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Worker threads: plain threads, pinned to the configured cores and registered with EAL, so that
 * their mempool caches work and the program's main thread stays free to sleep.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "node.h"

/* Plenty, and small enough to lock for a user who may lock 8 MiB. */
#define STACK_BYTES ((size_t)512 * 1024)

/* Drop all capabilities: a worker needs none, whatever the thread that started it has. */
static void
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	(void)syscall(SYS_capset, &header, none);
}

static void *
worker_main(void *arg)
{
	struct node_worker *nw = arg;
	char name[16];
	bool registered;

	/* Each thread names itself: naming another one goes through /proc, which may be closed to
	 * us. */
	snprintf(name, sizeof(name), "peel-worker%u", (unsigned int)(nw - nw->node->worker) % 100);
	pthread_setname_np(pthread_self(), name);
	registered = rte_thread_register() == 0;
	drop_capabilities();
	peel_secret_guard_stack(true);
	peel_worker_run(nw->worker);
	peel_secret_guard_stack(false);
	if (registered)
		rte_thread_unregister();
	return NULL;
}

static int
start_one(struct peel_node *node, unsigned int i)
{
	struct node_worker *nw = &node->worker[i];
	pthread_attr_t attr;
	cpu_set_t cpus;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (node->conf.core[i] >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(node->conf.core[i], &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	rc = pthread_create(&nw->thread, &attr, worker_main, nw);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return -rc;
	nw->running = true;
	return 0;
}

int
node_workers_start(struct peel_node *node)
{
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		int rc = start_one(node, i);

		if (rc != 0) {
			node_workers_stop(node);
			return rc;
		}
	}
	return 0;
}

void
node_workers_stop(struct peel_node *node)
{
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].running)
			peel_worker_stop(node->worker[i].worker);
	}
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].running)
			pthread_join(node->worker[i].thread, NULL);
		node->worker[i].running = false;
	}
}

unsigned int
peel_node_stalled(const struct peel_node *node, uint64_t ms, unsigned int *first)
{
	uint64_t limit = rte_get_tsc_hz() / 1000 * ms, now = rte_rdtsc();
	unsigned int n = 0;

	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		uint64_t begun = peel_worker_round(node->worker[i].worker);

		/* It may have begun a round since the look at our clock. */
		if (!node->worker[i].running || begun >= now || now - begun <= limit)
			continue;
		if (n++ == 0)
			*first = i;
	}
	return n;
}
