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
		.arg = node,
	};

	memcpy(hc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(hc.prefix));
	return peel_hidden_new(&hc, &node->hidden);
}

void
node_stop_hidden(struct peel_node *node)
{
	peel_hidden_free(node->hidden);
}
