/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * EAL belongs to the process. It starts once and stays: one of its threads sleeps on after the last
 * node is closed. A thread of ours starts it and then ends, because EAL pins, names and configures
 * the thread that starts it.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_lcore.h>

#include "handle.h"
#include "peel_eal.h"

static struct {
	pthread_mutex_t lock;
	bool up;
	bool failed;   /* once it failed in the middle, it does not start again */
	pid_t process; /* that started it */
	uint32_t memory_mib;
	char why[384];
} eal = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct job {
	struct peel_eal_conf conf;
	cpu_set_t cpus;
	int result;
};

static __thread bool starting;

bool
eal_is_starting(void)
{
	return starting;
}

static void *
start_main(void *arg)
{
	struct job *job = arg;

	starting = true;
	job->result = peel_eal_init(&job->conf, eal.why, sizeof(eal.why));
	starting = false;
	return NULL;
}

static int
start(bool huge, uint32_t memory_mib)
{
	/* This stays if EAL ends the thread instead of returning. */
	struct job job = {.conf = {.huge = huge, .memory_mib = huge ? 0 : memory_mib},
		.result = -ENOTRECOVERABLE};
	pthread_t thread;
	sigset_t old;
	int rc;

	if (sched_getaffinity(0, sizeof(job.cpus), &job.cpus) != 0)
		return -errno;
	for (int cpu = RTE_MAX_LCORE; cpu < CPU_SETSIZE; cpu++)
		CPU_CLR(cpu, &job.cpus); /* EAL cannot name them */
	if (CPU_COUNT(&job.cpus) == 0)
		CPU_SET(0, &job.cpus);
	job.conf.cpus = &job.cpus;
	snprintf(eal.why, sizeof(eal.why), "DPDK gave up while it started");
	signals_block(&old);
	rc = pthread_create(&thread, NULL, start_main, &job);
	signals_restore(&old);
	if (rc != 0) {
		snprintf(eal.why, sizeof(eal.why), "no thread: %s", strerrordesc_np(rc));
		return -rc;
	}
	pthread_join(thread, NULL);
	if (job.result == 0) {
		eal.up = true;
		eal.process = getpid();
		eal.memory_mib = memory_mib;
	}
	return job.result;
}

/* Holding the lock. */
static int
ensure(bool huge, uint32_t memory_mib)
{
	char before[sizeof(eal.why)];
	int rc;

	if (eal.up && eal.process != getpid())
		return error_text(-ENOTSUP,
			"after fork() nodes live in the process that opened the first one only");
	if (eal.up)
		return 0;
	/* The program shares DPDK with us and has started EAL itself. */
	if (!eal.failed && rte_lcore_count() > 0) {
		eal.up = true;
		eal.process = getpid();
		return 0;
	}
	memcpy(before, eal.why, sizeof(before));
	rc = start(huge, memory_mib);
	if (rc == 0)
		return 0;
	if (eal.failed && rc == -EALREADY)
		memcpy(eal.why, before, sizeof(before));
	eal.failed = true;
	return error_format(rc == -EALREADY ? -ENOTRECOVERABLE : rc, "%s%s", eal.why,
		huge ? " (settings.hugepages)" : "");
}

int
eal_once(bool huge, uint32_t memory_mib)
{
	int rc;

	pthread_mutex_lock(&eal.lock);
	rc = ensure(huge, memory_mib);
	pthread_mutex_unlock(&eal.lock);
	return rc;
}
