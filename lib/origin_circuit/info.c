/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "origin_internal.h"

/* What circuits there are, for the choice of the data path and for the status. */

static bool
is_active(const struct origin_circuit *tn, unsigned int hops)
{
	return tn->state == PEEL_ORIGIN_READY && tn->type == PEEL_ORIGIN_DATA && !tn->isolated &&
	       (hops == 0 || tn->goal == hops);
}

/* A random sample, in random order, of the circuits that answer or of those that do not. @return
 * how many there are. */
static size_t
sample(struct peel_origin_circuits *t, unsigned int hops, bool silent, peel_origin_id *out,
	size_t n)
{
	size_t found = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct origin_circuit *tn = t->list[i];

		if (!is_active(tn, hops) || origin_silent(t, tn) != silent)
			continue;
		uint32_t at = peel_random_below(t->env, (uint32_t)++found);

		/* Each newcomer swaps places with a random one: a shuffle, and beyond n a reservoir
		 * sample. */
		if (found <= n) {
			out[found - 1] = out[at];
			out[at] = tn->id;
		} else if (at < n) {
			out[at] = tn->id;
		}
	}
	return found;
}

size_t
peel_origin_active(struct peel_origin_circuits *t, unsigned int hops, peel_origin_id *out, size_t n)
{
	size_t answering = sample(t, hops, false, out, n);
	size_t written = answering < n ? answering : n;

	if (written > 0) /* out may be NULL when n is 0 */
		out += written;
	return answering + sample(t, hops, true, out, n - written);
}

double
peel_origin_quotient(const struct peel_origin_circuits *t, unsigned int hops)
{
	uint32_t n = 0, per = t->conf.settings.min_circuits;

	for (uint32_t i = 0; i < t->n; i++)
		n += is_active(t->list[i], hops);
	return (double)n / (per > 0 ? per : 1);
}

static void
fill_traffic(const struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_origin_info *out)
{
	const struct peel_session *s = session_of(t, tn);

	out->bytes_up = __atomic_load_n(&s->forward.bytes, __ATOMIC_RELAXED);
	out->cells_up = __atomic_load_n(&s->forward.cells, __ATOMIC_RELAXED);
	out->bytes_down = __atomic_load_n(&s->backward.bytes, __ATOMIC_RELAXED);
	out->cells_down = __atomic_load_n(&s->backward.cells, __ATOMIC_RELAXED);
}

static void
fill_info(const struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_origin_info *out)
{
	uint64_t now = origin_now(t), end_ms = tn->begun_ms + origin_life_ms(t, tn);

	*out = (struct peel_origin_info){
		.type = (enum peel_origin_type)tn->type,
		.state = (enum peel_origin_state)tn->state,
		.goal = tn->goal,
		.hops = tn->n_hops,
		.cid = tn->cid,
		.age_ms = now - tn->begun_ms,
		.left_ms = end_ms > now ? end_ms - now : 0,
		.idle_ms = now - tn->active_ms,
		.rtt_ms = tn->rtt_ms,
		.e2e = has_e2e(t, tn),
	};
	for (unsigned int i = 0; i < tn->n_hops; i++) {
		memcpy(out->hop[i].pk, tn->hop[i].pk, PEEL_PK_LEN);
		out->hop[i].addr = tn->hop[i].addr;
		out->exit_flags = tn->hop[i].flags;
	}
	if (tn->n_hops > 0)
		fill_traffic(t, tn, out);
}

int
peel_origin_info(
	const struct peel_origin_circuits *t, peel_origin_id id, struct peel_origin_info *out)
{
	const struct origin_circuit *tn = origin_by_id(t, id);

	if (tn == NULL)
		return -ENOENT;
	fill_info(t, tn, out);
	return 0;
}

uint32_t
peel_origin_size(const struct peel_origin_circuits *t)
{
	return t->size;
}

unsigned int
peel_origin_hops_max(const struct peel_origin_circuits *t)
{
	uint32_t early = t->conf.settings.max_relay_early;

	return early < PEEL_HOPS_MAX ? early : PEEL_HOPS_MAX;
}

int
peel_origin_end_key(
	const struct peel_origin_circuits *t, peel_origin_id id, uint8_t out[PEEL_PK_LEN])
{
	const struct origin_circuit *tn = origin_by_id(t, id);

	if (tn != NULL && tn->n_hops == tn->goal)
		memcpy(out, tn->hop[tn->n_hops - 1].pk, PEEL_PK_LEN);
	else if (tn != NULL && tn->build != NULL && tn->build->exit_required)
		memcpy(out, tn->build->exit.pk, PEEL_PK_LEN);
	else
		return -ENOENT;
	return 0;
}

void
peel_origin_count(const struct peel_origin_circuits *t, struct peel_origin_count *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < t->n; i++) {
		uint8_t state = t->list[i]->state;

		out->extending += state == PEEL_ORIGIN_EXTENDING;
		out->ready += state == PEEL_ORIGIN_READY;
		out->closing += state == PEEL_ORIGIN_CLOSING;
	}
}

uint32_t
peel_origin_dump_some(const struct peel_origin_circuits *t, uint32_t from, uint32_t n,
	void (*fn)(void *arg, peel_origin_id id, const struct peel_origin_info *info), void *arg)
{
	for (; from < t->n && n > 0; from++, n--) {
		struct peel_origin_info info;

		fill_info(t, t->list[from], &info);
		fn(arg, t->list[from]->id, &info);
	}
	return from < t->n ? from : 0;
}

void
peel_origin_dump(const struct peel_origin_circuits *t,
	void (*fn)(void *arg, peel_origin_id id, const struct peel_origin_info *info), void *arg)
{
	(void)peel_origin_dump_some(t, 0, UINT32_MAX, fn, arg);
}
