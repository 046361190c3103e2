/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Look-ups of our own: who is closest to a target, asked step by step (crawl.c), and what is done
 * with the answer (lookups.c). Source: protocol sections 21.6, 21.7, 21.9.
 */

#include "dht_internal.h"

#define DHT_LOOKUPS_OF_USERS 16 /* at a time */
#define DHT_LOOKUPS_OWN 8	/* on our own account: upkeep, published values */
#define DHT_CANDIDATES 40
#define DHT_CLOSEST 8 /* nodes that a look-up wants to have answered */
/* All that those asked may tell: liars among them leave room for the others. */
#define DHT_LOOKUP_VALUES 200
#define DHT_LOOKUP_PEERS 32

enum dht_goal {
	DHT_FIND_NODES,
	DHT_FIND_VALUES,
	DHT_STORE,
	DHT_STORE_PEER,
	DHT_CONNECT_PEER,
};

enum dht_candidate_state {
	DHT_CANDIDATE_NEW,
	DHT_CANDIDATE_OPENING, /* its teacher was asked to make it reachable */
	DHT_CANDIDATE_ASKED,
	DHT_CANDIDATE_ANSWERED,
	DHT_CANDIDATE_FAILED,
};

struct dht_candidate {
	struct peel_dht_node is;
	struct peel_dht_node teacher; /* who told us of it, as long as we need it to */
	bool has_teacher;
	bool without_values;
	uint8_t state;
	uint32_t identifier; /* of the request under way */
	uint8_t token[PEEL_DHT_TOKEN_LEN];
};

/** Among the nodes of one address family; candidates are in order of distance. */
struct dht_crawl {
	struct dht_candidate candidate[DHT_CANDIDATES];
	uint8_t n, n_asked, n_under_way;
};

struct dht_blob {
	uint8_t len;
	uint8_t bytes[PEEL_DHT_VALUE_MAX];
};

struct dht_lookup {
	bool live;
	bool told;   /* its end is being told: nothing that comes now counts */
	bool acting; /* the crawls are over */
	uint8_t goal;
	uint16_t generation;
	uint8_t target[PEEL_DHT_KEY_LEN];
	uint32_t offset;
	uint64_t until_ms;
	struct dht_crawl crawl[DHT_N_FAMILIES];
	uint8_t n_acts;	  /* requests after the crawls that are not answered yet */
	uint8_t n_stored; /* of these, answered */
	uint8_t n_values, n_peers;
	struct dht_blob value[DHT_LOOKUP_VALUES]; /* found; or [0]: to be stored */
	struct peel_dht_node peer[DHT_LOOKUP_PEERS];
	peel_dht_done_fn fn; /* NULL: nobody waits for the end */
	void *arg;
	uint64_t token; /* for fn */
};

/* crawl.c */

/** From the closest nodes we know. @return how many there are. */
size_t dht_crawl_begin(struct peel_dht *dht, struct dht_lookup *l, unsigned int family);
/** Ask whom it is time to ask. @return true when there is nobody left to ask or wait for. */
bool dht_crawl_step(struct peel_dht *dht, struct dht_lookup *l, unsigned int family);

/* lookups.c */

/** The look-up that a request belongs to, NULL when that is over. */
struct dht_lookup *dht_lookup_of(struct peel_dht *dht, uint64_t token);
/** For the requests of a look-up. */
uint64_t dht_lookup_token(
	const struct peel_dht *dht, const struct dht_lookup *l, unsigned int family);
#define DHT_TOKEN_FAMILY(token) ((token) >> 8 & 1)
/** Something has changed: go on. */
void dht_lookup_advance(struct peel_dht *dht, struct dht_lookup *l);
/** Keep a value that was found, unless it is there. */
void dht_lookup_value(struct dht_lookup *l, struct peel_span blob);
/** Begin one on our own account. fn may be NULL. 0, -ENOSPC, -EHOSTUNREACH. */
int dht_lookup_own(struct peel_dht *dht, enum dht_goal goal, const uint8_t target[PEEL_DHT_KEY_LEN],
	struct peel_span blob, peel_dht_done_fn fn, void *arg, uint64_t token);
void dht_lookups_tick(struct peel_dht *dht);
