/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The end of a guest waits for its threads, one of which may be the caller (a callback that closes
 * the endpoint), or may be waiting for the GIL that the caller holds (the garbage collector, which
 * may not wait). A thread of its own ends it then.
 */
#include <pthread.h>
#include <stdlib.h>

#include "extension.h"

struct job {
	struct peel_guest *guest;
	struct receiver *receiver;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static unsigned int running;

/* A child of fork() has none of the parent's threads: whoever waits for them waits for good. */
static void
before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void
after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static void
in_child(void)
{
	running = 0;
	pthread_cond_init(&ended, NULL);
	pthread_mutex_unlock(&lock);
}

int
closing_init(void)
{
	return pthread_atfork(before_fork, after_fork, in_child);
}

static void *
closing_main(void *arg)
{
	struct job *job = arg;

	peel_guest_close(job->guest);
	free(job->receiver);
	free(job);
	pthread_mutex_lock(&lock);
	running--;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
	return NULL;
}

void
closing_begin(struct peel_guest *guest, struct receiver *receiver)
{
	struct job *job = malloc(sizeof(*job));
	pthread_t thread;

	if (job == NULL)
		return; /* it goes on without anybody listening, until the process ends */
	*job = (struct job){.guest = guest, .receiver = receiver};
	pthread_mutex_lock(&lock);
	if (pthread_create(&thread, NULL, closing_main, job) == 0) {
		pthread_detach(thread);
		running++;
	} else {
		free(job);
	}
	pthread_mutex_unlock(&lock);
}

void
closing_wait(void)
{
	pthread_mutex_lock(&lock);
	while (running > 0)
		pthread_cond_wait(&ended, &lock);
	pthread_mutex_unlock(&lock);
}
