/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "world.h"

/* What workers do with one cell, and the passing of time. */

static uint32_t
route_of(struct node *n, const struct peel_addr *from, uint32_t cid)
{
	return peel_route_lookup(n->routes, from, cid);
}

static void
at_exit(struct relay *r, const struct peel_route *route, bool early, const uint8_t *msg, int len)
{
	uint32_t generation = peel_session_generation(r->node.routes, route->session);

	if (len == 3 && msg[0] == PEEL_MSG_PING) {
		const uint8_t pong[3] = {PEEL_MSG_PONG, msg[1], msg[2]};

		assert_int_equal(peel_or_answer(r->circuits, route->session, pong, 3), 0);
		return;
	}
	r->n_extends += len > 0 && msg[0] == PEEL_MSG_EXTEND;
	if (len > 0 && msg[0] == PEEL_MSG_EXTEND)
		assert_true(early); /* always, section 13.6 */
	if (len <= 0 || peel_or_message(r->circuits, route->session, generation, early, msg,
				(size_t)len) != -ENOENT)
		return;
	memcpy(r->message, msg, (size_t)len);
	r->message_len = (size_t)len;
	r->message_early = early;
	r->session = route->session;
}

static void
relay_cell(struct relay *r, struct peel_route *route, const struct peel_cell *cell)
{
	bool back = route->kind == PEEL_ROUTE_BACKWARD;
	struct peel_session *s = peel_session_at(r->node.routes, route->session);
	struct peel_direction *direction = back ? &s->backward : &s->forward;
	uint8_t out[PEEL_DATAGRAM_MAX + PEEL_SEAL_OVERHEAD];
	int len = (int)(cell->message.len + PEEL_SEAL_OVERHEAD);

	if (back)
		peel_seal_one(&direction->key, direction->salt, peel_direction_next(direction),
			cell->message.p, cell->message.len, out + PEEL_CELL_HEADER_LEN);
	else
		len = peel_open_one(&direction->key, direction->salt, cell->message.p,
			cell->message.len, out + PEEL_CELL_HEADER_LEN);
	if (len < 0 || (back && r->misdeed == MUTE))
		return;
	peel_direction_account(
		direction, (uint32_t)(world->now_ms / 1000), (uint32_t)cell->message.len);
	if (route->kind == PEEL_ROUTE_EXIT) {
		at_exit(r, route, cell->early, out + PEEL_CELL_HEADER_LEN, len);
		return;
	}
	if (cell->early && route->n_early >= route->max_early)
		return;
	if (route->n_early < UINT8_MAX)
		route->n_early++; /* the strict reading: every cell counts */
	peel_cell_header(out, world_prefix, route->out_cid, false, cell->early);
	world_node_send(&r->node, &route->out, out, PEEL_CELL_HEADER_LEN + (size_t)len);
}

static void
relay_input(struct relay *r, const struct packet *p)
{
	struct peel_cell cell;

	if (r->misdeed == DEAD)
		return;
	if (peel_cell_parse(p->data, p->len, &cell) == 0 && !cell.plain) {
		uint32_t slot = route_of(&r->node, &p->from, cell.cid);

		if (slot != PEEL_NONE)
			relay_cell(r, peel_route_at(r->node.routes, slot), &cell);
		return;
	}
	if (p->len > PEEL_HEADER_LEN && p->data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY) {
		r->n_destroys++;
		r->destroy_reason = peel_get_be16(p->data + 103);
	}
	r->n_created += p->data[PEEL_PREFIX_LEN] == PEEL_MSG_CELL && cell.plain &&
			p->data[PEEL_CELL_HEADER_LEN] == PEEL_MSG_CREATED;
	(void)peel_or_datagram(r->circuits, &p->from, p->data, p->len);
	peel_or_join(r->circuits);
}

/* Every layer of the path, as many as there are. */
static int
client_open(struct client *c, uint32_t path, const struct peel_cell *cell, uint8_t *msg)
{
	const struct peel_path *p = peel_path_at(c->paths, path);
	unsigned int n = peel_path_n_layers(p);
	uint8_t in[PEEL_DATAGRAM_MAX];
	int len = (int)cell->message.len;

	if (n == 0)
		return -EPROTO;
	memcpy(msg, cell->message.p, cell->message.len);
	for (unsigned int i = 0; i < n; i++) {
		struct peel_direction *direction =
			&peel_session_at(c->node.routes, p->session[i])->backward;

		memcpy(in, msg, (size_t)len);
		len = peel_open_one(&direction->key, direction->salt, in, (size_t)len, msg);
		if (len < 0)
			return len;
		peel_direction_seen(direction, (uint32_t)(world->now_ms / 1000));
	}
	peel_direction_account(&peel_session_at(c->node.routes, p->session[0])->backward,
		(uint32_t)(world->now_ms / 1000),
		(uint32_t)(PEEL_CELL_HEADER_LEN + cell->message.len));
	return len;
}

static int
client_input(struct client *c, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct peel_cell cell;

	if (peel_cell_parse(data, len, &cell) != 0 || cell.plain)
		return peel_origin_datagram(c->origin_circuits, from, data, len);
	uint32_t slot = route_of(&c->node, from, cell.cid);

	if (slot == PEEL_NONE)
		return -ENOENT;
	uint32_t path = peel_route_at(c->node.routes, slot)->peer;
	/* A worker drops every cell of a route with a limit of 0. */
	assert_int_equal(peel_route_at(c->node.routes, slot)->max_early, UINT8_MAX);
	int got = client_open(c, path, &cell, msg);

	if (got <= 0)
		return -EBADMSG;
	peel_origin_id id = peel_origin_make_id(path, peel_path_generation(c->paths, path));
	int ret = peel_origin_message(c->origin_circuits, id, msg, (size_t)got);

	if (ret == -ENOENT) {
		memcpy(c->message, msg, (size_t)got);
		c->message_len = (size_t)got;
	}
	return ret;
}

int
world_inject(const struct peel_addr *from, const uint8_t *data, size_t len)
{
	return world->client.result = client_input(&world->client, from, data, len);
}

/* ---- time ------------------------------------------------------------------------------------ */

static struct packet *
first_flying(void)
{
	struct packet *first = NULL;

	for (unsigned int i = 0; i < world->n_flying; i++) {
		struct packet *p = &world->flying[i];

		if (first == NULL || p->due_ms < first->due_ms ||
			(p->due_ms == first->due_ms && p->order < first->order))
			first = p;
	}
	return first;
}

static void
deliver(struct packet *flying)
{
	static struct packet p;

	p = *flying;
	*flying = world->flying[--world->n_flying];
	if (peel_addr_equal(&p.to, &world->client.node.addr)) {
		world_inject(&p.from, p.data, p.len);
		return;
	}
	for (unsigned int i = 0; i < world->n_relays; i++) {
		if (peel_addr_equal(&world->relay[i]->node.addr, &p.to))
			relay_input(world->relay[i], &p);
	}
}

static void
tick(void)
{
	struct client *c = &world->client;
	uint64_t in_ms = peel_origin_tick(c->origin_circuits);

	assert_true(in_ms >= 1 && in_ms <= 1000);
	world->next_tick_ms = world->now_ms + in_ms;
	peel_rcu_poll(c->node.rcu);
}

static void
relays_tick(void)
{
	world->relays_tick_ms = world->now_ms + 1000;
	for (unsigned int i = 0; i < world->n_relays; i++) {
		(void)peel_or_tick(world->relay[i]->circuits);
		peel_rcu_poll(world->relay[i]->node.rcu);
	}
}

void
world_run(uint64_t ms)
{
	uint64_t until = world->now_ms + ms;

	for (;;) {
		struct packet *p = first_flying();
		uint64_t at = world->next_tick_ms < world->relays_tick_ms ? world->next_tick_ms
									  : world->relays_tick_ms;
		bool packet = p != NULL && p->due_ms <= at;

		if (packet)
			at = p->due_ms;

		if (at > until)
			break;
		if (at > world->now_ms)
			world->now_ms = at;
		if (packet)
			deliver(p);
		else if (at == world->next_tick_ms)
			tick();
		else
			relays_tick();
	}
	world->now_ms = until;
}
