/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What workers know of a guest, a program with a control plane of its own: whose cells they handle,
 * and which other datagrams are the guest's. They count both by overlay and message id.
 */

#include "peel_links.h"
#include "peel_wire.h"

/* places of overlays: far more than a guest has at a time, so that counts last */
#define PEEL_GUEST_OVERLAYS_MAX 4096
#define PEEL_GUEST_BUCKETS (2 * PEEL_GUEST_OVERLAYS_MAX)

/** Replaced as a whole, never changed while workers have it. */
struct peel_guest_overlays {
	/* tells one from the one before, which may have had the same place in memory */
	uint32_t version;
	/* of cells: a place, PEEL_NONE: there are none yet */
	uint32_t cells;
	/* of the node's main address: the guest's own, if datagrams of its overlay go there */
	uint16_t port;
	/* places that were ever used; counts have the same */
	uint16_t n;
	/* by prefix: place + 1 or 0; behind a taken bucket comes the next one */
	uint16_t bucket[PEEL_GUEST_BUCKETS];
	/* whether datagrams are the guest's */
	bool open[PEEL_GUEST_OVERLAYS_MAX];
	uint8_t prefix[PEEL_GUEST_OVERLAYS_MAX][PEEL_PREFIX_LEN];
};

/** The bucket of an overlay, or the empty one where it would be. */
static inline uint32_t
peel_guest_overlay_bucket(
	const struct peel_guest_overlays *o, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	uint32_t b = (uint32_t)peel_hash_bytes(prefix, PEEL_PREFIX_LEN, 0) % PEEL_GUEST_BUCKETS;

	while (o->bucket[b] != 0 &&
		memcmp(o->prefix[o->bucket[b] - 1], prefix, PEEL_PREFIX_LEN) != 0)
		b = (b + 1) % PEEL_GUEST_BUCKETS;
	return b;
}

/** The place of an overlay, PEEL_NONE: it has none. */
static inline uint32_t
peel_guest_overlay_find(const struct peel_guest_overlays *o, const uint8_t prefix[PEEL_PREFIX_LEN])
{
	uint16_t place = o->bucket[peel_guest_overlay_bucket(o, prefix)];

	return place != 0 ? place - 1u : PEEL_NONE;
}

/** Datagrams with a message id, and their bytes. */
struct peel_guest_count {
	uint64_t num_up, bytes_up, num_down, bytes_down;
};

/** By overlay and message id. Exactly one thread adds; any may read (relaxed). */
struct peel_guest_counts {
	struct peel_guest_count count[PEEL_GUEST_OVERLAYS_MAX][256];
};

/** Count datagrams that were sent. Thread: the owner. */
static inline void
peel_guest_count_up(struct peel_guest_count *c, uint64_t num, uint64_t bytes)
{
	__atomic_store_n(&c->num_up, c->num_up + num, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes_up, c->bytes_up + bytes, __ATOMIC_RELAXED);
}

/** Count a datagram that was received. Thread: the owner. */
static inline void
peel_guest_count_down(struct peel_guest_count *c, uint64_t bytes)
{
	__atomic_store_n(&c->num_down, c->num_down + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&c->bytes_down, c->bytes_down + bytes, __ATOMIC_RELAXED);
}

/** Whether cells with this message are never sealed: create, created, and the two of another kind
 * of circuit that py-ipv8 sends in the same way. */
static inline bool
peel_guest_is_plain(uint8_t id)
{
	return id == 2 || id == 3 || id == 31 || id == 33;
}
