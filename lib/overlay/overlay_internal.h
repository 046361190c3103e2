/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Shared by the files of this library. Every table is bounded and hashed; nothing here is visible
 * from outside.
 */

#include "peel_links.h"
#include "peel_overlay.h"
#include "peel_rate.h"

#define PEEL_OVERLAY_TICK_MS 500
#define PEEL_OVERLAY_REQUESTS 1024 /* outstanding on our own initiative, a power of two */
#define PEEL_OVERLAY_WALKABLE 256  /* known addresses not yet asked, per community */
#define PEEL_OVERLAY_VOTES 16

/* never ask an address twice within this time, whatever others send */
#define PEEL_OVERLAY_REPEAT_MS 300
/* after this a request no longer holds up the walk ... */
#define PEEL_OVERLAY_LOST_MS 3000
#define PEEL_OVERLAY_REQUEST_LIFE_MS 10000 /* ... but a late answer is still ours */
#define PEEL_OVERLAY_IDLE_MS 27500
#define PEEL_OVERLAY_PING_INTERVAL_MS 10000
#define PEEL_OVERLAY_DROP_MS 57500
/* A peer that answered at its address within this time is not moved to another one: neither a
 * forwarder in the middle nor a second interface can make it flap. After one idle time and one ping
 * it may move. */
#define PEEL_OVERLAY_STICKY_MS 40000

/* ---- scope.c: kinds of addresses ------------------------------------------------------------- */

/** Private, and in the same network as far as one can tell without the netmask: the same /24, or
 * /64 of IPv6. */
bool overlay_addr_neighbours(const struct peel_addr *a, const struct peel_addr *b);
/** The network that counts as one voice: its /24 or /48, or a local address as it is. */
struct peel_addr overlay_addr_subnet(const struct peel_addr *a);

/* ---- limits.c: budgets of work that strangers can ask for ------------------------------------ */

struct ov_limits {
	/* by address */
	struct peel_rate *verify_source, *verify_stranger, *ask_source, *introduce_stranger,
		*introduce_peer, *puncture_stranger, *puncture_peer, *puncture_target;
	struct peel_bucket verify_strangers, verify_their_answers, verify_known, verify_legacy,
		introduce_strangers, puncture_strangers, puncture_known;
};

/** @p n_sources: busy addresses that each budget tracks. */
int overlay_limits_init(
	struct ov_limits *l, const struct peel_env *env, uint32_t n_sources) PEEL_MUST_USE;
void overlay_limits_fini(struct ov_limits *l);

struct peel_overlay;

/* ---- peers.c --------------------------------------------------------------------------------- */

enum ov_list {
	PEEL_LIST_ALL = PEEL_N_COMMUNITIES, /* the lists before this one are the members of each
					       community */
	PEEL_LIST_CANDIDATES,
	PEEL_N_LISTS
};

struct ov_peer {
	struct peel_addr addr;
	struct peel_addr lan; /* its own view of its local address */
	uint8_t pk[PEEL_PK_LEN];
	uint8_t mid[PEEL_MID_LEN];
	uint16_t flags;
	uint16_t ping_id;
	uint8_t member; /* bit per community */
	uint8_t probes; /* unsuccessful requests to learn more about it */
	/* we did not know our own address well enough to tell whether the answer was for us */
	bool weak;
	bool flags_known;     /* the flags come from such an answer */
	bool new_style;	      /* understands new style messages */
	bool ping_pending;    /* ping_id has not been answered yet */
	uint64_t answered_ms; /* time of the last answer that only this address could give */
	uint64_t pinged_ms;
	uint64_t probed_ms;
	uint32_t pos[PEEL_N_LISTS];
	uint32_t next_key, next_addr, next_ip; /* of the same hash */
};

/** A dense array of slots, for random picks. */
struct ov_list_entry {
	uint32_t slot;
	uint16_t flags; /* of candidates, so that choosing them scans one short array */
};

/** Contains only nodes that have answered a request of ours at their address. */
struct ov_peers {
	struct ov_peer *peer;
	struct peel_slots slots;
	uint64_t seed;
	struct peel_chains by_key, by_addr, by_ip;
	struct ov_list_entry *list[PEEL_N_LISTS];
	uint32_t n[PEEL_N_LISTS];
};

int overlay_peers_init(struct ov_peers *t, uint32_t n_max, uint64_t seed) PEEL_MUST_USE;
void overlay_peers_fini(struct ov_peers *t);
bool overlay_is_banned(
	const struct peel_overlay *ov, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN]);
struct ov_peer *overlay_peers_by_key(const struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN]);
/** The peer with that key, if it has that address. */
struct ov_peer *overlay_peers_at_home(
	const struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN], const struct peel_addr *addr);
/** Iterate over the peers at an address; start with NULL. */
struct ov_peer *overlay_peers_at(
	const struct ov_peers *t, const struct peel_addr *addr, const struct ov_peer *after);
/** A member of community @p c at this address. */
struct ov_peer *overlay_peers_member_at(
	const struct ov_peers *t, const struct peel_addr *addr, enum peel_community c);
/** Whether there is room for one more peer at this address. */
bool overlay_peers_room(const struct ov_peers *t, const struct peel_addr *addr);
/** Add a peer that answered at @p addr. NULL: no room. */
struct ov_peer *overlay_peers_add(struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN],
	const struct peel_addr *addr, uint64_t now);
void overlay_peers_del(struct ov_peers *t, struct ov_peer *p);
void overlay_peers_join(struct ov_peers *t, struct ov_peer *p, enum peel_community c);
/** @return false if it was the peer's last community, so that the peer is gone. */
bool overlay_peers_leave(struct ov_peers *t, struct ov_peer *p, enum peel_community c);
/** Change a peer's address. */
void overlay_peers_move(struct ov_peers *t, struct ov_peer *p, const struct peel_addr *addr);
void overlay_peers_flags(struct ov_peers *t, struct ov_peer *p, uint16_t flags);

/* ---- requests.c: what we asked and whom ------------------------------------------------------ */

/* Kinds: the communities (introduction-requests), then: */
#define PEEL_REQUEST_SIMILARITY PEEL_N_COMMUNITIES
#define PEEL_REQUEST_PEX (PEEL_N_COMMUNITIES + 1) /* and the numbers of PEX overlays */

struct ov_request {
	struct peel_addr to;
	uint16_t identifier;
	uint16_t kind;
	uint8_t failures; /* answers with a wrong signature so far */
	bool live;
	bool walk; /* counts against the walk's limit */
	uint64_t sent_ms;
	uint32_t next; /* of the same hash */
};

/** A ring in order of sending, so the oldest end expires first. */
struct ov_requests {
	struct ov_request *request; /* [mask + 1] */
	struct peel_chains by_addr;
	uint32_t mask;
	bool gives_way;	     /* when full, forget the oldest instead of refusing the new one */
	uint32_t head, tail; /* free running; `tail` is the oldest */
	uint64_t seed;
};

/** @p n: a power of two. */
int overlay_requests_init(
	struct ov_requests *t, uint32_t n, bool gives_way, uint64_t seed) PEEL_MUST_USE;
void overlay_requests_fini(struct ov_requests *t);
/** Only requests of the walk (@p walk) may use the last quarter of the table. 0 or -ENOSPC. */
int overlay_requests_add(struct ov_requests *t, const struct peel_addr *to, uint16_t kind,
	uint16_t identifier, bool walk, uint64_t now) PEEL_MUST_USE;
struct ov_request *overlay_requests_match(struct ov_requests *t, const struct peel_addr *from,
	uint16_t kind, uint16_t identifier, uint64_t now);
/** Whether this address was asked within that time. */
bool overlay_requests_recent(const struct ov_requests *t, const struct peel_addr *to, uint16_t kind,
	uint64_t now, uint64_t within_ms);
void overlay_requests_del(struct ov_requests *t, struct ov_request *r);
void overlay_requests_expire(struct ov_requests *t, uint64_t now);
uint32_t overlay_requests_walking(const struct ov_requests *t, uint16_t kind, uint64_t now);

/* ---- strangers.c: addresses that have not answered yet --------------------------------------- */

struct ov_stranger;

/** Sources that have contacted us, in a ring: a new one replaces the oldest. */
struct ov_strangers {
	struct ov_stranger *entry; /* [mask + 1] */
	struct peel_chains by_id;
	uint32_t mask, next;
	uint64_t seed;
};

/** What we may send in answer to a stranger's datagram. */
struct ov_allowance {
	size_t bytes; /* that may be sent now, but not later */
	bool first_contact;
	/* whether the last thing sent there after first contact was a question; the caller updates
	 * it */
	bool *asked;
};

/** @p n: a power of two. */
int overlay_strangers_init(struct ov_strangers *t, uint32_t n, uint64_t seed) PEEL_MUST_USE;
void overlay_strangers_fini(struct ov_strangers *t);
/** Note that @p from sent us @p len bytes. */
struct ov_allowance overlay_strangers_came(
	struct ov_strangers *t, const struct peel_addr *from, size_t len);

/** How a stranger's request is answered, and how it is asked something itself: both send at most
 * that many bytes, and return how many. */
struct ov_stranger_service {
	size_t (*answer)(void *arg, size_t at_most);
	size_t (*ask)(void *arg, size_t at_most);
	void *arg;
};
/**
 * Serve an authentic request of @p len bytes. A node becomes a peer only by its answer, so we
 * remember nothing but the question. At first contact our answer leaves room for a question as long
 * as the request; afterwards questions and answers take turns.
 */
void overlay_strangers_serve(struct peel_overlay *ov, const struct peel_addr *from, size_t len,
	const struct ov_stranger_service *service);

/* ---- the overlay ----------------------------------------------------------------------------- */

struct ov_walkable {
	struct peel_addr addr;
	bool new_style;
	uint32_t next; /* of the same hash */
};

struct ov_walk {
	struct ov_walkable entry[PEEL_OVERLAY_WALKABLE];
	uint32_t n;
	struct peel_chains by_addr;
	uint64_t bootstrap_at; /* not before this time */
	uint32_t bootstrap_wait_ms;
	uint64_t refresh_at;
};

struct ov_vote {
	struct peel_addr voter; /* the voter's subnet */
	struct peel_addr seen;	/* our address as the voter sees it */
	uint64_t at_ms;
};

struct peel_overlay {
	struct peel_overlay_conf conf;
	uint8_t prefix[PEEL_N_COMMUNITIES][PEEL_PREFIX_LEN];
	uint8_t own_flags[2]; /* as extra bytes */
	uint64_t clock;	      /* of messages sent; may restart at 0 */
	uint64_t seed;
	uint64_t tick_at;
	uint16_t port; /* our own */

	struct ov_peers peers;
	struct ov_requests requests;   /* on our own initiative, or to peers */
	struct ov_requests asked_back; /* to strangers, because they contacted us */
	struct ov_strangers strangers;
	struct ov_walk walk[PEEL_N_COMMUNITIES];

	struct peel_addr bootstrap[PEEL_OVERLAY_BOOTSTRAP_MAX];
	size_t n_bootstrap;

	struct peel_addr public_address; /* learnt or configured; family NONE: unknown */
	struct ov_vote vote[PEEL_OVERLAY_VOTES];
	uint32_t n_votes;

	struct ov_limits limits;
};

/* overlay.c */

enum ov_trust {
	PEEL_TRUST_STRANGER,
	PEEL_TRUST_KNOWN, /* comes from the address of the peer that it claims to be */
	/* matches a request to a stranger: an invented source address cannot get this */
	PEEL_TRUST_ASKED_BACK,
	PEEL_TRUST_ASKED, /* matches another request of ours */
};

/** Check a signature within the budgets. 0, -EBADMSG or -EAGAIN (over a limit), both counted. */
int overlay_authenticate(struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_signed *s, enum ov_trust trust) PEEL_MUST_USE;
/** Begin a signed message; append the body, then overlay_send_signed(). */
struct peel_writer overlay_begin(struct peel_overlay *ov, const uint8_t prefix[PEEL_PREFIX_LEN],
	uint8_t id, uint64_t clock, uint8_t *buffer, size_t size);
/** Split an introduction. A legacy key only from a bootstrap address. 0, or -EBADMSG (counted):
 * malformed, or our own. */
int overlay_split(struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data,
	size_t len, struct peel_signed *out) PEEL_MUST_USE;
void overlay_send_signed(
	struct peel_overlay *ov, const struct peel_addr *to, struct peel_writer *w);
void overlay_send_unsigned(
	struct peel_overlay *ov, const struct peel_addr *to, struct peel_writer *w);
bool overlay_is_bootstrap(const struct peel_overlay *ov, const struct peel_addr *a);
bool overlay_is_self(const struct peel_overlay *ov, const struct peel_addr *a);
/** Whether our own address is local, or unknown because we listen on all interfaces. */
bool overlay_in_local_network(const struct peel_overlay *ov);
int overlay_malformed(struct peel_overlay *ov);

static inline uint64_t
overlay_now(const struct peel_overlay *ov)
{
	return peel_now_ms(ov->conf.env);
}

/* intro.c */
int overlay_intro_request(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_signed *s);
int overlay_intro_response(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_signed *s);

enum ov_asking {
	PEEL_ASK_WALK,	   /* counts against the walk's limit of outstanding requests */
	PEEL_ASK_PEER,	   /* a peer, or a bootstrap address */
	PEEL_ASK_STRANGER, /* because it contacted us */
};

/** What sets one overlay's introductions apart from another's. */
struct ov_community {
	const uint8_t *prefix;
	struct peel_span extra;	      /* own extra bytes */
	uint16_t kind;		      /* of its requests, */
	struct ov_requests *requests; /* which are remembered here */
};

/** A peer to introduce. */
struct ov_contact {
	struct peel_addr addr, lan;
	bool new_style;
};

/** Whether a node at @p addr can be introduced to one at @p to. */
bool overlay_introducible(const struct peel_overlay *ov, const struct peel_addr *addr,
	const struct peel_addr *to, bool new_style);
/** overlay_intro_send() for any overlay. */
size_t overlay_community_ask(struct peel_overlay *ov, const struct ov_community *c,
	const struct peel_addr *to, bool new_style, enum ov_asking why, size_t at_most);
/** Answer a request; @p introduced may be NULL. @return the length, or 0 if it would have been
 * longer than @p at_most and was not sent. */
size_t overlay_community_answer(struct peel_overlay *ov, const struct ov_community *c,
	const struct peel_addr *from, const struct peel_intro_request *request, bool new_style,
	const struct ov_contact *introduced, size_t at_most);
/** Ask a node to introduce us, unless an answer from that address is still expected. @param at_most
 * bytes that the request may have. @return its length, or 0 if nothing was sent. */
size_t overlay_intro_send(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *to, bool new_style, enum ov_asking why, size_t at_most);
/** Ask a peer for what is still missing: an answer from its address, or its flags. */
void overlay_intro_probe(
	struct peel_overlay *ov, struct ov_peer *p, enum peel_community c, uint64_t now);
/** Find the request that an authentic answer belongs to, in @p t or among those to strangers, and
 * use it up. 0: also if there is none
 * (*found is false) or the answer is over a limit; -EBADMSG: wrong signature. All of these are
 * counted. */
int overlay_intro_match(struct peel_overlay *ov, struct ov_requests *t,
	const struct peel_addr *from, const struct peel_signed *s, uint16_t kind,
	uint16_t identifier, bool *found) PEEL_MUST_USE;

/* limits.c */
bool overlay_may_verify(
	struct peel_overlay *ov, const struct peel_addr *from, bool legacy, enum ov_trust trust);
/** Whether this source may make us introduce a peer to it, and so write to a third node. */
bool overlay_may_introduce(struct peel_overlay *ov, const struct peel_addr *from, bool proved);
/** Whether we may ask this source something because it contacted us. */
bool overlay_may_ask_back(struct peel_overlay *ov, const struct peel_addr *from);
bool overlay_may_puncture(struct peel_overlay *ov, const struct peel_addr *from, bool proved);
/** @return false: it got one a moment ago. */
bool overlay_puncture_due(struct peel_overlay *ov, const struct peel_addr *walker);

/* puncture.c */
/** @p proved: a peer is at @p from. */
int overlay_puncture_request(struct peel_overlay *ov, bool proved, const struct peel_addr *from,
	const uint8_t *data, size_t len);
void overlay_puncture_ask(struct peel_overlay *ov, const uint8_t *prefix, bool new_style,
	const struct peel_addr *to, const struct peel_puncture_request *m);

/* walk.c */
/** An address worth asking. @p local_ok: its source may make us ask in local networks. */
void overlay_walk_offer(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *addr, bool new_style, bool local_ok);
#define PEEL_OVERLAY_INTRODUCED 3
/** The addresses of an answer that we may ask, at most PEEL_OVERLAY_INTRODUCED. */
size_t overlay_walk_introduced(const struct peel_overlay *ov, const struct peel_addr *from,
	const struct peel_intro_response *m, bool new_style, struct ov_walkable *out);
void overlay_walk_response(struct peel_overlay *ov, enum peel_community c,
	const struct peel_addr *from, const struct peel_intro_response *m, bool new_style);
void overlay_walk_tick(struct peel_overlay *ov, enum peel_community c, uint64_t now);
int overlay_walk_init(struct ov_walk *w) PEEL_MUST_USE;
void overlay_walk_fini(struct ov_walk *w);

/* peer_liveness.c */
int overlay_liveness_input(
	struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data, size_t len);
void overlay_similarity_send(struct peel_overlay *ov, const struct peel_addr *to);
/** Ping idle peers, drop dead ones, and ask those that did not answer. */
void overlay_liveness_tick(struct peel_overlay *ov, uint64_t now);

/* public.c */
enum ov_dest {
	PEEL_DEST_FOREIGN,
	PEEL_DEST_PLAUSIBLE, /* may be ours; we do not know our address well enough yet */
	PEEL_DEST_OURS,
};

/** A matched answer from @p voter says that we are at @p seen: this votes about our address, and
 * shows whether the answer is for us. */
enum ov_dest overlay_public_heard(struct peel_overlay *ov, const struct peel_addr *voter,
	const struct peel_addr *seen, uint64_t now);
/** Whether an answer from @p voter that names @p seen is for us; it has no vote. */
enum ov_dest overlay_public_judge(
	const struct peel_overlay *ov, const struct peel_addr *voter, const struct peel_addr *seen);
/** Whether it is certain how peers like the one at @p peer see us. */
bool overlay_public_settled(const struct peel_overlay *ov, const struct peel_addr *peer);
