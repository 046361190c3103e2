/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Relays: two entries, one for each link. Workers learn of both when both are there.
 */
#include <errno.h>

#include "guest_internal.h"

static struct gc_object *
other_of(const struct peel_guest_circuits *c, const struct gc_object *o)
{
	struct gc_object *other = gc_find(c, PEEL_GC_RELAY, o->out_cid);

	if (other == NULL || other == o || other->out_cid != o->cid ||
		other->rendezvous != o->rendezvous)
		return NULL;
	return o->rendezvous || other->backward != o->backward ? other : NULL;
}

/* Cells come from where the other entry sends. */
static int
publish(struct peel_guest_circuits *c, struct gc_object *o, const struct gc_object *other)
{
	return gc_publish(c, o,
		&(struct peel_route){.in = other->out,
			.in_cid = o->cid,
			.out = o->out,
			.out_cid = o->out_cid,
			.session = c->session[o->session[0]].session,
			.peer = o->rendezvous ? c->session[other->session[0]].session : 0,
			.kind = o->rendezvous ? PEEL_ROUTE_RENDEZVOUS
				: o->backward ? PEEL_ROUTE_BACKWARD
					      : PEEL_ROUTE_FORWARD,
			.n_early = 1, /* the extend that made it */
			.max_early = c->max_early});
}

static int
link_up(struct peel_guest_circuits *c, struct gc_object *o)
{
	struct gc_object *other = other_of(c, o);
	struct gc_object *back = o->backward ? o : other, *forth = o->backward ? other : o;
	int rc;

	if (other == NULL)
		return 0;
	/* The way back first: what goes forward may be answered at once. */
	rc = publish(c, back, forth);
	if (rc == 0)
		rc = publish(c, forth, back);
	if (rc != 0) {
		gc_unpublish(c, back);
		return rc;
	}
	gc_exits_yield(c, o->cid);
	gc_exits_yield(c, other->cid);
	return 0;
}

int
peel_gc_add_relay(struct peel_guest_circuits *c, uint32_t cid, const struct peel_gc_relay *relay)
{
	struct gc_object *o;
	uint32_t session;
	int rc;

	rc = gc_session_get(c, &relay->keys, &session);
	if (rc != 0)
		return rc;
	peel_gc_remove_relay(c, cid);
	o = gc_object_new(c, PEEL_GC_RELAY, cid);
	if (o == NULL) {
		gc_session_put(c, session);
		return -ENOSPC;
	}
	o->session[0] = session;
	o->out = relay->out;
	o->out_cid = relay->out_cid;
	o->backward = relay->backward && !relay->rendezvous;
	o->rendezvous = relay->rendezvous;
	gc_begin(c, o);
	rc = link_up(c, o);
	if (rc != 0)
		peel_gc_remove_relay(c, cid);
	return rc;
}

void
peel_gc_remove_relay(struct peel_guest_circuits *c, uint32_t cid)
{
	struct gc_object *o = gc_find(c, PEEL_GC_RELAY, cid), *other;

	if (o == NULL)
		return;
	other = other_of(c, o);
	gc_unpublish(c, o);
	if (other != NULL)
		gc_unpublish(c, other);
	gc_session_put(c, o->session[0]);
	gc_object_end(c, o);
}
