/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Queues of output, and the threads that write them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

/* of each stream: some statuses, or thousands of log lines */
#define QUEUE_BYTES ((size_t)256 * 1024)

struct text {
	struct text *next;
	size_t len;
	unsigned int n; /* texts that are lost with it */
	char bytes[];
};

struct stream {
	const char *thread_name;
	int fd;				   /* -1: not open */
	const struct sockaddr_un *address; /* NULL: written; else sent there */
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

#define STREAM(name, number)                                                                       \
	{                                                                                          \
		.thread_name = (name), .fd = (number), .lock = PTHREAD_MUTEX_INITIALIZER,          \
		.work = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER                 \
	}

static struct stream streams[] = {
	[OUTPUT_STDOUT] = STREAM("peel-stdout", STDOUT_FILENO),
	[OUTPUT_STDERR] = STREAM("peel-stderr", STDERR_FILENO),
	[OUTPUT_FILE] = STREAM("peel-log", -1),
	[OUTPUT_JOURNAL] = STREAM("peel-journal", -1),
};

static ssize_t
write_some(const struct stream *s, const char *p, size_t len)
{
	if (s->address == NULL)
		return write(s->fd, p, len);
	return sendto(s->fd, p, len, MSG_NOSIGNAL, (const struct sockaddr *)s->address,
		sizeof(*s->address));
}

/* Takes as long as the reader does. */
static bool
write_all(const struct stream *s, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write_some(s, p, len);

		if (n >= 0) {
			p += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) { /* somebody else made it non-blocking */
			poll(&(struct pollfd){.fd = s->fd, .events = POLLOUT}, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

static void *
writer(void *arg)
{
	struct stream *s = arg;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct text *t = s->first;
		bool ok;

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
		ok = write_all(s, t->bytes, t->len);
		pthread_mutex_lock(&s->lock);
		s->bytes -= t->len;
		s->lost += ok ? 0 : t->n;
		free(t);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int
start(struct stream *s)
{
	int rc;

	if (s->fd < 0)
		return 0;
	s->last = &s->first;
	rc = pthread_create(&s->thread, NULL, writer, s);
	if (rc != 0)
		return -rc;
	pthread_setname_np(s->thread, s->thread_name);
	s->mode = QUEUED;
	return 0;
}

int
output_start(void)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < PEEL_ARRAY_LEN(streams); i++)
		rc = start(&streams[i]);
	return rc;
}

int
output_open(enum output_stream to, int fd, const struct sockaddr_un *address)
{
	struct stream *s = &streams[to];
	int rc;

	if (s->fd < 0) {
		s->fd = fd;
		s->address = address;
		return 0;
	}
	/* The number stays, so a write under way ends in the old file and the next one goes into
	 * the new. */
	rc = dup3(fd, s->fd, O_CLOEXEC) >= 0 ? 0 : -errno;
	close(fd);
	return rc;
}

/* Holding the lock. */
static bool
queue(struct stream *s, const void *bytes, size_t len, unsigned int n)
{
	struct text *t = s->mode == QUEUED && s->bytes + len <= QUEUE_BYTES
				 ? malloc(sizeof(*t) + len)
				 : NULL;

	if (t == NULL)
		return false;
	t->next = NULL;
	t->len = len;
	t->n = n;
	memcpy(t->bytes, bytes, len);
	*s->last = t;
	s->last = &t->next;
	s->bytes += len;
	pthread_cond_signal(&s->work);
	return true;
}

bool
output_write_for(enum output_stream to, const void *text, size_t len, unsigned int n)
{
	struct stream *s = &streams[to];
	bool ok;

	pthread_mutex_lock(&s->lock);
	ok = s->mode == DIRECT ? write_all(s, text, len) : queue(s, text, len, n);
	s->lost += ok ? 0 : n;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool
output_write(enum output_stream to, const void *text, size_t len)
{
	return output_write_for(to, text, len, 1);
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
