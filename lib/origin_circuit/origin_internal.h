/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Internals of lib/origin_circuit: the tables behind struct peel_origin_circuits. Origin circuits
 * are few, so each is allocated separately, and found by its path or its circuit id. A circuit is
 * never freed under its caller: it becomes CLOSING, and the first tick after its grace period
 * removes it. Thread: control, all of it.
 */

#include <errno.h>
#include <sys/queue.h>

#include "peel_discovery.h"
#include "peel_rate.h"
#include "peel_origin_circuit.h"

/* upper bound of creates and extends per circuit, whatever the settings say */
#define TRIES_MAX 32
/* keys kept from a candidate list: more do not fit into a datagram */
#define OFFERED_MAX 32
/* our own candidates tried per place: more would let the hop before choose */
#define OWN_TRIES 2
#define CANDIDATES_ASKED 64 /* of our own candidates, to choose from */
#define FAILED_MAX 64	    /* first hops remembered as failed */
#define FAILED_MS 60000	    /* ... and for how long */
#define PING_MS 7500
/* a pong is overdue after this, or next_hop_timeout if that is less */
#define PONG_MS 10000
/* upper bound: limits are checked this often, and so are newly begun circuits */
#define TICK_MS 1000
#define LOOK_MIN_MS 20	      /* precision of max_traffic, once the pace is known */
#define TICK_WANTED_MS 500    /* while circuits are missing */
#define BACKOFF_MS 500	      /* after a failed circuit, doubled ... */
#define BACKOFF_MAX_MS 5000   /* ... up to this */
#define BACKOFF_LACK_MS 60000 /* ... or to this while too few nodes are known */
#define YOUNG_MS 10000	      /* a circuit that ends at this age counts as failed */
#define REPLACE_MS 30000      /* a replacement is begun at most this long before max_time */
#define VERIFY_PER_SECOND 100 /* signatures of destroys */
#define SHUTDOWN_MS 3000      /* sign for at most this long: the other circuits time out */

/* What is needed only while a circuit is being built; wiped when that ends. */
struct build {
	uint8_t x_secret[32];
	struct peel_target target; /* the node asked to become the next hop */
	uint64_t due_ms;
	uint16_t identifier;
	uint16_t exit_flags;	 /* from the spec; 0: depends on the type */
	unsigned int tries;	 /* remaining */
	bool exit_required;	 /* by the spec */
	struct peel_target exit; /* if required */
	unsigned int n_tried, n_offered, n_avoid;
	unsigned int n_own; /* our own candidates that the last hop was asked to extend to */
	uint8_t tried[TRIES_MAX][PEEL_PK_LEN];
	uint8_t offered[OFFERED_MAX][PEEL_PK_LEN];	   /* by the last hop, for the next one */
	uint8_t avoid[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN]; /* as last hop */
};

struct hop {
	uint8_t pk[PEEL_PK_LEN];
	uint16_t flags; /* as far as known */
	struct peel_addr addr;
};

struct origin_circuit {
	peel_origin_id id;
	uint32_t path, route; /* route: PEEL_NONE before the first hop */
	uint32_t cid;
	uint32_t index;			  /* in peel_origin_circuits.list */
	LIST_ENTRY(origin_circuit) chain; /* in the same bucket of circuit ids */
	struct build *build;		  /* EXTENDING only */
	uint64_t begun_ms, active_ms, close_ms;
	uint64_t seen_cells; /* of the last hop's backward direction at the last check */
	uint32_t seen_s;
	uint64_t seen_bytes, looked_ms; /* traffic at the last check, and when that was */
	uint64_t look_ms;		/* when to check again: max_traffic may be near */
	uint8_t type, state;		/* enum peel_origin_type, peel_origin_state */
	uint8_t goal, n_hops;
	bool pooled, isolated;
	bool retiring;	       /* a replacement is wanted */
	uint64_t ping_ms;      /* when the next ping is due */
	uint64_t ping_sent_ms; /* time of ping_identifier */
	uint64_t silent_ms;    /* when the oldest unanswered ping was sent, 0: all answered */
	uint32_t rtt_ms;
	uint16_t ping_identifier;
	struct hop hop[PEEL_HOPS_MAX];
};

/* Our own candidates, as far as sampled. */
struct stock {
	uint32_t relays, exits;
	uint32_t networks; /* of the relays, if that matters; each local address counts as one */
	uint64_t mark;	   /* changes when the candidates do */
};

struct pool {
	bool wanted;
	struct stock stock; /* as of when circuits were last missing */
	uint32_t backoff_ms;
	uint64_t retry_ms; /* no circuit is begun before this */
};

struct failed {
	uint8_t pk[PEEL_PK_LEN];
	uint64_t until_ms;
};

struct peel_origin_circuits {
	struct peel_origin_conf conf;
	const struct peel_env *env;
	uint32_t size;				    /* of the table of paths */
	struct origin_circuit **by_path;	    /* [size] */
	struct origin_circuit **list;		    /* [size], the first n are used */
	LIST_HEAD(bucket, origin_circuit) * bucket; /* by circuit id */
	uint32_t n, mask;
	struct pool pool[PEEL_HOPS_MAX + 1]; /* by hops */
	struct failed failed[FAILED_MAX];
	uint64_t failed_at; /* how many there were; also where the next one goes */
	struct peel_bucket verify;
};

static inline uint64_t
origin_now(const struct peel_origin_circuits *t)
{
	return peel_now_ms(t->env);
}

static inline uint32_t
now_s(const struct peel_origin_circuits *t)
{
	return (uint32_t)(origin_now(t) / 1000);
}

static inline void
count(struct peel_origin_circuits *t, enum peel_counter counter)
{
	peel_stats_add(t->conf.stats, counter, 1);
}

static inline int
refuse(struct peel_origin_circuits *t, enum peel_counter why)
{
	count(t, why);
	return -EBADMSG;
}

static inline struct peel_path *
path_of(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	return peel_path_at(t->conf.paths, tn->path);
}

static inline bool
has_e2e(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	return (peel_path_flags(path_of(t, tn)) & PEEL_PATH_E2E) != 0;
}

/* The first hop's session, whose counters stand for the circuit. The circuit must have a hop. */
static inline struct peel_session *
session_of(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	return peel_session_at(t->conf.routes, path_of(t, tn)->session[0]);
}

/* origin_circuits.c */

/* NULL: gone, or never existed. */
struct origin_circuit *origin_by_id(const struct peel_origin_circuits *t, peel_origin_id id);
struct origin_circuit *origin_by_cid(const struct peel_origin_circuits *t, uint32_t cid);
/* An id that no route and no origin circuit uses. */
uint32_t origin_fresh_cid(struct peel_origin_circuits *t);
/* Give a circuit its path and make it findable. 0 or -ENOSPC. */
int origin_add(struct peel_origin_circuits *t, struct origin_circuit *tn,
	const struct peel_addr *first) PEEL_MUST_USE;
/* Choose another circuit id, before the first hop. */
void origin_change_cid(struct peel_origin_circuits *t, struct origin_circuit *tn);
/* End a READY or EXTENDING circuit. @p reason of the destroy to the first hop, 0: send none. */
void origin_close(struct peel_origin_circuits *t, struct origin_circuit *tn,
	enum peel_origin_end why, uint16_t reason);
/* Retire everything and free it. */
void origin_remove(struct peel_origin_circuits *t, struct origin_circuit *tn);
/* Wipe and free what is needed for building. */
void origin_build_free(struct origin_circuit *tn);

/* choose.c */

bool origin_is_banned(
	const struct peel_origin_circuits *t, const struct peel_addr *addr, const uint8_t *pk);
bool origin_usable(const struct peel_addr *a);
/* Whether both are public addresses in one /16 (IPv4) or /32 (IPv6). */
bool origin_same_network(const struct peel_addr *a, const struct peel_addr *b);
/* Choose a circuit's first hop. 0, or -EAGAIN: no candidate is left. */
int origin_choose_first(struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_target *out) PEEL_MUST_USE;
/* Choose a further hop. *named: the last hop knows its address. 0 or -EAGAIN. */
int origin_choose_next(struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_target *out, bool *named) PEEL_MUST_USE;
/* The required exit of an introduction point's circuit (section 15.1), none of those to avoid. 0 or
 * -EAGAIN. */
int origin_choose_point(struct peel_origin_circuits *t, const struct peel_origin_spec *spec,
	struct peel_target *out) PEEL_MUST_USE;
/* Keep what the newest hop offers for the next one. */
void origin_offered(struct origin_circuit *tn, const struct peel_candidates *list);
/* The node failed as a first hop: for a while it is chosen last. */
void origin_first_failed(struct peel_origin_circuits *t, const uint8_t pk[PEEL_PK_LEN]);

/* build.c */

/* Begin a circuit: 0, -EAGAIN, -ENOSPC or -ENOMEM. */
int origin_begin(struct peel_origin_circuits *t, const struct peel_origin_spec *spec, bool pooled,
	struct origin_circuit **out) PEEL_MUST_USE;
/* Ask the next candidate. Without another candidate or try, the circuit fails. */
void origin_ask(struct peel_origin_circuits *t, struct origin_circuit *tn);
/* No answer came in time. */
void origin_unanswered(struct peel_origin_circuits *t, struct origin_circuit *tn);
int origin_created(
	struct peel_origin_circuits *t, const struct peel_addr *from, const struct peel_cell *cell);
int origin_extended(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len);

/* origin_e2e.c */

/* The direction that the other end of an end-to-end layer seals in. */
struct peel_direction *origin_e2e_inward(
	const struct peel_origin_circuits *t, const struct origin_circuit *tn);

/* origin_send.c */

/* Seal for the end of the circuit and send. 0, -ENOENT: no hop, or closing; -EMSGSIZE. */
int origin_seal(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *msg, size_t len);

/* origin_expire.c */

/* How old it may become. */
uint64_t origin_life_ms(const struct peel_origin_circuits *t, const struct origin_circuit *tn);

/* origin_destroy.c */

int origin_destroy(struct peel_origin_circuits *t, const struct peel_addr *from,
	const uint8_t *data, size_t len);
void origin_destroy_send(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, uint16_t reason);

/* pool.c */

/* Begin the circuits that the pools lack. */
void origin_pools(struct peel_origin_circuits *t);
/* When to check the pools again at the latest: sooner while circuits are missing. */
uint64_t origin_pools_due(const struct peel_origin_circuits *t, uint64_t now);
void origin_pool_ready(struct peel_origin_circuits *t, const struct origin_circuit *tn);
void origin_pool_ended(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, enum peel_origin_end why);

/* Count the circuits of that pool in that state, without those to be replaced. */
uint32_t origin_pool_members(
	const struct peel_origin_circuits *t, unsigned int hops, enum peel_origin_state state);

/* lack.c */

void origin_take_stock(struct peel_origin_circuits *t, struct stock *out);
/* Judge only by known candidates: never PEEL_ORIGIN_LACK_ANSWERS. */
enum peel_origin_lack origin_lack(const struct stock *s, unsigned int hops);

/* keepalive.c */

/* Whether the answer to a ping is overdue. */
bool origin_silent(const struct peel_origin_circuits *t, const struct origin_circuit *tn);
bool origin_pings(const struct peel_origin_circuits *t, const struct origin_circuit *tn);
/* Set the ping rhythm of a circuit that just got its first hop, and schedule the next ping. */
void origin_ping_begin(struct peel_origin_circuits *t, struct origin_circuit *tn);
void origin_ping_later(struct peel_origin_circuits *t, struct origin_circuit *tn);
void origin_ping(struct peel_origin_circuits *t, struct origin_circuit *tn);
int origin_ping_received(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len);
int origin_pong_received(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len);
