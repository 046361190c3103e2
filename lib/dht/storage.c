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

#define NONE UINT32_MAX
#define DRAWN 16u
#define SWEEP_PER_TICK 16u

int
dht_storage_init(struct dht_storage *s, uint64_t seed)
{
	s->entry = calloc(DHT_STORED_MAX, sizeof(*s->entry));
	s->head = calloc(DHT_STORED_HEADS, sizeof(*s->head));
	if (s->entry == NULL || s->head == NULL)
		return -ENOMEM;
	memset(s->head, 0xff, DHT_STORED_HEADS * sizeof(*s->head));
	s->seed = seed;
	s->free_first = NONE;
	return 0;
}

void
dht_storage_fini(struct dht_storage *s)
{
	free(s->entry);
	free(s->head);
}

static uint32_t *
chain(const struct dht_storage *s, const uint8_t key[PEEL_DHT_KEY_LEN])
{
	struct peel_addr as_addr;

	_Static_assert(sizeof(as_addr) == PEEL_DHT_KEY_LEN, "a key hashes like an address");
	memcpy(&as_addr, key, sizeof(as_addr));
	return &s->head[peel_addr_hash(&as_addr, 0, s->seed) % DHT_STORED_HEADS];
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
	uint32_t *link = chain(s, e->key);

	while (*link != at)
		link = &s->entry[*link].next;
	*link = e->next;
	--*dht_share(&s->shares, e->source);
	s->n_live--;
	e->len = 0;
	e->next = s->free_first;
	s->free_first = at;
}

/* Places never used come after those that are free again, so that memory of a quiet node stays
 * untouched. */
static uint32_t
take_place(struct dht_storage *s)
{
	uint32_t at = s->free_first;

	if (at != NONE) {
		s->free_first = s->entry[at].next;
		return at;
	}
	return s->n < DHT_STORED_MAX ? s->n++ : NONE;
}

static bool
displace(struct dht_storage *s, const struct peel_env *env, uint64_t source)
{
	uint16_t most = *dht_share(&s->shares, source);
	uint32_t victim = NONE;

	for (uint32_t i = 0; i < DRAWN; i++) {
		uint32_t at = peel_random_below(env, DHT_STORED_MAX);
		uint16_t share = *dht_share(&s->shares, s->entry[at].source);

		if (share > most) {
			most = share;
			victim = at;
		}
	}
	if (victim == NONE)
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
	uint32_t most = 0, own = 0, victim = NONE;

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
	uint32_t same[DHT_STORED_PER_KEY], n = 0, at, old = NONE;
	uint64_t source = item->source, expires_ms = item->expires_ms;

	for (at = *chain(s, item->key); at != NONE; at = s->entry[at].next) {
		const struct dht_stored *e = &s->entry[at];

		if (!has_key(e, item->key))
			continue;
		same[n++] = at;
		if (memcmp(e->identity, item->identity, PEEL_MID_LEN) == 0)
			old = at;
	}
	if (old != NONE) {
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
	at = take_place(s);
	if (at == NONE && displace(s, env, source))
		at = take_place(s);
	if (at == NONE)
		return -ENOSPC;
	struct dht_stored *e = &s->entry[at];
	uint32_t *head = chain(s, item->key);

	memcpy(e->key, item->key, sizeof(e->key));
	memcpy(e->identity, item->identity, sizeof(e->identity));
	e->version = item->version;
	e->source = source;
	e->expires_ms = expires_ms;
	e->len = (uint8_t)item->blob.len;
	memcpy(e->blob, item->blob.p, item->blob.len);
	e->next = *head;
	*head = at;
	++*dht_share(&s->shares, e->source);
	s->n_live++;
	return 0;
}

/* ---- finding --------------------------------------------------------------------------------- */

bool
dht_storage_has(
	const struct dht_storage *s, const uint8_t key[PEEL_DHT_KEY_LEN], struct peel_span blob)
{
	for (uint32_t at = *chain(s, key); at != NONE; at = s->entry[at].next) {
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
	out->n = 0;
	for (int own = 0; own < 2; own++) {
		for (uint32_t at = *chain(s, key); at != NONE; at = s->entry[at].next) {
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
	for (uint32_t i = 0; i < SWEEP_PER_TICK && s->n > 0; i++) {
		uint32_t at = s->sweep_at++ % s->n;

		if (s->entry[at].len > 0 && now >= s->entry[at].expires_ms)
			drop(s, at);
	}
}
