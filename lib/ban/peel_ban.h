/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Bans: networks and member ids that this node has nothing to do with. Thread: control, all of it.
 */

#include "peel_keys.h"
#include "peel_policy.h"

#define PEEL_BANS_MAX 1024
#define PEEL_BAN_TEXT_MAX 64 /* with the terminator */
#define PEEL_BAN_FOR_EVER UINT64_MAX

struct peel_ban {
	bool is_key;
	struct peel_network network; /* !is_key */
	uint8_t mid[PEEL_MID_LEN];   /* is_key */
	uint64_t until_ms;	     /* by the node's clock, or PEEL_BAN_FOR_EVER */
};

/** Read an address, ADDRESS/LENGTH, a member id (40 hexadecimal digits) or a public key (148).
 * until_ms becomes PEEL_BAN_FOR_EVER. 0, or -EINVAL with what is wrong in @p why. */
int peel_ban_parse(
	const char *text, struct peel_ban *out, char *why, size_t why_size) PEEL_MUST_USE;
/** Write it as the function above reads it: a key as a member id. @return @p out. */
const char *peel_ban_text(const struct peel_ban *ban, char out[PEEL_BAN_TEXT_MAX]);

struct peel_bans_conf {
	const struct peel_env *env;
	/** The banned addresses changed: @p now (NULL: none) replaces @p before (NULL: none), which
	 * the callee frees once nobody reads it any more. */
	void (*publish)(void *arg, const struct peel_addr_set *now, struct peel_addr_set *before);
	void *arg;
};

struct peel_bans;

int peel_bans_new(const struct peel_bans_conf *conf, struct peel_bans **out) PEEL_MUST_USE;
/** Also frees the set that was published last. NULL is fine. */
void peel_bans_free(struct peel_bans *b);

/** Add a ban, or give one that is there another end. 0, -ENOSPC or -ENOMEM. */
int peel_bans_add(struct peel_bans *b, const struct peel_ban *ban) PEEL_MUST_USE;
/** Lift a ban of exactly that network or key. 0, -ENOENT or -ENOMEM. */
int peel_bans_remove(struct peel_bans *b, const struct peel_ban *ban) PEEL_MUST_USE;
/** End those whose time is over. @return milliseconds until the next one ends, at most 60,000. */
uint64_t peel_bans_tick(struct peel_bans *b);

/** Whether the address is banned, or the node with this key. Either may be NULL. */
bool peel_bans_has(const struct peel_bans *b, const struct peel_addr *addr, const uint8_t *pk);

struct peel_bans_count {
	uint32_t networks, keys;
};
void peel_bans_count(const struct peel_bans *b, struct peel_bans_count *out);
/** Call fn for each, in the order in which they were made. fn must not call back. */
void peel_bans_dump(
	const struct peel_bans *b, void (*fn)(void *arg, const struct peel_ban *ban), void *arg);
