/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Rules for destinations: what they mean, and that the compiled form means the same.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_policy.h"

static struct peel_addr
addr(const char *text)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(text, 0, &a), 0);
	return a;
}

static struct peel_rule
rule(bool accept, const char *network, uint8_t prefix_len, uint16_t port_min, uint16_t port_max)
{
	struct peel_addr a = addr(network);

	return (struct peel_rule){.accept = accept,
		.net = {a, prefix_len},
		.families = a.family == PEEL_FAMILY_IPV4 ? PEEL_RULE_IPV4 : PEEL_RULE_IPV6,
		.port_min = port_min,
		.port_max = port_max};
}

static struct peel_rule
all(bool accept, uint8_t families, uint16_t port_min, uint16_t port_max)
{
	return (struct peel_rule){
		.accept = accept, .families = families, .port_min = port_min, .port_max = port_max};
}

#define BOTH (PEEL_RULE_IPV4 | PEEL_RULE_IPV6)

static void
test_meaning(void **state)
{
	const struct peel_rule rules[] = {
		rule(true, "192.0.2.7", 32, 25, 25),
		rule(false, "192.0.2.0", 24, 0, 65535),
		rule(true, "2001:db8::", 32, 443, 443),
		rule(true, "2001:db8:1::", 48, 1000, 2000),
		all(false, PEEL_RULE_IPV6, 0, 65535),
		all(false, BOTH, 25, 25),
		all(true, BOTH, 20, 30),
		rule(false, "255.255.255.0", 24, 1, 65535),
		rule(false, "0.0.0.0", 8, 65535, 65535),
	};
	static const struct {
		const char *addr;
		bool accept;
	} cases[] = {
		{"192.0.2.7:25", true},
		{"192.0.2.7:26", false},
		{"192.0.2.8:25", false},
		{"192.0.2.255:1", false},
		{"192.0.3.0:25", false},
		{"192.0.3.0:24", true},
		{"192.0.1.255:26", true},
		{"192.0.1.255:80", true},
		{"[2001:db8::1]:443", true},
		{"[2001:db8::1]:444", false},
		{"[2001:db8:1::]:1000", true},
		{"[2001:db8:1:ffff:ffff:ffff:ffff:ffff]:2000", true},
		{"[2001:db8:1::]:999", false},
		{"[2001:db8:2::]:1000", false},
		{"[2001:db8:1::]:443", true},
		{"[::1]:25", false},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:80", false},
		{"255.255.255.255:1", false},
		{"255.255.254.255:1", true},
		{"255.255.255.255:24", true},
		{"0.1.2.3:65535", false},
		{"0.1.2.3:65534", true},
		{"1.0.0.0:65535", true},
	};
	struct peel_rules *r;

	(void)state;
	assert_int_equal(peel_rules_new(rules, PEEL_ARRAY_LEN(rules), &r), 0);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		struct peel_addr a = addr(cases[i].addr);

		if (peel_rules_accept(r, &a) != cases[i].accept)
			fail_msg("%s", cases[i].addr);
	}
	peel_rules_free(r);
	assert_int_equal(peel_rules_new(rules, 0, &r), 0);
	assert_null(r);
	assert_int_equal(peel_rules_new(rules, PEEL_RULES_MAX + 1, &r), -EINVAL);
	peel_rules_free(NULL);
}

/* An address that a translator delivers elsewhere must pass as both. */
static void
test_embedded(void **state)
{
	const struct peel_rule rules[] = {rule(false, "198.51.100.0", 24, 0, 65535)};
	struct peel_addr mapped = addr("[::ffff:198.51.100.7]:80"),
			 nat64 = addr("[64:ff9b::c633:6407]:80"), other = addr("[2001:db9::1]:80");
	struct peel_policy p = {0};
	struct peel_rules *r;

	(void)state;
	assert_true(peel_policy_rules(&p, &mapped));
	assert_int_equal(peel_rules_new(rules, 1, &r), 0);
	p.rules = r;
	assert_false(peel_policy_rules(&p, &mapped));
	assert_false(peel_policy_rules(&p, &nat64));
	assert_true(peel_policy_rules(&p, &other));
	peel_rules_free(r);
}

/* ---- against a plain list -------------------------------------------------------------------- */

static bool
inside(const struct peel_network *net, const struct peel_addr *a)
{
	if (net->addr.family == PEEL_FAMILY_NONE)
		return true;
	if (net->addr.family != a->family)
		return false;
	for (unsigned int bit = 0; bit < net->prefix_len; bit++) {
		if (((net->addr.ip[bit / 8] ^ a->ip[bit / 8]) >> (7 - bit % 8) & 1) != 0)
			return false;
	}
	return true;
}

static bool
plain(const struct peel_rule *r, size_t n, const struct peel_addr *a)
{
	uint8_t family = a->family == PEEL_FAMILY_IPV4 ? PEEL_RULE_IPV4 : PEEL_RULE_IPV6;

	for (size_t i = 0; i < n; i++) {
		if ((r[i].families & family) != 0 && inside(&r[i].net, a) &&
			a->port >= r[i].port_min && a->port <= r[i].port_max)
			return r[i].accept;
	}
	return true;
}

/* Few different bytes, so that much overlaps. */
static struct peel_addr
random_addr(uint64_t *seed, bool ipv6)
{
	struct peel_addr a = {.family = ipv6 ? PEEL_FAMILY_IPV6 : PEEL_FAMILY_IPV4};

	for (unsigned int i = 0; i < (ipv6 ? 16 : 4); i++) {
		static const uint8_t bytes[] = {0, 1, 127, 128, 254, 255};

		a.ip[i] = bytes[peel_splitmix(seed) % PEEL_ARRAY_LEN(bytes)];
	}
	a.port = (uint16_t)(peel_splitmix(seed) % 2 ? peel_splitmix(seed) % 8
						    : 65535 - peel_splitmix(seed) % 8);
	return a;
}

static struct peel_rule
random_rule(uint64_t *seed)
{
	bool ipv6 = peel_splitmix(seed) % 2;
	struct peel_rule r = {.accept = peel_splitmix(seed) % 2,
		.families = ipv6 ? PEEL_RULE_IPV6 : PEEL_RULE_IPV4};
	uint16_t other;

	r.net.addr = random_addr(seed, ipv6);
	r.net.prefix_len = (uint8_t)(peel_splitmix(seed) % (ipv6 ? 129 : 33));
	if (peel_splitmix(seed) % 8 == 0) {
		r.net.addr.family = PEEL_FAMILY_NONE;
		r.families = (uint8_t)(1 + peel_splitmix(seed) % 3);
	}
	r.port_min = r.net.addr.port;
	other = random_addr(seed, false).port;
	r.port_max = other > r.port_min ? other : r.port_min;
	r.port_min = other < r.port_min ? other : r.port_min;
	return r;
}

static void
test_compiled_means_the_same(void **state)
{
	struct peel_rule list[PEEL_RULES_MAX];
	uint64_t seed = 7;

	(void)state;
	for (unsigned int round = 0; round < 60; round++) {
		size_t n = round < 5 ? PEEL_RULES_MAX : 1 + peel_splitmix(&seed) % 20;
		unsigned int accepts = 0;
		struct peel_rules *r;

		for (size_t i = 0; i < n; i++)
			list[i] = random_rule(&seed);
		assert_int_equal(peel_rules_new(list, n, &r), 0);
		for (unsigned int i = 0; i < 2000; i++) {
			struct peel_addr a = random_addr(&seed, i % 2);
			bool expected = plain(list, n, &a);

			accepts += expected;
			if (peel_rules_accept(r, &a) != expected)
				fail_msg("round %u, probe %u", round, i);
		}
		assert_in_range(accepts, 1, 2000);
		peel_rules_free(r);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_compiled_means_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
