/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Handshakes of a responder that other threads compute, in batches. The owner takes an empty batch,
 * fills it and puts it into the queue; helper threads run the queue; the owner collects what is
 * done and gives the batch back. All batches together are few: who wants more handshakes keeps them
 * until there is one.
 */

#include "peel_keys.h"

#define PEEL_HANDSHAKE_THREADS_MAX 16
/* one that is computed, and enough behind it until its owner comes */
#define PEEL_HANDSHAKE_BATCHES 4 /* per thread */

struct peel_handshake_batch {
	struct peel_handshake h[PEEL_HANDSHAKES]; /* X is the owner's, the rest the helper's */
	uint32_t ticket[PEEL_HANDSHAKES];	  /* the owner's: what each belongs to */
	unsigned int n;
	uint64_t ns; /* how long they took, all together */
	uint32_t next;
};

struct peel_handshake_queue_conf {
	unsigned int threads; /* that will run it, 1..PEEL_HANDSHAKE_THREADS_MAX */
	/* used by these threads, which also draw random numbers */
	const struct peel_env *env;
	const struct peel_identity *identity;
	bool key_pairs; /* they make key pairs when there is nothing else to do */
	/** Batches are done, one or more. While more than half of all batches wait for helpers,
	 * they do not say so: to wake the owner for each batch would cost more than it brings.
	 * Thread: a helper, which holds nothing. */
	void (*done)(void *arg);
	void *arg;
};

struct peel_handshake_queue;

/** Batches are in locked memory. 0, -EINVAL or -ENOMEM. Thread: the owner. */
int peel_handshake_queue_new(const struct peel_handshake_queue_conf *conf,
	struct peel_handshake_queue **out) PEEL_MUST_USE;
/** Wipes everything, done or not. NULL is fine. Thread: the owner, once no helper runs. */
void peel_handshake_queue_free(struct peel_handshake_queue *q);

/**
 * An empty batch for so many handshakes, at most PEEL_HANDSHAKES. NULL: there is none, or it would
 * not be full although every helper has work: then more handshakes may come until one is free, and
 * cost less together. `done` says when to try again. Thread: the owner.
 */
struct peel_handshake_batch *peel_handshake_queue_take(
	struct peel_handshake_queue *q, unsigned int n) PEEL_MUST_USE;
/** Have it computed. Thread: the owner. */
void peel_handshake_queue_put(struct peel_handshake_queue *q, struct peel_handshake_batch *b);
/** A batch that is done, NULL: none. Thread: the owner. */
struct peel_handshake_batch *peel_handshake_queue_collect(
	struct peel_handshake_queue *q) PEEL_MUST_USE;
/** Wipe a batch that was collected, and have it back. Thread: the owner. */
void peel_handshake_queue_give(struct peel_handshake_queue *q, struct peel_handshake_batch *b);
/** How many were put and are not collected. Thread: the owner. */
unsigned int peel_handshake_queue_under_way(const struct peel_handshake_queue *q);

/** Be a helper until the queue is stopped; the thread gives way to others that wake up. Thread: a
 * helper. */
void peel_handshake_queue_run(struct peel_handshake_queue *q);
/** Let the helpers return, each when its batch is done; what waits is not computed. Thread: any. */
void peel_handshake_queue_stop(struct peel_handshake_queue *q);
