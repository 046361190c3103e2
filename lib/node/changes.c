/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What an operator changes while the node runs: settings, and circuits that are to end. Workers see
 * the new exit policy once it is published (lib/own_addresses), and what they may answer speed
 * tests with; everything else belongs to the control thread.
 */
#include "node.h"
#include "peel_dns.h"

void
node_policy(const struct peel_node *node, struct peel_policy *out)
{
	*out = node->conf.policy;
	out->flags = node->conf.tunnel.peer_flags;
	memcpy(out->prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], PEEL_PREFIX_LEN);
}

static bool
has_name(const struct peel_node_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->n_bootstrap_names; i++) {
		if (strcmp(conf->bootstrap_name[i], name) == 0)
			return true;
	}
	return false;
}

/* Servers that the program added by itself stay. */
static void
change_bootstrap(struct peel_node *node, const struct peel_node_conf *conf)
{
	struct peel_node_conf *mine = &node->conf;

	for (size_t i = 0; i < mine->n_bootstrap_names; i++) {
		if (!has_name(conf, mine->bootstrap_name[i]))
			peel_bootstrap_remove(node->bootstrap, mine->bootstrap_name[i]);
	}
	peel_bootstrap_fix(node->bootstrap, conf->bootstrap, conf->n_bootstrap);
	for (size_t i = 0; i < conf->n_bootstrap_names; i++)
		(void)peel_bootstrap_add(node->bootstrap, conf->bootstrap_name[i]);
	memcpy(mine->bootstrap, conf->bootstrap, sizeof(mine->bootstrap));
	mine->n_bootstrap = conf->n_bootstrap;
	memcpy(mine->bootstrap_name, conf->bootstrap_name, sizeof(mine->bootstrap_name));
	mine->n_bootstrap_names = conf->n_bootstrap_names;
}

/* Resolvers that do not change are not asked anew for what they have told. */
static int
change_dns(struct peel_node *node, const struct peel_node_conf *conf)
{
	struct peel_node_conf *mine = &node->conf;
	int rc;

	if (conf->n_dns == mine->n_dns && conf->dns_timeout_ms == mine->dns_timeout_ms &&
		memcmp(conf->dns, mine->dns, sizeof(mine->dns)) == 0)
		return 0;
	rc = peel_dns_change(node->dns, conf->dns, conf->n_dns, conf->dns_timeout_ms);
	if (rc != 0)
		return rc;
	memcpy(mine->dns, conf->dns, sizeof(mine->dns));
	mine->n_dns = conf->n_dns;
	mine->dns_timeout_ms = conf->dns_timeout_ms;
	return 0;
}

static void
change_exits(struct peel_node *node, const struct peel_node_conf *conf)
{
	node->conf.exit_queue = conf->exit_queue;
	node->conf.http_max = conf->http_max;
	node->conf.test_rate = conf->test_rate;
	node->conf.test_response_max = conf->test_response_max;
	peel_names_queue_max(node->names, conf->exit_queue);
	peel_http_serve_max(node->http_serve, conf->http_max);
	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		peel_worker_set_tests(
			node->worker[i].worker, conf->test_rate, conf->test_response_max);
}

/* New limits begin with full buckets and empty accounts, so not without need. */
static int
change_rates(struct peel_node *node, const struct peel_bandwidth_settings *bandwidth,
	const struct peel_circuit_limits_settings *circuit)
{
	int rc = 0;

	if (memcmp(&node->conf.bandwidth, bandwidth, sizeof(*bandwidth)) != 0)
		rc = node_limit(node, bandwidth);
	if (rc == 0 && memcmp(&node->conf.circuit, circuit, sizeof(*circuit)) != 0)
		rc = node_limit_exits(node, circuit);
	return rc;
}

/* What may fail: all of it changes, or nothing. */
static int
change_limits(struct peel_node *node, const struct peel_node_conf *conf)
{
	struct peel_bandwidth_settings bandwidth = node->conf.bandwidth;
	struct peel_circuit_limits_settings circuit = node->conf.circuit;
	int rc = peel_or_change(node->or_circuits, &conf->tunnel);

	if (rc != 0)
		return rc;
	rc = change_rates(node, &conf->bandwidth, &conf->circuit);
	if (rc == 0)
		rc = change_dns(node, conf);
	if (rc == 0)
		return 0;
	/* They were in force a moment ago. */
	(void)!change_rates(node, &bandwidth, &circuit);
	(void)!peel_or_change(node->or_circuits, &node->conf.tunnel);
	return rc;
}

int
peel_node_reload(struct peel_node *node, const struct peel_node_conf *conf)
{
	struct peel_policy policy;
	int rc = change_limits(node, conf);

	if (rc != 0)
		return rc;
	peel_or_settings(node->or_circuits, &node->conf.tunnel);
	change_bootstrap(node, conf);
	change_exits(node, conf);
	node->conf.policy = conf->policy;
	node->conf.max_peers = conf->max_peers;
	node->conf.walk_target = conf->walk_target;
	node->conf.heartbeat = conf->heartbeat;
	if (node->origin_circuits != NULL)
		peel_origin_change(node->origin_circuits, &conf->originator);
	peel_overlay_limits(node->overlay, conf->max_peers, conf->walk_target);
	node_policy(node, &policy);
	peel_own_addresses_change(node->own_addresses, &policy);
	node->conf.accounting = conf->accounting;
	node_accounting_look(node);
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
