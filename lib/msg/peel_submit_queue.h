/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Data that the program sends over origin circuits: a bounded ring from any thread to one worker.
 * Each mbuf holds a message (id and body) that the worker seals; its struct peel_pkt names path and
 * generation. Ownership of an mbuf moves with a successful push.
 */

#include "peel_port.h"

struct peel_submit_queue;

/** Make a queue in EAL memory; @p ring_size is a power of two. 0, -EINVAL or -ENOMEM. Thread:
 * control. */
int peel_submit_queue_new(unsigned int ring_size, struct peel_submit_queue **out) PEEL_MUST_USE;
/** Free it with what is still inside. NULL is fine. Thread: control, once the worker has
 * stopped. */
void peel_submit_queue_free(struct peel_submit_queue *q);

/** Push one message. @p wake is set if the worker sleeps and the caller must wake it. 0 or -ENOSPC.
 * Thread: any. */
int peel_submit_queue_push(
	struct peel_submit_queue *q, struct rte_mbuf *m, bool *wake) PEEL_MUST_USE;
/** Whether it is less full than so many quarters of it. Others may push meanwhile. Thread: any. */
bool peel_submit_queue_has_room(const struct peel_submit_queue *q, unsigned int quarters);
/** Take up to n messages. @return how many. Thread: the worker. */
unsigned int peel_submit_queue_pop(
	struct peel_submit_queue *q, struct rte_mbuf **m, unsigned int n);

/** Announce that the worker is about to sleep, and that it is awake again. peel_submit_queue_doze
 * returns true if something has come: then do not sleep. Thread: the worker. */
bool peel_submit_queue_doze(struct peel_submit_queue *q);
void peel_submit_queue_awake(struct peel_submit_queue *q);
