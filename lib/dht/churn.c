/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Who is in the routing tables: newcomers are pinged and enter with their answer, all are pinged
 * now and then, and who stays silent leaves. Source: protocol section 21.3.
 */
#include "dht_internal.h"

#define PING_INTERVAL_MS (25 * DHT_SECOND)

void
dht_answered(struct peel_dht *dht, const struct peel_dht_node *node, uint32_t rtt_ms, uint64_t now)
{
	if (dht_is_placed(dht))
		dht_routing_answered(dht_routing_of(dht, &node->addr), node, rtt_ms, now);
}

void
dht_silent(struct peel_dht *dht, const struct peel_dht_node *node)
{
	struct dht_node *known = dht_routing_find(dht_routing_of(dht, &node->addr), node->id);

	if (known != NULL && peel_addr_equal(&known->is.addr, &node->addr) &&
		known->failed < DHT_BAD_FAILURES)
		known->failed++;
}

void
dht_newcomer(struct peel_dht *dht, const struct peel_dht_node *node, bool proved)
{
	enum dht_pool pool = proved ? DHT_POOL_CHURN : DHT_POOL_NEWCOMERS;

	if (dht_is_placed(dht) && dht_routing_wants(dht_routing_of(dht, &node->addr), node) &&
		dht_limit_take(&dht->by_newcomer, dht_hash(dht, &node->addr, 0), dht_now(dht)))
		(void)dht_ping_node(dht, pool, node, NULL, 0);
}

void
peel_dht_met(struct peel_dht *dht, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN])
{
	struct peel_dht_node node = dht_node_make(addr, pk);

	if (memcmp(pk, dht->conf.identity->pk, PEEL_PK_LEN) == 0)
		return;
	if (dht_is_placed(dht))
		dht_newcomer(dht, &node, true);
	else
		dht->waiting[dht->n_waiting++ % DHT_WAITING_MAX] = node;
}

static void
ping_all(struct peel_dht *dht, struct dht_routing *routing, uint64_t now)
{
	for (unsigned int i = 0; i < DHT_BUCKETS; i++) {
		struct dht_bucket *b = &routing->bucket[i];

		for (uint8_t k = 0; k < b->n; k++) {
			struct dht_node *node = &b->node[k];

			if (now - node->pinged_ms >= PING_INTERVAL_MS &&
				dht_ping_node(dht, DHT_POOL_CHURN, &node->is, NULL, 0))
				node->pinged_ms = now;
		}
	}
}

void
dht_churn_tick(struct peel_dht *dht, uint64_t now)
{
	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++) {
		dht_routing_purge(&dht->routing[f]);
		ping_all(dht, &dht->routing[f], now);
	}
}

/* ---- our own place --------------------------------------------------------------------------- */

void
peel_dht_address(struct peel_dht *dht, const struct peel_addr *own)
{
	uint8_t id[PEEL_DHT_NODE_ID_LEN];

	/* Who knows one of its addresses only has that id in both tables, as the reference does. */
	if (peel_addr_same_ip(own, &dht->own)) {
		dht->own = *own;
		return;
	}
	dht->own = *own;
	peel_dht_node_id(own, dht->conf.identity->mid, id);
	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++)
		dht_routing_move(&dht->routing[f], id);
	for (uint32_t i = 0; i < dht->n_waiting && i < DHT_WAITING_MAX; i++)
		dht_newcomer(dht, &dht->waiting[i], true);
	dht->n_waiting = 0;
}
