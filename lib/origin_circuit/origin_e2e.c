/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>

#include "origin_internal.h"

/* The end-to-end layer inside a circuit that leads to a rendezvous point: sections 13.1, 13.5 and
 * 19.6. */

/* last_seen_s of a direction in which nothing came; the workers' clock is past it. */
#define NEVER_S 0

struct peel_direction *
origin_e2e_inward(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	const struct peel_path *path = path_of(t, tn);
	struct peel_session *s =
		peel_session_at(t->conf.routes, path->session[peel_path_n_layers(path) - 1]);

	return (peel_path_flags(path) & PEEL_PATH_REVERSED) != 0 ? &s->forward : &s->backward;
}

bool
peel_origin_e2e_heard(const struct peel_origin_circuits *t, peel_origin_id id)
{
	const struct origin_circuit *tn = origin_by_id(t, id);

	return tn != NULL && has_e2e(t, tn) &&
	       __atomic_load_n(&origin_e2e_inward(t, tn)->last_seen_s, __ATOMIC_RELAXED) != NEVER_S;
}

int
peel_origin_e2e(
	struct peel_origin_circuits *t, peel_origin_id id, const struct peel_session_keys *keys)
{
	struct origin_circuit *tn = origin_by_id(t, id);
	uint8_t flags = PEEL_PATH_E2E;
	uint32_t session;

	if (tn == NULL || tn->state != PEEL_ORIGIN_READY)
		return -ENOENT;
	if (tn->type != PEEL_ORIGIN_RP_SEEDER && tn->type != PEEL_ORIGIN_RP_DOWNLOADER)
		return -EINVAL;
	if (has_e2e(t, tn))
		return -EEXIST;
	int ret = peel_session_add(t->conf.routes, &keys->forward, keys->salt_forward,
		&keys->backward, keys->salt_backward, NEVER_S, &session);

	if (ret != 0)
		return ret;
	if (tn->type == PEEL_ORIGIN_RP_DOWNLOADER)
		flags |= PEEL_PATH_REVERSED;
	/* The layer first: what comes without it must never be taken for what a peer sends. A
	 * worker that does not see the flags yet drops a cell; nothing is sent or expected yet. */
	ret = peel_path_layer(t->conf.paths, tn->path, session);
	if (ret != 0) {
		peel_session_retire(t->conf.routes, session);
		return ret;
	}
	peel_path_set_flags(t->conf.paths, tn->path, peel_path_flags(path_of(t, tn)) | flags);
	tn->seen_s = NEVER_S;
	tn->seen_cells = 0;
	tn->active_ms = origin_now(t);
	if (origin_pings(t, tn)) {
		origin_ping(t, tn); /* tells the seeder that it is linked */
		origin_ping_later(t, tn);
	}
	return 0;
}
