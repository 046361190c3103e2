/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the files of this library share. Every table has a fixed size; nothing here is seen from
 * outside.
 */

#include "peel_links.h"
#include "limit.h"
#include "peel_dht.h"
#include "peel_dhtmsg.h"
#include "peel_rate.h"

#define DHT_TICK_MS 250
#define DHT_SECOND 1000u

/* ---- ids ------------------------------------------------------------------------------------- */

/** Is @p a closer to @p target than @p b? */
bool dht_closer(const uint8_t a[PEEL_DHT_KEY_LEN], const uint8_t b[PEEL_DHT_KEY_LEN],
	const uint8_t target[PEEL_DHT_KEY_LEN]);
/** Leading bits that two ids share, 0 to 160. */
unsigned int dht_shared_bits(const uint8_t a[PEEL_DHT_KEY_LEN], const uint8_t b[PEEL_DHT_KEY_LEN]);

/* ---- routing.c: nodes that answered us, by distance from our own id -------------------------- */

/* Ids that share more bits with ours than this are in the last bucket. */
#define DHT_BUCKETS 32
#define DHT_BUCKET_SIZE 8
#define DHT_BAD_FAILURES 2
/* Nodes of one source in a bucket: a few, as several may be behind one NAT, but never a bucket
 * full, as one may have any number of keys. */
#define DHT_SAME_SOURCE_MAX 2

struct dht_node {
	struct peel_dht_node is; /* address, key and id */
	uint64_t answered_ms;
	uint64_t pinged_ms;
	uint32_t rtt_ms;
	uint8_t failed; /* requests without an answer, in a row */
};

struct dht_bucket {
	struct dht_node node[DHT_BUCKET_SIZE];
	uint8_t n;
	uint64_t changed_ms;
};

/** Of one address family. */
struct dht_routing {
	uint8_t own_id[PEEL_DHT_KEY_LEN];
	bool joined; /* our own id was looked up since the table was empty */
	struct dht_bucket bucket[DHT_BUCKETS];
};

/** From now on that is our own id; nodes keep their places as far as there is room. */
void dht_routing_move(struct dht_routing *r, const uint8_t own_id[PEEL_DHT_KEY_LEN]);
struct dht_bucket *dht_routing_bucket(struct dht_routing *r, const uint8_t id[PEEL_DHT_KEY_LEN]);
/** NULL: not there. */
struct dht_node *dht_routing_find(struct dht_routing *r, const uint8_t id[PEEL_DHT_KEY_LEN]);
/** Is there room for a node that is not there yet? */
bool dht_routing_wants(struct dht_routing *r, const struct peel_dht_node *node);
/** It answered in that time. @return its entry, NULL: no room. */
struct dht_node *dht_routing_answered(
	struct dht_routing *r, const struct peel_dht_node *from, uint32_t rtt_ms, uint64_t now);
/** Forget the bad ones. */
void dht_routing_purge(struct dht_routing *r);
/** Up to @p max nodes, none of them bad or @p but (may be NULL), the closest to @p target first. */
size_t dht_routing_closest(const struct dht_routing *r, const uint8_t target[PEEL_DHT_KEY_LEN],
	const uint8_t *but, const struct dht_node **out, size_t max);
size_t dht_routing_count(const struct dht_routing *r);

/* ---- tokens.c: who gets one at its address may store ----------------------------------------- */

#define DHT_SECRET_LEN 16

struct dht_tokens {
	uint8_t secret[2][DHT_SECRET_LEN]; /* the newer one first */
	uint64_t renewed_ms;
};

void dht_tokens_init(struct dht_tokens *t, const struct peel_env *env);
/** Renews the secret when it is time. */
void dht_tokens_tick(struct dht_tokens *t, const struct peel_env *env);
void dht_token_make(const struct dht_tokens *t, const struct peel_addr *addr,
	const uint8_t mid[PEEL_MID_LEN], uint8_t out[PEEL_DHT_TOKEN_LEN]);
bool dht_token_valid(const struct dht_tokens *t, const struct peel_addr *addr,
	const uint8_t mid[PEEL_MID_LEN], const uint8_t token[PEEL_DHT_TOKEN_LEN]);

/* ---- shares: how much of a table each source has --------------------------------------------- */

#define DHT_SHARES 4096u

/** Sources under a secretly seeded hash; two that meet in one place count as one. */
struct dht_shares {
	uint16_t count[DHT_SHARES];
};

static inline uint16_t *
dht_share(struct dht_shares *s, uint64_t source)
{
	return &s->count[source % DHT_SHARES];
}

/* ---- storage.c: values of others ------------------------------------------------------------- */

#define DHT_STORED_MAX 4096u
#define DHT_STORED_HEADS 1024u
#define DHT_STORED_PER_KEY 64u
#define DHT_STORED_PER_SOURCE 1024u
#define DHT_VALUE_LIFE_MS (3600 * DHT_SECOND)

struct dht_stored {
	uint8_t key[PEEL_DHT_KEY_LEN];
	uint8_t identity[PEEL_MID_LEN]; /* of the signer, or of the blob */
	uint32_t version;
	uint32_t next; /* in its chain, newest first; or of the free ones */
	uint64_t source;
	uint64_t expires_ms;
	uint8_t len; /* 0: free */
	uint8_t blob[PEEL_DHT_VALUE_MAX];
};

struct dht_storage {
	struct dht_stored *entry; /* [DHT_STORED_MAX] */
	struct peel_slots slots;
	struct peel_chains by_key;
	uint32_t sweep_at;
	uint64_t seed;
	struct dht_shares shares;
};

/** What is to be stored, checked already. */
struct dht_item {
	const uint8_t *key, *identity;
	struct peel_span blob;
	uint32_t version;
	uint64_t source;
	uint64_t expires_ms;
};

int dht_storage_init(struct dht_storage *s, uint64_t seed) PEEL_MUST_USE;
void dht_storage_fini(struct dht_storage *s);
/** 0; -EEXIST: a newer version is there; -ENOSPC: its source has as much as it may have, or the
 * key. */
int dht_storage_put(struct dht_storage *s, const struct peel_env *env, const struct dht_item *item);
/** Are exactly these bytes stored under the key? */
bool dht_storage_has(
	const struct dht_storage *s, const uint8_t key[PEEL_DHT_KEY_LEN], struct peel_span blob);
/** Up to PEEL_DHT_VALUES_MAX values, which borrow from the table, after @p offset of them. */
void dht_storage_get(const struct dht_storage *s, const uint8_t key[PEEL_DHT_KEY_LEN],
	uint32_t offset, uint64_t now, struct peel_dht_values *out);
/** Forget some of what is too old: the whole table within a minute or so. */
void dht_storage_tick(struct dht_storage *s, uint64_t now);

/* ---- outstanding.c: what we asked and whom --------------------------------------------------- */

/* Each kind has places of its own, so that none keeps another from asking. A power of two each: the
 * low bits of an identifier are the place. */
enum dht_pool {
	DHT_POOL_ABOVE,	    /* pings for users of this library */
	DHT_POOL_CHURN,	    /* pings of nodes we know */
	DHT_POOL_NEWCOMERS, /* pings of who came */
	DHT_POOL_LOOKUPS,
	DHT_N_POOLS
};
#define DHT_POOL_SIZE 256u
#define DHT_PING_LEN 167u /* bytes of a ping */

struct dht_request;

/** @p body is that of a verified answer, NULL: there was none in time. The request's place is free
 * already. */
typedef void (*dht_done_fn)(
	struct peel_dht *dht, const struct dht_request *request, const struct peel_span *body);

struct dht_request {
	struct peel_dht_node to; /* of pings for others only the address is known */
	bool live, any_key;
	uint8_t expects; /* message id of the answer */
	uint8_t n_false; /* answers so far whose signature was wrong */
	uint32_t identifier;
	uint32_t next; /* of the free ones */
	uint64_t sent_ms, until_ms;
	dht_done_fn done;	  /* NULL: only the node's standing matters */
	peel_dht_ping_fn ping_fn; /* for done, like all below */
	void *arg;
	uint64_t token;
};

struct dht_requests {
	struct dht_request *request;	      /* [DHT_N_POOLS * DHT_POOL_SIZE] */
	struct peel_slots slots[DHT_N_POOLS]; /* within the pool's part */
};

int dht_requests_init(struct dht_requests *t) PEEL_MUST_USE;
void dht_requests_fini(struct dht_requests *t);
/** A place with a fresh identifier, filled in from @p like (to, any_key, done and what is for it).
 * NULL: none is free. The caller sends the message. */
struct dht_request *dht_request_new(struct peel_dht *dht, enum dht_pool pool, uint8_t request_id,
	uint32_t timeout_ms, const struct dht_request *like);
/** Ping a node, unless it was asked a lot lately or no place is free. */
bool dht_ping_node(struct peel_dht *dht, enum dht_pool pool, const struct peel_dht_node *node,
	dht_done_fn done, uint64_t token);
/** Messages 2, 4, 6, 8 and 10. */
int dht_on_response(
	struct peel_dht *dht, const struct peel_addr *from, const struct peel_signed *s);
void dht_requests_tick(struct peel_dht *dht, uint64_t now);

/* ---- values.c -------------------------------------------------------------------------------- */

/** Two blobs with the same identity under a key are versions of one value. */
void dht_value_identity(
	const struct peel_dht_value *v, struct peel_span blob, uint8_t out[PEEL_MID_LEN]);
/** Unsigned, or signed by whose it says it is. */
bool dht_value_genuine(const struct peel_dht_value *v);
/** A blob of our own; version 0: unsigned. @return its length, -EMSGSIZE. */
int dht_value_make(const struct peel_identity *identity, struct peel_span data, uint32_t version,
	uint8_t out[PEEL_DHT_VALUE_MAX]) PEEL_MUST_USE;

/* ---- stored_peers.c: peers that may be reached through us ------------------------------------ */

#define DHT_PEERS_MAX 1024u
#define DHT_PEERS_PER_SOURCE 64u
#define DHT_PEER_LIFE_MS (60 * DHT_SECOND)

struct dht_stored_peer {
	struct peel_dht_node is;
	uint8_t mid[PEEL_MID_LEN];
	uint64_t source;
	uint64_t asked_ms; /* its last query */
	bool live;
};

struct dht_stored_peers {
	struct dht_stored_peer *peer; /* [DHT_PEERS_MAX] */
	uint32_t n;
	struct dht_shares shares;
};

int dht_peers_init(struct dht_stored_peers *t) PEEL_MUST_USE;
void dht_peers_fini(struct dht_stored_peers *t);
/** 0, -ENOSPC. */
int dht_peers_put(
	struct dht_stored_peers *t, const struct peel_env *env, const struct dht_stored_peer *peer);
/** A query came from it. */
void dht_peers_came(struct dht_stored_peers *t, const uint8_t mid[PEEL_MID_LEN], uint64_t now);
/** Up to @p max of those with that member id. */
size_t dht_peers_get(const struct dht_stored_peers *t, const uint8_t mid[PEEL_MID_LEN],
	uint64_t now, const struct peel_dht_node **out, size_t max);
void dht_peers_tick(struct dht_stored_peers *t, uint64_t now);

/* ---- storers.c: nodes that tell others where we are ------------------------------------------ */

#define DHT_STORERS_MAX 8

struct dht_storer {
	struct peel_dht_node is;
	uint64_t pinged_ms;
	uint8_t failed;
};

struct dht_storers {
	struct dht_storer storer[DHT_STORERS_MAX];
	uint8_t n;
	bool on;
	uint64_t check_ms;
};

/** It stored our address. */
void dht_storers_add(struct peel_dht *dht, const struct peel_dht_node *node);
void dht_storers_tick(struct peel_dht *dht, uint64_t now);

/* ---- publish.c: values of our own ------------------------------------------------------------ */

#define DHT_PUBLISHED_MAX 1024u

struct dht_published;

struct dht_publish {
	struct dht_published *entry; /* [DHT_PUBLISHED_MAX] */
	uint32_t n, n_under_way;
	uint32_t turn; /* whose turn it is, modulo the size */
};

int dht_publish_init(struct dht_publish *t) PEEL_MUST_USE;
void dht_publish_fini(struct dht_publish *t);
void dht_publish_tick(struct peel_dht *dht, uint64_t now);

/* ---- remember.c: nodes of an earlier run ----------------------------------------------------- */

struct dht_remembered {
	struct peel_dht_node *node; /* [n] not asked yet */
	uint16_t n;
};

void dht_remembered_fini(struct dht_remembered *m);
void dht_remembered_tick(struct peel_dht *dht);

/* ---- the DHT --------------------------------------------------------------------------------- */

enum {
	DHT_V4,
	DHT_V6,
	DHT_N_FAMILIES
};

#define DHT_WAITING_MAX 64u

struct dht_lookup; /* lookups.h */

struct peel_dht {
	struct peel_dht_conf conf;
	uint8_t prefix[PEEL_PREFIX_LEN];
	uint64_t seed;
	uint64_t clock; /* of punctures asked for */
	struct dht_limit by_node, by_peer_query, by_source, by_stranger, by_newcomer, to_node;
	struct dht_window verify_proved, verify_strangers, verify_answers;
	struct peel_rate *puncture_stranger;
	struct peel_bucket puncture_strangers;

	struct peel_addr own; /* our address as others see it; family NONE: unknown */
	struct dht_routing routing[DHT_N_FAMILIES];
	struct dht_tokens tokens;
	struct dht_storage storage;
	struct dht_stored_peers peers;
	struct dht_requests requests;
	struct dht_lookup *lookup; /* those of users, then our own */
	struct dht_storers storers;
	struct dht_publish publish;
	struct dht_remembered remembered;
	uint64_t refresh_ms;
	/* met before we knew our own place, a ring */
	struct peel_dht_node waiting[DHT_WAITING_MAX];
	uint32_t n_waiting;
};

static inline uint64_t
dht_now(const struct peel_dht *dht)
{
	return peel_now_ms(dht->conf.env);
}

static inline struct dht_routing *
dht_routing_of(struct peel_dht *dht, const struct peel_addr *addr)
{
	return &dht->routing[addr->family == PEEL_FAMILY_IPV6 ? DHT_V6 : DHT_V4];
}

/** Do we know our own address, and so our place among the others? */
static inline bool
dht_is_placed(const struct peel_dht *dht)
{
	return dht->own.family != PEEL_FAMILY_NONE;
}

/* dht.c */

/** Of 20 bytes: ids, keys, addresses. */
uint64_t dht_hash(const struct peel_dht *dht, const void *bytes, uint32_t what);
/** Who stands behind an address, as far as shares go. */
uint64_t dht_source(const struct peel_dht *dht, const struct peel_addr *addr);
struct peel_dht_node dht_node_make(const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN]);
/** May one more signature of this sender be checked? */
bool dht_may_verify(struct peel_dht *dht, const struct peel_addr *from, bool proved);
/** Count, and 0: for input. */
int dht_over_limit(struct peel_dht *dht);
/** Begin a message; append the body, then dht_send(). */
struct peel_writer dht_begin(struct peel_dht *dht, uint8_t id, uint8_t *buffer, size_t size);
/** Sign and send. @return its length. */
size_t dht_send(struct peel_dht *dht, const struct peel_addr *to, struct peel_writer *w);
/** A message that is an identifier alone. */
size_t dht_send_plain(
	struct peel_dht *dht, const struct peel_addr *to, uint8_t id, uint32_t identifier);

/* server.c */

/** Messages 1, 3, 5, 7 and 9. @p len: of the whole datagram. */
int dht_on_request(struct peel_dht *dht, const struct peel_addr *from, const struct peel_signed *s,
	size_t len);

/* churn.c */

/** A node answered a request. */
void dht_answered(
	struct peel_dht *dht, const struct peel_dht_node *node, uint32_t rtt_ms, uint64_t now);
/** It did not. */
void dht_silent(struct peel_dht *dht, const struct peel_dht_node *node);
/** A node came that may be one of ours: ask whether it answers, if there is room for it.
 *  @param proved  it answered us at its address, here or elsewhere. */
void dht_newcomer(struct peel_dht *dht, const struct peel_dht_node *node, bool proved);
void dht_churn_tick(struct peel_dht *dht, uint64_t now);

/* refresh.c */

void dht_refresh_tick(struct peel_dht *dht, uint64_t now);
