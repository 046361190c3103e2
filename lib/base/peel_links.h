/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Tables without pointers: arrays whose entries are linked to each other by index. Links are
 * members of the entries, so that a table takes no more memory than its array, which may move as it
 * grows. On them: a list, a queue that entries may leave from anywhere, the free slots of an array,
 * and a hash index.
 *
 * Thread: one at a time, whoever owns the table.
 */

#include "peel_base.h"

#define PEEL_NONE UINT32_MAX /* no slot */

/** Where the link of each entry is. */
struct peel_links {
	uint8_t *array;
	uint32_t stride, offset;
};

/** Links in a uint32_t member of an array's entries. The array may be NULL until it is used. */
#define PEEL_LINKS(array, member)                                                                  \
	((struct peel_links){                                                                      \
		(uint8_t *)(array), sizeof(*(array)), offsetof(__typeof__(*(array)), member)})

static inline uint32_t *
peel_link(const struct peel_links *l, uint32_t slot)
{
	return (uint32_t *)(void *)(l->array + (size_t)slot * l->stride + l->offset);
}

/* ---- list: each entry knows the next one ----------------------------------------------------- */

struct peel_list {
	uint32_t first, last;
	struct peel_links next;
};

static inline void
peel_list_init(struct peel_list *l, struct peel_links next)
{
	*l = (struct peel_list){PEEL_NONE, PEEL_NONE, next};
}

static inline void
peel_list_add_first(struct peel_list *l, uint32_t slot)
{
	*peel_link(&l->next, slot) = l->first;
	if (l->first == PEEL_NONE)
		l->last = slot;
	l->first = slot;
}

static inline void
peel_list_add_last(struct peel_list *l, uint32_t slot)
{
	*peel_link(&l->next, slot) = PEEL_NONE;
	if (l->first == PEEL_NONE)
		l->first = slot;
	else
		*peel_link(&l->next, l->last) = slot;
	l->last = slot;
}

/** The first one, taken out; PEEL_NONE when there is none. */
static inline uint32_t
peel_list_take(struct peel_list *l)
{
	uint32_t slot = l->first;

	if (slot != PEEL_NONE)
		l->first = *peel_link(&l->next, slot);
	return slot;
}

/* ---- queue: in order of arrival, left in any ------------------------------------------------- */

struct peel_queue {
	uint32_t oldest, newest;
	struct peel_links older, newer;
};

static inline void
peel_queue_init(struct peel_queue *q, struct peel_links older, struct peel_links newer)
{
	*q = (struct peel_queue){PEEL_NONE, PEEL_NONE, older, newer};
}

static inline void
peel_queue_add(struct peel_queue *q, uint32_t slot)
{
	*peel_link(&q->older, slot) = q->newest;
	*peel_link(&q->newer, slot) = PEEL_NONE;
	if (q->newest == PEEL_NONE)
		q->oldest = slot;
	else
		*peel_link(&q->newer, q->newest) = slot;
	q->newest = slot;
}

static inline void
peel_queue_del(struct peel_queue *q, uint32_t slot)
{
	uint32_t older = *peel_link(&q->older, slot), newer = *peel_link(&q->newer, slot);

	*(older == PEEL_NONE ? &q->oldest : peel_link(&q->newer, older)) = newer;
	*(newer == PEEL_NONE ? &q->newest : peel_link(&q->older, newer)) = older;
}

/* ---- slots: which entries of an array are in use --------------------------------------------- */

enum peel_reuse {
	PEEL_REUSE_SOON, /* the slot freed last comes first: few pages are touched */
	PEEL_REUSE_LATE, /* slots rest as long as possible: unused ones, then the one freed first */
};

struct peel_slots {
	struct peel_list free; /* those that were used */
	uint32_t size;
	uint32_t n_high; /* from here on no slot was ever used */
	uint32_t n;	 /* in use */
	enum peel_reuse reuse;
};

/** @p link: used while a slot is free, and so may be of another table that its entry is in while it
 * is not. */
static inline void
peel_slots_init(struct peel_slots *s, uint32_t size, enum peel_reuse reuse, struct peel_links link)
{
	*s = (struct peel_slots){.size = size, .reuse = reuse};
	peel_list_init(&s->free, link);
}

/** PEEL_NONE: all are in use. */
static inline uint32_t
peel_slots_take(struct peel_slots *s)
{
	if (s->n == s->size)
		return PEEL_NONE;
	s->n++;
	if (s->n_high < s->size && (s->reuse == PEEL_REUSE_LATE || s->free.first == PEEL_NONE))
		return s->n_high++;
	return peel_list_take(&s->free);
}

static inline void
peel_slots_give(struct peel_slots *s, uint32_t slot)
{
	s->n--;
	if (s->reuse == PEEL_REUSE_LATE)
		peel_list_add_last(&s->free, slot);
	else
		peel_list_add_first(&s->free, slot);
}

/** Make the array of a table twice as large, or 64 entries. @return where it is now, NULL: out of
 * memory, and all is as it was. Tell others whose links are in it. */
void *peel_slots_grow(struct peel_slots *s) PEEL_MUST_USE;

/* ---- chains: a hash index -------------------------------------------------------------------- */

/** For keys that strangers choose, the hash is keyed. Its low bits count. */
struct peel_chains {
	uint32_t *head; /* [mask + 1] */
	uint32_t mask;
	struct peel_links next;
};

/** A power of two of chains, at least @p n. 0 or -ENOMEM. */
int peel_chains_init(struct peel_chains *c, uint32_t n, struct peel_links next) PEEL_MUST_USE;
/** Also of zeroes. */
void peel_chains_fini(struct peel_chains *c);

static inline uint32_t *
peel_chain(const struct peel_chains *c, uint64_t hash)
{
	return &c->head[hash & c->mask];
}

static inline void
peel_chains_add(struct peel_chains *c, uint64_t hash, uint32_t slot)
{
	uint32_t *head = peel_chain(c, hash);

	*peel_link(&c->next, slot) = *head;
	*head = slot;
}

/** It must be there. */
static inline void
peel_chains_del(struct peel_chains *c, uint64_t hash, uint32_t slot)
{
	uint32_t *link = peel_chain(c, hash);

	while (*link != slot)
		link = peel_link(&c->next, *link);
	*link = *peel_link(&c->next, slot);
}

/** All slots that may have the hash, one by one: slots of other hashes are among them. */
#define PEEL_CHAIN_FOREACH(slot, chains, hash)                                                     \
	for (slot = *peel_chain(chains, hash); slot != PEEL_NONE;                                  \
		slot = *peel_link(&(chains)->next, slot))
