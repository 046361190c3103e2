/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "peel_histogram.h"

static void
test_bounds(void **state)
{
	struct peel_histogram h = {0};
	uint64_t sum = 0;

	(void)state;
	for (unsigned int i = 0; i < PEEL_HISTOGRAM_BOUNDS; i++) {
		assert_true(i == 0 || peel_histogram_ns[i] > peel_histogram_ns[i - 1]);
		/* A bound is within its class. */
		peel_histogram_add(&h, peel_histogram_ns[i], 1);
		peel_histogram_add(&h, peel_histogram_ns[i] + 1, 2);
		sum += 3 * peel_histogram_ns[i] + 2;
		assert_int_equal(peel_histogram_upto(&h, i), 3 * i + 1);
		assert_int_equal(peel_histogram_upto(&h, PEEL_HISTOGRAM_BOUNDS), 3 * i + 3);
	}
	peel_histogram_add(&h, 0, 5);
	assert_int_equal(peel_histogram_upto(&h, 0), 6);
	assert_int_equal(h.sum_ns, sum);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_bounds)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
