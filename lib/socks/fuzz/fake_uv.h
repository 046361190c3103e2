/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The part of libuv that lib/socks uses, without a kernel: what comes in, when writes are done and
 * what time it is are up to the fuzzer. Order as in libuv: nothing calls back from inside a
 * call, what was pending is cancelled before a handle is closed. Included by one file, whose
 * functions then stand before those of the library.
 */

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define FAKES 64
#define FAKE_WRITES 16
#define FAKE_OUT (80 * 1024)

enum fake_kind {
	FAKE_LISTENER,
	FAKE_TCP,
	FAKE_TIMER,
	FAKE_UDP,
};

struct fake {
	uv_handle_t *handle; /* NULL: free */
	enum fake_kind kind;
	bool closing, reading;
	uv_close_cb on_close;
	/* TCP and UDP */
	uint16_t port;
	uv_alloc_cb on_alloc;
	uv_read_cb on_read;
	uv_udp_recv_cb on_datagram;
	uv_write_t *write[FAKE_WRITES]; /* not done yet */
	unsigned int n_writes;
	uv_shutdown_t *shutdown;
	uint8_t *out; /* what was written; the peer's, who frees it */
	size_t *n_out;
	/* timer */
	uv_timer_cb on_timer;
	uint64_t at, repeat;
};

static struct {
	struct fake fake[FAKES];
	uint64_t now;
	uv_connection_cb on_connection;
	uv_stream_t *listener;
	/* the next connection: where it comes from and what it is told; port 0: none */
	uint16_t port;
	uint8_t *out;
	size_t *n_out;
	bool full; /* sockets take nothing more */
} uv;

static struct fake *
fake_of(const void *handle)
{
	for (int i = 0; i < FAKES; i++) {
		if (uv.fake[i].handle == handle)
			return &uv.fake[i];
	}
	abort();
}

static struct fake *
fake_new(void *handle, enum fake_kind kind)
{
	struct fake *f = fake_of(NULL);

	*f = (struct fake){.handle = handle, .kind = kind};
	return f;
}

static int
fake_name(uint16_t port, struct sockaddr *name, int *len)
{
	*len = sizeof(struct sockaddr_in);
	return uv_ip4_addr("127.0.0.1", port, (struct sockaddr_in *)name);
}

/* ---- what the fuzzer does -------------------------------------------------------------------- */

/* The TCP handle of a connection from that port, or NULL. */
static struct fake *
fake_peer(uint16_t port, enum fake_kind kind)
{
	for (int i = 0; i < FAKES; i++) {
		struct fake *f = &uv.fake[i];

		if (f->handle != NULL && f->kind == kind && f->port == port && !f->closing)
			return f;
	}
	return NULL;
}

/* All of it, as much at a time as there is room for. */
static void
fake_feed(uint16_t port, const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		struct fake *f = fake_peer(port, FAKE_TCP);
		uv_buf_t buf = {0};
		size_t n;

		if (f == NULL || !f->reading)
			return;
		f->on_alloc(f->handle, 65536, &buf);
		if (buf.len == 0) {
			f->on_read((uv_stream_t *)f->handle, UV_ENOBUFS, &buf);
			return;
		}
		n = len < buf.len ? len : buf.len;
		memcpy(buf.base, bytes, n);
		f->on_read((uv_stream_t *)f->handle, (ssize_t)n, &buf);
		bytes += n;
		len -= n;
	}
}

static void
fake_end(uint16_t port, int status)
{
	struct fake *f = fake_peer(port, FAKE_TCP);
	uv_buf_t none = {0};

	if (f == NULL || !f->reading)
		return;
	f->reading = false;
	f->on_read((uv_stream_t *)f->handle, status, &none);
}

static void
fake_write_done(struct fake *f, int status)
{
	uv_write_t *w = f->write[0];

	memmove(f->write, f->write + 1, --f->n_writes * sizeof(f->write[0]));
	w->cb(w, status);
}

static void
fake_shutdown_done(struct fake *f, int status)
{
	uv_shutdown_t *s = f->shutdown;

	f->shutdown = NULL;
	s->cb(s, status);
}

/* Writes are done, timers fire, handles close. */
static void
fake_turn(uint64_t ms)
{
	uv.now += ms;
	for (int i = 0; i < FAKES; i++) {
		struct fake *f = &uv.fake[i];

		while (f->handle != NULL && f->n_writes > 0)
			fake_write_done(f, f->closing ? UV_ECANCELED : 0);
		if (f->handle != NULL && f->shutdown != NULL)
			fake_shutdown_done(f, f->closing ? UV_ECANCELED : 0);
		if (f->handle != NULL && !f->closing && f->on_timer != NULL && f->at <= uv.now) {
			uv_timer_cb on_timer = f->on_timer;

			if (f->repeat > 0)
				f->at = uv.now + f->repeat;
			else
				f->on_timer = NULL;
			on_timer((uv_timer_t *)f->handle);
		}
	}
	for (int i = 0; i < FAKES; i++) {
		struct fake f = uv.fake[i];

		if (f.handle == NULL || !f.closing || f.n_writes > 0 || f.shutdown != NULL)
			continue;
		uv.fake[i].handle = NULL;
		if (f.on_close != NULL)
			f.on_close(f.handle);
	}
}

static void
fake_connect(uint16_t port, uint8_t *out, size_t *n_out)
{
	if (uv.listener == NULL || uv.port != 0)
		return; /* one waits already */
	uv.port = port;
	uv.out = out;
	uv.n_out = n_out;
	uv.on_connection(uv.listener, 0);
}

static void
fake_datagram(uint16_t to, uint16_t from, const uint8_t *bytes, size_t len, unsigned int flags)
{
	struct fake *f = fake_peer(to, FAKE_UDP);
	struct sockaddr_in sin;
	uv_buf_t buf = {0};
	int n;

	if (f == NULL || !f->reading)
		return;
	(void)fake_name(from, (struct sockaddr *)&sin, &n);
	f->on_alloc(f->handle, 65536, &buf);
	if (len > buf.len)
		len = buf.len;
	if (len > 0)
		memcpy(buf.base, bytes, len);
	f->on_datagram((uv_udp_t *)f->handle, (ssize_t)len, &buf, (struct sockaddr *)&sin, flags);
}

/* ---- libuv ----------------------------------------------------------------------------------- */

uint64_t
uv_now(const uv_loop_t *loop)
{
	(void)loop;
	return uv.now;
}

int
uv_tcp_init(uv_loop_t *loop, uv_tcp_t *handle)
{
	(void)loop;
	fake_new(handle, FAKE_TCP);
	return 0;
}

int
uv_tcp_bind(uv_tcp_t *handle, const struct sockaddr *addr, unsigned int flags)
{
	(void)addr;
	(void)flags;
	fake_of(handle)->kind = FAKE_LISTENER;
	return 0;
}

int
uv_listen(uv_stream_t *stream, int backlog, uv_connection_cb cb)
{
	(void)backlog;
	uv.listener = stream;
	uv.on_connection = cb;
	return 0;
}

int
uv_accept(uv_stream_t *server, uv_stream_t *client)
{
	struct fake *f = fake_of(client);

	(void)server;
	if (uv.port == 0)
		return UV_EAGAIN;
	f->port = uv.port;
	f->out = uv.out;
	f->n_out = uv.n_out;
	uv.port = 0;
	return 0;
}

int
uv_tcp_nodelay(uv_tcp_t *handle, int enable)
{
	(void)handle;
	return enable - 1;
}

int
uv_tcp_keepalive(uv_tcp_t *handle, int enable, unsigned int delay)
{
	(void)handle;
	(void)delay;
	return enable - 1;
}

int
uv_tcp_getsockname(const uv_tcp_t *handle, struct sockaddr *name, int *len)
{
	(void)handle;
	return fake_name(1080, name, len);
}

int
uv_tcp_getpeername(const uv_tcp_t *handle, struct sockaddr *name, int *len)
{
	return fake_name(fake_of(handle)->port, name, len);
}

int
uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb)
{
	struct fake *f = fake_of(stream);

	f->on_alloc = alloc_cb;
	f->on_read = read_cb;
	f->reading = true;
	return 0;
}

int
uv_write(
	uv_write_t *req, uv_stream_t *handle, const uv_buf_t bufs[], unsigned int n, uv_write_cb cb)
{
	struct fake *f = fake_of(handle);

	if (f->n_writes == FAKE_WRITES || uv.full)
		return UV_ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		if (*f->n_out + bufs[i].len > FAKE_OUT)
			return UV_ENOMEM;
		memcpy(f->out + *f->n_out, bufs[i].base, bufs[i].len);
		*f->n_out += bufs[i].len;
	}
	req->cb = cb;
	f->write[f->n_writes++] = req;
	return 0;
}

int
uv_shutdown(uv_shutdown_t *req, uv_stream_t *handle, uv_shutdown_cb cb)
{
	struct fake *f = fake_of(handle);

	if (f->shutdown != NULL || uv.full)
		return UV_ENOTCONN;
	req->cb = cb;
	f->shutdown = req;
	return 0;
}

void
uv_close(uv_handle_t *handle, uv_close_cb cb)
{
	struct fake *f = fake_of(handle);

	if (f->closing)
		abort();
	f->closing = true;
	f->reading = false;
	f->on_close = cb;
	if ((uv_stream_t *)handle == uv.listener)
		uv.listener = NULL;
}

int
uv_timer_init(uv_loop_t *loop, uv_timer_t *handle)
{
	(void)loop;
	fake_new(handle, FAKE_TIMER);
	return 0;
}

int
uv_timer_start(uv_timer_t *handle, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
	struct fake *f = fake_of(handle);

	if (f->closing)
		return UV_EINVAL;
	f->on_timer = cb;
	f->at = uv.now + timeout;
	f->repeat = repeat;
	return 0;
}

int
uv_udp_init_ex(uv_loop_t *loop, uv_udp_t *handle, unsigned int flags)
{
	(void)loop;
	(void)flags;
	fake_new(handle, FAKE_UDP);
	return uv.full ? (fake_of(handle)->handle = NULL, UV_EMFILE) : 0;
}

int
uv_udp_bind(uv_udp_t *handle, const struct sockaddr *addr, unsigned int flags)
{
	struct fake *f = fake_of(handle);

	(void)addr;
	(void)flags;
	f->port = (uint16_t)(5000 + (f - uv.fake));
	return 0;
}

int
uv_udp_getsockname(const uv_udp_t *handle, struct sockaddr *name, int *len)
{
	return fake_name(fake_of(handle)->port, name, len);
}

int
uv_udp_recv_start(uv_udp_t *handle, uv_alloc_cb alloc_cb, uv_udp_recv_cb recv_cb)
{
	struct fake *f = fake_of(handle);

	f->on_alloc = alloc_cb;
	f->on_datagram = recv_cb;
	f->reading = true;
	return 0;
}

int
uv_udp_try_send(
	uv_udp_t *handle, const uv_buf_t bufs[], unsigned int n, const struct sockaddr *addr)
{
	size_t total = 0;

	(void)handle;
	(void)addr;
	for (unsigned int i = 0; i < n; i++)
		total += bufs[i].len;
	return uv.full ? UV_EAGAIN : (int)total;
}

int
uv_recv_buffer_size(uv_handle_t *handle, int *value)
{
	(void)handle;
	return *value > 0 ? 0 : UV_EINVAL;
}

int
uv_send_buffer_size(uv_handle_t *handle, int *value)
{
	return uv_recv_buffer_size(handle, value);
}
