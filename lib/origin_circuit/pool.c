/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "origin_internal.h"

/*
 * A pool per hop count: max_circuits DATA circuits, EXTENDING or READY. One that comes near its end
 * still serves, but no longer counts as one of them, so that its replacement is built meanwhile.
 */

static bool
valid_hops(const struct peel_origin_circuits *t, unsigned int hops)
{
	return hops >= 1 && hops <= peel_origin_hops_max(t);
}

uint32_t
origin_pool_members(
	const struct peel_origin_circuits *t, unsigned int hops, enum peel_origin_state state)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		const struct origin_circuit *tn = t->list[i];

		n += tn->pooled && tn->goal == hops && !tn->retiring && tn->state == state;
	}
	return n;
}

static uint32_t
members(const struct peel_origin_circuits *t, unsigned int hops)
{
	return origin_pool_members(t, hops, PEEL_ORIGIN_EXTENDING) +
	       origin_pool_members(t, hops, PEEL_ORIGIN_READY);
}

/* After a failure the next ones wait: a network that is gone is not flooded with creates. */
static void
back_off(struct peel_origin_circuits *t, unsigned int hops)
{
	struct pool *p = &t->pool[hops];
	bool lacking = origin_lack(&p->stock, hops) != PEEL_ORIGIN_LACK_NOTHING;
	uint32_t most = lacking ? BACKOFF_LACK_MS : BACKOFF_MAX_MS;
	uint64_t now = origin_now(t);

	if (now < p->retry_ms)
		return; /* one of several that failed together */
	p->backoff_ms = p->backoff_ms == 0 ? BACKOFF_MS : p->backoff_ms * 2;
	if (p->backoff_ms > most)
		p->backoff_ms = most;
	p->retry_ms = now + p->backoff_ms;
}

/*
 * While what we know is not enough, a circuit is a question to its first hop whether it knows more:
 * one at a time, less and less often, until something else is known.
 */
static bool
is_doubtful(struct peel_origin_circuits *t, unsigned int hops)
{
	struct pool *p = &t->pool[hops];
	bool lacked = origin_lack(&p->stock, hops) != PEEL_ORIGIN_LACK_NOTHING;
	uint64_t mark = p->stock.mark;

	origin_take_stock(t, &p->stock);
	if (lacked && p->stock.mark != mark) {
		p->backoff_ms = 0;
		p->retry_ms = 0;
	}
	return origin_lack(&p->stock, hops) != PEEL_ORIGIN_LACK_NOTHING &&
	       (p->backoff_ms != 0 || origin_pool_members(t, hops, PEEL_ORIGIN_READY) == 0);
}

static void
fill(struct peel_origin_circuits *t, unsigned int hops)
{
	const struct peel_origin_spec spec = {.type = PEEL_ORIGIN_DATA, .hops = hops};
	struct pool *p = &t->pool[hops];
	uint32_t wanted = t->conf.settings.max_circuits;
	uint32_t n = p->wanted ? members(t, hops) : wanted;
	struct origin_circuit *tn;

	if (n < wanted && is_doubtful(t, hops))
		wanted = origin_pool_members(t, hops, PEEL_ORIGIN_EXTENDING) > 0 ? n : n + 1;
	for (; n < wanted && origin_now(t) >= p->retry_ms; n++) {
		if (origin_begin(t, &spec, true, &tn) != 0)
			return;
	}
}

void
origin_pools(struct peel_origin_circuits *t)
{
	for (unsigned int hops = 1; hops <= PEEL_HOPS_MAX; hops++)
		fill(t, hops);
}

uint64_t
origin_pools_due(const struct peel_origin_circuits *t, uint64_t now)
{
	uint64_t due = now + TICK_MS;

	for (unsigned int hops = 1; hops <= PEEL_HOPS_MAX; hops++) {
		const struct pool *p = &t->pool[hops];

		if (!p->wanted || members(t, hops) >= t->conf.settings.max_circuits)
			continue;
		uint64_t at = p->retry_ms > now ? p->retry_ms : now + TICK_WANTED_MS;

		if (at < due)
			due = at;
	}
	return due;
}

/* The one nearest to its end, among those that have a replacement. */
static struct origin_circuit *
oldest_ready(const struct peel_origin_circuits *t, unsigned int hops, uint32_t *n)
{
	struct origin_circuit *oldest = NULL;

	*n = 0;
	for (uint32_t i = 0; i < t->n; i++) {
		struct origin_circuit *tn = t->list[i];

		if (!tn->pooled || tn->goal != hops || tn->state != PEEL_ORIGIN_READY)
			continue;
		++*n;
		if (tn->retiring && (oldest == NULL || tn->begun_ms < oldest->begun_ms))
			oldest = tn;
	}
	return oldest;
}

void
origin_pool_ready(struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	struct pool *p = &t->pool[tn->goal];
	uint32_t n;
	struct origin_circuit *old = oldest_ready(t, tn->goal, &n);

	/* the network is there; how long the next failure waits is for time to tell */
	p->retry_ms = 0;
	if (old == NULL || n <= t->conf.settings.max_circuits)
		return;
	count(t, PEEL_OWN_REPLACED);
	origin_close(t, old, PEEL_ORIGIN_END_AGE, PEEL_DESTROY_UNNEEDED);
}

void
origin_pool_ended(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, enum peel_origin_end why)
{
	bool young = origin_now(t) - tn->begun_ms < YOUNG_MS;

	if (why == PEEL_ORIGIN_END_FAILED || (why != PEEL_ORIGIN_END_CLOSED && young))
		back_off(t, tn->goal);
}

/* ---- interface ------------------------------------------------------------------------------- */

int
peel_origin_build(struct peel_origin_circuits *t, unsigned int hops)
{
	if (!valid_hops(t, hops))
		return -EINVAL;
	t->pool[hops].wanted = true;
	fill(t, hops);
	return 0;
}

int
peel_origin_stop(struct peel_origin_circuits *t, unsigned int hops)
{
	if (hops > PEEL_HOPS_MAX || !t->pool[hops].wanted)
		return -ENOENT;
	t->pool[hops] = (struct pool){0};
	for (uint32_t i = 0; i < t->n; i++) {
		struct origin_circuit *tn = t->list[i];

		if (tn->pooled && tn->goal == hops)
			origin_close(t, tn, PEEL_ORIGIN_END_CLOSED, PEEL_DESTROY_UNNEEDED);
	}
	return 0;
}

static int
check(const struct peel_origin_circuits *t, const struct peel_origin_spec *spec)
{
	if (!valid_hops(t, spec->hops) || (unsigned int)spec->type > PEEL_ORIGIN_RP_DOWNLOADER ||
		spec->n_avoid > PEEL_ORIGIN_AVOID_MAX)
		return -EINVAL;
	if (spec->exit == NULL)
		return spec->type == PEEL_ORIGIN_RP_DOWNLOADER ? -EINVAL : 0;
	if (!peel_pk_valid((struct peel_span){spec->exit->pk, PEEL_PK_LEN}))
		return -EINVAL;
	/* A seeder does not know whom it asks to meet it at a node that it has chosen. */
	if (memcmp(spec->exit->pk, t->conf.identity->pk, PEEL_PK_LEN) == 0 &&
		(spec->type != PEEL_ORIGIN_RP_DOWNLOADER || spec->hops == 1))
		return -EINVAL;
	return 0;
}

int
peel_origin_create(
	struct peel_origin_circuits *t, const struct peel_origin_spec *spec, peel_origin_id *id)
{
	struct peel_origin_spec s = *spec;
	struct peel_target exit;
	struct origin_circuit *tn;
	int ret = check(t, spec);

	if (ret != 0)
		return ret;
	if (s.exit == NULL && s.exit_flags == 0 && s.type == PEEL_ORIGIN_IP_SEEDER) {
		ret = origin_choose_point(t, spec, &exit);
		if (ret != 0)
			return ret;
		s.exit = &exit;
	} else if (s.exit != NULL && !origin_usable(&s.exit->addr)) {
		if (!t->conf.find_peer(t->conf.arg, s.exit->pk, &exit) ||
			!origin_usable(&exit.addr))
			return -EAGAIN;
		memcpy(exit.pk, s.exit->pk, PEEL_PK_LEN);
		s.exit = &exit;
	}
	if (s.exit != NULL && origin_is_banned(t, &s.exit->addr, s.exit->pk))
		return -EAGAIN;
	ret = origin_begin(t, &s, false, &tn);
	if (ret == 0)
		*id = tn->id;
	return ret;
}
