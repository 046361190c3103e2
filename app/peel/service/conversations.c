/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "conversations.h"

#define NOBODY (-1)
#define LOOK_MS 200 /* looking asks the kernel about each program */

struct conversation {
	struct peel_addr local; /* family NONE: the slot is free */
	bool here;		/* the kernel found the program's socket when it began */
	int peer;		/* index, NOBODY: it waits for one */
	uint64_t last_ms;	/* of a datagram, either way */
};

struct peer {
	uint32_t address; /* 0: the entry is free */
	int slot;	  /* of its conversation, or NOBODY */
	uint64_t freed;	  /* in the order in which peers became free */
};

struct conversations {
	struct conversations_conf conf;
	uint64_t turn;
	uint64_t look_ms; /* not before this time is room looked for again */
	struct conversation talk[CONVERSATIONS_MAX];
	struct peer peer[CONVERSATIONS_MAX];
};

struct conversations *
conversations_new(const struct conversations_conf *conf)
{
	struct conversations *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->conf = *conf;
	return c;
}

void
conversations_free(struct conversations *c)
{
	free(c);
}

static uint64_t
silence(const struct conversations *c, const struct conversation *talk)
{
	return peel_now_ms(c->conf.env) - talk->last_ms;
}

static void
free_peer(struct conversations *c, struct conversation *talk)
{
	if (talk->peer == NOBODY)
		return;
	c->peer[talk->peer].slot = NOBODY;
	c->peer[talk->peer].freed = ++c->turn;
	talk->peer = NOBODY;
}

static void
end(struct conversations *c, unsigned int slot)
{
	free_peer(c, &c->talk[slot]);
	memset(&c->talk[slot], 0, sizeof(c->talk[slot]));
	c->conf.ended(c->conf.arg, slot);
}

/* End the conversation that has had its time when somebody waits: one whose program has closed its
 * socket, or else the most silent one. @p with_peer: only one that has a peer. */
static bool
make_room(struct conversations *c, bool with_peer)
{
	uint64_t most = CONVERSATION_YIELD_MS;
	int best = NOBODY;

	if (peel_now_ms(c->conf.env) < c->look_ms)
		return false;
	for (unsigned int i = 0; i < CONVERSATIONS_MAX; i++) {
		const struct conversation *talk = &c->talk[i];

		if (talk->local.family == PEEL_FAMILY_NONE || (with_peer && talk->peer == NOBODY))
			continue;
		if (talk->here && !c->conf.is_open(c->conf.arg, &talk->local)) {
			best = (int)i;
			break;
		}
		if (silence(c, talk) >= most) {
			most = silence(c, talk);
			best = (int)i;
		}
	}
	if (best == NOBODY) {
		c->look_ms = peel_now_ms(c->conf.env) + LOOK_MS;
		return false;
	}
	end(c, (unsigned int)best);
	return true;
}

static int
find(const struct conversations *c, const struct peel_addr *local)
{
	for (int i = 0; i < CONVERSATIONS_MAX; i++) {
		if (peel_addr_equal(&c->talk[i].local, local))
			return i;
	}
	return NOBODY;
}

int
conversations_from(struct conversations *c, const struct peel_addr *local)
{
	static const struct peel_addr none;
	int slot = find(c, local);

	if (slot == NOBODY) {
		slot = find(c, &none);
		if (slot == NOBODY && make_room(c, false))
			slot = find(c, &none);
		if (slot == NOBODY)
			return -ENOSPC;
		c->talk[slot] = (struct conversation){.local = *local,
			.here = c->conf.is_open(c->conf.arg, local),
			.peer = NOBODY};
	}
	c->talk[slot].last_ms = peel_now_ms(c->conf.env);
	return slot;
}

/* The free peer that was left first, so that late answers to somebody else are over. */
static int
free_one(const struct conversations *c)
{
	int best = NOBODY;

	for (int i = 0; i < CONVERSATIONS_MAX; i++) {
		const struct peer *p = &c->peer[i];

		if (p->address != 0 && p->slot == NOBODY &&
			(best == NOBODY || p->freed < c->peer[best].freed))
			best = i;
	}
	return best;
}

int
conversations_peer(struct conversations *c, unsigned int slot, uint32_t *peer, bool *fresh)
{
	struct conversation *talk = &c->talk[slot];

	*fresh = talk->peer == NOBODY;
	if (*fresh) {
		talk->peer = free_one(c);
		if (talk->peer == NOBODY && make_room(c, true))
			talk->peer = free_one(c);
		if (talk->peer == NOBODY)
			return -EAGAIN;
		c->peer[talk->peer].slot = (int)slot;
	}
	*peer = c->peer[talk->peer].address;
	return 0;
}

static struct peer *
find_peer(struct conversations *c, uint32_t address)
{
	for (unsigned int i = 0; i < CONVERSATIONS_MAX; i++) {
		if (c->peer[i].address == address)
			return &c->peer[i];
	}
	return NULL;
}

int
conversations_to(struct conversations *c, uint32_t peer)
{
	const struct peer *p = find_peer(c, peer);

	if (p == NULL || p->slot == NOBODY)
		return -ENOENT;
	c->talk[p->slot].last_ms = peel_now_ms(c->conf.env);
	return p->slot;
}

const struct peel_addr *
conversations_local(const struct conversations *c, unsigned int slot)
{
	return &c->talk[slot].local;
}

int
conversations_add_peer(struct conversations *c, uint32_t peer)
{
	struct peer *p = find_peer(c, 0);

	if (p == NULL)
		return -ENOSPC;
	*p = (struct peer){.address = peer, .slot = NOBODY, .freed = ++c->turn};
	return 0;
}

void
conversations_del_peer(struct conversations *c, uint32_t peer)
{
	struct peer *p = find_peer(c, peer);

	if (p == NULL)
		return;
	if (p->slot != NOBODY)
		free_peer(c, &c->talk[p->slot]);
	memset(p, 0, sizeof(*p));
}

void
conversations_expire(struct conversations *c)
{
	for (unsigned int i = 0; i < CONVERSATIONS_MAX; i++) {
		if (c->talk[i].local.family != PEEL_FAMILY_NONE &&
			silence(c, &c->talk[i]) >= c->conf.idle_ms)
			end(c, i);
	}
}

unsigned int
conversations_waiting(const struct conversations *c)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < CONVERSATIONS_MAX; i++)
		n += c->talk[i].local.family != PEEL_FAMILY_NONE && c->talk[i].peer == NOBODY;
	return n;
}
