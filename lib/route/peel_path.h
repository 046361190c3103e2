/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Origin circuits as workers see them: the first hop, and the layers to seal and open. A *path* has
 * a session per hop, in order, and for end-to-end circuits one more, the innermost. Cells that come
 * back find it through a route of kind ORIGIN, whose `session` is the first hop's and whose `peer`
 * is the path.
 *
 * The control thread is the only writer. Layers are only added, each published by one store. A
 * retired path is wiped and reused after a grace period. Source: protocol sections 13.1, 13.5,
 * 13.6.
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
	/* for hidden services: the program's data travels on it end to end or not at all */
	PEEL_PATH_HIDDEN = 16,
	/* of a guest: a SOCKS association sends through it, and has the data that comes back */
	PEEL_PATH_ASSOCIATED = 32,
};

/** 64 bytes, one cache line. */
struct peel_path {
	/* 0 */ struct peel_addr first; /* hop 1 */
	/* 20 */ uint32_t cid;
	/* 24 */ uint32_t session[PEEL_PATH_LAYERS_MAX];
	/* 60 */ uint8_t n_layers; /* release store, acquire load */
	/* 61 */ uint8_t flags;	   /* enum peel_path_flag; release store, acquire load */
	/* 62 */ uint8_t early;	   /* cells that still go out marked relay_early (relaxed atomic) */
	/* 63 */ uint8_t zero;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct peel_path) == 64, "a path is one cache line");

struct peel_paths;

/** The beginning of a table, for the accessors below; do not use it directly. */
struct peel_path_base {
	struct peel_path *paths;
	uint32_t *generations; /* odd while in use */
	uint32_t size;
};

/* ---- control thread -------------------------------------------------------------------------- */

/** Make a table of @p n paths. 0, -EINVAL (@p n is 0) or -ENOMEM. */
int peel_paths_new(uint32_t n, struct peel_rcu *rcu, struct peel_paths **out) PEEL_MUST_USE;
/** Free the table. Workers must have stopped, and all deferred calls must have run. NULL is
 * fine. */
void peel_paths_free(struct peel_paths *t);
/** Add a path without layers. @p early: number of cells to mark relay_early. 0, or -ENOSPC if the
 * table is full. */
int peel_path_add(struct peel_paths *t, const struct peel_addr *first, uint32_t cid, uint8_t early,
	uint32_t *path) PEEL_MUST_USE;
/** Change the first hop. Only before the first layer: until then no worker looks at the path. */
void peel_path_set_first(struct peel_paths *t, uint32_t path, const struct peel_addr *first);
/** Change the circuit id. Only before the first layer. */
void peel_path_set_cid(struct peel_paths *t, uint32_t path, uint32_t cid);
/** Add a layer, the innermost from now on. 0, or -ENOSPC beyond PEEL_PATH_LAYERS_MAX. */
int peel_path_layer(struct peel_paths *t, uint32_t path, uint32_t session) PEEL_MUST_USE;
/** Replace the flags. Who sees them also sees the layers added before. */
void peel_path_set_flags(struct peel_paths *t, uint32_t path, uint8_t flags);
/** Retire a path. Its generation changes at once; it is reused after a grace period. Retire its
 * route before it, its sessions afterwards. */
void peel_path_retire(struct peel_paths *t, uint32_t path);

/* ---- any thread ------------------------------------------------------------------------------ */

/** The generation of a path: odd while in use, even once retired, 0 for an index beyond the table
 * (acquire load). */
static inline uint32_t
peel_path_generation(const struct peel_paths *t, uint32_t path)
{
	const struct peel_path_base *b = (const struct peel_path_base *)t;

	return path < b->size ? __atomic_load_n(&b->generations[path], __ATOMIC_ACQUIRE) : 0;
}

/** The size of the table: all indices are below it. */
static inline uint32_t
peel_paths_size(const struct peel_paths *t)
{
	return ((const struct peel_path_base *)t)->size;
}

/** The path with that index, which must be below the table's size. Thread: control, or a worker
 * online in RCU. */
static inline struct peel_path *
peel_path_at(const struct peel_paths *t, uint32_t path)
{
	return &((const struct peel_path_base *)t)->paths[path];
}

static inline uint8_t
peel_path_flags(const struct peel_path *p)
{
	return __atomic_load_n(&p->flags, __ATOMIC_ACQUIRE);
}

static inline unsigned int
peel_path_n_layers(const struct peel_path *p)
{
	return __atomic_load_n(&p->n_layers, __ATOMIC_ACQUIRE);
}

/** Whether the next cell shall carry relay_early; if so, counts it. */
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
