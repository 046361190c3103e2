/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* A seeder's introduction points, section 19.2: kept up, each at another node. */

#define POINT_FAILED_MS 120000 /* an old registration there is forgotten by then, too */
/* create-e2e that one introduction point may bring: each costs a circuit */
#define ASKED_BURST 10
#define AGAIN_MS 3000
#define SPREAD 4 /* the last quarter of a circuit's life is when it is replaced */

/* ---- who shall not be one -------------------------------------------------------------------- */

void
point_failed(struct peel_swarms *s, const uint8_t *pk)
{
	struct failed_point *f = &s->failed[s->failed_at++ % FAILED_POINTS_MAX];

	memcpy(f->pk, pk, PEEL_PK_LEN);
	f->until_ms = swarm_now(s) + POINT_FAILED_MS;
}

size_t
points_add(const struct swarm *w, size_t n, uint8_t out[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN])
{
	const struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_INTRODUCTION && t->stage != STAGE_OVER &&
			n < PEEL_ORIGIN_AVOID_MAX)
			memcpy(out[n++], t->point_pk, PEEL_PK_LEN);
	}
	return n;
}

size_t
points_to_avoid(const struct swarm *w, bool all, uint8_t out[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN])
{
	const struct peel_swarms *s = w->all;
	uint64_t now = swarm_now(s);
	const struct swarm *other;
	size_t n = points_add(w, 0, out);

	if (!all)
		return n;
	for (size_t i = 0; i < FAILED_POINTS_MAX && n < PEEL_ORIGIN_AVOID_MAX; i++) {
		if (s->failed[i].until_ms > now)
			memcpy(out[n++], s->failed[i].pk, PEEL_PK_LEN);
	}
	LIST_FOREACH (other, &s->swarms, of_all) {
		if (other != w)
			n = points_add(other, n, out);
	}
	return n;
}

/* ---- keeping them ---------------------------------------------------------------------------- */

/* Preferably at a node that is of use to no other swarm of ours. */
static int
build(struct tie *t)
{
	uint8_t avoid[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN];
	struct peel_origin_spec spec = {.avoid = (const uint8_t(*)[PEEL_PK_LEN])avoid};
	int ret = -EAGAIN;

	for (int all = 1; ret == -EAGAIN && all >= 0; all--) {
		spec.n_avoid = points_to_avoid(t->swarm, all == 1, avoid);
		ret = tie_build(t, &spec);
	}
	return ret;
}

static void
learn_point(struct tie *t)
{
	if (peel_origin_end_key(t->swarm->all->origin, t->circuit, t->point_pk) != 0)
		memset(t->point_pk, 0, sizeof(t->point_pk));
}

static bool
is_retiring(const struct tie *t)
{
	return t->stage == STAGE_UP && t->retire_ms <= swarm_now(t->swarm->all);
}

/* Those that can stay. */
static unsigned int
count(const struct swarm *w)
{
	unsigned int n = 0;
	const struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm)
		n += t->kind == TIE_INTRODUCTION && t->stage != STAGE_OVER && !is_retiring(t);
	return n;
}

/* More swarms share the places now: one of too many ends, if possible one that is not in use. */
static void
end_surplus(struct swarm *w)
{
	struct tie *found = NULL, *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_INTRODUCTION && t->stage != STAGE_OVER && !is_retiring(t) &&
			(found == NULL || t->stage < found->stage))
			found = t;
	}
	if (found != NULL)
		tie_end(found);
}

void
introductions_keep(struct swarm *w)
{
	struct peel_swarms *s = w->all;
	unsigned int n = count(w), wanted = room_introductions(s);
	struct tie *t;

	if (n > wanted)
		end_surplus(w);
	for (; n < wanted && swarm_now(s) >= w->introduce.retry_ms; n++) {
		t = tie_new(w, TIE_INTRODUCTION, STAGE_BUILDING);
		if (t == NULL || build(t) != 0) {
			if (t != NULL)
				tie_free(t);
			swarm_back_off(s, &w->introduce);
			break;
		}
		learn_point(t);
	}
	if (n < wanted)
		swarm_due(s, w->introduce.retry_ms);
}

static int
establish(struct tie *t)
{
	struct swarm *w = t->swarm;
	const struct peel_msg_establish_intro m = {
		.identifier = t->identifier,
		.info_hash = w->info_hash,
		.seeder_pk = {w->key->pk, PEEL_PK_LEN},
	};
	uint8_t msg[128];

	t->again_ms = swarm_now(w->all) + AGAIN_MS;
	return tie_send(t, msg, peel_establish_intro_build(msg, sizeof(msg), &m));
}

void
introduction_ready(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;

	learn_point(t);
	t->identifier = peel_random_u16(s->env);
	t->due_ms = swarm_now(s) + REQUEST_MS;
	tie_set_stage(t, STAGE_WAITING);
	if (establish(t) != 0)
		t->due_ms = 0;
}

void
introduction_again(struct tie *t)
{
	(void)establish(t);
}

/* Their ends are spread, so that a seeder is never without any, nor all its circuits begin at one
 * moment. */
static void
plan_end(struct tie *t)
{
	struct peel_swarms *s = t->swarm->all;
	struct peel_origin_info info;

	t->retire_ms = UINT64_MAX;
	if (peel_origin_info(s->origin, t->circuit, &info) != 0)
		return;
	uint64_t spread = info.left_ms / SPREAD < UINT32_MAX ? info.left_ms / SPREAD : UINT32_MAX;

	t->retire_ms = swarm_now(s) + info.left_ms - spread / 4 -
		       peel_random_below(s->env, (uint32_t)spread + 1);
}

/* The replacement is there. */
static void
end_retiring(struct swarm *w)
{
	struct tie *t;

	LIST_FOREACH (t, &w->ties, of_swarm) {
		if (t->kind == TIE_INTRODUCTION && is_retiring(t)) {
			point_failed(w->all, t->point_pk); /* not again so soon */
			tie_end(t);
			return;
		}
	}
}

int
introduction_established(struct tie *t, const uint8_t *body, size_t len)
{
	struct peel_swarms *s = t->swarm->all;
	uint16_t identifier;

	if (peel_identifier_parse(body, len, &identifier) != 0)
		return swarm_refuse(s, PEEL_CONTROL_MALFORMED);
	if (identifier != t->identifier)
		return swarm_refuse(s, PEEL_CONTROL_UNKNOWN);
	peel_bucket_init(&t->asked, ASKED_BURST, swarm_now(s));
	t->swarm->introduce = (struct backoff){0};
	peel_stats_add(s->conf.stats, PEEL_SWARM_INTRODUCTIONS, 1);
	tie_up(t);
	plan_end(t);
	end_retiring(t->swarm);
	return 0;
}

void
introduction_lost(struct tie *t)
{
	/* If it was established, the node may remember it for some time, and refuse it again. */
	if (t->stage == STAGE_WAITING || t->stage == STAGE_UP)
		point_failed(t->swarm->all, t->point_pk);
	swarm_back_off(t->swarm->all, &t->swarm->introduce);
}
