/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <pthread.h>
#include <stdio.h>

#include "log_ring.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char ring[LOG_RING_LINES][LOG_RING_LINE];
static unsigned int n_added;

void
log_ring_add(const char *line)
{
	pthread_mutex_lock(&lock);
	snprintf(ring[n_added++ % LOG_RING_LINES], LOG_RING_LINE, "%s", line);
	pthread_mutex_unlock(&lock);
}

void
log_ring_dump(void (*fn)(void *arg, const char *line), void *arg)
{
	pthread_mutex_lock(&lock);
	unsigned int first = n_added > LOG_RING_LINES ? n_added - LOG_RING_LINES : 0;

	for (unsigned int i = first; i < n_added; i++)
		fn(arg, ring[i % LOG_RING_LINES]);
	pthread_mutex_unlock(&lock);
}
