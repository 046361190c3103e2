/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Deferred reclaim over rte_rcu_qsbr: the control thread unpublishes an object and defers the call
 * that frees it. The call runs once every worker that was online has reported a quiescent state
 * since. Nobody ever waits.
 */

#include "peel_base.h"

struct peel_rcu;

typedef void (*peel_rcu_fn)(void *arg, uint64_t value);

/** Worker ids are 0..max_workers-1. 0 or -ENOMEM. Thread: control. */
int peel_rcu_new(unsigned int max_workers, struct peel_rcu **out) PEEL_MUST_USE;
/** Run everything that is still deferred, and free it all; workers must have stopped. NULL is fine.
 * Thread: control. */
void peel_rcu_free(struct peel_rcu *rcu);

/** Call @p fn(arg, value) after a grace period, in order. Thread: control. 0 or -ENOMEM. */
int peel_rcu_defer(struct peel_rcu *rcu, peel_rcu_fn fn, void *arg, uint64_t value) PEEL_MUST_USE;
/** Run the calls that are due; returns how many. Calls that these defer wait for the next poll.
 * Cheap if nothing is due. Thread: control. */
unsigned int peel_rcu_poll(struct peel_rcu *rcu);

/* ---- workers --------------------------------------------------------------------------------- */

/** Call this before the first look at shared tables, and after each sleep. Thread: that worker. */
void peel_rcu_online(struct peel_rcu *rcu, unsigned int worker);
/** Call this before a sleep and at the end. An offline worker holds up nobody. Thread: that
 * worker. */
void peel_rcu_offline(struct peel_rcu *rcu, unsigned int worker);
/** Report "I hold no reference now", between bursts. Thread: that worker. */
void peel_rcu_quiescent(struct peel_rcu *rcu, unsigned int worker);
