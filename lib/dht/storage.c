/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values that others stored here, found by key. Source: protocol section 21.7.
 *
 * When the table is full, a few of its entries are drawn, and the one whose source has most gives
 * way, if it has more than the newcomer's: who stores a lot displaces its own kind, and nobody can
 * choose which entry is lost.
 */
#include <errno.h>
#include <stdlib.h>

#include "dht_internal.h"

#define DRAWN 16u
#define SWEEP_PER_TICK 16u

int
dht_storage_init(struct dht_storage *s, uint64_t seed)
{
	s->entry = calloc(DHT_STORED_MAX, sizeof(*s->entry));
	if (s->entry == NULL)
		return -ENOMEM;
	s->seed = seed;
	/* The memory of a quiet node stays untouched. */
	peel_slots_init(&s->slots, DHT_STORED_MAX, PEEL_REUSE_SOON, PEEL_LINKS(s->entry, next));
	return peel_chains_init(&s->by_key, DHT_STORED_HEADS, PEEL_LINKS(s->entry, next));
}

void
dht_storage_fini(struct dht_storage *s)
{
	free(s->entry);
	peel_chains_fini(&s->by_key);
}

static uint64_t
hash(const struct dht_storage *s, const uint8_t key[PEEL_DHT_KEY_LEN])
{
	return peel_hash_bytes(key, PEEL_DHT_KEY_LEN, s->seed);
}

static bool
has_key(const struct dht_stored *e, const uint8_t key[PEEL_DHT_KEY_LEN])
{
	return memcmp(e->key, key, PEEL_DHT_KEY_LEN) == 0;
}

/* ---- places ---------------------------------------------------------------------------------- */

static void
drop(struct dht_storage *s, uint32_t at)
{
	struct dht_stored *e = &s->entry[at];

	peel_chains_del(&s->by_key, hash(s, e->key), at);
	--*dht_share(&s->shares, e->source);
	e->len = 0;
	peel_slots_give(&s->slots, at);
}

static bool
displace(struct dht_storage *s, const struct peel_env *env, uint64_t source)
{
	uint16_t most = *dht_share(&s->shares, source);
	uint32_t victim = PEEL_NONE;

	for (uint32_t i = 0; i < DRAWN; i++) {
		uint32_t at = peel_random_below(env, DHT_STORED_MAX);
		uint16_t share = *dht_share(&s->shares, s->entry[at].source);

		if (share > most) {
			most = share;
			victim = at;
		}
	}
	if (victim == PEEL_NONE)
		return false;
	drop(s, victim);
	return true;
}

/* ---- storing --------------------------------------------------------------------------------- */

/* Under a full key the source with most values there loses its oldest one, if it has more than the
 * newcomer's: values of many do not give way to many values of one. */
static bool
displace_in_key(struct dht_storage *s, const uint32_t *same, uint32_t n, uint64_t source)
{
	uint32_t most = 0, own = 0, victim = PEEL_NONE;

	for (uint32_t i = 0; i < n; i++) {
		uint64_t whose = s->entry[same[i]].source;
		uint32_t share = 0;

		for (uint32_t k = 0; k < n; k++)
			share += s->entry[same[k]].source == whose;
		if (whose == source)
			own = share;
		if (share >= most) { /* newest first: the last of them is the oldest */
			most = share;
			victim = same[i];
		}
	}
	if (most <= own + 1)
		return false;
	drop(s, victim);
	return true;
}

int
dht_storage_put(struct dht_storage *s, const struct peel_env *env, const struct dht_item *item)
{
	uint32_t same[DHT_STORED_PER_KEY], n = 0, at, old = PEEL_NONE;
	uint64_t source = item->source, expires_ms = item->expires_ms;

	PEEL_CHAIN_FOREACH (at, &s->by_key, hash(s, item->key)) {
		const struct dht_stored *e = &s->entry[at];

		if (!has_key(e, item->key))
			continue;
		same[n++] = at;
		if (memcmp(e->identity, item->identity, PEEL_MID_LEN) == 0)
			old = at;
	}
	if (old != PEEL_NONE) {
		if (s->entry[old].version > item->version)
			return -EEXIST;
		/* It stays a value of who brought it first: otherwise somebody with a large share
		 * could take over those of others, and have them displaced. */
		source = s->entry[old].source;
		if (expires_ms < s->entry[old].expires_ms)
			expires_ms = s->entry[old].expires_ms;
		drop(s, old);
	} else if (n == DHT_STORED_PER_KEY && !displace_in_key(s, same, n, source)) {
		return -ENOSPC;
	}
	if (*dht_share(&s->shares, source) >= DHT_STORED_PER_SOURCE)
		return -ENOSPC;
	at = peel_slots_take(&s->slots);
	if (at == PEEL_NONE && displace(s, env, source))
		at = peel_slots_take(&s->slots);
	if (at == PEEL_NONE)
		return -ENOSPC;
	struct dht_stored *e = &s->entry[at];

	memcpy(e->key, item->key, sizeof(e->key));
	memcpy(e->identity, item->identity, sizeof(e->identity));
	e->version = item->version;
	e->source = source;
	e->expires_ms = expires_ms;
	e->len = (uint8_t)item->blob.len;
	memcpy(e->blob, item->blob.p, item->blob.len);
	peel_chains_add(&s->by_key, hash(s, e->key), at);
	++*dht_share(&s->shares, e->source);
	return 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

bool
dht_storage_has(
	const struct dht_storage *s, const uint8_t key[PEEL_DHT_KEY_LEN], struct peel_span blob)
{
	uint32_t at;

	PEEL_CHAIN_FOREACH (at, &s->by_key, hash(s, key)) {
		const struct dht_stored *e = &s->entry[at];

		if (has_key(e, key) && e->len == blob.len && memcmp(e->blob, blob.p, e->len) == 0)
			return true;
	}
	return false;
}

/* What its signer put under its own member id comes behind what others say there. */
void
dht_storage_get(const struct dht_storage *s, const uint8_t key[PEEL_DHT_KEY_LEN], uint32_t offset,
	uint64_t now, struct peel_dht_values *out)
{
	uint32_t at;

	out->n = 0;
	for (int own = 0; own < 2; own++) {
		PEEL_CHAIN_FOREACH (at, &s->by_key, hash(s, key)) {
			const struct dht_stored *e = &s->entry[at];

			if (!has_key(e, key) || now >= e->expires_ms ||
				(memcmp(e->identity, key, PEEL_MID_LEN) == 0) != (own == 1))
				continue;
			if (offset > 0) {
				offset--;
				continue;
			}
			if (out->n == PEEL_DHT_VALUES_MAX)
				return;
			out->value[out->n++] = (struct peel_span){e->blob, e->len};
		}
	}
}

void
dht_storage_tick(struct dht_storage *s, uint64_t now)
{
	for (uint32_t i = 0; i < SWEEP_PER_TICK && s->slots.n_high > 0; i++) {
		uint32_t at = s->sweep_at++ % s->slots.n_high;

		if (s->entry[at].len > 0 && now >= s->entry[at].expires_ms)
			drop(s, at);
	}
}
