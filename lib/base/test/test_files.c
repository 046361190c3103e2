/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "peel_base.h"

static void
limit_to(rlim_t n)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void
test_reserve(void **state)
{
	(void)state;
	limit_to(512);
	assert_true(peel_files_spared(411, 100));
	assert_false(peel_files_spared(412, 100));
	limit_to(100); /* a quarter of it */
	assert_true(peel_files_spared(74, 100));
	assert_false(peel_files_spared(75, 100));
	limit_to(200); /* raised while running */
	assert_true(peel_files_spared(75, 50));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reserve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
