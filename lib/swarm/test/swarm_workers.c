/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "swarm_world.h"

/* What workers do with one cell, and what dispatchers do with one message. */

#define EXIT_PORTS 20000 /* outside port of an exit: this and its session */

static uint32_t
now_s(void)
{
	return (uint32_t)(net->now_ms / 1000);
}

/* ---- relays ---------------------------------------------------------------------------------- */

static bool
is_hidden_datagram(const uint8_t *d, size_t len)
{
	return len > PEEL_PREFIX_LEN && memcmp(d, net_prefix, PEEL_PREFIX_LEN) == 0 &&
	       (d[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E ||
		       d[PEEL_PREFIX_LEN] == PEEL_MSG_CREATED_E2E ||
		       d[PEEL_PREFIX_LEN] == PEEL_MSG_PEERS_REQUEST ||
		       d[PEEL_PREFIX_LEN] == PEEL_MSG_PEERS_RESPONSE);
}

static void
exit_data(struct relay *r, const struct peel_route *route, const uint8_t *msg, size_t len)
{
	uint32_t generation = peel_session_generation(r->routes, route->session);
	struct peel_addr outside = r->addr;
	struct peel_msg_data m;

	outside.port = (uint16_t)(EXIT_PORTS + route->session);
	if (peel_data_parse(msg + 1, len - 1, &m) != 0 ||
		!is_hidden_datagram(m.payload.p, m.payload.len))
		return;
	if (route->endpoint == 0 && peel_or_exit_opened(r->circuits, route->session, generation,
					    route->session + 1) != 0)
		return;
	net_send(&outside, &m.destination.addr, m.payload.p, m.payload.len);
}

static void
at_exit(struct relay *r, const struct peel_route *route, bool early, const uint8_t *msg, size_t len)
{
	uint32_t generation = peel_session_generation(r->routes, route->session);

	if (len == 0)
		return;
	if (net->at_end != NULL && !net->at_end(r, route, msg, len))
		return;
	r->n_establish +=
		msg[0] == PEEL_MSG_ESTABLISH_INTRO || msg[0] == PEEL_MSG_ESTABLISH_RENDEZVOUS;
	r->n_peers_request += msg[0] == PEEL_MSG_PEERS_REQUEST;
	if (msg[0] == PEEL_MSG_PING) {
		const uint8_t pong[3] = {PEEL_MSG_PONG, msg[1], msg[2]};

		(void)peel_or_answer(r->circuits, route->session, pong, 3);
	} else if (msg[0] == PEEL_MSG_DATA) {
		exit_data(r, route, msg, len);
	} else if (peel_or_message(r->circuits, route->session, generation, early, msg, len) ==
		   -ENOENT) {
		(void)peel_hidden_message(r->hidden, route->session, generation, msg, len);
	}
}

static void
relay_cell(struct relay *r, struct peel_route *route, const struct peel_cell *cell)
{
	bool back = route->kind == PEEL_ROUTE_BACKWARD;
	struct peel_session *s = peel_session_at(r->routes, route->session);
	uint8_t plain[PEEL_DATAGRAM_MAX], out[PEEL_DATAGRAM_MAX + PEEL_SEAL_OVERHEAD];
	uint8_t *body = out + PEEL_CELL_HEADER_LEN;
	bool early = cell->early;
	int len;

	peel_direction_account(back ? &s->backward : &s->forward, now_s(), 1);
	if (back) {
		len = (int)(cell->message.len + PEEL_SEAL_OVERHEAD);
		peel_seal_one(&s->backward.key, s->backward.salt, peel_direction_next(&s->backward),
			cell->message.p, cell->message.len, body);
	} else {
		len = peel_open_one(
			&s->forward.key, s->forward.salt, cell->message.p, cell->message.len, body);
	}
	if (len < 0)
		return;
	if (route->kind == PEEL_ROUTE_EXIT) {
		at_exit(r, route, early, body, (size_t)len);
		return;
	}
	if (route->kind == PEEL_ROUTE_RENDEZVOUS) {
		struct peel_direction *to = &peel_session_at(r->routes, route->peer)->backward;

		if (r->forgetful)
			return;
		memcpy(plain, body, (size_t)len);
		peel_seal_one(
			&to->key, to->salt, peel_direction_next(to), plain, (size_t)len, body);
		len += PEEL_SEAL_OVERHEAD;
		early = false;
	}
	if (early && route->n_early >= route->max_early)
		return;
	if (route->n_early < UINT8_MAX)
		route->n_early++; /* the strict reading: every cell counts */
	peel_cell_header(out, net_prefix, route->out_cid, false, early);
	net_send(&r->addr, &route->out, out, PEEL_CELL_HEADER_LEN + (size_t)len);
}

/* To the outside port of an exit. */
static void
exit_return(struct relay *r, const struct flying *p)
{
	uint8_t out[PEEL_DATAGRAM_MAX];
	const struct peel_msg_data m = {
		.destination = {.type = PEEL_HOST_IPV4, .addr.family = PEEL_FAMILY_IPV4},
		.origin = {.type = PEEL_HOST_IPV4, .addr = p->from},
		.payload = {p->data, p->len},
	};
	int len = peel_data_build(out, sizeof(out), &m);

	if (is_hidden_datagram(p->data, p->len) && len > 0)
		(void)peel_or_answer(
			r->circuits, p->to.port - (uint32_t)EXIT_PORTS, out, (size_t)len);
}

void
relay_input(struct relay *r, const struct flying *p)
{
	struct peel_cell cell;

	if (r->dead)
		return;
	if (p->to.port != r->addr.port) {
		exit_return(r, p);
		return;
	}
	if (peel_cell_parse(p->data, p->len, &cell) == 0 && !cell.plain) {
		uint32_t slot = peel_route_lookup(r->routes, &p->from, cell.cid);

		if (slot != PEEL_NONE)
			relay_cell(r, peel_route_at(r->routes, slot), &cell);
		return;
	}
	if (is_hidden_datagram(p->data, p->len)) {
		r->n_create_e2e += p->data[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E;
		r->n_peers_request += p->data[PEEL_PREFIX_LEN] == PEEL_MSG_PEERS_REQUEST;
		if (r->silent)
			return;
	}
	if (peel_or_datagram(r->circuits, &p->from, p->data, p->len) == -ENOENT)
		(void)peel_hidden_datagram(r->hidden, &p->from, p->data, p->len);
	peel_or_join(r->circuits);
}

/* ---- users ----------------------------------------------------------------------------------- */

/* Every layer of the path, as many as there are; the innermost of a downloader the other way
 * round. */
static int
open_layers(struct user *u, uint32_t path, const struct peel_cell *cell, uint8_t *msg)
{
	const struct peel_path *p = peel_path_at(u->paths, path);
	unsigned int n = peel_path_n_layers(p);
	const uint8_t reversed = PEEL_PATH_E2E | PEEL_PATH_REVERSED;
	uint8_t in[PEEL_DATAGRAM_MAX];
	int len = (int)cell->message.len;

	if (n == 0)
		return -EPROTO;
	memcpy(msg, cell->message.p, cell->message.len);
	for (unsigned int i = 0; i < n; i++) {
		struct peel_session *s = peel_session_at(u->routes, p->session[i]);
		bool other_way = i + 1 == n && (peel_path_flags(p) & reversed) == reversed;
		struct peel_direction *direction = other_way ? &s->forward : &s->backward;

		memcpy(in, msg, (size_t)len);
		len = peel_open_one(&direction->key, direction->salt, in, (size_t)len, msg);
		if (len < 0)
			return len;
		if (i == 0)
			peel_direction_account(direction, now_s(), (uint32_t)cell->message.len);
		else
			peel_direction_seen(direction, now_s());
	}
	return len;
}

static struct peer *
peer_of(struct user *u, peel_origin_id id)
{
	for (unsigned int i = 0; i < u->n_peers; i++) {
		if (u->peer[i].circuit == id && !u->peer[i].gone)
			return &u->peer[i];
	}
	return NULL;
}

static void
user_data(struct user *u, peel_origin_id id, uint8_t flags, const uint8_t *msg, size_t len)
{
	struct peel_msg_data m;

	if (peel_data_parse(msg + 1, len - 1, &m) != 0)
		return;
	if ((flags & PEEL_PATH_E2E) != 0) {
		bool is_peer = peel_swarms_heard(u->swarms, id);
		struct peer *p = peer_of(u, id);

		assert_int_equal(is_peer, p != NULL);
		if (p == NULL)
			return;
		p->n_data++;
		p->data_len = m.payload.len < sizeof(p->data) ? m.payload.len : sizeof(p->data);
		memcpy(p->data, m.payload.p, p->data_len);
		return;
	}
	if (!is_hidden_datagram(m.payload.p, m.payload.len))
		return;
	if (m.payload.p[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E &&
		(flags & PEEL_PATH_INTRODUCTION) == 0)
		return; /* W2 */
	u->result = peel_swarms_datagram(u->swarms, id, &m.origin, m.payload.p, m.payload.len);
}

static void
user_message(struct user *u, peel_origin_id id, uint8_t flags, const uint8_t *msg, size_t len)
{
	if (msg[0] == PEEL_MSG_DATA)
		user_data(u, id, flags, msg, len);
	else if (peel_origin_message(u->origin, id, msg, len) == -ENOENT)
		u->result = peel_swarms_message(u->swarms, id, msg, len);
}

void
user_input(struct user *u, const struct flying *p)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct peel_cell cell;

	if (peel_cell_parse(p->data, p->len, &cell) != 0 || cell.plain) {
		(void)peel_origin_datagram(u->origin, &p->from, p->data, p->len);
		return;
	}
	uint32_t slot = peel_route_lookup(u->routes, &p->from, cell.cid);

	if (slot == PEEL_NONE)
		return;
	uint32_t path = peel_route_at(u->routes, slot)->peer;
	int len = open_layers(u, path, &cell, msg);

	if (len > 0)
		user_message(u, peel_origin_make_id(path, peel_path_generation(u->paths, path)),
			peel_path_flags(peel_path_at(u->paths, path)), msg, (size_t)len);
}
