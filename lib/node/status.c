/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What a node says about itself, as JSON. app/peel/README.md lists the fields.
 */
#include <jansson.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "status.h"

/* Large numbers are unsigned here and signed in JSON; none of ours gets near the difference. */
static void
put(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

static void
put_text(json_t *object, const char *name, const char *value)
{
	json_object_set_new(object, name, json_string(value));
}

static void
put_hex(json_t *object, const char *name, const uint8_t *p, size_t len)
{
	char text[2 * PEEL_PK_LEN + 1] = "";

	for (size_t i = 0; i < len && i < PEEL_PK_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", p[i]);
	put_text(object, name, text);
}

static void
put_addr(json_t *object, const char *name, const struct peel_addr *a)
{
	char text[PEEL_ADDR_TEXT_MAX];

	if (a->family == PEEL_FAMILY_NONE)
		json_object_set_new(object, name, json_null());
	else
		put_text(object, name, peel_addr_text(a, text));
}

static json_t *
flag_list(uint16_t flags)
{
	static const struct {
		uint16_t bit;
		const char *name;
	} names[] = {{PEEL_FLAG_RELAY, "relay"}, {PEEL_FLAG_EXIT_BT, "exit_bt"},
		{PEEL_FLAG_EXIT_IPV8, "exit_ipv8"}, {PEEL_FLAG_SPEED_TEST, "speed_test"},
		{PEEL_FLAG_EXIT_BACKUP, "exit_backup"}, {PEEL_FLAG_EXIT_HTTP, "exit_http"}};
	json_t *list = json_array();

	for (size_t i = 0; i < PEEL_ARRAY_LEN(names); i++) {
		if (flags & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	}
	return list;
}

/* ---- counters -------------------------------------------------------------------------------- */

uint64_t
node_counter(const struct peel_node *node, enum peel_counter c)
{
	uint64_t sum = peel_stats_get(&node->stats, c);

	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		sum += peel_stats_get(&node->worker[i].stats, c);
	return sum;
}

static bool
is_drop(enum peel_counter c)
{
	return strncmp(peel_counter_info[c].name, "drop_", 5) == 0;
}

/* All counters of the node; the drops are a group of their own inside. */
static json_t *
counters(const struct peel_node *node)
{
	json_t *object = json_object(), *drops = json_object();

	for (int c = 0; c < PEEL_N_COUNTERS; c++)
		put(is_drop((enum peel_counter)c) ? drops : object, peel_counter_info[c].name,
			node_counter(node, (enum peel_counter)c));
	json_object_set_new(object, "drops", drops);
	return object;
}

/* One block; a worker never touches most counters, so zeros are left out. */
static json_t *
block_counters(const struct peel_stats *stats)
{
	json_t *object = json_object();

	for (int c = 0; c < PEEL_N_COUNTERS; c++) {
		uint64_t v = peel_stats_get(stats, (enum peel_counter)c);

		if (v != 0)
			put(object, peel_counter_info[c].name, v);
	}
	return object;
}

static json_t *
workers(const struct peel_node *node)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		json_t *row = json_object();

		put(row, "id", i);
		if (node->conf.core[i] >= 0)
			put(row, "core", (uint64_t)node->conf.core[i]);
		else
			json_object_set_new(row, "core", json_null());
		json_object_set_new(row, "running", json_boolean(node->worker[i].running));
		json_object_set_new(row, "counters", block_counters(&node->worker[i].stats));
		json_array_append_new(list, row);
	}
	return list;
}

static const enum peel_counter rated[NODE_RATES] = {
	PEEL_RX_DATAGRAMS, PEEL_RX_BYTES, PEEL_TX_DATAGRAMS, PEEL_TX_BYTES};

void
node_sample_take(const struct peel_node *node, struct node_sample *out)
{
	out->ms = peel_now_ms(node->env);
	for (int i = 0; i < NODE_RATES; i++)
		out->value[i] = node_counter(node, rated[i]);
}

static json_t *
rates(const struct peel_node *node)
{
	struct node_sample s[2];
	json_t *object = json_object();

	if (!node_management_samples(node, s) || s[1].ms <= s[0].ms)
		return object;
	for (int i = 0; i < NODE_RATES; i++)
		put(object, peel_counter_info[rated[i]].name,
			(s[1].value[i] - s[0].value[i]) * 1000 / (s[1].ms - s[0].ms));
	return object;
}

/* ---- parts of the status --------------------------------------------------------------------- */

static json_t *
circuit_counts(const struct peel_node *node)
{
	struct peel_or_count count;
	json_t *object = json_object();

	peel_or_count(node->or_circuits, &count);
	put(object, "exits", count.exits);
	put(object, "unproved", count.unproved);
	put(object, "relays", count.relays);
	put(object, "pending", count.pending);
	put(object, "removing", count.removing);
	put(object, "max_joined", node->conf.tunnel.max_joined_circuits);
	return object;
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
own_pools(const struct peel_node *node)
{
	json_t *list = json_array();
	struct peel_origin_pool p;
	char text[256];

	for (unsigned int hops = 1; hops <= PEEL_HOPS_MAX; hops++) {
		if (peel_origin_pool(node->origin_circuits, hops, &p) != 0)
			continue;
		json_t *row = json_object();

		put(row, "hops", hops);
		put(row, "wanted", p.wanted);
		put(row, "ready", p.ready);
		put(row, "extending", p.extending);
		put_text(row, "missing", lack_name(p.lack));
		if (p.lack != PEEL_ORIGIN_LACK_NOTHING)
			put_text(row, "why", peel_origin_lack_text(&p, text, sizeof(text)));
		put(row, "pause_ms", p.pause_ms);
		json_array_append_new(list, row);
	}
	return list;
}

/* Circuits of this node's own making. */
static json_t *
own_counts(const struct peel_node *node)
{
	struct peel_origin_count count;
	json_t *object = json_object();

	peel_origin_count(node->origin_circuits, &count);
	put(object, "extending", count.extending);
	put(object, "ready", count.ready);
	put(object, "closing", count.closing);
	put(object, "max", node->conf.max_own_circuits);
	json_object_set_new(object, "pools", own_pools(node));
	return object;
}

static json_t *
peer_counts(const struct peel_node *node)
{
	json_t *object = json_object();

	put(object, "tunnel", peel_overlay_count(node->overlay, PEEL_COMMUNITY_TUNNEL));
	put(object, "discovery", peel_overlay_count(node->overlay, PEEL_COMMUNITY_DISCOVERY));
	put(object, "dht", peel_overlay_count(node->overlay, PEEL_COMMUNITY_DHT));
	return object;
}

static json_t *
dht_counts(const struct peel_node *node)
{
	struct peel_dht_count count;
	json_t *object = json_object();

	peel_dht_count(node->dht, &count);
	put(object, "nodes_ipv4", count.nodes_ipv4);
	put(object, "nodes_ipv6", count.nodes_ipv6);
	put(object, "values", count.values);
	put(object, "peers", count.peers);
	return object;
}

struct candidate_count {
	uint64_t all, relay, exit_bt, exit_ipv8;
};

static void
count_candidate(void *arg, const struct peel_peer *peer)
{
	struct candidate_count *n = arg;

	if (!peer->candidate)
		return;
	n->all++;
	n->relay += (peer->flags & PEEL_FLAG_RELAY) != 0;
	n->exit_bt += (peer->flags & PEEL_FLAG_EXIT_BT) != 0;
	n->exit_ipv8 += (peer->flags & PEEL_FLAG_EXIT_IPV8) != 0;
}

static json_t *
candidate_counts(const struct peel_node *node)
{
	struct candidate_count n = {0};
	json_t *object = json_object();

	peel_overlay_dump(node->overlay, count_candidate, &n);
	put(object, "all", n.all);
	put(object, "relay", n.relay);
	put(object, "exit_bt", n.exit_bt);
	put(object, "exit_ipv8", n.exit_ipv8);
	return object;
}

/* Resident memory: the second number of /proc/self/statm, in pages. Hugepages are not in it. */
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
	json_t *object = json_object();

	put(object, "rss_bytes", resident_bytes());
	put(object, "table_bytes", peel_route_memory(node->routes));
	put(object, "buffers", node->pool->size);
	put(object, "buffers_in_use", rte_mempool_in_use_count(node->pool));
	return object;
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
	put(arg, name, value);
}

static json_t *
port(const struct peel_node *node)
{
	json_t *object = json_object();

	if (node->conf.port->dump != NULL)
		node->conf.port->dump(node->port, port_line, object);
	return object;
}

const struct peel_node_capability peel_node_capability[PEEL_NODE_CAPABILITIES] = {
	{CAP_NET_ADMIN, "net_admin"}, {CAP_NET_RAW, "net_raw"}, {CAP_IPC_LOCK, "ipc_lock"},
	{CAP_SYS_RESOURCE, "sys_resource"}, {CAP_BPF, "bpf"}};

void
peel_node_set_privileges(struct peel_node *node, const struct peel_node_privileges *p)
{
	node->privileges = *p;
}

static json_t *
privileges(const struct peel_node_privileges *p)
{
	json_t *object = json_object(), *list = json_array();

	for (int i = 0; i < PEEL_NODE_CAPABILITIES; i++) {
		if (p->capabilities >> peel_node_capability[i].bit & 1)
			json_array_append_new(list, json_string(peel_node_capability[i].name));
	}
	put_text(object, "user", p->user);
	json_object_set_new(object, "capabilities", list);
	json_object_set_new(object, "no_new_privileges", json_boolean(p->no_new_privileges));
	put_text(object, "files", p->files);
	put_text(object, "system_calls", p->system_calls);
	return object;
}

static json_t *
status(const struct peel_node *node)
{
	json_t *o = json_object();
	struct peel_addr public;

	memset(&public, 0, sizeof(public));
	peel_overlay_public(node->overlay, &public);
	put_text(o, "version", PEEL_VERSION);
	put(o, "uptime_ms", peel_now_ms(node->env) - node->started_ms);
	json_object_set_new(o, "cpu_seconds", json_real(cpu_seconds()));
	put_addr(o, "address", &node->local);
	json_object_set_new(
		o, "address_lost", json_boolean(peel_own_addresses_lost(node->own_addresses)));
	put_addr(o, "public_address", &public);
	put_hex(o, "mid", node->identity.mid, sizeof(node->identity.mid));
	put_hex(o, "community", node->conf.community[PEEL_COMMUNITY_TUNNEL], PEEL_COMMUNITY_LEN);
	json_object_set_new(o, "flags", flag_list(node->conf.tunnel.peer_flags));
	put_text(o, "driver", node->conf.port->name);
	put_text(o, "engine", node->conf.engine->name);
	json_object_set_new(o, "circuits", circuit_counts(node));
	if (node->origin_circuits != NULL)
		json_object_set_new(o, "own_circuits", own_counts(node));
	json_object_set_new(o, "peers", peer_counts(node));
	json_object_set_new(o, "dht", dht_counts(node));
	json_object_set_new(o, "candidates", candidate_counts(node));
	json_object_set_new(o, "memory", memory(node));
	json_object_set_new(o, "rates", rates(node));
	json_object_set_new(o, "counters", counters(node));
	json_object_set_new(o, "workers", workers(node));
	json_object_set_new(o, "port", port(node));
	if (node->privileges.user[0] != '\0')
		json_object_set_new(o, "privileges", privileges(&node->privileges));
	return o;
}

/* ---- lists ----------------------------------------------------------------------------------- */

static void
circuit_row(void *arg, const struct peel_or_row *row)
{
	json_t *o = json_object();

	put_text(o, "kind", row->kind);
	put(o, "circuit_id", row->cid);
	put_addr(o, "previous", &row->previous);
	if (row->next.family != PEEL_FAMILY_NONE) {
		put(o, "next_circuit_id", row->next_cid);
		put_addr(o, "next", &row->next);
	}
	put(o, "age_ms", row->age_ms);
	put(o, "cells_forward", row->cells_forward);
	put(o, "cells_backward", row->cells_backward);
	put(o, "bytes_forward", row->bytes_forward);
	put(o, "bytes_backward", row->bytes_backward);
	json_array_append_new(arg, o);
}

static json_t *
hops(const struct peel_origin_info *info)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < info->hops; i++) {
		json_t *hop = json_object();
		uint8_t mid[PEEL_MID_LEN];

		peel_mid(info->hop[i].pk, PEEL_PK_LEN, mid);
		put_hex(hop, "mid", mid, sizeof(mid));
		if (info->hop[i].addr.family != PEEL_FAMILY_NONE)
			put_addr(hop, "address", &info->hop[i].addr);
		json_array_append_new(list, hop);
	}
	return list;
}

static void
own_row(void *arg, peel_origin_id id, const struct peel_origin_info *info)
{
	static const char *const states[] = {
		[PEEL_ORIGIN_EXTENDING] = "extending",
		[PEEL_ORIGIN_READY] = "ready",
		[PEEL_ORIGIN_CLOSING] = "closing",
	};
	json_t *o = json_object();

	(void)id;
	put_text(o, "kind", "own");
	put(o, "circuit_id", info->cid);
	put_text(o, "state", states[info->state]);
	put(o, "goal", info->goal);
	json_object_set_new(o, "hops", hops(info));
	put(o, "age_ms", info->age_ms);
	put(o, "rtt_ms", info->rtt_ms);
	put(o, "cells_forward", info->cells_up);
	put(o, "cells_backward", info->cells_down);
	put(o, "bytes_forward", info->bytes_up);
	put(o, "bytes_backward", info->bytes_down);
	json_array_append_new(arg, o);
}

struct peer_list {
	json_t *rows;
	uint64_t now_ms;
};

static void
peer_row(void *arg, const struct peel_peer *peer)
{
	struct peer_list *list = arg;
	json_t *o = json_object();

	put_hex(o, "mid", peer->mid, sizeof(peer->mid));
	put_addr(o, "address", &peer->addr);
	json_object_set_new(o, "flags", flag_list(peer->flags));
	json_object_set_new(o, "candidate", json_boolean(peer->candidate));
	put(o, "heard_ms_ago",
		list->now_ms > peer->last_heard_ms ? list->now_ms - peer->last_heard_ms : 0);
	json_array_append_new(list->rows, o);
}

static json_t *
stats(const struct peel_node *node)
{
	json_t *o = json_object();

	put(o, "uptime_ms", peel_now_ms(node->env) - node->started_ms);
	json_object_set_new(o, "counters", counters(node));
	return o;
}

static json_t *
answer(struct peel_node *node, const char *what)
{
	struct peer_list list = {.now_ms = peel_now_ms(node->env)};
	json_t *o;

	if (strcmp(what, "status") == 0)
		return status(node);
	if (strcmp(what, "stats") == 0)
		return stats(node);
	if (strcmp(what, "stages") == 0)
		return node_stages(node);
	if (strcmp(what, "circuits") == 0) {
		o = json_array();
		peel_or_dump(node->or_circuits, circuit_row, o);
		if (node->origin_circuits != NULL)
			peel_origin_dump(node->origin_circuits, own_row, o);
		return o;
	}
	if (strcmp(what, "peers") == 0) {
		list.rows = json_array();
		peel_overlay_dump(node->overlay, peer_row, &list);
		return list.rows;
	}
	o = json_object();
	put_text(o, "error",
		"unknown request; known: status, circuits, peers, stats, stages, each "
		"optionally followed by pretty");
	return o;
}

char *
node_status_answer(struct peel_node *node, const char *what, bool pretty)
{
	json_t *o = answer(node, what);
	char *text =
		json_dumps(o, JSON_REAL_PRECISION(9) | (pretty ? JSON_INDENT(2) : JSON_COMPACT));

	json_decref(o);
	return text;
}

char *
peel_node_status(struct peel_node *node, bool pretty)
{
	return node_status_answer(node, "status", pretty);
}
