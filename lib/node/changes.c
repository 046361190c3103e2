/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Settings that change while the node runs. Workers see the new exit policy once it is published
 * (lib/own_addresses); everything else belongs to the control thread.
 */
#include "node.h"

void
node_policy(const struct peel_node *node, struct peel_policy *out)
{
	*out = node->conf.policy;
	out->flags = node->conf.tunnel.peer_flags;
	memcpy(out->prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], PEEL_PREFIX_LEN);
}

int
peel_node_reload(struct peel_node *node, const struct peel_node_conf *conf)
{
	struct peel_policy policy;
	int rc = peel_or_change(node->or_circuits, &conf->tunnel);

	if (rc != 0)
		return rc;
	peel_or_settings(node->or_circuits, &node->conf.tunnel);
	node->conf.policy = conf->policy;
	node->conf.max_peers = conf->max_peers;
	node->conf.walk_target = conf->walk_target;
	if (node->origin_circuits != NULL)
		peel_origin_change(node->origin_circuits, &conf->originator);
	peel_overlay_limits(node->overlay, conf->max_peers, conf->walk_target);
	node_policy(node, &policy);
	peel_own_addresses_change(node->own_addresses, &policy);
	node_announce(node);
	return 0;
}
