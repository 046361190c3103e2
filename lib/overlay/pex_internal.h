/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Shared by the files of PEX overlays. */

#include "overlay_internal.h"
#include "peel_pex.h"

#define PEX_PEERS 32	/* of an overlay, */
#define PEX_PER_IP 4	/* and of an address, unless it is local */
#define PEX_WALKABLE 16 /* addresses not asked yet */
#define PEX_EXTRA_MAX (1 + PEEL_PEX_KEYS_MAX * (2 + PEEL_PK_LEN))

struct pex_peer {
	struct peel_addr addr, lan;
	uint8_t pk[PEEL_PK_LEN];
	bool new_style;
	uint64_t answered_ms, asked_ms;
};

/* An introduction point of a seeder, as it said itself. */
struct pex_entry {
	struct peel_addr addr;
	uint8_t pk[PEEL_PK_LEN], seeder_pk[PEEL_PK_LEN];
	uint64_t seen_ms;
};

/* What an overlay knows of others, while it knows any. */
struct pex_known {
	uint32_t n_peers, n_entries, n_walkable;
	struct pex_peer peer[PEX_PEERS];
	struct pex_entry entry[PEEL_PEX_LIST_MAX];
	struct ov_walkable walkable[PEX_WALKABLE];
};

struct pex_overlay {
	uint8_t info_hash[PEEL_INFO_HASH_LEN];
	uint8_t prefix[PEEL_PREFIX_LEN];
	bool used;
	uint32_t by_prefix;
	uint32_t bootstrap_wait_ms;
	uint64_t bootstrap_ms, walk_ms; /* not before these times */
	struct pex_known *known;	/* NULL: nobody */
};

struct peel_pex {
	struct peel_pex_conf conf;
	struct peel_overlay *ov;
	struct pex_overlay *overlay; /* [conf.max] */
	struct peel_slots slots;
	struct peel_chains by_prefix;
	uint64_t seed, tick_ms;
	uint32_t cursor; /* the overlay whose turn is next */
	struct ov_requests requests;
	struct peel_bucket asking; /* what the overlays together may ask on their own */
};

/* pex_known.c */
struct pex_peer *pex_peer_by_key(const struct pex_overlay *o, const uint8_t pk[PEEL_PK_LEN]);
struct pex_peer *pex_peer_at(const struct pex_overlay *o, const struct peel_addr *addr);
/* Whether a node with this key that answered there would become a peer, or be one. */
bool pex_peer_welcome(const struct pex_overlay *o, const struct peel_addr *addr,
	const uint8_t pk[PEEL_PK_LEN], uint64_t now);
/* A node answered there: now it is a peer. NULL: it is not welcome, or out of memory. */
struct pex_peer *pex_peer_confirm(struct pex_overlay *o, const struct peel_addr *addr,
	const uint8_t pk[PEEL_PK_LEN], uint64_t now);
/* A peer says that it introduces this seeder. */
void pex_list_add(struct pex_overlay *o, const struct pex_peer *by,
	const uint8_t seeder_pk[PEEL_PK_LEN], uint64_t now);
bool pex_list_has(const struct pex_overlay *o, const struct pex_peer *by,
	const uint8_t seeder_pk[PEEL_PK_LEN]);
void pex_walkable_add(
	struct pex_overlay *o, const struct ov_walkable *one, const struct peel_env *env);
/* Take a random one out. @return false: there is none. */
bool pex_walkable_take(struct pex_overlay *o, struct ov_walkable *out, const struct peel_env *env);
/* Forget peers that do not answer, and what is too old. */
void pex_known_expire(struct pex_overlay *o, uint64_t now);
bool pex_entry_fresh(const struct pex_entry *e, uint64_t now);

/* pex.c */
/* Whether the overlays together may ask one more question on their own. */
bool pex_may_ask(struct peel_pex *p);

/* pex_intro.c */
int pex_signed(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *from,
	const uint8_t *data, size_t len, bool response);
/* Ask a node for an introduction. @return the length of the question, or 0. */
size_t pex_ask(struct peel_pex *p, struct pex_overlay *o, const struct peel_addr *to,
	bool new_style, enum ov_asking why, size_t at_most);
