/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Fan-out: all circuits between two busy relays share one UDP 4-tuple, so receive-side scaling
 * gives them to one worker. That worker hands cells on by circuit id, through bounded SPSC rings
 * between each pair of workers. Ownership of an mbuf moves with it; what does not fit stays with
 * the pusher, who may as well do the work itself.
 */

#include "peel_port.h"

#define PEEL_FAN_MAX 32 /* workers */

struct peel_fan;

/** Rings between n_workers workers; needs EAL memory. @p ring_size is a power of two.   Thread:
 * control. */
int peel_fan_new(
	unsigned int n_workers, unsigned int ring_size, struct peel_fan **out) PEEL_MUST_USE;
/** Frees what is still inside; workers must have stopped.   Thread: control. NULL is fine. */
void peel_fan_free(struct peel_fan *fan);

/** Hand n datagrams from one worker to another. @return how many were taken, the first ones.
 * Thread: worker `from`. */
unsigned int peel_fan_push(struct peel_fan *fan, unsigned int from, unsigned int to,
	struct rte_mbuf **m, unsigned int n);
/** Up to n datagrams from all others, each in turn first.   Thread: worker `to`. */
unsigned int peel_fan_pop(
	struct peel_fan *fan, unsigned int to, struct rte_mbuf **m, unsigned int n);

/**
 * Sleeping: a worker announces that it is about to sleep and asks again whether something came
 * (true: do not sleep); pushers learn from peel_fan_asleep whether they must wake it. Both sides
 * order their look by a full fence, so one of them sees the other.
 */
bool peel_fan_doze(struct peel_fan *fan, unsigned int worker);
void peel_fan_awake(struct peel_fan *fan, unsigned int worker);
bool peel_fan_asleep(const struct peel_fan *fan, unsigned int worker);

/** Which worker handles a circuit id. Ids are random, but their senders choose them: mix before
 * reducing. */
static inline unsigned int
peel_fan_worker(uint32_t cid, unsigned int n_workers)
{
	return (unsigned int)(((uint64_t)(cid * 0x9e3779b1u) * n_workers) >> 32);
}
