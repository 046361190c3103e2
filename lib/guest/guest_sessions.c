/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Sessions, one for each pair of keys: whatever the guest makes of a circuit, no salt is used
 * twice.
 */
#include <errno.h>

#include "guest_internal.h"

struct peel_session *
gc_session_at(const struct peel_guest_circuits *c, uint32_t entry)
{
	return peel_session_at(c->conf.routes, c->session[entry].session);
}

static uint64_t
hash_of(const struct peel_guest_circuits *c, const struct peel_key *forward)
{
	return peel_hash_bytes(forward->b, sizeof(forward->b), c->seed);
}

bool
gc_session_is(
	const struct peel_guest_circuits *c, uint32_t entry, const struct peel_session_keys *keys)
{
	const struct peel_session *s = gc_session_at(c, entry);

	return peel_equal_ct(&s->forward.key, &keys->forward, sizeof(keys->forward)) &&
	       peel_equal_ct(&s->backward.key, &keys->backward, sizeof(keys->backward)) &&
	       memcmp(s->forward.salt, keys->salt_forward, 4) == 0 &&
	       memcmp(s->backward.salt, keys->salt_backward, 4) == 0;
}

int
gc_session_get(struct peel_guest_circuits *c, const struct peel_session_keys *keys, uint32_t *out)
{
	uint64_t hash = hash_of(c, &keys->forward);
	struct gc_session *s;
	uint32_t i;
	int rc;

	PEEL_CHAIN_FOREACH (i, &c->by_key, hash) {
		s = &c->session[i];
		if (!gc_session_is(c, i, keys))
			continue;
		if (s->refs++ == 0)
			peel_queue_del(&c->unused, i);
		*out = i;
		return 0;
	}
	i = peel_slots_take(&c->sessions);
	if (i == PEEL_NONE)
		return -ENOSPC;
	s = &c->session[i];
	*s = (struct gc_session){.refs = 1};
	rc = peel_session_add(c->conf.routes, &keys->forward, keys->salt_forward, &keys->backward,
		keys->salt_backward, GC_NEVER_S, &s->session);
	if (rc != 0) {
		peel_slots_give(&c->sessions, i);
		return rc;
	}
	peel_chains_add(&c->by_key, hash, i);
	*out = i;
	return 0;
}

void
gc_session_put(struct peel_guest_circuits *c, uint32_t entry)
{
	struct gc_session *s = &c->session[entry];

	if (--s->refs > 0)
		return;
	s->unused_ms = peel_now_ms(c->conf.env);
	peel_queue_add(&c->unused, entry);
}

static void
retire(struct peel_guest_circuits *c, uint32_t entry)
{
	struct gc_session *s = &c->session[entry];

	peel_queue_del(&c->unused, entry);
	peel_chains_del(&c->by_key, hash_of(c, &gc_session_at(c, entry)->forward.key), entry);
	peel_session_retire(c->conf.routes, s->session);
	peel_slots_give(&c->sessions, entry);
}

uint64_t
gc_sessions_tick(struct peel_guest_circuits *c, uint64_t now_ms)
{
	while (c->unused.oldest != PEEL_NONE) {
		uint64_t due = c->session[c->unused.oldest].unused_ms + GC_SESSION_MS;

		if (now_ms < due)
			return due - now_ms;
		retire(c, c->unused.oldest);
	}
	return UINT64_MAX;
}
