/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include <rte_ring.h>

#include "peel_base.h"

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
