/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"

#define MAGIC "LibNaCLPK:"
#define MAGIC_LEN (PEEL_PK_LEN - sizeof(((struct key *)0)->tail))
#define FIRST_SIZE 64

/* Buckets under a secret seed: strangers choose these keys. The X25519 half is enough to spread
 * them. */
static uint32_t
bucket_of(const struct keys *k, const uint8_t *tail)
{
	struct peel_addr mixed = {0};
	uint32_t extra;

	memcpy(mixed.ip, tail, sizeof(mixed.ip));
	memcpy(&extra, tail + sizeof(mixed.ip), sizeof(extra));
	return (uint32_t)peel_addr_hash(&mixed, extra, k->seed) & (k->size - 1);
}

static void
link_key(struct keys *k, uint32_t index)
{
	uint32_t *bucket = &k->bucket[bucket_of(k, k->key[index].tail)];

	k->key[index].chain = *bucket;
	*bucket = index;
}

/* Called when every entry is in use, so that all of them are linked again. */
static int
grow(struct keys *k)
{
	uint32_t size = k->size == 0 ? FIRST_SIZE : k->size * 2;

	if (size > NONE / 2)
		return -ENOMEM;
	struct key *key = realloc(k->key, (size_t)size * sizeof(*key));

	if (key == NULL)
		return -ENOMEM;
	k->key = key;
	uint32_t *bucket = realloc(k->bucket, (size_t)size * sizeof(*bucket));

	if (bucket == NULL)
		return -ENOMEM;
	k->bucket = bucket;
	k->size = size;
	memset(bucket, 0xff, (size_t)size * sizeof(*bucket)); /* NONE */
	for (uint32_t i = 0; i < k->n_high; i++)
		link_key(k, i);
	return 0;
}

int
or_keys_init(struct keys *k, const struct peel_env *env)
{
	memset(k, 0, sizeof(*k));
	k->free = NONE;
	k->seed = peel_random_u64(env);
	return grow(k);
}

void
or_keys_fini(struct keys *k)
{
	free(k->key);
	free(k->bucket);
}

uint32_t
or_keys_get(struct keys *k, const uint8_t pk[PEEL_PK_LEN])
{
	const uint8_t *tail = pk + MAGIC_LEN;
	uint32_t i = k->bucket[bucket_of(k, tail)];

	while (i != NONE && memcmp(k->key[i].tail, tail, sizeof(k->key[i].tail)) != 0)
		i = k->key[i].chain;
	if (i != NONE) {
		k->key[i].refs++;
		return i;
	}
	if (k->free != NONE) {
		i = k->free;
		k->free = k->key[i].chain;
	} else {
		if (k->n_high == k->size && grow(k) != 0)
			return NONE;
		i = k->n_high++;
	}
	struct key *key = &k->key[i];

	memset(key, 0, sizeof(*key));
	memcpy(key->tail, tail, sizeof(key->tail));
	key->refs = 1;
	link_key(k, i);
	return i;
}

void
or_keys_put(struct keys *k, uint32_t key)
{
	if (key == NONE || --k->key[key].refs > 0)
		return;
	uint32_t *link = &k->bucket[bucket_of(k, k->key[key].tail)];

	while (*link != key)
		link = &k->key[*link].chain;
	*link = k->key[key].chain;
	k->key[key].chain = k->free;
	k->free = key;
}

bool
or_keys_equal(const struct keys *k, uint32_t key, const uint8_t pk[PEEL_PK_LEN])
{
	return key != NONE && memcmp(pk, MAGIC, MAGIC_LEN) == 0 &&
	       memcmp(k->key[key].tail, pk + MAGIC_LEN, sizeof(k->key[key].tail)) == 0;
}
