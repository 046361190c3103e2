/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What a node reports about itself, as JSON. app/peel/README.md lists the fields.
 */
#include <errno.h>
#include <jansson.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "document.h"
#include "lists.h"
#include "status.h"

/* ---- parts of the status --------------------------------------------------------------------- */

/* Of joining circuits. */
static json_t *
handshake_counts(const struct peel_node *node)
{
	struct peel_or_count count;

	peel_or_count(node->or_circuits, &count);
	return OBJECT({"threads", number(node->conf.handshake_threads)},
		{"waiting", number(count.waiting)}, {"computing", number(count.computing)});
}

static json_t *
circuit_counts(const struct peel_node *node)
{
	struct peel_or_count count;

	peel_or_count(node->or_circuits, &count);
	return OBJECT({"exits", number(count.exits)}, {"unproved", number(count.unproved)},
		{"relays", number(count.relays)}, {"rendezvous", number(count.rendezvous)},
		{"pending", number(count.pending)}, {"removing", number(count.removing)},
		{"max_joined", number(node->conf.tunnel.max_joined_circuits)});
}

/* What is done for hidden services of others. */
static json_t *
hidden_counts(const struct peel_node *node)
{
	struct peel_hidden_count count;
	struct peel_pex_count pex;

	peel_hidden_count(node->hidden, &count);
	peel_pex_count(node->pex, &pex);
	return OBJECT({"offered", json_boolean(count.offered)},
		{"why_not", count.offered ? json_null()
					  : json_string("own public address not known yet")},
		{"introductions", number(count.introductions)},
		{"announced", number(count.announced)}, {"searches", number(count.searches)},
		{"asked", number(count.asked)}, {"pex_overlays", number(pex.overlays)},
		{"pex_peers", number(pex.peers)}, {"pex_listed", number(pex.listed)},
		{"waiting_cookies", number(count.rendezvous)});
}

static const char *
lack_name(enum peel_origin_lack lack)
{
	static const char *const names[] = {
		[PEEL_ORIGIN_LACK_NOTHING] = "nothing",
		[PEEL_ORIGIN_LACK_RELAYS] = "relays",
		[PEEL_ORIGIN_LACK_EXIT] = "exit",
		[PEEL_ORIGIN_LACK_NETWORKS] = "networks",
		[PEEL_ORIGIN_LACK_ANSWERS] = "answers",
	};

	return names[lack];
}

static json_t *
own_pool(unsigned int hops, const struct peel_origin_pool *p)
{
	char text[256];

	return OBJECT({"hops", number(hops)}, {"wanted", number(p->wanted)},
		{"ready", number(p->ready)}, {"extending", number(p->extending)},
		{"missing", json_string(lack_name(p->lack))},
		{"why", p->lack == PEEL_ORIGIN_LACK_NOTHING
				? NULL
				: json_string(peel_origin_lack_text(p, text, sizeof(text)))},
		{"pause_ms", number(p->pause_ms)});
}

/* Origin circuits. */
static json_t *
own_counts(const struct peel_node *node)
{
	struct peel_origin_count count;
	struct peel_origin_pool pool;
	json_t *pools;

	if (node->origin_circuits == NULL)
		return NULL;
	pools = json_array();
	for (unsigned int hops = 1; hops <= PEEL_HOPS_MAX; hops++) {
		if (peel_origin_pool(node->origin_circuits, hops, &pool) == 0)
			json_array_append_new(pools, own_pool(hops, &pool));
	}
	peel_origin_count(node->origin_circuits, &count);
	return OBJECT({"extending", number(count.extending)}, {"ready", number(count.ready)},
		{"closing", number(count.closing)}, {"max", number(node->conf.max_own_circuits)},
		{"pools", pools});
}

static void
service_row(void *arg, uint32_t swarm, const struct peel_swarm_info *info)
{
	(void)swarm;
	json_array_append_new(arg,
		OBJECT({"info_hash", hex(info->info_hash, sizeof(info->info_hash))},
			{"hops", number(info->hops)}, {"seed", json_boolean(info->seed)},
			{"find", json_boolean(info->find)}, {"peers", number(info->connections)},
			{"connecting", number(info->pending)},
			{"introduction_points", number(info->known)},
			{"own_introduction_points", number(info->introductions)},
			{"seeders", number(info->seeders)},
			{"looked_up_ms_ago", info->looked_up_ms == UINT64_MAX
						     ? json_null()
						     : number(info->looked_up_ms)},
			{"connected", number(info->connected)},
			{"refused", number(info->refused)}));
}

/* Hidden services that this node uses itself. */
static json_t *
services(const struct peel_node *node)
{
	json_t *list;

	if (node->swarms == NULL)
		return NULL;
	list = json_array();
	peel_swarm_dump(node->swarms, service_row, list);
	return list;
}

static json_t *
peer_counts(const struct peel_node *node)
{
	return OBJECT({"tunnel", number(peel_overlay_count(node->overlay, PEEL_COMMUNITY_TUNNEL))},
		{"discovery", number(peel_overlay_count(node->overlay, PEEL_COMMUNITY_DISCOVERY))},
		{"dht", number(peel_overlay_count(node->overlay, PEEL_COMMUNITY_DHT))});
}

static json_t *
bootstrap_counts(const struct peel_node *node)
{
	unsigned int servers, unknown;

	peel_bootstrap_count(node->bootstrap, &servers, &unknown);
	return OBJECT({"servers", number(servers)}, {"unresolved", number(unknown)});
}

/* The DHTs in which services are looked up and announced. */
static json_t *
providers(const struct peel_node *node)
{
	struct peel_provider_count count;
	json_t *list = json_array();
	const char *name;

	for (size_t i = 0; peel_providers_count(node->providers, i, &name, &count); i++)
		json_array_append_new(
			list, OBJECT({"name", json_string(name)}, {"nodes", number(count.nodes)},
				      {"lookups", number(count.lookups)},
				      {"announced", number(count.announced)}));
	return list;
}

static json_t *
dht_counts(const struct peel_node *node)
{
	struct peel_dht_count count;

	peel_dht_count(node->dht, &count);
	return OBJECT({"nodes_ipv4", number(count.nodes_ipv4)},
		{"nodes_ipv6", number(count.nodes_ipv6)}, {"values", number(count.values)},
		{"peers", number(count.peers)}, {"storers", number(count.storers)},
		{"published", number(count.published)}, {"lookups", number(count.lookups)},
		{"remembered", number(count.remembered)}, {"providers", providers(node)});
}

static json_t *
candidate_counts(const struct peel_node *node)
{
	const struct peel_overlay *ov = node->overlay;

	return OBJECT({"all", number(peel_overlay_count_candidates(ov, 0))},
		{"relay", number(peel_overlay_count_candidates(ov, PEEL_FLAG_RELAY))},
		{"exit_bt", number(peel_overlay_count_candidates(ov, PEEL_FLAG_EXIT_BT))},
		{"exit_ipv8", number(peel_overlay_count_candidates(ov, PEEL_FLAG_EXIT_IPV8))});
}

/* Resident memory: the second number of /proc/self/statm, in pages. Excludes hugepages. */
static uint64_t
resident_bytes(void)
{
	unsigned long size, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static json_t *
memory(const struct peel_node *node)
{
	return OBJECT({"rss_bytes", number(resident_bytes())},
		{"table_bytes", number(peel_route_memory(node->routes))},
		{"buffers", number(node->pool->size)},
		{"buffers_in_use", number(rte_mempool_in_use_count(node->pool))});
}

static double
cpu_seconds(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) != 0)
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void
port_line(void *arg, const char *name, uint64_t value)
{
	json_object_set_new(arg, name, number(value));
}

static json_t *
port(const struct peel_node *node)
{
	json_t *o = json_object();

	if (node->conf.port->dump != NULL)
		node->conf.port->dump(node->port, port_line, o);
	return o;
}

const struct peel_node_capability peel_node_capability[PEEL_NODE_CAPABILITIES] = {
	{CAP_NET_ADMIN, "net_admin"}, {CAP_NET_RAW, "net_raw"}, {CAP_IPC_LOCK, "ipc_lock"},
	{CAP_SYS_RESOURCE, "sys_resource"}, {CAP_BPF, "bpf"}};

void
peel_node_set_privileges(struct peel_node *node, const struct peel_node_privileges *p)
{
	node->status.privileges = *p;
}

static json_t *
privileges(const struct peel_node_privileges *p)
{
	json_t *list;

	if (p->user[0] == '\0')
		return NULL;
	list = json_array();
	for (int i = 0; i < PEEL_NODE_CAPABILITIES; i++) {
		if (p->capabilities >> peel_node_capability[i].bit & 1)
			json_array_append_new(list, json_string(peel_node_capability[i].name));
	}
	return OBJECT({"user", json_string(p->user)}, {"capabilities", list},
		{"no_new_privileges", json_boolean(p->no_new_privileges)},
		{"files", json_string(p->files)}, {"system_calls", json_string(p->system_calls)});
}

static json_t *
status(struct peel_node *node)
{
	const struct peel_node_conf *conf = &node->conf;
	struct peel_addr public = {0};

	peel_overlay_public(node->overlay, &public);
	return OBJECT({"version", json_string(PEEL_VERSION)},
		{"uptime_ms", number(peel_now_ms(node->env) - node->status.started_ms)},
		{"cpu_seconds", json_real(cpu_seconds())}, {"address", address(&node->local)},
		{"address_lost", json_boolean(peel_own_addresses_lost(node->own_addresses))},
		{"public_address", address(&public)},
		{"mid", hex(node->identity.mid, sizeof(node->identity.mid))},
		{"community", hex(conf->community[PEEL_COMMUNITY_TUNNEL], PEEL_COMMUNITY_LEN)},
		{"flags", flag_list(node_closes(node) ? 0 : conf->tunnel.peer_flags)},
		{"drain", node_drain_status(node)}, {"bans", node_bans_status(node)},
		{"driver", json_string(conf->port->name)},
		{"engine", json_string(conf->engine->name)}, {"circuits", circuit_counts(node)},
		{"handshakes", handshake_counts(node)}, {"hidden_services", hidden_counts(node)},
		{"own_circuits", own_counts(node)}, {"services", services(node)},
		{"bootstrap", bootstrap_counts(node)}, {"peers", peer_counts(node)},
		{"dht", dht_counts(node)}, {"candidates", candidate_counts(node)},
		{"memory", memory(node)}, {"bandwidth", node_limits_status(node)},
		{"exit_limits", node_exit_limits_status(node)},
		{"accounting", node_accounting_status(node)}, {"rates", node_rates(node)},
		{"counters", node_counters(node)}, {"workers", node_workers(node)},
		{"tables", node_tables(node)}, {"durations", node_durations(node)},
		{"port", port(node)}, {"privileges", privileges(&node->status.privileges)});
}

static json_t *
stats(struct peel_node *node)
{
	return OBJECT({"uptime_ms", number(peel_now_ms(node->env) - node->status.started_ms)},
		{"counters", node_counters(node)});
}

/* ---- requests -------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	json_t *(*answer)(struct peel_node *node);
} requests[] = {
	{"status", status},
	{"stats", stats},
	{"stages", node_stages},
};

static json_t *
unknown(void)
{
	return OBJECT({"error", json_string("unknown request; known: status, circuits, own, peers, "
					    "stats, stages, each optionally followed by pretty")});
}

static char *
text_of(json_t *o, bool pretty)
{
	char *text =
		json_dumps(o, JSON_REAL_PRECISION(9) | (pretty ? JSON_INDENT(2) : JSON_COMPACT));

	json_decref(o);
	return text;
}

static char *
short_answer(struct peel_node *node, const char *what, bool pretty)
{
	char *text = NULL;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(requests); i++) {
		if (strcmp(what, requests[i].name) == 0)
			return text_of(requests[i].answer(node), pretty);
	}
	if (node->status.on_request != NULL)
		text = node->status.on_request(node->status.request_arg, what, pretty);
	return text != NULL ? text : text_of(unknown(), pretty);
}

int
node_answer(void *arg, const char *what, bool pretty, struct peel_management_answer *out)
{
	int rc = node_list_answer(arg, what, pretty, out);

	if (rc != -ENOENT)
		return rc;
	out->text = short_answer(arg, what, pretty);
	return out->text != NULL ? 0 : -ENOMEM;
}

void
peel_node_on_request(
	struct peel_node *node, char *(*fn)(void *arg, const char *request, bool pretty), void *arg)
{
	node->status.on_request = fn;
	node->status.request_arg = arg;
}

json_t *
peel_node_document(struct peel_node *node)
{
	return status(node);
}

char *
peel_node_status(struct peel_node *node, bool pretty)
{
	return text_of(status(node), pretty);
}
