/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_cell.h"
#include "peel_discovery.h"
#include "peel_policy.h"
#include "peel_vectors.h"

/* ---- payload --------------------------------------------------------------------------------- */

static const struct {
	const char *key;
	uint16_t flags;
} flag_sets[] = {
	{"relay", PEEL_FLAG_RELAY},
	{"exit_bt", PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT},
	{"exit_ipv8", PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_IPV8},
	{"both", PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8},
};

static void
check_class(unsigned int fits, unsigned int class, const json_t *v, const char *key)
{
	if (((fits & class) != 0) != (peel_vec_int(v, key) != 0))
		fail_msg("%s: %s is %d", peel_vec_id(v), key, (fits & class) != 0);
}

/* The reference lets every message of its own overlay pass. Four ids are in use there; all others
 * are refused here on purpose (W2). One vector, an own-prefix destroy (id 8), is of that kind. */
static bool
is_w2_exception(const struct peel_policy *p, const uint8_t *d, size_t len)
{
	if (len < PEEL_HEADER_LEN || memcmp(d, p->prefix, PEEL_PREFIX_LEN) != 0)
		return false;
	return d[22] != 13 && d[22] != 14 && d[22] != 17 && d[22] != 18;
}

static void
test_payload_vectors(void **state)
{
	json_t *file = peel_vectors_load("exit"), *v;
	struct peel_policy p = {0};
	unsigned int n = 0, n_w2 = 0;
	size_t i, len;

	(void)state;
	peel_vec_bytes(file, "prefix", p.prefix, sizeof(p.prefix));
	peel_vectors_foreach (file, i, v) {
		if (strcmp(peel_vec_str(v, "kind"), "policy") != 0)
			continue;
		uint8_t *d = peel_vec_hex(v, "data", &len);
		unsigned int fits = peel_policy_classify(d, len);

		check_class(fits, PEEL_PAYLOAD_UTP, v, "utp");
		check_class(fits, PEEL_PAYLOAD_TRACKER, v, "udp_tracker");
		check_class(fits, PEEL_PAYLOAD_DHT, v, "dht");
		check_class(fits, PEEL_PAYLOAD_BT, v, "bt");
		check_class(fits, PEEL_PAYLOAD_IPV8, v, "ipv8");
		for (size_t k = 0; k < PEEL_ARRAY_LEN(flag_sets); k++) {
			json_t *verdicts = peel_vec_get(v, "allowed_by_flags");
			bool expected = peel_vec_int(verdicts, flag_sets[k].key) != 0;

			p.flags = flag_sets[k].flags;
			if (is_w2_exception(&p, d, len)) {
				assert_true(expected);
				expected = false;
				n_w2++;
			}
			if (peel_policy_payload(&p, d, len) != expected)
				fail_msg("%s with %s: not %d", peel_vec_id(v), flag_sets[k].key,
					expected);
			n++;
		}
		free(d);
	}
	json_decref(file);
	assert_int_equal(n, 4 * 42);
	assert_int_equal(n_w2, 4);
}

static void
test_own_prefix_passes_hidden_service_only(void **state)
{
	static const uint8_t community[PEEL_COMMUNITY_LEN] = "not like a tracker";
	struct peel_policy p = {0};
	uint8_t d[64] = {0};

	(void)state;
	peel_prefix_build(p.prefix, community);
	memcpy(d, p.prefix, sizeof(p.prefix));
	for (unsigned int any = 0; any < 2; any++) {
		for (uint32_t flags = 0; flags < 8; flags++) {
			p.any_payload = any != 0;
			p.flags = (uint16_t)flags;
			for (unsigned int id = 0; id < 256; id++) {
				bool hidden = id == 13 || id == 14 || id == 17 || id == 18;

				d[22] = (uint8_t)id;
				assert_int_equal(peel_policy_payload(&p, d, sizeof(d)), hidden);
				assert_int_equal(peel_policy_payload(&p, d, 23), hidden);
			}
			assert_false(peel_policy_payload(&p, d, 22)); /* no id at all */
		}
	}
	/* Another overlay is ordinary IPv8 traffic. */
	p.any_payload = false;
	p.flags = PEEL_FLAG_EXIT_IPV8;
	d[21] ^= 1;
	assert_true(peel_policy_payload(&p, d, sizeof(d)));
	p.flags = PEEL_FLAG_EXIT_BT;
	assert_false(peel_policy_payload(&p, d, sizeof(d)));
}

static void
test_any_payload_needs_an_exit_flag(void **state)
{
	static const uint8_t d[] = "GET / HTTP/1.1";
	struct peel_policy p = {.any_payload = true, .flags = PEEL_FLAG_RELAY};

	(void)state;
	assert_false(peel_policy_payload(&p, d, sizeof(d)));
	p.flags = PEEL_FLAG_EXIT_BT;
	assert_true(peel_policy_payload(&p, d, sizeof(d)));
	assert_true(peel_policy_payload(&p, d, 0));
	p.flags = PEEL_FLAG_EXIT_IPV8;
	assert_true(peel_policy_payload(&p, d, sizeof(d)));
	p.any_payload = false;
	assert_false(peel_policy_payload(&p, d, sizeof(d)));
}

/* ---- destination ----------------------------------------------------------------------------- */

enum verdict {
	YES,   /* always */
	LOOP,  /* with allow_loopback only */
	PRIV,  /* with allow_private only */
	LINK,  /* with allow_link_local only */
	MULTI, /* with allow_multicast only */
	NO,    /* never */
};

static const struct {
	const char *addr;
	enum verdict verdict;
} destinations[] = {
	{"8.8.8.8:53", YES},
	{"8.8.8.8:0", NO},
	{"1.0.0.0:1", YES},
	{"0.0.0.0:1", NO},
	{"0.1.2.3:1", NO},
	{"9.255.255.255:1", YES},
	{"10.0.0.0:1", PRIV},
	{"10.255.255.255:1", PRIV},
	{"11.0.0.0:1", YES},
	{"100.63.255.255:1", YES},
	{"100.64.0.0:1", PRIV},
	{"100.127.255.255:1", PRIV},
	{"100.128.0.0:1", YES},
	{"126.255.255.255:1", YES},
	{"127.0.0.1:80", LOOP},
	{"127.255.0.1:80", LOOP},
	{"128.0.0.1:80", YES},
	{"169.253.255.255:1", YES},
	{"169.254.169.254:80", LINK},
	{"169.255.0.0:1", YES},
	{"172.15.255.255:1", YES},
	{"172.16.0.0:1", PRIV},
	{"172.31.255.255:1", PRIV},
	{"172.32.0.0:1", YES},
	{"192.0.0.1:1", NO},
	{"192.0.1.1:1", YES},
	{"192.167.255.255:1", YES},
	{"192.168.0.1:1", PRIV},
	{"192.169.0.0:1", YES},
	{"198.17.255.255:1", YES},
	{"198.18.0.0:1", PRIV},
	{"198.19.255.255:1", PRIV},
	{"198.20.0.0:1", YES},
	{"198.51.100.7:6881", YES},
	{"223.255.255.255:1", YES},
	{"224.0.0.1:1", MULTI},
	{"239.255.255.255:1", MULTI},
	{"240.0.0.0:1", NO},
	{"255.255.255.255:1", NO},
	{"[::]:1", NO},
	{"[::1]:1", LOOP},
	{"[::2]:1", NO},
	{"[2606:4700::1111]:53", YES},
	{"[2606:4700::1111]:0", NO},
	{"[2001:db8::7]:6881", YES},
	{"[fc00::1]:1", PRIV},
	{"[fdff::1]:1", PRIV},
	{"[fbff::1]:1", YES},
	{"[fe00::1]:1", YES},
	{"[fe7f::1]:1", YES},
	{"[fe80::1]:1", LINK},
	{"[febf::1]:1", LINK},
	{"[fec0::1]:1", PRIV},
	{"[feff::1]:1", PRIV},
	{"[ff02::1]:1", MULTI},
	{"[100::1]:1", NO},
	{"[100:0:0:1::1]:1", YES},
	/* IPv4 inside: mapped, compatible, translated, NAT64, 6to4, Teredo (inverted), ISATAP */
	{"[::ffff:8.8.8.8]:1", YES},
	{"[::ffff:10.1.2.3]:1", PRIV},
	{"[::ffff:127.0.0.1]:1", LOOP},
	{"[::ffff:0.0.0.0]:1", NO},
	{"[::ffff:255.255.255.255]:1", NO},
	{"[::ffff:224.0.0.1]:1", MULTI},
	{"[::10.1.2.3]:1", PRIV},
	{"[::8.8.8.8]:1", YES},
	{"[64:ff9b::808:808]:1", YES},
	{"[64:ff9b::a01:203]:1", PRIV},
	{"[64:ff9b::7f00:1]:1", LOOP},
	{"[64:ff9b::a9fe:a9fe]:1", LINK},
	{"[64:ff9b:1::1]:1", NO}, /* of 0/8 */
	{"[64:ff9b:1::808:808]:1", PRIV},
	{"[64:ff9b:1::a01:203]:1", PRIV},
	{"[64:ff9b:1::7f00:1]:1", NO}, /* private and loopback: both switches are needed */
	{"[2002:808:808::1]:1", YES},
	{"[2002:a01:203::1]:1", PRIV},
	{"[2002:c0a8:1::1]:1", PRIV},
	{"[2002:7f00:1::1]:1", LOOP},
	{"[2001:0:1:1::f7f7:f7f7]:1", YES},
	{"[2001:0:1:1::f5fe:fdfc]:1", PRIV},
	{"[2001:0:1:1::80ff:fffe]:1", LOOP},
	{"[::ffff:0:8.8.8.8]:1", YES},
	{"[::ffff:0:10.1.2.3]:1", PRIV},
	{"[::ffff:0:127.0.0.1]:1", LOOP},
	{"[::ffff:0:169.254.169.254]:1", LINK},
	{"[::ffff:0:255.255.255.255]:1", NO},
	{"[2606:4700::5efe:8.8.8.8]:1", YES},
	{"[2606:4700::5efe:192.168.0.1]:1", PRIV},
	{"[2606:4700::200:5efe:192.168.0.1]:1", PRIV},
	{"[2606:4700::200:5efe:127.0.0.1]:1", LOOP},
	{"[2606:4700::100:5efe:192.168.0.1]:1", YES}, /* no such form */
	{"[fe80::5efe:8.8.8.8]:1", LINK},
	{"[2002:808:808:0:0:5efe:10.0.0.1]:1", PRIV}, /* two forms at once */
	{"[2002:a00:1:0:0:5efe:8.8.8.8]:1", PRIV},
};

static struct peel_addr
addr(const char *text)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(text, 0, &a), 0);
	return a;
}

static void
check_destination(const struct peel_policy *p, enum verdict allowed)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(destinations); i++) {
		struct peel_addr a = addr(destinations[i].addr);
		enum verdict v = destinations[i].verdict;
		bool expected = v == YES || v == allowed;

		if (peel_policy_destination(p, &a) != expected)
			fail_msg("%s: not %d (allowing %d)", destinations[i].addr, expected,
				allowed);
	}
}

static void
test_destination_table(void **state)
{
	struct peel_policy p = {0};

	(void)state;
	check_destination(&p, YES);
	p = (struct peel_policy){.allow_loopback = true};
	check_destination(&p, LOOP);
	p = (struct peel_policy){.allow_private = true};
	check_destination(&p, PRIV);
	p = (struct peel_policy){.allow_link_local = true};
	check_destination(&p, LINK);
	p = (struct peel_policy){.allow_multicast = true};
	check_destination(&p, MULTI);
}

static void
test_destination_without_family_is_refused(void **state)
{
	struct peel_policy p = {0};
	struct peel_addr a = {.ip = {8, 8, 8, 8}, .port = 53};

	(void)state;
	assert_false(peel_policy_destination(&p, &a));
	a.family = 5;
	assert_false(peel_policy_destination(&p, &a));
}

static bool
allowed(const struct peel_policy *p, const char *text)
{
	struct peel_addr a = addr(text);

	return peel_policy_destination(p, &a);
}

static void
test_configured_networks(void **state)
{
	struct peel_policy p = {
		.allow_private = true,
		.deny = {{addr("203.0.113.128"), 25}, {addr("2a00:1450::"), 30},
			{addr("10.1.0.0"), 16}, {addr("9.9.9.9"), 255}},
		.n_deny = 4,
	};
	const struct peel_network ours[] = {{addr("198.51.100.7"), 32}, {addr("2a01:4f8::7"), 128}};
	struct peel_addr_set *own;

	(void)state;
	assert_int_equal(peel_addr_set_new(ours, 2, &own), 0);
	p.own = own;
	assert_true(allowed(&p, "203.0.113.127:1"));
	assert_false(allowed(&p, "203.0.113.128:1"));
	assert_false(allowed(&p, "203.0.113.255:1"));
	assert_false(allowed(&p, "[::ffff:203.0.113.255]:1"));
	assert_false(allowed(&p, "[64:ff9b::cb00:71ff]:1"));
	assert_false(allowed(&p, "[2a00:1450::1]:1"));
	assert_false(allowed(&p, "[2a00:1453:ffff::1]:1"));
	assert_true(allowed(&p, "[2a00:1454::1]:1"));
	assert_true(allowed(&p, "10.2.0.1:1"));
	assert_false(allowed(&p, "10.1.0.1:1")); /* denied although private is allowed */
	assert_false(allowed(&p, "9.9.9.9:1"));	 /* a prefix that is too long means one address */
	assert_true(allowed(&p, "9.9.9.8:1"));
	assert_false(allowed(&p, "198.51.100.7:1"));
	assert_false(allowed(&p, "[2002:c633:6407::1]:1"));
	assert_false(allowed(&p, "[::ffff:0:198.51.100.7]:1"));
	assert_false(allowed(&p, "[2606:4700::5efe:198.51.100.7]:1"));
	assert_true(allowed(&p, "198.51.100.8:1"));
	assert_false(allowed(&p, "[2a01:4f8::7]:1"));
	assert_true(allowed(&p, "[2a01:4f8::8]:1"));
	p.allow_own = true;
	assert_true(allowed(&p, "198.51.100.7:1"));
	assert_true(allowed(&p, "[2a01:4f8::7]:1"));
	assert_false(allowed(&p, "10.1.0.1:1"));
	/* A network of length zero is everything of its family. */
	p.deny[0].prefix_len = 0;
	assert_false(allowed(&p, "1.1.1.1:1"));
	assert_true(allowed(&p, "[2606:4700::1111]:53"));
	peel_addr_set_free(own);
}

static void
test_http_ports(void **state)
{
	static const uint16_t good[] = {80, 443, 1024, 1025, 6969, 65535};
	static const uint16_t bad[] = {0, 1, 22, 25, 79, 81, 110, 143, 442, 444, 445, 587, 1023};
	struct peel_policy p = {0};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(good); i++)
		assert_true(peel_policy_http_port(&p, good[i]));
	for (size_t i = 0; i < PEEL_ARRAY_LEN(bad); i++)
		assert_false(peel_policy_http_port(&p, bad[i]));
	p.any_http_port = true;
	assert_true(peel_policy_http_port(&p, 25));
}

/* ---- sets of addresses ----------------------------------------------------------------------- */

static bool
has(const struct peel_addr_set *set, const char *text)
{
	struct peel_addr a = addr(text);

	return peel_addr_set_has(set, &a);
}

static void
test_addr_set(void **state)
{
	const struct peel_network nets[] = {{addr("192.0.2.7"), 32}, {addr("2001:db8::7"), 128},
		{addr("10.0.0.0"), 8}, {addr("10.1.0.0"), 16}, /* inside of the one before */
		{addr("192.0.2.8"), 31}, {addr("192.0.2.7"), 32}, {addr("203.0.113.77"), 25},
		{addr("9.9.9.9"), 255}, {addr("2001:db8:3::"), 47}, {{.family = 0}, 0},
		{addr("2001:db8::"), 64}, {addr("255.255.255.255"), 32}, {addr("0.0.0.0"), 32}};
	static const char *const in[] = {"192.0.2.7", "192.0.2.8", "192.0.2.9", "10.0.0.0",
		"10.255.255.255", "10.2.0.0", "203.0.113.0", "203.0.113.127", "9.9.9.9",
		"2001:db8::7", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff",
		"2001:db8:0:0:8000::", "2001:db8:3::", "2001:db8:3:ffff::", "255.255.255.255",
		"0.0.0.0"};
	static const char *const out[] = {"192.0.2.6", "192.0.2.10", "9.255.255.255", "11.0.0.0",
		"203.0.112.255", "203.0.113.128", "9.9.9.8", "9.9.9.10",
		"2001:db8:0:1::", "2001:db8:0:1::", "2001:db8:1:ffff::", "2001:db8:4::",
		"2001:db7:ffff::", "::", "255.255.255.254", "0.0.0.1",
		"a00::1" /* 10.x, were it IPv4 */};
	struct peel_addr_set *set, *other;

	(void)state;
	assert_int_equal(peel_addr_set_new(nets, PEEL_ARRAY_LEN(nets), &set), 0);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(in); i++) {
		if (!has(set, in[i]))
			fail_msg("%s is not in it", in[i]);
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(out); i++) {
		if (has(set, out[i]))
			fail_msg("%s is in it", out[i]);
	}
	assert_int_equal(peel_addr_set_new(nets, PEEL_ARRAY_LEN(nets) - 1, &other), 0);
	assert_true(peel_addr_set_equal(set, set));
	assert_false(peel_addr_set_equal(set, other));
	peel_addr_set_free(other);
	assert_int_equal(peel_addr_set_new(NULL, 0, &other), 0);
	assert_false(has(other, "0.0.0.0"));
	assert_false(has(other, "::"));
	assert_false(peel_addr_set_equal(set, other));
	peel_addr_set_free(other);
	peel_addr_set_free(set);
}

/* A machine with many addresses: each is found, none of those between. */
static void
test_addr_set_of_many(void **state)
{
	enum {
		N = 1000
	};
	static struct peel_network nets[2 * N];
	struct peel_addr_set *set;

	(void)state;
	for (unsigned int i = 0; i < N; i++) {
		unsigned int k = i * 389 % N; /* in no order */
		struct peel_network *v6 = &nets[N + i];

		nets[i] = (struct peel_network){
			peel_addr_ipv4(192, 0, (uint8_t)(k / 100), (uint8_t)(k % 100 * 2), 0), 32};
		*v6 = (struct peel_network){addr("2001:db8::"), 128};
		peel_put_be16(v6->addr.ip + 14, (uint16_t)(2 * k));
	}
	assert_int_equal(peel_addr_set_new(nets, 2 * N, &set), 0);
	for (unsigned int i = 0; i < 2 * N; i++) {
		struct peel_addr a = nets[i].addr;

		assert_true(peel_addr_set_has(set, &a));
		a.ip[i < N ? 3 : 15]++;
		assert_false(peel_addr_set_has(set, &a));
	}
	peel_addr_set_free(set);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payload_vectors),
		cmocka_unit_test(test_own_prefix_passes_hidden_service_only),
		cmocka_unit_test(test_any_payload_needs_an_exit_flag),
		cmocka_unit_test(test_destination_table),
		cmocka_unit_test(test_destination_without_family_is_refused),
		cmocka_unit_test(test_configured_networks),
		cmocka_unit_test(test_http_ports),
		cmocka_unit_test(test_addr_set),
		cmocka_unit_test(test_addr_set_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
