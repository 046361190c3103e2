/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Queues of output, and the threads that write them.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

/* of each stream: some statuses, or thousands of log lines */
#define QUEUE_BYTES ((size_t)256 * 1024)

struct text {
	struct text *next;
	size_t len;
	char bytes[];
};

struct stream {
	int fd;
	enum {
		DIRECT,
		QUEUED,
		STUCK
	} mode; /* STUCK: given up, everything is lost */
	bool ending;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct text *first, **last;
	size_t bytes; /* waiting, with that which is being written */
	unsigned int lost;
};

#define STREAM(number)                                                                             \
	{                                                                                          \
		.fd = (number), .lock = PTHREAD_MUTEX_INITIALIZER,                                 \
		.work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER                 \
	}

static struct stream streams[] = {
	[OUTPUT_STDOUT] = STREAM(STDOUT_FILENO), [OUTPUT_STDERR] = STREAM(STDERR_FILENO)};

/* Takes as long as the reader does. An error is ignored: there is nobody left to tell. */
static void
write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n >= 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) { /* somebody else made it non-blocking */
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		} else if (errno != EINTR) {
			return;
		}
	}
}

static void *
writer(void *arg)
{
	struct stream *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct text *t = s->first;

		if (t == NULL) {
			pthread_cond_signal(&s->done);
			if (s->ending)
				break;
			pthread_cond_wait(&s->work, &s->lock);
			continue;
		}
		s->first = t->next;
		if (s->first == NULL)
			s->last = &s->first;
		pthread_mutex_unlock(&s->lock);
		write_all(s->fd, t->bytes, t->len);
		pthread_mutex_lock(&s->lock);
		s->bytes -= t->len;
		free(t);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int
start(struct stream *s, const char *name)
{
	int rc;

	s->last = &s->first;
	rc = pthread_create(&s->thread, NULL, writer, s);
	if (rc != 0)
		return -rc;
	pthread_setname_np(s->thread, name);
	s->mode = QUEUED;
	return 0;
}

int
output_start(void)
{
	int rc = start(&streams[OUTPUT_STDOUT], "peel-stdout");

	return rc != 0 ? rc : start(&streams[OUTPUT_STDERR], "peel-stderr");
}

/* Holding the lock. */
static bool
queue(struct stream *s, const void *bytes, size_t len)
{
	struct text *t = s->mode == QUEUED && s->bytes + len <= QUEUE_BYTES
				 ? malloc(sizeof(*t) + len)
				 : NULL;

	if (t == NULL) {
		s->lost++;
		return false;
	}
	t->next = NULL;
	t->len = len;
	memcpy(t->bytes, bytes, len);
	*s->last = t;
	s->last = &t->next;
	s->bytes += len;
	pthread_cond_signal(&s->work);
	return true;
}

bool
output_write(enum output_stream to, const void *text, size_t len)
{
	struct stream *s = &streams[to];
	bool ok;

	if (s->mode == DIRECT) {
		write_all(s->fd, text, len);
		return true;
	}
	pthread_mutex_lock(&s->lock);
	ok = queue(s, text, len);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool
output_print(enum output_stream to, const char *format, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n < 0)
		return false;
	return output_write(to, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

unsigned int
output_lost(enum output_stream to)
{
	struct stream *s = &streams[to];
	unsigned int n;

	pthread_mutex_lock(&s->lock);
	n = s->lost;
	s->lost = 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

static void
finish(struct stream *s, const struct timespec *until)
{
	int rc = 0;

	if (s->mode != QUEUED)
		return;
	pthread_mutex_lock(&s->lock);
	s->ending = true;
	pthread_cond_signal(&s->work);
	while (s->bytes > 0 && rc == 0)
		rc = until != NULL
			     ? pthread_cond_clockwait(&s->done, &s->lock, CLOCK_MONOTONIC, until)
			     : pthread_cond_wait(&s->done, &s->lock);
	s->mode = rc == 0 ? DIRECT : STUCK;
	pthread_mutex_unlock(&s->lock);
	/* A thread that still waits for its reader ends with the process. */
	if (s->mode == DIRECT)
		pthread_join(s->thread, NULL);
}

void
output_finish(int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(streams); i++)
		finish(&streams[i], ms >= 0 ? &until : NULL);
}
