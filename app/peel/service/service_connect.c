/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel service connect`: one UDP socket for local programs; each of their addresses talks to a
 * peer of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conversations.h"
#include "hidden_service.h"
#include "peel_owner.h"

#define WAIT_MS 10000 /* a program that waits for a peer for longer is worth a line */

struct connector {
	struct hidden_service *service;
	uv_udp_t udp;
	struct peel_addr own;
	struct conversations *talks;
	struct peel_held *held; /* by slot of a conversation, while it has no peer */
	unsigned int peers;
	uint64_t waiting_ms; /* since when a program waits; 0: none does */
	bool told_waiting, told_full;
};

/* ---- to peers -------------------------------------------------------------------------------- */

/* 0, or -EAGAIN: there is none for this conversation. */
static int
take_peer(struct connector *c, unsigned int slot, uint32_t *peer)
{
	char text[2][PEEL_ADDR_TEXT_MAX];
	bool fresh;
	int rc = conversations_peer(c->talks, slot, peer, &fresh);

	if (rc == 0 && fresh)
		service_say(c->service, "%s talks to peer %s",
			peel_addr_text(conversations_local(c->talks, slot), text[0]),
			service_peer_text(*peer, text[1]));
	return rc;
}

static int
send_datagram(struct connector *c, unsigned int slot, const void *payload, size_t len)
{
	uint32_t peer;
	int rc;

	while ((rc = take_peer(c, slot, &peer)) == 0) {
		if (service_send(c->service, peer, payload, len) == 0)
			return 0;
		conversations_del_peer(c->talks, peer); /* has just gone: there may be another */
	}
	return rc;
}

static void
on_held(void *arg, unsigned int slot, const struct peel_socks_target *to, const uint8_t *payload,
	size_t len)
{
	struct connector *c = arg;

	(void)to;
	if (send_datagram(c, slot, payload, len) != 0)
		c->service->dropped++;
}

/* Send what waited, as far as there are peers now. */
static void
send_held(struct connector *c)
{
	unsigned int dropped = peel_held_expire(c->held);
	uint32_t peer;

	for (unsigned int slot = 0; slot < CONVERSATIONS_MAX; slot++) {
		if (peel_held_waiting(c->held, slot) == 0 || take_peer(c, slot, &peer) != 0)
			continue;
		while (peel_held_pop(c->held, slot, on_held, c, &dropped))
			;
	}
	c->service->dropped += dropped;
}

/* ---- from local programs --------------------------------------------------------------------- */

static bool
is_open(void *arg, const struct peel_addr *local)
{
	const struct connector *c = arg;
	uint32_t uid;

	return peel_owner_udp(local, &c->own, &uid) == 0;
}

static void
on_ended(void *arg, unsigned int slot)
{
	struct connector *c = arg;

	c->service->dropped += peel_held_forget(c->held, slot);
}

static void
take_datagram(struct connector *c, const struct peel_addr *from, const void *payload, size_t len)
{
	static const struct peel_socks_target none;
	int slot = conversations_from(c->talks, from);

	if (slot < 0) {
		if (!c->told_full)
			peel_log(PEEL_LOG_WARNING,
				"more than %d local addresses at a time: further ones are not "
				"served until others are silent",
				CONVERSATIONS_MAX);
		c->told_full = true;
		c->service->dropped++;
	} else if (peel_held_waiting(c->held, (unsigned int)slot) > 0 ||
		   send_datagram(c, (unsigned int)slot, payload, len) != 0) {
		/* Behind those that wait already, so that their order stays. */
		c->service->dropped +=
			peel_held_push(c->held, (unsigned int)slot, &none, payload, len);
		send_held(c);
	}
}

static void
on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
	unsigned int flags)
{
	struct connector *c = udp->data;
	struct sockaddr_storage ss;
	struct peel_addr addr;

	if (n < 0 || from == NULL)
		return;
	memset(&ss, 0, sizeof(ss));
	memcpy(&ss, from,
		from->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					    : sizeof(struct sockaddr_in));
	if (peel_addr_from_sockaddr(&ss, &addr) != 0)
		return;
	if ((flags & UV_UDP_PARTIAL) || n > PEEL_PAYLOAD_MAX)
		service_too_long(c->service, (size_t)n);
	else
		take_datagram(c, &addr, buf->base, (size_t)n);
}

/* ---- of struct service_role ------------------------------------------------------------------ */

static void
on_data(struct hidden_service *s, uint32_t peer, const void *payload, size_t len)
{
	struct connector *c = s->state;
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)payload, (unsigned int)len);
	int slot = conversations_to(c->talks, peer);
	struct sockaddr_storage ss;

	if (slot < 0) {
		service_delivered(s, len, slot);
		return;
	}
	(void)peel_addr_to_sockaddr(conversations_local(c->talks, (unsigned int)slot), &ss);
	service_delivered(s, len, uv_udp_try_send(&c->udp, &buf, 1, (struct sockaddr *)&ss));
}

static void
on_peer(struct hidden_service *s, uint32_t peer, bool connected)
{
	struct connector *c = s->state;

	if (!connected) {
		c->peers--;
		conversations_del_peer(c->talks, peer);
		return;
	}
	c->peers++;
	/* One that finds no room is one more than there can be conversations. */
	if (conversations_add_peer(c->talks, peer) == 0)
		send_held(c);
}

/* With fewer peers than programs, somebody waits for more than a moment. */
static void
tell_waiting(struct connector *c)
{
	uint64_t now = uv_now(&c->service->tool.session.loop);
	unsigned int waiting = conversations_waiting(c->talks);

	if (waiting == 0 || c->peers == 0) {
		c->waiting_ms = 0;
		c->told_waiting = false;
	} else if (c->waiting_ms == 0) {
		c->waiting_ms = now;
	} else if (!c->told_waiting && now - c->waiting_ms >= WAIT_MS) {
		c->told_waiting = true;
		peel_log(PEEL_LOG_WARNING,
			"%u local address%s for a peer: each takes one, and there %s", waiting,
			waiting == 1 ? " waits" : "es wait",
			c->peers == 1 ? "is only one" : "are no more");
	}
}

static void
on_tick(struct hidden_service *s)
{
	struct connector *c = s->state;

	conversations_expire(c->talks);
	send_held(c);
	tell_waiting(c);
}

static int
connector_open(struct hidden_service *s, char *why, size_t why_size)
{
	struct connector *c = calloc(1, sizeof(*c));
	const struct conversations_conf conf = {.env = &peel_env_system,
		.idle_ms = (uint64_t)s->idle * 1000,
		.is_open = is_open,
		.ended = on_ended,
		.arg = c};
	char text[PEEL_ADDR_TEXT_MAX];
	int rc;

	if (c == NULL)
		return -ENOMEM;
	s->state = c;
	c->service = s;
	c->udp.data = c;
	c->talks = conversations_new(&conf);
	c->held = peel_held_new(&peel_env_system);
	if (c->talks == NULL || c->held == NULL)
		return -ENOMEM;
	rc = service_udp_open(s, &c->udp, &s->local, NULL, on_datagram);
	if (rc != 0) {
		snprintf(why, why_size, "cannot listen on %s: %s", peel_addr_text(&s->local, text),
			uv_strerror(rc));
		return rc;
	}
	service_udp_local(&c->udp, &c->own);
	service_say(s, "listening on %s", peel_addr_text(&c->own, text));
	return 0;
}

static void
connector_close(struct hidden_service *s)
{
	struct connector *c = s->state;

	if (c == NULL)
		return;
	peel_held_free(c->held);
	conversations_free(c->talks);
	free(c);
}

const struct service_role service_connect = {
	.open = connector_open,
	.peer = on_peer,
	.data = on_data,
	.tick = on_tick,
	.close = connector_close,
};
