/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What an operator changes while the node runs: settings, and circuits that are to end. Workers see
 * the new exit policy once it is published (lib/own_addresses); everything else belongs to the
 * control thread.
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
	node->conf.heartbeat = conf->heartbeat;
	if (node->origin_circuits != NULL)
		peel_origin_change(node->origin_circuits, &conf->originator);
	peel_overlay_limits(node->overlay, conf->max_peers, conf->walk_target);
	node_policy(node, &policy);
	peel_own_addresses_change(node->own_addresses, &policy);
	node_announce(node);
	return 0;
}

#define CLOSE_MAX 8 /* own circuits with the same id, at different first hops */

struct wanted {
	uint32_t cid;
	peel_origin_id id[CLOSE_MAX];
	unsigned int n;
};

static void
find(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	struct wanted *w = arg;

	if (info->cid == w->cid && info->state != PEEL_ORIGIN_CLOSING && w->n < CLOSE_MAX)
		w->id[w->n++] = id;
}

unsigned int
peel_node_close(struct peel_node *node, uint32_t cid)
{
	unsigned int n = peel_or_close(node->or_circuits, cid);
	struct wanted own = {.cid = cid};

	if (node->origin_circuits != NULL)
		peel_origin_dump(node->origin_circuits, find, &own);
	for (unsigned int i = 0; i < own.n; i++)
		n += peel_origin_close(node->origin_circuits, own.id[i]) == 0;
	return n;
}
