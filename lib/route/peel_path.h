/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Own circuits as workers see them: the first hop, and the layers to seal and open. A *path* has a
 * session (lib/route) per hop, in order, and for end-to-end circuits one more, innermost. Cells
 * that come back find it through a route of kind OWN, whose `session` is the first hop's and whose
 * `peer` is the path.
 *
 * The control thread is the only writer; layers are only ever added, each published by one store.
 * What is removed is wiped and reused after a grace period. Source: protocol
 * sections 13.1, 13.5, 13.6.
 */

#include "peel_base.h"
#include "peel_rcu.h"

/* 8 hops, which is what relay_early allows, and an end-to-end layer */
#define PEEL_PATH_LAYERS_MAX 9

enum peel_path_flag {
	PEEL_PATH_READY = 1, /* complete: data may be sent */
	/* the last layer is end-to-end: everything that comes is application data */
	PEEL_PATH_E2E = 2,
	/* ... sealed with the backward key (downloader) instead of forward (seeder) */
	PEEL_PATH_REVERSED = 4,
	/* leads to an introduction point: create-e2e may come out of data */
	PEEL_PATH_INTRODUCTION = 8,
};

/** 64 bytes, one cache line. */
struct peel_path {
	/* 0 */ struct peel_addr first; /* hop 1 */
	/* 20 */ uint32_t cid;
	/* 24 */ uint32_t session[PEEL_PATH_LAYERS_MAX];
	/* 60 */ uint8_t n_layers; /* release store, acquire load */
	/* 61 */ uint8_t flags;	   /* enum peel_path_flag, relaxed atomic */
	/* 62 */ uint8_t early;	   /* cells that still go out marked relay_early (relaxed atomic) */
	/* 63 */ uint8_t zero;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct peel_path) == 64, "a path is one cache line");

struct peel_paths;

/** What a table begins with, for the accessors below; not to be used directly. */
struct peel_path_base {
	struct peel_path *paths;
	uint32_t *generations; /* odd while in use */
	uint32_t size;
};

/* ---- control thread -------------------------------------------------------------------------- */

/** 0, -EINVAL (@p n is 0) or -ENOMEM. */
int peel_paths_new(uint32_t n, struct peel_rcu *rcu, struct peel_paths **out) PEEL_MUST_USE;
/** Workers must have stopped, and peel_rcu_poll have run what is deferred. NULL is fine. */
void peel_paths_free(struct peel_paths *t);
/** A path without layers. @p early: cells to mark relay_early. -ENOSPC when full. */
int peel_path_add(struct peel_paths *t, const struct peel_addr *first, uint32_t cid, uint8_t early,
	uint32_t *path) PEEL_MUST_USE;
/** Another first hop.   Before its first layer only: until then no worker looks at the path. */
void peel_path_set_first(struct peel_paths *t, uint32_t path, const struct peel_addr *first);
/** Another circuit id.   Before its first layer only. */
void peel_path_set_cid(struct peel_paths *t, uint32_t path, uint32_t cid);
/** One more layer, innermost from now on. -ENOSPC: PEEL_PATH_LAYERS_MAX. */
int peel_path_layer(struct peel_paths *t, uint32_t path, uint32_t session) PEEL_MUST_USE;
/** Replace the flags. */
void peel_path_set_flags(struct peel_paths *t, uint32_t path, uint8_t flags);
/** Its generation changes at once; reusable after a grace period. Retire its route first, its
 * sessions afterwards. */
void peel_path_retire(struct peel_paths *t, uint32_t path);

/* ---- any thread ------------------------------------------------------------------------------ */

/** Odd while in use, even once retired; 0 for an index beyond the table (acquire load). */
static inline uint32_t
peel_path_generation(const struct peel_paths *t, uint32_t path)
{
	const struct peel_path_base *b = (const struct peel_path_base *)t;

	return path < b->size ? __atomic_load_n(&b->generations[path], __ATOMIC_ACQUIRE) : 0;
}

/** How many paths there can be: indices are below. */
static inline uint32_t
peel_paths_size(const struct peel_paths *t)
{
	return ((const struct peel_path_base *)t)->size;
}

/** Below the table's size.   Thread: control, or a worker online in RCU. */
static inline struct peel_path *
peel_path_at(const struct peel_paths *t, uint32_t path)
{
	return &((const struct peel_path_base *)t)->paths[path];
}

static inline uint8_t
peel_path_flags(const struct peel_path *p)
{
	return __atomic_load_n(&p->flags, __ATOMIC_RELAXED);
}

static inline unsigned int
peel_path_n_layers(const struct peel_path *p)
{
	return __atomic_load_n(&p->n_layers, __ATOMIC_ACQUIRE);
}

/** Shall the next cell carry relay_early? Counts it when so. */
static inline bool
peel_path_take_early(struct peel_path *p)
{
	uint8_t left = __atomic_load_n(&p->early, __ATOMIC_RELAXED);

	while (left > 0) {
		if (__atomic_compare_exchange_n(&p->early, &left, (uint8_t)(left - 1), true,
			    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
	}
	return false;
}
