/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "peel_flows.h"

static uint64_t clock_ms;

static uint64_t
test_now(void *arg)
{
	(void)arg;
	return clock_ms;
}

static void
test_random(void *arg, void *out, size_t len)
{
	(void)arg;
	memset(out, 0x5a, len);
}

static const struct peel_env env = {.now_ms = test_now, .random = test_random};

static struct peel_socks_target
host(unsigned int n)
{
	return (struct peel_socks_target){
		.addr = peel_addr_ipv4(192, 0, (uint8_t)(n >> 8), (uint8_t)n, 80)};
}

static struct peel_flows *
new_flows(bool isolate, unsigned int circuits)
{
	struct peel_flows *f = peel_flows_new(&env, isolate);

	assert_non_null(f);
	for (unsigned int i = 0; i < circuits; i++)
		assert_int_equal(peel_flows_add(f, 100 + i), 0);
	return f;
}

static void
test_hosts_keep_their_circuit(void **state)
{
	struct peel_flows *f = new_flows(false, 4);
	int user = peel_flows_join(f);
	uint64_t first[200], used = 0;

	(void)state;
	assert_int_equal(user, 0);
	for (unsigned int i = 0; i < 200; i++) {
		struct peel_socks_target t = host(i);

		first[i] = peel_flows_out(f, 0, &t);
		assert_in_range(first[i], 100, 103);
		used |= 1u << (first[i] - 100);
		t.addr.port = 81; /* another port of the same host */
		assert_int_equal(peel_flows_out(f, 0, &t), first[i]);
	}
	assert_int_equal(used, 15);
	/* New circuits move nobody; the end of one moves only who used it. */
	assert_int_equal(peel_flows_add(f, 104), 0);
	peel_flows_del(f, 101);
	for (unsigned int i = 0; i < 200; i++) {
		struct peel_socks_target t = host(i);
		uint64_t now = peel_flows_out(f, 0, &t);

		assert_int_not_equal(now, 101);
		if (first[i] != 101)
			assert_int_equal(now, first[i]);
	}
	peel_flows_free(f);
}

static void
test_names_are_hosts(void **state)
{
	struct peel_flows *f = new_flows(false, 8);
	struct peel_socks_target t = {.addr.port = 1};
	uint64_t used = 0;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	for (int i = 0; i < 100; i++) {
		snprintf(t.name, sizeof(t.name), "a.long.name.of.a.host.number-%d.example", i);
		uint64_t c = peel_flows_out(f, 0, &t);

		assert_int_equal(peel_flows_out(f, 0, &t), c);
		used |= 1u << (c - 100);
	}
	assert_int_equal(used, 255);
	peel_flows_free(f);
}

static void
test_isolated_hosts_take_turns(void **state)
{
	struct peel_flows *f = new_flows(true, 4);
	uint64_t used = 0;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct peel_socks_target t = host(i);

		used |= 1u << (peel_flows_out(f, 0, &t) - 100);
	}
	assert_int_equal(used, 15);
	peel_flows_free(f);
}

static void
test_circuits_are_spread(void **state)
{
	struct peel_flows *f = new_flows(false, 7);

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_owned(f, 0), 7);
	assert_int_equal(peel_flows_join(f), 1);
	assert_int_equal(peel_flows_join(f), 2);
	assert_int_equal(
		peel_flows_owned(f, 0) + peel_flows_owned(f, 1) + peel_flows_owned(f, 2), 7);
	for (unsigned int i = 0; i < 3; i++)
		assert_in_range(peel_flows_owned(f, i), 2, 3);
	peel_flows_leave(f, 0);
	peel_flows_leave(f, 0); /* twice does no harm */
	assert_in_range(peel_flows_owned(f, 1), 3, 4);
	for (uint64_t c = 100; c < 106; c++)
		peel_flows_del(f, c);
	assert_int_equal(peel_flows_owned(f, 1) + peel_flows_owned(f, 2), 1);
	for (uint64_t c = 200; c < 202; c++)
		assert_int_equal(peel_flows_add(f, c), 0);
	assert_in_range(peel_flows_owned(f, 1), 1, 2);
	peel_flows_free(f);
}

static void
test_own_circuits_only(void **state)
{
	struct peel_flows *f = new_flows(false, 4);

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	for (unsigned int i = 0; i < 100; i++) {
		struct peel_socks_target t = host(i), stranger = host(1000 + i);
		uint64_t a = peel_flows_out(f, 0, &t), b = peel_flows_out(f, 1, &t);

		assert_int_not_equal(a, b);
		/* Both talk to the same host, and each hears its own answers; strangers go to the owner. */
		assert_int_equal(peel_flows_in(f, a, &t), 0);
		assert_int_equal(peel_flows_in(f, b, &t), 1);
		assert_int_equal(peel_flows_in(f, a, &stranger), 0);
	}
	peel_flows_free(f);
}

static void
test_more_users_than_circuits(void **state)
{
	struct peel_flows *f = new_flows(false, 2);
	unsigned int owners = 0;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(peel_flows_join(f), i);
	for (unsigned int i = 0; i < 5; i++)
		owners += peel_flows_owned(f, i);
	assert_int_equal(owners, 2);
	for (unsigned int i = 0; i < 5; i++) {
		struct peel_socks_target t = host(i);
		uint64_t c = peel_flows_out(f, i, &t);

		assert_int_not_equal(c, 0);
		assert_int_equal(peel_flows_in(f, c, &t), i);
	}
	peel_flows_free(f);
}

/* The exit resolves names, so their answers come from addresses that nobody sent to. */
static void
test_answers_of_names(void **state)
{
	struct peel_flows *f = new_flows(false, 1);
	struct peel_socks_target name = {.name = "tracker.example", .addr.port = 6969},
				 back = host(7), stranger = host(8);
	unsigned int owner, guest;

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	owner = peel_flows_owned(f, 0) == 1 ? 0 : 1;
	guest = 1 - owner;
	back.addr.port = 6969;
	assert_int_equal(peel_flows_out(f, guest, &name), 100);
	assert_int_equal(peel_flows_in(f, 100, &stranger), owner); /* of another port */
	assert_int_equal(peel_flows_in(f, 100, &back), guest);
	/* From then on it is the guest's, when somebody else asks there, too, and later. */
	assert_int_equal(peel_flows_out(f, owner, &name), 100);
	clock_ms += 40000;
	assert_int_equal(peel_flows_in(f, 100, &back), guest);
	/* Too late, or gone: the owner's. */
	back = host(9);
	back.addr.port = 6969;
	assert_int_equal(peel_flows_in(f, 100, &back), owner);
	assert_int_equal(peel_flows_out(f, guest, &name), 100);
	peel_flows_leave(f, guest);
	assert_int_equal(peel_flows_join(f), guest);
	back = host(10);
	back.addr.port = 6969;
	assert_int_equal(peel_flows_in(f, 100, &back), owner);
	peel_flows_free(f);
}

static void
test_who_comes_in_is_answered_there(void **state)
{
	struct peel_flows *f = new_flows(false, 8);

	(void)state;
	assert_int_equal(peel_flows_join(f), 0);
	for (unsigned int i = 0; i < 50; i++) {
		struct peel_socks_target t = host(i);

		assert_int_equal(peel_flows_in(f, 100 + i % 8, &t), 0);
		assert_int_equal(peel_flows_out(f, 0, &t), 100 + i % 8);
		/* A second way in does not move a live conversation, but a silent one. */
		assert_int_equal(peel_flows_in(f, 100 + (i + 1) % 8, &t), 0);
		assert_int_equal(peel_flows_out(f, 0, &t), 100 + i % 8);
		clock_ms += 31000;
		assert_int_equal(peel_flows_in(f, 100 + (i + 1) % 8, &t), 0);
		assert_int_equal(peel_flows_out(f, 0, &t), 100 + (i + 1) % 8);
	}
	peel_flows_free(f);
}

static void
test_nobody_inherits(void **state)
{
	struct peel_flows *f = new_flows(false, 1);
	struct peel_socks_target t = host(1);

	(void)state;
	assert_int_equal(peel_flows_in(f, 100, &t), -ENOENT); /* no users */
	assert_int_equal(peel_flows_join(f), 0);
	assert_int_equal(peel_flows_join(f), 1);
	assert_int_equal(peel_flows_out(f, 1, &t), 100);
	assert_int_equal(peel_flows_in(f, 100, &t), 1);
	peel_flows_leave(f, 1);
	assert_int_equal(peel_flows_join(f), 1);
	assert_int_equal(peel_flows_in(f, 100, &t), 0); /* the owner's, not the newcomer's */
	assert_int_equal(peel_flows_in(f, 999, &t), -ENOENT);
	peel_flows_del(f, 100);
	assert_int_equal(peel_flows_out(f, 1, &t), 0);
	peel_flows_free(f);
}

static void
test_limits(void **state)
{
	struct peel_flows *f = new_flows(false, PEEL_FLOWS_CIRCUITS);
	const uint64_t some[] = {100, 101, 7};

	(void)state;
	assert_int_equal(peel_flows_add(f, 100), 0);
	assert_int_equal(peel_flows_add(f, 999), -ENOSPC);
	for (int i = 0; i < PEEL_FLOWS_USERS; i++)
		assert_int_equal(peel_flows_join(f), i);
	assert_int_equal(peel_flows_join(f), -ENOSPC);
	for (unsigned int i = 0; i < PEEL_FLOWS_USERS; i++)
		assert_int_equal(peel_flows_owned(f, i), 1);
	/* Far more hosts than the table keeps. */
	for (unsigned int i = 0; i < 60000; i++) {
		struct peel_socks_target t = host(i);

		assert_int_not_equal(peel_flows_out(f, i % PEEL_FLOWS_USERS, &t), 0);
	}
	peel_flows_set(f, some, 3);
	for (unsigned int i = 0; i < 60000; i += 7) {
		struct peel_socks_target t = host(i);
		uint64_t c = peel_flows_out(f, i % PEEL_FLOWS_USERS, &t);

		assert_true(c == 100 || c == 101 || c == 7);
	}
	peel_flows_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hosts_keep_their_circuit),
		cmocka_unit_test(test_names_are_hosts),
		cmocka_unit_test(test_isolated_hosts_take_turns),
		cmocka_unit_test(test_circuits_are_spread),
		cmocka_unit_test(test_own_circuits_only),
		cmocka_unit_test(test_more_users_than_circuits),
		cmocka_unit_test(test_answers_of_names),
		cmocka_unit_test(test_who_comes_in_is_answered_there),
		cmocka_unit_test(test_nobody_inherits),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
