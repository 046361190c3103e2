/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A client of the management socket, over a real one: what it sends, in pieces, and when it stops.
 * The request that is answered must be the first line, however it was cut, and nothing else is ever
 * answered. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "peel_management.h"

#define LINE_MAX_BYTES 126 /* without its end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct peel_management *management;
static uv_loop_t loop;
static char path[PEEL_MANAGEMENT_PATH_MAX];
static unsigned int n_answered;
static int n_begun;    /* answers in parts that have not ended */
static const char *at; /* in the one that is being sent */

/* A letter at a time. */
static int
next(void *state, char **text)
{
	const char *text_end = strchr(state, '\0');

	if (at == text_end)
		return 0;
	*text = strndup(at++, 1);
	return *text != NULL ? 1 : -ENOMEM;
}

static void
end(void *state)
{
	n_begun--;
	free(state);
}

/* The request itself comes back, as a whole or, if its first letter is odd, in parts. */
static int
echo(void *arg, const char *what, bool pretty, struct peel_management_answer *out)
{
	char *text = NULL;

	n_answered++;
	if (arg != &loop || asprintf(&text, "%s%s", what, pretty ? " pretty" : "") < 0)
		abort();
	if (text[0] % 2 == 0) {
		out->text = text;
		return 0;
	}
	out->text = strndup(text, 1);
	at = text + 1;
	n_begun++;
	out->next = next;
	out->end = end;
	out->state = text;
	return 0;
}

static void
start(void)
{
	struct peel_management_conf conf = {
		.loop = &loop, .path = path, .answer = echo, .arg = &loop};
	char why[256] = "";

	snprintf(path, sizeof(path), "/tmp/peel-fuzz-%d.sock", (int)getpid());
	if (uv_loop_init(&loop) != 0 ||
		peel_management_new(&conf, &management, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", why);
		abort();
	}
}

static int
connect_to_node(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	memcpy(to.sun_path, path, sizeof(to.sun_path));
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		abort();
	return fd;
}

/* All there is until the other side closes. */
static size_t
answer(int fd, char *out, size_t size)
{
	size_t len = 0;

	for (int round = 0; round < 1000; round++) {
		ssize_t n = read(fd, out + len, size - len);

		if (n == 0 || (n < 0 && errno != EAGAIN))
			return len;
		len += n > 0 ? (size_t)n : 0;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	abort(); /* it is kept waiting */
}

/* What the answer has to be, with its line end; its length, 0: none. */
static size_t
expected(const uint8_t *data, size_t size, char *out)
{
	size_t n = 0;

	while (n < size && data[n] != '\0' && data[n] != '\r' && data[n] != '\n')
		n++;
	if (n > LINE_MAX_BYTES || size == 0)
		return 0;
	memcpy(out, data, n);
	out[n] = '\n';
	return n + 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char want[LINE_MAX_BYTES + 1], got[2 * LINE_MAX_BYTES];
	size_t step, want_len, got_len;
	int fd;

	if (management == NULL)
		start();
	if (size == 0)
		return 0;
	step = 1u + data[0] % 128;
	data++;
	size--;
	n_answered = 0;
	fd = connect_to_node();
	for (size_t i = 0; i < size; i += step) {
		/* It may have closed already: it has heard enough. */
		if (send(fd, data + i, size - i < step ? size - i : step, MSG_NOSIGNAL) < 0)
			break;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	shutdown(fd, SHUT_WR);
	got_len = answer(fd, got, sizeof(got));
	close(fd);
	uv_run(&loop, UV_RUN_NOWAIT);
	want_len = expected(data, size, want);
	if (n_begun != 0 || n_answered != (want_len > 0) || got_len > want_len ||
		memcmp(got, want, got_len) != 0)
		abort();
	return 0;
}
