/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Deferred reclaim over rte_rcu_qsbr: the control thread unpublishes an object and defers its end;
 * the end runs when every worker that was online has since reported a quiescent state. Nobody ever
 * waits.
 */

#include "peel_base.h"

struct peel_rcu;

typedef void (*peel_rcu_fn)(void *arg, uint64_t value);

/** Worker ids are 0..max_workers-1. 0 or -ENOMEM.   Thread: control. */
int peel_rcu_new(unsigned int max_workers, struct peel_rcu **out) PEEL_MUST_USE;
/** Runs everything still deferred; workers must have stopped.   Thread: control. NULL is fine. */
void peel_rcu_free(struct peel_rcu *rcu);

/** Call @p fn(arg, value) after a grace period, in order.   Thread: control. 0 or -ENOMEM. */
int peel_rcu_defer(struct peel_rcu *rcu, peel_rcu_fn fn, void *arg, uint64_t value) PEEL_MUST_USE;
/** Run what became due; returns how many. What callbacks defer waits for the next call. Cheap when
 * there is nothing. Thread: control. */
unsigned int peel_rcu_poll(struct peel_rcu *rcu);

/* ---- workers --------------------------------------------------------------------------------- */

/** Before its first look at shared tables, and after each sleep. */
void peel_rcu_online(struct peel_rcu *rcu, unsigned int worker);
/** Before a sleep and at the end. An offline worker holds up nobody. */
void peel_rcu_offline(struct peel_rcu *rcu, unsigned int worker);
/** "I hold no reference now": between bursts. */
void peel_rcu_quiescent(struct peel_rcu *rcu, unsigned int worker);
