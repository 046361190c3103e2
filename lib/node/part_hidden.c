/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What this node does for hidden services of others.
 */
#include <time.h>

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

/* ---- the DHT, sections 19.2, 19.3 and 21.8 --------------------------------------------------- */

static int
cb_announce(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN],
	const struct peel_dht_introduction *here, uint32_t *id)
{
	const struct peel_node *node = arg;
	struct peel_dht_introduction introduction = *here;
	uint8_t data[PEEL_DHT_VALUE_MAX];
	struct peel_writer w = peel_writer_init(data, sizeof(data));

	introduction.last_seen = (uint32_t)time(NULL);
	peel_dht_introduction_write(&w, &introduction);
	return peel_dht_publish(
		node->dht, info_hash, (struct peel_span){data, (size_t)peel_writer_len(&w)}, 0, id);
}

static void
cb_withdraw(void *arg, uint32_t id)
{
	const struct peel_node *node = arg;

	peel_dht_withdraw(node->dht, id);
}

static void
on_found(void *arg, uint64_t token, const struct peel_dht_result *result)
{
	const struct peel_node *node = arg;

	(void)token;
	peel_hidden_found(node->hidden, result->target, result->value, result->n_values);
}

static int
cb_look_up(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	struct peel_node *node = arg;

	return peel_dht_find(node->dht, info_hash, 0, on_found, node, 0);
}

static void
cb_cancel(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN])
{
	const struct peel_node *node = arg;

	peel_dht_cancel(node->dht, info_hash, on_found, node);
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
	memcpy(hc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(hc.prefix));
	return peel_hidden_new(&hc, &node->hidden);
}

void
node_stop_hidden(struct peel_node *node)
{
	peel_hidden_free(node->hidden);
	peel_pex_free(node->pex);
}
