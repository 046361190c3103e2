/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "hidden_internal.h"

#define SHARE_PART 4 /* more than this part of all is too much for one source while others wait */
#define LOOKS 16     /* promises looked at to find one that makes room */

int
promises_init(struct promises *p, const struct peel_env *env, uint32_t size, uint32_t per_circuit)
{
	int ret;

	memset(p, 0, sizeof(*p));
	p->env = env;
	p->per_circuit = per_circuit;
	p->seed = peel_random_u64(env);
	p->promise = calloc(size > 0 ? size : 1, sizeof(*p->promise));
	if (p->promise == NULL)
		return -ENOMEM;
	peel_slots_init(&p->slots, size, PEEL_REUSE_SOON, PEEL_LINKS(p->promise, by_key));
	peel_queue_init(&p->age, PEEL_LINKS(p->promise, older), PEEL_LINKS(p->promise, newer));
	ret = peel_chains_init(&p->by_key, size, PEEL_LINKS(p->promise, by_key));
	if (ret == 0)
		ret = peel_chains_init(&p->by_session, size, PEEL_LINKS(p->promise, by_session));
	if (ret == 0)
		ret = peel_chains_init(&p->by_hash, size, PEEL_LINKS(p->promise, by_hash));
	return ret;
}

void
promises_fini(struct promises *p)
{
	peel_chains_fini(&p->by_key);
	peel_chains_fini(&p->by_session);
	peel_chains_fini(&p->by_hash);
	free(p->promise);
	p->promise = NULL;
}

static uint64_t
hash(const struct promises *p, const uint8_t key[PROMISE_KEY_MAX])
{
	return peel_hash_bytes(key, PROMISE_KEY_MAX, p->seed);
}

static uint64_t
hash_of_hash(const struct promises *p, const uint8_t *info_hash)
{
	return peel_hash_bytes(info_hash, PEEL_INFO_HASH_LEN, p->seed);
}

static void
pad(uint8_t out[PROMISE_KEY_MAX], const void *key, size_t len)
{
	memset(out, 0, PROMISE_KEY_MAX);
	memcpy(out, key, len);
}

struct promise *
promise_get(const struct promises *p, const void *key, size_t len)
{
	uint8_t padded[PROMISE_KEY_MAX];
	uint32_t slot;

	pad(padded, key, len);
	PEEL_CHAIN_FOREACH (slot, &p->by_key, hash(p, padded)) {
		if (memcmp(p->promise[slot].key, padded, sizeof(padded)) == 0)
			return &p->promise[slot];
	}
	return NULL;
}

struct promise *
promise_of_session(const struct promises *p, uint32_t session)
{
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &p->by_session, session) {
		if (p->promise[slot].session == session)
			return &p->promise[slot];
	}
	return NULL;
}

static uint32_t
n_of_session(const struct promises *p, uint32_t session)
{
	uint32_t slot, n = 0;

	PEEL_CHAIN_FOREACH (slot, &p->by_session, session)
		n += p->promise[slot].session == session;
	return n;
}

/* ---- room ------------------------------------------------------------------------------------ */

/* Of a few, one of the source that has most, if that is too much. */
static struct promise *
find_rich(struct promises *p, uint32_t asking)
{
	uint32_t most = p->slots.n / SHARE_PART;
	struct promise *found = NULL;

	if (most < 2 * p->of_source[asking])
		most = 2 * p->of_source[asking];
	for (uint32_t i = 0; i < LOOKS && i < p->slots.n_high; i++) {
		if (p->cursor >= p->slots.n_high)
			p->cursor = 0;
		struct promise *one = &p->promise[p->cursor++];

		if (one->used && p->of_source[one->source] > most) {
			most = p->of_source[one->source];
			found = one;
		}
	}
	return found;
}

static uint32_t
take_slot(struct promises *p, uint32_t source)
{
	uint32_t slot = peel_slots_take(&p->slots);

	if (slot != PEEL_NONE)
		return slot;
	struct promise *rich = find_rich(p, source);

	if (rich == NULL)
		return PEEL_NONE;
	promise_end(p, rich);
	return peel_slots_take(&p->slots);
}

struct promise *
promise_add(struct promises *p, const void *key, size_t len, uint32_t session, uint32_t generation,
	const struct peel_addr *from)
{
	struct peel_addr source = peel_addr_source(from);
	uint32_t count = (uint32_t)(peel_addr_hash(&source, 0, p->seed) % PROMISE_SOURCES);

	if (n_of_session(p, session) >= p->per_circuit)
		return NULL;
	uint32_t slot = take_slot(p, count);

	if (slot == PEEL_NONE)
		return NULL;
	struct promise *one = &p->promise[slot];

	memset(one, 0, sizeof(*one));
	pad(one->key, key, len);
	one->session = session;
	one->generation = generation;
	one->source = count;
	one->since_ms = peel_now_ms(p->env);
	one->used = true;
	p->of_source[count]++;
	peel_chains_add(&p->by_key, hash(p, one->key), slot);
	peel_chains_add(&p->by_session, session, slot);
	peel_queue_add(&p->age, slot);
	return one;
}

void
promise_end(struct promises *p, struct promise *one)
{
	uint32_t slot = (uint32_t)(one - p->promise);

	peel_chains_del(&p->by_key, hash(p, one->key), slot);
	peel_chains_del(&p->by_session, one->session, slot);
	if (one->hashed)
		peel_chains_del(&p->by_hash, hash_of_hash(p, one->info_hash), slot);
	peel_queue_del(&p->age, slot);
	one->used = false;
	if (p->ended != NULL)
		p->ended(p->arg, one);
	p->of_source[one->source]--;
	peel_slots_give(&p->slots, slot);
}

void
promises_expire(struct promises *p, uint64_t life_ms)
{
	uint64_t now = peel_now_ms(p->env);

	while (p->age.oldest != PEEL_NONE && now - p->promise[p->age.oldest].since_ms >= life_ms)
		promise_end(p, &p->promise[p->age.oldest]);
}

/* ---- by info hash ---------------------------------------------------------------------------- */

void
promise_index_hash(struct promises *p, struct promise *one)
{
	one->hashed = true;
	peel_chains_add(&p->by_hash, hash_of_hash(p, one->info_hash), (uint32_t)(one - p->promise));
}

static uint32_t
skip_others(const struct promises *p, uint32_t slot, const uint8_t *info_hash)
{
	while (slot != PEEL_NONE &&
		memcmp(p->promise[slot].info_hash, info_hash, PEEL_INFO_HASH_LEN) != 0)
		slot = p->promise[slot].by_hash;
	return slot;
}

uint32_t
promise_first_of_hash(const struct promises *p, const uint8_t *info_hash)
{
	return skip_others(p, *peel_chain(&p->by_hash, hash_of_hash(p, info_hash)), info_hash);
}

uint32_t
promise_next_of_hash(const struct promises *p, uint32_t slot, const uint8_t *info_hash)
{
	return skip_others(p, p->promise[slot].by_hash, info_hash);
}
