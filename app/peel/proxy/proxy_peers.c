/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "peel_internal.h"
#include "peel_links.h"
#include "proxy_peers.h"
#include "service_name.h"

#define PEERS_MAX 2048 /* more than a node has circuits */
#define NOBODY (-1)

struct peer {
	uint32_t address; /* 0: the entry is free */
	uint32_t next;
	unsigned int hops, service;
	int slot;  /* of the association that gets its data; NOBODY: undecided */
	bool sent; /* that association has sent to it, and keeps it */
};

struct proxy_peers {
	struct listener *listener;
	struct peel_stats *stats;
	struct peer peer[PEERS_MAX];
	struct peel_slots slots;
	struct peel_chains by_address;
	uint64_t seed;
};

struct proxy_peers *
proxy_peers_new(struct listener *listener, struct peel_stats *stats)
{
	struct proxy_peers *pp = calloc(1, sizeof(*pp));

	if (pp == NULL)
		return NULL;
	pp->listener = listener;
	pp->stats = stats;
	peel_random(&peel_env_system, &pp->seed, sizeof(pp->seed));
	peel_slots_init(&pp->slots, PEERS_MAX, PEEL_REUSE_SOON, PEEL_LINKS(&pp->peer[0], next));
	if (peel_chains_init(&pp->by_address, PEERS_MAX, PEEL_LINKS(&pp->peer[0], next)) == 0)
		return pp;
	free(pp);
	return NULL;
}

void
proxy_peers_free(struct proxy_peers *pp)
{
	if (pp == NULL)
		return;
	peel_chains_fini(&pp->by_address);
	free(pp);
}

static uint32_t
find(const struct proxy_peers *pp, uint32_t address)
{
	uint32_t i;

	PEEL_CHAIN_FOREACH (i, &pp->by_address, peel_hash_u32(address, pp->seed)) {
		if (pp->peer[i].address == address)
			break;
	}
	return i;
}

void
proxy_peers_add(struct proxy_peers *pp, const struct peel_address *peer, unsigned int hops,
	unsigned int service)
{
	uint32_t address = peel_get_be32(peer->ip), i = peel_slots_take(&pp->slots);

	if (i == PEEL_NONE)
		return;
	pp->peer[i] =
		(struct peer){.address = address, .hops = hops, .service = service, .slot = NOBODY};
	peel_chains_add(&pp->by_address, peel_hash_u32(address, pp->seed), i);
}

static void
end(struct proxy_peers *pp, uint32_t i)
{
	peel_chains_del(&pp->by_address, peel_hash_u32(pp->peer[i].address, pp->seed), i);
	memset(&pp->peer[i], 0, sizeof(pp->peer[i]));
	peel_slots_give(&pp->slots, i);
}

void
proxy_peers_del(struct proxy_peers *pp, const struct peel_address *peer)
{
	uint32_t i = find(pp, peel_get_be32(peer->ip));

	if (i != PEEL_NONE)
		end(pp, i);
}

void
proxy_peers_forget(struct proxy_peers *pp, unsigned int service)
{
	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		if (pp->peer[i].address != 0 && pp->peer[i].service == service)
			end(pp, i);
	}
}

static struct peel_address
address_of(const struct peer *peer)
{
	struct peel_address a = {.type = PEEL_ADDRESS_IPV4, .port = SERVICE_PEER_PORT};

	peel_put_be32(a.ip, peer->address);
	return a;
}

void
proxy_peers_dump(const struct proxy_peers *pp, unsigned int service,
	void (*fn)(void *arg, const struct peel_address *peer), void *arg)
{
	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		struct peel_address a = address_of(&pp->peer[i]);

		if (pp->peer[i].address != 0 && pp->peer[i].service == service)
			fn(arg, &a);
	}
}

/* ---- from associations ----------------------------------------------------------------------- */

bool
proxy_peers_has(const struct peel_socks_target *to)
{
	return to->name[0] == '\0' && to->addr.family == PEEL_FAMILY_IPV4 &&
	       service_is_peer(to->addr.ip);
}

void
proxy_peers_send(struct listener *l, unsigned int slot, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	struct proxy_peers *pp = l->peers;
	uint32_t i = find(pp, peel_get_be32(to->addr.ip));
	struct peer *peer = i != PEEL_NONE ? &pp->peer[i] : NULL;
	struct peel_address destination;

	if (peer == NULL || peer->hops != l->hops || to->addr.port != SERVICE_PEER_PORT) {
		peel_stats_add(pp->stats, PEEL_DROP_SOCKS_SEND, 1);
		return;
	}
	if (peer->sent && peer->slot != (int)slot) {
		peel_stats_add(pp->stats, PEEL_DROP_SOCKS_SHARED, 1);
		return;
	}
	peer->slot = (int)slot;
	peer->sent = true;
	destination = address_of(peer);
	if (peel_tunnel_data(l->session->peel, 0, &destination, PEEL_DATA, payload, len) != 0)
		peel_stats_add(pp->stats, PEEL_DROP_SOCKS_SEND, 1);
}

void
proxy_peers_closed(struct listener *l, unsigned int slot)
{
	struct proxy_peers *pp = l->peers;

	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &pp->peer[i];

		if (peer->address != 0 && peer->hops == l->hops && peer->slot == (int)slot) {
			peer->slot = NOBODY;
			peer->sent = false;
		}
	}
}

/* ---- to associations ------------------------------------------------------------------------- */

/* Who gets what a peer sends to whom nobody has sent yet. */
static int
choose(const struct proxy_peers *pp, const struct peer *peer)
{
	const struct listener *l = &pp->listener[peer->hops - 1];
	int best = NOBODY;

	for (uint32_t i = 0; i < PEERS_MAX; i++) {
		const struct peer *other = &pp->peer[i];

		if (other->address != 0 && other->service == peer->service && other->sent)
			return other->slot;
	}
	for (int slot = 0; slot < PEEL_FLOWS_USERS; slot++) {
		if (l->opened[slot] != 0 && peel_socks_reachable(l->assoc[slot]) &&
			(best == NOBODY || l->opened[slot] < l->opened[best]))
			best = slot;
	}
	return best;
}

bool
proxy_peers_take(
	struct proxy_peers *pp, const struct peel_address *origin, const void *payload, size_t len)
{
	struct peel_socks_target from = {.addr.family = PEEL_FAMILY_IPV4};
	uint32_t i;

	/* Exits cannot say such things: libpeel sees to that. */
	if (origin->type != PEEL_ADDRESS_IPV4 || !service_is_peer(origin->ip))
		return false;
	memcpy(from.addr.ip, origin->ip, 4);
	from.addr.port = origin->port;
	i = find(pp, peel_get_be32(origin->ip));
	if (i != PEEL_NONE && pp->peer[i].slot == NOBODY)
		pp->peer[i].slot = choose(pp, &pp->peer[i]);
	if (i == PEEL_NONE || pp->peer[i].slot == NOBODY)
		peel_stats_add(pp->stats, PEEL_DROP_SOCKS_WHOSE, 1);
	else
		(void)peel_socks_deliver(pp->listener[pp->peer[i].hops - 1].assoc[pp->peer[i].slot],
			&from, payload, len);
	return true;
}
