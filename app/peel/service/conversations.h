/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Which local program talks to which peer, for `peel service connect`. A local address is one
 * conversation. While it lasts, it has its peer to itself: an answer does not tell which datagram
 * it is for, so two programs on one peer would get each other's answers. Further programs wait
 * until a peer is free. Thread: the loop's.
 */

#include "peel_held.h"

/* as many as there are queues for datagrams that wait */
#define CONVERSATIONS_MAX PEEL_FLOWS_USERS
/* When somebody waits for a peer, a conversation ends after this much silence. */
#define CONVERSATION_YIELD_MS (30 * 1000)

struct conversations;

struct conversations_conf {
	const struct peel_env *env;
	uint64_t idle_ms; /* a conversation ends after this much silence */
	/** Whether a program of this machine has a socket with that address, and whether that can
	 * be told at all. */
	bool (*is_open)(void *arg, const struct peel_addr *local);
	/** A conversation is over, and its slot free. */
	void (*ended)(void *arg, unsigned int slot);
	void *arg;
};

/** NULL: out of memory. */
struct conversations *conversations_new(const struct conversations_conf *conf);
void conversations_free(struct conversations *c);

/** The conversation of a local address that has just sent a datagram. Its slot, or -ENOSPC: too
 * many are under way. */
int conversations_from(struct conversations *c, const struct peel_addr *local) PEEL_MUST_USE;
/** Its peer; if it has none, it takes one that is free. *fresh: it took it now. 0, or -EAGAIN: none
 * is free. */
int conversations_peer(
	struct conversations *c, unsigned int slot, uint32_t *peer, bool *fresh) PEEL_MUST_USE;
/** The conversation that a datagram of a peer belongs to, or -ENOENT: nobody talks to that peer. */
int conversations_to(struct conversations *c, uint32_t peer);
const struct peel_addr *conversations_local(const struct conversations *c, unsigned int slot);

/** A peer can be talked to. 0, or -ENOSPC: more than there can be conversations. */
int conversations_add_peer(struct conversations *c, uint32_t peer) PEEL_MUST_USE;
/** A peer is gone; its conversation takes another one when it speaks again. */
void conversations_del_peer(struct conversations *c, uint32_t peer);
/** End conversations that have been idle for too long. */
void conversations_expire(struct conversations *c);
/** How many wait for a peer. */
unsigned int conversations_waiting(const struct conversations *c);
