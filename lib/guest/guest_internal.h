/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Internals of lib/guest: arrays sized at the start and linked by index. Thread: control. */

#include "peel_cell.h"
#include "peel_guest_circuits.h"
#include "peel_links.h"

/* A guest changes roles in one turn of its loop, which takes milliseconds. */
#define GC_REMOVE_MS 1000
#define GC_SESSION_MS 10000 /* after its last use */
#define GC_NEVER_S UINT32_MAX

/* A session of lib/route, with how many objects use it. */
struct gc_session {
	uint32_t session; /* in a free entry: the link to the next one */
	uint32_t chain;	  /* by key */
	uint32_t refs;
	uint32_t older, newer; /* without use */
	uint64_t unused_ms;
};

/* What a session had counted when an object began. */
struct gc_base {
	uint64_t forward_cells, forward_bytes, backward_cells, backward_bytes;
};

struct gc_object {
	uint8_t kind;  /* enum peel_gc_kind */
	bool removing; /* exits only; nobody but workers finds it */
	uint32_t cid;
	uint32_t chain; /* by cid; in a free entry: the link to the next one */
	uint32_t slot;	/* its route, PEEL_NONE: none, or it was replaced */
	uint32_t session[PEEL_PATH_LAYERS_MAX]; /* entries of c->session; exits and relays have one
						 */
	struct gc_base base;
	uint64_t sealed; /* bytes of cells that the guest itself sent */
	/* exits: removed ones by time */
	uint32_t older, newer;
	uint64_t due_ms;
	uint32_t endpoint;
	/* where it sends: an exit's previous hop, a relay's next link, the first hop */
	struct peel_addr out;
	/* relays */
	uint32_t out_cid;
	bool backward, rendezvous;
	/* own circuits */
	uint32_t path; /* PEEL_NONE: no hops yet */
	uint8_t type, goal_hops, n_hops, n_early;
	bool e2e;
};

struct peel_guest_circuits {
	struct peel_gc_conf conf;
	uint8_t prefix[PEEL_PREFIX_LEN];
	uint8_t max_early;
	uint64_t seed;
	struct gc_session *session;
	struct peel_slots sessions;
	struct peel_chains by_key;
	struct peel_queue unused;
	struct gc_object *object;
	struct peel_slots objects;
	struct peel_chains by_cid;
	struct peel_queue removed;
	uint32_t *exit_of; /* [peel_session_limit] object of an exit, by session of lib/route */
};

/* guest_sessions.c */
/* The session with these keys, an entry of c->session with one more use. 0 or -ENOSPC. */
int gc_session_get(
	struct peel_guest_circuits *c, const struct peel_session_keys *keys, uint32_t *out);
void gc_session_put(struct peel_guest_circuits *c, uint32_t entry);
/* Whether an entry has these keys. */
bool gc_session_is(
	const struct peel_guest_circuits *c, uint32_t entry, const struct peel_session_keys *keys);
struct peel_session *gc_session_at(const struct peel_guest_circuits *c, uint32_t entry);
/* Retire those without use for long enough. @return milliseconds until the next one. */
uint64_t gc_sessions_tick(struct peel_guest_circuits *c, uint64_t now_ms);

/* guest_circuits.c */
/* NULL: there is none. Removed exits are not found. */
struct gc_object *gc_find(
	const struct peel_guest_circuits *c, enum peel_gc_kind kind, uint32_t cid);
struct gc_object *gc_object_new(
	struct peel_guest_circuits *c, enum peel_gc_kind kind, uint32_t cid);
void gc_object_end(struct peel_guest_circuits *c, struct gc_object *o);
/* Publish the route of an object. Whoever had one for these cells has it no more. 0 or -ENOSPC. */
int gc_publish(struct peel_guest_circuits *c, struct gc_object *o, const struct peel_route *spec);
void gc_unpublish(struct peel_guest_circuits *c, struct gc_object *o);
/* A relay has the cells of this id: exits have them no more, removed or not yet. */
void gc_exits_yield(struct peel_guest_circuits *c, uint32_t cid);
/* The counts of an object begin. */
void gc_begin(struct peel_guest_circuits *c, struct gc_object *o);

/* guest_exits.c */
void gc_exit_end(struct peel_guest_circuits *c, struct gc_object *o);
uint64_t gc_exits_tick(struct peel_guest_circuits *c, uint64_t now_ms);

/* guest_seal.c */
/* Seal a message (id and body) with the keys of one direction; @p out has room for
 * PEEL_SEAL_OVERHEAD more bytes and is not @p in. */
void gc_seal_layer(struct peel_direction *direction, const uint8_t *in, size_t len, uint8_t *out);
