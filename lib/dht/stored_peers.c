/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Peers that asked us to tell others where they are, as long as they keep in touch. Each has proved
 * its address by a token. Source: protocol section 21.9.
 */
#include <errno.h>
#include <stdlib.h>

#include "dht_internal.h"

#define DRAWN 16u

int
dht_peers_init(struct dht_stored_peers *t)
{
	t->peer = calloc(DHT_PEERS_MAX, sizeof(*t->peer));
	return t->peer == NULL ? -ENOMEM : 0;
}

void
dht_peers_fini(struct dht_stored_peers *t)
{
	free(t->peer);
}

static void
drop(struct dht_stored_peers *t, struct dht_stored_peer *p)
{
	--*dht_share(&t->shares, p->source);
	p->live = false;
	t->n--;
}

/* One that is free, or that of a source with more than the newcomer's, among a few drawn. */
static struct dht_stored_peer *
place(struct dht_stored_peers *t, const struct peel_env *env, uint64_t source)
{
	uint16_t most = *dht_share(&t->shares, source);
	struct dht_stored_peer *victim = NULL;

	if (t->n < DHT_PEERS_MAX) {
		for (uint32_t i = 0; i < DHT_PEERS_MAX; i++) {
			if (!t->peer[i].live)
				return &t->peer[i];
		}
	}
	for (uint32_t i = 0; i < DRAWN; i++) {
		struct dht_stored_peer *p = &t->peer[peel_random_below(env, DHT_PEERS_MAX)];
		uint16_t share = *dht_share(&t->shares, p->source);

		if (share > most) {
			most = share;
			victim = p;
		}
	}
	if (victim != NULL)
		drop(t, victim);
	return victim;
}

int
dht_peers_put(
	struct dht_stored_peers *t, const struct peel_env *env, const struct dht_stored_peer *peer)
{
	struct dht_stored_peer *p;
	unsigned int n = 0;

	for (uint32_t i = 0; i < DHT_PEERS_MAX; i++) {
		p = &t->peer[i];
		if (!p->live || memcmp(p->mid, peer->mid, PEEL_MID_LEN) != 0)
			continue;
		if (peel_addr_equal(&p->is.addr, &peer->is.addr)) {
			p->asked_ms = peer->asked_ms;
			return 0;
		}
		n++;
	}
	if (n >= PEEL_DHT_NODES_MAX || *dht_share(&t->shares, peer->source) >= DHT_PEERS_PER_SOURCE)
		return -ENOSPC;
	p = place(t, env, peer->source);
	if (p == NULL)
		return -ENOSPC;
	*p = *peer;
	p->live = true;
	t->n++;
	++*dht_share(&t->shares, p->source);
	return 0;
}

void
dht_peers_came(struct dht_stored_peers *t, const uint8_t mid[PEEL_MID_LEN], uint64_t now)
{
	for (uint32_t i = 0; i < DHT_PEERS_MAX && t->n > 0; i++) {
		if (t->peer[i].live && memcmp(t->peer[i].mid, mid, PEEL_MID_LEN) == 0)
			t->peer[i].asked_ms = now;
	}
}

size_t
dht_peers_get(const struct dht_stored_peers *t, const uint8_t mid[PEEL_MID_LEN], uint64_t now,
	const struct peel_dht_node **out, size_t max)
{
	size_t n = 0;

	for (uint32_t i = 0; i < DHT_PEERS_MAX && n < max && t->n > 0; i++) {
		const struct dht_stored_peer *p = &t->peer[i];

		if (p->live && now - p->asked_ms < DHT_PEER_LIFE_MS &&
			memcmp(p->mid, mid, PEEL_MID_LEN) == 0)
			out[n++] = &p->is;
	}
	return n;
}

void
dht_peers_tick(struct dht_stored_peers *t, uint64_t now)
{
	for (uint32_t i = 0; i < DHT_PEERS_MAX && t->n > 0; i++) {
		if (t->peer[i].live && now - t->peer[i].asked_ms >= DHT_PEER_LIFE_MS)
			drop(t, &t->peer[i]);
	}
}
