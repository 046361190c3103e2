/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Rings of datagrams, whatever they connect.
 */
#pragma once

#include <rte_ring.h>

#include "peel_base.h"

/** A ring with one reader, under a name of its own; @p flags say who writes. NULL: rte_errno. */
struct rte_ring *ring_new(unsigned int size, unsigned int flags);
/** With what is still inside. NULL is fine. */
void ring_free(struct rte_ring *r);

/** How many there are to pop, as seen by a thread that need not be at either end. */
static inline unsigned int
ring_fill(const struct rte_ring *r)
{
	return (__atomic_load_n(&r->prod.tail, __ATOMIC_RELAXED) -
		       __atomic_load_n(&r->cons.tail, __ATOMIC_RELAXED)) &
	       r->mask;
}

/**
 * Is there nothing to pop? As rte_ring_empty(), which reads places that other threads write as if
 * nobody did; the caller's fence gives the order.
 */
static inline bool
ring_is_empty(const struct rte_ring *r)
{
	return __atomic_load_n(&r->prod.tail, __ATOMIC_RELAXED) ==
	       __atomic_load_n(&r->cons.tail, __ATOMIC_RELAXED);
}
