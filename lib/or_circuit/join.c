/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "or_internal.h"

/*
 * Joining a circuit: create in, created out, section 16.1. Cheap refusals come first: the handshake
 * costs three scalar multiplications, and any node can ask for it. Creates that pass wait for their
 * turn (waiting.c) and are joined a few at a time, as handshakes cost much less together.
 */

/* Make session and route. On failure the caller drops the entry. */
static int
publish(struct peel_or_circuits *c, struct or_circuit *ci, const struct peel_addr *from,
	const struct peel_session_keys *keys)
{
	struct peel_route route = {
		.in = *from,
		.in_cid = ci->cid[PREVIOUS],
		.out = *from,
		.out_cid = ci->cid[PREVIOUS],
		.peer = PEEL_NONE,
		.kind = PEEL_ROUTE_EXIT,
		.max_early = UINT8_MAX, /* only relays limit them */
	};
	int ret = peel_session_add(c->conf.routes, &keys->forward, keys->salt_forward,
		&keys->backward, keys->salt_backward, now_s(c), &ci->session);

	if (ret != 0)
		return ret;
	ci->active_s = ci->seen_s[0] = ci->seen_s[1] = now_s(c);
	route.session = ci->session;
	ret = or_map_session(c, ci);
	if (ret == 0)
		ret = peel_route_publish(c->conf.routes, &route, &ci->route[PREVIOUS]);
	if (ret != 0) {
		if (ci->session < c->n_by_session)
			c->by_session[ci->session] = PEEL_NONE;
		peel_session_retire(c->conf.routes, ci->session);
		return ret;
	}
	return 0;
}

/* Called after all checks and the handshake. 0, or -errno if there is no room. */
static int
enter(struct peel_or_circuits *c, const struct joining *j, const struct peel_handshake *h)
{
	unproved_make_room(c, j->standing);
	struct or_circuit *ci = or_new(c);

	if (ci == NULL)
		return -ENOSPC;
	ci->cid[PREVIOUS] = j->cid;
	ci->joined_ms = peel_now_ms(c->env);
	ci->key[PREVIOUS] = or_keys_get(&c->keys, j->pk);
	int ret = ci->key[PREVIOUS] != PEEL_NONE ? publish(c, ci, &j->from, &h->keys) : -ENOMEM;

	if (ret != 0) {
		or_drop(c, ci);
		return ret;
	}
	ci->kind = KIND_EXIT;
	ci->exit_open = true;
	c->n_exits++;
	unproved_enter(c, ci, j->standing);
	/* Strangers' pairs are remembered once they are proved: invented ones must not push out
	 * used ones. */
	if (j->standing == NEIGHBOUR)
		recent_add(
			&c->recent, &j->from, j->cid, now_s(c) + c->conf.settings.unstable_timeout);
	or_created_send(c, ci, &j->from, j->identifier, h);
	return 0;
}

static bool
over_rate(struct peel_or_circuits *c, const struct peel_addr *from, enum standing standing)
{
	struct pool *p = &c->pool[standing];

	/* The source comes first: a flooding source must not use up the common budget. */
	return !peel_rate_take(p->rate, from, 1) ||
	       !peel_bucket_take(&p->create, p->per_second, p->per_second, 1, peel_now_ms(c->env));
}

/* Little may be sent: what is left is for circuits that are there, and for neighbours. */
static bool
bandwidth_scarce(const struct peel_or_circuits *c)
{
	return c->conf.scarce != NULL && c->conf.scarce(c->conf.arg);
}

static enum standing
standing_of(const struct peel_or_circuits *c, const struct peel_addr *from)
{
	if (source_proved(&c->sources, from, now_s(c)) ||
		(c->conf.proved != NULL && c->conf.proved(c->conf.arg, from)))
		return NEIGHBOUR;
	return STRANGER;
}

static bool
in_use(struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid)
{
	return recent_has(&c->recent, from, cid, now_s(c)) || or_in_use(c, from, cid);
}

bool
or_is_banned(const struct peel_or_circuits *c, const struct peel_addr *addr, const uint8_t *pk)
{
	return c->conf.banned != NULL && c->conf.banned(c->conf.arg, addr, pk);
}

bool
or_neighbour_banned(const struct peel_or_circuits *c, const struct peel_addr *addr, uint32_t key)
{
	uint8_t pk[PEEL_PK_LEN];

	or_keys_read(&c->keys, key, pk);
	return or_is_banned(c, addr, pk);
}

/* The counter of the refusal, or PEEL_CREATE_ACCEPTED. */
static enum peel_counter
check(struct peel_or_circuits *c, const struct peel_addr *from, const struct peel_cell *cell,
	struct peel_msg_create *m, enum standing *standing)
{
	const struct peel_or_settings *s = &c->conf.settings;

	if (c->draining)
		return PEEL_CREATE_REFUSED_DRAIN;
	/* Without flags the node takes part in nothing. Without early cells it would drop every
	 * cell (section 13.6). */
	if (s->peer_flags == 0 || s->max_relay_early == 0)
		return PEEL_CREATE_REFUSED_LIMIT;
	/* Source port 0 is legal in a datagram, but cannot be answered. */
	if (from->port == 0 ||
		peel_create_parse(cell->message.p + 1, cell->message.len - 1, m) != 0)
		return PEEL_CREATE_REFUSED_BAD;
	if (or_is_banned(c, from, NULL))
		return PEEL_CREATE_REFUSED_BANNED;
	if (in_use(c, from, cell->cid) || waiting_find(c, from, cell->cid) != NULL)
		return PEEL_CREATE_REFUSED_IN_USE;
	*standing = standing_of(c, from);
	if (*standing == STRANGER && bandwidth_scarce(c))
		return PEEL_CREATE_REFUSED_BANDWIDTH;
	if (over_rate(c, from, *standing))
		return PEEL_CREATE_REFUSED_RATE;
	if (or_is_banned(c, NULL, m->pk.p)) /* takes a hash */
		return PEEL_CREATE_REFUSED_BANNED;
	if (!unproved_room(c, from, *standing))
		return PEEL_CREATE_REFUSED_LIMIT;
	return PEEL_CREATE_ACCEPTED;
}

/* The same once the handshake is done: meanwhile others may have taken its id or its place,
 * or its sender may have been banned. */
static enum peel_counter
join(struct peel_or_circuits *c, const struct joining *j, const struct peel_handshake *h)
{
	if (c->draining)
		return PEEL_CREATE_REFUSED_DRAIN;
	if (or_is_banned(c, &j->from, j->pk))
		return PEEL_CREATE_REFUSED_BANNED;
	if (h->ret != 0)
		return PEEL_CREATE_REFUSED_BAD;
	if (in_use(c, &j->from, j->cid))
		return PEEL_CREATE_REFUSED_IN_USE;
	if (!unproved_room(c, &j->from, j->standing) || enter(c, j, h) != 0)
		return PEEL_CREATE_REFUSED_LIMIT;
	return PEEL_CREATE_ACCEPTED;
}

/* ---- handshakes ------------------------------------------------------------------------------ */

/* Take those whose turn it is. */
static void
fill(struct peel_or_circuits *c, struct peel_handshake_batch *b, unsigned int max)
{
	struct joining *j;

	b->n = 0;
	while (b->n < max && (j = waiting_take(c)) != NULL) {
		memcpy(b->h[b->n].x, j->x, sizeof(b->h[b->n].x));
		b->ticket[b->n++] = waiting_index(c, j);
	}
}

/* Join those whose handshakes are done. @return how many were joined. */
static unsigned int
finish(struct peel_or_circuits *c, const struct peel_handshake_batch *b)
{
	unsigned int n_joined = 0;

	if (b->n > 0 && c->conf.handshakes != NULL)
		peel_histogram_add(c->conf.handshakes, b->ns / b->n, b->n);
	for (unsigned int i = 0; i < b->n; i++) {
		/* Callbacks may bring new creates. */
		struct joining j = c->waiting.entry[b->ticket[i]];

		waiting_end(c, &c->waiting.entry[b->ticket[i]]);
		if (j.gone)
			continue;
		enum peel_counter result = join(c, &j, &b->h[i]);

		count(c, result);
		n_joined += result == PEEL_CREATE_ACCEPTED;
	}
	return n_joined;
}

static unsigned int
join_here(struct peel_or_circuits *c)
{
	const struct peel_or_conf *conf = &c->conf;
	uint64_t begun = conf->handshakes != NULL ? conf->clock_ns() : 0;
	struct peel_handshake_batch b;
	unsigned int n_joined;

	/* Where they cost no less together, other messages need not wait for so many. */
	fill(c, &b, peel_x25519_lanes() > 1 ? PEEL_HANDSHAKES : PEEL_HANDSHAKES / 4);
	if (b.n == 0)
		return 0;
	peel_handshake_respond_batch(c->env, conf->identity, c->key_pairs, b.h, b.n);
	b.ns = conf->handshakes != NULL ? conf->clock_ns() - begun : 0;
	n_joined = finish(c, &b);
	peel_wipe(&b, sizeof(b));
	return n_joined;
}

static unsigned int
join_elsewhere(struct peel_or_circuits *c, struct peel_handshake_queue *q)
{
	struct peel_handshake_batch *b;
	unsigned int n_joined = 0;

	while ((b = peel_handshake_queue_collect(q)) != NULL) {
		n_joined += finish(c, b);
		peel_handshake_queue_give(q, b);
	}
	while (c->waiting.n > 0 && (b = peel_handshake_queue_take(q, c->waiting.n)) != NULL) {
		fill(c, b, PEEL_HANDSHAKES);
		if (b->n > 0)
			peel_handshake_queue_put(q, b);
		else
			peel_handshake_queue_give(q, b);
	}
	return n_joined;
}

unsigned int
peel_or_join(struct peel_or_circuits *c)
{
	struct peel_handshake_queue *q = c->conf.handshake_queue;

	return q != NULL ? join_elsewhere(c, q) : join_here(c);
}

bool
peel_or_joins_wait(const struct peel_or_circuits *c)
{
	return c->waiting.n > 0 && c->conf.handshake_queue == NULL;
}

bool
peel_or_prepare(struct peel_or_circuits *c)
{
	return c->conf.settings.peer_flags != 0 && c->conf.handshake_queue == NULL &&
	       peel_key_pairs_fill(c->key_pairs, c->env);
}

/* ---- creates --------------------------------------------------------------------------------- */

int
or_join(struct peel_or_circuits *c, const struct peel_addr *from, const struct peel_cell *cell)
{
	struct peel_msg_create m;
	enum standing standing;
	enum peel_counter result = check(c, from, cell, &m, &standing);

	if (result != PEEL_CREATE_ACCEPTED)
		return refuse(c, result);
	struct joining *j = waiting_add(c, from, cell->cid, standing);

	j->identifier = m.identifier;
	memcpy(j->pk, m.pk.p, sizeof(j->pk));
	memcpy(j->x, m.x.p, sizeof(j->x));
	return 0;
}

void
peel_or_drain(struct peel_or_circuits *c, bool drain)
{
	c->draining = drain;
}
