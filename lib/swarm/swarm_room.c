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
room_for_circuit(const struct peel_swarms *s, enum tie_kind kind)
{
	if (kind == TIE_SEEDER || kind == TIE_DOWNLOADER)
		return s->n_circuits - s->n_upkeep < limit_peers(s);
	return s->n_circuits < limit(s);
}

bool
room_for_visitor(const struct swarm *w)
{
	const struct peel_swarms *s = w->all;
	uint32_t most = limit_peers(s) - limit_peers(s) / 3;
	uint32_t kept = s->n_seed > 1 ? most / 4 : 0;
	uint32_t share = s->n_seed > 1 ? kept / s->n_seed : 0;
	uint32_t all = s->n_seeder_up + s->n_waiting, own = w->n_seeder_up + w->n_waiting;

	return all < most - kept || (all < most && (own == 0 || own < share));
}
