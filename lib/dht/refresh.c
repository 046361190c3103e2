/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Look-ups that keep the routing tables in shape: for our own id when the first nodes are known,
 * then for ids in buckets that have not changed for long. Source: protocol section 21.3.
 */
#include "lookups.h"

#define CHECK_MS (60 * DHT_SECOND)
#define OLD_MS (900 * DHT_SECOND)

static bool
find_nodes(struct peel_dht *dht, const uint8_t target[PEEL_DHT_KEY_LEN])
{
	return dht_lookup_own(dht, DHT_FIND_NODES, target, (struct peel_span){NULL, 0}, NULL, NULL,
		       0) == 0;
}

/* An id that shares exactly so many bits with ours. */
static void
random_id(const struct peel_dht *dht, const struct dht_routing *r, unsigned int bits,
	uint8_t out[PEEL_DHT_KEY_LEN])
{
	unsigned int byte = bits / 8;
	uint8_t mask = (uint8_t)(0x80 >> bits % 8);

	peel_random(dht->conf.env, out, PEEL_DHT_KEY_LEN);
	memcpy(out, r->own_id, byte);
	/* Of this byte: the bits before it from ours, this one different, the rest random. */
	out[byte] = (uint8_t)((r->own_id[byte] & ~(2 * mask - 1)) | (~r->own_id[byte] & mask) |
			      (out[byte] & (mask - 1)));
}

static void
refresh(struct peel_dht *dht, struct dht_routing *r, uint64_t now)
{
	uint8_t target[PEEL_DHT_KEY_LEN];
	unsigned int deepest = DHT_BUCKETS;

	while (deepest > 0 && r->bucket[deepest - 1].n == 0)
		deepest--;
	/* One at a time: there are fewer buckets than minutes in which they get old. */
	for (unsigned int i = 0; i < deepest; i++) {
		if (now - r->bucket[i].changed_ms < OLD_MS)
			continue;
		random_id(dht, r, i, target);
		if (find_nodes(dht, target))
			r->bucket[i].changed_ms = now;
		return;
	}
}

void
dht_refresh_tick(struct peel_dht *dht, uint64_t now)
{
	bool due = now >= dht->refresh_ms;

	for (unsigned int f = 0; f < DHT_N_FAMILIES; f++) {
		struct dht_routing *r = &dht->routing[f];

		if (dht_routing_count(r) == 0)
			r->joined = false;
		else if (!r->joined)
			r->joined = find_nodes(dht, r->own_id);
		else if (due)
			refresh(dht, r, now);
	}
	if (due)
		dht->refresh_ms = now + CHECK_MS;
}
