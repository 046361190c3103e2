/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Peer discovery for all communities of a node: introductions in both styles, punctures, walking,
 * liveness, flags and candidates. A state machine without I/O: callers feed it datagrams and ticks;
 * it answers through callbacks. Source: protocol sections 7 to 10, counter-measures W6, W7, W8 of
 * 27. Thread: control, all of it.
 */

#include "peel_discovery.h"
#include "peel_keys.h"
#include "peel_stats.h"

enum peel_community {
	PEEL_COMMUNITY_TUNNEL,
	PEEL_COMMUNITY_DISCOVERY,
	PEEL_COMMUNITY_DHT,
	PEEL_N_COMMUNITIES
};

#define PEEL_OVERLAY_BOOTSTRAP_MAX 256 /* addresses of bootstrap servers */

struct peel_overlay;

struct peel_overlay_conf {
	const struct peel_env *env;
	const struct peel_identity *identity; /* must outlive the overlay */
	struct peel_stats *stats;	      /* the control thread's block */
	uint8_t community[PEEL_N_COMMUNITIES][PEEL_COMMUNITY_LEN];
	uint16_t flags; /* own peer flags, announced in the tunnel community */
	/* per community: no answers to others' requests beyond this; -1: no limit except the
	 * table's */
	int max_peers;
	uint32_t peers_max; /* bound of the peer table over all communities, 0: default (4096) */
	/* addresses remembered that have not answered yet, 0: default (16,384) */
	uint32_t strangers_max;
	int walk_target;		 /* walk while a community has fewer peers; -1: always */
	struct peel_addr lan;		 /* own local address and port (src lan) */
	struct peel_addr public_address; /* configured; family NONE: learnt from agreeing answers */
	const struct peel_addr *bootstrap; /* borrowed during peel_overlay_new only */
	size_t n_bootstrap;
	/** Send from the main address. */
	void (*send)(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len);
	/** The learnt public address changed. May be NULL. */
	void (*public_changed)(void *arg, const struct peel_addr *address);
	/** A peer answered us in community @p c. May be NULL. */
	void (*met)(void *arg, enum peel_community c, const struct peel_addr *addr,
		const uint8_t pk[PEEL_PK_LEN]);
	/** Whether this node has nothing to do with that address, or the node with this key. NULL:
	 * nobody is banned. */
	bool (*banned)(void *arg, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN]);
	void *arg;
};

struct peel_peer {
	uint8_t pk[PEEL_PK_LEN];
	uint8_t mid[PEEL_MID_LEN];
	struct peel_addr addr;
	uint16_t flags; /* as announced in the tunnel community; unknown bits kept */
	bool candidate; /* in the tunnel community, and its flags are known from an answer (W8) */
	uint8_t member; /* bit per community (1 << enum peel_community) that it is known in */
	/* its last answer to a question or ping of ours; nothing else counts */
	uint64_t last_heard_ms;
};

/*
 * A *peer* is a node that has answered a request of ours at its address, with an answer meant for
 * our address; its address changes only by another such answer (W6). Any other node is a
 * *stranger*.
 */

int peel_overlay_new(const struct peel_overlay_conf *conf, struct peel_overlay **out) PEEL_MUST_USE;
void peel_overlay_free(struct peel_overlay *ov);

/** Add a bootstrap address (of a configured name that resolved later). Duplicates and overflow are
 * ignored. */
void peel_overlay_add_bootstrap(struct peel_overlay *ov, const struct peel_addr *addr);
/** Remove the address of a name that now has another one. Unknown addresses are ignored. */
void peel_overlay_remove_bootstrap(struct peel_overlay *ov, const struct peel_addr *addr);

/**
 * Take a datagram with the prefix of one of the communities and a message id of section 7, or any
 * id of the discovery community. @return 0 (also if it was dropped and counted, because of a limit
 * or as an answer without a question); -ENOENT: not for this library (other id or prefix);
 * -EBADMSG: malformed or not authentic (counted).
 */
int peel_overlay_input(
	struct peel_overlay *ov, const struct peel_addr *from, const uint8_t *data, size_t len);

/** Walk, ping, replace and forget what is due. @return milliseconds until the next call is due. */
uint64_t peel_overlay_tick(struct peel_overlay *ov);

/** Change the limits of the same names. */
void peel_overlay_limits(struct peel_overlay *ov, int max_peers, int walk_target);
/** Forget peers that `banned` names by now. */
void peel_overlay_banned(struct peel_overlay *ov);
/** Announce other flags from now on. Peers learn them with the next message that carries flags. */
void peel_overlay_flags(struct peel_overlay *ov, uint16_t flags);

/** Write up to n (at most 64) candidates with all of the flags @p all and none of @p none, with
 * 25519 keys, in random order. @return how many. */
size_t peel_overlay_candidates(
	struct peel_overlay *ov, uint16_t all, uint16_t none, struct peel_peer *out, size_t n);
/** Find a peer by its key. @return false if there is none. */
bool peel_overlay_find(
	const struct peel_overlay *ov, const uint8_t pk[PEEL_PK_LEN], struct peel_peer *out);
/** Whether there is a peer at this address (IP and port), which has thus answered a question of
 * ours. One look-up by hash. Such a neighbour receives what is sent to its address; for any other
 * node that is not certain. */
bool peel_overlay_proved(const struct peel_overlay *ov, const struct peel_addr *addr);
/** The number of peers of a community. */
size_t peel_overlay_count(const struct peel_overlay *ov, enum peel_community c);
/** The number of candidates with all of these flags; 0: of all. */
size_t peel_overlay_count_candidates(const struct peel_overlay *ov, uint16_t flags);
/** Our own public address, configured or learnt. @return false if neither. */
bool peel_overlay_public(const struct peel_overlay *ov, struct peel_addr *out);
/** Call fn for up to @p n peers, the first of them number @p from: a part of a long list. A peer
 * that leaves between two calls may hide another one from them. @return where to go on, 0: that was
 * the end. fn must not call back into the library. */
uint32_t peel_overlay_dump_some(const struct peel_overlay *ov, uint32_t from, uint32_t n,
	void (*fn)(void *arg, const struct peel_peer *peer), void *arg);
/** Call fn for every peer, for the status. fn must not call back into the library. */
void peel_overlay_dump(const struct peel_overlay *ov,
	void (*fn)(void *arg, const struct peel_peer *peer), void *arg);
