/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The table of all keys. config/relay.ini documents each with its default; a test compares the two.
 */
#include <stdio.h>

#include "conf_table.h"
#include "peel_discovery.h"
#include "peel_flows.h"

static const struct conf_word words_auto0[] = {{"auto", 0}, {NULL, 0}};
static const struct conf_word words_auto_1[] = {{"auto", -1}, {NULL, 0}};
static const struct conf_word words_off[] = {{"off", 0}, {NULL, 0}};
static const struct conf_word words_unlimited0[] = {{"unlimited", 0}, {NULL, 0}};
static const struct conf_word words_unlimited_1[] = {{"unlimited", -1}, {NULL, 0}};
static const struct conf_word words_always[] = {{"always", -1}, {NULL, 0}};
static const struct conf_word words_idle[] = {
	{"auto", PEEL_IDLE_AUTO}, {"poll", PEEL_IDLE_POLL}, {"sleep", PEEL_IDLE_SLEEP}, {NULL, 0}};
static const struct conf_word words_hugepages[] = {{"auto", PEEL_HUGEPAGES_AUTO},
	{"yes", PEEL_HUGEPAGES_YES}, {"no", PEEL_HUGEPAGES_NO}, {NULL, 0}};
static const struct conf_word words_lost[] = {{"wait", false}, {"end", true}, {NULL, 0}};
static const struct conf_word words_policy[] = {{"standard", false}, {"any", true}, {NULL, 0}};
static const struct conf_word words_http_ports[] = {{"standard", false}, {"any", true}, {NULL, 0}};
static const struct conf_word words_level[] = {{"error", PEEL_LOG_ERROR},
	{"warning", PEEL_LOG_WARNING}, {"info", PEEL_LOG_INFO}, {"debug", PEEL_LOG_DEBUG},
	{NULL, 0}};

#define FIELD(f) .offset = offsetof(struct peel_conf, f), .size = sizeof(((struct peel_conf *)0)->f)
#define NUMBER(s, n, f, lo, hi, w, text)                                                           \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_NUMBER, FIELD(f), .min = lo, .max = hi,      \
		.words = w, .about = text                                                          \
	}
#define SIZE(s, n, f, lo, hi, text)                                                                \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_SIZE, FIELD(f), .min = lo, .max = hi,        \
		.about = text                                                                      \
	}
#define MILLIS(s, n, f, lo, hi, text)                                                              \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_MILLIS, FIELD(f), .min = lo, .max = hi,      \
		.about = text                                                                      \
	}
#define BOOL(s, n, f, text)                                                                        \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_BOOL, FIELD(f), .about = text                \
	}
#define FLAG(n, bit, text)                                                                         \
	{                                                                                          \
		.section = "tunnel", .name = n, .type = CONF_FLAG, FIELD(node.tunnel.peer_flags),  \
		.min = bit, .about = text                                                          \
	}
#define WORD(s, n, f, w, text)                                                                     \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_WORD, FIELD(f), .words = w, .about = text    \
	}
#define TEXT(s, n, f, may, text)                                                                   \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_TEXT, FIELD(f), .allowed = may,              \
		.about = text                                                                      \
	}
#define ADDR(s, n, f, text)                                                                        \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_ADDR, FIELD(f), .about = text                \
	}
#define SET(s, n, f, fn, may, text)                                                                \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_SET, FIELD(f), .set = fn, .allowed = may,    \
		.about = text                                                                      \
	}
#define LIST(s, n, f, fn, may, text)                                                               \
	{                                                                                          \
		.section = s, .name = n, .type = CONF_LIST, FIELD(f), .set = fn, .allowed = may,   \
		.about = text                                                                      \
	}

#define COMMUNITY "40 hexadecimal digits"
#define YEAR (365 * 24 * 3600)

const struct conf_key conf_keys[] = {
	/* clang-format off */
	TEXT("node", "key", node.key_file, "the path of a key file, up to 255 characters",
		"private key of this node; `peel keygen` makes one"),
	SET("node", "community", node.community[PEEL_COMMUNITY_TUNNEL], conf_set_community,
		"default, tribler, or " COMMUNITY, "tunnel overlay to join"),
	SET("node", "discovery_community", node.community[PEEL_COMMUNITY_DISCOVERY],
		conf_set_discovery_community, "default, or " COMMUNITY, "discovery overlay"),
	SET("node", "dht_community", node.community[PEEL_COMMUNITY_DHT], conf_set_dht_community,
		"default, or " COMMUNITY, "DHT overlay"),
	TEXT("node", "management", node.management, "a path of up to 107 characters, or nothing",
		"UNIX socket for `peel status`; nothing: none"),
	TEXT("node", "user", user, "a user's name, or nothing", "user to become after start"),

	SET("port", "driver", node.port, conf_set_driver, NULL, "how datagrams travel"),
	SET("port", "listen", node.port_conf.listen, conf_set_listen,
		"ADDRESS:PORT, such as 0.0.0.0:8090 or [::]:8090", "main address; ethdev takes the port only"),
	TEXT("port", "device", node.device,
		"a PCI address (0000:03:00.0) or a DPDK device (net_af_packet0,iface=eth1)",
		"ethdev: the device"),
	SET("port", "address", address, conf_set_address, "IPv4 address/prefix length, such as 192.0.2.7/24",
		"ethdev: own address and on-link network"),
	SET("port", "address6", address6, conf_set_address6,
		"IPv6 address/prefix length, such as 2001:db8::7/64, or nothing", "ethdev: the same for IPv6"),
	SET("port", "gateway", node.port_conf.gateway, conf_set_gateway,
		"an IPv4 address, or nothing", "ethdev: router"),
	SET("port", "gateway6", node.port_conf.gateway6, conf_set_gateway6,
		"an IPv6 address, or nothing", "ethdev: router for IPv6"),
	NUMBER("port", "mtu", node.port_conf.mtu, 576, 9216, words_auto0, "ethdev: bytes of an IP packet"),
	SET("port", "exit_ports", node.port_conf.exit_port_min, conf_set_exit_ports,
		"FIRST-LAST, both 1024 to 65535", "ethdev: UDP ports of exits"),
	SET("port", "exit_address", node.port_conf.exit_ipv4, conf_set_exit_address,
		"an IPv4 address of this machine, or nothing", "socket: source of exit traffic"),
	SET("port", "exit_address6", node.port_conf.exit_ipv6, conf_set_exit_address6,
		"an IPv6 address of this machine, or nothing", "socket: the same for IPv6"),
	NUMBER("port", "rx_descriptors", node.port_conf.rx_descriptors, 64, 32768, words_auto0,
		"ethdev: receive descriptors per queue"),
	NUMBER("port", "tx_descriptors", node.port_conf.tx_descriptors, 64, 32768, words_auto0,
		"ethdev: send descriptors per queue"),
	WORD("port", "device_lost", node.port_conf.end_when_lost, words_lost,
		"ethdev: what to do when the interface goes away"),
	NUMBER("port", "buffers", node.n_mbufs, 1024, 16777216, words_auto0, "packet buffers, 2.5 kB each"),

	LIST("workers", "cores", node.core, conf_set_cores, "CPU numbers and ranges, such as 2, 4-7, or nothing",
		"one worker pinned to each"),
	NUMBER("workers", "count", node.n_workers, 1, PEEL_MAX_WORKERS, NULL, "workers when `cores` is empty"),
	NUMBER("workers", "control_core", node.control_core, 0, CPU_SETSIZE - 1, words_auto_1,
		"CPU of the control thread"),
	WORD("workers", "idle", node.idle, words_idle, "what a worker does when nothing arrives"),
	NUMBER("workers", "idle_spins", node.idle_spins, 1, 1000000000, words_auto0, "empty polls before a sleep"),
	WORD("workers", "hugepages", hugepages, words_hugepages, "memory from 2 MiB pages"),
	NUMBER("workers", "memory", memory_mib, 32, 1048576, words_auto0, "MiB at most, without hugepages"),
	NUMBER("workers", "ring", node.ring_size, 64, 65536, NULL,
		"messages each ring to the control thread holds"),
	BOOL("workers", "fan_out", node.fan_out, "busy workers share their cells with the others"),
	NUMBER("workers", "replay_filter", node.replay_entries, 1024, 1 << 28, words_off,
		"cells remembered to refuse exact duplicates"),

	SET("aead", "engine", node.engine, conf_set_engine, NULL, "who encrypts"),

	LIST("discovery", "bootstrap", node.bootstrap, conf_set_bootstrap,
		"ADDRESS:PORT or NAME:PORT, up to 64; default; or nothing", "servers that introduce first peers"),
	SET("discovery", "public_address", node.public_address, conf_set_public_address,
		"ADDRESS:PORT as seen from the Internet, or nothing", "nothing: learnt from answers"),
	NUMBER("discovery", "max_peers", node.max_peers, 1, 100000, words_unlimited_1,
		"peers per overlay before requests are refused"),
	NUMBER("discovery", "walk_target", node.walk_target, 0, 100000, words_always,
		"look for peers while an overlay has fewer"),

	FLAG("relay", PEEL_FLAG_RELAY, "pass on cells of others"),
	FLAG("exit_bt", PEEL_FLAG_EXIT_BT, "let BitTorrent traffic out"),
	FLAG("exit_ipv8", PEEL_FLAG_EXIT_IPV8, "let IPv8 traffic out"),
	FLAG("exit_http", PEEL_FLAG_EXIT_HTTP, "do HTTP requests to trackers for circuits"),
	FLAG("exit_backup", PEEL_FLAG_EXIT_BACKUP, "be chosen as exit only when there is no other"),
	FLAG("speed_test", PEEL_FLAG_SPEED_TEST, "answer speed tests"),
	BOOL("tunnel", "become_exitnode", become_exitnode, "the same as exit_bt, under its name in Tribler"),
	NUMBER("tunnel", "max_joined_circuits", node.tunnel.max_joined_circuits, 1, 8388608, NULL,
		"circuits of others at once, a relayed one counts twice"),
	NUMBER("tunnel", "max_time", node.tunnel.max_time, 1, YEAR, NULL, "seconds an exit lives"),
	NUMBER("tunnel", "max_time_ip", node.tunnel.max_time_ip, 1, YEAR, NULL,
		"seconds an introduction point lives"),
	NUMBER("tunnel", "max_time_inactive", node.tunnel.max_time_inactive, 1, YEAR, NULL,
		"seconds without a cell before a circuit is removed"),
	SIZE("tunnel", "max_traffic", node.tunnel.max_traffic, 1024, INT64_C(1) << 50, "bytes per circuit"),
	NUMBER("tunnel", "unstable_timeout", node.tunnel.unstable_timeout, 1, 3600, NULL,
		"seconds after joining in which a circuit may be extended"),
	NUMBER("tunnel", "next_hop_timeout", node.tunnel.next_hop_timeout, 1, 3600, NULL,
		"seconds to wait for a next hop"),
	NUMBER("tunnel", "remove_tunnel_delay", node.tunnel.remove_tunnel_delay, 0, 3600, NULL,
		"seconds between the end of a circuit and its removal"),
	NUMBER("tunnel", "max_relay_early", node.tunnel.max_relay_early, 0, 255, NULL,
		"cells of a circuit that may extend it"),
	NUMBER("tunnel", "create_rate", node.tunnel.create_rate, 1, 10000000, words_unlimited0,
		"new circuits per second"),
	NUMBER("tunnel", "create_rate_per_source", node.tunnel.create_rate_per_source, 1, 10000000,
		words_unlimited0, "new circuits per second from one address"),
	SIZE("tunnel", "test_response_max", node.test_response_max, 0, PEEL_DATAGRAM_MAX,
		"bytes of a speed test answer at most"),
	NUMBER("tunnel", "test_rate", node.test_rate, 1, 10000000, words_unlimited0,
		"speed test answers per second and worker"),

	WORD("exit", "policy", node.policy.any_payload, words_policy, "which payloads may leave"),
	BOOL("exit", "allow_loopback", node.policy.allow_loopback, "destinations in 127.0.0.0/8 and ::1"),
	BOOL("exit", "allow_private", node.policy.allow_private, "private destinations"),
	BOOL("exit", "allow_link_local", node.policy.allow_link_local, "link-local destinations"),
	BOOL("exit", "allow_multicast", node.policy.allow_multicast, "multicast destinations"),
	BOOL("exit", "allow_own", node.policy.allow_own, "this machine's own addresses"),
	LIST("exit", "deny", node.policy.deny, conf_set_deny,
		"networks such as 198.51.100.0/24 or 2001:db8::/32, up to 32, or nothing",
		"networks that are never reached"),
	LIST("exit", "dns_servers", node.dns, conf_set_dns, "ADDRESS or ADDRESS:PORT, up to 8, or system",
		"resolvers of names in exit traffic"),
	MILLIS("exit", "dns_timeout", node.dns_timeout_ms, 100, 60000, "seconds to wait for a resolver"),
	NUMBER("exit", "queue", node.exit_queue, 1, 256, NULL,
		"datagrams that wait for an exit's socket or name"),
	WORD("exit", "http_ports", node.policy.any_http_port, words_http_ports, "TCP ports of HTTP requests"),
	NUMBER("exit", "http_requests", node.http_max, 1, 4096, NULL, "HTTP requests done at a time"),
	NUMBER("exit", "max_sockets", node.port_conf.max_endpoints, 1, 1000000, NULL, "exits at once"),

	NUMBER("client", "min_circuits", node.originator.min_circuits, 0, PEEL_FLOWS_CIRCUITS, NULL,
		"circuits per hop count that are enough to begin with"),
	NUMBER("client", "max_circuits", node.originator.max_circuits, 1, PEEL_FLOWS_CIRCUITS, NULL,
		"circuits kept per hop count"),
	NUMBER("client", "circuit_timeout", node.originator.circuit_timeout, 1, 3600, NULL,
		"seconds a circuit may take, in tries of next_hop_timeout"),
	BOOL("client", "allow_same_network", node.originator.allow_same_network,
		"two hops of a circuit may share a /16 or an IPv6 /32"),
	BOOL("client", "isolate_destinations", client.isolate_destinations,
		"destinations share a circuit only when there are too few"),

	ADDR("socks", "hops1", client.listen[0], "SOCKS listener for circuits of one hop"),
	ADDR("socks", "hops2", client.listen[1], "of two hops"),
	ADDR("socks", "hops3", client.listen[2], "of three hops"),
	ADDR("socks", "hops4", client.listen[3], "of four hops"),
	ADDR("socks", "hops5", client.listen[4], "of five hops"),
	ADDR("socks", "hops6", client.listen[5], "of six hops"),
	ADDR("socks", "hops7", client.listen[6], "of seven hops"),
	ADDR("socks", "hops8", client.listen[7], "of eight hops"),
	TEXT("socks", "user", client.user, "a name of up to 255 characters, or nothing",
		"who may connect; nothing: everybody on this machine"),
	TEXT("socks", "password", client.password, "up to 255 characters, or nothing", "belongs to user"),
	NUMBER("socks", "max_clients", client.max_clients, 1, 1024, NULL, "connections per listener"),
	NUMBER("socks", "idle_timeout", client.idle_timeout, 10, YEAR, NULL,
		"seconds without datagrams before an association ends"),

	WORD("log", "level", log_level, words_level, "least serious lines written"),
	BOOL("log", "timestamps", log_timestamps, "time in front of each line"),
	/* clang-format on */
};
const unsigned int conf_n_keys = PEEL_ARRAY_LEN(conf_keys);
_Static_assert(PEEL_ARRAY_LEN(conf_keys) <= PEEL_ARRAY_LEN(((struct peel_conf *)0)->line),
	"struct peel_conf has a line number for each key");

int
conf_key_find(const char *section, const char *name)
{
	for (unsigned int i = 0; i < conf_n_keys; i++) {
		if (strcmp(conf_keys[i].name, name) == 0 &&
			strcmp(conf_keys[i].section, section) == 0)
			return (int)i;
	}
	return -1;
}

unsigned int
conf_section_use(const char *section)
{
	if (strcmp(section, "client") == 0 || strcmp(section, "socks") == 0)
		return PEEL_CONF_CLIENT;
	for (unsigned int i = 0; i < conf_n_keys; i++) {
		if (strcmp(conf_keys[i].section, section) == 0)
			return PEEL_CONF_ANY;
	}
	return 0;
}

const char *
conf_section_list(enum peel_conf_use use, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	/* The keys of a section stand together. */
	for (unsigned int i = 0; i < conf_n_keys && n < size; i++) {
		const char *s = conf_keys[i].section;

		if ((i == 0 || strcmp(s, conf_keys[i - 1].section) != 0) &&
			(conf_section_use(s) & use) != 0)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "", s);
	}
	return out;
}

/* Edit distance of two short words (swaps count as two); long ones are far from everything. */
static unsigned int
distance(const char *a, const char *b)
{
	enum {
		MAX = 32
	};
	size_t la = strlen(a), lb = strlen(b);
	unsigned int row[MAX + 1], diagonal, above;

	if (la > MAX || lb > MAX)
		return MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 1; i <= la; i++) {
		diagonal = row[0];
		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned int best = diagonal + (a[i - 1] != b[j - 1]);

			above = row[j];
			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[lb];
}

/* One slip in three letters still is the same word. */
static unsigned int
tolerance(const char *word)
{
	size_t len = strlen(word);

	return len < 3 ? 0 : len < 6 ? 1 : len < 9 ? 2 : 3;
}

const char *
conf_hint_key(const char *section, const char *name, char *out, size_t size)
{
	/* Doubled, so that the same word in another section is worse than the same slip in this one. */
	unsigned int best = 2 * tolerance(name) + 2;
	const struct conf_key *near = NULL;

	for (unsigned int i = 0; i < conf_n_keys; i++) {
		const struct conf_key *k = &conf_keys[i];
		unsigned int d = 2 * distance(name, k->name) + (strcmp(section, k->section) != 0);

		if (d < best) {
			near = k;
			best = d;
		}
	}
	if (near == NULL)
		return NULL;
	snprintf(out, size, "[%s] %s", near->section, near->name);
	return out;
}

const char *
conf_hint_section(const char *section)
{
	unsigned int best = tolerance(section) + 1;
	const char *near = NULL;

	for (unsigned int i = 0; i < conf_n_keys; i++) {
		unsigned int d = distance(section, conf_keys[i].section);

		if (d < best) {
			near = conf_keys[i].section;
			best = d;
		}
	}
	return near;
}
