/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Several DHTs used as one: all are asked, what they find is passed on, what is announced is
 * announced in each. Source: protocol sections 19.2 and 19.3. Thread: control, all of it.
 */

#include "peel_provider.h"

#define PEEL_PROVIDERS_MAX 4

struct peel_providers_conf {
	const struct peel_env *env;
	const struct peel_provider_ops *ops[PEEL_PROVIDERS_MAX];
	size_t n;
	/** For each of them. Its callbacks are called with its own `arg`, but ended() only when the
	 * last provider's look-up has ended. */
	struct peel_provider_conf each;
};

struct peel_providers;

/** Open all. 0, or -errno with advice in @p why. */
int peel_providers_new(const struct peel_providers_conf *conf, struct peel_providers **out,
	char *why, size_t why_size) PEEL_MUST_USE;
/** Close all; no callback runs any more. NULL is fine. */
void peel_providers_free(struct peel_providers *p);
/** @return milliseconds until the next call is due. */
uint64_t peel_providers_tick(struct peel_providers *p);

/** Look up in all of them. 0: ended() follows, unless it is cancelled; -EEXIST: under way already;
 * -ENOSPC (16 at a time); -EHOSTUNREACH: none can. */
int peel_providers_look_up(
	struct peel_providers *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN]) PEEL_MUST_USE;
/** Nobody waits for that look-up any more. */
void peel_providers_cancel(struct peel_providers *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN]);

/** Announce in all of them, until withdrawn; those that cannot now are asked again every five
 * seconds. 0, -ENOSPC (1,024 at a time). */
int peel_providers_announce(struct peel_providers *p, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *point, uint32_t *id) PEEL_MUST_USE;
/** Unknown ids are ignored. */
void peel_providers_withdraw(struct peel_providers *p, uint32_t id);

/** Ask all that can where the peer with a member id is. @return how many will answer, each once. */
size_t peel_providers_find_peer(struct peel_providers *p, const uint8_t mid[PEEL_MID_LEN]);

/** Name and figures of the @p at-th provider. false: there are fewer. */
bool peel_providers_count(const struct peel_providers *p, size_t at, const char **name,
	struct peel_provider_count *out);
