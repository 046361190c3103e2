/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the files of this library share. Every table is bounded and found by hash; nothing here is seen from outside.
 */

#include "peel_overlay.h"
#include "peel_rate.h"

#define PEEL_OVERLAY_TICK_MS 500
#define PEEL_OVERLAY_REQUESTS 2048 /* outstanding, a power of two */
#define PEEL_OVERLAY_WALKABLE 256  /* known addresses not yet asked, per community */
#define PEEL_OVERLAY_VOTES 16
#define PEEL_OVERLAY_BOOTSTRAP_MAX 256

#define PEEL_OVERLAY_REPEAT_MS                                                                     \
	300 /* never ask one address twice within that time, whatever others send */
#define PEEL_OVERLAY_LOST_MS 3000 /* after that a request no longer holds up the walk ... */
#define PEEL_OVERLAY_REQUEST_LIFE_MS 10000 /* ... but a late answer is still ours */
#define PEEL_OVERLAY_IDLE_MS 27500
#define PEEL_OVERLAY_PING_INTERVAL_MS 10000
#define PEEL_OVERLAY_DROP_MS 57500
/* A peer that answered at its address within this time is not moved to another one: neither a forwarder in the middle nor
 * a second interface can make it flap. One idle time and one ping later it may move. */
#define PEEL_OVERLAY_STICKY_MS 40000

/* ---- index.c: chained hash over slots of an array ----------------------------------------------------------------- */

#define PEEL_SLOT_NONE UINT32_MAX

struct ov_index {
	uint32_t *head; /* [mask + 1] */
	uint32_t *next; /* [slots] */
	uint32_t mask;
};

int peel_overlay_index_init(struct ov_index *x, uint32_t slots) PEEL_MUST_USE;
void peel_overlay_index_fini(struct ov_index *x);
void peel_overlay_index_add(struct ov_index *x, uint64_t hash, uint32_t slot);
void peel_overlay_index_del(struct ov_index *x, uint64_t hash, uint32_t slot);

static inline uint32_t
peel_overlay_index_first(const struct ov_index *x, uint64_t hash)
{
	return x->head[hash & x->mask];
}

/* ---- scope.c: kinds of addresses ------------------------------------------------------------------------------------ */

/** Loopback, private, link-local or shared: not reachable from the Internet. */
bool peel_overlay_addr_local(const struct peel_addr *a);
/** Something a datagram can be sent to: a unicast address and a port. */
bool peel_overlay_addr_usable(const struct peel_addr *a);
/** Who stands behind an address for counting heads: its /24 or /48, or a local address as it is. */
struct peel_addr peel_overlay_addr_subnet(const struct peel_addr *a);

/* ---- limits.c: budgets of work that strangers can ask for ------------------------------------------------------------ */

struct ov_limits {
	struct peel_rate *verify_source, *puncture_source, *puncture_target; /* by address */
	struct peel_bucket verify_strangers, verify_known, verify_legacy, puncture_all;
};

int peel_overlay_limits_init(struct ov_limits *l, const struct peel_env *env) PEEL_MUST_USE;
void peel_overlay_limits_fini(struct ov_limits *l);

/* ---- peers.c ----------------------------------------------------------------------------------------------------------- */

enum ov_list {
	PEEL_LIST_ALL = PEEL_N_COMMUNITIES, /* the first ones are the members of each community */
	PEEL_LIST_CANDIDATES,
	PEEL_N_LISTS
};

struct ov_peer {
	struct peel_addr addr;
	struct peel_addr lan; /* its own idea of its local address */
	uint8_t pk[PEEL_PK_LEN];
	uint8_t mid[PEEL_MID_LEN];
	uint16_t flags;
	uint16_t ping_id;
	uint8_t member;	   /* bit per community */
	uint8_t probes;	   /* requests sent to learn more about it, without success */
	bool confirmed;	   /* answered a request of ours at addr */
	bool flags_known;  /* flags come from such an answer */
	bool new_style;	   /* understands new style messages */
	bool ping_pending; /* ping_id was not answered yet */
	uint64_t heard_ms;
	uint64_t answered_ms; /* last answer that only this address could give */
	uint64_t pinged_ms;
	uint64_t probed_ms;
	uint32_t pos[PEEL_N_LISTS];
};

/** A dense array of slots, for random picks. */
struct ov_list_entry {
	uint32_t slot;
	uint16_t flags; /* of candidates, so that choosing them walks one short array */
};

struct ov_peers {
	struct ov_peer *peer;
	uint32_t n_max;
	uint32_t *free_slot;
	uint32_t n_free;
	uint32_t n_unconfirmed;
	uint32_t hand; /* where the search for a victim goes on */
	uint64_t seed;
	struct ov_index by_key, by_addr, by_ip;
	struct ov_list_entry *list[PEEL_N_LISTS];
	uint32_t n[PEEL_N_LISTS];
};

int peel_overlay_peers_init(struct ov_peers *t, uint32_t n_max, uint64_t seed) PEEL_MUST_USE;
void peel_overlay_peers_fini(struct ov_peers *t);
struct ov_peer *peel_overlay_peers_by_key(const struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN]);
/** All peers at an address, one by one: start with NULL. */
struct ov_peer *peel_overlay_peers_at(
	const struct ov_peers *t, const struct peel_addr *addr, const struct ov_peer *after);
/** A member of community @p c at this address. */
struct ov_peer *peel_overlay_peers_member_at(
	const struct ov_peers *t, const struct peel_addr *addr, enum peel_community c);
/** New and unconfirmed; may push out another unconfirmed one. NULL: no room. */
struct ov_peer *peel_overlay_peers_add(struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN],
	const struct peel_addr *addr, uint64_t now);
void peel_overlay_peers_del(struct ov_peers *t, struct ov_peer *p);
void peel_overlay_peers_join(struct ov_peers *t, struct ov_peer *p, enum peel_community c);
/** @return false when it was its last community and the peer is gone. */
bool peel_overlay_peers_leave(struct ov_peers *t, struct ov_peer *p, enum peel_community c);
/** It answered at @p addr: from now on that is its address. */
void peel_overlay_peers_confirm(
	struct ov_peers *t, struct ov_peer *p, const struct peel_addr *addr, uint64_t now);
void peel_overlay_peers_flags(struct ov_peers *t, struct ov_peer *p, uint16_t flags);

/* ---- requests.c: what we asked and whom -------------------------------------------------------------------------------- */

/* Kinds: the communities (introduction-requests), then: */
#define PEEL_REQUEST_SIMILARITY PEEL_N_COMMUNITIES

struct ov_request {
	struct peel_addr to;
	uint16_t identifier;
	uint8_t kind;
	bool live;
	bool walk; /* counts against the walk's limit */
	uint64_t sent_ms;
};

/** A ring in order of sending, so the oldest end is the one that expires. */
struct ov_requests {
	struct ov_request *request;
	struct ov_index by_addr;
	uint32_t head, tail; /* free running; tail is the oldest */
	uint64_t seed;
};

int peel_overlay_requests_init(struct ov_requests *t, uint64_t seed) PEEL_MUST_USE;
void peel_overlay_requests_fini(struct ov_requests *t);
/** @p walk requests may use the last quarter of the table, others not. 0 or -ENOSPC. */
int peel_overlay_requests_add(struct ov_requests *t, const struct peel_addr *to, uint8_t kind,
	uint16_t identifier, bool walk, uint64_t now) PEEL_MUST_USE;
struct ov_request *peel_overlay_requests_match(struct ov_requests *t, const struct peel_addr *from,
	uint8_t kind, uint16_t identifier, uint64_t now);
/** Was this address asked within that time? */
bool peel_overlay_requests_recent(const struct ov_requests *t, const struct peel_addr *to,
	uint8_t kind, uint64_t now, uint64_t within_ms);
void peel_overlay_requests_del(struct ov_requests *t, struct ov_request *r);
void peel_overlay_requests_expire(struct ov_requests *t, uint64_t now);
uint32_t peel_overlay_requests_walking(const struct ov_requests *t, uint8_t kind, uint64_t now);

/* ---- the overlay ---------------------------------------------------------------------------------------------------------- */

struct ov_walkable {
	struct peel_addr addr;
	bool new_style;
};

struct ov_walk {
	struct ov_walkable entry[PEEL_OVERLAY_WALKABLE];
	uint32_t n;
	struct ov_index by_addr;
	uint64_t bootstrap_at; /* not before */
	uint32_t bootstrap_wait_ms;
	uint64_t refresh_at;
};

struct ov_vote {
	struct peel_addr voter; /* its subnet */
	struct peel_addr seen;	/* our address as it sees it */
	uint64_t at_ms;
};

struct peel_overlay {
	struct peel_overlay_conf conf;
	uint8_t prefix[PEEL_N_COMMUNITIES][PEEL_PREFIX_LEN];
	uint64_t clock; /* of messages sent; a new run may start at 0 */
	uint64_t seed;
	uint64_t tick_at;

	struct ov_peers peers;
	struct ov_requests requests;
	struct ov_walk walk[PEEL_N_COMMUNITIES];

	struct peel_addr bootstrap[PEEL_OVERLAY_BOOTSTRAP_MAX];
	size_t n_bootstrap;

	struct peel_addr public_address; /* learnt or configured, family NONE: neither */
	struct ov_vote vote[PEEL_OVERLAY_VOTES];
	uint32_t n_votes;

	struct ov_limits limits;
};

/* overlay.c */

enum ov_trust {
	PEEL_TRUST_STRANGER,
	PEEL_TRUST_KNOWN, /* comes from the address of the peer it claims to be */
	PEEL_TRUST_ASKED, /* matches a request: cannot be had by inventing source addresses */
};

/** Signature check within the budgets. 0, -EBADMSG (counted), -EAGAIN (over a limit, counted). */
int peel_overlay_authenticate(struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_signed *s, enum ov_trust trust) PEEL_MUST_USE;
/** Begin a signed message; append the body, then peel_overlay_send_signed(). */
struct peel_writer peel_overlay_begin(struct peel_overlay *ov, enum peel_community c, uint8_t id,
	uint64_t clock, uint8_t *buffer, size_t size);
void peel_overlay_send_signed(
	struct peel_overlay *ov, const struct peel_addr *to, struct peel_writer *w);
void peel_overlay_send_unsigned(
	struct peel_overlay *ov, const struct peel_addr *to, struct peel_writer *w);
bool peel_overlay_is_bootstrap(const struct peel_overlay *ov, const struct peel_addr *a);
bool peel_overlay_is_self(const struct peel_overlay *ov, const struct peel_addr *a);
int peel_overlay_malformed(struct peel_overlay *ov);

static inline uint64_t
peel_overlay_now(const struct peel_overlay *ov)
{
	return peel_now_ms(ov->conf.env);
}

/* intro.c */
int peel_overlay_intro_request(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_signed *s);
int peel_overlay_intro_response(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_signed *s);
/** Ask someone to introduce us, unless an answer of that address is still expected.
 *  @param walk  counts against the walk's limit of outstanding requests.
 *  @return false when nothing was sent. */
bool peel_overlay_intro_send(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *to, bool new_style, bool walk);
/** Ask a peer for what is still missing: an answer from its address, its flags. */
void peel_overlay_intro_probe(
	struct peel_overlay *ov, struct ov_peer *p, enum peel_community c, uint64_t now);
/** The sender of a matched and authentic answer is at @p from. NULL: no room for it. */
struct ov_peer *peel_overlay_intro_confirm(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const uint8_t pk[PEEL_PK_LEN], uint64_t now);

/* limits.c */
bool peel_overlay_may_verify(
	struct peel_overlay *ov, const struct peel_addr *from, bool legacy, enum ov_trust trust);
bool peel_overlay_may_puncture(
	struct peel_overlay *ov, const struct peel_addr *from, const struct peel_addr *walker);

/* puncture.c */
int peel_overlay_puncture_request(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const uint8_t *data, size_t len);
void peel_overlay_puncture_ask(struct peel_overlay *ov, enum peel_community c, bool new_style,
	const struct peel_addr *to, const struct peel_puncture_request *m);

/* walk.c */
/** An address worth asking. @p local_ok: who told may make us ask in local networks. */
void peel_overlay_walk_offer(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *addr, bool new_style, bool local_ok);
void peel_overlay_walk_response(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_intro_response *m, bool new_style);
/** @p n_confirmed: members that answered. */
void peel_overlay_walk_tick(
	struct peel_overlay *ov, enum peel_community c, uint32_t n_confirmed, uint64_t now);
int peel_overlay_walk_init(struct ov_walk *w) PEEL_MUST_USE;
void peel_overlay_walk_fini(struct ov_walk *w);

/* liveness.c */
int peel_overlay_liveness_input(
	struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data, size_t len);
void peel_overlay_similarity_send(struct peel_overlay *ov, const struct peel_addr *to);
/** Ping the idle, forget the dead, ask again who did not answer. Counts answered members. */
void peel_overlay_liveness_tick(
	struct peel_overlay *ov, uint32_t n_confirmed[PEEL_N_COMMUNITIES], uint64_t now);

/* public.c */
void peel_overlay_public_vote(struct peel_overlay *ov, const struct peel_addr *voter,
	const struct peel_addr *seen, uint64_t now);
