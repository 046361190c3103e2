/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Before a circuit is extended to a node that we have not heard lately, it is pinged, section 21.9.
 * If it stays silent and a DHT says that it is somewhere else, it is sought there.
 */
#include "node.h"

static struct node_reach *
reach_of(struct peel_node *node, uint64_t token)
{
	for (size_t i = 0; i < NODE_REACHES; i++) {
		struct node_reach *r = &node->reach[i];

		if (r->used && r->token == token)
			return r;
	}
	return NULL;
}

/* In any case it goes on: where the originator says, or where a DHT has found the node. */
static void
on_ping(void *arg, uint64_t token, bool answered)
{
	struct peel_node *node = arg;
	struct node_reach *r = reach_of(node, token);
	struct peel_addr at = {.family = PEEL_FAMILY_NONE};

	if (r != NULL) {
		at = r->found;
		r->used = false;
	}
	peel_or_reached(
		node->or_circuits, token, !answered && at.family != PEEL_FAMILY_NONE ? &at : NULL);
}

int
node_reach(struct peel_node *node, const struct peel_addr *to, const uint8_t pk[PEEL_PK_LEN],
	uint64_t token)
{
	int rc = peel_dht_ping(node->dht, to, on_ping, node, token);
	struct node_reach *r = node->reach;
	uint8_t mid[PEEL_MID_LEN];

	if (rc != 0)
		return rc;
	while (r < node->reach + NODE_REACHES && r->used)
		r++;
	peel_mid(pk, PEEL_PK_LEN, mid);
	if (r == node->reach + NODE_REACHES || peel_providers_find_peer(node->providers, mid) == 0)
		return 0;
	*r = (struct node_reach){.used = true, .token = token};
	memcpy(r->mid, mid, sizeof(r->mid));
	return 0;
}

void
node_reach_found(
	struct peel_node *node, const uint8_t mid[PEEL_MID_LEN], const struct peel_addr *addr)
{
	for (size_t i = 0; addr != NULL && i < NODE_REACHES; i++) {
		struct node_reach *r = &node->reach[i];

		if (r->used && memcmp(r->mid, mid, sizeof(r->mid)) == 0)
			r->found = *addr;
	}
}
