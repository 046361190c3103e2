/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Settings, addresses and the texts of errors.
 */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <sched.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "handle.h"

static struct peel_node_conf conf;

static int
judge(const struct peel_settings *in)
{
	struct peel_settings s;
	int rc = settings_take(in, &s);

	if (rc == 0)
		rc = settings_check(&s);
	return rc != 0 ? rc : settings_convert(&s, &conf);
}

/* Refused with exactly that text. */
static void
refused(const struct peel_settings *s, const char *text)
{
	int rc = judge(s);

	assert_true(rc < 0);
	assert_string_equal(peel_strerror(rc), text);
}

static void
test_defaults(void **state)
{
	struct peel_settings s;

	(void)state;
	peel_settings_init(&s);
	assert_int_equal(judge(&s), 0);
	assert_int_equal(conf.originator.max_circuits, 8);
	assert_int_equal(conf.originator.min_circuits, 1);
	assert_int_equal(conf.originator.max_traffic, 10ull << 30);
	assert_int_equal(conf.tunnel.max_joined_circuits, 100);
	assert_int_equal(conf.tunnel.max_time, 3600);
	assert_int_equal(conf.tunnel.max_time_inactive, 20);
	assert_int_equal(conf.tunnel.peer_flags, PEEL_RELAY | PEEL_SPEED_TEST);
	assert_int_equal(conf.n_bootstrap, 13);
	assert_int_equal(conf.port_conf.listen.port, 0);
	assert_true(conf.max_own_circuits >= 4 * PEEL_SWARMS_MAX);
	assert_string_equal(conf.key_file, "");
	assert_false(
		conf.policy.any_payload || conf.policy.allow_loopback || conf.policy.allow_private);
	assert_int_equal(conf.idle, PEEL_IDLE_SLEEP);
}

/* The table's defaults are what peel_settings_init() sets and what peel.h tells, "NAME; " and a
 * comment "DEFAULT: ...". */
static void
test_header_tells_the_defaults(void **state)
{
	static const struct {
		const char *name;
		size_t offset, size;
		uint64_t by_default;
	} rows[] = {
#define ROW_ALL(n, d)                                                                              \
	{#n, offsetof(struct peel_settings, n), sizeof(((struct peel_settings *)0)->n), d},
#define ROW_OWN(...)
#define ROW_FILES(...)
#define VALUE(                                                                                     \
	section, name, owner, field, type, by_default, min, max, word, meaning, takers, about)     \
	ROW_##takers(name, by_default)
#define LIBPEEL(name, by_default, min, max) ROW_ALL(name, by_default)
#include "peel_settings.def"
	};
	static char header[65536];
	FILE *f = fopen(getenv("PEEL_H"), "re");
	struct peel_settings s;

	(void)state;
	assert_non_null(f);
	assert_true(fread(header, 1, sizeof(header) - 1, f) > 0);
	fclose(f);
	peel_settings_init(&s);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(rows); i++) {
		unsigned long long told;
		uint64_t set = 0;
		char field[64], unit[4] = "";
		const char *at, *told_at;

		memcpy(&set, (uint8_t *)&s + rows[i].offset, rows[i].size);
		assert_int_equal(set, rows[i].by_default);
		snprintf(field, sizeof(field), " %s;", rows[i].name);
		at = strstr(strstr(header, "struct peel_settings {"), field);
		assert_non_null(at);
		for (told_at = at; *told_at != '['; told_at--)
			assert_true(told_at > header && *told_at != ';');
		assert_true(sscanf(told_at, "[%llu %3[A-Za-z]", &told, unit) >= 1);
		assert_int_equal(strcmp(unit, "GiB") == 0 ? told << 30 : told, set);
	}
}

static void
test_ranges(void **state)
{
#define ROW(f, lo, hi)                                                                             \
	{                                                                                          \
#f, offsetof(struct peel_settings, f), sizeof(((struct peel_settings *)0)->f), lo, \
			hi                                                                         \
	}
	static const struct {
		const char *name;
		size_t offset, size;
		uint64_t low, high;
	} rows[] = {ROW(min_circuits, 0, 1024), ROW(max_circuits, 1, 1024),
		ROW(max_time, 1, 31536000), ROW(max_time_ip, 1, 31536000),
		ROW(max_time_inactive, 1, 31536000), ROW(max_traffic, 1024, 1ull << 50),
		ROW(circuit_timeout, 1, 3600), ROW(next_hop_timeout, 1, 3600),
		ROW(max_relay_early, 1, 255), ROW(max_joined_circuits, 0, 8388608),
		ROW(unstable_timeout, 1, 3600), ROW(remove_tunnel_delay, 0, 3600),
		ROW(swarm_lookup_interval, 1, 31536000), ROW(swarm_connection_limit, 1, 1024),
		ROW(max_peers, 1, 100000), ROW(workers, 1, 32), ROW(memory, 32, 1048576)};
	struct peel_settings s;
	char text[128];

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(rows); i++) {
		uint64_t wrong[] = {rows[i].low - 1, rows[i].high + 1};

		for (int k = rows[i].low == 0; k < 2; k++) {
			peel_settings_init(&s);
			memcpy((uint8_t *)&s + rows[i].offset, &wrong[k], rows[i].size);
			snprintf(text, sizeof(text),
				"settings.%s: %llu is not between %llu and %llu", rows[i].name,
				(unsigned long long)wrong[k], (unsigned long long)rows[i].low,
				(unsigned long long)rows[i].high);
			refused(&s, text);
		}
		/* The limits themselves are fine, as far as they fit the others. */
		peel_settings_init(&s);
		s.min_circuits = 0;
		s.next_hop_timeout = 1;
		if (rows[i].offset == offsetof(struct peel_settings, min_circuits))
			s.max_circuits = 1024;
		if (rows[i].offset == offsetof(struct peel_settings, next_hop_timeout))
			s.circuit_timeout = 3600;
		memcpy((uint8_t *)&s + rows[i].offset, &rows[i].low, rows[i].size);
		assert_int_equal(judge(&s), 0);
		memcpy((uint8_t *)&s + rows[i].offset, &rows[i].high, rows[i].size);
		assert_int_equal(judge(&s), 0);
	}
}

static int
no_lookup(void *arg, const uint8_t info_hash[20],
	void (*found)(void *ctx, const struct peel_introduction_point *point), void *ctx)
{
	(void)arg;
	(void)info_hash;
	found(ctx, NULL);
	return 0;
}

static int
no_announce(void *arg, const uint8_t info_hash[20], const struct peel_introduction_point *point)
{
	(void)arg;
	(void)info_hash;
	(void)point;
	return 0;
}

static int
no_peer(void *arg, const uint8_t mid[20],
	void (*found)(void *ctx, const struct peel_address *address), void *ctx)
{
	(void)arg;
	(void)mid;
	found(ctx, NULL);
	return 0;
}

static void
test_fields_against_each_other(void **state)
{
	const struct peel_dht_provider dht = {0};
	struct peel_settings s;

	(void)state;
	peel_settings_init(&s);
	s.min_circuits = 9;
	refused(&s, "settings.min_circuits: 9 is more than max_circuits, 8");
	peel_settings_init(&s);
	s.circuit_timeout = 5;
	refused(&s,
		"settings.next_hop_timeout: 10 is more than circuit_timeout, 5: a circuit would "
		"never be tried");
	peel_settings_init(&s);
	s.peer_flags = 16 | PEEL_RELAY;
	refused(&s, "settings.peer_flags: 0x10 is no flag of enum peel_flag");
	peel_settings_init(&s);
	s.exit_any_payload = true;
	refused(&s,
		"settings.exit_any_payload: lets nothing out without become_exitnode, PEEL_EXIT_BT "
		"or PEEL_EXIT_IPV8");
	s.become_exitnode = true;
	assert_int_equal(judge(&s), 0);
	assert_true(conf.tunnel.peer_flags & PEEL_EXIT_BT);
	assert_true(conf.policy.any_payload);
	peel_settings_init(&s);
	s.dht_provider = &dht;
	refused(&s, "settings.dht_provider: one of its functions is NULL");
	s.dht_provider = &(const struct peel_dht_provider){
		.lookup = no_lookup, .announce = no_announce, .peer_lookup = no_peer};
	assert_int_equal(judge(&s), 0);
}

/* Every field gets to where it counts. */
static void
test_fields_arrive(void **state)
{
	static const char *const dns[] = {"192.0.2.53:5353", NULL};
	struct peel_settings s;

	(void)state;
	peel_settings_init(&s);
	s.min_circuits = 2;
	s.max_circuits = 3;
	s.max_time = 101;
	s.max_time_ip = 102;
	s.max_time_inactive = 103;
	s.max_traffic = 5000000000;
	s.circuit_timeout = 55;
	s.next_hop_timeout = 11;
	s.max_relay_early = 7;
	s.allow_same_network = true;
	s.swarm_lookup_interval = 31;
	s.swarm_connection_limit = 14;
	s.max_joined_circuits = 33;
	s.unstable_timeout = 44;
	s.remove_tunnel_delay = 6;
	s.exit_private = true;
	s.max_peers = 21;
	s.workers = 2;
	s.poll = true;
	s.dns_servers = dns;
	s.listen = "127.0.0.1:7759";
	s.public_address = "192.0.2.7:9";
	s.management = "/tmp/peel.sock";
	assert_int_equal(judge(&s), 0);

	const struct peel_origin_settings *o = &conf.originator;
	const struct peel_or_settings *t = &conf.tunnel;

	assert_int_equal(o->min_circuits, 2);
	assert_int_equal(o->max_circuits, 3);
	assert_true(o->max_time == 101 && t->max_time == 101);
	assert_true(o->max_time_ip == 102 && t->max_time_ip == 102);
	assert_true(o->max_time_inactive == 103 && t->max_time_inactive == 103);
	assert_true(o->max_traffic == 5000000000 && t->max_traffic == 5000000000);
	assert_int_equal(o->circuit_timeout, 55);
	assert_true(o->next_hop_timeout == 11 && t->next_hop_timeout == 11);
	assert_true(o->max_relay_early == 7 && t->max_relay_early == 7);
	assert_true(o->remove_tunnel_delay == 6 && t->remove_tunnel_delay == 6);
	assert_true(o->allow_same_network);
	assert_int_equal(conf.swarm.lookup_interval, 31);
	assert_int_equal(conf.swarm.connection_limit, 14);
	assert_int_equal(t->max_joined_circuits, 33);
	assert_int_equal(t->unstable_timeout, 44);
	assert_true(conf.policy.allow_private && !conf.policy.allow_loopback);
	assert_int_equal(conf.max_peers, 21);
	assert_int_equal(conf.n_workers, 2);
	assert_int_equal(conf.idle, PEEL_IDLE_POLL);
	assert_int_equal(conf.core[0], -1); /* not pinned */
	assert_int_equal(conf.n_dns, 1);
	assert_int_equal(conf.dns[0].port, 5353);
	assert_int_equal(conf.port_conf.listen.port, 7759);
	assert_int_equal(conf.public_address.port, 9);
	assert_string_equal(conf.management, "/tmp/peel.sock");
	s.exit_private = false;
	s.exit_loopback = true;
	s.allow_same_network = false;
	assert_int_equal(judge(&s), 0);
	assert_true(conf.policy.allow_loopback && !conf.policy.allow_private);
	assert_false(conf.originator.allow_same_network);
}

static void
test_texts(void **state)
{
	static const char *const bad_server[] = {"192.0.2.1:5", "somewhere", NULL};
	static const char *const bad_dns[] = {"nameserver", NULL};
	const char *many[66];
	char path[300];
	struct peel_settings s;

	(void)state;
#define BAD(field, value, text)                                                                    \
	peel_settings_init(&s);                                                                    \
	s.field = value;                                                                           \
	refused(&s, text)
	BAD(community, "xyz", "settings.community: \"xyz\" has 3 characters, not 40");
	BAD(listen, "nowhere", "settings.listen: \"nowhere\" is not an address and a port");
	BAD(listen, "127.0.0.1", "settings.listen: \"127.0.0.1\" has no port");
	BAD(public_address, "192.0.2.7:0", "settings.public_address: port 0 cannot be reached");
	BAD(public_address, "2001:db8::1",
		"settings.public_address: \"2001:db8::1\" has no port (write [ADDRESS]:PORT)");
	BAD(bootstrap, bad_server, "settings.bootstrap: \"somewhere\" is not a server and a port");
	BAD(dns_servers, bad_dns, "settings.dns_servers: \"nameserver\" is not an address");
	BAD(engine, "rot13", "settings.engine: there is no engine \"rot13\" in this build");
	BAD(key_file, "/nonexistent/key",
		"settings.key_file: cannot read /nonexistent/key: No such file or directory");
	assert_int_equal(judge(&s), -ENOENT);
	BAD(key_file, "", "settings.key_file: a path has 1 to 255 characters");
	memset(path, 'a', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	BAD(management, path, "settings.management: a path has 1 to 107 characters");
	for (size_t i = 0; i < 65; i++)
		many[i] = "192.0.2.1:5";
	many[65] = NULL;
	BAD(bootstrap, many, "settings.bootstrap: has more than 64 servers");
	many[64] = NULL;
	assert_int_equal(judge(&s), 0);
	many[0] = NULL;
	assert_int_equal(judge(&s), 0);
	assert_int_equal(conf.n_bootstrap + conf.n_bootstrap_names, 0);
	s.community = "tribler";
	s.listen = "[::]:0";
	s.public_address = "192.0.2.7:9";
	s.engine = "sodium";
	assert_int_equal(judge(&s), 0);
	assert_string_equal(conf.engine->name, "sodium");
}

static void
test_pinned(void **state)
{
	struct peel_settings s;
	cpu_set_t have;
	int core = 0;

	(void)state;
	assert_int_equal(sched_getaffinity(0, sizeof(have), &have), 0);
	while (!CPU_ISSET(core, &have))
		core++;
	peel_settings_init(&s);
	s.cores = &core;
	assert_int_equal(judge(&s), 0);
	assert_int_equal(conf.core[0], core);
}

static void
test_cores(void **state)
{
	const int missing[] = {CPU_SETSIZE - 1}, twice[] = {0, 0}, negative[] = {-1};
	struct peel_settings s;

	(void)state;
	peel_settings_init(&s);
	s.cores = missing;
	refused(&s, "settings.cores: there is no CPU 1023 for this program");
	s.cores = negative;
	refused(&s, "settings.cores: there is no CPU -1 for this program");
	s.cores = twice;
	s.workers = 2;
	assert_int_equal(judge(&s), -EINVAL);
}

/* Structures of older and newer callers. */
static void
test_sizes(void **state)
{
	struct {
		struct peel_settings s;
		uint64_t later;
	} bigger;
	struct peel_settings s, out;

	(void)state;
	peel_settings_init(&s);
	assert_int_equal(s.size, sizeof(s));
	s.memory = 99;
	s.max_circuits = 3;
	s.size = offsetof(struct peel_settings, memory); /* an older one ended there */
	assert_int_equal(settings_take(&s, &out), 0);
	assert_int_equal(out.memory, 512);
	assert_int_equal(out.max_circuits, 3);
	assert_int_equal(out.size, sizeof(out));

	memset(&bigger, 0, sizeof(bigger));
	peel_settings_init(&bigger.s);
	bigger.s.size = sizeof(bigger);
	assert_int_equal(settings_take(&bigger.s, &out), 0);
	bigger.later = (uint64_t)1 << 63;
	assert_int_equal(settings_take(&bigger.s, &out), -E2BIG);
	assert_non_null(strstr(peel_strerror(-E2BIG), "use one behind"));

	memset(&s, 0, sizeof(s));
	refused(&s, "settings.size is 0: begin with peel_settings_init()");
	s.size = SIZE_MAX;
	assert_int_equal(settings_take(&s, &out), -EINVAL);
	assert_int_equal(settings_take(NULL, &out), -EINVAL);
}

static void
test_addresses(void **state)
{
	static const char *const bad[] = {"", "1.2.3", "1.2.3.4.5", "a b", "..", "a..b", "[::1]",
		"::g", "exa\xc3\xa4mple.org"};
	static const struct {
		const char *host, *text;
		int type;
	} good[] = {{"192.0.2.7", "192.0.2.7:5", PEEL_ADDRESS_IPV4},
		{"2001:db8::7", "[2001:db8::7]:5", PEEL_ADDRESS_IPV6},
		{"example.org", "example.org:5", PEEL_ADDRESS_DOMAIN},
		{"a_b-c.x", "a_b-c.x:5", PEEL_ADDRESS_DOMAIN}};
	struct peel_address a, b;
	struct peel_host h;
	char text[300], label[300];

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(good); i++) {
		assert_int_equal(peel_address_set(&a, good[i].host, 5), 0);
		assert_int_equal(a.type, good[i].type);
		assert_string_equal(peel_address_text(&a, text, sizeof(text)), good[i].text);
		assert_int_equal(address_to_host(&a, &h), 0);
		address_from_host(&h, &b);
		assert_string_equal(peel_address_text(&b, text, sizeof(text)), good[i].text);
		assert_int_equal(strlen(peel_address_text(&a, text, 6)), 5); /* cut */
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(bad); i++)
		assert_int_equal(peel_address_set(&a, bad[i], 5), -EINVAL);
	assert_int_equal(peel_address_set(&a, NULL, 5), -EINVAL);
	memset(label, 'a', sizeof(label));
	label[63] = '\0';
	assert_int_equal(peel_address_set(&a, label, 5), 0);
	label[63] = 'a';
	label[64] = '\0';
	assert_int_equal(peel_address_set(&a, label, 5), -EINVAL);
	for (size_t i = 0; i < sizeof(label); i++)
		label[i] = i % 2 ? '.' : 'a';
	label[253] = '\0';
	assert_int_equal(peel_address_set(&a, label, 5), 0);
	label[253] = 'a';
	label[254] = '\0';
	assert_int_equal(peel_address_set(&a, label, 5), -EINVAL);
	memset(&a, 0, sizeof(a));
	assert_string_equal(peel_address_text(&a, text, sizeof(text)), "none");
	a.port = 5;
	assert_int_equal(address_to_host(&a, &h), -EINVAL);
	assert_int_equal(peel_address_set(&a, "192.0.2.7", 0), 0);
	assert_int_equal(address_to_host(&a, &h), -EINVAL);
	assert_string_equal(peel_strerror(-EINVAL), "the destination has port 0");
	a = (struct peel_address){.type = PEEL_ADDRESS_DOMAIN, .port = 5};
	memset(a.domain, 'a', sizeof(a.domain)); /* no end */
	assert_int_equal(address_to_host(&a, &h), -EINVAL);
}

static void *
other_thread(void *arg)
{
	(void)arg;
	return (void *)(uintptr_t)(strcmp(peel_strerror(-EINVAL), "Invalid argument") == 0);
}

static void
test_errors(void **state)
{
	struct peel_address a;
	pthread_t thread;
	void *same;

	(void)state;
	assert_string_equal(peel_strerror(0), "success");
	assert_int_equal(peel_address_set(&a, "a b", 1), -EINVAL);
	assert_string_equal(
		peel_strerror(-EINVAL), "\"a b\" is neither an IP address nor a domain name");
	assert_string_equal(peel_strerror(-ENOENT), "No such file or directory"); /* another code */
	assert_string_equal(
		peel_strerror(-EINVAL), "\"a b\" is neither an IP address nor a domain name");
	assert_string_equal(peel_strerror(-99999), "unknown error");
	assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
	pthread_join(thread, &same);
	assert_non_null(same); /* details are the failing thread's own */
	/* An argument may be the text of the failure before. */
	error_format(-EIO, "inner");
	error_format(-EIO, "outer: %s", peel_strerror(-EIO));
	assert_string_equal(peel_strerror(-EIO), "outer: inner");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_header_tells_the_defaults),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_fields_against_each_other),
		cmocka_unit_test(test_fields_arrive),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_cores),
		cmocka_unit_test(test_pinned),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
