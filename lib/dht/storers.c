/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Nodes that tell others where we are: a few near our own member id, kept in touch with, so that
 * who looks for us by that id is let through our NAT. Source: protocol section 21.9.
 */
#include "lookups.h"

#define WANTED (DHT_STORERS_MAX / 2)
#define CHECK_MS (30 * DHT_SECOND)
#define RETRY_MS (1 * DHT_SECOND)
#define PING_MS (25 * DHT_SECOND)

void
dht_storers_add(struct peel_dht *dht, const struct peel_dht_node *node)
{
	struct dht_storers *t = &dht->storers;

	for (uint8_t i = 0; i < t->n; i++) {
		if (memcmp(t->storer[i].is.id, node->id, sizeof(node->id)) == 0)
			return;
	}
	if (t->on && t->n < DHT_STORERS_MAX)
		t->storer[t->n++] = (struct dht_storer){.is = *node, .pinged_ms = dht_now(dht)};
}

static void
on_ping(struct peel_dht *dht, const struct dht_request *request, const struct peel_span *body)
{
	struct dht_storers *t = &dht->storers;

	for (uint8_t i = 0; i < t->n; i++) {
		struct dht_storer *s = &t->storer[i];

		if (memcmp(s->is.id, request->to.id, sizeof(s->is.id)) != 0)
			continue;
		s->failed = body == NULL ? s->failed + 1 : 0;
		if (s->failed >= DHT_BAD_FAILURES)
			*s = t->storer[--t->n];
		return;
	}
}

void
dht_storers_tick(struct peel_dht *dht, uint64_t now)
{
	struct dht_storers *t = &dht->storers;

	for (uint8_t i = 0; i < t->n; i++) {
		struct dht_storer *s = &t->storer[i];

		if (now - s->pinged_ms >= PING_MS &&
			dht_ping_node(dht, DHT_POOL_CHURN, &s->is, on_ping, 0))
			s->pinged_ms = now;
	}
	if (!t->on || now < t->check_ms)
		return;
	t->check_ms = now + CHECK_MS;
	/* At first nobody is known who could be asked. */
	if (t->n < WANTED && dht_lookup_own(dht, DHT_STORE_PEER, dht->conf.identity->mid,
				     (struct peel_span){NULL, 0}, NULL, NULL, 0) != 0)
		t->check_ms = now + RETRY_MS;
}

void
peel_dht_store_peer(struct peel_dht *dht, bool on)
{
	dht->storers.on = on;
	if (!on)
		dht->storers.n = 0; /* those that hear nothing forget us in a minute */
}
