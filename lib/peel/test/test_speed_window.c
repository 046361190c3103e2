/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "speed_window.h"

static void
test_it_doubles_until_a_queue_grows(void **state)
{
	struct speed_window w = {0};
	uint64_t now = 1000000;

	(void)state;
	speed_window_begin(&w);
	assert_true(w.size == 16);
	for (unsigned int i = 0; i < 16; i++)
		speed_window_answer(&w, now, 10000);
	assert_true(w.size == 32);
	speed_window_answer(&w, now, 39000); /* less than twice the shortest and 20 ms */
	assert_true(w.size == 33);
	speed_window_answer(&w, now, 41000);
	assert_true(w.size > 28 && w.size < 28.1);
	/* Once per round trip. */
	speed_window_answer(&w, now + 5000, 41000);
	assert_true(w.size > 28);
	/* Slowly from now on. */
	speed_window_answer(&w, now, 10000);
	assert_true(w.size > 28 && w.size < 28.3);
	speed_window_lost(&w, now + 30000);
	assert_true(w.size > 19 && w.size < 20);
}

static void
test_a_target(void **state)
{
	struct speed_window w = {.target_us = 100000};

	(void)state;
	speed_window_begin(&w);
	speed_window_answer(&w, 1000000, 5000);
	speed_window_answer(&w, 1000000, 99000);
	assert_true(w.size == 18);
	speed_window_answer(&w, 1000000, 101000);
	assert_true(w.size < 16);
}

static void
test_bounds_and_patience(void **state)
{
	struct speed_window w = {0};

	(void)state;
	speed_window_begin(&w);
	assert_int_equal(speed_window_patience(&w), 2000000);
	for (unsigned int i = 0; i < 5000; i++)
		speed_window_answer(&w, 1000000, 1000);
	assert_true(w.size == 2048);
	assert_int_equal(speed_window_patience(&w), 504000);
	for (uint64_t i = 1; i < 100; i++)
		speed_window_lost(&w, 1000000 * i);
	assert_true(w.size == 4);
	/* What is known of round trips stays. */
	speed_window_begin(&w);
	assert_int_equal(w.min_rtt_us, 1000);
	assert_true(w.size == 16);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_doubles_until_a_queue_grows),
		cmocka_unit_test(test_a_target),
		cmocka_unit_test(test_bounds_and_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
