/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Control side of the switching table: the one writer.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "table.h"

#define SALT_START_BITS 62 /* W1: far from 2 and from the high salts of candidate lists */
/* Entries per line of eight when the table is full. A worker that finds the home line full waits
 * for memory. */
#define EXACT_LOAD 4
#define BY_CID_LOAD 6 /* the control thread's, and of strangers' cells */

/* ---- memory ---------------------------------------------------------------------------------- */

static size_t
round_line(uint64_t n)
{
	return (n + 63) & ~(size_t)63;
}

/* One block: pages, buckets of both indices, generations, lines in use, counters of both indices.
 * With @p base NULL only the size is computed. */
static size_t
layout(struct peel_route_table *t, uint8_t *base)
{
	uint64_t pages =
		(t->max_sessions + PEEL_ROUTE_PAGE_SESSIONS - 1) / PEEL_ROUTE_PAGE_SESSIONS;
	uint64_t exact = index_groups(t->max_routes, EXACT_LOAD);
	uint64_t by_cid = index_groups(t->max_routes, BY_CID_LOAD);
	size_t sizes[] = {
		pages * PEEL_ROUTE_PAGE,
		exact * PEEL_INDEX_WAYS * sizeof(uint64_t),
		by_cid * PEEL_INDEX_WAYS * sizeof(uint64_t),
		(pages << PEEL_ROUTE_PAGE_SESSION_BITS) * sizeof(uint32_t),
		pages * sizeof(uint64_t),
		exact,
		by_cid,
	};
	size_t at[PEEL_ARRAY_LEN(sizes)], sum = 0;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
		at[i] = sum;
		sum += round_line(sizes[i]);
	}
	if (base == NULL)
		return sum;
	t->base.pages = base;
	t->exact.buckets = (uint64_t *)(base + at[1]);
	t->by_cid.buckets = (uint64_t *)(base + at[2]);
	t->base.generations = (uint32_t *)(base + at[3]);
	t->lines = (uint64_t *)(base + at[4]);
	t->exact.passed = base + at[5];
	t->by_cid.passed = base + at[6];
	t->exact.n_groups = exact;
	t->by_cid.n_groups = by_cid;
	t->n_pages = (uint32_t)pages;
	t->free_sessions = (struct free_list){PEEL_NONE, PEEL_NONE, 0, t->max_sessions};
	return sum;
}

size_t
peel_route_memsize(uint32_t max_sessions)
{
	struct peel_route_table t = {.max_sessions = max_sessions, .max_routes = 2 * max_sessions};

	return sizeof(t) + layout(&t, NULL);
}

int
peel_route_table_new(const struct peel_route_conf *conf, struct peel_route_table **out)
{
	struct peel_route_table *t;
	int rc;

	*out = NULL;
	if (conf->max_sessions == 0 || conf->max_sessions > PEEL_ROUTE_SESSIONS_MAX)
		return -EINVAL;
	if (posix_memalign((void **)&t, _Alignof(struct peel_route_table), sizeof(*t)) != 0)
		return -ENOMEM;
	memset(t, 0, sizeof(*t));
	t->rcu = conf->rcu;
	t->env = conf->env;
	t->begins = conf->begins;
	t->arg = conf->arg;
	t->max_sessions = conf->max_sessions;
	t->max_routes = 2 * conf->max_sessions;
	rc = memory_alloc(&t->memory, layout(t, NULL), conf->heap, conf->socket_id);
	if (rc != 0) {
		free(t);
		return rc;
	}
	memory_guard(&t->memory);
	layout(t, t->memory.p);
	t->exact_seed = peel_random_u64(t->env);
	t->cid_seed = peel_random_u64(t->env);
	*out = t;
	return 0;
}

static void
destroy(struct peel_route_table *t)
{
	/* Only what was ever used: the rest has never been touched. */
	peel_wipe(t->base.pages, (size_t)t->n_pages_used * PEEL_ROUTE_PAGE);
	memory_free(&t->memory);
	peel_wipe(t, sizeof(*t));
	free(t);
}

void
peel_route_table_free(struct peel_route_table *t)
{
	if (t == NULL)
		return;
	/* Without workers everything is due. Otherwise the last deferred callback finishes the
	 * job. */
	while (t->n_deferred > 0 && peel_rcu_poll(t->rcu) > 0)
		;
	if (t->n_deferred > 0)
		t->closing = true;
	else
		destroy(t);
}

uint32_t
peel_session_limit(const struct peel_route_table *t)
{
	return t->n_pages << PEEL_ROUTE_PAGE_SESSION_BITS;
}

size_t
peel_route_memory(const struct peel_route_table *t)
{
	return sizeof(*t) + t->memory.len;
}

/* ---- places in pages ------------------------------------------------------------------------- */

static void
touch(struct peel_route_table *t, uint32_t page)
{
	if (page >= t->n_pages_used)
		t->n_pages_used = page + 1;
}

/* Where a free session keeps the index of the next one. */
static uint32_t *
session_link(const struct peel_route_table *t, uint32_t i)
{
	return &peel_session_at(t, i)->forward.last_seen_s;
}

static uint32_t
take_session(struct peel_route_table *t)
{
	struct free_list *l = &t->free_sessions;
	uint32_t i = l->head, page;

	if (i != PEEL_NONE) {
		l->head = *session_link(t, i);
		if (l->head == PEEL_NONE)
			l->tail = PEEL_NONE;
		return i;
	}
	if (l->fresh == l->end)
		return PEEL_NONE;
	page = l->fresh / PEEL_ROUTE_PAGE_SESSIONS;
	i = l->fresh++ % PEEL_ROUTE_PAGE_SESSIONS;
	touch(t, page);
	return page << PEEL_ROUTE_PAGE_SESSION_BITS | i;
}

static void
give_session(struct peel_route_table *t, uint32_t i)
{
	struct free_list *l = &t->free_sessions;

	*session_link(t, i) = PEEL_NONE;
	if (l->tail == PEEL_NONE)
		l->head = i;
	else
		*session_link(t, l->tail) = i;
	l->tail = i;
}

static uint32_t
take_line(struct peel_route_table *t, uint32_t page)
{
	const uint64_t all = ~UINT64_C(0) << PEEL_PAGE_FIRST_ROUTE;
	uint64_t free = all & ~t->lines[page], later;

	if (free == 0)
		return PEEL_NONE;
	/* Not always the first free one: a line rests a while before it is used again. */
	later = free & ~UINT64_C(0) << (PEEL_PAGE_FIRST_ROUTE + t->turn++ % PEEL_PAGE_ROUTES);
	uint32_t line = (uint32_t)__builtin_ctzll(later != 0 ? later : free);

	t->lines[page] |= UINT64_C(1) << line;
	touch(t, page);
	return page * PEEL_ROUTE_PAGE_LINES + line;
}

/* In the page of its session. Where more than the usual two routes of each session want to be, any
 * other page will do: a worker then looks at two pages instead of one. */
static uint32_t
take_route(struct peel_route_table *t, uint32_t session)
{
	uint32_t slot = PEEL_NONE;

	if (session != PEEL_NONE)
		slot = take_line(t, session >> PEEL_ROUTE_PAGE_SESSION_BITS);
	for (uint32_t i = 0; slot == PEEL_NONE && i < t->n_pages; i++) {
		slot = take_line(t, t->cursor);
		if (slot == PEEL_NONE && ++t->cursor == t->n_pages)
			t->cursor = 0;
	}
	return slot;
}

static void
give_route(struct peel_route_table *t, uint32_t slot)
{
	t->lines[slot / PEEL_ROUTE_PAGE_LINES] &= ~(UINT64_C(1) << slot % PEEL_ROUTE_PAGE_LINES);
}

/* ---- after the grace period ------------------------------------------------------------------ */

static void
deferred_done(struct peel_route_table *t)
{
	if (--t->n_deferred == 0 && t->closing)
		destroy(t);
}

static void
release_session(void *arg, uint64_t i)
{
	struct peel_route_table *t = arg;

	peel_wipe(peel_session_at(t, (uint32_t)i), sizeof(struct peel_session));
	give_session(t, (uint32_t)i);
	deferred_done(t);
}

static void
release_route(void *arg, uint64_t i)
{
	struct peel_route_table *t = arg;

	peel_wipe(peel_route_at(t, (uint32_t)i), sizeof(struct peel_route));
	give_route(t, (uint32_t)i);
	deferred_done(t);
}

static void
defer(struct peel_route_table *t, peel_rcu_fn fn, uint32_t i)
{
	t->n_deferred++;
	if (peel_rcu_defer(t->rcu, fn, t, i) == 0)
		return;
	/* Safe but lost: workers may still look at it, and there is no memory to remember it. */
	t->n_deferred--;
	peel_log(PEEL_LOG_ERROR, "route: out of memory, a table slot is lost until restart");
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void
fill_direction(struct peel_route_table *t, struct peel_direction *h, const struct peel_key *key,
	const uint8_t salt[4], uint32_t now_s)
{
	h->key = *key;
	memcpy(h->salt, salt, sizeof(h->salt));
	h->last_seen_s = now_s;
	h->seal = peel_random_u64(t->env) >> (64 - SALT_START_BITS);
	h->cells = 0;
	h->bytes = 0;
}

static void
next_generation(struct peel_route_table *t, uint32_t session)
{
	__atomic_store_n(&t->base.generations[session], peel_session_generation(t, session) + 1,
		__ATOMIC_RELAXED);
}

static bool
session_in_use(const struct peel_route_table *t, uint32_t session)
{
	return session >> PEEL_ROUTE_PAGE_SESSION_BITS < t->n_pages &&
	       peel_session_generation(t, session) % 2 == 1;
}

int
peel_session_add(struct peel_route_table *t, const struct peel_key *forward,
	const uint8_t salt_forward[4], const struct peel_key *backward,
	const uint8_t salt_backward[4], uint32_t now_s, uint32_t *session)
{
	uint32_t i = take_session(t);

	*session = PEEL_NONE;
	if (i == PEEL_NONE)
		return -ENOSPC;
	struct peel_session *s = peel_session_at(t, i);

	/* No worker knows this index yet: the store that publishes its first route makes all of
	 * this visible. */
	fill_direction(t, &s->forward, forward, salt_forward, now_s);
	fill_direction(t, &s->backward, backward, salt_backward, now_s);
	next_generation(t, i);
	if (t->begins != NULL)
		t->begins(t->arg, i);
	t->n_sessions++;
	*session = i;
	return 0;
}

void
peel_session_retire(struct peel_route_table *t, uint32_t session)
{
	assert(session_in_use(t, session));
	if (!session_in_use(t, session))
		return;
	next_generation(t, session);
	t->n_sessions--;
	defer(t, release_session, session);
}

uint32_t
peel_session_count(const struct peel_route_table *t)
{
	return t->n_sessions;
}

/* ---- routes ---------------------------------------------------------------------------------- */

unsigned int
peel_routes_of_cid(
	const struct peel_route_table *t, uint32_t cid, uint32_t out[PEEL_ROUTE_SAME_CID_MAX])
{
	struct index_walk w = index_walk_begin(&t->by_cid, route_cid_hash(t, cid));
	unsigned int n = 0;

	for (uint32_t slot; (slot = index_walk_next(&t->by_cid, &w)) != PEEL_NONE;) {
		if (peel_route_at(t, slot)->in_cid == cid)
			out[n++] = slot;
	}
	return n;
}

/* A stranger may use one id from thousands of ports. All would pile up around one group: index a
 * few, the others are found by their whole key. */
static void
add_by_cid(struct peel_route_table *t, uint32_t cid, uint32_t slot)
{
	uint32_t others[PEEL_ROUTE_SAME_CID_MAX];

	if (peel_routes_of_cid(t, cid, others) < PEEL_ROUTE_SAME_CID_MAX)
		index_add(&t->by_cid, route_cid_hash(t, cid), slot);
}

static bool
spec_valid(const struct peel_route_table *t, const struct peel_route *spec)
{
	if (spec->kind < PEEL_ROUTE_FORWARD || spec->kind > PEEL_ROUTE_ORIGIN)
		return false;
	if (spec->kind == PEEL_ROUTE_ORIGIN && spec->session == PEEL_NONE)
		return true;
	if (spec->kind == PEEL_ROUTE_RENDEZVOUS && !session_in_use(t, spec->peer))
		return false;
	return session_in_use(t, spec->session);
}

int
peel_route_publish(struct peel_route_table *t, const struct peel_route *spec, uint32_t *slot)
{
	uint64_t hash = route_hash(t, &spec->in, spec->in_cid);
	uint32_t old = route_find(t, hash, &spec->in, spec->in_cid), i;

	if (slot != NULL)
		*slot = PEEL_NONE;
	if (!spec_valid(t, spec))
		return -EINVAL;
	if (old == PEEL_NONE && t->n_routes == t->max_routes)
		return -ENOSPC;
	i = take_route(t, spec->session);
	if (i == PEEL_NONE)
		return -ENOSPC;
	*peel_route_at(t, i) = *spec;
	/* From here on workers see it: the release store in the index pairs with the acquire of
	 * their look. */
	if (old == PEEL_NONE) {
		index_add(&t->exact, hash, i);
		add_by_cid(t, spec->in_cid, i);
		t->n_routes++;
	} else {
		index_replace(&t->exact, hash, old, i);
		if (!index_replace(&t->by_cid, route_cid_hash(t, spec->in_cid), old, i))
			add_by_cid(t, spec->in_cid, i);
		defer(t, release_route, old);
	}
	if (slot != NULL)
		*slot = i;
	return 0;
}

void
peel_route_retire(struct peel_route_table *t, uint32_t slot)
{
	const struct peel_route *r = peel_route_at(t, slot);
	bool there = index_del(&t->exact, route_hash(t, &r->in, r->in_cid), slot);

	assert(there);
	if (!there)
		return;
	(void)index_del(&t->by_cid, route_cid_hash(t, r->in_cid), slot);
	t->n_routes--;
	defer(t, release_route, slot);
}

void
peel_route_set_endpoint(struct peel_route_table *t, uint32_t slot, uint32_t endpoint)
{
	__atomic_store_n(&peel_route_at(t, slot)->endpoint, endpoint, __ATOMIC_RELAXED);
}

bool
peel_route_cid_used(const struct peel_route_table *t, uint32_t cid)
{
	uint32_t slots[PEEL_ROUTE_SAME_CID_MAX];

	return peel_routes_of_cid(t, cid, slots) > 0;
}

uint32_t
peel_route_new_cid(struct peel_route_table *t)
{
	uint32_t cid;

	/* 0 is legal, but looks like a mistake. */
	do {
		cid = peel_random_u32(t->env);
	} while (cid == 0 || peel_route_cid_used(t, cid));
	return cid;
}

uint32_t
peel_route_count(const struct peel_route_table *t)
{
	return t->n_routes;
}
