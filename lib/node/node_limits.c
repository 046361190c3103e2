/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Limits of what this node sends: made anew whenever they change, and published to all workers. The
 * old ones are freed after a grace period.
 */
#include <rte_cycles.h>

#include "parts.h"
#include "status.h"

static void
free_limits(void *arg, uint64_t value)
{
	(void)value;
	peel_bandwidth_free(arg);
}

static void
publish(struct peel_node *node, struct peel_bandwidth *fresh)
{
	struct peel_bandwidth *before = node->bandwidth;

	node->bandwidth = fresh;
	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		peel_worker_set_bandwidth(node->worker[i].worker, fresh);
	/* Workers may still have them, and nothing remembers it: so they stay. */
	if (before != NULL && peel_rcu_defer(node->rcu, free_limits, before, 0) != 0)
		peel_log(PEEL_LOG_ERROR, "out of memory: old limits are lost until a restart");
}

int
node_limit(struct peel_node *node, const struct peel_bandwidth_settings *s)
{
	struct peel_bandwidth *fresh = NULL;

	if (peel_bandwidth_any(s)) {
		int rc = peel_bandwidth_new(
			s, peel_session_limit(node->routes), rte_get_tsc_hz(), rte_rdtsc(), &fresh);

		if (rc != 0)
			return rc;
	}
	node->conf.bandwidth = *s;
	if (fresh != node->bandwidth) /* otherwise there were none, and are none */
		publish(node, fresh);
	return 0;
}

int
node_start_limits(struct peel_node *node)
{
	return node_limit(node, &node->conf.bandwidth);
}

void
node_stop_limits(struct peel_node *node)
{
	peel_bandwidth_free(node->bandwidth); /* workers have ended */
	node->bandwidth = NULL;
}

json_t *
node_limits_status(const struct peel_node *node)
{
	json_t *o = json_object();

	for (int i = 0; i < PEEL_N_BANDWIDTHS; i++) {
		const struct peel_bandwidth_limit *limit = &node->conf.bandwidth.limit[i];
		json_t *row = json_null();

		if (limit->rate != 0)
			row = json_pack("{s:I, s:I}", "rate", (json_int_t)limit->rate, "burst",
				(json_int_t)peel_bandwidth_burst(limit));
		if (limit->rate != 0 && i != PEEL_BANDWIDTH_CIRCUIT)
			json_object_set_new(row, "level",
				json_integer(peel_bandwidth_level(node->bandwidth,
					(enum peel_bandwidth_kind)i, rte_rdtsc())));
		json_object_set_new(o, peel_bandwidth_name[i], row);
	}
	return o;
}
