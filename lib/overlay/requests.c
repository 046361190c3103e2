/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay_internal.h"

int
overlay_requests_init(struct ov_requests *t, uint32_t n, bool gives_way, uint64_t seed)
{
	t->mask = n - 1;
	t->gives_way = gives_way;
	t->seed = seed;
	t->request = calloc(n, sizeof(*t->request));
	if (t->request == NULL)
		return -ENOMEM;
	return peel_chains_init(&t->by_addr, n, PEEL_LINKS(t->request, next));
}

void
overlay_requests_fini(struct ov_requests *t)
{
	free(t->request);
	peel_chains_fini(&t->by_addr);
	memset(t, 0, sizeof(*t));
}

static uint64_t
hash(const struct ov_requests *t, const struct peel_addr *to, uint16_t kind)
{
	return peel_addr_hash(to, kind, t->seed);
}

int
overlay_requests_add(struct ov_requests *t, const struct peel_addr *to, uint16_t kind,
	uint16_t identifier, bool walk, uint64_t now)
{
	uint32_t n = t->mask + 1, limit = walk || t->gives_way ? n : n / 4 * 3;

	overlay_requests_expire(t, now);
	if (t->head - t->tail >= limit) {
		if (!t->gives_way)
			return -ENOSPC;
		overlay_requests_del(t, &t->request[t->tail++ & t->mask]);
	}
	uint32_t slot = t->head++ & t->mask;

	t->request[slot] = (struct ov_request){
		.to = *to,
		.identifier = identifier,
		.kind = kind,
		.live = true,
		.walk = walk,
		.sent_ms = now,
	};
	peel_chains_add(&t->by_addr, hash(t, to, kind), slot);
	return 0;
}

struct ov_request *
overlay_requests_match(struct ov_requests *t, const struct peel_addr *from, uint16_t kind,
	uint16_t identifier, uint64_t now)
{
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &t->by_addr, hash(t, from, kind)) {
		struct ov_request *r = &t->request[slot];

		if (r->identifier == identifier && r->kind == kind &&
			peel_addr_equal(&r->to, from) &&
			now - r->sent_ms < PEEL_OVERLAY_REQUEST_LIFE_MS)
			return r;
	}
	return NULL;
}

bool
overlay_requests_recent(const struct ov_requests *t, const struct peel_addr *to, uint16_t kind,
	uint64_t now, uint64_t within_ms)
{
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &t->by_addr, hash(t, to, kind)) {
		const struct ov_request *r = &t->request[slot];

		if (r->kind == kind && peel_addr_equal(&r->to, to) && now - r->sent_ms < within_ms)
			return true;
	}
	return false;
}

/* Remove it from the index at once, so that no answer matches twice; its place in the ring becomes
 * free in order. */
void
overlay_requests_del(struct ov_requests *t, struct ov_request *r)
{
	if (!r->live)
		return;
	r->live = false;
	peel_chains_del(&t->by_addr, hash(t, &r->to, r->kind), (uint32_t)(r - t->request));
}

void
overlay_requests_expire(struct ov_requests *t, uint64_t now)
{
	while (t->tail != t->head) {
		struct ov_request *r = &t->request[t->tail & t->mask];

		if (r->live && now - r->sent_ms < PEEL_OVERLAY_REQUEST_LIFE_MS)
			return;
		overlay_requests_del(t, r);
		t->tail++;
	}
}

uint32_t
overlay_requests_walking(const struct ov_requests *t, uint16_t kind, uint64_t now)
{
	uint32_t n = 0;

	for (uint32_t i = t->head; i != t->tail; i--) {
		const struct ov_request *r = &t->request[(i - 1) & t->mask];

		if (now - r->sent_ms >= PEEL_OVERLAY_LOST_MS)
			break; /* the rest is older still */
		if (r->live && r->walk && r->kind == kind)
			n++;
	}
	return n;
}
