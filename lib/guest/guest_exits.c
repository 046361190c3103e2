/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Circuits that end at a guest. A guest that extends one removes the exit and adds a relay: until
 * that is there, or for a moment, the exit goes on, so that no cell is lost.
 */
#include <errno.h>

#include "guest_internal.h"

static int
publish(struct peel_guest_circuits *c, struct gc_object *o)
{
	return gc_publish(c, o,
		&(struct peel_route){.in = o->out,
			.in_cid = o->cid,
			.out = o->out,
			.out_cid = o->cid,
			.session = c->session[o->session[0]].session,
			.endpoint = o->endpoint,
			.kind = PEEL_ROUTE_EXIT,
			.max_early = c->max_early});
}

/* It is there already. Its outside endpoint knows it by its route, so that stays, unless a relay
 * took it or the previous hop is another one. Then another endpoint is opened when it is needed. */
static int
go_on(struct peel_guest_circuits *c, struct gc_object *o, const struct peel_addr *previous)
{
	uint32_t endpoint = o->endpoint;
	struct peel_addr before = o->out;
	int rc;

	if (o->slot != PEEL_NONE && peel_addr_equal(&before, previous))
		return 0;
	o->out = *previous;
	o->endpoint = 0;
	rc = publish(c, o);
	if (rc != 0) {
		o->out = before;
		o->endpoint = endpoint;
	} else if (endpoint != 0) {
		c->conf.exit_gone(c->conf.arg, c->session[o->session[0]].session, endpoint);
	}
	return rc;
}

/* That was removed a moment ago. */
static struct gc_object *
find_removed(const struct peel_guest_circuits *c, uint32_t session)
{
	uint32_t i = c->exit_of[c->session[session].session];

	return i != PEEL_NONE && c->object[i].removing ? &c->object[i] : NULL;
}

static void
keep(struct peel_guest_circuits *c, struct gc_object *o)
{
	o->removing = false;
	peel_queue_del(&c->removed, (uint32_t)(o - c->object));
}

static int
begin(struct peel_guest_circuits *c, uint32_t cid, const struct peel_addr *previous,
	uint32_t session)
{
	struct gc_object *o = gc_object_new(c, PEEL_GC_EXIT, cid);
	int rc = o != NULL ? 0 : -ENOSPC;

	if (rc == 0) {
		o->session[0] = session;
		o->out = *previous;
		gc_begin(c, o);
		rc = publish(c, o);
	}
	if (rc != 0) {
		if (o != NULL)
			gc_object_end(c, o);
		gc_session_put(c, session);
		return rc;
	}
	c->exit_of[c->session[session].session] = (uint32_t)(o - c->object);
	return 0;
}

int
peel_gc_add_exit(struct peel_guest_circuits *c, uint32_t cid, const struct peel_addr *previous,
	const struct peel_session_keys *keys)
{
	struct gc_object *o = gc_find(c, PEEL_GC_EXIT, cid);
	uint32_t session;
	int rc;

	if (o != NULL && gc_session_is(c, o->session[0], keys))
		return go_on(c, o, previous);
	if (o != NULL)
		gc_exit_end(c, o);
	rc = gc_session_get(c, keys, &session);
	if (rc != 0)
		return rc;
	o = find_removed(c, session);
	if (o != NULL && o->cid == cid) {
		gc_session_put(c, session); /* it has its own */
		keep(c, o);
		return go_on(c, o, previous);
	}
	if (o != NULL)
		gc_exit_end(c, o);
	return begin(c, cid, previous, session);
}

void
peel_gc_remove_exit(struct peel_guest_circuits *c, uint32_t cid)
{
	struct gc_object *o = gc_find(c, PEEL_GC_EXIT, cid);

	if (o == NULL)
		return;
	o->removing = true;
	o->due_ms = peel_now_ms(c->conf.env) + GC_REMOVE_MS;
	peel_queue_add(&c->removed, (uint32_t)(o - c->object));
}

void
gc_exit_end(struct peel_guest_circuits *c, struct gc_object *o)
{
	uint32_t session = c->session[o->session[0]].session, endpoint = o->endpoint;

	gc_unpublish(c, o);
	if (o->removing)
		keep(c, o);
	if (c->exit_of[session] == (uint32_t)(o - c->object))
		c->exit_of[session] = PEEL_NONE;
	gc_session_put(c, o->session[0]);
	gc_object_end(c, o);
	if (c->conf.exit_gone != NULL)
		c->conf.exit_gone(c->conf.arg, session, endpoint);
}

uint64_t
gc_exits_tick(struct peel_guest_circuits *c, uint64_t now_ms)
{
	while (c->removed.oldest != PEEL_NONE) {
		struct gc_object *o = &c->object[c->removed.oldest];

		if (now_ms < o->due_ms)
			return o->due_ms - now_ms;
		gc_exit_end(c, o);
	}
	return UINT64_MAX;
}

/* ---- for the control side -------------------------------------------------------------------- */

static struct gc_object *
by_session(const struct peel_guest_circuits *c, uint32_t session)
{
	uint32_t i = session < peel_session_limit(c->conf.routes) ? c->exit_of[session] : PEEL_NONE;

	return i != PEEL_NONE ? &c->object[i] : NULL;
}

/* One that a relay has replaced is no exit any more. */
static struct gc_object *
exit_by_session(const struct peel_guest_circuits *c, uint32_t session, uint32_t generation)
{
	struct gc_object *o = by_session(c, session);

	if (o == NULL || o->slot == PEEL_NONE ||
		peel_session_generation(c->conf.routes, session) != generation)
		return NULL;
	return o;
}

static int
describe(void *owner, uint32_t session, uint32_t generation, struct peel_exit_info *out)
{
	const struct gc_object *o = exit_by_session(owner, session, generation);

	if (o == NULL)
		return -ENOENT;
	*out = (struct peel_exit_info){
		.route = o->slot, .endpoint = o->endpoint, .previous = o->out, .cid = o->cid};
	return 0;
}

static int
opened(void *owner, uint32_t session, uint32_t generation, uint32_t endpoint)
{
	struct peel_guest_circuits *c = owner;
	struct gc_object *o = exit_by_session(c, session, generation);

	if (o == NULL)
		return -ENOENT;
	o->endpoint = endpoint;
	peel_route_set_endpoint(c->conf.routes, o->slot, endpoint);
	return 0;
}

static int
used(void *owner, uint32_t session, uint32_t generation)
{
	return exit_by_session(owner, session, generation) != NULL ? 0 : -ENOENT;
}

static int
answer(void *owner, uint32_t session, const uint8_t *msg, size_t len)
{
	struct peel_guest_circuits *c = owner;
	struct gc_object *o = by_session(c, session);
	uint8_t out[PEEL_DATAGRAM_MAX];

	if (o == NULL)
		return -ENOENT;
	if (len == 0 || len > sizeof(out) - PEEL_CELL_HEADER_LEN - PEEL_SEAL_OVERHEAD)
		return -EINVAL;
	peel_cell_header(out, c->prefix, o->cid, false, false);
	gc_seal_layer(
		&gc_session_at(c, o->session[0])->backward, msg, len, out + PEEL_CELL_HEADER_LEN);
	len += PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD;
	o->sealed += len;
	c->conf.send(c->conf.arg, &o->out, out, len);
	return 0;
}

void
peel_gc_exits(struct peel_guest_circuits *c, struct peel_exits *out)
{
	*out = (struct peel_exits){
		.exit = describe, .opened = opened, .used = used, .answer = answer, .owner = c};
}
