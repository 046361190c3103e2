/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The circuit switching table. A *session* is the key material and counters that one hop of a
 * circuit shares with the originator. A *route* says what to do with a cell that arrives from a
 * neighbour with a circuit id. A relayed circuit has one session and two routes, an exit circuit
 * one session and one route.
 *
 * The control thread is the only writer; workers look up without locks and add to counters. Retired
 * entries are wiped and reused after a grace period (lib/rcu). Source: protocol sections 12, 13,
 * 28.
 */

#include "peel_aead.h"
#include "peel_base.h"
#include "peel_links.h"
#include "peel_rcu.h"

#define PEEL_ROUTE_SESSIONS_MAX (1u << 29)
/* routes of one circuit id that are found by the id alone */
#define PEEL_ROUTE_SAME_CID_MAX 8

enum peel_route_kind {
	PEEL_ROUTE_NONE = 0,
	/* from the previous hop: open with the forward key, on to the next hop */
	PEEL_ROUTE_FORWARD,
	/* from the next hop: seal with the backward key, on to the previous hop */
	PEEL_ROUTE_BACKWARD,
	PEEL_ROUTE_RENDEZVOUS, /* open with own forward key, seal with `peer`'s backward key */
	/* from the previous hop, this node is the end: open and look at the message */
	PEEL_ROUTE_EXIT,
	PEEL_ROUTE_ORIGIN, /* from the first hop of an own circuit: open every layer of its path */
};

/**
 * Where a cell goes. Read-only after publication except for the atomic fields. 64 bytes, one cache
 * line.
 */
struct peel_route {
	/* 0 */ struct peel_addr in; /* neighbour it comes from */
	/* 20 */ uint32_t in_cid;
	/* 24 */ struct peel_addr
		out; /* neighbour it goes to; of EXIT: the previous hop (answers go there) */
	/* 44 */ uint32_t out_cid; /* of EXIT: equal to in_cid */
	/* 48 */ uint32_t session;
	/* 52 */ uint32_t
		peer; /* RENDEZVOUS: the other circuit's session; ORIGIN: the path (peel_path.h) */
	/* 56 */ uint32_t endpoint; /* EXIT: outside endpoint (relaxed atomic, 0 = not open yet) */
	/* 60 */ uint8_t kind;	    /* enum peel_route_kind */
	/* 61 */ uint8_t n_early;   /* relay_early cells passed (relaxed atomic) */
	/* 62 */ uint8_t max_early; /* drop early cells from this count on */
	/* 63 */ uint8_t zero;
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct peel_route) == 64, "a route is one cache line");

/** One direction of a session: 64 bytes, touched by the worker that holds this direction. */
struct peel_direction {
	/* 0 */ struct peel_key key;   /* read-only after publication */
	/* 32 */ uint8_t salt[4];      /* read-only after publication */
	/* 36 */ uint32_t last_seen_s; /* relaxed: seconds of the worker clock, written at most once
					  a second */
	/* 40 */ uint64_t
		seal; /* relaxed fetch_add: last explicit salt used for sealing in this direction */
	/* 48 */ uint64_t cells; /* relaxed */
	/* 56 */ uint64_t bytes; /* relaxed */
} __attribute__((aligned(64)));
_Static_assert(sizeof(struct peel_direction) == 64, "a direction is one cache line");

struct peel_session {
	struct peel_direction forward;
	struct peel_direction backward;
};

struct peel_route_table;

/*
 * Sessions and routes live in pages of 4 KiB, a session's routes in its own page as long as there
 * is room. With a million circuits, nearly every access to another page takes a walk through page
 * tables that are not in the cache either. The walk costs more than the line itself, and a worker
 * waits for it even if it only prefetches.
 *
 * A page: 15 sessions of two lines, then 34 routes. Session = page * 16 + place, slot = page * 64 +
 * line.
 */
#define PEEL_ROUTE_PAGE 4096
#define PEEL_ROUTE_PAGE_SESSIONS 15
#define PEEL_ROUTE_PAGE_SESSION_BITS 4
#define PEEL_ROUTE_PAGE_LINES (PEEL_ROUTE_PAGE / 64)

/** The beginning of a table, for the accessors below; do not use it directly. */
struct peel_route_base {
	uint8_t *pages;
	uint32_t *generations; /* of sessions; odd while in use */
};

struct peel_route_conf {
	uint32_t max_sessions; /* circuits; twice as many routes */
	struct peel_rcu *rcu;
	const struct peel_env *env; /* seeds the hash, starts counters at random values (W1) */
	/* NUMA node; memory from rte_malloc when EAL runs with hugepages, else from the kernel */
	int socket_id;
	bool heap; /* no EAL memory (tests under sanitizers, embedding) */
	/** A session begins, in the place of one that ended long ago; no worker knows it yet.
	 * NULL: nobody wants to know. */
	void (*begins)(void *arg, uint32_t session);
	void *arg;
};

/* ---- control thread -------------------------------------------------------------------------- */

/** Make a table. 0, -EINVAL (max_sessions 0 or beyond PEEL_ROUTE_SESSIONS_MAX) or -ENOMEM. */
int peel_route_table_new(
	const struct peel_route_conf *conf, struct peel_route_table **out) PEEL_MUST_USE;
/** Wipe and free the table, before or after peel_rcu_free. Workers must have stopped. NULL is
 * fine. */
void peel_route_table_free(struct peel_route_table *t);

/**
 * Add a session with this key material, which is copied; both seal counters start at random values
 * below 2^62 (W1). @p now_s, in seconds, is written to last_seen_s of both directions. 0, or
 * -ENOSPC if the table is full.
 */
int peel_session_add(struct peel_route_table *t, const struct peel_key *forward,
	const uint8_t salt_forward[4], const struct peel_key *backward,
	const uint8_t salt_backward[4], uint32_t now_s, uint32_t *session) PEEL_MUST_USE;
/** Retire a session: its generation changes at once; it is wiped and reused after a grace period.
 * Retire its routes first. */
void peel_session_retire(struct peel_route_table *t, uint32_t session);

/**
 * Publish a route, which is copied: workers see all of it or nothing. A route with the same (in,
 * in_cid) is replaced by one store and retired (exit -> relay). 0, -ENOSPC if the table is full, or
 * -EINVAL for an impossible kind or session index (ORIGIN may have PEEL_NONE). FORWARD, EXIT and
 * RENDEZVOUS routes can also be found by circuit id alone (multi-homed neighbours); BACKWARD and
 * ORIGIN routes cannot. If more than PEEL_ROUTE_SAME_CID_MAX routes have one id, which only an
 * attack causes, the later ones are found only by their whole key, so that nobody can grow a long
 * chain. @p slot may be NULL.
 */
int peel_route_publish(
	struct peel_route_table *t, const struct peel_route *spec, uint32_t *slot) PEEL_MUST_USE;
/** Retire a route: workers stop seeing it; it is reused after a grace period. */
void peel_route_retire(struct peel_route_table *t, uint32_t slot);
/** Set the outside endpoint of an EXIT route (relaxed store). */
void peel_route_set_endpoint(struct peel_route_table *t, uint32_t slot, uint32_t endpoint);
/** Find the routes of a circuit id, of whatever kind, that the id alone finds. @return how many. */
unsigned int peel_routes_of_cid(
	const struct peel_route_table *t, uint32_t cid, uint32_t out[PEEL_ROUTE_SAME_CID_MAX]);
/** Whether any route, from whatever neighbour, uses this circuit id. */
bool peel_route_cid_used(const struct peel_route_table *t, uint32_t cid);
/** A fresh, unpredictable circuit id for the link to a next hop, in use nowhere. */
uint32_t peel_route_new_cid(struct peel_route_table *t);
uint32_t peel_route_count(const struct peel_route_table *t); /* published routes */
uint32_t peel_session_count(const struct peel_route_table *t);
/** All session indices are below this; they have gaps. */
uint32_t peel_session_limit(const struct peel_route_table *t);
size_t peel_route_memory(const struct peel_route_table *t); /* bytes, everything counted */
/** The bytes that a table for so many sessions takes. Thread: any. */
size_t peel_route_memsize(uint32_t max_sessions);

/* ---- any thread ------------------------------------------------------------------------------ */

/** The generation of a session, which reveals a reused index (relaxed load): odd while in use, even
 * once retired. */
static inline uint32_t
peel_session_generation(const struct peel_route_table *t, uint32_t session)
{
	const struct peel_route_base *b = (const struct peel_route_base *)t;

	return __atomic_load_n(&b->generations[session], __ATOMIC_RELAXED);
}

/* ---- workers: between peel_rcu_online and _offline ------------------------------------------- */

/**
 * Look up a burst of n <= 64 cells: slot[i] becomes the route of (from[i], cid[i]) or PEEL_NONE. It
 * prefetches buckets, then route lines, then compares whole keys.
 */
void peel_route_lookup_burst(const struct peel_route_table *t, const struct peel_addr *const *from,
	const uint32_t *cid, unsigned int n, uint32_t *slot);
/*
 * The same in three steps, for callers that can do other work instead of waiting for memory: each
 * step prefetches what the next one reads, so let some time pass in between. n <= 64, better 8: a
 * core drops prefetches of too many in a row.
 */
/** Compute the hashes and prefetch the buckets. */
void peel_route_lookup_hash(const struct peel_route_table *t, const struct peel_addr *const *from,
	const uint32_t *cid, unsigned int n, uint64_t *hash);
/** Find candidates by signature and prefetch their route lines. */
void peel_route_lookup_find(
	const struct peel_route_table *t, const uint64_t *hash, unsigned int n, uint32_t *slot);
/** Compare whole keys: slot[i] becomes the same as with peel_route_lookup_burst(). */
void peel_route_lookup_check(const struct peel_route_table *t, const struct peel_addr *const *from,
	const uint32_t *cid, const uint64_t *hash, unsigned int n, uint32_t *slot);
/** The same for one route, for callers that can wait for memory. Thread: also control. */
uint32_t peel_route_lookup(
	const struct peel_route_table *t, const struct peel_addr *from, uint32_t cid);
/** Whether cells with this circuit id are passed on, whoever sends them. Thread: also control. */
bool peel_route_relays(const struct peel_route_table *t, uint32_t cid);
/** Look up by circuit id alone, for cells that the burst missed. PEEL_NONE if there is no route. */
uint32_t peel_route_lookup_any(const struct peel_route_table *t, uint32_t cid);

static inline struct peel_route *
peel_route_at(const struct peel_route_table *t, uint32_t slot)
{
	uint8_t *pages = ((const struct peel_route_base *)t)->pages;

	return (struct peel_route *)(pages + (size_t)slot * sizeof(struct peel_route));
}

static inline struct peel_session *
peel_session_at(const struct peel_route_table *t, uint32_t session)
{
	uint8_t *pages = ((const struct peel_route_base *)t)->pages;
	size_t page = session >> PEEL_ROUTE_PAGE_SESSION_BITS,
	       place = session & ((1u << PEEL_ROUTE_PAGE_SESSION_BITS) - 1);

	return (struct peel_session *)(pages + page * PEEL_ROUTE_PAGE +
				       place * sizeof(struct peel_session));
}

/** The next explicit salt of a direction: never the same value twice for one key. Top bit clear. */
static inline uint64_t
peel_direction_next(struct peel_direction *h)
{
	return (__atomic_add_fetch(&h->seal, 1, __ATOMIC_RELAXED)) & INT64_MAX;
}

/** Store the time of the last cell, only when it changes. Relaxed, so that control may read it. */
static inline void
peel_direction_seen(struct peel_direction *h, uint32_t now_s)
{
	if (__atomic_load_n(&h->last_seen_s, __ATOMIC_RELAXED) != now_s)
		__atomic_store_n(&h->last_seen_s, now_s, __ATOMIC_RELAXED);
}

/** Account one cell of so many bytes, relaxed as well. */
static inline void
peel_direction_account(struct peel_direction *h, uint32_t now_s, uint32_t bytes)
{
	__atomic_store_n(
		&h->cells, __atomic_load_n(&h->cells, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
	__atomic_store_n(
		&h->bytes, __atomic_load_n(&h->bytes, __ATOMIC_RELAXED) + bytes, __ATOMIC_RELAXED);
	peel_direction_seen(h, now_s);
}
