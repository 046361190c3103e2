/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * One TCP connection of a client, from its greeting to its end.
 */
#include <errno.h>
#include <stdlib.h>

#include "socks.h"

#define INPUT_SIZE 1024
#define POLL_MS 100    /* how often a waiting CONNECT asks for a circuit */
#define LINGER_MS 3000 /* for the client to close after everything was said */

struct write {
	uv_write_t request;
	struct client *client;
	bool last;
	uint8_t bytes[];
};

static void on_timer(uv_timer_t *timer);

static void
on_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;

	if (--c->handles == 0)
		socks_client_gone(c);
}

void
socks_client_close(struct client *c)
{
	const struct peel_socks_backend *b = &c->server->conf.backend;

	if (c->closing)
		return;
	c->closing = true;
	if (c->state == CLIENT_ANSWER)
		b->gone(b->arg, c->id);
	if (c->assoc != NULL)
		socks_udp_close(c);
	uv_close((uv_handle_t *)&c->timer, on_closed);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void
enter(struct client *c, enum client_state state, uint64_t timeout_ms, uint64_t repeat_ms)
{
	c->state = state;
	uv_timer_start(&c->timer, on_timer, timeout_ms, repeat_ms);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void
on_shutdown(uv_shutdown_t *request, int status)
{
	free(request);
	(void)status;
}

/* Send our end of stream and wait for the client to leave: closing at once would cut off what it
 * has not read yet. */
static void
linger(struct client *c)
{
	uv_shutdown_t *request = malloc(sizeof(*request));

	if (request == NULL || uv_shutdown(request, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
		free(request);
		socks_client_close(c);
		return;
	}
	enter(c, CLIENT_LINGER, LINGER_MS, 0);
}

static void
on_written(uv_write_t *request, int status)
{
	struct write *w = (struct write *)request;
	struct client *c = w->client;
	bool last = w->last;

	free(w);
	if (c->closing)
		return;
	if (status != 0)
		socks_client_close(c);
	else if (last)
		linger(c);
}

/* Write bytes; @p last: then linger. */
static void
say(struct client *c, const void *bytes, size_t len, bool last)
{
	struct write *w = malloc(sizeof(*w) + len);
	uv_buf_t buf;

	if (w == NULL) {
		socks_client_close(c);
		return;
	}
	w->client = c;
	w->last = last;
	if (len > 0)
		memcpy(w->bytes, bytes, len);
	buf = uv_buf_init((char *)w->bytes, (unsigned int)len);
	if (uv_write(&w->request, (uv_stream_t *)&c->tcp, &buf, 1, on_written) != 0) {
		free(w);
		socks_client_close(c);
	} else if (last) {
		/* From here on its input is dropped. A client that does not read our last bytes in
		 * time is closed. */
		enter(c, CLIENT_LINGER, c->server->conf.handshake_ms, 0);
	}
}

static void
reply(struct client *c, enum socks_reply code, const struct peel_addr *bound)
{
	uint8_t bytes[SOCKS_REPLY_MAX];

	say(c, bytes, socks_build_reply(bytes, code, bound), code != SOCKS_OK);
}

void
socks_client_answer(struct client *c, const void *answer, size_t len)
{
	if (answer == NULL || len == 0)
		socks_client_close(c);
	else
		say(c, answer, len, true);
}

/* ---- what a client says ---------------------------------------------------------------------- */

static void
associate(struct client *c)
{
	struct peel_socks *s = c->server;
	struct peel_addr bound;
	int rc = s->counts.assocs == PEEL_SOCKS_ASSOCS_MAX ? -ENOSPC : socks_udp_open(c, &bound);

	if (rc == 0) {
		rc = s->conf.backend.opened(s->conf.backend.arg, c->assoc);
		if (rc != 0)
			socks_udp_drop(c);
	}
	if (rc != 0) {
		socks_full(s, "associations or open files");
		reply(c, SOCKS_FAILED, NULL);
		return;
	}
	uv_tcp_keepalive(&c->tcp, 1, 60);
	enter(c, CLIENT_UDP, s->conf.idle_ms, s->conf.idle_ms);
	reply(c, SOCKS_OK, &bound);
}

/* CONNECT is granted: HTTP follows. Keep what arrived right after the request. */
static void
connect_http(struct client *c)
{
	/* One byte more than allowed, to detect requests that are too long. */
	uint8_t *in = realloc(c->in, PEEL_SOCKS_REQUEST_MAX + 1);

	if (in == NULL) {
		reply(c, SOCKS_FAILED, NULL);
		return;
	}
	c->in = in;
	c->in_size = PEEL_SOCKS_REQUEST_MAX + 1;
	enter(c, CLIENT_HTTP, c->server->conf.handshake_ms, 0);
	reply(c, SOCKS_OK, NULL);
}

/* Grant CONNECT when a circuit can take it, and refuse it after waiting too long: clients ask
 * trackers again. */
static void
try_grant(struct client *c)
{
	const struct peel_socks_backend *b = &c->server->conf.backend;
	enum peel_socks_ready ready = b->ready(b->arg);

	if (ready == PEEL_SOCKS_READY)
		connect_http(c);
	else if (uv_now(c->server->loop) >= c->until_ms)
		reply(c,
			ready == PEEL_SOCKS_NO_EXIT ? SOCKS_HOST_UNREACHABLE
						    : SOCKS_NETWORK_UNREACHABLE,
			NULL);
}

static void
take_request(struct client *c)
{
	if (c->command != SOCKS_CONNECT && c->command != SOCKS_UDP_ASSOCIATE) {
		reply(c, SOCKS_COMMAND_UNKNOWN, NULL);
		return;
	}
	/* Grant it whether there is a circuit or not: many programs take a refusal as final. */
	if (c->command == SOCKS_UDP_ASSOCIATE) {
		associate(c);
		return;
	}
	if (c->target.addr.port == 0) {
		reply(c, SOCKS_FAILED, NULL);
		return;
	}
	c->until_ms = uv_now(c->server->loop) + c->server->conf.wait_ms;
	enter(c, CLIENT_WAIT, POLL_MS, POLL_MS);
	try_grant(c);
}

static void
take_greeting(struct client *c, bool none, bool password)
{
	uint8_t answer[2] = {5, SOCKS_METHOD_REFUSED};

	/* When no password is set, accept any: some clients always send one. */
	if (none && !c->server->with_login)
		answer[1] = SOCKS_METHOD_NONE;
	else if (password)
		answer[1] = SOCKS_METHOD_PASSWORD;
	c->state = answer[1] == SOCKS_METHOD_PASSWORD ? CLIENT_LOGIN : CLIENT_REQUEST;
	say(c, answer, sizeof(answer), answer[1] == SOCKS_METHOD_REFUSED);
}

static void
take_login(struct client *c, const struct socks_login *login)
{
	const struct socks_login *right = &c->server->login;
	/* Compare both at their full padded size: the time reveals neither their length nor where
	 * they differ. */
	bool user = peel_equal_ct(login->user, right->user, sizeof(right->user));
	bool password = peel_equal_ct(login->password, right->password, sizeof(right->password));
	bool ok = !c->server->with_login || (user & password);
	uint8_t answer[2] = {1, !ok};

	c->state = CLIENT_REQUEST;
	say(c, answer, sizeof(answer), !ok);
}

static void
take_http(struct client *c)
{
	const struct peel_socks *s = c->server;
	const struct peel_socks_backend *b = &s->conf.backend;
	ssize_t n = socks_http_length(c->in, c->n_in);

	if (n < 0) {
		socks_client_close(c);
		return;
	}
	if (n == 0)
		return;
	c->id = ++c->server->last_id;
	peel_stats_add(s->conf.stats, PEEL_SOCKS_REQUESTS, 1);
	enter(c, CLIENT_ANSWER, s->conf.http_ms, 0);
	if (b->http(b->arg, c->id, &c->target, c->in, (size_t)n) != 0 && !c->closing)
		socks_client_close(c);
}

/* Take one message of the handshake. @return bytes taken, 0 if it needs more, or -errno. */
static ssize_t
take_message(struct client *c)
{
	bool none, password;
	struct socks_login login;
	ssize_t n;

	switch (c->state) {
	case CLIENT_GREETING:
		n = socks_parse_greeting(c->in, c->n_in, &none, &password);
		if (n > 0)
			take_greeting(c, none, password);
		return n;
	case CLIENT_LOGIN:
		n = socks_parse_login(c->in, c->n_in, &login);
		if (n > 0)
			take_login(c, &login);
		peel_wipe(&login, sizeof(login));
		return n;
	case CLIENT_REQUEST:
		n = socks_parse_request(c->in, c->n_in, &c->command, &c->target);
		if (n == -EAFNOSUPPORT) {
			reply(c, SOCKS_ADDRESS_UNKNOWN, NULL);
			return 0;
		}
		if (n == -EBADMSG) {
			reply(c, SOCKS_FAILED, NULL);
			return 0;
		}
		return n;
	default:
		return 0;
	}
}

static void
take_input(struct client *c)
{
	while (!c->closing && c->state <= CLIENT_REQUEST) {
		enum client_state before = c->state;
		ssize_t n = take_message(c);

		if (n < 0)
			socks_client_close(c);
		if (n <= 0 || c->closing)
			return;
		c->n_in -= (size_t)n;
		memmove(c->in, c->in + n, c->n_in);
		if (before == CLIENT_REQUEST)
			take_request(c); /* last, as it may go on to HTTP with what is left */
	}
	if (!c->closing && c->state == CLIENT_HTTP && c->n_in > 0)
		take_http(c);
	/* The input has ended before the request was complete. */
	if (!c->closing && c->ended && c->state == CLIENT_HTTP)
		socks_client_close(c);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	static char rubbish[4096];
	struct client *c = handle->data;

	(void)suggested;
	if (c->state == CLIENT_UDP || c->state == CLIENT_LINGER || c->state == CLIENT_ANSWER)
		*buf = uv_buf_init(rubbish, sizeof(rubbish));
	else
		*buf = uv_buf_init((char *)c->in + c->n_in, (unsigned int)(c->in_size - c->n_in));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;

	(void)buf;
	if (n == 0)
		return;
	if (n < 0) {
		/* The client's end of stream, or no room for more (UV_ENOBUFS). A half-closed
		 * client may still want the answer to a request; an association ends here. */
		c->ended = true;
		if (n != UV_EOF || (c->state != CLIENT_ANSWER && c->state != CLIENT_WAIT))
			socks_client_close(c);
		return;
	}
	if (c->state == CLIENT_UDP || c->state == CLIENT_LINGER)
		return;
	if (c->state == CLIENT_ANSWER) {
		socks_client_close(c); /* a second request */
		return;
	}
	c->n_in += (size_t)n;
	take_input(c);
}

static void
on_timer(uv_timer_t *timer)
{
	struct client *c = timer->data;

	if (c->state == CLIENT_WAIT) {
		try_grant(c);
		take_input(c);
		return;
	}
	if (c->state == CLIENT_UDP) {
		uint64_t quiet = uv_now(c->server->loop) - c->assoc->last_ms;

		if (quiet < c->server->conf.idle_ms) {
			enter(c, CLIENT_UDP, c->server->conf.idle_ms - quiet, 0);
			return;
		}
	}
	socks_client_close(c);
}

/* Allocate a client and its handles. NULL when out of memory. */
static struct client *
new_client(struct peel_socks *s)
{
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->in = malloc(INPUT_SIZE);
	c->in_size = INPUT_SIZE;
	if (c->in == NULL || uv_tcp_init(s->loop, &c->tcp) != 0) {
		free(c->in);
		free(c);
		return NULL;
	}
	uv_timer_init(s->loop, &c->timer);
	c->server = s;
	c->tcp.data = c->timer.data = c;
	c->handles = 2;
	LIST_INSERT_HEAD(&s->clients, c, entry);
	s->counts.clients++;
	return c;
}

void
socks_client_accept(struct peel_socks *s)
{
	struct client *c = new_client(s);

	s->waiting = c == NULL; /* out of memory: try again when a client leaves */
	if (c == NULL)
		return;
	if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->tcp) != 0) {
		socks_client_close(c);
		return;
	}
	uv_tcp_nodelay(&c->tcp, 1);
	enter(c, CLIENT_GREETING, s->conf.handshake_ms, 0);
	if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0)
		socks_client_close(c);
}
