/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The parts of a node, put together bottom up and taken apart in reverse: tables, port, workers,
 * state machines and what connects them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "peel_dns.h"
#include "hosts.h"
#include "status.h"

#define NAMES_WAITING_SHARE 8 /* one in so many of all packet buffers may wait for names */
#define PEERS_MIN 4096	      /* peers remembered over all overlays, at least */
/* empty polls of a device before a sleep, where that is configured */
#define IDLE_SPINS 100

/* ---- callbacks that connect the state machines ----------------------------------------------- */

static void
cb_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	node_send(arg, to, data, len);
}

static void
cb_public_changed(void *arg, const struct peel_addr *address)
{
	char text[PEEL_ADDR_TEXT_MAX];
	struct peel_node *node = arg;

	peel_log(PEEL_LOG_INFO, "public address: %s", peel_addr_text(address, text));
	peel_own_addresses_public(node->own_addresses, address);
	peel_dht_address(node->dht, address);
}

static void
cb_met(void *arg, enum peel_community c, const struct peel_addr *addr,
	const uint8_t pk[PEEL_PK_LEN])
{
	struct peel_node *node = arg;

	if (c == PEEL_COMMUNITY_DHT)
		peel_dht_met(node->dht, addr, pk);
}

static void
target_from_peer(struct peel_target *t, const struct peel_peer *p)
{
	memcpy(t->pk, p->pk, sizeof(t->pk));
	t->addr = p->addr;
	t->flags = p->flags;
	t->last_heard_ms = p->last_heard_ms;
}

static size_t
cb_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	struct peel_node *node = arg;
	struct peel_peer peers[PEEL_CANDIDATES_MAX];

	n = peel_overlay_candidates(
		node->overlay, all, none, peers, n < PEEL_CANDIDATES_MAX ? n : PEEL_CANDIDATES_MAX);
	for (size_t i = 0; i < n; i++)
		target_from_peer(&out[i], &peers[i]);
	return n;
}

static bool
cb_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	struct peel_node *node = arg;
	struct peel_peer peer;

	if (!peel_overlay_find(node->overlay, pk, &peer))
		return false;
	target_from_peer(out, &peer);
	return true;
}

static bool
cb_proved(void *arg, const struct peel_addr *addr)
{
	struct peel_node *node = arg;

	return peel_overlay_proved(node->overlay, addr);
}

static void
cb_reached(void *arg, uint64_t token, bool answered)
{
	struct peel_node *node = arg;

	(void)answered; /* the extension goes on in any case, section 21.9 */
	peel_or_reached(node->or_circuits, token);
}

static int
cb_reach(void *arg, const struct peel_addr *to, uint64_t token)
{
	struct peel_node *node = arg;

	return peel_dht_ping(node->dht, to, cb_reached, node, token);
}

static void
cb_wake_control(void *arg)
{
	struct peel_node *node = arg;

	uv_async_send(&node->wake);
}

/* May exits send there, and can they? */
static bool
cb_exit_usable(void *arg, const struct peel_addr *addr)
{
	struct peel_node *node = arg;
	struct peel_addr a = *addr;

	a.port = 1; /* any but 0 */
	return peel_policy_destination(peel_own_addresses_policy(node->own_addresses), &a) &&
	       node->conf.port->can_reach(node->port, true, &a);
}

static bool
cb_reachable(void *arg, const struct peel_addr *addr)
{
	struct peel_node *node = arg;

	return node->conf.port->can_reach(node->port, false, addr);
}

static void
cb_policy(void *arg, const struct peel_policy *policy)
{
	struct peel_node *node = arg;

	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		if (node->worker[i].worker != NULL) /* not while the node is put together */
			peel_worker_set_policy(node->worker[i].worker, policy);
	}
}

static int
cb_send_message(void *arg, peel_origin_id circuit, const void *msg, size_t len)
{
	return peel_node_send_message(arg, circuit, msg, len);
}

/* Have the timers set anew. */
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

/* ---- stages of the start --------------------------------------------------------------------- */

static int
start_identity(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	int rc = peel_keys_init();

	if (rc == 0)
		rc = peel_aead_self_test(conf->engine);
	if (rc != 0) {
		snprintf(node->assembly.why, node->assembly.why_size,
			"AEAD engine %s fails its self-test: choose another [aead] engine",
			conf->engine->name);
		return rc;
	}
	return conf->key_file[0] == '\0' ? peel_identity_generate(node->env, &node->identity)
					 : peel_identity_load(conf->key_file, &node->identity,
						   node->assembly.why, node->assembly.why_size);
}

static void
stop_identity(struct peel_node *node)
{
	peel_identity_wipe(&node->identity);
}

static int
start_tables(struct peel_node *node)
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
	if (node->pool == NULL) {
		snprintf(node->assembly.why, node->assembly.why_size,
			"no memory for %u packet buffers: lower [port] buffers or give more memory",
			n_mbufs);
		return -rte_errno;
	}
	rc = peel_route_table_new(
		&(struct peel_route_conf){.max_sessions = peel_node_sessions(conf),
			.rcu = node->rcu,
			.env = node->env,
			.socket_id = (int)rte_socket_id()},
		&node->routes);
	if (rc != 0) {
		snprintf(node->assembly.why, node->assembly.why_size,
			"no memory for %u circuits: lower [tunnel] max_joined_circuits",
			conf->tunnel.max_joined_circuits);
		return rc;
	}
	if (conf->max_own_circuits > 0)
		rc = peel_paths_new(conf->max_own_circuits, node->rcu, &node->paths);
	if (rc != 0 || conf->replay_entries == 0)
		return rc;
	return peel_replay_new(
		conf->replay_entries, node->env, false, (int)rte_socket_id(), &node->replay);
}

static void
stop_tables(struct peel_node *node)
{
	peel_replay_free(node->replay);
	peel_paths_free(node->paths);
	peel_route_table_free(node->routes);
	peel_rcu_free(node->rcu);
	rte_mempool_free(node->pool);
}

static int
start_port(struct peel_node *node)
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

static void
stop_port(struct peel_node *node)
{
	/* Deferred ends (endpoints, routes) run while what they refer to still exists. */
	while (peel_rcu_poll(node->rcu) > 0)
		;
	if (node->port != NULL)
		node->conf.port->close(node->port);
}

static int
start_own_addresses(struct peel_node *node)
{
	const struct peel_port_conf *pc = &node->conf.port_conf;
	struct peel_own_addresses_conf oc = {
		.loop = &node->loop,
		.env = node->env,
		.rcu = node->rcu,
		.policy = node->conf.policy,
		.named = {{node->local, "listen"}, {pc->exit_ipv4, "exit_address"},
			{pc->exit_ipv6, "exit_address6"}, {.addr = pc->address6},
			{.addr = node->conf.public_address}},
		.publish = cb_policy,
		.changed = cb_nudge,
		.arg = node,
	};

	oc.policy.flags = node->conf.tunnel.peer_flags;
	memcpy(oc.policy.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], PEEL_PREFIX_LEN);
	return peel_own_addresses_new(&oc, &node->own_addresses);
}

static void
stop_own_addresses(struct peel_node *node)
{
	peel_own_addresses_free(node->own_addresses);
}

static int
start_workers(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	bool sleep = conf->idle == PEEL_IDLE_SLEEP ||
		     (conf->idle == PEEL_IDLE_AUTO && conf->port->sleeps);

	/* An empty poll of a port that can wait is a system call like the wait itself: no use in
	 * repeating it. */
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

static void
stop_workers(struct peel_node *node)
{
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		peel_worker_free(node->worker[i].worker);
		peel_mailbox_free(node->worker[i].mailbox);
		peel_submit_queue_free(node->worker[i].submit_queue);
	}
	peel_fan_free(node->fan);
}

static int
start_control(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	struct peel_overlay_conf oc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.flags = conf->tunnel.peer_flags,
		.max_peers = conf->max_peers,
		/* Not all are in every community. */
		.peers_max =
			conf->max_peers > PEERS_MIN / 2 ? 2 * (uint32_t)conf->max_peers : PEERS_MIN,
		.walk_target = conf->walk_target,
		.lan = node->local,
		.public_address = conf->public_address,
		.bootstrap = conf->bootstrap,
		.n_bootstrap = conf->n_bootstrap,
		.send = cb_send,
		.public_changed = cb_public_changed,
		.met = cb_met,
		.arg = node,
	};
	struct peel_dht_conf dc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.send = cb_send,
		.proved = cb_proved,
		.arg = node,
	};
	struct peel_or_conf cc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.routes = node->routes,
		.settings = conf->tunnel,
		.send = cb_send,
		.candidates = cb_candidates,
		.find_peer = cb_find_peer,
		.proved = cb_proved,
		.reach = cb_reach,
		.exit_gone = node_exit_gone,
		.arg = node,
	};
	struct peel_origin_conf tc = {
		.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.routes = node->routes,
		.send = cb_send,
		.candidates = cb_candidates,
		.find_peer = cb_find_peer,
		.arg = node,
	};
	int rc;

	memcpy(tc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(tc.prefix));
	memcpy(oc.community, conf->community, sizeof(oc.community));
	memcpy(dc.community, conf->community[PEEL_COMMUNITY_DHT], sizeof(dc.community));
	memcpy(cc.prefix, node->prefix[PEEL_COMMUNITY_TUNNEL], sizeof(cc.prefix));
	rc = peel_overlay_new(&oc, &node->overlay);
	if (rc == 0)
		rc = peel_dht_new(&dc, &node->dht);
	if (rc == 0 && conf->public_address.family != PEEL_FAMILY_NONE)
		peel_dht_address(node->dht, &conf->public_address);
	if (rc == 0)
		rc = peel_or_new(&cc, &node->or_circuits);
	if (rc == 0)
		rc = node_origin_new(node, &tc);
	return rc;
}

static void
stop_control(struct peel_node *node)
{
	peel_origin_free(node->origin_circuits);
	peel_or_free(node->or_circuits);
	peel_dht_free(node->dht);
	peel_overlay_free(node->overlay);
}

static int
start_names(struct peel_node *node)
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

/* The resolver answers everybody who waits, so it ends before the names. */
static void
stop_names(struct peel_node *node)
{
	peel_dns_free(node->dns);
	peel_names_free(node->names);
}

static int
start_bootstrap(struct peel_node *node)
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

static void
stop_bootstrap(struct peel_node *node)
{
	peel_bootstrap_free(node->bootstrap);
}

static int
start_http(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	struct peel_http_serve_conf sc = {
		.loop = &node->loop,
		.env = node->env,
		.stats = &node->stats,
		.routes = node->routes,
		.or_circuits = node->or_circuits,
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

static void
stop_http(struct peel_node *node)
{
	peel_http_ask_free(node->http_ask);
	peel_http_serve_free(node->http_serve);
}

static int
start_management(struct peel_node *node)
{
	struct peel_management_conf mc = {
		.loop = &node->loop,
		.path = node->conf.management,
		.answer = node_status_answer,
		.arg = node,
	};

	return mc.path[0] == '\0' ? 0
				  : peel_management_new(&mc, &node->management, node->assembly.why,
					    node->assembly.why_size);
}

static void
stop_management(struct peel_node *node)
{
	peel_management_free(node->management);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* Each needs those above it. What a start that fails has made, its stop takes apart. */
static const struct {
	const char *name;
	int (*start)(struct peel_node *node);
	void (*stop)(struct peel_node *node);
} parts[] = {
	{"identity", start_identity, stop_identity},
	{"tables", start_tables, stop_tables},
	{"port", start_port, stop_port},
	{"own addresses", start_own_addresses, stop_own_addresses},
	{"workers", start_workers, stop_workers},
	{"state machines", start_control, stop_control},
	{"names", start_names, stop_names},
	{"bootstrap", start_bootstrap, stop_bootstrap},
	{"HTTP", start_http, stop_http},
	{"management", start_management, stop_management},
};

int
node_assemble(struct peel_node *node, char *why, size_t why_size)
{
	int rc = 0;

	node->assembly.why = why;
	node->assembly.why_size = why_size;
	while (rc == 0 && node->assembly.n_parts < PEEL_ARRAY_LEN(parts))
		rc = parts[node->assembly.n_parts++].start(node);
	if (rc != 0 && why[0] == '\0')
		snprintf(why, why_size, "%s: %s", parts[node->assembly.n_parts - 1].name,
			strerror(-rc));
	return rc;
}

void
node_disassemble(struct peel_node *node)
{
	while (node->assembly.n_parts > 0)
		parts[--node->assembly.n_parts].stop(node);
}
