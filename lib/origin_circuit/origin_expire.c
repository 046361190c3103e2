/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "origin_internal.h"

/* Time: expected answers, pings, limits, and the grace period of ended circuits: section 15.5. */

static uint64_t
load64(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

/*
 * Workers count cells and write times by a clock of their own, so only a change counts. Watch the
 * innermost layer: the hops before it could keep a circuit alive that leads nowhere.
 */
static void
note_activity(const struct peel_origin_circuits *t, struct origin_circuit *tn, uint64_t now)
{
	const struct peel_path *path = path_of(t, tn);
	const struct peel_direction *direction =
		has_e2e(t, tn)
			? origin_e2e_inward(t, tn)
			: &peel_session_at(t->conf.routes, path->session[tn->n_hops - 1])->backward;
	uint32_t seen_s = __atomic_load_n(&direction->last_seen_s, __ATOMIC_RELAXED);
	uint64_t cells = load64(&direction->cells);

	if (seen_s == tn->seen_s && cells == tn->seen_cells)
		return;
	tn->seen_s = seen_s;
	tn->seen_cells = cells;
	tn->active_ms = now; /* the tick's time: a later one would make the silence negative */
}

uint64_t
origin_life_ms(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	const struct peel_origin_settings *s = &t->conf.settings;

	return 1000ull * (tn->type == PEEL_ORIGIN_IP_SEEDER ? s->max_time_ip : s->max_time);
}

static uint64_t
traffic(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	const struct peel_session *s = session_of(t, tn);

	return load64(&s->forward.bytes) + load64(&s->backward.bytes);
}

/* W13: keys never change, so their uses must not exceed what peers count in 32 bits. */
static uint64_t
cells(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	const struct peel_session *s = session_of(t, tn);
	uint64_t forward = load64(&s->forward.cells), backward = load64(&s->backward.cells);

	return forward > backward ? forward : backward;
}

static uint64_t
replace_at(uint64_t max_traffic)
{
	return max_traffic - max_traffic / 10;
}

/* Check again after half of the time that remains until the next limit, at the pace since the last
 * check. */
static void
note_traffic(const struct peel_origin_circuits *t, struct origin_circuit *tn, uint64_t now)
{
	uint64_t max = t->conf.settings.max_traffic, bytes = traffic(t, tn);
	uint64_t limit = tn->retiring ? max : replace_at(max);
	uint64_t passed = bytes - tn->seen_bytes, ms = now - tn->looked_ms, left = TICK_MS;

	if (ms == 0)
		return;
	if (passed > 0)
		left = limit > bytes ? (limit - bytes) / passed * ms / 2 : 0;
	tn->look_ms = now + (left < LOOK_MIN_MS ? LOOK_MIN_MS : left < TICK_MS ? left : TICK_MS);
	tn->seen_bytes = bytes;
	tn->looked_ms = now;
}

static bool
near_end(const struct peel_origin_circuits *t, const struct origin_circuit *tn, uint64_t age_ms)
{
	uint64_t life = origin_life_ms(t, tn), max = t->conf.settings.max_traffic;
	uint64_t margin = life / 10 < REPLACE_MS ? life / 10 : REPLACE_MS;

	return age_ms + margin >= life || traffic(t, tn) >= replace_at(max) ||
	       cells(t, tn) >= UINT32_MAX - UINT32_MAX / 10;
}

static void
check_limits(struct peel_origin_circuits *t, struct origin_circuit *tn, uint64_t now)
{
	const struct peel_origin_settings *s = &t->conf.settings;
	uint64_t age_ms = now - tn->begun_ms;

	if (tn->n_hops > 0) {
		note_activity(t, tn, now);
		if (traffic(t, tn) > s->max_traffic || cells(t, tn) >= UINT32_MAX) {
			origin_close(t, tn, PEEL_ORIGIN_END_TRAFFIC, PEEL_DESTROY_UNKNOWN);
			return;
		}
	}
	if (age_ms > origin_life_ms(t, tn)) {
		origin_close(t, tn, PEEL_ORIGIN_END_AGE, 0);
		return;
	}
	if (tn->state != PEEL_ORIGIN_READY)
		return;
	note_traffic(t, tn, now);
	if (now - tn->active_ms > 1000ull * s->max_time_inactive) {
		origin_close(t, tn, PEEL_ORIGIN_END_SILENT, 0);
	} else if (tn->pooled) {
		tn->retiring |= near_end(t, tn, age_ms);
		if (age_ms >= YOUNG_MS)
			t->pool[tn->goal].backoff_ms = 0; /* circuits last again */
	}
}

static void
examine(struct peel_origin_circuits *t, struct origin_circuit *tn, uint64_t now)
{
	if (tn->state != PEEL_ORIGIN_CLOSING)
		check_limits(t, tn, now);
	if (tn->state == PEEL_ORIGIN_EXTENDING && tn->build->due_ms <= now)
		origin_unanswered(t, tn);
	if (origin_pings(t, tn) && tn->ping_ms <= now) {
		origin_ping(t, tn);
		origin_ping_later(t, tn);
	}
	if (tn->state == PEEL_ORIGIN_CLOSING && tn->close_ms <= now)
		origin_remove(t, tn);
}

static uint64_t
due(const struct peel_origin_circuits *t, const struct origin_circuit *tn, uint64_t now)
{
	if (tn->state == PEEL_ORIGIN_CLOSING)
		return tn->close_ms;
	uint64_t at = now + TICK_MS;

	if (tn->state == PEEL_ORIGIN_EXTENDING && tn->build->due_ms < at)
		at = tn->build->due_ms;
	if (tn->state == PEEL_ORIGIN_READY && tn->look_ms > now && tn->look_ms < at)
		at = tn->look_ms;
	if (origin_pings(t, tn) && tn->ping_ms < at)
		at = tn->ping_ms;
	return at;
}

uint64_t
peel_origin_tick(struct peel_origin_circuits *t)
{
	uint64_t now = origin_now(t);

	/* Backwards, as removing a circuit moves the last one to its place. */
	for (uint32_t i = t->n; i-- > 0;)
		examine(t, t->list[i], now);
	origin_pools(t);

	uint64_t next = origin_pools_due(t, now);

	for (uint32_t i = 0; i < t->n; i++) {
		uint64_t at = due(t, t->list[i], now);

		if (at < next)
			next = at;
	}
	return next > now ? next - now : 1;
}
