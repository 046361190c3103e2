/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A call in every thread of the process, by a signal that each of them handles.
 */
#include <dirent.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "threads.h"

#define THREADS_MAX 256
#define PATIENCE_S 5

static struct {
	int (*fn)(void *arg);
	void *arg;
	int result;
	sem_t done;
} job;

static void
on_signal(int number)
{
	int saved = errno;

	(void)number;
	job.result = job.fn(job.arg);
	sem_post(&job.done);
	errno = saved;
}

static int
call_in(pid_t thread)
{
	struct timespec until;

	if (syscall(SYS_tgkill, getpid(), thread, SIGRTMAX) != 0)
		return errno == ESRCH ? 0 : -errno; /* it has ended */
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	while (sem_clockwait(&job.done, CLOCK_MONOTONIC, &until) != 0) {
		if (errno != EINTR)
			return -errno;
	}
	return job.result;
}

/* A round over the threads there are. @return how many were called for the first time, or
 * -errno. */
static int
call_round(pid_t *called, unsigned int *n_called)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int n = 0, rc = 0;

	if (d == NULL)
		return -errno;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		pid_t thread = (pid_t)atoi(e->d_name);
		bool known = thread <= 0 || thread == gettid();

		for (unsigned int i = 0; !known && i < *n_called; i++)
			known = called[i] == thread;
		if (known)
			continue;
		if (*n_called == THREADS_MAX) {
			rc = -E2BIG;
			break;
		}
		called[(*n_called)++] = thread;
		rc = call_in(thread);
		n++;
	}
	closedir(d);
	return rc != 0 ? rc : n;
}

int
threads_call(int (*fn)(void *arg), void *arg)
{
	struct sigaction ours = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, before;
	pid_t called[THREADS_MAX];
	unsigned int n_called = 0;
	int rc;

	job.fn = fn;
	job.arg = arg;
	sem_init(&job.done, 0, 0);
	sigfillset(&ours.sa_mask);
	sigaction(SIGRTMAX, &ours, &before);
	/* Repeat until there is no new thread: a thread that was just being made has what its maker
	 * had. */
	do
		rc = call_round(called, &n_called);
	while (rc > 0);
	sigaction(SIGRTMAX, &before, NULL);
	sem_destroy(&job.done);
	return rc;
}
