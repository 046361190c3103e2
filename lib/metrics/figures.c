/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The table of figures: which one of the status document becomes which metric.
 */
#include <string.h>

#include "metrics_internal.h"
#include "peel_status_path.h"

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

void
metrics_figures(FILE *out, enum peel_metrics_form form, const json_t *status)
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
		metrics_sample(out, r->name, metrics_suffix(head->type), r->labels, v);
	}
}
