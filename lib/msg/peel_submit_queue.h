/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the program sends over own circuits: a bounded ring from any thread to one worker. A
 * datagram in it is a message (id and body) that the worker seals; its struct peel_pkt names path
 * and generation. Ownership of an mbuf moves with a successful push.
 */

#include "peel_port.h"

struct peel_submit_queue;

/** Needs EAL memory; @p ring_size is a power of two.   Thread: control. 0, -EINVAL or -ENOMEM. */
int peel_submit_queue_new(unsigned int ring_size, struct peel_submit_queue **out) PEEL_MUST_USE;
/** Frees what is still inside.   Thread: control, the worker has stopped. NULL is fine. */
void peel_submit_queue_free(struct peel_submit_queue *ob);

/** 0 or -ENOSPC. @p wake: the worker sleeps, and it is on the caller to wake it.   Thread: any. */
int peel_submit_queue_push(
	struct peel_submit_queue *ob, struct rte_mbuf *m, bool *wake) PEEL_MUST_USE;
/** Up to n messages.   Thread: the worker. */
unsigned int peel_submit_queue_pop(
	struct peel_submit_queue *ob, struct rte_mbuf **m, unsigned int n);

/** The worker is about to sleep. @return true: something came, do not.   Thread: the worker. */
bool peel_submit_queue_doze(struct peel_submit_queue *ob);
void peel_submit_queue_awake(struct peel_submit_queue *ob);
