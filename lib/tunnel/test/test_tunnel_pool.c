/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Pools: as many circuits as wanted, and no more. */
#include <errno.h>

#include "world.h"

#define RELAY PEEL_FLAG_RELAY
#define EXIT (PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT)

static struct peel_tunnels *
tunnels(void)
{
	return world->client.tunnels;
}

static struct peel_originator_settings
defaults(void)
{
	struct peel_originator_settings s;

	peel_originator_settings_init(&s);
	return s;
}

static void
world_usual(const struct peel_originator_settings *s)
{
	world_new(s, 64);
	world_relays(6, RELAY);
	world_relays(3, EXIT);
}

static size_t
active(unsigned int hops)
{
	return peel_tunnels_active(tunnels(), hops, NULL, 0);
}

static void
test_pool(void **state)
{
	peel_tunnel_id ids[64];

	(void)state;
	world_usual(NULL);
	assert_int_equal(peel_tunnels_build(tunnels(), 0), -EINVAL);
	assert_int_equal(peel_tunnels_build(tunnels(), 9), -EINVAL);
	assert_int_equal(peel_tunnels_stop(tunnels(), 2), -ENOENT);
	assert_int_equal(peel_tunnels_stop(tunnels(), 99), -ENOENT);
	assert_int_equal(peel_tunnels_build(tunnels(), 2), 0);
	assert_int_equal(world_count().extending, 8); /* at once */
	assert_int_equal(peel_tunnels_build(tunnels(), 2), 0);
	assert_int_equal(peel_tunnels_build(tunnels(), 3), 0);
	world_run(3000);
	assert_int_equal(world_count().ready, 16);
	assert_int_equal(active(2), 8);
	assert_int_equal(active(3), 8);
	assert_int_equal(active(1), 0);
	assert_int_equal(peel_tunnels_active(tunnels(), 0, ids, 64), 16);
	assert_true(peel_tunnels_quotient(tunnels(), 2) == 8.0);
	assert_true(peel_tunnels_quotient(tunnels(), 4) == 0.0);
	world_run(60000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 16);
	assert_int_equal(peel_tunnels_close(tunnels(), ids[0]), 0);
	assert_int_equal(peel_tunnels_close(tunnels(), ids[0]), -ENOENT);
	assert_int_equal(peel_tunnels_close(tunnels(), 12345), -ENOENT);
	assert_int_equal(peel_tunnels_active(tunnels(), 0, ids, 64), 15);
	world_run(2000);
	assert_int_equal(active(0), 16); /* replaced */
	assert_int_equal(world_count().closing, 1);
	world_check();
	assert_int_equal(peel_tunnels_stop(tunnels(), 3), 0);
	assert_int_equal(active(3), 0);
	assert_int_equal(active(2), 8);
	world_run(10000);
	assert_int_equal(world_count().closing, 0);
	assert_int_equal(world_count().ready, 8);
	assert_int_equal(world_ends(PEEL_TUNNEL_END_CLOSED), 9);
	world_check();
	world_free();
}

static void
test_pool_of_none(void **state)
{
	struct peel_originator_settings s = defaults();

	(void)state;
	s.max_circuits = 0;
	s.min_circuits = 3; /* does not raise it */
	world_usual(&s);
	assert_int_equal(peel_tunnels_build(tunnels(), 2), 0);
	world_run(5000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 0);
	assert_int_equal(peel_tunnels_stop(tunnels(), 2), 0);
	world_circuit(PEEL_TUNNEL_DATA, 1);
	assert_true(peel_tunnels_quotient(tunnels(), 1) * 3 > 0.99);
	world_free();
}

static void
test_pool_as_candidates_appear(void **state)
{
	(void)state;
	world_new(NULL, 64);
	assert_int_equal(peel_tunnels_build(tunnels(), 2), 0);
	world_run(20000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 0);
	world_relays(4, RELAY);
	world_relays(2, EXIT);
	world_run(1000);
	assert_int_equal(active(2), 8);
	world_free();
}

static void
test_pool_limited_by_paths(void **state)
{
	(void)state;
	world_new(NULL, 5);
	world_relays(4, EXIT);
	assert_int_equal(peel_tunnels_build(tunnels(), 1), 0);
	world_run(10000);
	assert_int_equal(active(1), 5);
	world_check();
	world_free();
}

static void
test_back_off(void **state)
{
	(void)state;
	world_usual(NULL);
	for (unsigned int i = 6; i < 9; i++) /* every exit */
		world->relay[i]->n_list = 0, world->relay[i]->node.flags = 0;
	assert_int_equal(peel_tunnels_build(tunnels(), 2), 0);
	world_run(60000); /* without an exit, each fails after one hop */
	uint64_t begun = world_stat(PEEL_OWN_BEGUN);

	/* 0.5, 1, 2, 4, 5, 5 ... s: about 15 rounds of 8 in a minute. */
	assert_in_range(begun, 8 * 10, 8 * 18);
	assert_int_equal(world_stat(PEEL_OWN_FAILED), begun);
	world_relays(2, EXIT);
	world_run(6000);
	assert_int_equal(active(2), 8);
	world_check();
	world_free();
}

static void
test_replaced_before_its_end(void **state)
{
	struct peel_originator_settings s = defaults();

	(void)state;
	s.max_circuits = 3;
	s.max_time = 600; /* margin 30 s */
	world_usual(&s);
	assert_int_equal(peel_tunnels_build(tunnels(), 2), 0);
	world_run(565000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 3);
	for (int i = 0; i < 400; i++) { /* 40 s around the change */
		world_run(100);
		assert_int_equal(active(2), 3); /* never fewer, never more */
	}
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 6);
	assert_int_equal(world_stat(PEEL_OWN_REPLACED), 3);
	assert_int_equal(world_ends(PEEL_TUNNEL_END_AGE), 3);
	world_run(5000);
	assert_int_equal(world_count().closing, 0);
	world_check();
	world_free();
}

static void
test_destroyed_at_once_is_not_rebuilt_in_a_loop(void **state)
{
	uint8_t d[256];

	(void)state;
	struct peel_originator_settings s = defaults();

	s.max_circuits = 1;
	world_new(&s, 64);
	world_relays(1, EXIT);
	assert_int_equal(peel_tunnels_build(tunnels(), 1), 0);
	for (int i = 0; i < 600; i++) {
		peel_tunnel_id id;

		world_run(100);
		if (peel_tunnels_active(tunnels(), 1, &id, 1) == 0)
			continue;
		size_t len =
			world_destroy_build(&world->relay[0]->node.id, world_info(id).cid, 1, d);

		assert_int_equal(world_inject(&world->relay[0]->node.addr, d, len), 0);
	}
	/* 0.5, 1, 2, 4, 5, 5 ... s apart */
	assert_in_range(world_stat(PEEL_OWN_BEGUN), 8, 22);
	world_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_pool_of_none),
		cmocka_unit_test(test_pool_as_candidates_appear),
		cmocka_unit_test(test_pool_limited_by_paths),
		cmocka_unit_test(test_back_off),
		cmocka_unit_test(test_replaced_before_its_end),
		cmocka_unit_test(test_destroyed_at_once_is_not_rebuilt_in_a_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
