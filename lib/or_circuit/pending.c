/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"

#define PENDING_MIN 64
#define PENDING_MAX 65536
#define TRIES 8 /* for a fresh id: one collision is a 2^-32 affair already */

int
pending_init(struct peel_or_circuits *c)
{
	/* As many as all circuits may have, in a small node: a few of them cannot use them up. */
	uint64_t want = PENDING_PER_CIRCUIT * (uint64_t)c->conf.settings.max_joined_circuits;
	uint32_t n = PENDING_MIN;

	while (n < want && n < PENDING_MAX)
		n *= 2;
	c->pending_size = n;
	c->pending_mask = n - 1;
	c->pending_free = c->oldest = c->newest = NONE;
	c->pending = calloc(n, sizeof(*c->pending));
	c->pending_bucket = malloc((size_t)n * sizeof(*c->pending_bucket));
	if (c->pending == NULL || c->pending_bucket == NULL)
		return -ENOMEM;
	memset(c->pending_bucket, 0xff, (size_t)n * sizeof(*c->pending_bucket)); /* NONE */
	return 0;
}

void
pending_fini(struct peel_or_circuits *c)
{
	free(c->pending);
	free(c->pending_bucket);
}

/* Ids of pending creates are random and our own: no keyed hash needed. */
static uint32_t *
bucket_of(const struct peel_or_circuits *c, uint32_t cid)
{
	return &c->pending_bucket[cid & c->pending_mask];
}

struct pending *
pending_get(const struct peel_or_circuits *c, uint32_t cid)
{
	uint32_t i = *bucket_of(c, cid);

	while (i != NONE && c->pending[i].cid != cid)
		i = c->pending[i].chain;
	return i != NONE ? &c->pending[i] : NULL;
}

uint64_t
pending_token(const struct peel_or_circuits *c, const struct pending *p)
{
	return (uint64_t)p->serial << 32 | (uint32_t)(p - c->pending);
}

struct pending *
pending_by_token(const struct peel_or_circuits *c, uint64_t token)
{
	uint32_t index = (uint32_t)token;
	struct pending *p;

	if (index >= c->pending_high)
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

static void
enqueue(struct peel_or_circuits *c, struct pending *p)
{
	uint32_t index = (uint32_t)(p - c->pending);

	p->due_ms = peel_now_ms(c->env) + (uint64_t)c->conf.settings.next_hop_timeout * 1000;
	p->older = c->newest;
	p->newer = NONE;
	if (c->newest != NONE)
		c->pending[c->newest].newer = index;
	else
		c->oldest = index;
	c->newest = index;
}

static void
dequeue(struct peel_or_circuits *c, struct pending *p)
{
	if (p->older != NONE)
		c->pending[p->older].newer = p->newer;
	else
		c->oldest = p->newer;
	if (p->newer != NONE)
		c->pending[p->newer].older = p->older;
	else
		c->newest = p->older;
}

void
pending_renew(struct peel_or_circuits *c, struct pending *p)
{
	dequeue(c, p);
	enqueue(c, p);
}

/* An id in use nowhere: in no table of routes, and in no other create of ours. */
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

static struct pending *
take(struct peel_or_circuits *c)
{
	struct pending *p;

	if (c->pending_free != NONE) {
		p = &c->pending[c->pending_free];
		c->pending_free = p->chain;
	} else if (c->pending_high < c->pending_size) {
		p = &c->pending[c->pending_high++];
	} else {
		return NULL;
	}
	memset(p, 0, sizeof(*p));
	return p;
}

struct pending *
pending_new(struct peel_or_circuits *c, struct or_circuit *ci, uint32_t key)
{
	uint32_t cid;

	if (ci->n_pending >= PENDING_PER_CIRCUIT || !fresh_cid(c, &cid))
		return NULL;
	struct pending *p = take(c);

	if (p == NULL)
		return NULL;
	p->used = true;
	p->cid = cid;
	p->serial = ++c->pending_serial;
	p->identifier = peel_random_u16(c->env);
	p->circuit = circuit_index(c, ci);
	p->circuit_serial = ci->serial;
	p->key = key;
	p->chain = *bucket_of(c, cid);
	*bucket_of(c, cid) = (uint32_t)(p - c->pending);
	enqueue(c, p);
	ci->n_pending++;
	return p;
}

void
pending_end(struct peel_or_circuits *c, struct pending *p)
{
	struct or_circuit *ci = pending_circuit(c, p);
	uint32_t index = (uint32_t)(p - c->pending);
	uint32_t *link = bucket_of(c, p->cid);

	if (ci != NULL)
		ci->n_pending--;
	while (*link != index)
		link = &c->pending[*link].chain;
	*link = p->chain;
	dequeue(c, p);
	or_keys_put(&c->keys, p->key);
	if (p->sent)
		c->n_pending--;
	p->used = false;
	p->chain = c->pending_free;
	c->pending_free = index;
}
