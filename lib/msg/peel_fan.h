/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Fan-out: all circuits between two busy relays share one UDP 4-tuple, so receive-side scaling
 * gives them to one worker. That worker hands cells on by circuit id, through bounded SPSC rings
 * between each pair of workers. Ownership of an mbuf moves with it; mbufs that do not fit stay with
 * the pusher, which can do the work itself.
 */

#include "peel_port.h"

#define PEEL_FAN_MAX 32 /* workers */

struct peel_fan;

/** Make the rings between n_workers workers in EAL memory; @p ring_size is a power of two. 0,
 * -EINVAL or -ENOMEM. Thread: control. */
int peel_fan_new(
	unsigned int n_workers, unsigned int ring_size, struct peel_fan **out) PEEL_MUST_USE;
/** Free the rings with what is still inside; workers must have stopped. NULL is fine. Thread:
 * control. */
void peel_fan_free(struct peel_fan *fan);

/** Hand n datagrams from one worker to another. @return how many were taken, from the first on.
 * Thread: worker `from`. */
unsigned int peel_fan_push(struct peel_fan *fan, unsigned int from, unsigned int to,
	struct rte_mbuf **m, unsigned int n);
/** Take up to n datagrams from all other workers, beginning with each in turn. @return how many.
 * Thread: worker `to`. */
unsigned int peel_fan_pop(
	struct peel_fan *fan, unsigned int to, struct rte_mbuf **m, unsigned int n);

/**
 * Sleeping: a worker announces with peel_fan_doze that it is about to sleep, and does not sleep if
 * that returns true, because something has come. Pushers learn from peel_fan_asleep whether they
 * must wake it. Both sides use a full fence before they look, so one of them sees the other.
 * Thread: the worker for _doze and _awake, any for _asleep.
 */
bool peel_fan_doze(struct peel_fan *fan, unsigned int worker);
void peel_fan_awake(struct peel_fan *fan, unsigned int worker);
bool peel_fan_asleep(const struct peel_fan *fan, unsigned int worker);

/** The worker that handles a circuit id. Ids are random, but their senders choose them: mix before
 * reducing. */
static inline unsigned int
peel_fan_worker(uint32_t cid, unsigned int n_workers)
{
	return (unsigned int)(((uint64_t)(cid * 0x9e3779b1u) * n_workers) >> 32);
}
