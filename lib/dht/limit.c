/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "limit.h"

#define N_SETS 1024u
#define N_WAYS 4u

int
dht_limit_init(struct dht_limit *t, uint32_t per_window, uint32_t window_ms)
{
	t->per_window = per_window;
	t->window_ms = window_ms;
	t->window = calloc(N_SETS * N_WAYS, sizeof(*t->window));
	return t->window == NULL ? -ENOMEM : 0;
}

void
dht_limit_fini(struct dht_limit *t)
{
	free(t->window);
	memset(t, 0, sizeof(*t));
}

bool
dht_window_take(struct dht_window *w, uint32_t per_window, uint32_t window_ms, uint64_t now)
{
	if (w->count == 0 || now - w->start_ms >= window_ms) {
		w->start_ms = now;
		w->count = 0;
	}
	if (w->count >= per_window)
		return false;
	w->count++;
	return true;
}

bool
dht_limit_take(struct dht_limit *t, uint64_t key, uint64_t now)
{
	struct dht_window *set = &t->window[(key % N_SETS) * N_WAYS], *victim = set;

	for (uint32_t i = 0; i < N_WAYS; i++) {
		if (set[i].count > 0 && set[i].key == key)
			return dht_window_take(&set[i], t->per_window, t->window_ms, now);
		if (set[i].count == 0 || (victim->count > 0 && set[i].start_ms < victim->start_ms))
			victim = &set[i];
	}
	*victim = (struct dht_window){.key = key};
	return dht_window_take(victim, t->per_window, t->window_ms, now);
}
