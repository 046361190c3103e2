/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Inside lib/swarm. A *tie* is one thing that a swarm keeps up or is setting up, with at most one
 * circuit: its circuit for questions, an introduction point of its own, a peer. It is found by its
 * circuit's path, and freed only by peel_swarms_tick(), never under a caller. Thread: control, all
 * of it.
 */

#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "peel_rate.h"
#include "peel_swarm.h"

#define REQUEST_MS 10000     /* life of every request, section 24 */
#define INTRODUCTIONS 3	     /* that a seeder keeps, as Tor does */
#define KNOWN_MAX 64	     /* introduction points remembered of a swarm */
#define KNOWN_AGE_MS 180000  /* section 24 */
#define ASKED_MAX 8	     /* introduction points asked in one look-up */
#define WAITING_OF_POINT 8   /* set-ups that one introduction point may have brought */
#define WAITING_MAX 64	     /* ... and in all; also at most a quarter of all circuits */
#define QUESTIONS_PATIENCE 3 /* useless look-ups and requests over one circuit, at first */
#define ANSWER_MAX 224	     /* created-e2e has at most 210 bytes */
#define RECENT_MAX 64	     /* create-e2e remembered of a swarm */
#define FAILED_POINTS_MAX 24 /* nodes that were of no use as introduction or rendezvous point */
#define BACKOFF_MS 500	     /* after a failure, doubled ... */
#define BACKOFF_MAX_MS 60000 /* ... up to this */

enum tie_kind {
	TIE_QUESTIONS,	  /* DATA: look-ups and create-e2e */
	TIE_INTRODUCTION, /* IP_SEEDER */
	TIE_SEEDER,	  /* RP_SEEDER: a downloader's create-e2e led to it */
	TIE_DOWNLOADER,	  /* RP_DOWNLOADER, after create-e2e was answered */
};

enum tie_stage {
	STAGE_ASKED,	/* DOWNLOADER: create-e2e sent; no circuit yet */
	STAGE_BUILDING, /* the circuit */
	STAGE_WAITING,	/* for intro-established, rendezvous-established, linked-e2e */
	STAGE_ANSWERED, /* SEEDER: created-e2e sent; the peer has not been heard yet */
	STAGE_UP,	/* in use */
	STAGE_OVER,	/* freed with the next tick */
};

/* What is needed only until a downloader is linked; wiped then. */
struct tie_secret {
	uint8_t x_secret[32];
	struct peel_session_keys keys;
	uint8_t cookie[PEEL_COOKIE_LEN];
	struct peel_target rendezvous;
};

/* Where a seeder can be asked for. */
struct known {
	struct peel_addr addr;
	uint8_t pk[PEEL_PK_LEN], seeder_pk[PEEL_PK_LEN];
	bool used;
	uint8_t source;
	uint32_t failures; /* in a row: silent, or of no use */
	uint64_t seen_ms, retry_ms;
};

struct tie {
	LIST_ENTRY(tie) of_swarm;
	struct swarm *swarm;
	enum tie_kind kind;
	enum tie_stage stage;
	peel_origin_id circuit; /* 0: none */
	peel_origin_id via;	/* the circuit that create-e2e came or went through */
	bool ready, ended;	/* said by lib/origin_circuit, not yet acted on */
	uint16_t identifier;	/* of the request that waits for an answer */
	uint64_t since_ms, due_ms;
	uint64_t again_ms;   /* when the request is sent again, as it may have been lost */
	unsigned int n_said; /* how often something was sent again */
	/* INTRODUCTION */
	uint64_t retire_ms; /* when a replacement is wanted, before it is too old */
	struct peel_bucket asked;
	uint8_t point_pk[PEEL_PK_LEN]; /* also the rendezvous point of SEEDER */
	/* SEEDER */
	uint64_t end_ms;       /* nobody waits for the answer any more */
	struct peel_addr from; /* where created-e2e goes */
	uint16_t cookie_identifier;
	uint8_t x[PEEL_X_LEN]; /* also of DOWNLOADER */
	uint8_t cookie[PEEL_COOKIE_LEN];
	uint8_t answer[ANSWER_MAX]; /* created-e2e, for who did not get it */
	size_t answer_len;
	/* DOWNLOADER */
	struct tie_secret *secret;
	struct peel_addr known_addr;
	uint8_t seeder_pk[PEEL_PK_LEN];
	unsigned int n_verified; /* created-e2e that claimed to be the answer */
};

/* A peers-request that waits for its answer. */
struct question {
	bool used;
	bool dht;  /* to the circuit's end, which asks the DHT; else to an introduction point */
	bool cell; /* not a datagram: so is the answer */
	uint16_t identifier;
	struct peel_addr addr; /* of the introduction point */
	uint64_t due_ms;
};

/* Something that is tried again and again, less and less often. */
struct backoff {
	uint32_t ms;
	uint64_t retry_ms;
};

struct swarm {
	LIST_ENTRY(swarm) of_all;
	struct peel_swarms *all;
	uint32_t number;
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	unsigned int hops;
	bool seed, find;
	struct peel_identity *key; /* the seeder key, if seed */
	LIST_HEAD(, tie) ties;
	uint32_t n_waiting, n_seeder_up; /* SEEDER ties */
	uint32_t n_finding, n_found;	 /* DOWNLOADER ties, not yet and in use */
	uint64_t n_connected, n_refused;
	/* seeder */
	struct backoff introduce;
	struct peel_bucket asked;    /* create-e2e that need no part of what all share */
	uint64_t recent[RECENT_MAX]; /* keyed hashes of X */
	uint32_t recent_at;
	/* downloader */
	struct backoff ask;    /* for a circuit for questions */
	unsigned int useless;  /* questions in a row that led nowhere over this circuit */
	unsigned int patience; /* ... until the circuit is replaced */
	/* when the circuit may be replaced because its end is the introduction point to be asked */
	uint64_t elsewhere_ms;
	struct known known[KNOWN_MAX];
	struct question question[1 + ASKED_MAX];
	uint64_t look_ms;   /* when to look up again */
	uint64_t looked_ms; /* last look-up; 0: none */
	uint32_t n_looked;  /* look-ups so far */
	uint64_t dht_ms;    /* last useful answer of the DHT; 0: none */
};

struct failed_point {
	uint8_t pk[PEEL_PK_LEN];
	uint64_t until_ms;
};

struct peel_swarms {
	struct peel_swarms_conf conf;
	const struct peel_env *env;
	struct peel_origin_circuits *origin;
	LIST_HEAD(, swarm) swarms;
	uint32_t n, next_number;
	struct tie **by_path; /* [size] of lib/origin_circuit */
	uint32_t size;
	uint32_t n_waiting, n_seeder_up; /* of all swarms */
	uint32_t n_circuits, n_upkeep;	 /* of all swarms; of these, those that lead to no peers */
	uint32_t n_seed, n_find;	 /* swarms */
	struct peel_bucket asked;	 /* create-e2e */
	uint64_t seed;			 /* of hashes */
	struct failed_point failed[FAILED_POINTS_MAX];
	uint32_t failed_at;
	uint64_t due_ms;
	bool noted;
};

static inline uint64_t
swarm_now(const struct peel_swarms *s)
{
	return peel_now_ms(s->env);
}

/* Whether it leads to a peer, or shall. */
static inline bool
tie_is_peers(const struct tie *t)
{
	return t->kind == TIE_SEEDER || t->kind == TIE_DOWNLOADER;
}

static inline void
swarm_due(struct peel_swarms *s, uint64_t at_ms)
{
	if (at_ms < s->due_ms)
		s->due_ms = at_ms;
}

/* ---- swarms.c -------------------------------------------------------------------------------- */

int swarm_refuse(struct peel_swarms *s, enum peel_counter why);
void swarm_back_off(struct peel_swarms *s, struct backoff *b);

/* ---- tie.c ----------------------------------------------------------------------------------- */

struct tie *tie_new(struct swarm *w, enum tie_kind kind, enum tie_stage stage);
/* NULL: the circuit is of no swarm. */
struct tie *tie_of_circuit(const struct peel_swarms *s, peel_origin_id id);
/* Build a circuit for it. @p avoid as in peel_origin_spec. 0 or -errno. */
int tie_build(struct tie *t, struct peel_origin_spec *spec) PEEL_MUST_USE;
/* Stage and counts change together. */
void tie_set_stage(struct tie *t, enum tie_stage stage);
/* The other end can be talked to. */
void tie_up(struct tie *t);
/* Its circuit, with a destroy; it may get another one. */
void tie_close(struct tie *t);
/* Close what it has and let the next tick free it. Says that a peer is gone. */
void tie_end(struct tie *t);
/* At once. Only by the tick, and for one that has no circuit yet. */
void tie_free(struct tie *t);
/* A message to the end of its circuit. 0 or -errno. */
int tie_send(struct tie *t, const uint8_t *msg, int len) PEEL_MUST_USE;
/* A datagram of the tunnel overlay (id and body), as data to somebody beyond its circuit. */
int tie_send_datagram(
	struct tie *t, const struct peel_addr *to, const uint8_t *msg, int len) PEEL_MUST_USE;

/* ---- swarm_room.c ---------------------------------------------------------------------------- */

/* Circuits of swarms have three quarters of all places. */
bool room_for_swarm(const struct peel_swarms *s, bool seed, bool find);
bool room_for_circuit(const struct swarm *w, enum tie_kind kind);
/* Whether this swarm may connect to one more. */
bool room_for_connection(const struct swarm *w);
/* Whether one more peer may find this swarm. Two thirds of what is left to peers are for those, and
 * the last quarter of that for swarms that have few. */
bool room_for_visitor(const struct swarm *w);
/* Introduction points that each seeder keeps. */
unsigned int room_introductions(const struct peel_swarms *s);

/* ---- own_introduction.c ---------------------------------------------------------------------- */

/* Keep as many as a seeder should have. */
void introductions_keep(struct swarm *w);
void introduction_ready(struct tie *t);
/* Say again what may have been lost. */
void introduction_again(struct tie *t);
int introduction_established(struct tie *t, const uint8_t *body, size_t len);
/* It ended by itself, or its request was not answered. */
void introduction_lost(struct tie *t);
/* Add the introduction points of this swarm to @p n keys. @return how many they are now */
size_t points_add(const struct swarm *w, size_t n, uint8_t out[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN]);
/* Keys that a circuit of this swarm should not end at: its own introduction points, and if @p all
 * those of other swarms, and nodes that were of no use lately. @return how many */
size_t points_to_avoid(
	const struct swarm *w, bool all, uint8_t out[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN]);
void point_failed(struct peel_swarms *s, const uint8_t *pk);

/* ---- seeder_setup.c -------------------------------------------------------------------------- */

int setup_asked(
	struct tie *introduction, const struct peel_host *from, const uint8_t *body, size_t len);
void setup_ready(struct tie *t);
void setup_again(struct tie *t);
int setup_established(struct tie *t, const uint8_t *body, size_t len);
/* @return whether it is tried once more. */
bool setup_lost(struct tie *t);

/* ---- known_points.c -------------------------------------------------------------------------- */

/* Whether one of our swarms has this seeder key. */
bool known_is_ours(const struct peel_swarms *s, const uint8_t *seeder_pk);
/* @return whether it was not known */
bool known_add(struct swarm *w, const struct peel_introduction *p);
void known_expire(struct swarm *w);
struct known *known_get(struct swarm *w, const struct peel_addr *addr, const uint8_t *seeder_pk);
/* Nothing came from there, or nothing useful. */
void known_failed(struct swarm *w, struct known *k);
/* Of all seeders that are not connected, one to ask now; at @p end only if there is no other. NULL:
 * none, and *due_ms is lowered to when there is. */
struct known *known_next(struct swarm *w, const uint8_t end[PEEL_PK_LEN], uint64_t *due_ms);
/* Their keys, each once. @return how many */
size_t known_keys(const struct swarm *w, uint8_t out[PEEL_ORIGIN_AVOID_MAX][PEEL_PK_LEN]);
uint32_t known_count(const struct swarm *w);
/* Different seeder keys, among those connected to as well. */
uint32_t known_seeders(const struct swarm *w);
bool known_is_connected(const struct swarm *w, const uint8_t *seeder_pk);

/* ---- swarm_lookup.c -------------------------------------------------------------------------- */

void lookup_tick(struct swarm *w);
struct tie *questions_of(struct swarm *w);
int lookup_answered(struct tie *t, const uint8_t *body, size_t len, bool datagram);
/* The circuit for questions led nowhere once more. */
void questions_useless(struct swarm *w);
/* Close it; the next one ends elsewhere if possible. What was asked over it is forgotten. */
void questions_replace(struct swarm *w);

/* ---- swarm_connect.c ------------------------------------------------------------------------- */

void connect_tick(struct swarm *w);
int connect_created(struct tie *questions, const uint8_t *body, size_t len);
void connect_ready(struct tie *t);
void connect_again(struct tie *t);
/* The seeder was heard through the end-to-end layer, or the rendezvous point says that it can be.
 */
void connect_up(struct tie *t);
int connect_linked(struct tie *t, const uint8_t *body, size_t len);
/* It ended, linked or not. @return whether it is tried once more. */
bool connect_lost(struct tie *t);
/* The circuit that create-e2e went through has ended: nobody else is to blame. */
void connect_cut_off(struct swarm *w);
