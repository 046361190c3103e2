/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "or_internal.h"

#define MAGIC "LibNaCLPK:"
#define MAGIC_LEN (PEEL_PK_LEN - sizeof(((struct key *)0)->tail))

/* With a secret seed, as strangers choose these keys, and over both halves, as they may choose many
 * that share one. */
static uint64_t
hash_of(const struct keys *k, const uint8_t *tail)
{
	return peel_hash_bytes(tail, sizeof(k->key->tail), k->seed);
}

/* Called when all entries are in use, so that all of them get linked again. Without memory for more
 * chains, the old ones remain. */
static int
grow(struct keys *k)
{
	struct key *key = peel_slots_grow(&k->slots);
	struct peel_chains chains;

	if (key == NULL)
		return -ENOMEM;
	k->key = key;
	k->chains.next = k->slots.free.next;
	if (peel_chains_init(&chains, k->slots.size, k->chains.next) != 0)
		return -ENOMEM;
	peel_chains_fini(&k->chains);
	k->chains = chains;
	for (uint32_t i = 0; i < k->slots.n_high; i++)
		peel_chains_add(&k->chains, hash_of(k, k->key[i].tail), i);
	return 0;
}

int
or_keys_init(struct keys *k, const struct peel_env *env)
{
	memset(k, 0, sizeof(*k));
	k->seed = peel_random_u64(env);
	peel_slots_init(&k->slots, 0, PEEL_REUSE_SOON, PEEL_LINKS(k->key, chain));
	return grow(k);
}

void
or_keys_fini(struct keys *k)
{
	free(k->key);
	peel_chains_fini(&k->chains);
}

uint32_t
or_keys_get(struct keys *k, const uint8_t pk[PEEL_PK_LEN])
{
	const uint8_t *tail = pk + MAGIC_LEN;
	uint64_t hash = hash_of(k, tail);
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &k->chains, hash) {
		if (memcmp(k->key[i].tail, tail, sizeof(k->key[i].tail)) == 0) {
			k->key[i].refs++;
			return i;
		}
	}
	i = peel_slots_take(&k->slots);
	if (i == PEEL_NONE) {
		if (grow(k) != 0)
			return PEEL_NONE;
		i = peel_slots_take(&k->slots);
	}
	k->key[i].refs = 1;
	memcpy(k->key[i].tail, tail, sizeof(k->key[i].tail));
	peel_chains_add(&k->chains, hash, i);
	return i;
}

void
or_keys_put(struct keys *k, uint32_t key)
{
	if (key == PEEL_NONE || --k->key[key].refs > 0)
		return;
	peel_chains_del(&k->chains, hash_of(k, k->key[key].tail), key);
	peel_slots_give(&k->slots, key);
}

bool
or_keys_equal(const struct keys *k, uint32_t key, const uint8_t pk[PEEL_PK_LEN])
{
	return key != PEEL_NONE && memcmp(pk, MAGIC, MAGIC_LEN) == 0 &&
	       memcmp(k->key[key].tail, pk + MAGIC_LEN, sizeof(k->key[key].tail)) == 0;
}

void
or_keys_read(const struct keys *k, uint32_t key, uint8_t out[PEEL_PK_LEN])
{
	memcpy(out, MAGIC, MAGIC_LEN);
	memcpy(out + MAGIC_LEN, k->key[key].tail, sizeof(k->key[key].tail));
}
