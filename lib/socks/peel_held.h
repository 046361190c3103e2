/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Datagrams that wait for a circuit. Each user has a short queue, so that nobody waits behind
 * another user's datagrams. When the queues are full, the oldest datagram of the longest queue is
 * dropped. Thread: the loop's.
 */

#include "peel_flows.h"

#define PEEL_HELD_PER_USER 32
#define PEEL_HELD_ALL 256
#define PEEL_HELD_BYTES 1600 /* of a datagram: longer ones do not fit into a cell */
#define PEEL_HELD_MS 10000   /* after this long, a datagram is of no more use */

struct peel_held;

/** Make the queues. NULL when out of memory. */
struct peel_held *peel_held_new(const struct peel_env *env);
void peel_held_free(struct peel_held *h);

/** Keep a copy of a datagram. @return how many datagrams (this one or older ones) were dropped. */
unsigned int peel_held_push(struct peel_held *h, unsigned int user,
	const struct peel_socks_target *to, const uint8_t *payload, size_t len);
/** Hand the user's oldest datagram to @p fn and remove it. The arguments of @p fn are valid during
 * the call, which must not touch the queues. Datagrams that have waited too long are dropped and
 * added to @p dropped. @return false: none is left. */
bool peel_held_pop(struct peel_held *h, unsigned int user,
	void (*fn)(void *arg, unsigned int user, const struct peel_socks_target *to,
		const uint8_t *payload, size_t len),
	void *arg, unsigned int *dropped);
/** How many datagrams of a user wait. */
unsigned int peel_held_waiting(const struct peel_held *h, unsigned int user);
/** Drop all datagrams of a departing user. @return how many. */
unsigned int peel_held_forget(struct peel_held *h, unsigned int user);
/** Drop all datagrams that have waited too long. @return how many. */
unsigned int peel_held_expire(struct peel_held *h);
