/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "fixture.h"

struct server t;

/* ---- backend --------------------------------------------------------------------------------- */

static enum peel_socks_ready
on_ready(void *arg)
{
	(void)arg;
	return t.ready;
}

static int
on_opened(void *arg, struct peel_socks_assoc *a)
{
	(void)arg;
	if (t.full)
		return -ENOSPC;
	t.assoc = a;
	t.opened++;
	peel_socks_assoc_set(a, &t);
	return 0;
}

static void
on_closed(void *arg, struct peel_socks_assoc *a)
{
	(void)arg;
	assert_ptr_equal(peel_socks_assoc_get(a), &t);
	t.closed++;
	t.assoc = NULL;
}

static void
on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	(void)arg;
	assert_ptr_equal(a, t.assoc);
	t.datagrams++;
	t.to = *to;
	t.len = len;
	assert_true(len <= sizeof(t.payload));
	memcpy(t.payload, payload, len);
}

static int
on_http(void *arg, uint64_t id, const struct peel_socks_target *to, const uint8_t *request,
	size_t len)
{
	(void)arg;
	t.requests++;
	t.id = id;
	t.to = *to;
	memcpy(t.request, request, len);
	t.request[len] = '\0';
	return t.http_result;
}

static void
on_gone(void *arg, uint64_t id)
{
	(void)arg;
	t.gone = id;
}

const struct peel_socks_backend backend = {.ready = on_ready,
	.opened = on_opened,
	.closed = on_closed,
	.datagram = on_datagram,
	.http = on_http,
	.gone = on_gone};

/* ---- the world ------------------------------------------------------------------------------- */

void
turn(void)
{
	uv_run(&t.loop, UV_RUN_NOWAIT);
}

void
start(struct peel_socks_conf *conf)
{
	char why[256] = "";

	memset(&t, 0, sizeof(t));
	assert_int_equal(uv_loop_init(&t.loop), 0);
	conf->stats = &t.stats;
	conf->backend = backend;
	if (peel_socks_new(&t.loop, conf, &t.socks, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	peel_socks_local(t.socks, &t.local);
	assert_true(t.local.port != 0);
}

void
start_default(void)
{
	struct peel_socks_conf conf;

	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 0);
	start(&conf);
}

static void
on_done(void *arg)
{
	*(bool *)arg = true;
}

void
finish(void)
{
	peel_socks_close(t.socks, on_done, &t.done);
	uv_run(&t.loop, UV_RUN_DEFAULT); /* ends: nothing of the server is left in the loop */
	assert_true(t.done);
	assert_int_equal(uv_loop_close(&t.loop), 0);
	assert_int_equal(t.opened, t.closed);
}

struct sockaddr_in
sockaddr_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int
dial(void)
{
	struct sockaddr_in sin = sockaddr_of(t.local.port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

void
tell(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
	turn();
}

void
hear(int fd, const void *bytes, size_t len)
{
	uint8_t buf[65536];
	size_t got = 0;

	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		turn();
		poll(&p, 1, 1);
		n = recv(fd, buf + got, len > 0 ? len - got : sizeof(buf), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len == 0) {
			assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
			return;
		}
		assert_true(n > 0);
		got += (size_t)n;
		if (got == len) {
			assert_memory_equal(buf, bytes, len);
			return;
		}
	}
	fail_msg("nothing came");
}

void
wait_for(const unsigned int *counter, unsigned int value)
{
	for (int ms = 0; ms < PATIENCE_MS && *counter < value; ms++) {
		turn();
		usleep(1000);
	}
	assert_int_equal(*counter, value);
}

void
idle(int ms)
{
	for (; ms > 0; ms -= 5) {
		turn();
		usleep(5000);
	}
}

uint16_t
associate(int fd, const char *request, size_t len)
{
	uint8_t answer[10];
	size_t got = 0;

	TELL(fd, "\5\1\0");
	HEAR(fd, "\5\0");
	tell(fd, request, len);
	for (int ms = 0; ms < PATIENCE_MS && got < sizeof(answer); ms++) {
		ssize_t n;

		turn();
		n = recv(fd, answer + got, sizeof(answer) - got, 0);
		if (n > 0)
			got += (size_t)n;
		usleep(1000);
	}
	assert_int_equal(got, sizeof(answer));
	assert_memory_equal(answer, "\5\0\0\1\x7f\0\0\1", 8);
	return peel_get_be16(answer + 8);
}

int
udp_socket(uint16_t *port)
{
	struct sockaddr_in sin = sockaddr_of(0);
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	if (port != NULL)
		*port = ntohs(sin.sin_port);
	return fd;
}

void throw(int fd, uint16_t port, const void *bytes, size_t len)
{
	struct sockaddr_in sin = sockaddr_of(port);

	assert_int_equal(sendto(fd, bytes, len, 0, (struct sockaddr *)&sin, sizeof(sin)), len);
	turn();
}
