/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Own circuits of a guest. The guest tells again and again what a circuit has; layers are only
 * added to its path, unless it is another circuit under the same id.
 */
#include <errno.h>

#include "guest_internal.h"

static unsigned int
n_layers(const struct gc_object *o)
{
	return o->n_hops + o->e2e;
}

/* No worker finds it any more. */
static void
end_path(struct peel_guest_circuits *c, struct gc_object *o)
{
	gc_unpublish(c, o);
	if (o->path != PEEL_NONE)
		peel_path_retire(c->conf.paths, o->path);
	for (unsigned int i = 0; i < n_layers(o); i++)
		gc_session_put(c, o->session[i]);
	o->path = PEEL_NONE;
	o->n_hops = 0;
	o->e2e = false;
}

static bool
continues(const struct peel_guest_circuits *c, const struct gc_object *o,
	const struct peel_gc_circuit *ci)
{
	if (ci->n_hops < o->n_hops || ci->e2e < o->e2e || (o->e2e && ci->n_hops > o->n_hops) ||
		(o->path != PEEL_NONE && !peel_addr_equal(&o->out, &ci->first)))
		return false;
	for (unsigned int i = 0; i < o->n_hops; i++) {
		if (!gc_session_is(c, o->session[i], &ci->hop[i]))
			return false;
	}
	return !o->e2e || gc_session_is(c, o->session[o->n_hops], &ci->end_to_end);
}

static int
add_layer(struct peel_guest_circuits *c, struct gc_object *o, const struct peel_session_keys *keys,
	bool e2e)
{
	unsigned int i = n_layers(o);
	int rc = gc_session_get(c, keys, &o->session[i]);

	if (rc != 0)
		return rc;
	rc = peel_path_layer(c->conf.paths, o->path, c->session[o->session[i]].session);
	if (rc != 0) {
		gc_session_put(c, o->session[i]);
		return rc;
	}
	if (e2e)
		o->e2e = true;
	else
		o->n_hops++;
	return 0;
}

static int
begin_path(struct peel_guest_circuits *c, struct gc_object *o, const struct peel_gc_circuit *ci)
{
	uint8_t early = o->n_early < c->max_early ? (uint8_t)(c->max_early - o->n_early) : 0;
	int rc;

	if (ci->first.family == PEEL_FAMILY_NONE)
		return -EINVAL;
	o->out = ci->first;
	rc = peel_path_add(c->conf.paths, &o->out, o->cid, early, &o->path);
	if (rc == 0)
		rc = add_layer(c, o, &ci->hop[0], false);
	if (rc != 0)
		return rc;
	gc_begin(c, o);
	return gc_publish(c, o,
		&(struct peel_route){.in = o->out,
			.in_cid = o->cid,
			.out = o->out,
			.out_cid = o->cid,
			.session = c->session[o->session[0]].session,
			.peer = o->path,
			.kind = PEEL_ROUTE_ORIGIN,
			.max_early = UINT8_MAX});
}

static uint8_t
flags_of(const struct gc_object *o)
{
	uint8_t flags = 0;

	if (o->n_hops > 0 && o->n_hops >= o->goal_hops)
		flags |= PEEL_PATH_READY;
	if (o->type != PEEL_GC_DATA)
		flags |= PEEL_PATH_HIDDEN;
	if (o->e2e)
		flags |= PEEL_PATH_E2E;
	if (o->type == PEEL_GC_RP_DOWNLOADER)
		flags |= PEEL_PATH_REVERSED;
	return flags;
}

static int
grow(struct peel_guest_circuits *c, struct gc_object *o, const struct peel_gc_circuit *ci)
{
	int rc = 0;
	uint8_t kept;

	o->type = ci->type;
	o->goal_hops = ci->goal_hops;
	if (o->path == PEEL_NONE && ci->n_hops > 0)
		rc = begin_path(c, o, ci);
	while (rc == 0 && o->n_hops < ci->n_hops)
		rc = add_layer(c, o, &ci->hop[o->n_hops], false);
	if (rc == 0 && ci->e2e && !o->e2e && o->n_hops > 0)
		rc = add_layer(c, o, &ci->end_to_end, true);
	if (rc != 0 || o->path == PEEL_NONE)
		return rc;
	kept = peel_path_flags(peel_path_at(c->conf.paths, o->path)) & PEEL_PATH_ASSOCIATED;
	peel_path_set_flags(c->conf.paths, o->path, flags_of(o) | kept);
	return 0;
}

int
peel_gc_set_circuit(struct peel_guest_circuits *c, uint32_t cid, const struct peel_gc_circuit *ci)
{
	struct gc_object *o = gc_find(c, PEEL_GC_CIRCUIT, cid);
	int rc;

	if (ci->n_hops > PEEL_ARRAY_LEN(ci->hop))
		return -EINVAL;
	if (o == NULL)
		o = gc_object_new(c, PEEL_GC_CIRCUIT, cid);
	else if (!continues(c, o, ci))
		end_path(c, o);
	if (o == NULL)
		return -ENOSPC;
	rc = grow(c, o, ci);
	if (rc != 0)
		end_path(c, o);
	return rc;
}

void
peel_gc_remove_circuit(struct peel_guest_circuits *c, uint32_t cid)
{
	struct gc_object *o = gc_find(c, PEEL_GC_CIRCUIT, cid);

	if (o == NULL)
		return;
	end_path(c, o);
	gc_object_end(c, o);
}

int
peel_gc_id(const struct peel_guest_circuits *c, uint32_t cid, uint64_t *id, unsigned int *layers)
{
	const struct gc_object *o = gc_find(c, PEEL_GC_CIRCUIT, cid);

	if (o == NULL || o->path == PEEL_NONE)
		return -ENOENT;
	*id = (uint64_t)peel_path_generation(c->conf.paths, o->path) << 32 | o->path;
	if (layers != NULL)
		*layers = n_layers(o);
	return 0;
}

void
peel_gc_associate(struct peel_guest_circuits *c, uint32_t cid)
{
	const struct gc_object *o = gc_find(c, PEEL_GC_CIRCUIT, cid);

	if (o != NULL && o->path != PEEL_NONE)
		peel_path_set_flags(c->conf.paths, o->path,
			peel_path_flags(peel_path_at(c->conf.paths, o->path)) |
				PEEL_PATH_ASSOCIATED);
}
