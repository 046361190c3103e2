/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "or_internal.h"

/* Destroy, section 17: a signed datagram. Only the signer's place in the circuit authorises it. */

/* After this many bad signatures a neighbour can no longer destroy the circuit: honest neighbours
 * do not sign badly. */
#define BAD_MAX 3
/* a node with a million circuits must not sign for a minute: the rest times out */
#define SHUTDOWN_MS 3000

static bool
allowed(const struct peel_or_circuits *c, uint32_t route, const uint8_t *pk)
{
	enum side side;
	const struct or_circuit *ci = or_by_route(c, route, &side);

	return ci != NULL && !ci->removing && or_keys_equal(&c->keys, ci->key[side], pk);
}

/*
 * The route that this neighbour may destroy. Neighbours choose their ids, so several may use the
 * same one. If one key has it twice (from two of its addresses), the source address tells the
 * routes apart.
 */
static uint32_t
find_route(const struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid,
	const uint8_t *pk)
{
	uint32_t exact = peel_route_lookup(c->conf.routes, from, cid);
	uint32_t slot[PEEL_ROUTE_SAME_CID_MAX];

	if (exact != PEEL_NONE && allowed(c, exact, pk))
		return exact;
	for (unsigned int i = peel_routes_of_cid(c->conf.routes, cid, slot); i-- > 0;) {
		if (allowed(c, slot[i], pk))
			return slot[i];
	}
	return PEEL_NONE;
}

/* The id is not ours, but belongs to an origin circuit that another library manages. */
static bool
elsewhere(const struct peel_or_circuits *c, uint32_t cid)
{
	uint32_t slot[PEEL_ROUTE_SAME_CID_MAX];
	unsigned int n = peel_routes_of_cid(c->conf.routes, cid, slot);
	enum side side;

	for (unsigned int i = 0; i < n; i++) {
		if (or_by_route(c, slot[i], &side) != NULL)
			return false;
	}
	return n > 0;
}

/* Circuits that strangers invented must not use up the budget of others. */
static bool
may_verify(struct peel_or_circuits *c, enum standing standing)
{
	struct pool *p = &c->pool[standing == STRANGER ? STRANGER : NEIGHBOUR];

	return peel_bucket_take(&p->verify, p->per_second, p->per_second, 1, peel_now_ms(c->env));
}

/* A create that waits for its handshake, and whose sender wants it no more. */
static int
destroy_waiting(struct peel_or_circuits *c, struct joining *j, const struct peel_signed *frame)
{
	if (j->n_bad == BAD_MAX || !may_verify(c, j->standing))
		return refuse(c, PEEL_CONTROL_RATE);
	if (!peel_signed_verify(frame)) {
		j->n_bad++;
		return refuse(c, PEEL_BAD_SIGNATURE);
	}
	count(c, PEEL_DESTROY_RECEIVED);
	j->gone = true;
	return 0;
}

int
or_destroy(
	struct peel_or_circuits *c, const struct peel_addr *from, const uint8_t *data, size_t len)
{
	struct peel_signed frame;
	struct peel_msg_destroy m;

	if (peel_signed_parse(data, len, false, false, &frame) != 0 ||
		peel_destroy_parse(frame.body.p, frame.body.len, &m) != 0)
		return refuse(c, PEEL_CONTROL_MALFORMED);
	uint32_t route = find_route(c, from, m.cid, frame.pk.p);
	enum side side;

	if (route == PEEL_NONE) {
		struct joining *j = waiting_find(c, from, m.cid);

		if (j != NULL && !j->gone && memcmp(j->pk, frame.pk.p, PEEL_PK_LEN) == 0)
			return destroy_waiting(c, j, &frame);
		return elsewhere(c, m.cid) ? -ENOENT : refuse(c, PEEL_DESTROY_REFUSED);
	}
	struct or_circuit *ci = or_by_route(c, route, &side);
	uint8_t *n_bad = &ci->n_bad_destroy[side];

	/* Any node that knows an id and its owner's key can make us verify, which costs as much as
	 * answering a create. */
	if (*n_bad == BAD_MAX || !may_verify(c, ci->standing))
		return refuse(c, PEEL_CONTROL_RATE);
	if (!peel_signed_verify(&frame)) {
		++*n_bad;
		return refuse(c, PEEL_BAD_SIGNATURE);
	}
	count(c, PEEL_DESTROY_RECEIVED);
	if (m.reason != 0)
		or_destroy_beyond(c, ci, side, m.reason);
	or_remove(c, ci);
	return 0;
}

void
or_destroy_send(
	struct peel_or_circuits *c, const struct or_circuit *ci, enum side side, uint16_t reason)
{
	uint8_t out[PEEL_DESTROY_LEN];

	peel_destroy_build(out, c->conf.prefix, c->conf.identity, ci->cid[side], reason);
	c->conf.send(c->conf.arg, or_addr(c, ci, side), out, sizeof(out));
	count(c, PEEL_DESTROY_SENT);
}

unsigned int
or_destroy_beyond(
	struct peel_or_circuits *c, const struct or_circuit *ci, enum side side, uint16_t reason)
{
	switch (ci->kind) {
	case KIND_RELAY:
		or_destroy_send(c, ci, side == PREVIOUS ? NEXT : PREVIOUS, reason);
		return 1;
	case KIND_RENDEZVOUS:
		or_destroy_send(c, or_partner(c, ci), PREVIOUS, reason);
		return 1;
	default:
		return 0;
	}
}

unsigned int
or_destroy_all(struct peel_or_circuits *c, const struct or_circuit *ci, uint16_t reason)
{
	or_destroy_send(c, ci, PREVIOUS, reason);
	return 1 + or_destroy_beyond(c, ci, PREVIOUS, reason);
}

/* Do not tell a neighbour whose address may be forged: the node there may know nothing of the
 * circuit. */
static bool
may_tell(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	return ci->standing != STRANGER || or_used(c, ci);
}

void
or_close(struct peel_or_circuits *c, struct or_circuit *ci)
{
	if (may_tell(c, ci))
		or_destroy_all(c, ci, PEEL_DESTROY_UNNEEDED);
	or_remove(c, ci);
}

unsigned int
peel_or_close(struct peel_or_circuits *c, uint32_t cid)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < c->slots.n_high; i++) {
		struct or_circuit *ci = circuit_at(c, i);

		if (ci->kind == KIND_FREE || ci->removing ||
			(ci->cid[PREVIOUS] != cid &&
				(ci->kind != KIND_RELAY || ci->cid[NEXT] != cid)))
			continue;
		or_close(c, ci);
		n++;
	}
	return n;
}

unsigned int
peel_or_shutdown(struct peel_or_circuits *c)
{
	uint64_t until_ms = peel_now_ms(c->env) + SHUTDOWN_MS;
	unsigned int n = 0;

	waiting_forget(c);
	for (uint32_t i = 0; i < c->slots.n_high; i++) {
		struct or_circuit *ci = circuit_at(c, i);

		if (ci->kind == KIND_FREE)
			continue;
		if (may_tell(c, ci) && peel_now_ms(c->env) <= until_ms)
			n += or_destroy_all(c, ci, PEEL_DESTROY_SHUTDOWN);
		or_end(c, ci);
	}
	for (struct pending *p; (p = pending_oldest(c)) != NULL;)
		pending_end(c, p);
	for (int i = 0; i < N_DELAYS; i++)
		c->delayed[i].first = PEEL_NONE;
	return n;
}
