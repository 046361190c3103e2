/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Token buckets: a single one, and a bounded table with one per source IP address, for work that
 * strangers can ask for. The control-plane libraries (lib/or_circuit, lib/overlay, ...) share them.
 *
 * The table never grows: it has 4-way sets under a keyed hash. A source whose bucket is full again
 * needs no entry, so nothing is swept. When a set is full of busy sources, the fullest bucket makes
 * room, and the newcomer starts with the tokens left in it: changing addresses gains nothing. IPv6
 * sources are told apart by their first 56 bits.
 *
 * Thread: one at a time (control). Times are those of peel_now_ms().
 */

#include "peel_base.h"

/** A token bucket; tokens are kept in thousandths. */
struct peel_bucket {
	uint64_t tokens;
	uint64_t last_ms;
};

/** Make the bucket full. */
void peel_bucket_init(struct peel_bucket *b, uint32_t burst, uint64_t now_ms);
/** Take @p cost tokens; false, and nothing taken, if there are fewer. @p per_second 0: no limit. */
bool peel_bucket_take(
	struct peel_bucket *b, uint32_t per_second, uint32_t burst, uint32_t cost, uint64_t now_ms);

struct peel_rate;

/**
 * Make a limit that applies to each source separately.
 *
 * @param env        Time and randomness; outlives the limit.
 * @param per_second Tokens per second and source, 0: no limit.
 * @param burst      Most that a source can save up, at least 1.
 * @param n_sources Busy sources to remember, rounded up to a power of two, at least 64; 24 bytes
 *         each.
 * @param out        The limit, to be freed with peel_rate_free().
 * @return           0, -EINVAL or -ENOMEM.
 */
int peel_rate_new(const struct peel_env *env, uint32_t per_second, uint32_t burst,
	uint32_t n_sources, struct peel_rate **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_rate_free(struct peel_rate *r);
/** Take @p cost tokens from the source's bucket; false if it is over its rate. Ports do not
 * count. */
bool peel_rate_take(struct peel_rate *r, const struct peel_addr *from, uint32_t cost);
/** The same, but each port is a source of its own. */
bool peel_rate_take_port(struct peel_rate *r, const struct peel_addr *from, uint32_t cost);
