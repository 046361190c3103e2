/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The services that this node uses itself.
 */
#include "parts.h"

static void
cb_peer(void *arg, uint32_t swarm, peel_origin_id circuit, bool connected)
{
	node_peer_changed(arg, swarm, circuit, connected);
}

int
node_start_swarm(struct peel_node *node)
{
	struct peel_swarms_conf sc = {
		.env = node->env,
		.stats = &node->stats,
		.origin_circuits = node->origin_circuits,
		.settings = node->conf.swarm,
		.identity = &node->identity,
		.peer = cb_peer,
		.arg = node,
	};

	if (node->origin_circuits == NULL)
		return 0;
	memcpy(sc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(sc.prefix));
	return peel_swarms_new(&sc, &node->swarms);
}

void
node_stop_swarm(struct peel_node *node)
{
	peel_swarms_free(node->swarms);
	node->swarms = NULL;
}
