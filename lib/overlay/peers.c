/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay_internal.h"

/* One IP address (or /56 of IPv6, which is what one customer gets) must not fill the table, but a
 * few nodes behind one NAT have room. Local addresses are exempt: test networks have many nodes on
 * one. */
#define PER_IP 8

int
overlay_peers_init(struct ov_peers *t, uint32_t n_max, uint64_t seed)
{
	int rc;

	t->seed = seed;
	t->peer = calloc(n_max, sizeof(*t->peer));
	if (t->peer == NULL)
		return -ENOMEM;
	peel_slots_init(&t->slots, n_max, PEEL_REUSE_SOON, PEEL_LINKS(t->peer, next_key));
	for (unsigned int l = 0; l < PEEL_N_LISTS; l++) {
		t->list[l] = calloc(n_max, sizeof(*t->list[l]));
		if (t->list[l] == NULL)
			return -ENOMEM;
	}
	if ((rc = peel_chains_init(&t->by_key, n_max, PEEL_LINKS(t->peer, next_key))) != 0 ||
		(rc = peel_chains_init(&t->by_addr, n_max, PEEL_LINKS(t->peer, next_addr))) != 0)
		return rc;
	return peel_chains_init(&t->by_ip, n_max, PEEL_LINKS(t->peer, next_ip));
}

void
overlay_peers_fini(struct ov_peers *t)
{
	free(t->peer);
	for (unsigned int l = 0; l < PEEL_N_LISTS; l++)
		free(t->list[l]);
	peel_chains_fini(&t->by_key);
	peel_chains_fini(&t->by_addr);
	peel_chains_fini(&t->by_ip);
	memset(t, 0, sizeof(*t));
}

static uint32_t
slot_of(const struct ov_peers *t, const struct ov_peer *p)
{
	return (uint32_t)(p - t->peer);
}

static uint64_t
hash_key(const struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN])
{
	return peel_hash_bytes(pk, PEEL_PK_LEN, t->seed);
}

static uint64_t
hash_addr(const struct ov_peers *t, const struct peel_addr *a)
{
	return peel_addr_hash(a, 2, t->seed);
}

static uint64_t
hash_ip(const struct ov_peers *t, const struct peel_addr *a)
{
	struct peel_addr source = peel_addr_sender(a);

	return peel_addr_hash(&source, 3, t->seed);
}

/* ---- dense lists ----------------------------------------------------------------------------- */

static bool
listed(const struct ov_peers *t, const struct ov_peer *p, unsigned int l)
{
	return p->pos[l] < t->n[l] && t->list[l][p->pos[l]].slot == slot_of(t, p);
}

static void
list_add(struct ov_peers *t, struct ov_peer *p, unsigned int l)
{
	if (listed(t, p, l))
		return;
	p->pos[l] = t->n[l]++;
	t->list[l][p->pos[l]] = (struct ov_list_entry){.slot = slot_of(t, p)};
}

static void
list_del(struct ov_peers *t, struct ov_peer *p, unsigned int l)
{
	if (!listed(t, p, l))
		return;
	struct ov_list_entry last = t->list[l][--t->n[l]];

	t->list[l][p->pos[l]] = last;
	t->peer[last.slot].pos[l] = p->pos[l];
}

static void
update_candidate(struct ov_peers *t, struct ov_peer *p)
{
	if (p->flags_known && (p->member & 1 << PEEL_COMMUNITY_TUNNEL) != 0) {
		list_add(t, p, PEEL_LIST_CANDIDATES);
		t->list[PEEL_LIST_CANDIDATES][p->pos[PEEL_LIST_CANDIDATES]].flags = p->flags;
	} else {
		list_del(t, p, PEEL_LIST_CANDIDATES);
	}
}

/* ---- looking up ------------------------------------------------------------------------------ */

struct ov_peer *
overlay_peers_by_key(const struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN])
{
	uint32_t slot;

	PEEL_CHAIN_FOREACH (slot, &t->by_key, hash_key(t, pk)) {
		if (memcmp(t->peer[slot].pk, pk, PEEL_PK_LEN) == 0)
			return &t->peer[slot];
	}
	return NULL;
}

struct ov_peer *
overlay_peers_at_home(
	const struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN], const struct peel_addr *addr)
{
	struct ov_peer *p = overlay_peers_by_key(t, pk);

	return p != NULL && peel_addr_equal(&p->addr, addr) ? p : NULL;
}

struct ov_peer *
overlay_peers_at(
	const struct ov_peers *t, const struct peel_addr *addr, const struct ov_peer *after)
{
	uint32_t slot =
		after != NULL ? after->next_addr : *peel_chain(&t->by_addr, hash_addr(t, addr));

	for (; slot != PEEL_NONE; slot = t->peer[slot].next_addr) {
		if (peel_addr_equal(&t->peer[slot].addr, addr))
			return &t->peer[slot];
	}
	return NULL;
}

struct ov_peer *
overlay_peers_member_at(
	const struct ov_peers *t, const struct peel_addr *addr, enum peel_community c)
{
	struct ov_peer *p = NULL;

	while ((p = overlay_peers_at(t, addr, p)) != NULL) {
		if ((p->member & 1 << c) != 0)
			break;
	}
	return p;
}

/* ---- adding and removing --------------------------------------------------------------------- */

bool
overlay_peers_room(const struct ov_peers *t, const struct peel_addr *addr)
{
	struct peel_addr source = peel_addr_sender(addr), other;
	unsigned int n = 0;
	uint32_t slot;

	if (t->slots.n == t->slots.size)
		return false;
	if (peel_addr_is_local(addr))
		return true;
	PEEL_CHAIN_FOREACH (slot, &t->by_ip, hash_ip(t, addr)) {
		other = peel_addr_sender(&t->peer[slot].addr);
		n += peel_addr_equal(&other, &source);
	}
	return n < PER_IP;
}

struct ov_peer *
overlay_peers_add(struct ov_peers *t, const uint8_t pk[PEEL_PK_LEN], const struct peel_addr *addr,
	uint64_t now)
{
	if (!overlay_peers_room(t, addr))
		return NULL;
	uint32_t slot = peel_slots_take(&t->slots);
	struct ov_peer *p = &t->peer[slot];

	memset(p, 0, sizeof(*p));
	memcpy(p->pk, pk, PEEL_PK_LEN);
	peel_mid(pk, PEEL_PK_LEN, p->mid);
	p->addr = *addr;
	p->answered_ms = now;
	peel_chains_add(&t->by_key, hash_key(t, p->pk), slot);
	peel_chains_add(&t->by_addr, hash_addr(t, addr), slot);
	peel_chains_add(&t->by_ip, hash_ip(t, addr), slot);
	list_add(t, p, PEEL_LIST_ALL);
	return p;
}

void
overlay_peers_del(struct ov_peers *t, struct ov_peer *p)
{
	uint32_t slot = slot_of(t, p);

	for (unsigned int l = 0; l < PEEL_N_LISTS; l++)
		list_del(t, p, l);
	peel_chains_del(&t->by_key, hash_key(t, p->pk), slot);
	peel_chains_del(&t->by_addr, hash_addr(t, &p->addr), slot);
	peel_chains_del(&t->by_ip, hash_ip(t, &p->addr), slot);
	peel_slots_give(&t->slots, slot);
}

void
overlay_peers_join(struct ov_peers *t, struct ov_peer *p, enum peel_community c)
{
	p->member |= (uint8_t)(1 << c);
	list_add(t, p, c);
	update_candidate(t, p);
}

bool
overlay_peers_leave(struct ov_peers *t, struct ov_peer *p, enum peel_community c)
{
	p->member &= (uint8_t) ~(1 << c);
	if (p->member == 0) {
		overlay_peers_del(t, p);
		return false;
	}
	list_del(t, p, c);
	update_candidate(t, p);
	return true;
}

void
overlay_peers_move(struct ov_peers *t, struct ov_peer *p, const struct peel_addr *addr)
{
	uint32_t slot = slot_of(t, p);

	peel_chains_del(&t->by_addr, hash_addr(t, &p->addr), slot);
	peel_chains_del(&t->by_ip, hash_ip(t, &p->addr), slot);
	p->addr = *addr;
	peel_chains_add(&t->by_addr, hash_addr(t, addr), slot);
	peel_chains_add(&t->by_ip, hash_ip(t, addr), slot);
	p->ping_pending = false;
}

void
overlay_peers_flags(struct ov_peers *t, struct ov_peer *p, uint16_t flags)
{
	p->flags = flags;
	p->flags_known = true;
	update_candidate(t, p);
}
