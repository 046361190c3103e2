/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What each circuit may do at this exit. Workers ask the limits; the control thread does for what
 * comes before an exit has its sockets. They are made anew whenever they change.
 */
#include <rte_cycles.h>

#include "parts.h"
#include "status.h"

static void
free_limits(void *arg, uint64_t value)
{
	(void)value;
	peel_circuit_limits_free(arg);
}

static void
publish(struct peel_node *node, struct peel_circuit_limits *fresh)
{
	struct peel_circuit_limits *before = node->circuit_limits;

	node->circuit_limits = fresh;
	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		peel_worker_set_circuit_limits(node->worker[i].worker, fresh);
	/* Workers may still have them, and nothing remembers it: so they stay. */
	if (before != NULL && peel_rcu_defer(node->rcu, free_limits, before, 0) != 0)
		peel_log(PEEL_LOG_ERROR, "out of memory: old limits are lost until a restart");
}

int
node_limit_exits(struct peel_node *node, const struct peel_circuit_limits_settings *s)
{
	struct peel_circuit_limits *fresh = NULL;

	if (peel_circuit_limits_any(s)) {
		int rc = peel_circuit_limits_new(s, node->conf.port_conf.max_endpoints,
			rte_get_tsc_hz(), peel_random_u64(node->env), &fresh);

		if (rc != 0)
			return rc;
	}
	node->conf.circuit = *s;
	if (fresh != node->circuit_limits) /* otherwise there were none, and are none */
		publish(node, fresh);
	return 0;
}

int
node_start_exit_limits(struct peel_node *node)
{
	return node_limit_exits(node, &node->conf.circuit);
}

void
node_stop_exit_limits(struct peel_node *node)
{
	peel_circuit_limits_free(node->circuit_limits); /* workers have ended */
	node->circuit_limits = NULL;
}

bool
node_exit_within(struct peel_node *node, const struct peel_pkt *pkt, uint32_t endpoint,
	const struct peel_host *to)
{
	enum peel_circuit_limits_verdict verdict;

	if (node->circuit_limits == NULL)
		return true;
	verdict = peel_circuit_limits_take(node->circuit_limits, endpoint,
		peel_exit_circuit(pkt->session, pkt->generation), to, rte_rdtsc());
	if (verdict == PEEL_CIRCUIT_LIMITS_MAY)
		return true;
	peel_stats_add(&node->stats,
		verdict == PEEL_CIRCUIT_LIMITS_PACKETS ? PEEL_DROP_CIRCUIT_PACKETS
						       : PEEL_DROP_CIRCUIT_DESTINATIONS,
		1);
	return false;
}

static json_t *
or_null(uint32_t limit)
{
	return limit != 0 ? json_integer(limit) : json_null();
}

json_t *
node_exit_limits_status(const struct peel_node *node)
{
	return json_pack("{s:o, s:o}", "circuit_packets", or_null(node->conf.circuit.packets),
		"circuit_destinations", or_null(node->conf.circuit.destinations));
}
