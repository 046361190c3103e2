/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What workers counted for the circuits of a guest, since it added them.
 */
#include <errno.h>

#include "guest_internal.h"

static uint64_t
load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

static void
read_counts(const struct peel_session *s, struct gc_base *out)
{
	*out = (struct gc_base){
		.forward_cells = load(&s->forward.cells),
		.forward_bytes = load(&s->forward.bytes),
		.backward_cells = load(&s->backward.cells),
		.backward_bytes = load(&s->backward.bytes),
	};
}

void
gc_begin(struct peel_guest_circuits *c, struct gc_object *o)
{
	read_counts(gc_session_at(c, o->session[0]), &o->base);
}

/* Bytes without those of a layer. A worker may have counted a cell, but not yet its bytes. */
static uint64_t
without_layer(uint64_t bytes, uint64_t cells)
{
	uint64_t layers = cells * PEEL_SEAL_OVERHEAD;

	return bytes > layers ? bytes - layers : 0;
}

/* Sessions count cells as they are on the link to the previous hop, or the first one. A relay's
 * cells are shorter on the other link. */
static void
fill(const struct gc_object *o, const struct gc_base *now, struct peel_gc_stats *out)
{
	uint64_t forward = now->forward_bytes - o->base.forward_bytes;
	uint64_t backward = now->backward_bytes - o->base.backward_bytes;

	if (o->kind == PEEL_GC_RELAY && o->backward) {
		forward = without_layer(forward, now->forward_cells - o->base.forward_cells);
		backward = without_layer(backward, now->backward_cells - o->base.backward_cells);
	}
	if (o->kind == PEEL_GC_CIRCUIT || o->backward) {
		out->up = forward;
		out->down = backward;
	} else {
		out->up = backward;
		out->down = forward;
	}
}

static uint64_t
idle_ms(const struct peel_guest_circuits *c, const struct peel_direction *inward)
{
	uint32_t seen_s = __atomic_load_n(&inward->last_seen_s, __ATOMIC_RELAXED);
	uint64_t now = peel_now_ms(c->conf.env), seen = (uint64_t)seen_s * 1000;

	if (seen_s == GC_NEVER_S)
		return UINT64_MAX;
	return now > seen ? now - seen : 0;
}

int
peel_gc_stats(const struct peel_guest_circuits *c, enum peel_gc_kind kind, uint32_t cid,
	struct peel_gc_stats *out)
{
	const struct gc_object *o = gc_find(c, kind, cid);
	const struct peel_session *s;
	struct gc_base now;

	if (o == NULL)
		return -ENOENT;
	*out = (struct peel_gc_stats){.idle_ms = UINT64_MAX, .enabled = o->endpoint != 0};
	if (kind != PEEL_GC_CIRCUIT || o->n_hops > 0) {
		s = gc_session_at(c, o->session[0]);
		read_counts(s, &now);
		fill(o, &now, out);
		out->idle_ms = idle_ms(
			c, kind == PEEL_GC_CIRCUIT || o->backward ? &s->backward : &s->forward);
	}
	out->up += o->sealed;
	return 0;
}
