/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The state machines of the control plane, and the callbacks that connect them.
 */
#include <rte_cycles.h>

#include "parts.h"

#define PEERS_MIN 4096 /* minimum of peers remembered in all overlays together */

static void
cb_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	node_send(arg, to, data, len);
}

static void
cb_send_limited(
	void *arg, uint32_t session, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	node_send_limited(arg, session, to, data, len);
}

static void
cb_public_changed(void *arg, const struct peel_addr *address)
{
	char text[PEEL_ADDR_TEXT_MAX];
	struct peel_node *node = arg;

	peel_log(PEEL_LOG_INFO, "public address: %s", peel_addr_text(address, text));
	peel_own_addresses_public(node->own_addresses, address);
	peel_dht_address(node->dht, address);
}

static void
cb_met(void *arg, enum peel_community c, const struct peel_addr *addr,
	const uint8_t pk[PEEL_PK_LEN])
{
	struct peel_node *node = arg;

	if (c == PEEL_COMMUNITY_DHT)
		peel_dht_met(node->dht, addr, pk);
}

static void
target_from_peer(struct peel_target *t, const struct peel_peer *p)
{
	memcpy(t->pk, p->pk, sizeof(t->pk));
	t->addr = p->addr;
	t->flags = p->flags;
	t->last_heard_ms = p->last_heard_ms;
}

static size_t
cb_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	struct peel_node *node = arg;
	struct peel_peer peers[PEEL_CANDIDATES_MAX];

	n = peel_overlay_candidates(
		node->overlay, all, none, peers, n < PEEL_CANDIDATES_MAX ? n : PEEL_CANDIDATES_MAX);
	for (size_t i = 0; i < n; i++)
		target_from_peer(&out[i], &peers[i]);
	return n;
}

static bool
cb_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	struct peel_node *node = arg;
	struct peel_peer peer;

	if (!peel_overlay_find(node->overlay, pk, &peer))
		return false;
	target_from_peer(out, &peer);
	return true;
}

static bool
cb_proved(void *arg, const struct peel_addr *addr)
{
	struct peel_node *node = arg;

	return peel_overlay_proved(node->overlay, addr);
}

/* Somebody's answer from an address does not vouch for others who claim it. */
static bool
cb_dht_proved(void *arg, const struct peel_addr *addr, const uint8_t pk[PEEL_PK_LEN])
{
	struct peel_node *node = arg;
	struct peel_peer peer;

	return peel_overlay_find(node->overlay, pk, &peer) && peel_addr_equal(&peer.addr, addr);
}

static bool
cb_scarce(void *arg)
{
	const struct peel_node *node = arg;

	return node->bandwidth != NULL && peel_bandwidth_scarce(node->bandwidth, rte_rdtsc());
}

static int
cb_reach(void *arg, const struct peel_addr *to, const uint8_t pk[PEEL_PK_LEN], uint64_t token)
{
	return node_reach(arg, to, pk, token);
}

static uint64_t
cb_clock_ns(void)
{
	return uv_hrtime();
}

/* Helpers do not wait for this thread to look by itself: they would soon have nothing to do. */
static void
cb_handshakes_done(void *arg)
{
	struct peel_node *node = arg;

	uv_async_send(&node->wake);
}

int
node_start_handshakes(struct peel_node *node)
{
	const struct peel_handshake_queue_conf conf = {
		.threads = node->conf.handshake_threads,
		.env = node->env,
		.identity = &node->identity,
		.key_pairs = true,
		.done = cb_handshakes_done,
		.arg = node,
	};

	return conf.threads > 0 ? peel_handshake_queue_new(&conf, &node->handshake_queue) : 0;
}

void
node_stop_handshakes(struct peel_node *node)
{
	peel_handshake_queue_free(node->handshake_queue);
}

int
node_start_control(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	struct peel_overlay_conf oc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.flags = conf->tunnel.peer_flags,
		.max_peers = conf->max_peers,
		/* Not every peer is in every community. */
		.peers_max =
			conf->max_peers > PEERS_MIN / 2 ? 2 * (uint32_t)conf->max_peers : PEERS_MIN,
		.walk_target = conf->walk_target,
		.lan = node->local,
		.public_address = conf->public_address,
		.bootstrap = conf->bootstrap,
		.n_bootstrap = conf->n_bootstrap,
		.send = cb_send,
		.public_changed = cb_public_changed,
		.met = cb_met,
		.banned = node_banned,
		.arg = node,
	};
	struct peel_dht_conf dc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.lan = node->local,
		.send = cb_send,
		.proved = cb_dht_proved,
		.arg = node,
	};
	struct peel_or_conf cc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.handshakes = &node->status.handshakes,
		.clock_ns = cb_clock_ns,
		.handshake_queue = node->handshake_queue,
		.routes = node->routes,
		.settings = conf->tunnel,
		.send = cb_send,
		.send_limited = cb_send_limited,
		.candidates = cb_candidates,
		.find_peer = cb_find_peer,
		.proved = cb_proved,
		.banned = node_banned,
		.scarce = cb_scarce,
		.reach = cb_reach,
		.exit_gone = node_exit_gone,
		.arg = node,
	};
	struct peel_origin_conf tc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.routes = node->routes,
		.send = cb_send,
		.candidates = cb_candidates,
		.find_peer = cb_find_peer,
		.banned = node_banned,
		.arg = node,
	};
	int rc;

	memcpy(tc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(tc.prefix));
	memcpy(oc.community, conf->community, sizeof(oc.community));
	memcpy(dc.community, conf->community[PEEL_COMMUNITY_DHT], sizeof(dc.community));
	memcpy(cc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(cc.prefix));
	rc = peel_overlay_new(&oc, &node->overlay);
	if (rc == 0)
		rc = peel_dht_new(&dc, &node->dht);
	if (rc == 0 && conf->public_address.family != PEEL_FAMILY_NONE)
		peel_dht_address(node->dht, &conf->public_address);
	if (rc == 0)
		node_dht_state_open(node);
	/* A node that is asked to extend to us finds us by our member id, even behind a NAT. */
	if (rc == 0)
		peel_dht_store_peer(node->dht, (conf->tunnel.peer_flags & PEEL_FLAG_RELAY) != 0);
	if (rc == 0)
		rc = peel_or_new(&cc, &node->or_circuits);
	if (rc == 0) {
		peel_or_exits(node->or_circuits, &node->exits);
		rc = node_origin_new(node, &tc);
	}
	return rc;
}

void
node_stop_control(struct peel_node *node)
{
	peel_origin_free(node->origin_circuits);
	peel_or_free(node->or_circuits);
	node_dht_state_close(node);
	peel_dht_free(node->dht);
	peel_overlay_free(node->overlay);
}
