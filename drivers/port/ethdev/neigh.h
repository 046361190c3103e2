/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Neighbours: IP address of the next hop -> link address. One table of a port, shared by its
 * workers, because the answer to a request arrives at one queue only, and not always at the one
 * that asked.
 *
 * Readers take no lock: an entry is guarded by a sequence number (odd while its key changes), and
 * all that changes in place (link address, times) is single 64-bit words. Whoever adds or learns
 * takes a spinlock: that happens on a miss or on an ARP/ND frame, never for a datagram to a known
 * neighbour.
 */

#include <rte_spinlock.h>

#include "peel_base.h"

#define PEEL_NEIGH_SETS 256
#define PEEL_NEIGH_WAYS 8
#define PEEL_NEIGH_MAX (PEEL_NEIGH_SETS * PEEL_NEIGH_WAYS)

#define PEEL_NEIGH_REFRESH_MS 30000 /* ask again after this long without a sign of life */
/* ... and from here on everybody, not only the known link address */
#define PEEL_NEIGH_BROADCAST_MS 33000
#define PEEL_NEIGH_EXPIRE_MS 75000 /* unusable from here on */
#define PEEL_NEIGH_RETRY_MS 1000   /* between two requests for the same neighbour */
/* an answer counts as asked for until so long after the request */
#define PEEL_NEIGH_ANSWER_MS 3000

struct neigh {
	uint32_t seq;	    /* odd: the key is being replaced */
	uint32_t key[5];    /* struct peel_addr with port 0; all zero: free */
	uint64_t link;	    /* LINK_KNOWN and six bytes, or 0: not resolved */
	uint64_t confirmed; /* ms: last sign of life */
	uint64_t ask_after; /* ms: no request before this time */
} __attribute__((aligned(64)));

struct neigh_table {
	uint64_t seed;
	rte_spinlock_t lock;
	/* counts resolutions: tells the owners of waiting packets to look again */
	uint32_t generation;
	uint32_t used;
	struct neigh set[PEEL_NEIGH_SETS][PEEL_NEIGH_WAYS];
};

enum neigh_state {
	PEEL_NEIGH_OK,	 /* link address returned */
	PEEL_NEIGH_WAIT, /* not resolved (yet) */
	PEEL_NEIGH_FULL, /* no room to remember it */
};

enum neigh_ask {
	PEEL_NEIGH_ASK_NONE,
	PEEL_NEIGH_ASK_UNICAST, /* send a request to the returned link address */
	PEEL_NEIGH_ASK_ALL,	/* send a request to everybody */
};

enum neigh_how {
	PEEL_NEIGH_ANSWER,  /* addressed to us; believed when we asked */
	PEEL_NEIGH_REQUEST, /* it asked us: fills what is unknown, changes nothing known */
	/* announcement to all: changes nothing, but makes us ask when it contradicts */
	PEEL_NEIGH_OVERHEARD,
};

/** Empty table. Thread: control. */
void neigh_init(struct neigh_table *t, uint64_t seed);

/**
 * Find the link address of @p ip (port 0), adding it as unresolved when new. @p ask tells the
 * caller to send a request; at most one caller a second is told so. Thread: any worker.
 */
enum neigh_state neigh_get(struct neigh_table *t, const struct peel_addr *ip, uint64_t now_ms,
	uint8_t mac[6], enum neigh_ask *ask);

/** A frame said that @p ip is at @p mac. Thread: any worker. */
void neigh_learn(struct neigh_table *t, const struct peel_addr *ip, const uint8_t mac[6],
	uint64_t now_ms, enum neigh_how how);

/** The neighbour showed that the link address we have still works. Thread: any worker. */
void neigh_confirm(struct neigh_table *t, const struct peel_addr *ip, uint64_t now_ms);

/** Changes whenever a neighbour was resolved. Thread: any. */
static inline uint32_t
neigh_generation(const struct neigh_table *t)
{
	return __atomic_load_n(&t->generation, __ATOMIC_ACQUIRE);
}
