/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel service publish`: to the program that serves, each peer is a UDP port of this machine. A
 * peer gets its socket with its first datagram.
 */
#include <errno.h>
#include <stdlib.h>

#include "hidden_service.h"
#include "peel_links.h"

#define YIELD_MS (30 * 1000) /* so long silent, a peer gives its socket to another one */

struct outlet {
	uint32_t peer, next;
	uint64_t last_ms; /* of a datagram, either way */
	struct port *port;
};

/* Outlives its outlet until the loop lets go of it. */
struct port {
	uv_udp_t udp;
	struct hidden_service *service;
	struct outlet *outlet;
};

struct publisher {
	struct outlet outlet[SERVICE_PEERS_MAX];
	struct peel_slots slots;
	struct peel_chains by_peer;
	uint64_t seed;
	bool told_full, told_refused;
};

static uint32_t
find(const struct publisher *p, uint32_t peer)
{
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &p->by_peer, peel_hash_u32(peer, p->seed)) {
		if (p->outlet[slot].peer == peer)
			break;
	}
	return slot;
}

/* ---- from the program that serves ------------------------------------------------------------ */

static void
on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
	unsigned int flags)
{
	struct port *port = udp->data;
	struct hidden_service *s = port->service;
	struct publisher *p = s->state;
	char text[PEEL_ADDR_TEXT_MAX];

	if (n < 0 && !p->told_refused) { /* nobody listens there, says the kernel */
		p->told_refused = true;
		peel_log(PEEL_LOG_WARNING, "%s does not take datagrams: %s",
			peel_addr_text(&s->local, text), uv_strerror((int)n));
	}
	if (n < 0 || from == NULL || port->outlet == NULL)
		return;
	p->told_refused = false;
	port->outlet->last_ms = uv_now(udp->loop);
	if (flags & UV_UDP_PARTIAL)
		service_too_long(s, (size_t)n);
	else
		(void)service_send(s, port->outlet->peer, buf->base, (size_t)n);
}

/* ---- sockets --------------------------------------------------------------------------------- */

static void
on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void
close_port(struct port *port)
{
	port->outlet = NULL;
	uv_close((uv_handle_t *)&port->udp, on_closed);
}

static struct port *
open_port(struct hidden_service *s, struct outlet *outlet)
{
	struct port *port = calloc(1, sizeof(*port));
	int rc;

	if (port == NULL)
		return NULL;
	port->service = s;
	port->outlet = outlet;
	port->udp.data = port;
	rc = service_udp_open(s, &port->udp, NULL, &s->local, on_datagram);
	if (rc == 0)
		return port;
	peel_log(PEEL_LOG_WARNING, "no socket for a peer: %s", uv_strerror(rc));
	close_port(port);
	return NULL;
}

static void
outlet_end(struct publisher *p, uint32_t slot)
{
	close_port(p->outlet[slot].port);
	peel_chains_del(&p->by_peer, peel_hash_u32(p->outlet[slot].peer, p->seed), slot);
	memset(&p->outlet[slot], 0, sizeof(p->outlet[slot]));
	peel_slots_give(&p->slots, slot);
}

/* End what was silent for that long. @return the socket that has been silent longest, if it has
 * for YIELD_MS, or else PEEL_NONE. */
static uint32_t
expire(struct hidden_service *s, uint64_t limit_ms)
{
	struct publisher *p = s->state;
	uint64_t now = uv_now(&s->tool.session.loop), most = YIELD_MS;
	uint32_t oldest = PEEL_NONE;

	for (uint32_t slot = 0; slot < SERVICE_PEERS_MAX; slot++) {
		uint64_t silence = now - p->outlet[slot].last_ms;

		if (p->outlet[slot].port == NULL)
			continue;
		if (silence >= limit_ms) {
			outlet_end(p, slot);
		} else if (silence >= most) {
			most = silence;
			oldest = slot;
		}
	}
	return oldest;
}

static uint32_t
outlet_begin(struct hidden_service *s, uint32_t peer)
{
	struct publisher *p = s->state;
	uint32_t slot = peel_slots_take(&p->slots);
	char text[2][PEEL_ADDR_TEXT_MAX];
	struct peel_addr local;
	struct port *port;

	if (slot == PEEL_NONE)
		return slot;
	port = open_port(s, &p->outlet[slot]);
	if (port == NULL) {
		peel_slots_give(&p->slots, slot);
		return PEEL_NONE;
	}
	p->outlet[slot].peer = peer;
	p->outlet[slot].port = port;
	peel_chains_add(&p->by_peer, peel_hash_u32(peer, p->seed), slot);
	service_udp_local(&port->udp, &local);
	service_say(s, "peer %s sends from %s", service_peer_text(peer, text[0]),
		peel_addr_text(&local, text[1]));
	return slot;
}

/* There is none left: one may have been silent for long enough. */
static bool
make_room(struct hidden_service *s)
{
	struct publisher *p = s->state;
	uint32_t oldest = expire(s, UINT64_MAX);

	if (oldest != PEEL_NONE)
		outlet_end(p, oldest);
	else if (!p->told_full)
		peel_log(PEEL_LOG_WARNING,
			"more than %d peers at a time: further ones are not "
			"heard until others are silent",
			SERVICE_PEERS_MAX);
	p->told_full = true;
	return oldest != PEEL_NONE;
}

/* ---- of struct service_role ------------------------------------------------------------------ */

static void
on_data(struct hidden_service *s, uint32_t peer, const void *payload, size_t len)
{
	struct publisher *p = s->state;
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)payload, (unsigned int)len);
	uint32_t slot = find(p, peer);

	if (slot == PEEL_NONE && (p->slots.n < SERVICE_PEERS_MAX || make_room(s)))
		slot = outlet_begin(s, peer);
	if (slot == PEEL_NONE) {
		service_delivered(s, len, -ENOBUFS);
		return;
	}
	p->outlet[slot].last_ms = uv_now(&s->tool.session.loop);
	service_delivered(s, len, uv_udp_try_send(&p->outlet[slot].port->udp, &buf, 1, NULL));
}

static void
on_peer(struct hidden_service *s, uint32_t peer, bool connected)
{
	struct publisher *p = s->state;
	uint32_t slot = connected ? PEEL_NONE : find(p, peer);

	if (slot != PEEL_NONE)
		outlet_end(p, slot);
}

static void
on_tick(struct hidden_service *s)
{
	(void)expire(s, (uint64_t)s->idle * 1000);
}

static int
publisher_open(struct hidden_service *s, char *why, size_t why_size)
{
	struct publisher *p = calloc(1, sizeof(*p));

	(void)why;
	(void)why_size;
	if (p == NULL)
		return -ENOMEM;
	s->state = p;
	peel_random(&peel_env_system, &p->seed, sizeof(p->seed));
	peel_slots_init(
		&p->slots, SERVICE_PEERS_MAX, PEEL_REUSE_SOON, PEEL_LINKS(&p->outlet[0], next));
	return peel_chains_init(&p->by_peer, SERVICE_PEERS_MAX, PEEL_LINKS(&p->outlet[0], next));
}

/* The loop has let go of all handles. */
static void
publisher_close(struct hidden_service *s)
{
	struct publisher *p = s->state;

	if (p == NULL)
		return;
	for (uint32_t slot = 0; slot < SERVICE_PEERS_MAX; slot++)
		free(p->outlet[slot].port);
	peel_chains_fini(&p->by_peer);
	free(p);
}

const struct service_role service_publish = {
	.seed = true,
	.open = publisher_open,
	.peer = on_peer,
	.data = on_data,
	.tick = on_tick,
	.close = publisher_close,
};
