/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Inside lib/hidden: what was promised to circuits. */

#include "peel_hidden.h"
#include "peel_links.h"
#include "peel_rate.h"

/* ---- promises.c ------------------------------------------------------------------------------ */

#define PROMISE_KEY_MAX PEEL_PK_LEN
#define PROMISE_SOURCES 1024 /* addresses that are counted apart */

/* To hand what comes for a key to a circuit: a seeder's key at an introduction point, a cookie at a
 * rendezvous point. */
struct promise {
	uint8_t key[PROMISE_KEY_MAX];	       /* zeroes behind a shorter one */
	uint8_t info_hash[PEEL_INFO_HASH_LEN]; /* of introductions */
	uint32_t session, generation;
	uint32_t source; /* index of its count */
	uint64_t since_ms;
	struct peel_bucket asked; /* create-e2e handed on */
	uint32_t published;	  /* what the DHT calls it, if announced */
	bool used, hashed, announced;
	uint32_t by_key, by_session, by_hash, older, newer;
};

/* All of one kind. */
struct promises {
	const struct peel_env *env;
	struct promise *promise;
	struct peel_slots slots;
	struct peel_chains by_key, by_session, by_hash;
	struct peel_queue age;
	uint32_t per_circuit;
	uint32_t cursor; /* next to look at when somebody must make room */
	uint64_t seed;
	uint32_t of_source[PROMISE_SOURCES];
	void (*ended)(void *arg, struct promise *one); /* NULL: nobody wants to know */
	void *arg;
};

int promises_init(struct promises *p, const struct peel_env *env, uint32_t size,
	uint32_t per_circuit) PEEL_MUST_USE;
void promises_fini(struct promises *p);
struct promise *promise_get(const struct promises *p, const void *key, size_t len);
/*
 * To a circuit whose previous hop is at @p from; the key must be free. NULL: the circuit has as
 * many as one may have, or there is no room. When all are taken, one of a source that has far more
 * than others gives way; its circuit loses it without a word.
 */
struct promise *promise_add(struct promises *p, const void *key, size_t len, uint32_t session,
	uint32_t generation, const struct peel_addr *from);
void promise_end(struct promises *p, struct promise *one);
/* Any one of a circuit; NULL: it has none. */
struct promise *promise_of_session(const struct promises *p, uint32_t session);
/* End those older than this. */
void promises_expire(struct promises *p, uint64_t life_ms);
/* For introductions: findable by info hash, which is filled in. */
void promise_index_hash(struct promises *p, struct promise *one);
uint32_t promise_first_of_hash(const struct promises *p, const uint8_t *info_hash);
uint32_t promise_next_of_hash(const struct promises *p, uint32_t slot, const uint8_t *info_hash);

/* ---- seeder_search.c ------------------------------------------------------------------------- */

#define SEARCHES_MAX 128      /* under way or answered not long ago */
#define SEARCHES_UNDER_WAY 12 /* at a time, of 16 that the DHT does for its users */
#define SEARCH_ASKERS 8

/* Who waits for the end of a search. */
struct search_asker {
	uint32_t session, generation;
	uint16_t identifier;
};

/* For the introduction points of one info hash. */
struct search {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	bool used, under_way;
	bool told_all;		 /* nothing more comes from the DHT */
	struct peel_addr source; /* of who began it */
	uint32_t session;	 /* the same */
	uint64_t since_ms;	 /* when it began; or, when it is over, when it was answered */
	uint64_t first_ms;	 /* when the first point was found; 0: not yet */
	uint32_t n_askers, n_found;
	struct search_asker asker[SEARCH_ASKERS];
	struct peel_dht_introduction found[PEEL_PEERS_MAX];
	/* of the one under way */
	uint32_t n_seen, n_new;	  /* points, and those of them that are kept */
	uint32_t n_asks, n_asked; /* addresses that have not answered yet, and all */
	struct peel_dht_introduction new[PEEL_PEERS_MAX];
};

/* ---- point_asks.c ---------------------------------------------------------------------------- */

#define ASKS_OF_SEARCH 16 /* addresses, of different sources */
#define ASKS_MAX (SEARCHES_UNDER_WAY * ASKS_OF_SEARCH)

/* An address from the DHT that was asked for its introduction points. */
struct point_ask {
	bool used;
	uint32_t search; /* its place */
	struct peel_addr to;
	uint32_t cid;
	uint16_t identifier;
	uint64_t until_ms;
};

/* ---- inside.c -------------------------------------------------------------------------------- */

#define VISITS 1024 /* remembered; more take the places of the oldest */

/* A create-e2e that a circuit ending here has sent to a seeder introduced here. */
struct visit {
	uint32_t session, generation;	    /* of who asked */
	uint32_t seeder, seeder_generation; /* over which it was asked */
	uint64_t since_ms;
	bool open; /* not answered yet */
};

/* ---- what may be asked for, by where it comes from ------------------------------------------- */

struct asked_limits {
	struct peel_rate *all;	     /* of one address */
	struct peel_rate *of_seeder; /* of one address and one seeder */
};

/* ---- the whole ------------------------------------------------------------------------------- */

struct peel_hidden {
	struct peel_hidden_conf conf;
	struct promises introductions, rendezvous;
	struct search search[SEARCHES_MAX];
	struct point_ask ask[ASKS_MAX];
	struct visit visit[VISITS];
	uint32_t next_visit;
	bool draining; /* no new introductions */
	uint32_t n_announced;
	struct peel_addr announced_here; /* the address of ours that all of these name */
	uint64_t announce_ms;		 /* when those not announced yet are looked at again */
	struct asked_limits datagrams;	 /* whose addresses may be forged */
	struct asked_limits inside;	 /* circuits that end here, by their neighbours */
	struct peel_rate *cells;	 /* peers-requests of one circuit */
	struct peel_rate *dht;		 /* what one neighbour may let us do in the DHT */
	struct peel_bucket peers;	 /* peers-responses to addresses that may be forged */
	struct peel_rate *asks_of; /* questions to one address that somebody in a DHT has named */
	/* to all of them: the first few of each search, and those behind */
	struct peel_bucket first_asks, more_asks;
};

/* Says no, and counts it. */
int hidden_refuse(struct peel_hidden *h);
/* A data message that brings a datagram from this address to the originator. @return its length, or
 * -ENOSPC. */
int hidden_data(
	uint8_t *out, size_t size, const struct peel_addr *from, const uint8_t *data, size_t len);

/* introduction.c */
int introduction_establish(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *body, size_t len);
int introduction_create_e2e(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *data, size_t len);
/* Whom a create-e2e is for; NULL: nobody here, or it is malformed. */
struct promise *introduction_asked(struct peel_hidden *h, const uint8_t *data, size_t len);
/* Whether that is not too much for @p source, whoever that is in place of the sender. */
bool introduction_may_ask(struct peel_hidden *h, struct promise *p,
	const struct asked_limits *limits, const struct peel_addr *source);
/* Give it to the seeder, as coming from @p origin. */
int introduction_hand_on(struct peel_hidden *h, const struct promise *to,
	const struct peel_addr *origin, const uint8_t *data);

/* To tell the DHT of those it does not know of yet. */
void introduction_tick(struct peel_hidden *h);
/* For promises: to be forgotten by the DHT, too. */
void introduction_ended(void *arg, struct promise *one);

/* rendezvous_point.c */
int rendezvous_establish(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *body, size_t len);
int rendezvous_link(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *body, size_t len);

/* peers_answer.c */
int peers_asked_by_cell(struct peel_hidden *h, uint32_t session, uint32_t generation,
	const uint8_t *body, size_t len);
int peers_asked_by_datagram(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *body, size_t len);
/* The datagram that answers one, if that is not too much for @p source. @return its length; 0: too
 * much; -EBADMSG: refused. */
int peers_answer(struct peel_hidden *h, const struct asked_limits *limits,
	const struct peel_addr *source, const uint8_t *body, size_t len, uint8_t *out, size_t size);
/* Tell the end of a circuit what a search has found. */
void peers_found(struct peel_hidden *h, const struct search *s, const struct search_asker *asker);

/* seeder_search.c */
/* Have the asker told, now or later, if it is not too much; its previous hop is at @p from. */
void search_ask(struct peel_hidden *h, const uint8_t *info_hash, const struct search_asker *asker,
	const struct peel_addr *from);
/* The end of a circuit is none any more. */
void search_exit_gone(struct peel_hidden *h, uint32_t session);
uint32_t search_count(const struct peel_hidden *h);
/* Keep a point that was found, unless it is there. */
void search_take(
	struct peel_hidden *h, struct search *s, const struct peel_dht_introduction *point);
/* End it if it is time. */
void search_advance(struct peel_hidden *h, struct search *s);
void search_tick(struct peel_hidden *h);

/* point_asks.c */
int point_asks_init(struct peel_hidden *h);
void point_asks_fini(struct peel_hidden *h);
/* Ask an address, if that is not too much. */
void point_ask(struct peel_hidden *h, struct search *s, const struct peel_addr *to);
/* A peers-response as a datagram. */
int point_asks_answer(
	struct peel_hidden *h, const struct peel_addr *from, const uint8_t *body, size_t len);
/* A search is over: what is still to come for it does not count. */
void point_asks_forget(struct peel_hidden *h, struct search *s);
void point_asks_tick(struct peel_hidden *h);
uint32_t point_asks_count(const struct peel_hidden *h);
