/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Pools: as many circuits as wanted, and no more. */
#include <errno.h>

#include "world.h"

static void
test_pool(void **state)
{
	peel_origin_id ids[64];

	(void)state;
	world_usual(NULL);
	assert_int_equal(peel_origin_build(world_origin(), 0), -EINVAL);
	assert_int_equal(peel_origin_build(world_origin(), 9), -EINVAL);
	assert_int_equal(peel_origin_stop(world_origin(), 2), -ENOENT);
	assert_int_equal(peel_origin_stop(world_origin(), 99), -ENOENT);
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	assert_int_equal(world_count().extending, 8); /* at once */
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	assert_int_equal(peel_origin_build(world_origin(), 3), 0);
	world_run(3000);
	assert_int_equal(world_count().ready, 16);
	assert_int_equal(world_active(2), 8);
	assert_int_equal(world_active(3), 8);
	assert_int_equal(world_active(1), 0);
	assert_int_equal(peel_origin_active(world_origin(), 0, ids, 64), 16);
	assert_true(peel_origin_quotient(world_origin(), 2) == 8.0);
	assert_true(peel_origin_quotient(world_origin(), 4) == 0.0);
	world_run(60000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 16);
	assert_int_equal(peel_origin_close(world_origin(), ids[0]), 0);
	assert_int_equal(peel_origin_close(world_origin(), ids[0]), -ENOENT);
	assert_int_equal(peel_origin_close(world_origin(), 12345), -ENOENT);
	assert_int_equal(peel_origin_active(world_origin(), 0, ids, 64), 15);
	world_run(2000);
	assert_int_equal(world_active(0), 16); /* replaced */
	assert_int_equal(world_count().closing, 1);
	world_check();
	assert_int_equal(peel_origin_stop(world_origin(), 3), 0);
	assert_int_equal(world_active(3), 0);
	assert_int_equal(world_active(2), 8);
	world_run(10000);
	assert_int_equal(world_count().closing, 0);
	assert_int_equal(world_count().ready, 8);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_CLOSED), 9);
	world_check();
	world_free();
}

static void
test_pool_of_none(void **state)
{
	struct peel_origin_settings s = world_defaults();

	(void)state;
	s.max_circuits = 0;
	s.min_circuits = 3; /* does not raise it */
	world_usual(&s);
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	world_run(5000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 0);
	assert_int_equal(peel_origin_stop(world_origin(), 2), 0);
	world_circuit(PEEL_ORIGIN_DATA, 1);
	assert_true(peel_origin_quotient(world_origin(), 1) * 3 > 0.99);
	world_free();
}

static void
test_pool_as_candidates_appear(void **state)
{
	(void)state;
	world_new(NULL, 64);
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	world_run(20000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 0);
	world_relays(4, RELAY);
	world_relays(2, EXIT);
	world_run(1000);
	assert_int_equal(world_active(2), 8);
	world_free();
}

static void
test_pool_limited_by_paths(void **state)
{
	(void)state;
	world_new(NULL, 5);
	world_relays(4, EXIT);
	assert_int_equal(peel_origin_build(world_origin(), 1), 0);
	world_run(10000);
	assert_int_equal(world_active(1), 5);
	world_check();
	world_free();
}

static struct peel_origin_pool
pool_of(unsigned int hops)
{
	struct peel_origin_pool p;

	assert_int_equal(peel_origin_pool(world_origin(), hops, &p), 0);
	assert_int_equal(p.hops, hops);
	return p;
}

/* Exits answer, and wrongly. */
static bool
spoil_exits(struct packet *p)
{
	for (unsigned int i = 6; i < 9; i++) {
		if (p->data[PEEL_PREFIX_LEN] == PEEL_MSG_CELL && p->data[PEEL_CELL_OFF_PLAIN] &&
			p->data[PEEL_CELL_HEADER_LEN] == PEEL_MSG_CREATED &&
			peel_addr_equal(&p->from, &world->relay[i]->node.addr))
			p->data[PEEL_CELL_HEADER_LEN + 37] ^= 1;
	}
	return true;
}

static void
test_back_off(void **state)
{
	(void)state;
	world_usual(NULL);
	world->tap = spoil_exits;
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	world_run(60000);
	uint64_t begun = world_stat(PEEL_OWN_BEGUN);

	/* 0.5, 1, 2, 4, 5, 5 ... s: about 15 rounds of 8 in a minute. */
	assert_in_range(begun, 8 * 10, 8 * 18);
	assert_int_equal(world_stat(PEEL_OWN_FAILED), begun);
	assert_int_equal(pool_of(2).lack, PEEL_ORIGIN_LACK_ANSWERS);
	assert_int_equal(pool_of(2).exits, 3);
	world->tap = NULL;
	world_run(6000);
	assert_int_equal(world_active(2), 8);
	assert_int_equal(pool_of(2).lack, PEEL_ORIGIN_LACK_NOTHING);
	world_check();
	world_free();
}

static void
assert_lack(unsigned int hops, enum peel_origin_lack lack, const char *text)
{
	struct peel_origin_pool p = pool_of(hops);
	char out[256];

	assert_int_equal(p.lack, lack);
	assert_non_null(strstr(peel_origin_lack_text(&p, out, 200), text));
}

/* 10 minutes in vain are few creates, and what helps is used at once. */
static void
doomed(unsigned int hops)
{
	world_run(600000);
	assert_int_equal(world_active(hops), 0);
	assert_in_range(world->client.n_creates, 0, 18); /* 0.5, 1, 2 ... 32, 60, 60 ... s apart */
}

static void
test_one_network(void **state)
{
	(void)state;
	world_new(NULL, 64);
	for (uint8_t i = 1; i <= 6; i++)
		world_relay_at(peel_addr_ipv4(20, 5, i, 1, 8090), i % 2 == 0 ? RELAY : EXIT);
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	doomed(2);
	assert_lack(2, PEEL_ORIGIN_LACK_NETWORKS, "the 6 relays known are in 1 network (");
	assert_int_equal(pool_of(2).relays, 6);
	assert_int_equal(pool_of(2).networks, 1);
	assert_in_range(pool_of(2).pause_ms, 1, 60000);
	world_relays(1, RELAY);
	world_run(1500);
	assert_int_equal(world_active(2), 8);
	assert_int_equal(pool_of(2).lack, PEEL_ORIGIN_LACK_NOTHING);
	world_free();
	/* Nothing is wrong when they may be together. */
	struct peel_origin_settings s = world_defaults();

	s.allow_same_network = true;
	world_new(&s, 64);
	for (uint8_t i = 1; i <= 6; i++)
		world_relay_at(peel_addr_ipv4(20, 5, i, 1, 8090), i % 2 == 0 ? RELAY : EXIT);
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	world_run(1500);
	assert_int_equal(world_active(2), 8);
	world_free();
}

static void
test_too_few_known(void **state)
{
	(void)state;
	world_new(NULL, 64);
	assert_int_equal(
		peel_origin_pool(world_origin(), 3, &(struct peel_origin_pool){0}), -ENOENT);
	assert_int_equal(
		peel_origin_pool(world_origin(), 99, &(struct peel_origin_pool){0}), -ENOENT);
	assert_int_equal(peel_origin_build(world_origin(), 1), 0);
	assert_int_equal(peel_origin_build(world_origin(), 3), 0);
	world_run(600000);
	assert_int_equal(world->client.n_creates, 0);
	assert_lack(1, PEEL_ORIGIN_LACK_EXIT, "none of the 0 relays known is an exit");
	assert_lack(3, PEEL_ORIGIN_LACK_RELAYS, "0 of the 3 relays needed are known");
	world_relays(2, RELAY);
	doomed(3);
	assert_lack(3, PEEL_ORIGIN_LACK_RELAYS, "2 of the 3 relays needed are known");
	world_relays(1, RELAY);
	world->client.n_creates = 0;
	doomed(3);
	assert_lack(1, PEEL_ORIGIN_LACK_EXIT, "none of the 3 relays known is an exit");
	assert_lack(3, PEEL_ORIGIN_LACK_EXIT, "none of the 3 relays known is an exit");
	world_relays(1, EXIT);
	world_run(1500);
	assert_int_equal(world_active(1), 8);
	assert_int_equal(world_active(3), 8);
	world_free();
}

/* What the first hop knows may be enough. */
static void
test_unknown_relays_are_tried(void **state)
{
	(void)state;
	world_new(NULL, 64);
	world_relays(1, RELAY);
	assert_int_equal(peel_origin_build(world_origin(), 3), 0);
	world_run(120000);
	world_relays(2, RELAY);
	world_relays(2, EXIT);
	for (unsigned int i = 1; i < 5; i++)
		world->relay[i]->node.known = false;
	world_run(63000);
	assert_int_equal(world_active(3), 8);
	assert_int_equal(pool_of(3).lack, PEEL_ORIGIN_LACK_NOTHING);
	assert_int_equal(pool_of(3).relays, 1);
	world_free();
}

static void
test_replaced_before_its_end(void **state)
{
	struct peel_origin_settings s = world_defaults();

	(void)state;
	s.max_circuits = 3;
	s.max_time = 600; /* margin 30 s */
	world_usual(&s);
	assert_int_equal(peel_origin_build(world_origin(), 2), 0);
	world_run(565000);
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 3);
	for (int i = 0; i < 400; i++) { /* 40 s around the change */
		world_run(100);
		assert_int_equal(world_active(2), 3); /* never fewer, never more */
	}
	assert_int_equal(world_stat(PEEL_OWN_BEGUN), 6);
	assert_int_equal(world_stat(PEEL_OWN_REPLACED), 3);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_AGE), 3);
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
	struct peel_origin_settings s = world_defaults();

	s.max_circuits = 1;
	world_new(&s, 64);
	world_relays(1, EXIT);
	assert_int_equal(peel_origin_build(world_origin(), 1), 0);
	for (int i = 0; i < 600; i++) {
		peel_origin_id id;

		world_run(100);
		if (peel_origin_active(world_origin(), 1, &id, 1) == 0)
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
		cmocka_unit_test(test_one_network),
		cmocka_unit_test(test_too_few_known),
		cmocka_unit_test(test_unknown_relays_are_tried),
		cmocka_unit_test(test_replaced_before_its_end),
		cmocka_unit_test(test_destroyed_at_once_is_not_rebuilt_in_a_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
