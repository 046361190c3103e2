/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Paths are few, so plain memory will do.
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_path.h"
#include "peel_route.h"

struct peel_paths {
	struct peel_path_base base;
	struct peel_rcu *rcu;
	struct peel_slots slots; /* free ones are linked by their last session */
};

int
peel_paths_new(uint32_t n, struct peel_rcu *rcu, struct peel_paths **out)
{
	struct peel_paths *t;

	if (n == 0)
		return -EINVAL;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->base.size = n;
	t->rcu = rcu;
	t->base.generations = calloc(n, sizeof(t->base.generations[0]));
	if (posix_memalign((void **)&t->base.paths, 64, n * sizeof(t->base.paths[0])) != 0)
		t->base.paths = NULL;
	if (t->base.generations == NULL || t->base.paths == NULL) {
		peel_paths_free(t);
		return -ENOMEM;
	}
	memset(t->base.paths, 0, n * sizeof(t->base.paths[0]));
	peel_slots_init(&t->slots, n, PEEL_REUSE_SOON,
		PEEL_LINKS(t->base.paths, session[PEEL_PATH_LAYERS_MAX - 1]));
	*out = t;
	return 0;
}

void
peel_paths_free(struct peel_paths *t)
{
	if (t == NULL)
		return;
	free(t->base.paths);
	free(t->base.generations);
	free(t);
}

static void
next_generation(struct peel_paths *t, uint32_t path)
{
	__atomic_store_n(
		&t->base.generations[path], t->base.generations[path] + 1, __ATOMIC_RELEASE);
}

/* Programs' threads may look at flags and layers of a path that is just going, but at nothing
 * else. */
static void
clear(struct peel_path *p, uint8_t early)
{
	memset(&p->first, 0, sizeof(p->first));
	memset(p->session, 0, sizeof(p->session));
	p->cid = 0;
	__atomic_store_n(&p->flags, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&p->n_layers, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&p->early, early, __ATOMIC_RELAXED);
}

int
peel_path_add(struct peel_paths *t, const struct peel_addr *first, uint32_t cid, uint8_t early,
	uint32_t *path)
{
	*path = peel_slots_take(&t->slots);
	if (*path == PEEL_NONE)
		return -ENOSPC;
	struct peel_path *p = peel_path_at(t, *path);

	clear(p, early);
	p->first = *first;
	p->cid = cid;
	next_generation(t, *path);
	return 0;
}

void
peel_path_set_first(struct peel_paths *t, uint32_t path, const struct peel_addr *first)
{
	peel_path_at(t, path)->first = *first;
}

void
peel_path_set_cid(struct peel_paths *t, uint32_t path, uint32_t cid)
{
	peel_path_at(t, path)->cid = cid;
}

int
peel_path_layer(struct peel_paths *t, uint32_t path, uint32_t session)
{
	struct peel_path *p = peel_path_at(t, path);

	if (p->n_layers == PEEL_PATH_LAYERS_MAX)
		return -ENOSPC;
	p->session[p->n_layers] = session;
	__atomic_store_n(&p->n_layers, (uint8_t)(p->n_layers + 1), __ATOMIC_RELEASE);
	return 0;
}

void
peel_path_set_flags(struct peel_paths *t, uint32_t path, uint8_t flags)
{
	__atomic_store_n(&peel_path_at(t, path)->flags, flags, __ATOMIC_RELEASE);
}

static void
release(void *arg, uint64_t path)
{
	struct peel_paths *t = arg;

	clear(peel_path_at(t, (uint32_t)path), 0);
	peel_slots_give(&t->slots, (uint32_t)path);
}

void
peel_path_retire(struct peel_paths *t, uint32_t path)
{
	next_generation(t, path);
	/* Without memory to remember it the slot is lost until restart, but never reused too
	 * early. */
	if (peel_rcu_defer(t->rcu, release, t, path) != 0)
		peel_log(PEEL_LOG_ERROR, "path: out of memory, a table slot is lost until restart");
}
