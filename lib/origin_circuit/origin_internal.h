/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Inside lib/origin_circuit: the tables behind struct peel_origin_circuits. Own circuits are few,
 * so each is a block of its own, found by its path or its circuit id. A circuit is never freed
 * under its caller: what ends is CLOSING, and the next tick after its time removes it. Thread:
 * control, all of it.
 */

#include <errno.h>
#include <sys/queue.h>

#include "peel_discovery.h"
#include "peel_rate.h"
#include "peel_origin_circuit.h"

/* creates and extends for one circuit at most, whatever the settings say */
#define TRIES_MAX 32
/* keys kept of a candidate list: more do not fit into a datagram */
#define OFFERED_MAX 32
/* of our own candidates for one place: more would let the hop before choose */
#define OWN_TRIES 2
#define CANDIDATES_ASKED 64 /* of our own candidates, to choose from */
#define FAILED_MAX 64	    /* first hops remembered as failed */
#define FAILED_MS 60000	    /* ... for so long */
#define PING_MS 7500
/* a pong is overdue after this, or next_hop_timeout if that is less */
#define PONG_MS 10000
/* at most: limits are exact to this, and so is what was begun since */
#define TICK_MS 1000
#define LOOK_MIN_MS 20	      /* max_traffic is exact to this, once the pace is known */
#define TICK_WANTED_MS 500    /* while circuits are missing */
#define BACKOFF_MS 500	      /* after a failed circuit, doubled ... */
#define BACKOFF_MAX_MS 5000   /* ... up to this */
#define BACKOFF_LACK_MS 60000 /* ... or to this while what is known is not enough */
#define YOUNG_MS 10000	      /* a circuit that ends at this age counts as failed */
#define REPLACE_MS 30000      /* most that a replacement is begun before max_time */
#define VERIFY_PER_SECOND 100 /* signatures of destroys */
#define SHUTDOWN_MS 3000      /* no longer signing than this: the rest times out */

/* What is needed only while a circuit is being built; wiped at its end. */
struct build {
	uint8_t x_secret[32];
	struct peel_target target; /* asked to become the next hop */
	uint64_t due_ms;
	uint16_t identifier;
	uint16_t exit_flags;	 /* of the spec; 0: by type */
	unsigned int tries;	 /* left */
	bool exit_required;	 /* by the spec */
	struct peel_target exit; /* when required */
	unsigned int n_tried, n_offered;
	unsigned int n_own; /* candidates of our own that the last hop was asked to extend to */
	uint8_t tried[TRIES_MAX][PEEL_PK_LEN];
	uint8_t offered[OFFERED_MAX][PEEL_PK_LEN]; /* by the last hop, for the next one */
};

struct hop {
	uint8_t pk[PEEL_PK_LEN];
	uint16_t flags; /* as known */
	struct peel_addr addr;
};

struct origin_circuit {
	peel_origin_id id;
	uint32_t path, route; /* route: PEEL_NONE before the first hop */
	uint32_t cid;
	uint32_t index;			  /* in peel_origin_circuits.list */
	LIST_ENTRY(origin_circuit) chain; /* same bucket of circuit ids */
	struct build *build;		  /* EXTENDING only */
	uint64_t begun_ms, active_ms, close_ms;
	uint64_t seen_cells; /* of the last hop's backward direction at the last look */
	uint32_t seen_s;
	uint64_t seen_bytes, looked_ms; /* traffic at the last look, and when that was */
	uint64_t look_ms;		/* when to look again: max_traffic may be near */
	uint8_t type, state;		/* enum peel_origin_type, peel_origin_state */
	uint8_t goal, n_hops;
	bool pooled;
	bool retiring;	       /* a replacement is wanted */
	uint64_t ping_ms;      /* when the next one is due */
	uint64_t ping_sent_ms; /* of ping_identifier */
	uint64_t silent_ms;    /* when the oldest ping without answer was sent, 0: all answered */
	uint32_t rtt_ms;
	uint16_t ping_identifier;
	struct hop hop[PEEL_HOPS_MAX];
};

/* Candidates of our own, as far as looked at. */
struct stock {
	uint32_t relays, exits;
	uint32_t networks; /* of the relays, if that matters; local addresses count as one each */
	uint64_t mark;	   /* changes when they do */
};

struct pool {
	bool wanted;
	struct stock stock; /* when circuits were missing last */
	uint32_t backoff_ms;
	uint64_t retry_ms; /* nothing is begun before */
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
	uint64_t failed_at; /* how many there were; the next one's place */
	struct peel_bucket verify;
};

static inline uint64_t
now_ms(const struct peel_origin_circuits *t)
{
	return peel_now_ms(t->env);
}

static inline uint32_t
now_s(const struct peel_origin_circuits *t)
{
	return (uint32_t)(now_ms(t) / 1000);
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

/* The first hop's session: what is counted there stands for the circuit. At least one hop. */
static inline struct peel_session *
session_of(const struct peel_origin_circuits *t, const struct origin_circuit *tn)
{
	return peel_session_at(t->conf.routes, path_of(t, tn)->session[0]);
}

/* origin_circuits.c */

/* NULL: gone, or never was. */
struct origin_circuit *origin_by_id(const struct peel_origin_circuits *t, peel_origin_id id);
struct origin_circuit *origin_by_cid(const struct peel_origin_circuits *t, uint32_t cid);
/* An id that no route and no own circuit uses. */
uint32_t origin_fresh_cid(struct peel_origin_circuits *t);
/* Give a circuit its path and make it findable. 0 or -ENOSPC. */
int origin_add(struct peel_origin_circuits *t, struct origin_circuit *tn,
	const struct peel_addr *first) PEEL_MUST_USE;
/* Another circuit id, before the first hop. */
void origin_change_cid(struct peel_origin_circuits *t, struct origin_circuit *tn);
/* READY or EXTENDING no longer. reason: of the destroy to the first hop, 0: none. */
void origin_close(struct peel_origin_circuits *t, struct origin_circuit *tn,
	enum peel_origin_end why, uint16_t reason);
/* Retire everything and free it. */
void origin_remove(struct peel_origin_circuits *t, struct origin_circuit *tn);
/* Wipe and free what is needed for building. */
void origin_build_free(struct origin_circuit *tn);

/* choose.c */

bool origin_usable(const struct peel_addr *a);
/* Public addresses of one /16 (IPv4) or /32 (IPv6)? */
bool origin_same_network(const struct peel_addr *a, const struct peel_addr *b);
/* For a circuit without hops. 0, or -EAGAIN: nobody (left). */
int origin_choose_first(struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_target *out) PEEL_MUST_USE;
/* For one with hops. *named: the last hop knows its address. 0 or -EAGAIN. */
int origin_choose_next(struct peel_origin_circuits *t, const struct origin_circuit *tn,
	struct peel_target *out, bool *named) PEEL_MUST_USE;
/* The required exit of an introduction point's circuit (section 15.1). 0 or -EAGAIN. */
int origin_choose_point(struct peel_origin_circuits *t, struct peel_target *out) PEEL_MUST_USE;
/* Keep what the hop that was added last offers for the next one. */
void origin_offered(struct origin_circuit *tn, const struct peel_candidates *list);
/* As first hop it comes last for a while. */
void origin_first_failed(struct peel_origin_circuits *t, const uint8_t pk[PEEL_PK_LEN]);

/* build.c */

/* Begin a circuit: 0, -EAGAIN, -ENOSPC or -ENOMEM. */
int origin_begin(struct peel_origin_circuits *t, const struct peel_origin_spec *spec, bool pooled,
	struct origin_circuit **out) PEEL_MUST_USE;
/* Ask the next candidate; the circuit fails when there is none, or no try left. */
void origin_ask(struct peel_origin_circuits *t, struct origin_circuit *tn);
/* Nobody answered in time. */
void origin_unanswered(struct peel_origin_circuits *t, struct origin_circuit *tn);
int origin_created(
	struct peel_origin_circuits *t, const struct peel_addr *from, const struct peel_cell *cell);
int origin_extended(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len);

/* origin_send.c */

/* Seal for the end of the circuit and send. 0, -ENOENT: no hop, or closing; -EMSGSIZE. */
int origin_seal(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *msg, size_t len);

/* origin_destroy.c */

int origin_destroy(struct peel_origin_circuits *t, const struct peel_addr *from,
	const uint8_t *data, size_t len);
void origin_destroy_send(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, uint16_t reason);

/* pool.c */

/* Begin what is missing in all pools. */
void origin_pools(struct peel_origin_circuits *t);
/* Is something wanted that is not there yet? When to look again, at the latest. */
uint64_t origin_pools_due(const struct peel_origin_circuits *t, uint64_t now);
void origin_pool_ready(struct peel_origin_circuits *t, const struct origin_circuit *tn);
void origin_pool_ended(
	struct peel_origin_circuits *t, const struct origin_circuit *tn, enum peel_origin_end why);

/* Circuits of that pool in that state, those that are to be replaced apart. */
uint32_t origin_pool_members(
	const struct peel_origin_circuits *t, unsigned int hops, enum peel_origin_state state);

/* lack.c */

void origin_take_stock(struct peel_origin_circuits *t, struct stock *out);
/* By what is known alone: never PEEL_ORIGIN_LACK_ANSWERS. */
enum peel_origin_lack origin_lack(const struct stock *s, unsigned int hops);

/* keepalive.c */

/* Is the answer to a ping overdue? */
bool origin_silent(const struct peel_origin_circuits *t, const struct origin_circuit *tn);
bool origin_pings(const struct peel_origin_circuits *t, const struct origin_circuit *tn);
/* The rhythm of a circuit that got its first hop; and its next beat. */
void origin_ping_begin(struct peel_origin_circuits *t, struct origin_circuit *tn);
void origin_ping_later(struct peel_origin_circuits *t, struct origin_circuit *tn);
void origin_ping(struct peel_origin_circuits *t, struct origin_circuit *tn);
int origin_ping_received(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len);
int origin_pong_received(
	struct peel_origin_circuits *t, struct origin_circuit *tn, const uint8_t *body, size_t len);
