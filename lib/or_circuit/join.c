/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "or_internal.h"
#include "peel_discovery.h"

/*
 * Joining a circuit: create in, created out, section 16.1. Cheap refusals come first: the handshake
 * costs three scalar multiplications, and any node can ask for it. Creates that pass wait for
 * others of the same turn of the control thread, as handshakes cost much less together.
 */

#define N_EACH 4 /* relays, and as many exits, in the candidate list: section 14.5 */
/* For a stranger: with the first exit twice, this makes 455 bytes on the network in answer to 170,
 * which go to a possibly forged address. */
#define N_RELAYS_STRANGER 2
#define N_EXITS_STRANGER 1
#define LIST_MAX (1 + PEEL_CANDIDATES_MAX * (2 + PEEL_PK_LEN))

/* Choose up to max candidates, and remember what is needed to extend the circuit to them later. */
static size_t
offer(struct peel_or_circuits *c, struct or_circuit *ci, uint16_t all, uint16_t none, size_t max,
	struct peel_target out[N_EACH])
{
	size_t n = 0, got = 0;

	if (ci->offer == PEEL_NONE)
		ci->offer = or_offer_new(&c->offers);
	if (ci->offer == PEEL_NONE)
		return 0; /* do not offer candidates that we cannot remember */
	if (c->conf.candidates != NULL)
		got = c->conf.candidates(c->conf.arg, all, none, out, max);
	struct offer *o = &c->offers.offer[ci->offer];

	for (size_t i = 0; i < got && i < max; i++) {
		if (!peel_pk_valid((struct peel_span){out[i].pk, PEEL_PK_LEN}))
			continue;
		uint32_t key = or_keys_get(&c->keys, out[i].pk);

		if (key == PEEL_NONE)
			break;
		o->key[o->n] = key;
		o->addr[o->n++] = out[i].addr;
		out[n++] = out[i];
	}
	return n;
}

/* Seal the candidate list. W1: with the originator's own sealing key, hence with a salt that no
 * originator uses. */
static size_t
candidates_enc(struct peel_or_circuits *c, struct or_circuit *ci,
	const struct peel_session_keys *keys, uint8_t out[LIST_MAX + PEEL_SEAL_OVERHEAD])
{
	struct peel_target relay[N_EACH], exit[N_EACH];
	const uint8_t *relays[N_EACH], *exits[N_EACH];
	uint8_t list[LIST_MAX];
	bool stranger = ci->standing == STRANGER;
	size_t n_relays = offer(c, ci, PEEL_FLAG_RELAY, PEEL_FLAG_EXIT_BT,
		stranger ? N_RELAYS_STRANGER : N_EACH, relay);
	size_t n_exits = offer(c, ci, PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT, 0,
		stranger ? N_EXITS_STRANGER : N_EACH, exit);

	for (size_t i = 0; i < N_EACH; i++) {
		relays[i] = relay[i].pk;
		exits[i] = exit[i].pk;
	}
	int len = peel_candidates_build(list, sizeof(list), relays, n_relays, exits, n_exits);

	if (len < 0)
		return 0; /* cannot happen: the list has room for the maximum */
	peel_seal_one(&keys->forward, keys->salt_forward, peel_random_u64(c->env) | 1ull << 63,
		list, (size_t)len, out);
	return (size_t)len + PEEL_SEAL_OVERHEAD;
}

static void
answer(struct peel_or_circuits *c, struct or_circuit *ci, const struct peel_addr *to,
	uint16_t identifier, const struct peel_handshake *h)
{
	uint8_t enc[LIST_MAX + PEEL_SEAL_OVERHEAD];
	uint8_t out[PEEL_CELL_HEADER_LEN + 128 + sizeof(enc)];
	struct peel_msg_created m = {
		.identifier = identifier,
		.y = {h->y, sizeof(h->y)},
		.auth = {h->auth, sizeof(h->auth)},
		.candidates_enc = {enc, candidates_enc(c, ci, &h->keys, enc)},
	};
	int len = peel_created_build(out + PEEL_CELL_HEADER_LEN, sizeof(out) - PEEL_CELL_HEADER_LEN,
		PEEL_MSG_CREATED, &m);

	peel_cell_header(out, c->conf.prefix, ci->cid[PREVIOUS], true, false);
	if (len > 0)
		c->conf.send(c->conf.arg, to, out, PEEL_CELL_HEADER_LEN + (size_t)len);
}

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
	answer(c, ci, &j->from, j->identifier, h);
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
	if (in_use(c, from, cell->cid))
		return PEEL_CREATE_REFUSED_IN_USE;
	*standing = standing_of(c, from);
	if (over_rate(c, from, *standing))
		return PEEL_CREATE_REFUSED_RATE;
	if (!unproved_room(c, from, *standing))
		return PEEL_CREATE_REFUSED_LIMIT;
	return PEEL_CREATE_ACCEPTED;
}

/* The same once the handshake is done. Those that waited together may have taken each other's id or
 * place. */
static enum peel_counter
join(struct peel_or_circuits *c, const struct joining *j, const struct peel_handshake *h)
{
	if (h->ret != 0)
		return PEEL_CREATE_REFUSED_BAD;
	if (in_use(c, &j->from, j->cid))
		return PEEL_CREATE_REFUSED_IN_USE;
	if (!unproved_room(c, &j->from, j->standing) || enter(c, j, h) != 0)
		return PEEL_CREATE_REFUSED_LIMIT;
	return PEEL_CREATE_ACCEPTED;
}

static void
handshakes(struct peel_or_circuits *c, struct peel_handshake *h, uint32_t n)
{
	const struct peel_or_conf *conf = &c->conf;
	uint64_t begun = conf->handshakes != NULL ? conf->clock_ns() : 0;

	peel_handshake_respond_batch(c->env, conf->identity, c->key_pairs, h, n);
	if (conf->handshakes != NULL)
		peel_histogram_add(conf->handshakes, (conf->clock_ns() - begun) / n, n);
}

unsigned int
peel_or_join(struct peel_or_circuits *c)
{
	struct joining joining[JOINING_MAX];
	struct peel_handshake h[JOINING_MAX];
	uint32_t n = c->n_joining;
	unsigned int n_joined = 0;

	if (n == 0)
		return 0;
	/* Callbacks may bring new creates. */
	memcpy(joining, c->joining, n * sizeof(joining[0]));
	c->n_joining = 0;
	for (uint32_t i = 0; i < n; i++)
		memcpy(h[i].x, joining[i].x, sizeof(h[i].x));
	handshakes(c, h, n);
	for (uint32_t i = 0; i < n; i++) {
		enum peel_counter result = join(c, &joining[i], &h[i]);

		count(c, result);
		n_joined += result == PEEL_CREATE_ACCEPTED;
	}
	peel_wipe(h, n * sizeof(h[0]));
	return n_joined;
}

bool
peel_or_prepare(struct peel_or_circuits *c)
{
	return c->conf.settings.peer_flags != 0 && peel_key_pairs_fill(c->key_pairs, c->env);
}

int
or_join(struct peel_or_circuits *c, const struct peel_addr *from, const struct peel_cell *cell)
{
	struct peel_msg_create m;
	enum standing standing;
	enum peel_counter result = check(c, from, cell, &m, &standing);

	if (result != PEEL_CREATE_ACCEPTED)
		return refuse(c, result);
	struct joining *j = &c->joining[c->n_joining++];

	*j = (struct joining){
		.from = *from,
		.cid = cell->cid,
		.standing = standing,
		.identifier = m.identifier,
	};
	memcpy(j->pk, m.pk.p, sizeof(j->pk));
	memcpy(j->x, m.x.p, sizeof(j->x));
	if (c->n_joining == JOINING_MAX)
		peel_or_join(c);
	return 0;
}

void
peel_or_drain(struct peel_or_circuits *c, bool drain)
{
	c->draining = drain;
}
