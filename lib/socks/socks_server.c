/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The listener: who may connect, how many, and shutdown.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "socks.h"

#define WARN_MS 60000 /* between two warnings of the same kind */

void
peel_socks_conf_init(struct peel_socks_conf *conf)
{
	memset(conf, 0, sizeof(*conf));
	conf->max_clients = 64;
	conf->wait_ms = 10000;
	conf->handshake_ms = 10000;
	conf->http_ms = 15000;
	conf->idle_ms = 3600 * 1000;
}

bool
socks_may_warn(struct peel_socks *s, uint64_t *last_ms)
{
	uint64_t now = uv_now(s->loop);

	if (*last_ms != 0 && now - *last_ms < WARN_MS)
		return false;
	*last_ms = now;
	return true;
}

void
socks_full(struct peel_socks *s, const char *what)
{
	char text[PEEL_ADDR_TEXT_MAX];
	struct peel_addr local;

	peel_stats_add(s->conf.stats, PEEL_SOCKS_FULL, 1);
	if (!socks_may_warn(s, &s->full_ms))
		return;
	peel_socks_local(s, &local);
	peel_log(PEEL_LOG_WARNING, "SOCKS listener %s: no more %s, %u clients are connected",
		peel_addr_text(&local, text), what, s->counts.clients);
}

/* Without room, a connection stays in the backlog until a client leaves: many programs take a
 * closed connection as a final refusal. Meanwhile the loop accepts no others. */
static void
on_connection(uv_stream_t *listener, int status)
{
	struct peel_socks *s = listener->data;

	if (status != 0)
		return;
	s->waiting = s->counts.clients >= s->conf.max_clients;
	if (s->waiting)
		socks_full(s, "connections (max_clients)");
	else
		socks_client_accept(s);
}

static int
check(const struct peel_socks_conf *conf, char *why, size_t why_size)
{
	bool password = conf->password != NULL && conf->password[0] != '\0';
	bool user = conf->user != NULL && conf->user[0] != '\0';
	const struct peel_socks_backend *b = &conf->backend;

	if (conf->listen.family == PEEL_FAMILY_NONE || conf->max_clients == 0 ||
		conf->stats == NULL || b->ready == NULL || b->datagram == NULL || b->http == NULL ||
		b->gone == NULL || b->opened == NULL || b->closed == NULL || password != user ||
		(user && strlen(conf->user) > PEEL_SOCKS_SECRET_MAX) ||
		(password && strlen(conf->password) > PEEL_SOCKS_SECRET_MAX)) {
		snprintf(why, why_size, "the settings of a SOCKS listener are incomplete");
		return -EINVAL;
	}
	if (!password && !peel_addr_is_loopback(&conf->listen)) {
		snprintf(why, why_size,
			"a SOCKS listener that other machines reach needs a user and a password");
		return -EPERM;
	}
	return 0;
}

static int
open_listener(struct peel_socks *s, const struct peel_addr *listen, char *why, size_t why_size)
{
	char text[PEEL_ADDR_TEXT_MAX];
	struct sockaddr_storage ss;
	int ret = uv_tcp_init(s->loop, &s->listener);

	if (ret != 0)
		return ret;
	s->listener.data = s;
	s->listener_open = true;
	(void)peel_addr_to_sockaddr(listen, &ss);
	ret = uv_tcp_bind(&s->listener, (struct sockaddr *)&ss,
		listen->family == PEEL_FAMILY_IPV6 ? UV_TCP_IPV6ONLY : 0);
	if (ret == 0)
		ret = uv_listen((uv_stream_t *)&s->listener, 128, on_connection);
	if (ret != 0)
		snprintf(why, why_size, "SOCKS listener %s: %s", peel_addr_text(listen, text),
			strerror(-ret));
	return ret;
}

/* Free the server: the last step of closing it. */
static void
finish(struct peel_socks *s)
{
	void (*done)(void *arg) = s->done;
	void *arg = s->done_arg;

	if (!s->closing || s->listener_open || !LIST_EMPTY(&s->clients))
		return;
	peel_wipe(&s->login, sizeof(s->login));
	free(s->rx);
	free(s);
	if (done != NULL)
		done(arg);
}

static void
on_listener_closed(uv_handle_t *handle)
{
	struct peel_socks *s = handle->data;

	s->listener_open = false;
	finish(s);
}

void
socks_client_gone(struct client *c)
{
	struct peel_socks *s = c->server;

	LIST_REMOVE(c, entry);
	s->counts.clients--;
	peel_wipe(c->in, c->in_size); /* may contain a password */
	free(c->in);
	free(c);
	if (s->waiting && !s->closing)
		socks_client_accept(s);
	finish(s);
}

int
peel_socks_new(struct uv_loop_s *loop, const struct peel_socks_conf *conf, struct peel_socks **out,
	char *why, size_t why_size)
{
	struct peel_socks *s;
	int ret = check(conf, why, why_size);

	*out = NULL;
	if (ret != 0)
		return ret;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->loop = loop;
	s->conf = *conf;
	s->conf.user = s->conf.password = NULL; /* the caller's strings, copied below */
	LIST_INIT(&s->clients);
	s->with_login = conf->password != NULL && conf->password[0] != '\0';
	if (s->with_login) {
		memcpy(s->login.user, conf->user, strlen(conf->user));
		memcpy(s->login.password, conf->password, strlen(conf->password));
	}
	ret = open_listener(s, &conf->listen, why, why_size);
	if (ret != 0) {
		peel_socks_close(s, NULL, NULL);
		return ret;
	}
	*out = s;
	return 0;
}

void
peel_socks_close(struct peel_socks *s, void (*done)(void *arg), void *arg)
{
	struct client *c, *next;

	if (s == NULL) {
		if (done != NULL)
			done(arg);
		return;
	}
	s->closing = true;
	s->done = done;
	s->done_arg = arg;
	for (c = LIST_FIRST(&s->clients); c != NULL; c = next) {
		next = LIST_NEXT(c, entry);
		socks_client_close(c);
	}
	if (s->listener_open)
		uv_close((uv_handle_t *)&s->listener, on_listener_closed);
	else
		finish(s);
}

void
peel_socks_local(const struct peel_socks *s, struct peel_addr *out)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);

	memset(out, 0, sizeof(*out));
	if (uv_tcp_getsockname(&s->listener, (struct sockaddr *)&ss, &len) != 0 ||
		peel_addr_from_sockaddr(&ss, out) != 0)
		memset(out, 0, sizeof(*out));
}

void
peel_socks_answer(struct peel_socks *s, uint64_t id, const void *answer, size_t len)
{
	struct client *c;

	LIST_FOREACH (c, &s->clients, entry) {
		if (c->id == id && c->state == CLIENT_ANSWER && !c->closing) {
			socks_client_answer(c, answer, len);
			return;
		}
	}
}

void
peel_socks_count(const struct peel_socks *s, struct peel_socks_counts *out)
{
	*out = s->counts;
}
