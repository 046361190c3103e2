/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The management socket: a client sends one line, gets one answer, and the connection closes. The
 * node's loop serves it. Clients, their lines and their time are bounded, and nothing here blocks.
 * A part of an answer is made when the one before has left, in a later round of the loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "peel_management.h"

#define CLIENTS_MAX 32
#define BACKLOG 64
#define LINE_SIZE 128
#define LINE_MS 5000  /* a client's line comes within this time */
#define PART_MS 60000 /* a client takes a part of its answer within this time */

struct client {
	LIST_ENTRY(client) entry;
	struct peel_management *m;
	uv_pipe_t pipe;
	uv_timer_t limit;
	uv_write_t write;
	unsigned int n_handles; /* open or closing */
	char line[LINE_SIZE];
	size_t len;
	struct peel_management_answer answer; /* text: the part that is being sent */
	bool closing;
};

struct peel_management {
	struct peel_management_conf conf;
	uv_pipe_t listener;
	bool stopped; /* freed with the last of the listener and clients */
	LIST_HEAD(, client) clients;
	unsigned int n_clients;
	char path[PEEL_MANAGEMENT_PATH_MAX];
	dev_t device; /* of the socket file, to remove only our own */
	ino_t inode;
};

/* ---- end of handles -------------------------------------------------------------------------- */

static void
on_own_closed(uv_handle_t *handle)
{
	struct peel_management *m = handle->data;

	m->stopped = true;
	if (m->n_clients == 0)
		free(m);
}

static void
on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	struct peel_management *m = c->m;

	if (--c->n_handles > 0)
		return;
	LIST_REMOVE(c, entry);
	free(c->answer.text);
	free(c);
	if (--m->n_clients == 0 && m->stopped)
		free(m);
}

static void
client_close(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	if (c->answer.next != NULL)
		c->answer.end(c->answer.state);
	c->answer.next = NULL;
	/* The node closes all handles of its loop at its end. Ours are closed before that, so each
	 * is closed once. */
	uv_close((uv_handle_t *)&c->pipe, on_client_closed);
	uv_close((uv_handle_t *)&c->limit, on_client_closed);
}

/* ---- a client -------------------------------------------------------------------------------- */

static void
on_limit(uv_timer_t *timer)
{
	client_close(timer->data);
}

static void on_written(uv_write_t *write, int status);

/* Send what is in `answer`, and a line feed behind the last part. */
static void
client_write(struct client *c)
{
	static char line_feed[] = "\n";
	const char *text = c->answer.text != NULL ? c->answer.text : "";
	uv_buf_t buf[] = {uv_buf_init((char *)(uintptr_t)text, (unsigned int)strlen(text)),
		uv_buf_init(line_feed, c->answer.next == NULL ? 1 : 0)};

	c->write.data = c;
	if (uv_timer_start(&c->limit, on_limit, PART_MS, 0) != 0 ||
		uv_write(&c->write, (uv_stream_t *)&c->pipe, buf, 2, on_written) != 0)
		client_close(c);
}

static void
client_next(struct client *c)
{
	struct peel_management_answer *a = &c->answer;
	int rc;

	free(a->text);
	a->text = NULL;
	rc = a->next(a->state, &a->text);
	if (rc < 0) {
		client_close(c);
		return;
	}
	if (rc == 0) {
		a->end(a->state);
		a->next = NULL;
	}
	client_write(c);
}

static void
on_written(uv_write_t *write, int status)
{
	struct client *c = write->data;

	if (c->closing || status != 0 || c->answer.next == NULL)
		client_close(c);
	else
		client_next(c);
}

/* The line is complete: answer it. */
static void
client_answer(struct client *c)
{
	char *space = strrchr(c->line, ' ');
	bool pretty = space != NULL && strcmp(space, " pretty") == 0;

	if (pretty)
		*space = '\0';
	uv_read_stop((uv_stream_t *)&c->pipe);
	if (c->m->conf.answer(c->m->conf.arg, c->line, pretty, &c->answer) != 0)
		client_close(c);
	else if (c->answer.text == NULL && c->answer.next != NULL)
		client_next(c);
	else
		client_write(c);
}

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct client *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->line + c->len, (unsigned int)(sizeof(c->line) - 1 - c->len));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;
	char *end;

	(void)buf;
	if (n > 0)
		c->len += (size_t)n;
	c->line[c->len] = '\0';
	end = strpbrk(c->line, "\r\n");
	if (end == NULL && strlen(c->line) < c->len)
		end = c->line + strlen(c->line); /* a NUL byte: no request we know */
	if (end != NULL)
		*end = '\0';
	/* `printf status | nc -U` ends the stream without a line feed. */
	if (end != NULL || (n == UV_EOF && c->len > 0))
		client_answer(c);
	else if (n < 0 || c->len == sizeof(c->line) - 1)
		client_close(c);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct peel_management *m = listener->data;
	struct client *c;

	if (status != 0)
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	c->m = m;
	c->pipe.data = c->limit.data = c;
	uv_pipe_init(listener->loop, &c->pipe, 0);
	uv_timer_init(listener->loop, &c->limit);
	c->n_handles = 2;
	LIST_INSERT_HEAD(&m->clients, c, entry);
	m->n_clients++;
	/* Accept an excess client and drop it, or the kernel would keep it waiting. */
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 || m->n_clients > CLIENTS_MAX ||
		uv_timer_start(&c->limit, on_limit, LINE_MS, 0) != 0 ||
		uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
		client_close(c);
}

/* ---- the listening socket -------------------------------------------------------------------- */

/* Whether something listens there. Does not wait: a full backlog is a yes. */
static bool
is_alive(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive;

	if (fd < 0)
		return true; /* cannot tell: leave it alone */
	alive = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 ||
		(errno != ECONNREFUSED && errno != ENOENT);
	close(fd);
	return alive;
}

/* Make way for a new socket: remove what an earlier run left behind, and nothing else. */
static int
clear_path(const struct sockaddr_un *sun, char *why, size_t why_size)
{
	struct stat st;

	if (lstat(sun->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(why, why_size,
			"[node] management: %s exists and is no socket; choose another path",
			sun->sun_path);
		return -EEXIST;
	}
	if (is_alive(sun)) {
		snprintf(why, why_size,
			"[node] management: %s is in use by another node; give each its own",
			sun->sun_path);
		return -EADDRINUSE;
	}
	return unlink(sun->sun_path) == 0 ? 0 : -errno;
}

/* @return the listening socket or -errno. */
static int
open_socket(struct peel_management *m, char *why, size_t why_size)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t mask;
	int fd, ret;

	memcpy(sun.sun_path, m->path, strlen(m->path) + 1);
	ret = clear_path(&sun, why, why_size);
	if (ret != 0)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177); /* mode 0600 from the first moment */
	ret = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 ? 0 : -errno;
	umask(mask);
	if (ret == 0 && lstat(m->path, &st) == 0) {
		m->device = st.st_dev;
		m->inode = st.st_ino;
	}
	if (ret != 0)
		close(fd);
	return ret != 0 ? ret : fd;
}

static int
listen_on_path(struct peel_management *m, char *why, size_t why_size)
{
	int fd = open_socket(m, why, why_size), ret = fd < 0 ? fd : 0;

	if (ret == 0) {
		ret = uv_pipe_open(&m->listener, fd);
		if (ret != 0)
			close(fd);
	}
	if (ret == 0)
		ret = uv_listen((uv_stream_t *)&m->listener, BACKLOG, on_connection);
	if (ret != 0 && why[0] == '\0')
		snprintf(why, why_size, "[node] management: cannot listen on %s: %s", m->path,
			strerror(-ret));
	return ret;
}

int
peel_management_new(const struct peel_management_conf *conf, struct peel_management **out,
	char *why, size_t why_size)
{
	struct peel_management *m = calloc(1, sizeof(*m));
	int rc;

	if (m == NULL)
		return -ENOMEM;
	m->conf = *conf;
	snprintf(m->path, sizeof(m->path), "%s", conf->path);
	LIST_INIT(&m->clients);
	uv_pipe_init(conf->loop, &m->listener, 0);
	m->listener.data = m;
	rc = listen_on_path(m, why, why_size);
	if (rc == 0)
		*out = m;
	else
		peel_management_free(m);
	return rc;
}

void
peel_management_free(struct peel_management *m)
{
	struct client *c;
	struct stat st;

	if (m == NULL)
		return;
	if (m->inode != 0 && lstat(m->path, &st) == 0 && st.st_dev == m->device &&
		st.st_ino == m->inode)
		unlink(m->path); /* fails once root was given up: the next start removes it */
	LIST_FOREACH (c, &m->clients, entry)
		client_close(c);
	uv_close((uv_handle_t *)&m->listener, on_own_closed);
}
