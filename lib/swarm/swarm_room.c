/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* How the places for circuits are shared: every swarm can be found, can ask and can have peers,
 * however many swarms there are. */

static uint32_t
limit(const struct peel_swarms *s)
{
	return s->size - s->size / 4;
}

/* For introduction points and questions. */
static uint32_t
limit_upkeep(const struct peel_swarms *s)
{
	return s->size / 2;
}

bool
room_for_swarm(const struct peel_swarms *s, bool seed, bool find)
{
	return s->n_seed + s->n_find + seed + find <= limit_upkeep(s);
}

unsigned int
room_introductions(const struct peel_swarms *s)
{
	uint32_t each = s->n_seed > 0 ? (limit_upkeep(s) - s->n_find) / s->n_seed : 0;

	return each < INTRODUCTIONS ? each : INTRODUCTIONS;
}

/* Peers leave the places that the swarms want for their upkeep, used or not. */
static uint32_t
limit_peers(const struct peel_swarms *s)
{
	return limit(s) - s->n_find - s->n_seed * room_introductions(s);
}

bool
room_for_circuit(const struct swarm *w, enum tie_kind kind)
{
	const struct peel_swarms *s = w->all;

	if (kind == TIE_DOWNLOADER)
		return room_for_connection(w);
	if (kind == TIE_SEEDER)
		return s->n_circuits - s->n_upkeep < limit_peers(s);
	return s->n_circuits < limit(s);
}

/* The last quarter of most places is for swarms that have none, or less than an equal part of it.
 */
static bool
has_share(uint32_t most, uint32_t all, uint32_t own, uint32_t n_swarms)
{
	uint32_t kept = n_swarms > 1 ? most / 4 : 0;

	return all < most - kept || (all < most && (own == 0 || own < kept / n_swarms));
}

bool
room_for_connection(const struct swarm *w)
{
	const struct peel_swarms *s = w->all;
	const struct tie *t;
	uint32_t own = 0;

	LIST_FOREACH (t, &w->ties, of_swarm)
		own += t->kind == TIE_DOWNLOADER && t->circuit != 0;
	return has_share(limit_peers(s), s->n_circuits - s->n_upkeep, own, s->n_find);
}

bool
room_for_visitor(const struct swarm *w)
{
	const struct peel_swarms *s = w->all;

	return has_share(limit_peers(s) - limit_peers(s) / 3, s->n_seeder_up + s->n_waiting,
		w->n_seeder_up + w->n_waiting, s->n_seed);
}
