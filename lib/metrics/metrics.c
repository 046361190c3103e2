/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Which figure of the status document becomes which metric, and how a metric is written.
 */
#include <stdlib.h>
#include <string.h>

#include "metrics_internal.h"
#include "peel_status_path.h"

const char *const peel_metrics_type[PEEL_METRICS_FORMS] = {
	[PEEL_METRICS_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8",
	[PEEL_METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

enum peel_metrics_form
peel_metrics_accepted(const char *accept)
{
	return accept != NULL && strstr(accept, "application/openmetrics-text") != NULL
		       ? PEEL_METRICS_OPENMETRICS
		       : PEEL_METRICS_PROMETHEUS;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* The suffix of the one sample of a family. */
static const char *
suffix(const char *type)
{
	if (strcmp(type, "counter") == 0)
		return "_total";
	return strcmp(type, "info") == 0 ? "_info" : "";
}

/* The unit is the end of a name: OpenMetrics says so. */
static const char *
unit(const char *name)
{
	static const char *const units[] = {"bytes", "seconds"};
	const char *last = strrchr(name, '_');

	for (size_t i = 0; last != NULL && i < PEEL_ARRAY_LEN(units); i++) {
		if (strcmp(last + 1, units[i]) == 0)
			return units[i];
	}
	return NULL;
}

/* The older format knows fewer types, and no families: its types belong to names of samples. */
static const char *
old_type(const char *type)
{
	if (strcmp(type, "info") == 0)
		return "gauge";
	return strcmp(type, "unknown") == 0 ? "untyped" : type;
}

void
metrics_head(FILE *out, enum peel_metrics_form form, const struct metrics_family *f)
{
	if (form == PEEL_METRICS_PROMETHEUS) {
		fprintf(out, "# HELP %s%s %s\n", f->name, suffix(f->type), f->help);
		fprintf(out, "# TYPE %s%s %s\n", f->name, suffix(f->type), old_type(f->type));
		return;
	}
	fprintf(out, "# TYPE %s %s\n", f->name, f->type);
	if (unit(f->name) != NULL)
		fprintf(out, "# UNIT %s %s\n", f->name, unit(f->name));
	fprintf(out, "# HELP %s %s\n", f->name, f->help);
}

void
metrics_sample(FILE *out, const char *name, const char *end, const char *labels, double v)
{
	fprintf(out, "%s%s", name, end);
	if (labels[0] != '\0')
		fprintf(out, "{%s}", labels);
	fprintf(out, " %.16g\n", v);
}

/* ---- figures --------------------------------------------------------------------------------- */

enum source {
	NUMBER,	 /* or a boolean */
	MILLIS,	 /* to be told in seconds */
	PRESENT, /* 1 if there is a value, 0 if it is null */
	LENGTH,	 /* of a list */
};

/* Rows of one family stand together, and the first one has type and help. */
static const struct row {
	const char *path, *name, *labels;
	enum source source;
	const char *type, *help;
} rows[] = {
	{"circuits.exits", "peel_circuits", "kind=\"exit\"", NUMBER, "gauge",
		"Circuits of others: exit (it ends here), relay, rendezvous (joined to another)"},
	{"circuits.relays", "peel_circuits", "kind=\"relay\"", NUMBER, NULL, NULL},
	{"circuits.rendezvous", "peel_circuits", "kind=\"rendezvous\"", NUMBER, NULL, NULL},
	{"circuits.unproved", "peel_circuits_unproved", "", NUMBER, "gauge",
		"Of the exits: no authentic cell has come yet"},
	{"circuits.pending", "peel_circuits_pending", "", NUMBER, "gauge",
		"Creates to next hops that are not answered yet"},
	{"circuits.removing", "peel_circuits_removing", "", NUMBER, "gauge",
		"Circuits in the grace time before they disappear"},
	{"circuits.max_joined", "peel_circuits_max", "", NUMBER, "gauge",
		"Limit of circuits of others; a relay counts twice (max_joined_circuits)"},
	{"handshakes.threads", "peel_handshake_threads", "", NUMBER, "gauge",
		"Helper threads for handshakes (handshake_threads)"},
	{"handshakes.waiting", "peel_handshakes_waiting", "", NUMBER, "gauge",
		"Creates whose handshakes are not begun yet"},
	{"handshakes.computing", "peel_handshakes_computing", "", NUMBER, "gauge",
		"Creates whose handshakes helper threads have"},
	{"bans.networks", "peel_bans", "kind=\"network\"", NUMBER, "gauge",
		"Networks and nodes (by member id) that are banned"},
	{"bans.keys", "peel_bans", "kind=\"key\"", NUMBER, NULL, NULL},
	{"own_circuits.extending", "peel_own_circuits", "state=\"extending\"", NUMBER, "gauge",
		"Own circuits"},
	{"own_circuits.ready", "peel_own_circuits", "state=\"ready\"", NUMBER, NULL, NULL},
	{"own_circuits.closing", "peel_own_circuits", "state=\"closing\"", NUMBER, NULL, NULL},
	{"own_circuits.max", "peel_own_circuits_max", "", NUMBER, "gauge", "Limit of own circuits"},
	{"hidden_services.offered", "peel_hidden_offered", "", NUMBER, "gauge",
		"1 if this node is an introduction and rendezvous point for others"},
	{"hidden_services.introductions", "peel_introductions", "", NUMBER, "gauge",
		"Keys of seeders that this node introduces"},
	{"hidden_services.announced", "peel_introductions_announced", "", NUMBER, "gauge",
		"Of these, announced in a DHT"},
	{"hidden_services.searches", "peel_introduction_searches", "", NUMBER, "gauge",
		"Searches for introduction points under way in a DHT"},
	{"hidden_services.pex_overlays", "peel_pex_overlays", "", NUMBER, "gauge",
		"PEX overlays, one for each info hash introduced here"},
	{"hidden_services.pex_peers", "peel_pex_peers", "", NUMBER, "gauge",
		"Peers in PEX overlays"},
	{"hidden_services.pex_listed", "peel_pex_listed", "", NUMBER, "gauge",
		"Introduction points that PEX overlays told of"},
	{"hidden_services.waiting_cookies", "peel_rendezvous_waiting", "", NUMBER, "gauge",
		"Rendezvous that are not joined yet"},
	{"services", "peel_services", "", LENGTH, "gauge", "Hidden services that this node uses"},
	{"peers.tunnel", "peel_peers", "overlay=\"tunnel\"", NUMBER, "gauge",
		"Verified peers by overlay"},
	{"peers.discovery", "peel_peers", "overlay=\"discovery\"", NUMBER, NULL, NULL},
	{"peers.dht", "peel_peers", "overlay=\"dht\"", NUMBER, NULL, NULL},
	{"bootstrap.servers", "peel_bootstrap_servers", "", NUMBER, "gauge",
		"Bootstrap servers that this node knows"},
	{"bootstrap.unresolved", "peel_bootstrap_servers_unresolved", "", NUMBER, "gauge",
		"Of these, known by a name that has not been resolved yet"},
	{"candidates.all", "peel_candidates", "can=\"any\"", NUMBER, "gauge",
		"Peers that circuits could be extended to, by what they offer"},
	{"candidates.relay", "peel_candidates", "can=\"relay\"", NUMBER, NULL, NULL},
	{"candidates.exit_bt", "peel_candidates", "can=\"exit_bt\"", NUMBER, NULL, NULL},
	{"candidates.exit_ipv8", "peel_candidates", "can=\"exit_ipv8\"", NUMBER, NULL, NULL},
	{"dht.nodes_ipv4", "peel_dht_nodes", "family=\"ipv4\"", NUMBER, "gauge",
		"Nodes in the routing tables of the DHT"},
	{"dht.nodes_ipv6", "peel_dht_nodes", "family=\"ipv6\"", NUMBER, NULL, NULL},
	{"dht.values", "peel_dht_values", "", NUMBER, "gauge", "Values stored for others"},
	{"dht.peers", "peel_dht_peers", "", NUMBER, "gauge", "Peers whose addresses it tells"},
	{"dht.storers", "peel_dht_storers", "", NUMBER, "gauge", "Nodes that tell its own"},
	{"dht.published", "peel_dht_published", "", NUMBER, "gauge", "Own values kept in the DHT"},
	{"dht.lookups", "peel_dht_lookups_running", "", NUMBER, "gauge", "Look-ups under way"},
	{"tables.routes", "peel_routes", "", NUMBER, "gauge", "Routes in the switching table"},
	{"tables.sessions", "peel_sessions", "", NUMBER, "gauge", "Sessions of circuits"},
	{"tables.sessions_max", "peel_sessions_max", "", NUMBER, "gauge", "Limit of sessions"},
	{"tables.ring_size", "peel_ring_size", "", NUMBER, "gauge",
		"Messages that a ring between a worker and the control thread holds"},
	{"memory.table_bytes", "peel_table_bytes", "", NUMBER, "gauge",
		"Memory of the switching tables"},
	{"memory.buffers", "peel_buffers", "", NUMBER, "gauge", "Packet buffers"},
	{"memory.buffers_in_use", "peel_buffers_in_use", "", NUMBER, "gauge",
		"Packet buffers in use, caches included"},
	{"bandwidth.all.rate", "peel_bandwidth_rate_bytes", "traffic=\"all\"", NUMBER, "gauge",
		"Limits of what is sent, in bytes per second"},
	{"bandwidth.relay.rate", "peel_bandwidth_rate_bytes", "traffic=\"relay\"", NUMBER, NULL,
		NULL},
	{"bandwidth.exit.rate", "peel_bandwidth_rate_bytes", "traffic=\"exit\"", NUMBER, NULL,
		NULL},
	{"bandwidth.circuit.rate", "peel_bandwidth_rate_bytes", "traffic=\"circuit\"", NUMBER, NULL,
		NULL},
	{"bandwidth.all.burst", "peel_bandwidth_burst_bytes", "traffic=\"all\"", NUMBER, "gauge",
		"Bytes at once that a limit allows after a silence"},
	{"bandwidth.relay.burst", "peel_bandwidth_burst_bytes", "traffic=\"relay\"", NUMBER, NULL,
		NULL},
	{"bandwidth.exit.burst", "peel_bandwidth_burst_bytes", "traffic=\"exit\"", NUMBER, NULL,
		NULL},
	{"bandwidth.circuit.burst", "peel_bandwidth_burst_bytes", "traffic=\"circuit\"", NUMBER,
		NULL, NULL},
	{"bandwidth.all.level", "peel_bandwidth_level_bytes", "traffic=\"all\"", NUMBER, "gauge",
		"Bytes that may leave at once now"},
	{"bandwidth.relay.level", "peel_bandwidth_level_bytes", "traffic=\"relay\"", NUMBER, NULL,
		NULL},
	{"bandwidth.exit.level", "peel_bandwidth_level_bytes", "traffic=\"exit\"", NUMBER, NULL,
		NULL},
	{"exit_limits.circuit_packets", "peel_exit_circuit_limit", "of=\"packets\"", NUMBER,
		"gauge",
		"Limits of each circuit that ends here: datagrams per second, destinations (hosts "
		"in a minute)"},
	{"exit_limits.circuit_destinations", "peel_exit_circuit_limit", "of=\"destinations\"",
		NUMBER, NULL, NULL},
	{"accounting.used", "peel_accounting_used_bytes", "", NUMBER, "gauge",
		"Bytes that count in this period of accounting"},
	{"accounting.limit", "peel_accounting_limit_bytes", "limit=\"hard\"", NUMBER, "gauge",
		"Limits of a period; 0: none"},
	{"accounting.soft_limit", "peel_accounting_limit_bytes", "limit=\"soft\"", NUMBER, NULL,
		NULL},
	{"accounting.end", "peel_accounting_end_seconds", "", NUMBER, "gauge",
		"When the next period begins, in seconds since 1970"},
	{"public_address", "peel_public_address_known", "", PRESENT, "gauge",
		"1 if the public address is configured or learnt"},
	{"address_lost", "peel_address_lost", "", NUMBER, "gauge",
		"1 if the machine has lost an address that the node is bound to"},
	{"uptime_ms", "peel_uptime_seconds", "", MILLIS, "gauge", "Time since the start"},
	{"cpu_seconds", "process_cpu_seconds", "", NUMBER, "counter",
		"User and system CPU time of all threads"},
	{"memory.rss_bytes", "process_resident_memory_bytes", "", NUMBER, "gauge",
		"Resident memory, without hugepages"},
	{"process.virtual_memory_bytes", "process_virtual_memory_bytes", "", NUMBER, "gauge",
		"Virtual memory"},
	{"process.open_fds", "process_open_fds", "", NUMBER, "gauge", "Open file descriptors"},
	{"process.max_fds", "process_max_fds", "", NUMBER, "gauge", "Limit of file descriptors"},
	{"process.start_time_seconds", "process_start_time_seconds", "", NUMBER, "gauge",
		"When the process started, in seconds since 1970"},
};

static bool
figure(const json_t *v, enum source source, double *out)
{
	if (v == NULL)
		return false;
	switch (source) {
	case PRESENT:
		*out = !json_is_null(v);
		return true;
	case LENGTH:
		*out = (double)json_array_size(v);
		return json_is_array(v);
	default:
		*out = json_is_boolean(v) ? json_is_true(v) : json_number_value(v);
		*out /= source == MILLIS ? 1000 : 1;
		return json_is_number(v) || json_is_boolean(v);
	}
}

static void
figures(FILE *out, enum peel_metrics_form form, const json_t *status)
{
	const struct row *head = NULL;
	const char *told = "";
	double v;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];

		if (r->type != NULL)
			head = r;
		if (!figure(peel_status_at(status, r->path), r->source, &v))
			continue;
		if (strcmp(told, r->name) != 0)
			metrics_head(out, form,
				&(struct metrics_family){head->name, head->type, head->help});
		told = r->name;
		metrics_sample(out, r->name, suffix(head->type), r->labels, v);
	}
}

static void
info(FILE *out, enum peel_metrics_form form, const json_t *status)
{
	static const char *const names[] = {"version", "driver", "engine"};
	const struct metrics_family f = {"peel_build", "info", "Version and parts in use"};
	char labels[256] = "";

	for (size_t i = 0; i < PEEL_ARRAY_LEN(names); i++) {
		const char *v = json_string_value(json_object_get(status, names[i]));
		size_t len = strlen(labels);

		if (v != NULL)
			snprintf(labels + len, sizeof(labels) - len, "%s%s=\"%s\"",
				len > 0 ? "," : "", names[i], v);
	}
	if (labels[0] == '\0')
		return;
	metrics_head(out, form, &f);
	metrics_sample(out, f.name, "_info", labels, 1);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void
worker_family(FILE *out, enum peel_metrics_form form, const json_t *workers, const char *field,
	const struct metrics_family *f)
{
	char labels[32];
	size_t i;
	json_t *w;

	metrics_head(out, form, f);
	json_array_foreach ((json_t *)(uintptr_t)workers, i, w) {
		snprintf(labels, sizeof(labels), "worker=\"%zu\"", i);
		metrics_sample(out, f->name, suffix(f->type), labels,
			json_number_value(json_object_get(w, field)));
	}
}

static void
rings(FILE *out, enum peel_metrics_form form, const json_t *workers)
{
	const struct metrics_family f = {"peel_ring_messages", "gauge",
		"Messages in the rings between workers and the control thread, by class; worker: "
		"to "
		"the worker"};
	char labels[128];
	const char *name;
	size_t i;
	json_t *w, *v;

	metrics_head(out, form, &f);
	json_array_foreach ((json_t *)(uintptr_t)workers, i, w) {
		json_object_foreach (json_object_get(w, "rings"), name, v) {
			snprintf(labels, sizeof(labels), "worker=\"%zu\",class=\"%s\"", i, name);
			metrics_sample(out, f.name, "", labels, json_number_value(v));
		}
	}
}

static void
workers(FILE *out, enum peel_metrics_form form, const json_t *list)
{
	if (json_array_size(list) == 0)
		return;
	worker_family(out, form, list, "busy_seconds",
		&(struct metrics_family){"peel_worker_busy_seconds", "counter",
			"Time that a worker had work; its rate is the load"});
	worker_family(out, form, list, "busy_cycles",
		&(struct metrics_family){"peel_worker_busy_cycles", "counter",
			"The same in cycles of the CPU's clock"});
	worker_family(out, form, list, "cells",
		&(struct metrics_family){
			"peel_worker_cells", "counter", "Cells of others passed on by a worker"});
	rings(out, form, list);
}

/* ---- histograms ------------------------------------------------------------------------------ */

static void
histogram(
	FILE *out, enum peel_metrics_form form, const json_t *h, const char *name, const char *help)
{
	const struct metrics_family f = {name, "histogram", help};
	double count = json_number_value(json_object_get(h, "count"));
	char labels[64];
	size_t i;
	json_t *row;

	if (h == NULL)
		return;
	metrics_head(out, form, &f);
	json_array_foreach (json_object_get(h, "upto"), i, row) {
		snprintf(labels, sizeof(labels), "le=\"%g\"",
			json_number_value(json_array_get(row, 0)));
		metrics_sample(
			out, name, "_bucket", labels, json_number_value(json_array_get(row, 1)));
	}
	metrics_sample(out, name, "_bucket", "le=\"+Inf\"", count);
	metrics_sample(out, name, "_sum", "", json_number_value(json_object_get(h, "sum_seconds")));
	metrics_sample(out, name, "_count", "", count);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Drivers say what they count under names of their own; whether it can fall, they do not say. */
static void
port(FILE *out, enum peel_metrics_form form, const json_t *values)
{
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)values, name, v) {
		char text[128];
		struct metrics_family f = {text, "unknown", "Reported by the port driver"};

		snprintf(text, sizeof(text), "peel_port_%s", name);
		metrics_head(out, form, &f);
		metrics_sample(out, text, "", "", json_number_value(v));
	}
}

char *
peel_metrics_text(const json_t *status, enum peel_metrics_form form)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool failed;

	if (out == NULL)
		return NULL;
	info(out, form, status);
	metrics_counters(out, form, json_object_get(status, "counters"));
	figures(out, form, status);
	workers(out, form, json_object_get(status, "workers"));
	histogram(out, form, peel_status_at(status, "durations.handshakes"),
		"peel_handshake_seconds",
		"Time of the thread that computes it for each handshake of a joining circuit");
	histogram(out, form, peel_status_at(status, "durations.tick_delay"),
		"peel_tick_delay_seconds", "How late the control thread served its timer");
	port(out, form, json_object_get(status, "port"));
	if (form == PEEL_METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
