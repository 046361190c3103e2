/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The loop: when a worker sleeps, and when it lets datagrams gather.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_aead_engines.h"
#include "rig.h"

#define ROUNDS 400

static struct rig rig;
static unsigned int per_round, every, round_no;

/* `per_round` datagrams in each round whose number is a multiple of `every`. */
static void
arrive(void)
{
	static const struct peel_addr from = {
		.family = PEEL_FAMILY_IPV4, .port = 1, .ip = {127, 0, 0, 1}};
	static const uint8_t junk[40];

	rig.on_rx = arrive;
	rig.n_out = 0;
	if (++round_no >= ROUNDS) {
		rig.on_rx = NULL;
		peel_worker_stop(rig.worker);
	} else if (round_no % every == 0) {
		for (unsigned int i = 0; i < per_round; i++)
			rig_feed(&rig, &from, junk, sizeof(junk));
	}
}

static void
run(unsigned int n, unsigned int in_so_many)
{
	per_round = n;
	every = in_so_many;
	round_no = 0;
	rig_start(&rig, peel_aead_engines[0], PEEL_FLAG_RELAY);
	peel_rcu_offline(rig.rcu, 0);
	rig.on_rx = arrive;
	peel_worker_run(rig.worker);
	peel_rcu_online(rig.rcu, 0);
}

static void
test_trickle_gathers(void **state)
{
	(void)state;
	run(2, 1);
	assert_in_range(rig_count(&rig, PEEL_NAPS), ROUNDS - 10, ROUNDS);
	assert_int_equal(rig.waits, 0);
	rig_stop(&rig);
}

/* A worker that has all hands full does not stop for more. */
static void
test_bursts_do_not_wait(void **state)
{
	(void)state;
	run(8, 1);
	assert_int_equal(rig_count(&rig, PEEL_NAPS), 0);
	rig_stop(&rig);
}

/* Who asks and waits for the answer gets it at once. */
static void
test_single_ones_do_not_wait(void **state)
{
	(void)state;
	run(1, 2);
	assert_int_equal(rig_count(&rig, PEEL_NAPS), 0);
	rig_stop(&rig);
	run(1, 4);
	assert_int_equal(rig_count(&rig, PEEL_NAPS), 0);
	assert_in_range(rig.waits, ROUNDS / 5, ROUNDS);
	rig_stop(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trickle_gathers),
		cmocka_unit_test(test_bursts_do_not_wait),
		cmocka_unit_test(test_single_ones_do_not_wait),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
