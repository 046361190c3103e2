/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The real kernel, in a network namespace of the test's own where it may have one. */
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "netlink.h"

static struct peel_addr_set *
local(struct netlink *nl)
{
	struct peel_network *net;
	struct peel_addr_set *set;
	size_t n;

	assert_int_equal(netlink_local(nl, &net, &n), 0);
	assert_int_equal(peel_addr_set_new(net, n, &set), 0);
	free(net);
	return set;
}

static bool
has(struct netlink *nl, const char *text)
{
	struct peel_addr_set *set = local(nl);
	struct peel_addr a;
	bool found;

	assert_int_equal(peel_addr_parse(text, 0, &a), 0);
	found = peel_addr_set_has(set, &a);
	peel_addr_set_free(set);
	return found;
}

/* Everything that the C library knows of is there. */
static void
test_all_addresses(void **state)
{
	struct netlink nl;
	struct ifaddrs *list;
	struct peel_addr_set *set;

	(void)state;
	assert_int_equal(netlink_open(&nl), 0);
	set = local(&nl);
	assert_int_equal(getifaddrs(&list), 0);
	for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		struct sockaddr_storage ss = {0};
		struct peel_addr a;

		if (i->ifa_addr == NULL ||
			(i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&ss, i->ifa_addr,
			i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							  : sizeof(struct sockaddr_in6));
		assert_int_equal(peel_addr_from_sockaddr(&ss, &a), 0);
		assert_true(peel_addr_set_has(set, &a));
	}
	freeifaddrs(list);
	peel_addr_set_free(set);
	netlink_close(&nl);
	netlink_close(&nl); /* of one that is closed */
	assert_int_equal(nl.changes, -1);
}

static bool
ip(const char *words)
{
	char command[128];

	snprintf(command, sizeof(command), "ip %s 2>/dev/null", words);
	return system(command) == 0;
}

static bool
noticed(const struct netlink *nl)
{
	struct pollfd fd = {.fd = nl->changes, .events = POLLIN};

	return poll(&fd, 1, 2000) == 1 && netlink_drain(nl) && !netlink_drain(nl);
}

/* Changes of all kinds, each with word of it; and what is none of ours, without. */
static void
test_changes(void **state)
{
	static const struct {
		const char *add, *del, *in, *out;
	} ours[] = {
		{"addr add 198.51.100.7/24 dev lo", "addr del 198.51.100.7/24 dev lo",
			"198.51.100.99", "198.51.101.7"}, /* lo takes all of the network */
		{"addr add 2001:db8::7/64 dev lo", "addr del 2001:db8::7/64 dev lo", "2001:db8::7",
			"2001:db8::8"},
		{"route add local 203.0.113.0/25 dev lo", "route del local 203.0.113.0/25 dev lo",
			"203.0.113.127", "203.0.113.128"},
		{"-6 route add local 2001:db8:1::/48 dev lo",
			"-6 route del local 2001:db8:1::/48 dev lo",
			"2001:db8:1:ffff::", "2001:db8:2::"},
	};
	struct netlink nl;
	struct pollfd fd;

	(void)state;
	if (unshare(CLONE_NEWNET) != 0 || !ip("link set lo up"))
		skip();
	assert_int_equal(netlink_open(&nl), 0);
	assert_true(has(&nl, "127.255.0.1"));
	assert_true(has(&nl, "::1"));
	for (size_t i = 0; i < PEEL_ARRAY_LEN(ours); i++) {
		assert_false(has(&nl, ours[i].in));
		assert_true(ip(ours[i].add));
		assert_true(noticed(&nl));
		assert_true(has(&nl, ours[i].in));
		assert_false(has(&nl, ours[i].out));
		assert_true(ip(ours[i].del));
		assert_true(noticed(&nl));
		assert_false(has(&nl, ours[i].in));
	}
	fd = (struct pollfd){.fd = nl.changes, .events = POLLIN};
	assert_true(ip("route add 192.0.2.0/24 dev lo"));
	assert_int_equal(poll(&fd, 1, 100), 0);
	assert_false(has(&nl, "192.0.2.1"));
	/* Of an interface that is down, too; and more than fits in one part of a dump. */
	assert_true(ip("link add peeltest type veth peer name peelother"));
	assert_true(ip("addr add 192.0.2.7/32 dev peeltest"));
	assert_int_equal(system("for i in $(seq 0 599); do echo addr add "
				"10.1.$((i/200)).$((i%200))/32 dev peeltest; done | ip -batch -"),
		0);
	assert_true(has(&nl, "10.1.2.199"));
	assert_true(has(&nl, "192.0.2.7"));
	netlink_close(&nl);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_addresses),
		cmocka_unit_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
