/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Worker threads: plain threads, pinned to the configured cores and registered with EAL, so that
 * their mempool caches work and the program's main thread stays free to sleep. Beside them, if
 * configured, helper threads that compute handshakes; they touch no packet and know no EAL.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "node.h"

/* Plenty, and small enough to lock for a user who may lock 8 MiB. */
#define STACK_BYTES ((size_t)512 * 1024)

/* Drop all capabilities: neither kind needs any, whatever the thread that started it has. */
static void
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	(void)syscall(SYS_capset, &header, none);
}

/* Each thread names itself: naming another one goes through /proc, which may be closed to us. */
static void
name_thread(const char *kind, size_t number)
{
	char name[16];

	snprintf(name, sizeof(name), "%s%u", kind, (unsigned int)number % 100);
	pthread_setname_np(pthread_self(), name);
}

static void *
worker_main(void *arg)
{
	struct node_worker *nw = arg;
	bool registered;

	name_thread("peel-worker", (size_t)(nw - nw->node->worker));
	/* Naps of a few microseconds must not be rounded up to a multiple. */
	(void)prctl(PR_SET_TIMERSLACK, 1);
	registered = rte_thread_register() == 0;
	drop_capabilities();
	peel_secret_guard_stack(true);
	peel_worker_run(nw->worker);
	peel_secret_guard_stack(false);
	if (registered)
		rte_thread_unregister();
	return NULL;
}

static void *
helper_main(void *arg)
{
	struct node_helper *h = arg;

	name_thread("peel-handsh", (size_t)(h - h->node->helper));
	drop_capabilities();
	peel_secret_guard_stack(true);
	peel_handshake_queue_run(h->node->handshake_queue);
	peel_secret_guard_stack(false);
	return NULL;
}

/* No CPUs: those of the caller. */
int
node_thread_start(pthread_t *thread, const cpu_set_t *cpus, void *(*main)(void *), void *arg)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (CPU_COUNT(cpus) > 0)
		pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	rc = pthread_create(thread, &attr, main, arg);
	pthread_attr_destroy(&attr);
	return -rc;
}

static int
start_worker(struct peel_node *node, unsigned int i)
{
	struct node_worker *nw = &node->worker[i];
	cpu_set_t cpus;
	int rc;

	CPU_ZERO(&cpus);
	if (node->conf.core[i] >= 0)
		CPU_SET(node->conf.core[i], &cpus);
	rc = node_thread_start(&nw->thread, &cpus, worker_main, nw);
	nw->running = rc == 0;
	return rc;
}

static int
start_helper(struct peel_node *node, unsigned int i)
{
	struct node_helper *h = &node->helper[i];
	int rc = node_thread_start(&h->thread, &node->conf.handshake_cpus, helper_main, h);

	h->running = rc == 0;
	return rc;
}

int
node_workers_start(struct peel_node *node)
{
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < node->conf.n_workers; i++)
		rc = start_worker(node, i);
	for (unsigned int i = 0; rc == 0 && i < node->conf.handshake_threads; i++)
		rc = start_helper(node, i);
	if (rc != 0)
		node_workers_stop(node);
	return rc;
}

void
node_workers_stop(struct peel_node *node)
{
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].running)
			peel_worker_stop(node->worker[i].worker);
	}
	if (node->handshake_queue != NULL)
		peel_handshake_queue_stop(node->handshake_queue);
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].running)
			pthread_join(node->worker[i].thread, NULL);
		node->worker[i].running = false;
	}
	for (unsigned int i = 0; i < node->conf.handshake_threads; i++) {
		if (node->helper[i].running)
			pthread_join(node->helper[i].thread, NULL);
		node->helper[i].running = false;
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
