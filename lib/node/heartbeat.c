/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What somebody who reads only the log should know: a line every few hours, and one when the state
 * changes. No line names an address.
 */
#include <inttypes.h>

#include "status.h"

#define LOOK_MS 1000
#define OVERLOAD_ENDS_MS 60000 /* without a drop for want of room */
#define UNRESOLVED_MS 30000    /* resolvers have been asked several times by then */

/* Drops because this machine is too slow, not because of what somebody sent. */
static uint64_t
overflows(const struct peel_node *node)
{
	return node_counter(node, PEEL_DROP_CONTROL_FULL) + node_counter(node, PEEL_DROP_OWN_FULL) +
	       node_counter(node, PEEL_DROP_NO_BUFFER);
}

static void
look_at_circuits(struct peel_node *node, uint64_t max)
{
	struct peel_or_count n;
	uint64_t places;

	if (!node->heartbeat.joined && node_counter(node, PEEL_CREATE_ACCEPTED) > 0) {
		node->heartbeat.joined = true;
		peel_log(PEEL_LOG_INFO, "joined the first circuit of another node");
	}
	peel_or_count(node->or_circuits, &n);
	places = n.exits - n.unproved + n.rendezvous + 2 * (uint64_t)n.relays;
	if (!node->heartbeat.full && max > 0 && places >= max) {
		node->heartbeat.full = true;
		peel_log(PEEL_LOG_WARNING, "full: max_joined_circuits (%" PRIu64 ") is reached",
			max);
	} else if (node->heartbeat.full && places <= max - max / 4) {
		node->heartbeat.full = false;
		peel_log(PEEL_LOG_INFO, "no longer full: new circuits are joined again");
	}
}

static void
look_at_overflows(struct peel_node *node, uint64_t now)
{
	uint64_t n = overflows(node);

	if (n > node->heartbeat.overflows) {
		if (node->heartbeat.overflow_ms == 0)
			peel_log(PEEL_LOG_WARNING, "overload: datagrams are dropped because rings "
						   "or buffers are full");
		node->heartbeat.overflow_ms = now;
	} else if (node->heartbeat.overflow_ms != 0 &&
		   now - node->heartbeat.overflow_ms >= OVERLOAD_ENDS_MS) {
		node->heartbeat.overflow_ms = 0;
		peel_log(PEEL_LOG_INFO, "no longer overloaded");
	}
	node->heartbeat.overflows = n;
}

/* Names that lead to no address: the node may be alone after the next restart. */
static void
look_at_bootstrap(struct peel_node *node, uint64_t now)
{
	unsigned int servers, unknown;

	peel_bootstrap_count(node->bootstrap, &servers, &unknown);
	if (unknown == 0 || node->heartbeat.resolved_ms == 0)
		node->heartbeat.resolved_ms = now;
	if (!node->heartbeat.unresolved && now - node->heartbeat.resolved_ms >= UNRESOLVED_MS) {
		node->heartbeat.unresolved = true;
		peel_log(PEEL_LOG_WARNING,
			"%u of %u bootstrap servers have names that do not resolve: check "
			"`bootstrap` in [discovery] and `dns_servers` in [exit]",
			unknown, servers);
	} else if (node->heartbeat.unresolved && unknown == 0) {
		node->heartbeat.unresolved = false;
		peel_log(PEEL_LOG_INFO, "all bootstrap servers have addresses now");
	}
}

static void
beat(struct peel_node *node, uint64_t now)
{
	uint64_t minutes = (now - node->status.started_ms) / 60000;
	struct peel_or_count n;
	char used[128];

	peel_or_count(node->or_circuits, &n);
	peel_log(PEEL_LOG_INFO,
		"heartbeat: up %" PRIu64 ":%02" PRIu64
		" h, circuits of others: %u end here, %u relayed, %u at a rendezvous, %" PRIu64
		" joined so far; %zu peers; %" PRIu64 " MiB received, %" PRIu64 " MiB sent%s",
		minutes / 60, minutes % 60, n.exits, n.relays, n.rendezvous,
		node_counter(node, PEEL_CREATE_ACCEPTED),
		peel_overlay_count(node->overlay, PEEL_COMMUNITY_TUNNEL),
		node_counter(node, PEEL_RX_BYTES) >> 20, node_counter(node, PEEL_TX_BYTES) >> 20,
		node_accounting_text(node, used, sizeof(used)));
}

/* "8 circuits end here, 2 relayed" ... */
static void
list_circuits(const struct peel_node *node, char *out, size_t size)
{
	struct peel_origin_count own;
	struct peel_or_count n;
	int len;

	peel_or_count(node->or_circuits, &n);
	len = snprintf(out, size, "%u circuit%s here, %u relayed", n.exits,
		n.exits == 1 ? " ends" : "s end", n.relays);
	if (n.rendezvous > 0)
		len += snprintf(
			out + len, size - (size_t)len, ", %u at a rendezvous", n.rendezvous);
	if (node->origin_circuits != NULL) {
		peel_origin_count(node->origin_circuits, &own);
		snprintf(out + len, size - (size_t)len, ", %u of our own", own.ready);
	}
}

const char *
peel_node_summary(const struct peel_node *node, char *out, size_t size)
{
	const char *state = node->drain.on		  ? "draining: "
			    : node->heartbeat.full	  ? "full: "
			    : node->heartbeat.overflow_ms ? "overloaded: "
							  : "";
	char circuits[160];

	list_circuits(node, circuits, sizeof(circuits));
	snprintf(out, size, "%s%s; %zu peers; %" PRIu64 " kB/s in, %" PRIu64 " kB/s out", state,
		circuits, peel_overlay_count(node->overlay, PEEL_COMMUNITY_TUNNEL),
		node_rate(node, PEEL_RX_BYTES) / 1000, node_rate(node, PEEL_TX_BYTES) / 1000);
	return out;
}

uint64_t
node_heartbeat_tick(struct peel_node *node)
{
	uint64_t now = peel_now_ms(node->env), every = (uint64_t)node->conf.heartbeat * 1000;

	if (now < node->heartbeat.look_ms)
		return node->heartbeat.look_ms - now;
	node->heartbeat.look_ms = now + LOOK_MS;
	look_at_circuits(node, node->conf.tunnel.max_joined_circuits);
	look_at_overflows(node, now);
	look_at_bootstrap(node, now);
	if (node->heartbeat.beat_ms == 0)
		node->heartbeat.beat_ms = now;
	if (every != 0 && now - node->heartbeat.beat_ms >= every) {
		node->heartbeat.beat_ms = now;
		beat(node, now);
	}
	return LOOK_MS;
}
