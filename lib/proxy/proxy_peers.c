/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_links.h"
#include "proxy_internal.h"

#define PEERS_MAX 2048 /* more than a node has circuits */
#define NOBODY (-1)

struct peer {
	struct peel_addr addr; /* family NONE: the entry is free */
	uint32_t next;
	unsigned int hops, service;
	uint64_t senders; /* a bit for each slot of an association that has sent to it */
	int slot;	  /* of the association that gets its data; NOBODY: undecided, or shared */
};

struct peel_proxy_peers {
	struct peel_proxy_peers_conf conf;
	struct peel_proxy *proxy[PEEL_PROXY_HOPS_MAX]; /* by hops less one; NULL: none */
	struct peer peer[PEERS_MAX];
	struct peel_slots slots;
	struct peel_chains by_address;
	uint64_t seed;
};

struct peel_proxy_peers *
peel_proxy_peers_new(const struct peel_proxy_peers_conf *conf)
{
	struct peel_proxy_peers *pp = calloc(1, sizeof(*pp));

	if (pp == NULL)
		return NULL;
	pp->conf = *conf;
	pp->seed = peel_random_u64(conf->env);
	peel_slots_init(&pp->slots, PEERS_MAX, PEEL_REUSE_SOON, PEEL_LINKS(&pp->peer[0], next));
	if (peel_chains_init(&pp->by_address, PEERS_MAX, PEEL_LINKS(&pp->peer[0], next)) == 0)
		return pp;
	free(pp);
	return NULL;
}

void
peel_proxy_peers_free(struct peel_proxy_peers *pp)
{
	if (pp == NULL)
		return;
	peel_chains_fini(&pp->by_address);
	free(pp);
}

void
proxy_peers_attach(struct peel_proxy_peers *pp, struct peel_proxy *p)
{
	pp->proxy[p->conf.hops - 1] = p;
}

void
proxy_peers_detach(struct peel_proxy_peers *pp, const struct peel_proxy *p)
{
	if (pp->proxy[p->conf.hops - 1] == p)
		pp->proxy[p->conf.hops - 1] = NULL;
}

static uint64_t
hash(const struct peel_proxy_peers *pp, const struct peel_addr *addr)
{
	return peel_addr_hash(addr, 0, pp->seed);
}

static uint32_t
find(const struct peel_proxy_peers *pp, const struct peel_addr *addr)
{
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &pp->by_address, hash(pp, addr)) {
		if (peel_addr_equal(&pp->peer[i].addr, addr))
			break;
	}
	return i;
}

void
peel_proxy_peers_add(struct peel_proxy_peers *pp, const struct peel_addr *peer, unsigned int hops,
	unsigned int service)
{
	uint32_t i;

	if (hops == 0 || hops > PEEL_PROXY_HOPS_MAX || find(pp, peer) != PEEL_NONE)
		return;
	i = peel_slots_take(&pp->slots);
	if (i == PEEL_NONE)
		return;
	pp->peer[i] =
		(struct peer){.addr = *peer, .hops = hops, .service = service, .slot = NOBODY};
	peel_chains_add(&pp->by_address, hash(pp, peer), i);
}

static void
end(struct peel_proxy_peers *pp, uint32_t i)
{
	peel_chains_del(&pp->by_address, hash(pp, &pp->peer[i].addr), i);
	memset(&pp->peer[i], 0, sizeof(pp->peer[i]));
	peel_slots_give(&pp->slots, i);
}

void
peel_proxy_peers_del(struct peel_proxy_peers *pp, const struct peel_addr *peer)
{
	uint32_t i = find(pp, peer);

	if (i != PEEL_NONE)
		end(pp, i);
}

static bool
is_of(const struct peer *peer, unsigned int service)
{
	return peer->addr.family != PEEL_FAMILY_NONE && peer->service == service;
}

void
peel_proxy_peers_forget(struct peel_proxy_peers *pp, unsigned int service)
{
	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		if (is_of(&pp->peer[i], service))
			end(pp, i);
	}
}

void
peel_proxy_peers_dump(const struct peel_proxy_peers *pp, unsigned int service,
	void (*fn)(void *arg, const struct peel_addr *peer), void *arg)
{
	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		if (is_of(&pp->peer[i], service))
			fn(arg, &pp->peer[i].addr);
	}
}

/* ---- from associations ----------------------------------------------------------------------- */

bool
proxy_peers_has(const struct peel_proxy_peers *pp, const struct peel_socks_target *to)
{
	if (to->name[0] != '\0')
		return false;
	return pp->conf.own != NULL ? pp->conf.own(&to->addr) : find(pp, &to->addr) != PEEL_NONE;
}

void
proxy_peers_send(struct peel_proxy *p, unsigned int slot, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct peel_proxy_peers *pp = p->conf.peers;
	uint32_t i = find(pp, &to->addr);
	struct peer *peer = i != PEEL_NONE ? &pp->peer[i] : NULL;
	uint64_t bit = UINT64_C(1) << slot;

	if (peer == NULL || peer->hops != p->conf.hops) {
		peel_stats_add(pp->conf.stats, PEEL_DROP_SOCKS_SEND, 1);
		return;
	}
	if (!pp->conf.shared && (peer->senders & ~bit) != 0) {
		peel_stats_add(pp->conf.stats, PEEL_DROP_SOCKS_SHARED, 1);
		return;
	}
	peer->senders |= bit;
	peer->slot = pp->conf.shared ? NOBODY : (int)slot;
	if (pp->conf.send(pp->conf.arg, &peer->addr, payload, len) != 0)
		peel_stats_add(pp->conf.stats, PEEL_DROP_SOCKS_SEND, 1);
}

void
proxy_peers_closed(struct peel_proxy *p, unsigned int slot)
{
	struct peel_proxy_peers *pp = p->conf.peers;

	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &pp->peer[i];

		if (peer->hops != p->conf.hops)
			continue;
		peer->senders &= ~(UINT64_C(1) << slot);
		if (peer->slot == (int)slot)
			peer->slot = NOBODY;
	}
}

/* ---- to associations ------------------------------------------------------------------------- */

/* Who gets what a peer sends to whom nobody has sent yet. */
static int
choose(const struct peel_proxy_peers *pp, const struct peer *peer)
{
	const struct peel_proxy *p = pp->proxy[peer->hops - 1];
	int best = NOBODY;

	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		if (is_of(&pp->peer[i], peer->service) && pp->peer[i].senders != 0)
			return pp->peer[i].slot;
	}
	for (int slot = 0; slot < PEEL_FLOWS_USERS; slot++) {
		if (p->opened[slot] != 0 && peel_socks_reachable(p->assoc[slot]) &&
			(best == NOBODY || p->opened[slot] < p->opened[best]))
			best = slot;
	}
	return best;
}

/* To all who sent to it, or if nobody has, to all. @return how many got it. */
static unsigned int
deliver_to_all(const struct peel_proxy *p, uint64_t senders, const struct peel_socks_target *origin,
	const uint8_t *payload, size_t len)
{
	unsigned int n = 0;

	for (int slot = 0; slot < PEEL_FLOWS_USERS; slot++) {
		if (p->opened[slot] == 0 || (senders != 0 && (senders >> slot & 1) == 0) ||
			!peel_socks_reachable(p->assoc[slot]))
			continue;
		(void)peel_socks_deliver(p->assoc[slot], origin, payload, len);
		n++;
	}
	return n;
}

void
peel_proxy_peers_take(struct peel_proxy_peers *pp, const struct peel_addr *peer,
	const uint8_t *payload, size_t len)
{
	const struct peel_socks_target origin = {.addr = *peer};
	uint32_t i = find(pp, peer);
	struct peer *known = i != PEEL_NONE ? &pp->peer[i] : NULL;
	const struct peel_proxy *p = known != NULL ? pp->proxy[known->hops - 1] : NULL;
	unsigned int n = 0;

	if (p != NULL && pp->conf.shared) {
		n = deliver_to_all(p, known->senders, &origin, payload, len);
	} else if (p != NULL) {
		if (known->slot == NOBODY)
			known->slot = choose(pp, known);
		n = known->slot != NOBODY;
		if (n > 0)
			(void)peel_socks_deliver(p->assoc[known->slot], &origin, payload, len);
	}
	if (n == 0)
		peel_stats_add(pp->conf.stats, PEEL_DROP_SOCKS_WHOSE, 1);
}
