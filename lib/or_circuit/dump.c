/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "or_internal.h"

void
peel_or_count(const struct peel_or_circuits *c, struct peel_or_count *out)
{
	*out = (struct peel_or_count){
		.exits = c->n_exits,
		.relays = c->n_relays,
		.rendezvous = c->n_rendezvous,
		.pending = c->n_pending,
		.removing = c->n_removing,
		.waiting = c->waiting.n,
		.computing = c->waiting.slots.n - c->waiting.n,
		.unproved = c->pool[STRANGER].n + c->pool[NEIGHBOUR].n,
	};
}

static void
add_traffic(const struct peel_or_circuits *c, const struct or_circuit *ci, struct peel_or_row *row)
{
	const struct peel_session *s = peel_session_at(c->conf.routes, ci->session);

	row->cells_forward = __atomic_load_n(&s->forward.cells, __ATOMIC_RELAXED);
	row->bytes_forward = __atomic_load_n(&s->forward.bytes, __ATOMIC_RELAXED);
	row->cells_backward = __atomic_load_n(&s->backward.cells, __ATOMIC_RELAXED);
	row->bytes_backward = __atomic_load_n(&s->backward.bytes, __ATOMIC_RELAXED);
}

static void
fill(const struct peel_or_circuits *c, const struct or_circuit *ci, struct peel_or_row *row)
{
	static const char *const kind_name[] = {
		[KIND_EXIT] = "exit", [KIND_RELAY] = "relay", [KIND_RENDEZVOUS] = "rendezvous"};

	*row = (struct peel_or_row){
		.kind = kind_name[ci->kind],
		.cid = ci->cid[PREVIOUS],
		.previous = *or_addr(c, ci, PREVIOUS),
		.age_ms = peel_now_ms(c->env) - ci->joined_ms,
		.session = ci->session,
		.opened = ci->kind == KIND_EXIT && ci->endpoint != 0,
		.introduction = ci->introduction,
	};
	if (ci->kind == KIND_RELAY) {
		row->next_cid = ci->cid[NEXT];
		row->next = *or_addr(c, ci, NEXT);
	}
	if (ci->kind == KIND_RENDEZVOUS) {
		row->next_cid = or_partner(c, ci)->cid[PREVIOUS];
		row->next = *or_addr(c, or_partner(c, ci), PREVIOUS);
	}
	add_traffic(c, ci, row);
}

uint32_t
peel_or_dump_some(const struct peel_or_circuits *c, uint32_t from, uint32_t n,
	void (*fn)(void *arg, const struct peel_or_row *row), void *arg)
{
	struct peel_or_row row;
	uint32_t end = c->slots.n_high;

	for (; from < end && n > 0; from++, n--) {
		const struct or_circuit *ci = circuit_at(c, from);

		if (ci->kind == KIND_FREE)
			continue;
		fill(c, ci, &row);
		fn(arg, &row);
	}
	return from < end ? from : 0;
}

void
peel_or_dump(const struct peel_or_circuits *c, void (*fn)(void *arg, const struct peel_or_row *row),
	void *arg)
{
	(void)peel_or_dump_some(c, 0, UINT32_MAX, fn, arg);
}
