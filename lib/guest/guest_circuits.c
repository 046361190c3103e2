/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The table of a guest's exits, relay entries and own circuits.
 */
#include <errno.h>
#include <stdlib.h>

#include "guest_internal.h"

#define OBJECTS_PER_CIRCUIT 2  /* a relay has two entries */
#define SESSIONS_PER_CIRCUIT 4 /* three hops and an end-to-end layer */
#define EARLY_BY_DEFAULT 8

uint32_t
peel_gc_sessions(uint32_t max_circuits)
{
	return max_circuits * SESSIONS_PER_CIRCUIT;
}

static int
init(struct peel_guest_circuits *c)
{
	uint32_t n_sessions = peel_gc_sessions(c->conf.max_circuits);
	uint32_t n_objects = c->conf.max_circuits * OBJECTS_PER_CIRCUIT;
	uint32_t limit = peel_session_limit(c->conf.routes);
	int rc;

	c->session = calloc(n_sessions, sizeof(*c->session));
	c->object = calloc(n_objects, sizeof(*c->object));
	c->exit_of = malloc(limit * sizeof(*c->exit_of));
	if (c->session == NULL || c->object == NULL || c->exit_of == NULL)
		return -ENOMEM;
	memset(c->exit_of, 0xff, limit * sizeof(*c->exit_of)); /* PEEL_NONE */
	peel_slots_init(&c->sessions, n_sessions, PEEL_REUSE_SOON, PEEL_LINKS(c->session, session));
	peel_slots_init(&c->objects, n_objects, PEEL_REUSE_SOON, PEEL_LINKS(c->object, chain));
	peel_queue_init(&c->unused, PEEL_LINKS(c->session, older), PEEL_LINKS(c->session, newer));
	peel_queue_init(&c->removed, PEEL_LINKS(c->object, older), PEEL_LINKS(c->object, newer));
	rc = peel_chains_init(&c->by_key, n_sessions, PEEL_LINKS(c->session, chain));
	return rc != 0 ? rc : peel_chains_init(&c->by_cid, n_objects, PEEL_LINKS(c->object, chain));
}

int
peel_gc_new(const struct peel_gc_conf *conf, struct peel_guest_circuits **out)
{
	struct peel_guest_circuits *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return -ENOMEM;
	c->conf = *conf;
	c->seed = peel_random_u64(conf->env);
	c->max_early = EARLY_BY_DEFAULT;
	rc = init(c);
	if (rc != 0) {
		peel_gc_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

static void
end(struct peel_guest_circuits *c, struct gc_object *o)
{
	switch (o->kind) {
	case PEEL_GC_EXIT:
		gc_exit_end(c, o);
		break;
	case PEEL_GC_RELAY:
		peel_gc_remove_relay(c, o->cid);
		break;
	default:
		peel_gc_remove_circuit(c, o->cid);
	}
}

static void
end_all(struct peel_guest_circuits *c)
{
	for (uint32_t i = 0; c->by_cid.head != NULL && i <= c->by_cid.mask; i++) {
		while (c->by_cid.head[i] != PEEL_NONE)
			end(c, &c->object[c->by_cid.head[i]]);
	}
	if (c->by_key.head != NULL)
		gc_sessions_tick(c, UINT64_MAX);
}

void
peel_gc_free(struct peel_guest_circuits *c)
{
	if (c == NULL)
		return;
	c->conf.exit_gone = NULL; /* whoever frees us closes all endpoints anyway */
	end_all(c);
	peel_chains_fini(&c->by_cid);
	peel_chains_fini(&c->by_key);
	free(c->exit_of);
	free(c->object);
	free(c->session);
	free(c);
}

void
peel_gc_set_prefix(struct peel_guest_circuits *c, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	memcpy(c->prefix, prefix, PEEL_PREFIX_LEN);
}

void
peel_gc_set_max_early(struct peel_guest_circuits *c, uint8_t max)
{
	c->max_early = max;
}

uint64_t
peel_gc_tick(struct peel_guest_circuits *c)
{
	uint64_t now = peel_now_ms(c->conf.env);
	uint64_t exits = gc_exits_tick(c, now), sessions = gc_sessions_tick(c, now);

	return exits < sessions ? exits : sessions;
}

/* ---- objects --------------------------------------------------------------------------------- */

static uint64_t
hash_of(const struct peel_guest_circuits *c, uint32_t cid)
{
	return peel_hash_u32(cid, c->seed);
}

struct gc_object *
gc_find(const struct peel_guest_circuits *c, enum peel_gc_kind kind, uint32_t cid)
{
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &c->by_cid, hash_of(c, cid)) {
		struct gc_object *o = &c->object[i];

		if (o->cid == cid && o->kind == kind && !o->removing)
			return o;
	}
	return NULL;
}

struct gc_object *
gc_object_new(struct peel_guest_circuits *c, enum peel_gc_kind kind, uint32_t cid)
{
	uint32_t i = peel_slots_take(&c->objects);

	if (i == PEEL_NONE)
		return NULL;
	c->object[i] = (struct gc_object){
		.kind = (uint8_t)kind, .cid = cid, .slot = PEEL_NONE, .path = PEEL_NONE};
	peel_chains_add(&c->by_cid, hash_of(c, cid), i);
	return &c->object[i];
}

void
gc_object_end(struct peel_guest_circuits *c, struct gc_object *o)
{
	uint32_t i = (uint32_t)(o - c->object);

	peel_chains_del(&c->by_cid, hash_of(c, o->cid), i);
	peel_slots_give(&c->objects, i);
}

/* ---- routes ---------------------------------------------------------------------------------- */

int
gc_publish(struct peel_guest_circuits *c, struct gc_object *o, const struct peel_route *spec)
{
	uint32_t before = peel_route_lookup(c->conf.routes, &spec->in, spec->in_cid), slot, i;
	int rc = peel_route_publish(c->conf.routes, spec, &slot);

	if (rc != 0)
		return rc;
	if (o->slot != PEEL_NONE && o->slot != before)
		peel_route_retire(c->conf.routes, o->slot);
	PEEL_CHAIN_FOREACH (i, &c->by_cid, hash_of(c, spec->in_cid)) {
		if (before != PEEL_NONE && c->object[i].slot == before)
			c->object[i].slot = PEEL_NONE;
	}
	o->slot = slot;
	return 0;
}

void
gc_unpublish(struct peel_guest_circuits *c, struct gc_object *o)
{
	if (o->slot != PEEL_NONE)
		peel_route_retire(c->conf.routes, o->slot);
	o->slot = PEEL_NONE;
}

void
gc_exits_yield(struct peel_guest_circuits *c, uint32_t cid)
{
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &c->by_cid, hash_of(c, cid)) {
		if (c->object[i].cid == cid && c->object[i].kind == PEEL_GC_EXIT)
			gc_unpublish(c, &c->object[i]);
	}
}
