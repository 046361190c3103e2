/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "conf_helpers.h"

/* ---- values ---------------------------------------------------------------------------------- */

static void
test_minimal_file_gives_defaults(void **state)
{
	struct conf c, d;

	(void)state;
	parse_ok(KEY, &c);
	conf_init(&d, CONF_FOR_RELAY);
	assert_string_equal(c.node.key_file, "k");
	memset(c.node.key_file, 0, sizeof(c.node.key_file));
	memset(c.line, 0, sizeof(c.line));
	assert_int_not_equal(c.text[CONF_node_key], d.text[CONF_node_key]);
	c.text[CONF_node_key] = d.text[CONF_node_key];
	assert_memory_equal(&c, &d, sizeof(c));
	assert_int_equal(d.node.n_bootstrap, 13);
	assert_ptr_equal(d.node.port, port_drivers[0]);
}

static void
test_values_reach_their_fields(void **state)
{
	struct conf c;

	(void)state;
	parse_ok(
		"[node]\nkey = /a/b ; comment\ncommunity = tribler\nmanagement = /run/peel\n"
		"dht_community = 00112233445566778899AABBCCDDEEFF00112233\nuser = nobody\n"
		"[port]\nlisten: [2001:db8::1]:0\nbuffers = 2048\nexit_address = 192.0.2.1\n"
		"exit_address6 = 2001:db8::2\n"
		"[workers]\ncores = 5, 1-3\n 9\ncontrol_core = 0\nidle = sleep\nidle_spins = 7\n"
		"hugepages = no\nmemory = 64\nring = 64\nreplay_filter = off\n"
		"[aead]\nengine = sodium\n"
		"[discovery]\nbootstrap = 192.0.2.9:1 [2001:db8::9]:2,\n\ta.example:3\n"
		"public_address = 198.51.100.1:4\nmax_peers = unlimited\nwalk_target = -1\n"
		"[tunnel]\nrelay = off\nexit_ipv8 = on\nspeed_test = false\nbecome_exitnode = "
		"true\n"
		"max_traffic = 3M\nmax_relay_early = 0\ncreate_rate = unlimited\n"
		"test_response_max = 1k\n"
		"[exit]\npolicy = any\nallow_own = yes\ndeny = 192.0.2.0/24 2001:db8::/32 9.9.9.9\n"
		"dns_servers = 9.9.9.9 [2001:db8::5]:54\ndns_timeout = 0.25\nqueue = 3\n"
		"rules = accept 192.0.2.0/24:25, reject *:25 accept6\n [2001:db8::]/32:80-90\n"
		"\treject *4:*\n"
		"max_sockets = 12\nhttp_ports = any\n"
		"[log]\nlevel = debug\ntimestamps = yes\n",
		&c);
	const struct peel_node_conf *n = &c.node;

	assert_string_equal(n->key_file, "/a/b");
	assert_int_equal(n->community[PEEL_COMMUNITY_TUNNEL][0], 0xa3);
	assert_int_equal(n->community[PEEL_COMMUNITY_DHT][10], 0xaa);
	assert_string_equal(n->management, "/run/peel");
	assert_string_equal(c.user, "nobody");
	assert_addr(&n->port_conf.listen, "[2001:db8::1]:0");
	assert_int_equal(n->n_mbufs, 2048);
	assert_addr(&n->port_conf.exit_ipv4, "192.0.2.1:0");
	assert_addr(&n->port_conf.exit_ipv6, "[2001:db8::2]:0");
	assert_int_equal(n->n_workers, 5);
	static const int cores[] = {5, 1, 2, 3, 9, -1};
	assert_memory_equal(n->core, cores, sizeof(cores));
	assert_int_equal(n->control_core, 0);
	assert_int_equal(n->idle, PEEL_IDLE_SLEEP);
	assert_int_equal(n->idle_spins, 7);
	assert_int_equal(c.hugepages, HUGEPAGES_NO);
	assert_int_equal(c.memory_mib, 64);
	assert_int_equal(n->ring_size, 64);
	assert_int_equal(n->replay_entries, 0);
	assert_string_equal(n->engine->name, "sodium");
	assert_int_equal(n->n_bootstrap, 2);
	assert_addr(&n->bootstrap[1], "[2001:db8::9]:2");
	assert_int_equal(n->n_bootstrap_names, 1);
	assert_string_equal(n->bootstrap_name[0], "a.example:3");
	assert_addr(&n->public_address, "198.51.100.1:4");
	assert_int_equal(n->max_peers, -1);
	assert_int_equal(n->walk_target, -1);
	assert_int_equal(n->tunnel.peer_flags, PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8);
	assert_int_equal(n->tunnel.max_traffic, 3 << 20);
	assert_int_equal(n->tunnel.max_relay_early, 0);
	assert_int_equal(n->tunnel.create_rate, 0);
	assert_int_equal(n->test_response_max, 1024);
	assert_true(n->policy.any_payload);
	assert_true(n->policy.allow_own);
	assert_true(n->policy.any_http_port);
	assert_int_equal(n->policy.n_deny, 3);
	assert_int_equal(n->policy.deny[1].prefix_len, 32);
	assert_int_equal(n->policy.deny[2].prefix_len, 32);
	const struct peel_rule rules[] = {{.net = {peel_addr_ipv4(192, 0, 2, 0, 0), 24},
						  .port_min = 25,
						  .port_max = 25,
						  .families = PEEL_RULE_IPV4,
						  .accept = true},
		{.port_min = 25, .port_max = 25, .families = PEEL_RULE_IPV4 | PEEL_RULE_IPV6},
		{.net = n->policy.rule[2].net,
			.port_min = 80,
			.port_max = 90,
			.families = PEEL_RULE_IPV6,
			.accept = true},
		{.port_max = 65535, .families = PEEL_RULE_IPV4}};
	assert_int_equal(n->policy.n_rules, 4);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(rules); i++) {
		const struct peel_rule *is = &n->policy.rule[i], *want = &rules[i];

		assert_true(peel_addr_equal(&is->net.addr, &want->net.addr));
		assert_int_equal(is->net.prefix_len, want->net.prefix_len);
		assert_int_equal(is->port_min, want->port_min);
		assert_int_equal(is->port_max, want->port_max);
		assert_int_equal(is->families, want->families);
		assert_int_equal(is->accept, want->accept);
	}
	assert_addr(&n->policy.rule[2].net.addr, "[2001:db8::]:0");
	assert_int_equal(n->policy.rule[2].net.prefix_len, 32);
	assert_int_equal(n->n_dns, 2);
	assert_addr(&n->dns[0], "9.9.9.9:53");
	assert_addr(&n->dns[1], "[2001:db8::5]:54");
	assert_int_equal(n->dns_timeout_ms, 250);
	assert_int_equal(n->exit_queue, 3);
	assert_int_equal(n->port_conf.max_endpoints, 12);
	assert_int_equal(c.log_level, PEEL_LOG_DEBUG);
	assert_true(c.log_timestamps);
}

static void
test_limits_reach_their_fields(void **state)
{
	struct conf c;

	(void)state;
	parse_ok(KEY "[exit]\ncircuit_packets = 2000\ncircuit_destinations = unlimited\n"
		     "[bandwidth]\nrate = 100 Mbit/s\nburst = 3M\nrelay_rate=2G\nexit_rate = "
		     "800kbit\n"
		     "circuit_rate = 0\ncircuit_burst = auto\n"
		     "[accounting]\nlimit = 2T\nsoft_limit=1T\nstart = week 7 13:05\ncount = out\n"
		     "state = /s\n",
		&c);
	const struct peel_node_conf *n = &c.node;
	const struct peel_bandwidth_limit limits[] = {
		{12500000, 3 << 20}, {INT64_C(2) << 30, 0}, {100000, 0}, {0, 0}};
	assert_memory_equal(n->bandwidth.limit, limits, sizeof(limits));
	assert_int_equal(n->circuit.packets, 2000);
	assert_int_equal(n->circuit.destinations, 0);
	assert_int_equal(n->accounting.limit, INT64_C(2) << 40);
	assert_int_equal(n->accounting.soft_limit, INT64_C(1) << 40);
	assert_int_equal(n->accounting.start.kind, PEEL_PERIOD_WEEK);
	assert_int_equal(n->accounting.start.day, 7);
	assert_int_equal(n->accounting.start.minute, 13 * 60 + 5);
	assert_int_equal(n->accounting.count, PEEL_ACCOUNTING_OUT);
	assert_string_equal(n->accounting_state, "/s");
}

static void
test_ethdev_values_are_combined(void **state)
{
	struct conf c;

	(void)state;
	if (port_find("ethdev") == NULL)
		return; /* a build without it */
	parse_ok(ETHDEV
		"listen = 0.0.0.0:99\naddress6 = fd00::3/64\ngateway = 10.1.2.1\n"
		"gateway6 = fe80::1\nmtu = 1500\nexit_ports = 3000-3009\nrx_descriptors = 512\n"
		"tx_descriptors = auto\ndevice_lost = end\n",
		&c);
	const struct peel_port_conf *p = &c.node.port_conf;

	assert_addr(&p->listen, "10.1.2.3:99");
	assert_int_equal(p->prefix_len, 24);
	assert_addr(&p->address6, "[fd00::3]:0");
	assert_int_equal(p->prefix_len6, 64);
	assert_addr(&p->gateway, "10.1.2.1:0");
	assert_addr(&p->gateway6, "[fe80::1]:0");
	assert_int_equal(p->mtu, 1500);
	assert_int_equal(p->exit_port_min, 3000);
	assert_int_equal(p->exit_port_max, 3009);
	assert_int_equal(p->max_endpoints, 10); /* no more than ports */
	assert_int_equal(p->rx_descriptors, 512);
	assert_int_equal(p->tx_descriptors, 0);
	assert_true(p->end_when_lost);
}

static void
test_empty_lists_are_empty(void **state)
{
	struct conf c;

	(void)state;
	parse_ok(KEY "[discovery]\nbootstrap =\n[workers]\ncores =\n[exit]\ndeny =\n"
		     "[dht]\nprovider =\n",
		&c);
	assert_int_equal(c.node.n_providers, 0);
	assert_int_equal(c.node.n_bootstrap + c.node.n_bootstrap_names, 0);
	assert_int_equal(c.node.n_workers, 1);
	assert_int_equal(c.node.core[0], -1);
}

static void
test_line_forms(void **state)
{
	struct conf c;

	(void)state;
	/* Byte order mark, CR LF, comments, no space around '=', a ';' and a '#' inside a value, no
	 * last line end. */
	parse_ok("\xef\xbb\xbf# x\r\n  ; y\r\n\r\n[node] ; z\r\nkey=a;b#c\r\n\t\r\n[log]\r\n"
		 "level \t = error \t;no",
		&c);
	assert_string_equal(c.node.key_file, "a;b#c");
	assert_int_equal(c.log_level, PEEL_LOG_ERROR);
}

/* ---- the documented file --------------------------------------------------------------------- */

static char *
read_ini(enum conf_use use)
{
	const char *path = getenv(use == CONF_FOR_RELAY ? "PEEL_RELAY_INI" : "PEEL_CLIENT_INI");
	FILE *f;
	char *text = calloc(1, 65536);

	assert_non_null(path);
	assert_non_null(text);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_true(fread(text, 1, 65535, f) > 0);
	fclose(f);
	return text;
}

/* A line "#name = value" of the file shows a default: it must set exactly what the defaults
 * have. */
static void
check_default(enum conf_use use, int i, const char *value)
{
	const struct conf_setting *k = &conf_settings[i];
	static struct conf defaults, c;
	char why[CONF_WHY_MAX] = "";

	conf_init(&defaults, use);
	c = defaults;
	/* Spoil the field, so that a value that does nothing is seen. Flags share theirs, lists
	 * clear theirs. */
	if (k->type == CONF_FLAG)
		c.node.tunnel.peer_flags ^= (uint16_t)k->min;
	else if (k->type < CONF_CORES)
		memset((char *)&c + k->offset, 0x55, k->size);
	if (conf_set(&c, (enum conf_id)i, value, false, why) != 0)
		fail_msg("[%s] %s = %s: %s", k->section, k->name, value, why);
	if (memcmp(&c, &defaults, sizeof(c)) != 0)
		fail_msg("[%s] %s = %s is not the default", k->section, k->name, value);
}

/* The committed file is the one that `--sample` writes, and reads as the defaults. */
static void
documents_the_defaults(enum conf_use use)
{
	char *text = read_ini(use), *save = NULL, section[64] = "", *sample = NULL;
	size_t len;
	FILE *f = open_memstream(&sample, &len);
	bool seen[CONF_N] = {false};

	assert_non_null(f);
	conf_sample(use, f);
	fclose(f);
	assert_string_equal(text, sample);
	free(sample);
	for (char *line = strtok_r(text, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save)) {
		char name[64], value[256] = "";
		bool active = line[0] != '#';

		if (sscanf(line, "[%63[a-z]]", section) == 1 || strchr(line, '=') == NULL ||
			sscanf(line + !active, "%63[a-z0-9_] =%255[^\n]", name, value) < 1)
			continue;
		int i = conf_find(section, name);

		assert_true(i >= 0);
		assert_false(seen[i]);
		seen[i] = true;
		if (!active)
			check_default(use, i, value + strspn(value, " "));
	}
	for (unsigned int i = 0; i < CONF_N; i++)
		assert_int_equal(seen[i], (conf_section_use(conf_settings[i].section) & use) != 0);
	free(text);
}

static void
test_relay_ini_documents_the_defaults(void **state)
{
	(void)state;
	documents_the_defaults(CONF_FOR_RELAY);
}

static void
test_client_ini_documents_the_defaults(void **state)
{
	(void)state;
	documents_the_defaults(CONF_FOR_CLIENT);
}

static void
test_sample_files_are_valid(void **state)
{
	char *relay = read_ini(CONF_FOR_RELAY), *client = read_ini(CONF_FOR_CLIENT);
	struct conf c;
	struct told t;

	(void)state;
	parse_ok(relay, &c);
	parse_client_ok(client, &c);
	assert_addr(&c.client.listen[2], "127.0.0.1:1083");
	assert_int_equal(c.node.tunnel.peer_flags, PEEL_FLAG_RELAY | PEEL_FLAG_SPEED_TEST);
	assert_int_equal(c.node.key_file[0], '\0');
	/* Whoever asks a running node takes both. */
	assert_int_equal(parse_bytes_as(CONF_FOR_ANY, relay, strlen(relay), &c, &t), 0);
	assert_int_equal(parse_bytes_as(CONF_FOR_ANY, client, strlen(client), &c, &t), 0);
	free(relay);
	free(client);
}

#define SOCKS "[socks]\nhops2 = 127.0.0.1:0\n"

static void
test_values_of_a_client(void **state)
{
	struct conf c;

	(void)state;
	parse_client_ok(
		"[socks]\nhops1 = [::1]:5\nhops7 = 192.0.2.1:5\nuser = a b\npassword = c;d\n"
		"max_clients = 9\nidle_timeout = 10\n"
		"[client]\nmin_circuits = 2\nmax_circuits = 3\ncircuit_timeout = 40\n"
		"allow_same_network = yes\nisolate_destinations = yes\n"
		"[services]\njoin = chat/1, torrent:000102030405060708090A0b0c0d0e0f10111213/7\n"
		" id:ff000000000000000000000000000000000000fe/1\npublish = chat/1\n"
		"[tunnel]\nmax_time = 600\nmax_traffic = 1G\nnext_hop_timeout = 7\nrelay = no\n",
		&c);
	const struct service_name *s = c.client.join.item;

	assert_int_equal(c.client.join.n, 3);
	assert_int_equal(s[0].kind, SERVICE_NAME);
	assert_string_equal(s[0].text, "chat");
	assert_int_equal(s[0].hops, 1);
	assert_int_equal(s[1].kind, SERVICE_TORRENT);
	assert_int_equal(s[1].hash[10], 0x0a);
	assert_int_equal(s[1].hops, 7);
	assert_int_equal(s[2].kind, SERVICE_ID);
	assert_int_equal(s[2].hash[0], 0xff);
	assert_int_equal(c.client.publish.n, 1);
	assert_int_equal(service_find(&c.client.join, "chat"), 0);
	assert_int_equal(service_find(&c.client.join, "cha"), SERVICES_MAX);
	assert_addr(&c.client.listen[0], "[::1]:5");
	assert_int_equal(c.client.listen[1].family, PEEL_FAMILY_NONE);
	assert_addr(&c.client.listen[6], "192.0.2.1:5");
	assert_string_equal(c.client.user, "a b");
	assert_string_equal(c.client.password, "c;d");
	assert_int_equal(c.client.max_clients, 9);
	assert_int_equal(c.client.idle_timeout, 10);
	assert_true(c.client.isolate_destinations);
	const struct peel_origin_settings *o = &c.node.originator;

	assert_int_equal(o->min_circuits, 2);
	assert_int_equal(o->max_circuits, 3);
	assert_int_equal(o->circuit_timeout, 40);
	assert_true(o->allow_same_network);
	/* What [tunnel] says counts for own circuits, too. */
	assert_int_equal(o->max_time, 600);
	assert_int_equal(o->max_traffic, 1 << 30);
	assert_int_equal(o->next_hop_timeout, 7);
	assert_int_equal(c.node.max_own_circuits, 256 + 2 * 2 * 3);
	parse_client_ok(SOCKS, &c);
	assert_int_equal(c.node.port_conf.listen.port, 0);
	parse_ok(KEY, &c);
	assert_int_equal(c.node.max_own_circuits, 0);
}

static void
test_table_is_sound(void **state)
{
	char allowed[CONF_TEXT_MAX], before[CONF_TEXT_MAX] = "";

	(void)state;
	for (int i = 0; i < CONF_N; i++) {
		const struct conf_setting *k = &conf_settings[i];
		const char *may = conf_allowed(k, allowed);

		assert_int_equal(conf_find(k->section, k->name), i); /* no name twice */
		assert_true(strlen(may) > 0);
		if (k->about[0] == '\0') /* what is told with the row before is true for this one */
			assert_string_equal(may, before);
		snprintf(before, sizeof(before), "%s", may);
		if (k->type < CONF_WORD) {
			assert_true(k->min <= k->max);
			assert_true(k->size == 8 || k->max < INT64_C(1) << (8 * k->size));
		}
	}
}

/* ---- this machine ---------------------------------------------------------------------------- */

static void
test_host_checks(void **state)
{
	struct conf c;
	struct told t = {.n = 0};
	char folder[] = "/tmp/peel-conf-XXXXXX", path[64], text[256], why[128];
	struct peel_identity id;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(peel_keys_init(), 0);
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	snprintf(path, sizeof(path), "%s/key", folder);
	assert_int_equal(peel_identity_save(path, &id, why, sizeof(why)), 0);
	snprintf(text, sizeof(text),
		"[node]\nkey = %s\nmanagement = %s/s\n[workers]\nhugepages = no\n", path, folder);
	parse_ok(text, &c);
	assert_int_equal(conf_check_host("f.ini", &c, on_error, &t), 0);

	chmod(path, 0644); /* a secret that others can read */
	parse_ok(text, &c);
	assert_int_equal(conf_check_host("f.ini", &c, on_error, &t), 1);
	assert_non_null(strstr(t.text, "f.ini:2: [node] key: "));
	unlink(path);
	memset(&t, 0, sizeof(t));
	parse_ok("[node]\nkey = /nonexistent/k\nmanagement = /nonexistent/s\nuser = no-such-user\n"
		 "[port]\nlisten = 203.0.113.77:0\n"
		 "[workers]\ncores = 1023\nhugepages = no\nmemory = 32\n"
		 "[tunnel]\nmax_joined_circuits = 1000000\n",
		&c);
	assert_int_equal(conf_check_host("f.ini", &c, on_error, &t), 5);
	assert_non_null(strstr(t.text, "f.ini:2: [node] key: /nonexistent/k: No such file"));
	assert_non_null(
		strstr(t.text, "f.ini:3: [node] management: cannot make a socket in /nonexistent"));
	assert_non_null(strstr(t.text, "f.ini:4: [node] user: no-such-user is not known here"));
	assert_non_null(strstr(t.text, "f.ini:8: [workers] cores: there is no CPU 1023"));
	assert_non_null(strstr(t.text, "f.ini:10: [workers] memory: 32 MiB is too little"));
	/* An address that may still come is no mistake. */
	memset(&t, 0, sizeof(t));
	conf_notes("f.ini", &c, on_error, &t);
	assert_non_null(strstr(t.text, "f.ini:6: [port] listen: this machine does not have "
				       "203.0.113.77 yet"));
	rmdir(folder);
}

/* Providers' routers outside of the network of one host, and networks of two. */
static void
test_routers_outside(void **state)
{
	static const char *const fine[] = {
		"address = 192.0.2.7/32\ngateway = 172.31.1.1\n",
		"address = 192.0.2.7/31\ngateway = 192.0.2.6\n",
		"address = 192.0.2.0/31\n",
		"address = 192.0.2.7/24\naddress6 = 2001:db8::7/128\ngateway6 = 2001:db9::1\n",
		"address = 192.0.2.7/24\naddress6 = 2001:db8::7/64\ngateway6 = fe80::1\n",
		"address = 192.0.2.7/24\naddress6 = 2001:db8::/127\n",
	};
	struct conf c;

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(fine); i++) {
		struct told t = {.n = 0};
		char text[512];

		snprintf(text, sizeof(text),
			"[node]\nkey = k\n[workers]\nhugepages = no\n[port]\ndriver = ethdev\n"
			"device = net_null0\nlisten = 0.0.0.0:8090\n%s",
			fine[i]);
		parse_ok(text, &c);
		conf_notes("f.ini", &c, on_error, &t);
		assert_true(
			(strstr(t.text, "asked for on the link") != NULL) == (i == 0 || i == 3));
	}
}

/* The sample files put the mark before the text, which may be about several settings. */
static void
test_what_is_told_together_reloads_together(void **state)
{
	unsigned int n = 0;

	(void)state;
	for (enum conf_id id = 0; id < CONF_N; id++) {
		n += conf_reloads(id);
		if (conf_settings[id].about[0] == '\0')
			assert_int_equal(conf_reloads(id), conf_reloads(id - 1));
	}
	assert_in_range(n, 10, CONF_N / 2);
	assert_true(conf_reloads(CONF_log_level));
	assert_false(conf_reloads(CONF_port_listen));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_minimal_file_gives_defaults),
		cmocka_unit_test(test_values_reach_their_fields),
		cmocka_unit_test(test_limits_reach_their_fields),
		cmocka_unit_test(test_ethdev_values_are_combined),
		cmocka_unit_test(test_empty_lists_are_empty),
		cmocka_unit_test(test_line_forms),
		cmocka_unit_test(test_relay_ini_documents_the_defaults),
		cmocka_unit_test(test_client_ini_documents_the_defaults),
		cmocka_unit_test(test_sample_files_are_valid),
		cmocka_unit_test(test_values_of_a_client),
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_what_is_told_together_reloads_together),
		cmocka_unit_test(test_host_checks),
		cmocka_unit_test(test_routers_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
