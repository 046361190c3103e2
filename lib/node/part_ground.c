/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The base of a node: its identity, memory and tables, the port, the workers.
 */
#include <errno.h>
#include <stdio.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "parts.h"

/* empty polls before a sleep, for devices that may sleep */
#define IDLE_SPINS 100

int
node_start_crypto(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	int rc = peel_keys_init();

	if (rc == 0)
		rc = peel_aead_self_test(conf->engine);
	if (rc != 0)
		snprintf(node->assembly.why, node->assembly.why_size,
			"AEAD engine %s fails its self-test: choose another [aead] engine",
			conf->engine->name);
	return rc;
}

void
node_stop_crypto(struct peel_node *node)
{
	(void)node;
}

int
node_start_identity(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;

	return conf->key_file[0] == '\0' ? peel_identity_generate(node->env, &node->identity)
					 : peel_identity_load(conf->key_file, &node->identity,
						   node->assembly.why, node->assembly.why_size);
}

void
node_stop_identity(struct peel_node *node)
{
	peel_identity_wipe(&node->identity);
}

static int
no_pool(struct peel_node *node, uint32_t n_mbufs, int error)
{
	if (!peel_port_pool_possible())
		return peel_fail(node->assembly.why, node->assembly.why_size, -ENOENT,
			"DPDK's driver for packet buffers is missing: install librte_mempool_ring "
			"(Debian: the package librte-mempool-ring with the number of librte-eal)");
	return peel_fail(node->assembly.why, node->assembly.why_size, error,
		"no memory for %u packet buffers: lower [port] buffers or give more memory",
		n_mbufs);
}

/* Its account is not that of the circuit which had the session before. */
static void
cb_session_begins(void *arg, uint32_t session)
{
	struct peel_node *node = arg;

	if (node->bandwidth != NULL)
		peel_bandwidth_forget(node->bandwidth, session);
}

int
node_start_tables(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	uint32_t n_mbufs = peel_node_buffers(conf);
	char name[RTE_MEMPOOL_NAMESIZE];
	int rc = peel_rcu_new(conf->n_workers, &node->rcu);

	if (rc != 0)
		return rc;
	snprintf(name, sizeof(name), "peel%p", (void *)node);
	node->pool = peel_port_pool_new(name, n_mbufs,
		conf->max_own_circuits > 0 && conf->device[0] == '\0', (int)rte_socket_id());
	if (node->pool == NULL)
		return no_pool(node, n_mbufs, -rte_errno);
	rc = peel_route_table_new(
		&(struct peel_route_conf){.max_sessions = peel_node_sessions(conf),
			.rcu = node->rcu,
			.env = node->env,
			.socket_id = (int)rte_socket_id(),
			.begins = cb_session_begins,
			.arg = node},
		&node->routes);
	if (rc != 0) {
		snprintf(node->assembly.why, node->assembly.why_size,
			"no memory for %u circuits: lower [tunnel] max_joined_circuits",
			conf->tunnel.max_joined_circuits);
		return rc;
	}
	rc = peel_listen_new(node->env, &node->listen);
	if (rc == 0 && conf->max_own_circuits > 0)
		rc = peel_paths_new(conf->max_own_circuits, node->rcu, &node->paths);
	if (rc != 0 || conf->replay_entries == 0)
		return rc;
	return peel_replay_new(
		conf->replay_entries, node->env, false, (int)rte_socket_id(), &node->replay);
}

void
node_stop_tables(struct peel_node *node)
{
	peel_listen_free(node->listen);
	peel_replay_free(node->replay);
	peel_paths_free(node->paths);
	peel_route_table_free(node->routes);
	peel_rcu_free(node->rcu);
	rte_mempool_free(node->pool);
}

int
node_start_port(struct peel_node *node)
{
	struct peel_port_conf *pc = &node->conf.port_conf;
	int rc;

	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		node->worker_stats[i] = &node->worker[i].stats;
	pc->n_queues = (uint16_t)node->conf.n_workers;
	pc->pool = node->pool;
	pc->rcu = node->rcu;
	pc->stats = node->worker_stats;
	pc->env = node->env;
	pc->device = node->conf.device;
	rc = node->conf.port->open(pc, &node->port, node->assembly.why, node->assembly.why_size);
	if (rc == 0)
		node->conf.port->local(node->port, &node->local);
	return rc;
}

void
node_stop_port(struct peel_node *node)
{
	/* Run deferred frees (endpoints, routes) while what they refer to still exists. */
	while (peel_rcu_poll(node->rcu) > 0)
		;
	if (node->port != NULL)
		node->conf.port->close(node->port);
}

static void
cb_wake_control(void *arg)
{
	struct peel_node *node = arg;

	/* The push comes first; pairs with the fence in nap(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&node->napping, __ATOMIC_RELAXED))
		uv_async_send(&node->wake);
}

int
node_start_workers(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	bool sleep = conf->idle == PEEL_IDLE_SLEEP ||
		     (conf->idle == PEEL_IDLE_AUTO && conf->port->sleeps);

	/* If the port can wait, an empty poll is a system call, just like the wait: repeating it
	 * gains nothing. */
	uint32_t spins = conf->idle_spins != 0 ? conf->idle_spins
			 : conf->port->sleeps  ? 1
					       : IDLE_SPINS;

	if (conf->fan_out && conf->n_workers > 1 && conf->port->wake != NULL &&
		peel_fan_new(conf->n_workers, conf->ring_size, &node->fan) != 0) {
		snprintf(node->assembly.why, node->assembly.why_size,
			"no memory for the rings between workers: lower [workers] ring");
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < conf->n_workers; i++) {
		struct node_worker *nw = &node->worker[i];
		struct peel_worker_conf wc = {
			.id = i,
			.ops = conf->port,
			.port = node->port,
			.pool = node->pool,
			.engine = conf->engine,
			.routes = node->routes,
			.replay = node->replay,
			.fan = node->fan,
			.n_workers = conf->n_workers,
			.rcu = node->rcu,
			.paths = node->paths,
			.stats = &nw->stats,
			.policy = peel_own_addresses_policy(node->own_addresses),
			.n_prefixes = PEEL_N_COMMUNITIES,
			.listen = node->listen,
			.test_response_max = conf->test_response_max,
			.test_rate = conf->test_rate,
			.sleep = sleep,
			.idle_spins = spins,
			.wake_control = cb_wake_control,
			.wake_arg = node,
			.env = node->env,
		};
		int rc = peel_mailbox_new(conf->ring_size, &nw->mailbox);

		if (rc == 0 && node->paths != NULL)
			rc = peel_submit_queue_new(conf->ring_size, &nw->submit_queue);
		if (rc != 0) {
			snprintf(node->assembly.why, node->assembly.why_size,
				"no memory for the rings of worker %u", i);
			return rc;
		}
		wc.mailbox = nw->mailbox;
		wc.submit_queue = nw->submit_queue;
		memcpy(wc.prefix, node->prefix, sizeof(node->prefix));
		if (node->guest != NULL)
			node_guest_worker(node, i, &wc);
		rc = peel_worker_new(&wc, &nw->worker);
		if (rc != 0) {
			snprintf(node->assembly.why, node->assembly.why_size,
				"AEAD engine %s does not run here: choose another [aead] engine",
				conf->engine->name);
			return rc;
		}
	}
	return 0;
}

void
node_stop_workers(struct peel_node *node)
{
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		peel_worker_free(node->worker[i].worker);
		peel_mailbox_free(node->worker[i].mailbox);
		peel_submit_queue_free(node->worker[i].submit_queue);
	}
	peel_fan_free(node->fan);
}
