/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Services on the node's loop beside the state machines: own addresses, names, HTTP, management.
 */
#include <stdio.h>

#include "hosts.h"
#include "parts.h"
#include "peel_dns.h"
#include "status.h"

#define NAMES_WAITING_SHARE 8 /* one in this many packet buffers may wait for names */

/* Make the loop recompute its timers. */
static void
cb_nudge(void *arg)
{
	struct peel_node *node = arg;

	uv_async_send(&node->nudge);
}

static void
cb_wake_workers(void *arg)
{
	node_wake_workers(arg);
}

static void
cb_policy(void *arg, const struct peel_policy *policy)
{
	struct peel_node *node = arg;

	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].worker != NULL) /* not yet while the node is being built */
			peel_worker_set_policy(node->worker[i].worker, policy);
	}
}

int
node_start_own_addresses(struct peel_node *node)
{
	const struct peel_port_conf *pc = &node->conf.port_conf;
	struct peel_own_addresses_conf oc = {
		.loop = &node->loop,
		.env = node->env,
		.rcu = node->rcu,
		.named = {{node->local, "listen"}, {pc->exit_ipv4, "exit_address"},
			{pc->exit_ipv6, "exit_address6"}, {.addr = pc->address6},
			{.addr = node->conf.public_address}},
		.publish = cb_policy,
		.changed = cb_nudge,
		.arg = node,
	};

	node_policy(node, &oc.policy);
	return peel_own_addresses_new(&oc, &node->own_addresses);
}

void
node_stop_own_addresses(struct peel_node *node)
{
	peel_own_addresses_free(node->own_addresses);
}

/* Whether exits may and can send there. */
static bool
cb_exit_usable(void *arg, const struct peel_addr *addr)
{
	struct peel_node *node = arg;
	struct peel_addr a = *addr;

	a.port = 1; /* anything but 0 */
	return peel_policy_destination(peel_own_addresses_policy(node->own_addresses), &a) &&
	       node->conf.port->can_reach(node->port, true, &a);
}

int
node_start_names(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	struct peel_dns_conf dc = {
		.loop = &node->loop,
		.servers = conf->dns,
		.n_servers = conf->n_dns,
		.resolv_conf = PEEL_DNS_RESOLV_CONF,
		.hosts = PEEL_DNS_HOSTS,
		.timeout_ms = conf->dns_timeout_ms,
	};
	int rc = peel_dns_new(&dc, &node->dns);

	if (rc != 0)
		snprintf(node->assembly.why, node->assembly.why_size,
			"the resolver does not start: check [exit] dns_servers and %s",
			PEEL_DNS_RESOLV_CONF);
	if (rc == 0)
		rc = peel_names_new(&(struct peel_names_conf){.env = node->env,
					    .stats = &node->stats,
					    .dns = node->dns,
					    .n_sessions = peel_session_limit(node->routes),
					    .queue_max = conf->exit_queue,
					    .waiting_max = node->pool->size / NAMES_WAITING_SHARE,
					    .usable = cb_exit_usable,
					    .send = node_exit_send,
					    .served = cb_wake_workers,
					    .arg = node},
			&node->names);
	return rc;
}

/* The resolver answers all waiting look-ups, so it ends before the names. */
void
node_stop_names(struct peel_node *node)
{
	peel_dns_free(node->dns);
	peel_names_free(node->names);
}

static bool
cb_reachable(void *arg, const struct peel_addr *addr)
{
	struct peel_node *node = arg;

	return node->conf.port->can_reach(node->port, false, addr);
}

int
node_start_bootstrap(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	struct peel_bootstrap_conf bc = {
		.env = node->env,
		.dns = node->dns,
		.overlay = node->overlay,
		.fixed = conf->bootstrap,
		.n_fixed = conf->n_bootstrap,
		.usable = cb_reachable,
		.arg = node,
	};
	int rc = peel_bootstrap_new(&bc, &node->bootstrap);

	for (size_t i = 0; rc == 0 && i < conf->n_bootstrap_names; i++)
		(void)peel_bootstrap_add(node->bootstrap, conf->bootstrap_name[i]);
	return rc;
}

void
node_stop_bootstrap(struct peel_node *node)
{
	peel_bootstrap_free(node->bootstrap);
}

static int
cb_send_message(void *arg, peel_origin_id circuit, const void *msg, size_t len)
{
	return peel_node_send_message(arg, circuit, msg, len);
}

int
node_start_http(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	struct peel_http_serve_conf sc = {
		.loop = &node->loop,
		.env = node->env,
		.stats = &node->stats,
		.routes = node->routes,
		.exits = node->exits,
		.names = node->names,
		.own_addresses = node->own_addresses,
		.exit_ipv4 = conf->port_conf.exit_ipv4,
		.exit_ipv6 = conf->port_conf.exit_ipv6,
		.max = conf->http_max,
		.no_socket = node_no_socket,
		.answered = cb_wake_workers,
		.arg = node,
	};
	struct peel_http_ask_conf ac = {
		.env = node->env,
		.send = cb_send_message,
		.changed = cb_nudge,
		.arg = node,
	};
	int rc = peel_http_serve_new(&sc, &node->http_serve);

	return rc != 0 ? rc : peel_http_ask_new(&ac, &node->http_ask);
}

void
node_stop_http(struct peel_node *node)
{
	peel_http_ask_free(node->http_ask);
	peel_http_serve_free(node->http_serve);
}

int
node_start_management(struct peel_node *node)
{
	struct peel_management_conf mc = {
		.loop = &node->loop,
		.path = node->conf.management,
		.answer = node_answer,
		.arg = node,
	};

	return mc.path[0] == '\0' ? 0
				  : peel_management_new(&mc, &node->management, node->assembly.why,
					    node->assembly.why_size);
}

void
node_stop_management(struct peel_node *node)
{
	peel_management_free(node->management);
}
