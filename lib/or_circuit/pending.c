/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"

#define PENDING_MIN 64
#define PENDING_MAX 65536
#define TRIES 8 /* for a fresh id: a single collision has a chance of 2^-32 already */

int
pending_init(struct peel_or_circuits *c)
{
	/* In a small node, as many as all circuits may have: a few circuits cannot use them up. */
	uint64_t want = PENDING_PER_CIRCUIT * (uint64_t)c->conf.settings.max_joined_circuits;
	uint32_t n = PENDING_MIN;

	while (n < want && n < PENDING_MAX)
		n *= 2;
	c->pending = calloc(n, sizeof(*c->pending));
	if (c->pending == NULL)
		return -ENOMEM;
	peel_slots_init(&c->pending_slots, n, PEEL_REUSE_SOON, PEEL_LINKS(c->pending, chain));
	peel_queue_init(
		&c->pending_queue, PEEL_LINKS(c->pending, older), PEEL_LINKS(c->pending, newer));
	return peel_chains_init(&c->pending_chains, n, PEEL_LINKS(c->pending, chain));
}

void
pending_fini(struct peel_or_circuits *c)
{
	free(c->pending);
	peel_chains_fini(&c->pending_chains);
}

static uint32_t
index_of(const struct peel_or_circuits *c, const struct pending *p)
{
	return (uint32_t)(p - c->pending);
}

struct pending *
pending_get(const struct peel_or_circuits *c, uint32_t cid)
{
	uint32_t i;

	/* Ids of pending creates are our own random numbers: no keyed hash is needed. */
	PEEL_CHAIN_FOREACH (i, &c->pending_chains, cid) {
		if (c->pending[i].cid == cid)
			return &c->pending[i];
	}
	return NULL;
}

uint64_t
pending_token(const struct peel_or_circuits *c, const struct pending *p)
{
	return (uint64_t)p->serial << 32 | index_of(c, p);
}

struct pending *
pending_by_token(const struct peel_or_circuits *c, uint64_t token)
{
	uint32_t index = (uint32_t)token;
	struct pending *p;

	if (index >= c->pending_slots.n_high)
		return NULL;
	p = &c->pending[index];
	return p->used && p->serial == token >> 32 ? p : NULL;
}

struct or_circuit *
pending_circuit(const struct peel_or_circuits *c, const struct pending *p)
{
	struct or_circuit *ci = circuit_at(c, p->circuit);

	return ci->kind != KIND_FREE && ci->serial == p->circuit_serial ? ci : NULL;
}

struct pending *
pending_oldest(const struct peel_or_circuits *c)
{
	uint32_t oldest = c->pending_queue.oldest;

	return oldest != PEEL_NONE ? &c->pending[oldest] : NULL;
}

static void
enqueue(struct peel_or_circuits *c, struct pending *p)
{
	p->due_ms = peel_now_ms(c->env) + (uint64_t)c->conf.settings.next_hop_timeout * 1000;
	peel_queue_add(&c->pending_queue, index_of(c, p));
}

void
pending_renew(struct peel_or_circuits *c, struct pending *p)
{
	peel_queue_del(&c->pending_queue, index_of(c, p));
	enqueue(c, p);
}

/* Choose an id that no route and no other create of ours uses. */
static bool
fresh_cid(struct peel_or_circuits *c, uint32_t *cid)
{
	for (int i = 0; i < TRIES; i++) {
		*cid = peel_route_new_cid(c->conf.routes);
		if (pending_get(c, *cid) == NULL)
			return true;
	}
	return false;
}

struct pending *
pending_new(struct peel_or_circuits *c, struct or_circuit *ci, uint32_t key)
{
	uint32_t cid;

	if (ci->n_pending >= PENDING_PER_CIRCUIT || !fresh_cid(c, &cid))
		return NULL;
	uint32_t index = peel_slots_take(&c->pending_slots);

	if (index == PEEL_NONE)
		return NULL;
	struct pending *p = &c->pending[index];

	*p = (struct pending){.used = true, .cid = cid, .serial = ++c->pending_serial};
	p->identifier = peel_random_u16(c->env);
	p->circuit = circuit_index(c, ci);
	p->circuit_serial = ci->serial;
	p->key = key;
	peel_chains_add(&c->pending_chains, cid, index);
	enqueue(c, p);
	ci->n_pending++;
	return p;
}

void
pending_end(struct peel_or_circuits *c, struct pending *p)
{
	struct or_circuit *ci = pending_circuit(c, p);
	uint32_t index = index_of(c, p);

	if (ci != NULL)
		ci->n_pending--;
	peel_chains_del(&c->pending_chains, p->cid, index);
	peel_queue_del(&c->pending_queue, index);
	or_keys_put(&c->keys, p->key);
	if (p->sent)
		c->n_pending--;
	p->used = false;
	peel_slots_give(&c->pending_slots, index);
}
