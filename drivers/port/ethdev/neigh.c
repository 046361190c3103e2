/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "neigh.h"

#define LINK_KNOWN (UINT64_C(1) << 63)
#define LINK_SUSPECT (UINT64_C(1) << 62) /* contradicted: ask everybody at the next use */

void
neigh_init(struct neigh_table *t, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->seed = seed;
	rte_spinlock_init(&t->lock);
}

static struct neigh *
set_of(struct neigh_table *t, const struct peel_addr *ip)
{
	return t->set[peel_addr_hash(ip, 0, t->seed) & (PEEL_NEIGH_SETS - 1)];
}

static uint64_t
age(uint64_t now, uint64_t then)
{
	/* Workers cache the time: another one's may be a little later than ours. */
	return now > then ? now - then : 0;
}

static uint64_t
load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void
store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static uint64_t
pack(const uint8_t mac[6])
{
	uint64_t link = 0;

	memcpy(&link, mac, 6);
	return link | LINK_KNOWN;
}

static bool
key_equal(const struct neigh *e, const uint32_t key[5])
{
	uint32_t diff = 0;

	for (int i = 0; i < 5; i++)
		diff |= __atomic_load_n(&e->key[i], __ATOMIC_ACQUIRE) ^ key[i];
	return diff == 0;
}

/*
 * Lock-free look-up. The link address and the time it was confirmed are read between two looks at
 * the sequence number: if it moved, the entry may have changed its key meanwhile, and the caller
 * goes the way of a miss.
 */
static struct neigh *
find(struct neigh_table *t, const struct peel_addr *ip, uint64_t *link, uint64_t *confirmed)
{
	struct neigh *e = set_of(t, ip);
	uint32_t key[5];

	memcpy(key, ip, sizeof(key));
	for (int i = 0; i < PEEL_NEIGH_WAYS; i++, e++) {
		/* Pairs with the release stores of rekey(). */
		uint32_t seq = __atomic_load_n(&e->seq, __ATOMIC_ACQUIRE);

		if ((seq & 1) != 0 || !key_equal(e, key))
			continue;
		/* Pairs with resolve(): the time is not older than the link address. */
		*link = __atomic_load_n(&e->link, __ATOMIC_ACQUIRE);
		*confirmed = __atomic_load_n(&e->confirmed, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&e->seq, __ATOMIC_RELAXED) == seq)
			return e;
	}
	return NULL;
}

static struct neigh *
find_locked(struct neigh_table *t, const struct peel_addr *ip)
{
	struct neigh *e = set_of(t, ip);
	uint32_t key[5];

	memcpy(key, ip, sizeof(key));
	for (int i = 0; i < PEEL_NEIGH_WAYS; i++, e++) {
		if (key_equal(e, key))
			return e;
	}
	return NULL;
}

/* Lock held. */
static void
rekey(struct neigh *e, const struct peel_addr *ip)
{
	uint32_t key[5];
	uint32_t seq = __atomic_load_n(&e->seq, __ATOMIC_RELAXED);

	memcpy(key, ip, sizeof(key));
	/*
	 * Who sees a word of the new key, or what belongs to it, also sees the odd number or a
	 * later one: releases here, acquires in find(). No fences, which the thread sanitizer does
	 * not know.
	 */
	__atomic_store_n(&e->seq, seq + 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 5; i++)
		__atomic_store_n(&e->key[i], key[i], __ATOMIC_RELEASE);
	__atomic_store_n(&e->link, 0, __ATOMIC_RELEASE);
	__atomic_store_n(&e->confirmed, 0, __ATOMIC_RELEASE);
	store(&e->ask_after, 0);
	__atomic_store_n(&e->seq, seq + 2, __ATOMIC_RELEASE);
}

/* Is the entry of no use to anybody: answered too long ago, or never and nobody asks any more? */
static bool
is_stale(const struct neigh *e, uint64_t now)
{
	if (load(&e->link) != 0)
		return age(now, load(&e->confirmed)) >= PEEL_NEIGH_EXPIRE_MS;
	return age(now, load(&e->ask_after)) >= PEEL_NEIGH_ANSWER_MS;
}

/* Lock held: the entry of @p ip, new if need be; NULL when the first @p ways of its set are in
 * use. */
static struct neigh *
add_locked(struct neigh_table *t, const struct peel_addr *ip, uint64_t now, int ways)
{
	static const uint32_t free_key[5];
	struct neigh *e = find_locked(t, ip), *victim = NULL;

	if (e != NULL)
		return e;
	/* From the last: those that everybody may use are kept as long as there are others. */
	for (e = set_of(t, ip) + ways; ways > 0; ways--) {
		e--;
		if (key_equal(e, free_key)) {
			__atomic_store_n(&t->used, t->used + 1, __ATOMIC_RELAXED);
			victim = e;
			break;
		}
		if (victim == NULL && is_stale(e, now))
			victim = e;
	}
	if (victim != NULL)
		rekey(victim, ip);
	return victim;
}

/* One caller per PEEL_NEIGH_RETRY_MS gets true. */
static bool
claim_request(struct neigh *e, uint64_t now)
{
	uint64_t after = load(&e->ask_after);

	return now >= after &&
	       __atomic_compare_exchange_n(&e->ask_after, &after, now + PEEL_NEIGH_RETRY_MS, false,
		       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

enum neigh_state
neigh_get(struct neigh_table *t, const struct peel_addr *ip, uint64_t now_ms, uint8_t mac[6],
	enum neigh_ask *ask)
{
	uint64_t link = 0, confirmed = 0;
	struct neigh *e = find(t, ip, &link, &confirmed);

	*ask = PEEL_NEIGH_ASK_NONE;
	if (e == NULL) {
		rte_spinlock_lock(&t->lock);
		e = add_locked(t, ip, now_ms, PEEL_NEIGH_WAYS);
		if (e != NULL) {
			link = load(&e->link);
			confirmed = load(&e->confirmed);
		}
		rte_spinlock_unlock(&t->lock);
		if (e == NULL)
			return PEEL_NEIGH_FULL;
	}
	uint64_t silent = age(now_ms, confirmed);

	if (link == 0 || silent >= PEEL_NEIGH_EXPIRE_MS) {
		if (claim_request(e, now_ms))
			*ask = PEEL_NEIGH_ASK_ALL;
		return PEEL_NEIGH_WAIT;
	}
	if (((link & LINK_SUSPECT) != 0 || silent >= PEEL_NEIGH_BROADCAST_MS) &&
		claim_request(e, now_ms))
		*ask = PEEL_NEIGH_ASK_ALL;
	else if (silent >= PEEL_NEIGH_REFRESH_MS && claim_request(e, now_ms))
		*ask = PEEL_NEIGH_ASK_UNICAST;
	memcpy(mac, &link, 6);
	return PEEL_NEIGH_OK;
}

/* Lock held. */
static void
resolve(struct neigh_table *t, struct neigh *e, uint64_t link, uint64_t now)
{
	/* The time first: a reader that sees the new link must not see it as expired. */
	store(&e->confirmed, now);
	__atomic_store_n(&e->link, link, __ATOMIC_RELEASE);
	/* Pairs with neigh_generation(). */
	__atomic_fetch_add(&t->generation, 1, __ATOMIC_RELEASE);
}

static bool
asked_lately(const struct neigh *e, uint64_t now)
{
	uint64_t after = load(&e->ask_after);

	return after != 0 && now < after - PEEL_NEIGH_RETRY_MS + PEEL_NEIGH_ANSWER_MS;
}

static void
learn_locked(
	struct neigh_table *t, struct neigh *e, uint64_t link, uint64_t now, enum neigh_how how)
{
	uint64_t known = load(&e->link) & ~LINK_SUSPECT;

	if (how == PEEL_NEIGH_ANSWER && asked_lately(e, now)) {
		resolve(t, e, link, now);
		return;
	}
	if (how == PEEL_NEIGH_REQUEST) {
		if (known == 0 || known == link ||
			age(now, load(&e->confirmed)) >= PEEL_NEIGH_EXPIRE_MS) {
			resolve(t, e, link, now);
			return;
		}
	}
	/*
	 * Somebody contradicts what we know without having been asked. Believing it would let any
	 * host of the link redirect our traffic, ignoring it would keep us on a dead address for
	 * half a minute after a fail-over.
	 */
	if (known != 0 && known != link)
		store(&e->link, known | LINK_SUSPECT);
}

void
neigh_learn(struct neigh_table *t, const struct peel_addr *ip, const uint8_t mac[6],
	uint64_t now_ms, enum neigh_how how)
{
	struct neigh *e;

	rte_spinlock_lock(&t->lock);
	/*
	 * Who asks us will want an answer: worth an entry, but never in all of a set, so that a
	 * flood of invented requesters cannot crowd out the neighbours we want.
	 */
	if (how == PEEL_NEIGH_REQUEST)
		e = add_locked(t, ip, now_ms, PEEL_NEIGH_WAYS / 2);
	else
		e = find_locked(t, ip);
	if (e != NULL)
		learn_locked(t, e, pack(mac), now_ms, how);
	rte_spinlock_unlock(&t->lock);
}

void
neigh_confirm(struct neigh_table *t, const struct peel_addr *ip, uint64_t now_ms)
{
	rte_spinlock_lock(&t->lock);
	struct neigh *e = find_locked(t, ip);

	if (e != NULL && load(&e->link) != 0 && asked_lately(e, now_ms) &&
		age(now_ms, load(&e->confirmed)) < PEEL_NEIGH_EXPIRE_MS)
		resolve(t, e, load(&e->link) & ~LINK_SUSPECT, now_ms);
	rte_spinlock_unlock(&t->lock);
}
