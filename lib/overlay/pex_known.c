/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What a PEX overlay knows of others: its peers, which have answered a question of ours at their
 * address, the seeders that these introduce, and addresses worth asking. Few enough to look through
 * them all.
 */
#include <stdlib.h>

#include "pex_internal.h"

#define ENTRY_LIFE_MS 300000 /* section 20 */

static struct pex_known *
known(struct pex_overlay *o)
{
	if (o->known == NULL)
		o->known = calloc(1, sizeof(*o->known));
	return o->known;
}

static bool
same_source(const struct peel_addr *a, const struct peel_addr *b)
{
	struct peel_addr x = peel_addr_sender(a), y = peel_addr_sender(b);

	return peel_addr_equal(&x, &y);
}

/* ---- peers ----------------------------------------------------------------------------------- */

struct pex_peer *
pex_peer_by_key(const struct pex_overlay *o, const uint8_t pk[PEEL_PK_LEN])
{
	for (uint32_t i = 0; o->known != NULL && i < o->known->n_peers; i++) {
		if (memcmp(o->known->peer[i].pk, pk, PEEL_PK_LEN) == 0)
			return &o->known->peer[i];
	}
	return NULL;
}

struct pex_peer *
pex_peer_at(const struct pex_overlay *o, const struct peel_addr *addr)
{
	for (uint32_t i = 0; o->known != NULL && i < o->known->n_peers; i++) {
		if (peel_addr_equal(&o->known->peer[i].addr, addr))
			return &o->known->peer[i];
	}
	return NULL;
}

static uint32_t
n_peers_of(const struct pex_known *k, const struct peel_addr *source)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < k->n_peers; i++)
		n += same_source(&k->peer[i].addr, source);
	return n;
}

/* When all places are taken, whose is for a newcomer: that of the source with most which has not
 * answered for longest, if that source has more then, all the same. So a few addresses never keep
 * all others out, and many do not push out those that have one place each. NULL: nobody's. */
static struct pex_peer *
spare(struct pex_known *k, const struct peel_addr *source)
{
	uint32_t most = n_peers_of(k, source) + 1;
	struct pex_peer *found = NULL;

	for (uint32_t i = 0; i < k->n_peers; i++) {
		struct pex_peer *p = &k->peer[i];
		uint32_t n = n_peers_of(k, &p->addr);

		if (n > most ||
			(n == most && found != NULL && p->answered_ms < found->answered_ms)) {
			most = n;
			found = p;
		}
	}
	return found;
}

bool
pex_peer_welcome(const struct pex_overlay *o, const struct peel_addr *addr,
	const uint8_t pk[PEEL_PK_LEN], uint64_t now)
{
	const struct pex_peer *p = pex_peer_by_key(o, pk);

	/* A peer that answers at its address is not moved by somebody in the middle. */
	if (p != NULL)
		return peel_addr_equal(&p->addr, addr) ||
		       now - p->answered_ms >= PEEL_OVERLAY_STICKY_MS;
	if (o->known == NULL || pex_peer_at(o, addr) != NULL)
		return true;
	if (!peel_addr_is_local(addr) && n_peers_of(o->known, addr) >= PEX_PER_IP)
		return false;
	return o->known->n_peers < PEX_PEERS || spare(o->known, addr) != NULL;
}

struct pex_peer *
pex_peer_confirm(struct pex_overlay *o, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN],
	uint64_t now)
{
	struct pex_peer *p, *there = pex_peer_at(o, addr);

	if (!pex_peer_welcome(o, addr, pk, now) || known(o) == NULL)
		return NULL;
	/* A socket has one key: any other is a predecessor or a lie. */
	if (there != NULL && memcmp(there->pk, pk, PEEL_PK_LEN) != 0)
		*there = o->known->peer[--o->known->n_peers];
	p = pex_peer_by_key(o, pk);
	if (p == NULL) {
		p = o->known->n_peers < PEX_PEERS ? &o->known->peer[o->known->n_peers++]
						  : spare(o->known, addr);
		memset(p, 0, sizeof(*p));
	}
	memcpy(p->pk, pk, PEEL_PK_LEN);
	p->addr = *addr;
	p->answered_ms = now;
	return p;
}

/* ---- the list -------------------------------------------------------------------------------- */

bool
pex_entry_fresh(const struct pex_entry *e, uint64_t now)
{
	return now - e->seen_ms < ENTRY_LIFE_MS;
}

static struct pex_entry *
find_entry(const struct pex_overlay *o, const uint8_t pk[PEEL_PK_LEN],
	const uint8_t seeder_pk[PEEL_PK_LEN])
{
	for (uint32_t i = 0; o->known != NULL && i < o->known->n_entries; i++) {
		struct pex_entry *e = &o->known->entry[i];

		if (memcmp(e->pk, pk, PEEL_PK_LEN) == 0 &&
			memcmp(e->seeder_pk, seeder_pk, PEEL_PK_LEN) == 0)
			return e;
	}
	return NULL;
}

bool
pex_list_has(const struct pex_overlay *o, const struct pex_peer *by,
	const uint8_t seeder_pk[PEEL_PK_LEN])
{
	return find_entry(o, by->pk, seeder_pk) != NULL;
}

static uint32_t
n_of_source(const struct pex_known *k, const struct peel_addr *source)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < k->n_entries; i++)
		n += same_source(&k->entry[i].addr, source);
	return n;
}

/*
 * The place of a new entry. When all are taken, the oldest one of the source that has most gives
 * way, if that still has no fewer then; else the oldest of the same source. So who says much does
 * not push out who says little, and who was there first stays. NULL: it has no place.
 */
static struct pex_entry *
place(struct pex_known *k, const struct peel_addr *source)
{
	uint32_t own = n_of_source(k, source), most = 0;
	struct pex_entry *richest = NULL, *oldest = NULL;

	if (k->n_entries < PEEL_PEX_LIST_MAX)
		return &k->entry[k->n_entries++];
	for (uint32_t i = 0; i < k->n_entries; i++) {
		struct pex_entry *e = &k->entry[i];
		uint32_t n = n_of_source(k, &e->addr);

		if (n > most || (n == most && e->seen_ms < richest->seen_ms)) {
			most = n;
			richest = e;
		}
		if (same_source(&e->addr, source) &&
			(oldest == NULL || e->seen_ms < oldest->seen_ms))
			oldest = e;
	}
	return most >= own + 2 ? richest : oldest;
}

void
pex_list_add(struct pex_overlay *o, const struct pex_peer *by, const uint8_t seeder_pk[PEEL_PK_LEN],
	uint64_t now)
{
	struct pex_entry *e = find_entry(o, by->pk, seeder_pk);

	if (e == NULL)
		e = place(o->known, &by->addr);
	if (e == NULL)
		return;
	memcpy(e->pk, by->pk, PEEL_PK_LEN);
	memcpy(e->seeder_pk, seeder_pk, PEEL_PK_LEN);
	e->addr = by->addr;
	e->seen_ms = now;
}

/* ---- addresses worth asking ------------------------------------------------------------------ */

void
pex_walkable_add(struct pex_overlay *o, const struct ov_walkable *one, const struct peel_env *env)
{
	struct pex_known *k = known(o);

	if (k == NULL || pex_peer_at(o, &one->addr) != NULL)
		return;
	for (uint32_t i = 0; i < k->n_walkable; i++) {
		if (peel_addr_equal(&k->walkable[i].addr, &one->addr))
			return;
	}
	uint32_t at = k->n_walkable < PEX_WALKABLE ? k->n_walkable++
						   : peel_random_below(env, PEX_WALKABLE);

	k->walkable[at] = *one;
}

bool
pex_walkable_take(struct pex_overlay *o, struct ov_walkable *out, const struct peel_env *env)
{
	struct pex_known *k = o->known;

	while (k != NULL && k->n_walkable > 0) {
		uint32_t at = peel_random_below(env, k->n_walkable);

		*out = k->walkable[at];
		k->walkable[at] = k->walkable[--k->n_walkable];
		if (pex_peer_at(o, &out->addr) == NULL)
			return true;
	}
	return false;
}

/* ---- forgetting ------------------------------------------------------------------------------ */

/* The last question had time to be answered. */
static bool
is_dead(const struct pex_peer *p, uint64_t now)
{
	return now - p->answered_ms >= PEEL_OVERLAY_DROP_MS && p->asked_ms > p->answered_ms &&
	       now - p->asked_ms >= PEEL_OVERLAY_LOST_MS;
}

void
pex_known_expire(struct pex_overlay *o, uint64_t now)
{
	struct pex_known *k = o->known;

	if (k == NULL)
		return;
	for (uint32_t i = k->n_peers; i-- > 0;) {
		if (is_dead(&k->peer[i], now))
			k->peer[i] = k->peer[--k->n_peers];
	}
	for (uint32_t i = k->n_entries; i-- > 0;) {
		if (!pex_entry_fresh(&k->entry[i], now))
			k->entry[i] = k->entry[--k->n_entries];
	}
	if (k->n_peers + k->n_entries + k->n_walkable > 0)
		return;
	free(k);
	o->known = NULL;
}
