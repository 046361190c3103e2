/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values of our own that stay in the DHT: others forget them after an hour, so they are stored anew
 * twice in that time. Source: protocol sections 21.7, 21.8.
 */
#include <errno.h>
#include <stdlib.h>

#include "lookups.h"

#define REPEAT_MS (1800 * DHT_SECOND)
#define RETRY_MS (60 * DHT_SECOND)
/* Look-ups on our own account that are left for the upkeep of the routing tables. */
#define UNDER_WAY_MAX (DHT_LOOKUPS_OWN - 2)

struct dht_published {
	bool live, under_way;
	uint16_t generation;
	uint8_t key[PEEL_DHT_KEY_LEN];
	struct dht_blob blob;
	uint64_t due_ms;
};

int
dht_publish_init(struct dht_publish *t)
{
	t->entry = calloc(DHT_PUBLISHED_MAX, sizeof(*t->entry));
	return t->entry == NULL ? -ENOMEM : 0;
}

void
dht_publish_fini(struct dht_publish *t)
{
	free(t->entry);
}

static uint32_t
handle(const struct dht_publish *t, const struct dht_published *p)
{
	return (uint32_t)p->generation << 16 | (uint32_t)(p - t->entry);
}

static struct dht_published *
by_handle(const struct dht_publish *t, uint32_t id)
{
	struct dht_published *p = &t->entry[(id & 0xffff) % DHT_PUBLISHED_MAX];

	return p->live && handle(t, p) == id ? p : NULL;
}

int
peel_dht_publish(struct peel_dht *dht, const uint8_t key[PEEL_DHT_KEY_LEN], struct peel_span data,
	uint32_t version, uint32_t *id)
{
	struct dht_publish *t = &dht->publish;
	struct dht_published *p = t->entry;
	uint8_t blob[PEEL_DHT_VALUE_MAX];
	int len = dht_value_make(dht->conf.identity, data, version, blob);

	if (len < 0)
		return len;
	if (t->n == DHT_PUBLISHED_MAX)
		return -ENOSPC;
	while (p->live)
		p++;
	t->n++;
	*p = (struct dht_published){.live = true,
		.generation = (uint16_t)(p->generation + 1),
		.blob.len = (uint8_t)len};
	memcpy(p->key, key, sizeof(p->key));
	memcpy(p->blob.bytes, blob, (size_t)len);
	*id = handle(t, p);
	return 0;
}

void
peel_dht_withdraw(struct peel_dht *dht, uint32_t id)
{
	struct dht_published *p = by_handle(&dht->publish, id);

	if (p == NULL)
		return;
	p->live = p->under_way = false; /* a look-up under way goes on, and counts until its end */
	dht->publish.n--;
}

static void
on_stored(void *arg, uint64_t token, const struct peel_dht_result *result)
{
	struct peel_dht *dht = arg;
	struct dht_published *p = by_handle(&dht->publish, (uint32_t)token);

	dht->publish.n_under_way--;
	if (p == NULL)
		return;
	p->under_way = false;
	p->due_ms = dht_now(dht) + (result->n_stored > 0 ? REPEAT_MS : RETRY_MS);
}

void
dht_publish_tick(struct peel_dht *dht, uint64_t now)
{
	struct dht_publish *t = &dht->publish;

	if (t->n == 0)
		return;
	/* In turn: those that come and go all the time do not keep the others waiting. */
	for (uint32_t i = 0; i < DHT_PUBLISHED_MAX && t->n_under_way < UNDER_WAY_MAX; i++) {
		struct dht_published *p = &t->entry[t->turn++ % DHT_PUBLISHED_MAX];

		if (!p->live || p->under_way || now < p->due_ms)
			continue;
		p->under_way = true;
		t->n_under_way++;
		if (dht_lookup_own(dht, DHT_STORE, p->key,
			    (struct peel_span){p->blob.bytes, p->blob.len}, on_stored, dht,
			    handle(t, p)) == 0)
			continue;
		p->under_way = false;
		t->n_under_way--;
		p->due_ms = now + RETRY_MS / 12;
		return;
	}
}
