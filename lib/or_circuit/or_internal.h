/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Internals of lib/or_circuit: the tables behind struct peel_or_circuits. Everything is an array
 * sized at the start (pages are touched only when needed) and linked by index. Thread: control, all
 * of it.
 */

#include <errno.h>

#include "peel_handshake_queue.h"
#include "peel_links.h"
#include "peel_or_circuit.h"
#include "peel_rate.h"

/* The two sides of a circuit: its ids, routes and neighbours. */
enum side {
	PREVIOUS,
	NEXT, /* relays only */
	N_SIDES
};

enum kind {
	KIND_FREE,
	KIND_EXIT,
	KIND_RELAY,
	KIND_RENDEZVOUS, /* joined to another circuit that ended here */
};

/* What waits for remove_tunnel_delay: one queue each, ordered by time. */
enum delayed {
	DELAY_EXIT,   /* a relay's former exit */
	DELAY_REMOVE, /* the whole circuit */
	N_DELAYS
};

/* What we know of the node that asked for a circuit. */
enum standing {
	STRANGER,  /* nothing: the address may be forged */
	NEIGHBOUR, /* receives at its address: it answered the overlay, or used another circuit */
	N_POOLS,
	PROVED = N_POOLS, /* used this circuit */
};

#define N_OFFERED 8	      /* most candidates offered to one originator */
#define PENDING_PER_CIRCUIT 8 /* unanswered creates of one circuit */
#define HOUSEKEEPING_MS 5000  /* each circuit is examined about this often */
/* a node not heard for this long is pinged before it is extended to */
#define REACH_AFTER_MS 57500
/* a created of this size still fits when sealed */
#define DATAGRAM_EXTENDED_MAX (PEEL_DATAGRAM_MAX - PEEL_SEAL_OVERHEAD)

/* There are millions of these. So what only young circuits need is elsewhere, and what lib/route
 * knows is not repeated. */
struct or_circuit {
	uint64_t joined_ms;
	union {
		struct {
			uint32_t due_ms; /* low bits: remove_tunnel_delay is far below 49 days */
			uint32_t next;
		} delay[N_DELAYS];
		struct {
			uint32_t older, newer;
		} pool; /* while unproved, when it can be neither a relay nor being removed */
	};
	uint32_t serial;	 /* of this array entry: detects its reuse */
	uint32_t session;	 /* in a free entry: the link to the next one */
	uint32_t endpoint;	 /* outside endpoint of the exit, 0: none */
	uint32_t cid[N_SIDES];	 /* cid[NEXT], route[NEXT] and key[NEXT] of relays only */
	uint32_t route[N_SIDES]; /* EXIT or FORWARD; BACKWARD */
	uint32_t key[N_SIDES];	 /* neighbours' keys */
	uint32_t active_s;	 /* last sign of life, by our clock */
	uint32_t seen_s[2];	 /* what the session's directions said at the last check */
	union {
		uint32_t offer;	  /* the candidate list we sent, or PEEL_NONE */
		uint32_t partner; /* KIND_RENDEZVOUS: the other circuit */
	};
	uint8_t n_pending;
	uint8_t n_bad_destroy[N_SIDES]; /* destroys with a bad signature */
	uint8_t kind : 2;		/* enum kind */
	uint8_t standing : 2;		/* enum standing */
	bool removing : 1;
	bool exit_open : 1; /* exit_gone not called yet */
	bool introduction : 1;
	bool exited : 1; /* something has left through it, so it stays an exit */
};
_Static_assert(sizeof(struct or_circuit) == 80, "counted in README.md");

/* A create of ours that waits for created, or first for the node to be reached. */
struct pending {
	uint64_t due_ms;
	struct peel_addr addr;
	uint32_t cid;
	uint32_t serial; /* of this array entry, never 0 while in use */
	uint32_t circuit;
	uint32_t circuit_serial;
	uint32_t key;
	uint32_t chain; /* by cid; of free entries: the next one */
	uint32_t older, newer;
	uint16_t identifier;	    /* of our create */
	uint16_t extend_identifier; /* of the extend that caused it */
	bool used;
	bool sent;
	uint8_t x[PEEL_X_LEN];
};

/* ---- offers.c: candidate lists, kept while their circuits may still be extended -------------- */

struct offer {
	uint32_t key[N_OFFERED];
	struct peel_addr addr[N_OFFERED]; /* the address of each when it was offered */
	uint32_t n;			  /* of free entries: the next one */
};

struct offers {
	struct offer *offer;
	struct peel_slots slots;
};

void or_offers_init(struct offers *o);
void or_offers_fini(struct offers *o);
/* An empty offer, or PEEL_NONE when out of memory. */
uint32_t or_offer_new(struct offers *o);
void or_offer_end(struct offers *o, uint32_t offer);

/* ---- neighbour_keys.c: neighbours' and candidates' keys, each kept once ---------------------- */

struct key {
	uint8_t tail[PEEL_PK_LEN - 10]; /* without the magic, which all share */
	uint32_t refs;
	uint32_t chain; /* of free entries: the next one */
};

struct keys {
	struct key *key;
	struct peel_slots slots;
	struct peel_chains chains;
	uint64_t seed;
};

int or_keys_init(struct keys *k, const struct peel_env *env) PEEL_MUST_USE;
void or_keys_fini(struct keys *k);
/* Index of the key, with one more reference, or PEEL_NONE when out of memory. */
uint32_t or_keys_get(struct keys *k, const uint8_t pk[PEEL_PK_LEN]);
void or_keys_put(struct keys *k, uint32_t key);
bool or_keys_equal(const struct keys *k, uint32_t key, const uint8_t pk[PEEL_PK_LEN]);
void or_keys_read(const struct keys *k, uint32_t key, uint8_t out[PEEL_PK_LEN]);

/* ---- recent.c: (neighbour, id) pairs joined lately (W4) -------------------------------------- */

struct recent_entry {
	uint64_t id;
	uint32_t until_s;
	uint32_t chain;
};

/* A ring: the oldest entries are dropped when they are old enough or when there is no room. */
struct recent {
	struct recent_entry *entry;
	struct peel_chains chains;
	uint32_t size; /* power of two */
	uint32_t head, n;
	uint64_t seed;
};

int recent_init(struct recent *r, const struct peel_env *env, uint32_t size) PEEL_MUST_USE;
void recent_fini(struct recent *r);
void recent_add(struct recent *r, const struct peel_addr *from, uint32_t cid, uint32_t until_s);
bool recent_has(const struct recent *r, const struct peel_addr *from, uint32_t cid, uint32_t now_s);
void recent_expire(struct recent *r, uint32_t now_s);

/* ---- sources.c: addresses that circuits come from (peel_addr_source) ------------------------- */

struct source_count {
	uint32_t joined;   /* circuits, proved */
	uint32_t unproved; /* circuits */
};

struct proof {
	uint64_t id;
	uint32_t last_s;
};

struct sources {
	struct source_count *count;
	struct proof *proof;
	uint64_t seed;
};

int sources_init(struct sources *s, const struct peel_env *env) PEEL_MUST_USE;
void sources_fini(struct sources *s);
struct source_count *source_count(const struct sources *s, const struct peel_addr *addr);
/* Note that an authentic cell came on a circuit from this address. */
void source_prove(struct sources *s, const struct peel_addr *addr, uint32_t now_s);
/* Whether one came lately. */
bool source_proved(const struct sources *s, const struct peel_addr *addr, uint32_t now_s);

/* ---- waiting.c: creates that wait for their handshakes, or are being answered -----------------
 */

struct joining {
	uint64_t came_ms;
	struct peel_addr from;
	uint32_t cid;
	uint32_t next, chain;
	enum standing standing;
	uint16_t identifier;
	bool gone;     /* destroyed meanwhile: nothing comes of it */
	uint8_t n_bad; /* destroys with a wrong signature */
	uint8_t pk[PEEL_PK_LEN];
	uint8_t x[PEEL_X_LEN];
};

/* Sources that take turns. Those that share a place, by a keyed hash, share its turns. */
#define SOURCES_IN_LINE 64

struct turn {
	struct peel_list creates;
	uint32_t n;
	uint32_t next;
	bool has_turn;
};

/* Creates of one standing. */
struct line {
	struct turn source[SOURCES_IN_LINE];
	struct peel_list turns;
	uint32_t n; /* creates */
};

struct waiting {
	struct joining *entry;
	struct peel_slots slots;
	struct peel_chains pairs;
	struct line line[N_POOLS];
	uint32_t n; /* creates in both lines: those being answered are in none */
	uint32_t turn;
	uint64_t seed;
};

/* ---- the whole ------------------------------------------------------------------------------- */

/* Unproved circuits of one standing, by age, and the budgets for such askers. */
struct pool {
	struct peel_queue queue;
	uint32_t n, max, per_source;
	struct peel_rate *rate;	   /* creates per source */
	struct peel_bucket create; /* all creates */
	struct peel_bucket verify; /* signatures of destroys */
	uint32_t per_second;	   /* of either, 0: no limit */
};

struct peel_or_circuits {
	struct peel_or_conf conf;
	const struct peel_env *env;

	struct or_circuit *circuit;
	struct peel_slots slots;
	uint32_t *by_session; /* grows with the highest session seen */
	uint32_t n_by_session;

	struct pending *pending;
	struct peel_slots pending_slots;
	struct peel_chains pending_chains;
	/* all live equally long, so the oldest ends first */
	struct peel_queue pending_queue;
	uint32_t pending_serial;

	struct waiting waiting;
	struct peel_key_pairs *key_pairs; /* for joins to come */
	bool draining;			  /* join no more */
	uint32_t ban_checks;		  /* circuits that may be of banned neighbours */

	struct keys keys;
	struct offers offers;
	struct recent recent;
	struct sources sources;
	struct pool pool[N_POOLS];

	struct peel_list delayed[N_DELAYS];
	uint32_t n_exits, n_relays, n_rendezvous, n_pending, n_removing;

	uint32_t rich_cursor; /* next to check when a circuit must make room */
	uint32_t cursor;      /* housekeeping: next to examine */
	uint64_t scan_ms;
	uint64_t scan_credit;
};

static inline struct or_circuit *
circuit_at(const struct peel_or_circuits *c, uint32_t index)
{
	return &c->circuit[index];
}

static inline uint32_t
circuit_index(const struct peel_or_circuits *c, const struct or_circuit *ci)
{
	return (uint32_t)(ci - c->circuit);
}

static inline uint32_t
now_s(const struct peel_or_circuits *c)
{
	return (uint32_t)(peel_now_ms(c->env) / 1000);
}

static inline void
count(struct peel_or_circuits *c, enum peel_counter counter)
{
	peel_stats_add(c->conf.stats, counter, 1);
}

static inline int
refuse(struct peel_or_circuits *c, enum peel_counter why)
{
	count(c, why);
	return -EBADMSG;
}

/* or_circuits.c */

/* A free entry, or NULL. Only its indexes are initialised. */
struct or_circuit *or_new(struct peel_or_circuits *c);
/* Undo or_new() for an entry that nothing refers to yet. */
void or_drop(struct peel_or_circuits *c, struct or_circuit *ci);
/* Retire routes and session, tell the exit's owner, free the entry. */
void or_end(struct peel_or_circuits *c, struct or_circuit *ci);
int or_map_session(struct peel_or_circuits *c, struct or_circuit *ci) PEEL_MUST_USE;
/* NULL: none with that session and generation. */
struct or_circuit *or_by_session(
	const struct peel_or_circuits *c, uint32_t session, uint32_t generation);
/* The circuit of a route, and which of its sides the route is. NULL: another library's. */
struct or_circuit *or_by_route(const struct peel_or_circuits *c, uint32_t slot, enum side *side);
/* The neighbour on a side. */
const struct peel_addr *or_addr(
	const struct peel_or_circuits *c, const struct or_circuit *ci, enum side side);
/* Forget the candidate list. */
void or_unoffer(struct peel_or_circuits *c, struct or_circuit *ci);
/* Remove the circuit after remove_tunnel_delay; at once, with its entry, if it was never used. */
void or_remove(struct peel_or_circuits *c, struct or_circuit *ci);
void or_delay(struct peel_or_circuits *c, struct or_circuit *ci, enum delayed what);
/* Whether a cell with (from, cid) already belongs to something: a circuit here, a create of ours,
 * or another library's route. */
bool or_in_use(struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid);

/* unproved.c */
void unproved_init(struct peel_or_circuits *c);
/* Whether the node at @p from may have one more circuit. */
bool unproved_room(
	struct peel_or_circuits *c, const struct peel_addr *from, enum standing standing);
/* Make room for one more of this standing: the oldest give way. Circuits may end. */
void unproved_make_room(struct peel_or_circuits *c, enum standing standing);
/* Make a newly published circuit unproved. */
void unproved_enter(struct peel_or_circuits *c, struct or_circuit *ci, enum standing standing);
/* The circuit ends: remove it from all counts. */
void unproved_forget(struct peel_or_circuits *c, struct or_circuit *ci);
/* Whether an authentic cell has come. */
bool or_used(const struct peel_or_circuits *c, const struct or_circuit *ci);
/* An authentic cell has come: the circuit is proved. */
void or_settle(struct peel_or_circuits *c, struct or_circuit *ci);
/* The same, if there is a place for it. @return false: there is none, and the circuit has ended.
 * Others may have ended, too. */
bool or_prove(struct peel_or_circuits *c, struct or_circuit *ci);

/* or_destroy.c */
/* Tell the neighbours of a circuit that it ends, as far as they may be told, and end it. */
void or_close(struct peel_or_circuits *c, struct or_circuit *ci);

/* waiting.c */
int waiting_init(struct peel_or_circuits *c) PEEL_MUST_USE;
void waiting_fini(struct peel_or_circuits *c);
/* A new entry at the end of its line; its caller adds what the create says. */
struct joining *waiting_add(struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid,
	enum standing standing);
/* One that waits or is being answered, or NULL. */
struct joining *waiting_find(
	const struct peel_or_circuits *c, const struct peel_addr *from, uint32_t cid);
/* The one whose turn it is, out of its line, until waiting_end(). NULL: none is left. */
struct joining *waiting_take(struct peel_or_circuits *c);
void waiting_end(struct peel_or_circuits *c, struct joining *j);
/* Nothing comes of any of them. */
void waiting_forget(struct peel_or_circuits *c);

static inline uint32_t
waiting_index(const struct peel_or_circuits *c, const struct joining *j)
{
	return (uint32_t)(j - c->waiting.entry);
}

/* created.c */
/* Answer a create. */
void or_created_send(struct peel_or_circuits *c, struct or_circuit *ci, const struct peel_addr *to,
	uint16_t identifier, const struct peel_handshake *h);

/* join.c */
bool or_is_banned(
	const struct peel_or_circuits *c, const struct peel_addr *addr, const uint8_t *pk);
bool or_neighbour_banned(
	const struct peel_or_circuits *c, const struct peel_addr *addr, uint32_t key);
int or_join(struct peel_or_circuits *c, const struct peel_addr *from, const struct peel_cell *cell);

/* extend.c */
int or_extend(struct peel_or_circuits *c, struct or_circuit *ci, bool early, const uint8_t *body,
	size_t len) PEEL_MUST_USE;
int or_extended(
	struct peel_or_circuits *c, const struct peel_addr *from, const struct peel_cell *cell);

/* pending.c */
int pending_init(struct peel_or_circuits *c) PEEL_MUST_USE;
void pending_fini(struct peel_or_circuits *c);
/* Make a pending create with a fresh id and queue it; NULL if there are too many. Takes over the
 * reference to key. */
struct pending *pending_new(struct peel_or_circuits *c, struct or_circuit *ci, uint32_t key);
void pending_end(struct peel_or_circuits *c, struct pending *p);
/* Restart its time. */
void pending_renew(struct peel_or_circuits *c, struct pending *p);
/* Find a pending create; their ids are all different. */
struct pending *pending_get(const struct peel_or_circuits *c, uint32_t cid);
struct pending *pending_by_token(const struct peel_or_circuits *c, uint64_t token);
uint64_t pending_token(const struct peel_or_circuits *c, const struct pending *p);
struct pending *pending_oldest(const struct peel_or_circuits *c);
/* The circuit it extends, NULL if that is gone. */
struct or_circuit *pending_circuit(const struct peel_or_circuits *c, const struct pending *p);

/* rendezvous.c */
/* The circuit it is joined to, or NULL. They end together. */
struct or_circuit *or_partner(const struct peel_or_circuits *c, const struct or_circuit *ci);

/* or_destroy.c */
int or_destroy(
	struct peel_or_circuits *c, const struct peel_addr *from, const uint8_t *data, size_t len);
/* Send destroy to the neighbour on a side. */
void or_destroy_send(
	struct peel_or_circuits *c, const struct or_circuit *ci, enum side side, uint16_t reason);
/* Send destroy to the neighbour beyond us, seen from a side: the next hop, or the previous hop of
 * the circuit that it is joined to. @return how many were sent. */
unsigned int or_destroy_beyond(
	struct peel_or_circuits *c, const struct or_circuit *ci, enum side side, uint16_t reason);
/* The same, and also to the previous hop. */
unsigned int or_destroy_all(
	struct peel_or_circuits *c, const struct or_circuit *ci, uint16_t reason);

/* or_input.c: seal a message backward and send it to the previous hop. @p limited: it may be held
 * back. */
int or_seal(struct peel_or_circuits *c, struct or_circuit *ci, bool limited, const uint8_t *msg,
	size_t len);
