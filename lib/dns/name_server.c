/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "name_server.h"

#define TRIES 3
/* The first try's share of the time. c-ares doubles it with each try; from 1.22 on it can be told
 * not to, and has to be: from 1.31 on it would choose by itself, 250 ms at least. */
#ifdef ARES_OPT_MAXTIMEOUTMS
#define FIRST_TRY 3
#else
#define FIRST_TRY 7
#endif

/* One of c-ares' sockets, watched by the loop. Lives until the loop has closed its handle. */
struct watch {
	uv_poll_t poll;
	struct dns_server *server;
	ares_socket_t fd;
	struct watch *next;
};

struct dns_server {
	uv_loop_t *loop;
	uv_timer_t timer;
	ares_channel channel; /* NULL: ended */
	struct dns_place place;
	uint32_t timeout_ms;
	struct watch *watches;
	unsigned int refs;
	bool given_up, closed;
	uint64_t replied_ms; /* 0: never */
};

struct ask {
	struct dns_server *server;
	uint64_t asked_ms;
	dns_reply_fn fn;
	void *arg;
};

/* ---- a channel on the loop ------------------------------------------------------------------- */

static void arm_timer(struct dns_server *server);

static void
on_readable(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	struct dns_server *server = watch->server;
	ares_socket_t fd = watch->fd;
	bool any = status < 0;

	ares_process_fd(server->channel, any || events & UV_READABLE ? fd : ARES_SOCKET_BAD,
		any || events & UV_WRITABLE ? fd : ARES_SOCKET_BAD);
	arm_timer(server);
}

static void
on_timer(uv_timer_t *timer)
{
	struct dns_server *server = timer->data;

	ares_process_fd(server->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(server);
}

static void
arm_timer(struct dns_server *server)
{
	struct timeval tv, *next = ares_timeout(server->channel, NULL, &tv);

	if (next == NULL)
		uv_timer_stop(&server->timer);
	else
		uv_timer_start(&server->timer, on_timer,
			(uint64_t)next->tv_sec * 1000 + (uint64_t)next->tv_usec / 1000 + 1, 0);
}

static void
free_watch(uv_handle_t *handle)
{
	free(handle->data);
}

static void
unwatch(struct dns_server *server, ares_socket_t fd)
{
	for (struct watch **p = &server->watches; *p != NULL; p = &(*p)->next) {
		if ((*p)->fd == fd) {
			struct watch *watch = *p;

			*p = watch->next;
			uv_poll_stop(&watch->poll);
			uv_close((uv_handle_t *)&watch->poll, free_watch);
			return;
		}
	}
}

static struct watch *
watch_of(struct dns_server *server, ares_socket_t fd)
{
	struct watch *watch;

	for (watch = server->watches; watch != NULL; watch = watch->next) {
		if (watch->fd == fd)
			return watch;
	}
	watch = calloc(1, sizeof(*watch));
	if (watch == NULL)
		return NULL;
	if (uv_poll_init(server->loop, &watch->poll, fd) != 0) {
		free(watch);
		return NULL;
	}
	watch->poll.data = watch;
	watch->server = server;
	watch->fd = fd;
	watch->next = server->watches;
	server->watches = watch;
	return watch;
}

static void
on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct dns_server *server = arg;
	struct watch *watch;

	if (!readable && !writable) {
		unwatch(server, fd);
		return;
	}
	watch = watch_of(server, fd);
	if (watch != NULL) /* on failure the question times out */
		uv_poll_start(&watch->poll,
			(readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_readable);
}

/* c-ares knows no scopes: bind a socket for a link-local address to its link. */
static int
on_socket(ares_socket_t fd, int type, void *arg)
{
	const struct dns_server *server = arg;
	const char *name = server->place.interface;

	(void)type;
	if (name[0] != '\0')
		(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name));
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static int
open_channel(struct dns_server *server)
{
	struct ares_options options = {
		/* Ask for exactly the given name. Treat a refusal as an answer, for another
		   resolver may know more. */
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_NOCHECKRESP,
		.timeout = (int)(server->timeout_ms / FIRST_TRY),
		.tries = TRIES,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = server,
	};
	char text[PEEL_ADDR_TEXT_MAX];
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
	int rc;

#ifdef ARES_OPT_MAXTIMEOUTMS
	options.maxtimeout = options.timeout;
	mask |= ARES_OPT_MAXTIMEOUTMS;
#endif
#ifdef ARES_OPT_QUERY_CACHE
	/* From 1.31 on it would keep answers by itself; the resolver does that. */
	options.qcache_max_ttl = 0;
	mask |= ARES_OPT_QUERY_CACHE;
#endif
	rc = ares_init_options(&server->channel, &options, mask);
	if (rc != ARES_SUCCESS)
		return rc == ARES_ENOMEM ? -ENOMEM : -EINVAL;
	ares_set_socket_configure_callback(server->channel, on_socket, server);
	rc = ares_set_servers_ports_csv(server->channel, peel_addr_text(&server->place.addr, text));
	if (rc == ARES_SUCCESS)
		return 0;
	ares_destroy(server->channel);
	return rc == ARES_ENOMEM ? -ENOMEM : -EINVAL;
}

int
dns_server_new(uv_loop_t *loop, const struct dns_place *place, uint32_t timeout_ms,
	struct dns_server **out)
{
	struct dns_server *server = calloc(1, sizeof(*server));
	int rc;

	if (server == NULL)
		return -ENOMEM;
	server->loop = loop;
	server->place = *place;
	server->timeout_ms = timeout_ms;
	server->refs = 1;
	rc = open_channel(server);
	if (rc != 0) {
		free(server);
		return rc;
	}
	uv_timer_init(loop, &server->timer);
	server->timer.data = server;
	*out = server;
	return 0;
}

struct dns_server *
dns_server_ref(struct dns_server *server)
{
	server->refs++;
	return server;
}

static void
on_closed(uv_handle_t *handle)
{
	struct dns_server *server = handle->data;

	server->closed = true;
	if (server->refs == 0)
		free(server);
}

void
dns_server_end(struct dns_server *server)
{
	ares_channel channel = server->channel;

	if (channel == NULL)
		return;
	server->channel = NULL;
	ares_destroy(channel); /* ends questions, closes sockets through on_socket_state */
	uv_close((uv_handle_t *)&server->timer, on_closed);
}

void
dns_server_unref(struct dns_server *server)
{
	if (--server->refs > 0)
		return;
	if (server->closed)
		free(server);
	else
		dns_server_end(server);
}

/* ---- questions ------------------------------------------------------------------------------- */

static void
on_reply(void *arg, int status, int timeouts, unsigned char *reply, int len)
{
	struct ask *ask = arg;
	struct dns_server *server = ask->server;

	(void)timeouts;
	switch (status) {
	case ARES_SUCCESS:
	case ARES_ENODATA:
	case ARES_ENOTFOUND:
	case ARES_EFORMERR:
	case ARES_ESERVFAIL:
	case ARES_ENOTIMP:
	case ARES_EREFUSED:
	case ARES_EBADRESP:
		server->replied_ms = uv_now(server->loop);
		server->given_up = false;
		break;
	case ARES_ETIMEOUT:
	case ARES_ECONNREFUSED:
		dns_server_silent_since(server, ask->asked_ms);
		break;
	default: /* says nothing about the resolver */
		break;
	}
	ask->fn(ask->arg, status, reply, len);
	free(ask);
}

void
dns_server_ask(struct dns_server *server, const char *name, int type, dns_reply_fn fn, void *arg)
{
	struct ask *ask = server->channel == NULL ? NULL : malloc(sizeof(*ask));

	if (ask == NULL) {
		fn(arg, ARES_ENOMEM, NULL, 0);
		return;
	}
	*ask = (struct ask){
		.server = server, .asked_ms = uv_now(server->loop), .fn = fn, .arg = arg};
	ares_query(server->channel, name, 1 /* IN */, type, on_reply, ask);
	arm_timer(server);
}

const struct dns_place *
dns_server_place(const struct dns_server *server)
{
	return &server->place;
}

uint32_t
dns_server_timeout(const struct dns_server *server)
{
	return server->timeout_ms;
}

bool
dns_server_trusted(const struct dns_server *server)
{
	return !server->given_up;
}

void
dns_server_silent_since(struct dns_server *server, uint64_t since_ms)
{
	/* One unanswered question proves nothing: some names get no answer even from resolvers that
	 * answer everything else. */
	if (server->replied_ms < since_ms || server->replied_ms == 0)
		server->given_up = true;
}
