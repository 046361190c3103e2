/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "swarm_internal.h"

/* What there is, for the program and for the status. */

static void
fill(const struct swarm *w, struct peel_swarm_info *out)
{
	const struct tie *t;

	*out = (struct peel_swarm_info){
		.hops = w->hops,
		.seed = w->seed,
		.find = w->find,
		.known = known_count(w),
		.seeders = known_seeders(w),
		.connections = w->n_seeder_up + w->n_found,
		.pending = w->n_waiting + w->n_finding,
		.looked_up_ms = w->looked_ms == 0 ? UINT64_MAX : swarm_now(w->all) - w->looked_ms,
		.connected = w->n_connected,
		.refused = w->n_refused,
	};
	memcpy(out->info_hash, w->info_hash, sizeof(out->info_hash));
	if (w->seed)
		memcpy(out->seeder_pk, w->key->pk, PEEL_PK_LEN);
	LIST_FOREACH (t, &w->ties, of_swarm)
		out->introductions += t->kind == TIE_INTRODUCTION && t->stage == STAGE_UP;
}

int
peel_swarm_info(const struct peel_swarms *s, uint32_t swarm, struct peel_swarm_info *out)
{
	const struct swarm *w;

	LIST_FOREACH (w, &s->swarms, of_all) {
		if (w->number == swarm) {
			fill(w, out);
			return 0;
		}
	}
	return -ENOENT;
}

void
peel_swarm_dump(const struct peel_swarms *s,
	void (*fn)(void *arg, uint32_t swarm, const struct peel_swarm_info *info), void *arg)
{
	const struct swarm *w;

	LIST_FOREACH (w, &s->swarms, of_all) {
		struct peel_swarm_info info;

		fill(w, &info);
		fn(arg, w->number, &info);
	}
}

uint32_t
peel_swarm_of_circuit(const struct peel_swarms *s, peel_origin_id id, bool *peer)
{
	const struct tie *t = tie_of_circuit(s, id);

	*peer = t != NULL && t->stage == STAGE_UP && tie_is_peers(t);
	return t != NULL ? t->swarm->number : 0;
}
