/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What this node does for hidden services of others.
 */
#include "parts.h"

static void
cb_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	node_send(arg, to, data, len);
}

static bool
cb_public_address(void *arg, struct peel_addr *out)
{
	const struct peel_node *node = arg;

	return peel_overlay_public(node->overlay, out);
}

/* ---- DHTs, sections 19.2, 19.3 and 21.8 ------------------------------------------------------ */

static int
cb_announce(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *here, uint32_t *id)
{
	const struct peel_node *node = arg;

	return peel_providers_announce(node->providers, info_hash, here, id);
}

static void
cb_withdraw(void *arg, uint32_t id)
{
	const struct peel_node *node = arg;

	peel_providers_withdraw(node->providers, id);
}

static int
cb_look_up(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	const struct peel_node *node = arg;

	return peel_providers_look_up(node->providers, info_hash);
}

static void
cb_cancel(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	const struct peel_node *node = arg;

	peel_providers_cancel(node->providers, info_hash);
}

/* Nobody makes us send where our exits would not: into networks of our own, to this machine. */
static bool
cb_may_ask(void *arg, const struct peel_addr *addr)
{
	const struct peel_node *node = arg;

	return peel_policy_destination(peel_own_addresses_policy(node->own_addresses), addr) &&
	       node->conf.port->can_reach(node->port, false, addr);
}

static void
cb_found(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *point, size_t n)
{
	const struct peel_node *node = arg;

	peel_hidden_found(node->hidden, info_hash, point, n);
}

static void
cb_addresses(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN], const struct peel_addr *addr,
	size_t n)
{
	const struct peel_node *node = arg;

	peel_hidden_addresses(node->hidden, info_hash, addr, n);
}

static void
cb_ended(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	const struct peel_node *node = arg;

	peel_hidden_searched(node->hidden, info_hash);
}

static void
cb_peer(void *arg, const uint8_t mid[PEEL_MID_LEN], const struct peel_addr *addr)
{
	node_reach_found(arg, mid, addr);
}

static void
cb_wake(void *arg)
{
	struct peel_node *node = arg;

	uv_async_send(&node->nudge);
}

int
node_start_providers(struct peel_node *node)
{
	struct peel_providers_conf pc = {
		.env = node->env,
		.n = node->conf.n_providers,
		.each = {.env = node->env,
			.dht = node->dht,
			.listen = node->conf.mainline_listen,
			.bootstrap = node->conf.mainline_bootstrap,
			.program = node->conf.provider_program,
			.wake = cb_wake,
			.found = cb_found,
			.addresses = cb_addresses,
			.ended = cb_ended,
			.peer = cb_peer,
			.arg = node},
	};

	memcpy(pc.ops, node->conf.provider, sizeof(pc.ops));
	return peel_providers_new(
		&pc, &node->providers, node->assembly.why, node->assembly.why_size);
}

void
node_stop_providers(struct peel_node *node)
{
	peel_providers_free(node->providers);
}

/* ---- PEX overlays, section 20 ---------------------------------------------------------------- */

static int
cb_pex_start(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	const struct peel_node *node = arg;

	return peel_pex_start(node->pex, info_hash);
}

static void
cb_pex_stop(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	const struct peel_node *node = arg;

	peel_pex_stop(node->pex, info_hash);
}

static size_t
cb_pex_list(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	struct peel_dht_introduction out[PEEL_PEX_LIST_MAX])
{
	const struct peel_node *node = arg;

	return peel_pex_list(node->pex, info_hash, out);
}

static void
cb_pex_keys(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN], struct peel_pex_keys *out)
{
	const struct peel_node *node = arg;

	peel_hidden_keys(node->hidden, info_hash, out);
}

static void
cb_pex_listen(void *arg, const uint8_t prefix[PEEL_PREFIX_LEN], bool on)
{
	const struct peel_node *node = arg;

	if (on)
		peel_listen_add(node->listen, prefix);
	else
		peel_listen_del(node->listen, prefix);
}

/* ---- life ------------------------------------------------------------------------------------ */

int
node_start_hidden(struct peel_node *node)
{
	struct peel_hidden_conf hc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.or_circuits = node->or_circuits,
		.max_joined_circuits = node->conf.tunnel.max_joined_circuits,
		.send = cb_send,
		.public_address = cb_public_address,
		.announce = cb_announce,
		.withdraw = cb_withdraw,
		.look_up = cb_look_up,
		.cancel = cb_cancel,
		.pex_start = cb_pex_start,
		.pex_stop = cb_pex_stop,
		.pex_list = cb_pex_list,
		.may_ask = cb_may_ask,
		.arg = node,
	};
	const struct peel_pex_conf pc = {
		.overlay = node->overlay,
		.max = PEEL_HIDDEN_INTRODUCTIONS_MAX,
		.keys = cb_pex_keys,
		.listen = cb_pex_listen,
		.arg = node,
	};
	int rc = peel_pex_new(&pc, &node->pex);

	if (rc != 0)
		return rc;
	if (node->conf.n_providers == 0) {
		hc.announce = NULL;
		hc.look_up = NULL;
	}
	memcpy(hc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(hc.prefix));
	return peel_hidden_new(&hc, &node->hidden);
}

void
node_stop_hidden(struct peel_node *node)
{
	peel_hidden_free(node->hidden);
	peel_pex_free(node->pex);
}
