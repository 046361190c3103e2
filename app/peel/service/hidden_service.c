/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A node with one hidden service, and the lines that tell how it does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "hidden_service.h"
#include "output.h"
#include "peel_internal.h"

#define TICK_MS 1000
#define TRAFFIC_MS 10000 /* between two lines in which only bytes differ */
#define ALONE_MS 15000	 /* before it is told that nothing happens */
#define BURST 8		 /* datagrams per system call */
#define SLOT (64 * 1024) /* libuv cuts the buffer into pieces of this size */
#define SOCKET_BUFFER (1 << 20)

/* ---- lines ----------------------------------------------------------------------------------- */

void
service_say(struct hidden_service *s, const char *format, ...)
{
	char text[512];
	va_list ap;

	if (s->quiet)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	output_print(OUTPUT_STDOUT, "%s\n", text);
}

const char *
service_peer_text(uint32_t peer, char out[SERVICE_PEER_TEXT_MAX])
{
	snprintf(out, SERVICE_PEER_TEXT_MAX, "%u.%u.%u.%u", peer >> 24, peer >> 16 & 255,
		peer >> 8 & 255, peer & 255);
	return out;
}

static void
say_status(struct hidden_service *s, const struct peel_service_info *info)
{
	unsigned int points =
		s->role->seed ? info->own_introduction_points : info->introduction_points;

	service_say(s,
		"status: %u introduction point%s, %u peer%s, %" PRIu64 " bytes received, %" PRIu64
		" bytes sent",
		points, points == 1 ? "" : "s", info->peers, info->peers == 1 ? "" : "s",
		s->down.bytes, s->up.bytes);
	s->told = *info;
	s->told_bytes = s->up.bytes + s->down.bytes;
	s->told_ms = uv_now(&s->tool.session.loop);
}

/* Why nothing happens, in words; NULL: something may. */
static const char *
why_alone(const struct hidden_service *s, const struct peel_service_info *info)
{
	if (s->role->seed)
		return info->own_introduction_points > 0 ? NULL
							 : "nobody can find the service yet: no "
							   "relay introduces it, too few answer";
	if (info->peers > 0)
		return NULL;
	if (info->introduction_points > 0)
		return "the service is known, but nobody answers there";
	return info->looked_up_ms < 0 ? "no circuit yet to look the service up with: too few "
					"relays and exits answer"
				      : "nobody publishes the service, as far as can be seen";
}

static void
say_alone(struct hidden_service *s, const struct peel_service_info *info)
{
	uint64_t now = uv_now(&s->tool.session.loop);
	const char *why = why_alone(s, info);

	if (why == NULL) {
		s->alone_ms = 0;
		s->told_alone = false;
	} else if (s->alone_ms == 0) {
		s->alone_ms = now;
	} else if (!s->told_alone && now - s->alone_ms >= ALONE_MS) {
		s->told_alone = true;
		peel_log(PEEL_LOG_WARNING, "%s", why);
	}
}

static void
say_changes(struct hidden_service *s)
{
	bool moved = s->up.bytes + s->down.bytes != s->told_bytes &&
		     uv_now(&s->tool.session.loop) - s->told_ms >= TRAFFIC_MS;
	struct peel_service_info info;

	if (peel_service_info(s->tool.session.peel, s->id, &info) != 0)
		return;
	say_alone(s, &info);
	if (moved || info.peers != s->told.peers ||
		info.introduction_points != s->told.introduction_points ||
		info.own_introduction_points != s->told.own_introduction_points)
		say_status(s, &info);
}

static void
say_end(struct hidden_service *s)
{
	service_say(s,
		"ended: datagrams received %" PRIu64 " (%" PRIu64 " bytes), sent %" PRIu64
		" (%" PRIu64 " bytes), dropped %" PRIu64 ", too long %" PRIu64,
		s->down.datagrams, s->down.bytes, s->up.datagrams, s->up.bytes, s->dropped,
		s->too_long);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

void
service_too_long(struct hidden_service *s, size_t len)
{
	s->too_long++;
	if (s->told_too_long)
		return;
	s->told_too_long = true;
	peel_log(PEEL_LOG_WARNING,
		"a datagram of %zu bytes is too long to be sent to a peer: dropped, and so are "
		"further ones",
		len);
}

static void
count(struct service_count *c, size_t len)
{
	c->datagrams++;
	c->bytes += len;
}

int
service_send(struct hidden_service *s, uint32_t peer, const void *payload, size_t len)
{
	struct peel_address to = {.type = PEEL_ADDRESS_IPV4, .port = SERVICE_PEER_PORT};
	int rc;

	peel_put_be32(to.ip, peer);
	rc = peel_tunnel_data(s->tool.session.peel, 0, &to, PEEL_DATA, payload, len);
	if (rc == 0)
		count(&s->up, len);
	else if (rc == -EMSGSIZE)
		service_too_long(s, len);
	else if (rc != -ENOENT)
		s->dropped++; /* more is queued than can be sent */
	return rc == -ENOENT ? rc : 0;
}

void
service_delivered(struct hidden_service *s, size_t len, int error)
{
	if (error < 0)
		s->dropped++;
	else
		count(&s->down, len);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct hidden_service *s = handle->loop->data;

	(void)suggested;
	*buf = uv_buf_init((char *)s->rx, BURST * SLOT);
}

int
service_udp_open(struct hidden_service *s, uv_udp_t *udp, const struct peel_addr *bound,
	const struct peel_addr *to, uv_udp_recv_cb on_datagram)
{
	int size = SOCKET_BUFFER, rc = uv_udp_init_ex(&s->tool.session.loop, udp, UV_UDP_RECVMMSG);
	struct sockaddr_storage ss;

	if (rc != 0)
		return rc;
	(void)peel_addr_to_sockaddr(bound != NULL ? bound : to, &ss);
	rc = bound != NULL ? uv_udp_bind(udp, (struct sockaddr *)&ss, 0)
			   : uv_udp_connect(udp, (struct sockaddr *)&ss);
	if (rc == 0)
		rc = uv_udp_recv_start(udp, on_alloc, on_datagram);
	if (rc != 0)
		return rc;
	(void)uv_recv_buffer_size((uv_handle_t *)udp, &size);
	size = SOCKET_BUFFER;
	(void)uv_send_buffer_size((uv_handle_t *)udp, &size);
	return 0;
}

void
service_udp_local(uv_udp_t *udp, struct peel_addr *out)
{
	struct sockaddr_storage ss;
	int len = sizeof(ss);

	memset(out, 0, sizeof(*out));
	if (uv_udp_getsockname(udp, (struct sockaddr *)&ss, &len) != 0 ||
		peel_addr_from_sockaddr(&ss, out) != 0)
		memset(out, 0, sizeof(*out));
}

/* ---- what the library tells ------------------------------------------------------------------ */

static void
on_data(void *arg, struct peel *peel, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct hidden_service *s = arg;

	(void)peel;
	(void)circuit;
	/* Exits cannot say such things: libpeel sees to that. */
	if (origin->type == PEEL_ADDRESS_IPV4 && service_is_peer(origin->ip))
		s->role->data(s, peel_get_be32(origin->ip), payload, len);
}

static void
tell_peer(struct hidden_service *s, const struct peel_address *peer, bool connected)
{
	uint32_t ip = peel_get_be32(peer->ip);
	char text[SERVICE_PEER_TEXT_MAX];

	service_say(
		s, "peer %s is %s", service_peer_text(ip, text), connected ? "connected" : "gone");
	s->role->peer(s, ip, connected);
}

static void
on_peer(void *arg, struct peel *peel, const struct peel_address *peer)
{
	(void)peel;
	tell_peer(arg, peer, true);
}

static void
on_gone(void *arg, struct peel *peel, const struct peel_address *peer)
{
	(void)peel;
	tell_peer(arg, peer, false);
}

static void
on_tick(uv_timer_t *timer)
{
	struct hidden_service *s = timer->data;

	s->role->tick(s);
	say_changes(s);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Before privileges are given up: the key may be readable for root alone, and so may ports below
 * 1024. */
static int
on_open(void *arg, char *why, size_t why_size)
{
	struct hidden_service *s = arg;
	struct session *session = &s->tool.session;
	struct peel_service_options options;
	int rc;

	session->loop.data = s;
	s->rx = malloc(BURST * SLOT); /* pages that no datagram reaches stay untouched */
	if (s->rx == NULL)
		return -ENOMEM;
	rc = s->role->open(s, why, why_size);
	if (rc != 0)
		return rc;
	peel_service_options_init(&options);
	options.hops = s->tool.hops;
	options.seed = s->role->seed;
	options.find = !s->role->seed;
	options.key_file = s->key_file;
	peel_on_data(session->peel, on_data, s);
	rc = peel_join_service(session->peel, s->id, &options, on_peer, on_gone, s);
	if (rc != 0)
		snprintf(why, why_size, "%s", peel_strerror(rc));
	return rc;
}

static void
say_start(struct hidden_service *s)
{
	char id[2 * PEEL_SERVICE_ID_LEN + 1] = "";

	for (unsigned int i = 0; i < PEEL_SERVICE_ID_LEN; i++)
		snprintf(id + 2 * i, 3, "%02x", s->id[i]);
	service_say(s, "service %s over %u hop%s", id, s->tool.hops, s->tool.hops == 1 ? "" : "s");
}

int
service_run(struct hidden_service *s)
{
	struct session *session = &s->tool.session;
	int rc;

	session->lasting = true;
	session->on_open = on_open;
	session->arg = s;
	session->conf.node.max_own_circuits = PEEL_OWN_EXTRA + SERVICE_PEERS_MAX;
	rc = session_open(session);
	if (rc == 0) {
		uv_timer_init(&session->loop, &s->timer);
		s->timer.data = s;
		uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
		say_start(s);
		rc = session_run(session);
		if (rc == 0)
			say_end(s);
		session_close(session);
	}
	s->role->close(s);
	free(s->rx);
	return rc == 0 && session->interrupted ? EXIT_OK : EXIT_FAILED;
}
