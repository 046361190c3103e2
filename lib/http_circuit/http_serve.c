/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * HTTP requests that this node does for circuits as an exit, over the kernel's TCP. Trackers answer
 * in one round trip; anything else gets five seconds, 64 kB and one connection. Source: protocol
 * sections 22.2, 27 (W19).
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "peel_discovery.h"
#include "peel_http.h"
#include "peel_http_msg.h"
#include "peel_http_serve.h"

#define READ_LEN 16384
/* a request that fails at once still holds its circuit's place this long, or circuits could scan
 * ports */
#define FAILED_HOLD_MS 1000
#define SPARE_FILES 64 /* descriptors left for the resolver and the management socket */
#define HELD_SHARE 16  /* list entries per allowed request */

struct serve {
	LIST_ENTRY(serve) entry;
	struct peel_http_serve *http;
	uint32_t session, generation, identifier;
	uint64_t started_ms;
	unsigned int nth; /* rank in its circuit when it began: 1 was the only one */
	uint16_t port;
	bool resolving; /* lib/names will call back */
	bool polling;	/* `poll` belongs to the loop */
	bool ended;
	int fd;
	uv_poll_t poll;
	uint8_t *request;
	size_t len, sent;
	struct peel_http_answer *answer;
};

struct peel_http_serve {
	struct peel_http_serve_conf conf;
	LIST_HEAD(, serve) serves;
	uint32_t n_serves;  /* in the list */
	uint32_t n_running; /* of them, those not ended */
	bool closing;	    /* freed with the last request */
};

/* ---- the end of a request -------------------------------------------------------------------- */

/* Free it once nothing refers to it. */
static void
release(struct serve *s, bool held)
{
	struct peel_http_serve *http = s->http;

	if (!s->ended || s->resolving || s->polling || (held && !http->closing))
		return;
	LIST_REMOVE(s, entry);
	free(s);
	if (--http->n_serves == 0 && http->closing)
		free(http);
}

static bool
is_held(const struct serve *s)
{
	return s->http->n_serves <= HELD_SHARE * s->http->conf.max &&
	       peel_now_ms(s->http->conf.env) < s->started_ms + FAILED_HOLD_MS;
}

static void
on_closed(uv_handle_t *handle)
{
	struct serve *s = handle->data;

	s->polling = false;
	release(s, is_held(s));
}

/* Release everything except the entry itself. Afterwards s may be gone. */
static void
finish(struct serve *s, enum peel_counter outcome)
{
	peel_stats_add(s->http->conf.stats, outcome, 1);
	s->ended = true;
	s->http->n_running--;
	if (s->polling)
		uv_close((uv_handle_t *)&s->poll, on_closed);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	free(s->request);
	s->request = NULL;
	peel_http_answer_free(s->answer);
	s->answer = NULL;
	if (outcome == PEEL_HTTP_ANSWERED)
		s->started_ms = 0; /* its place is free again */
	release(s, is_held(s));
}

/* ---- connection ------------------------------------------------------------------------------ */

static int
send_parts(struct serve *s)
{
	const struct peel_http_serve_conf *conf = &s->http->conf;
	size_t len;
	const uint8_t *bytes = peel_http_answer_bytes(s->answer, &len);
	struct peel_msg_http_response m = {
		.identifier = s->identifier, .total = (uint16_t)peel_http_n_parts(len)};

	if (peel_session_generation(conf->routes, s->session) != s->generation)
		return -ENOENT;
	for (; m.part < m.total; m.part++) {
		uint8_t msg[PEEL_HTTP_PART_LEN + 64];
		size_t at = (size_t)m.part * PEEL_HTTP_PART_LEN;
		int n, rc;

		m.response.p = bytes + at;
		m.response.len = len - at < PEEL_HTTP_PART_LEN ? len - at : PEEL_HTTP_PART_LEN;
		n = peel_http_response_build(msg, sizeof(msg), &m);
		rc = n < 0 ? n : conf->exits.answer(conf->exits.owner, s->session, msg, (size_t)n);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* 1: all sent, 0: later, or -errno. */
static int
write_request(struct serve *s)
{
	socklen_t size = sizeof(int);
	ssize_t n;
	int error = 0;

	if (s->sent == 0 &&
		(getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0))
		return -(error != 0 ? error : errno);
	n = send(s->fd, s->request + s->sent, s->len - s->sent, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	peel_stats_add(s->http->conf.stats, PEEL_HTTP_TX_BYTES, (uint64_t)n);
	s->sent += (size_t)n;
	return s->sent == s->len;
}

/* 1: the answer is complete and may go back, 0: later, or -errno. */
static int
read_answer(struct serve *s)
{
	uint8_t buffer[READ_LEN];
	ssize_t n = recv(s->fd, buffer, sizeof(buffer), 0);

	if (n < 0 && errno != ECONNRESET)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n > 0)
		peel_stats_add(s->http->conf.stats, PEEL_HTTP_RX_BYTES, (uint64_t)n);
	return n <= 0 ? peel_http_answer_end(s->answer)
		      : peel_http_answer_feed(s->answer, buffer, (size_t)n);
}

static void
on_event(uv_poll_t *poll, int status, int events)
{
	struct serve *s = poll->data;
	const struct peel_http_serve_conf *conf = &s->http->conf;
	int rc = status;

	(void)events;
	/* A server that closes before it has read the whole request resets the connection. libuv
	 * takes that for an error and stops watching, but what the server sent before can still be
	 * read. */
	if (rc < 0 && s->sent == s->len)
		rc = uv_poll_start(&s->poll, UV_READABLE, on_event);
	if (rc == 0 && s->sent < s->len) {
		rc = write_request(s);
		if (rc == 1)
			rc = uv_poll_start(&s->poll, UV_READABLE, on_event);
	} else if (rc == 0) {
		rc = read_answer(s);
	}
	if (rc == 0)
		return;
	if (rc == 1)
		rc = send_parts(s);
	finish(s, rc == 0 ? PEEL_HTTP_ANSWERED : PEEL_HTTP_FAILED);
	conf->answered(conf->arg);
}

/* Open a socket that connects to the address from the exits' own address. */
static int
connect_from(const struct peel_addr *source, const struct peel_addr *to)
{
	struct sockaddr_storage ss;
	struct peel_addr from = *source;
	socklen_t len = peel_addr_to_sockaddr(to, &ss);
	int on = 1, rc = 0, fd;

	if (from.family != to->family)
		return -ENETUNREACH;
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!peel_files_spared(fd, SPARE_FILES)) {
		close(fd);
		return -EMFILE;
	}
	if (!peel_addr_is_any(&from)) {
		struct sockaddr_storage own;

		from.port = 0;
		(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		rc = bind(fd, (const struct sockaddr *)&own, peel_addr_to_sockaddr(&from, &own));
	}
	if (rc == 0)
		rc = connect(fd, (const struct sockaddr *)&ss, len);
	if (rc == 0 || errno == EINPROGRESS)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

static int
start(struct serve *s, const struct peel_addr *to)
{
	const struct peel_http_serve_conf *conf = &s->http->conf;
	int rc = peel_http_answer_new(&s->answer);

	if (rc != 0)
		return rc;
	s->fd = connect_from(
		to->family == PEEL_FAMILY_IPV6 ? &conf->exit_ipv6 : &conf->exit_ipv4, to);
	if (s->fd == -EMFILE || s->fd == -ENFILE)
		conf->no_socket(conf->arg, s->fd);
	if (s->fd < 0)
		return s->fd;
	rc = uv_poll_init(conf->loop, &s->poll, s->fd);
	if (rc != 0)
		return rc;
	s->poll.data = s;
	s->polling = true;
	return uv_poll_start(&s->poll, UV_WRITABLE, on_event);
}

/* ---- beginning ------------------------------------------------------------------------------- */

/* The address as the kernel sees it: ::ffff:192.0.2.1 is 192.0.2.1. */
static struct peel_addr
plain(const struct peel_addr *addr, uint16_t port)
{
	struct peel_addr out = *addr;
	struct sockaddr_storage ss = {0};

	(void)peel_addr_to_sockaddr(addr, &ss);
	if (peel_addr_from_sockaddr(&ss, &out) != 0)
		out = (struct peel_addr){0}; /* no policy lets family NONE pass */
	out.port = port;
	return out;
}

static const struct peel_policy *
policy_of(const struct peel_http_serve *http)
{
	return peel_own_addresses_policy(http->conf.own_addresses);
}

/* The policy judges the very address that is connected to, so a name that resolves differently next
 * time gains nothing. */
static void
on_address(void *arg, const struct peel_addr *addr)
{
	struct serve *s = arg;
	struct peel_addr to;

	s->resolving = false;
	if (s->ended) {
		release(s, is_held(s));
		return;
	}
	if (addr == NULL) {
		finish(s, PEEL_HTTP_FAILED);
		return;
	}
	to = plain(addr, s->port);
	if (!peel_policy_destination(policy_of(s->http), &to) ||
		!peel_policy_rules(policy_of(s->http), &to))
		finish(s, PEEL_HTTP_REFUSED);
	else if (start(s, &to) != 0)
		finish(s, PEEL_HTTP_FAILED);
}

/* The rank, from 1, that this request would have in its circuit. 0: the circuit may have no more,
 * or the same identifier is running (a duplicate). */
static unsigned int
place_in_circuit(const struct peel_http_serve *http, uint32_t session, uint32_t generation,
	uint32_t identifier)
{
	const struct serve *s;
	unsigned int n = 0;

	LIST_FOREACH (s, &http->serves, entry) {
		if (s->session != session || s->generation != generation)
			continue;
		if (s->identifier == identifier && !s->ended)
			return 0;
		n++;
	}
	return n < PEEL_HTTP_PER_CIRCUIT ? n + 1 : 0;
}

/* When all places are taken, the request that has run longest gives way, among those of the
 * circuits with the most requests: a few circuits with slow servers cannot keep others from their
 * first request. */
static bool
make_place(struct peel_http_serve *http, unsigned int nth)
{
	struct serve *s, *last = NULL;

	if (http->n_running < http->conf.max)
		return true;
	LIST_FOREACH (s, &http->serves, entry) {
		if (!s->ended && (last == NULL || s->nth >= last->nth)) /* the youngest is first */
			last = s;
	}
	if (last == NULL || last->nth < nth)
		return false;
	finish(last, PEEL_HTTP_FAILED);
	return true;
}

/* Find a place for one more. @return its rank in its circuit, or 0. */
static unsigned int
take_place(struct peel_http_serve *http, uint32_t session, uint32_t generation, uint32_t identifier)
{
	unsigned int nth =
		http->closing ? 0 : place_in_circuit(http, session, generation, identifier);

	return nth > 0 && make_place(http, nth) ? nth : 0;
}

static struct serve *
new_serve(struct peel_http_serve *http, const struct peel_msg_http_request *m,
	const uint8_t *request, size_t len)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->request = malloc(len);
	if (s->request == NULL) {
		free(s);
		return NULL;
	}
	memcpy(s->request, request, len);
	s->len = len;
	s->identifier = m->identifier;
	s->port = m->target.addr.port;
	s->started_ms = peel_now_ms(http->conf.env);
	s->fd = -1;
	s->http = http;
	LIST_INSERT_HEAD(&http->serves, s, entry);
	http->n_serves++;
	http->n_running++;
	return s;
}

void
peel_http_serve_request(struct peel_http_serve *http, uint32_t session, uint32_t generation,
	const uint8_t *msg, size_t len)
{
	const struct peel_policy *policy = policy_of(http);
	struct peel_stats *stats = http->conf.stats;
	struct peel_msg_http_request m;
	struct serve *s;
	uint8_t request[PEEL_HTTP_REQUEST_MAX + PEEL_HTTP_REQUEST_MORE];
	unsigned int nth = 0;
	int n = -EBADMSG;

	peel_stats_add(stats, PEEL_HTTP_REQUESTS, 1);
	if ((policy->flags & PEEL_FLAG_EXIT_HTTP) == 0 || len == 0 ||
		peel_http_request_parse(msg + 1, len - 1, &m) != 0 ||
		(n = peel_http_request_take(m.request.p, m.request.len, request)) < 0 ||
		!peel_policy_http_port(policy, m.target.addr.port) ||
		http->conf.exits.used(http->conf.exits.owner, session, generation) != 0 ||
		(nth = take_place(http, session, generation, m.identifier)) == 0) {
		peel_stats_add(stats, PEEL_HTTP_REFUSED, 1);
		return;
	}
	s = new_serve(http, &m, request, (size_t)n);
	if (s == NULL) {
		peel_stats_add(stats, PEEL_HTTP_FAILED, 1);
		return;
	}
	s->session = session;
	s->generation = generation;
	s->nth = nth;
	if (m.target.type != PEEL_HOST_NAME) {
		on_address(s, &m.target.addr);
		return;
	}
	s->resolving = true;
	if (peel_names_lookup(
		    http->conf.names, session, generation, m.target.name, on_address, s) != 0)
		on_address(s, NULL);
}

uint64_t
peel_http_serve_tick(struct peel_http_serve *http)
{
	uint64_t now = peel_now_ms(http->conf.env), next = UINT64_MAX;
	struct serve *s, *following;

	for (s = LIST_FIRST(&http->serves); s != NULL; s = following) {
		uint64_t end = s->started_ms + (s->ended ? FAILED_HOLD_MS : PEEL_HTTP_TIME_MS);

		following = LIST_NEXT(s, entry);
		if (s->ended) {
			release(s, is_held(s));
		} else if (now >= end || peel_session_generation(http->conf.routes, s->session) !=
						 s->generation) {
			finish(s, PEEL_HTTP_FAILED);
		} else if (end - now < next) {
			next = end - now;
		}
	}
	return next;
}

/* ---- life ------------------------------------------------------------------------------------ */

int
peel_http_serve_new(const struct peel_http_serve_conf *conf, struct peel_http_serve **out)
{
	struct peel_http_serve *http = calloc(1, sizeof(*http));

	if (http == NULL)
		return -ENOMEM;
	http->conf = *conf;
	http->conf.exit_ipv4.family = PEEL_FAMILY_IPV4;
	http->conf.exit_ipv6.family = PEEL_FAMILY_IPV6;
	LIST_INIT(&http->serves);
	*out = http;
	return 0;
}

void
peel_http_serve_max(struct peel_http_serve *http, uint32_t max)
{
	http->conf.max = max;
}

void
peel_http_serve_source(struct peel_http_serve *http, const struct peel_addr *exit_ipv4,
	const struct peel_addr *exit_ipv6)
{
	http->conf.exit_ipv4 = *exit_ipv4;
	http->conf.exit_ipv6 = *exit_ipv6;
}

void
peel_http_serve_free(struct peel_http_serve *http)
{
	struct serve *s, *following;

	if (http == NULL)
		return;
	http->n_serves++; /* keeps http alive through the loop below */
	http->closing = true;
	for (s = LIST_FIRST(&http->serves); s != NULL; s = following) {
		following = LIST_NEXT(s, entry);
		if (s->ended)
			release(s, false);
		else
			finish(s, PEEL_HTTP_FAILED);
	}
	if (--http->n_serves == 0)
		free(http);
}
