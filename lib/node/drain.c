/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Letting the circuits of others end before the node does: no new ones, and nobody is asked to
 * choose this node any more.
 */
#include <errno.h>

#include "status.h"

#define LOOK_MS 100 /* between two looks at what is left */

static uint32_t
circuits_left(const struct peel_node *node)
{
	struct peel_or_count count;

	peel_or_count(node->or_circuits, &count);
	return count.exits + count.relays + count.rendezvous;
}

void
node_announce(struct peel_node *node)
{
	bool drain = node_closes(node);
	uint16_t flags = drain ? 0 : node->conf.tunnel.peer_flags;

	peel_or_drain(node->or_circuits, drain);
	peel_hidden_drain(node->hidden, drain);
	peel_overlay_flags(node->overlay, flags);
	peel_dht_store_peer(node->dht, (flags & PEEL_FLAG_RELAY) != 0);
}

uint32_t
peel_node_drain(struct peel_node *node, uint64_t limit_ms)
{
	uint32_t left = circuits_left(node);

	node->drain.until_ms = peel_now_ms(node->env) + limit_ms;
	node->drain.on = true;
	node_announce(node);
	peel_log(PEEL_LOG_INFO, "draining: %u circuit%s of others left, at most %llu s", left,
		left == 1 ? "" : "s", (unsigned long long)(limit_ms / 1000));
	return left;
}

int
peel_node_drain_cancel(struct peel_node *node)
{
	if (!node->drain.on)
		return -ENOENT;
	node->drain.on = node->drain.over = false;
	node_announce(node);
	peel_log(PEEL_LOG_INFO, "draining no more: new circuits are %s",
		node_closes(node) ? "still refused, for a limit of [accounting]" : "welcome");
	return 0;
}

bool
peel_node_draining(const struct peel_node *node)
{
	return node->drain.on;
}

bool
peel_node_drained(const struct peel_node *node)
{
	return node->drain.over;
}

uint64_t
node_drain_tick(struct peel_node *node)
{
	uint32_t left;

	if (!node->drain.on || node->drain.over)
		return UINT64_MAX;
	left = circuits_left(node);
	if (left > 0 && peel_now_ms(node->env) < node->drain.until_ms)
		return LOOK_MS;
	if (left > 0)
		peel_log(PEEL_LOG_INFO, "drained as long as allowed: %u circuit%s of others end%s",
			left, left == 1 ? "" : "s", left == 1 ? "s" : "");
	else
		peel_log(PEEL_LOG_INFO, "drained: no circuits of others are left");
	node->drain.over = true;
	return UINT64_MAX;
}

json_t *
node_drain_status(const struct peel_node *node)
{
	uint64_t now = peel_now_ms(node->env), until = node->drain.until_ms;

	if (!node->drain.on)
		return json_null();
	return json_pack("{s:I, s:I}", "circuits", (json_int_t)circuits_left(node), "left_ms",
		(json_int_t)(until > now ? until - now : 0));
}
