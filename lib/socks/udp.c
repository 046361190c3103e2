/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * UDP associations: one socket each, on the address at which the client reached us. Only datagrams
 * from the client's address pass, and only from one port: the one it announced, or else the one of
 * its first datagram. On a machine with many users, that first datagram must come from a socket of
 * the user who connected (or of root).
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_owner.h"
#include "socks.h"

#define BURST 8			/* datagrams per system call */
#define SLOT (64 * 1024)	/* libuv cuts the buffer into pieces of this size */
#define REFUSED_MS 1000		/* how long a refused port is not checked again */
#define SOCKET_BUFFER (1 << 20) /* holds the burst of a fast sender */

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct peel_socks_assoc *a = handle->data;
	struct peel_socks *s = a->client->server;

	(void)suggested;
	if (s->rx == NULL)
		s->rx = malloc(BURST * SLOT); /* pages that no datagram reaches stay untouched */
	*buf = uv_buf_init((char *)s->rx, s->rx != NULL ? BURST * SLOT : 0);
}

/* Whether a datagram is the client's. An association learns its port from the first one. */
static bool
is_of_user(struct peel_socks_assoc *a, const struct peel_addr *from)
{
	uint64_t now = uv_now(a->client->server->loop);
	char text[PEEL_ADDR_TEXT_MAX];
	uint32_t uid;

	if (!a->uid_known)
		return true;
	if (a->refused_port == from->port && now - a->refused_ms < REFUSED_MS)
		return false;
	if (peel_owner_udp(from, &a->own, &uid) == 0 && (uid == a->uid || uid == 0))
		return true;
	a->refused_port = from->port;
	a->refused_ms = now;
	if (socks_may_warn(a->client->server, &a->client->server->stranger_ms))
		peel_log(PEEL_LOG_WARNING,
			"SOCKS: a datagram from %s, which is not of user %u, at that user's "
			"association",
			peel_addr_text(from, text), a->uid);
	return false;
}

static bool
is_from_client(struct peel_socks_assoc *a, const struct sockaddr *from)
{
	char text[2][PEEL_ADDR_TEXT_MAX];
	struct sockaddr_storage ss;
	struct peel_addr addr;

	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, from,
		from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					    : sizeof(struct sockaddr_in));
	if (peel_addr_from_sockaddr(&ss, &addr) != 0 || !peel_addr_same_ip(&addr, &a->from))
		return false;
	if (a->from.port == addr.port)
		return true;
	if (a->from.port == 0) {
		if (!is_of_user(a, &addr))
			return false;
		a->from.port = addr.port;
		return true;
	}
	if (socks_may_warn(a->client->server, &a->client->server->stranger_ms))
		peel_log(PEEL_LOG_WARNING,
			"SOCKS: a datagram from %s at the association of %s: one of them is not "
			"the client",
			peel_addr_text(&addr, text[0]), peel_addr_text(&a->from, text[1]));
	return false;
}

static void
on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
	unsigned int flags)
{
	struct peel_socks_assoc *a = udp->data;
	struct peel_socks *s = a->client->server;
	struct peel_socks_target to;
	ssize_t head;

	if (n < 0 || from == NULL || a->client->closing)
		return;
	head = (flags & UV_UDP_PARTIAL)
		       ? -EMSGSIZE
		       : socks_parse_datagram((uint8_t *)buf->base, (size_t)n, &to);
	if (head < 0 || !is_from_client(a, from)) {
		peel_stats_add(s->conf.stats,
			head < 0 ? PEEL_DROP_SOCKS_MALFORMED : PEEL_DROP_SOCKS_STRANGER, 1);
		return;
	}
	peel_stats_add(s->conf.stats, PEEL_SOCKS_UP, 1);
	a->last_ms = uv_now(s->loop);
	s->conf.backend.datagram(
		s->conf.backend.arg, a, &to, (uint8_t *)buf->base + head, (size_t)(n - head));
}

static void
on_closed(uv_handle_t *handle)
{
	struct peel_socks_assoc *a = handle->data;
	struct client *c = a->client;

	free(a);
	if (--c->handles == 0)
		socks_client_gone(c);
}

/* The client's address, and our own address that it reached. */
static int
ends(struct client *c, struct peel_addr *client, struct peel_addr *own)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss), ret;

	ret = uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&ss, &len);
	if (ret == 0)
		ret = peel_addr_from_sockaddr(&ss, client);
	len = sizeof(ss);
	if (ret == 0)
		ret = uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&ss, &len);
	return ret != 0 ? ret : peel_addr_from_sockaddr(&ss, own);
}

/* Find the user who connected. Clients on other machines have none. */
static void
know_user(struct peel_socks_assoc *a, const struct peel_addr *own)
{
	a->uid_known = peel_owner_tcp(&a->from, own, &a->uid) == 0;
}

static int
open_socket(struct peel_socks_assoc *a, struct peel_addr *own)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss), size = SOCKET_BUFFER, ret;

	own->port = 0;
	(void)peel_addr_to_sockaddr(own, &ss);
	ret = uv_udp_bind(&a->udp, (struct sockaddr *)&ss, 0);
	if (ret == 0)
		ret = uv_udp_recv_start(&a->udp, on_alloc, on_datagram);
	if (ret == 0)
		ret = uv_udp_getsockname(&a->udp, (struct sockaddr *)&ss, &len);
	if (ret != 0)
		return ret;
	(void)uv_recv_buffer_size((uv_handle_t *)&a->udp, &size);
	size = SOCKET_BUFFER;
	(void)uv_send_buffer_size((uv_handle_t *)&a->udp, &size);
	return peel_addr_from_sockaddr(&ss, own);
}

int
socks_udp_open(struct client *c, struct peel_addr *bound)
{
	struct peel_socks_assoc *a = calloc(1, sizeof(*a));
	uint32_t own_uid;
	int ret;

	if (a == NULL)
		return -ENOMEM;
	ret = ends(c, &a->from, bound);
	if (ret == 0)
		ret = uv_udp_init_ex(c->server->loop, &a->udp, UV_UDP_RECVMMSG);
	if (ret != 0) {
		free(a);
		return ret;
	}
	if (c->target.addr.port == 0)
		know_user(a, bound);
	a->from.port = c->target.addr.port;
	a->client = c;
	a->udp.data = a;
	a->last_ms = uv_now(c->server->loop);
	c->handles++;
	ret = open_socket(a, bound);
	if (ret != 0) {
		uv_close((uv_handle_t *)&a->udp, on_closed);
		return ret;
	}
	a->own = *bound;
	/* Some kernels can only look up TCP sockets. They do not even find this one. */
	a->uid_known = a->uid_known && peel_owner_udp(&a->own, &a->from, &own_uid) == 0;
	c->assoc = a;
	c->server->counts.assocs++;
	return 0;
}

void
socks_udp_close(struct client *c)
{
	const struct peel_socks_backend *b = &c->server->conf.backend;

	b->closed(b->arg, c->assoc);
	socks_udp_drop(c);
}

void
socks_udp_drop(struct client *c)
{
	uv_close((uv_handle_t *)&c->assoc->udp, on_closed);
	c->assoc = NULL;
	c->server->counts.assocs--;
}

int
peel_socks_deliver(struct peel_socks_assoc *a, const struct peel_socks_target *origin,
	const uint8_t *payload, size_t len)
{
	struct peel_socks *s = a->client->server;
	uint8_t head[SOCKS_HEADER_MAX];
	struct sockaddr_storage ss;
	uv_buf_t bufs[2];
	int ret;

	if (a->from.port == 0) {
		peel_stats_add(s->conf.stats, PEEL_DROP_SOCKS_CLIENT, 1);
		return -ENOTCONN;
	}
	bufs[0] = uv_buf_init((char *)head, (unsigned int)socks_build_datagram(head, origin));
	if (len > PEEL_SOCKS_DATAGRAM_MAX - bufs[0].len)
		return -EMSGSIZE;
	bufs[1] = uv_buf_init((char *)(uintptr_t)payload, (unsigned int)len);
	(void)peel_addr_to_sockaddr(&a->from, &ss);
	ret = uv_udp_try_send(&a->udp, bufs, 2, (struct sockaddr *)&ss);
	if (ret < 0) {
		peel_stats_add(s->conf.stats, PEEL_DROP_SOCKS_CLIENT, 1);
		return ret;
	}
	peel_stats_add(s->conf.stats, PEEL_SOCKS_DOWN, 1);
	a->last_ms = uv_now(s->loop);
	return 0;
}

bool
peel_socks_reachable(const struct peel_socks_assoc *a)
{
	return a->from.port != 0;
}

void
peel_socks_assoc_default(struct peel_socks_assoc *a, const struct peel_addr *client)
{
	if (a->from.port == 0)
		a->from = *client;
}

uint16_t
peel_socks_assoc_port(const struct peel_socks_assoc *a)
{
	return a->own.port;
}

void
peel_socks_assoc_set(struct peel_socks_assoc *a, void *data)
{
	a->data = data;
}

void *
peel_socks_assoc_get(const struct peel_socks_assoc *a)
{
	return a->data;
}
