/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * When periods begin and end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "peel_period.h"

static int64_t
at(const char *text)
{
	struct tm tm = {0};

	assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
				 &tm.tm_hour, &tm.tm_min, &tm.tm_sec),
		6);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	return (int64_t)timegm(&tm);
}

static void
test_periods(void **state)
{
	static const struct {
		const char *start, *now, *begin, *end;
	} cases[] = {
		{"day 00:00", "2026-03-01 00:00:00", "2026-03-01 00:00:00", "2026-03-02 00:00:00"},
		{"day 00:00", "2026-02-28 23:59:59", "2026-02-28 00:00:00", "2026-03-01 00:00:00"},
		{"day 13:30", "2026-02-28 13:29:59", "2026-02-27 13:30:00", "2026-02-28 13:30:00"},
		{"day 23:59", "2026-02-28 23:59:00", "2026-02-28 23:59:00", "2026-03-01 23:59:00"},
		/* a Monday */
		{"week 1 00:00", "2026-11-30 00:00:00", "2026-11-30 00:00:00",
			"2026-12-07 00:00:00"},
		{"week 1 00:00", "2026-11-29 23:59:59", "2026-11-23 00:00:00",
			"2026-11-30 00:00:00"},
		{"week 7 12:00", "2026-11-30 00:00:00", "2026-11-29 12:00:00",
			"2026-12-06 12:00:00"},
		{"week 4 6:05", "2026-11-30 00:00:00", "2026-11-26 06:05:00",
			"2026-12-03 06:05:00"},
		{"month 1 00:00", "2026-12-31 23:59:59", "2026-12-01 00:00:00",
			"2027-01-01 00:00:00"},
		{"month 1 00:00", "2028-02-29 12:00:00", "2028-02-01 00:00:00",
			"2028-03-01 00:00:00"},
		{"month 28 23:30", "2027-01-28 23:29:59", "2026-12-28 23:30:00",
			"2027-01-28 23:30:00"},
		{"month 28 23:30", "2027-01-28 23:30:00", "2027-01-28 23:30:00",
			"2027-02-28 23:30:00"},
		{"month 15 00:00", "1970-01-02 00:00:00", "1969-12-15 00:00:00",
			"1970-01-15 00:00:00"},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		struct peel_period p;
		int64_t begin, end;

		assert_int_equal(peel_period_parse(cases[i].start, &p), 0);
		peel_period_around(&p, at(cases[i].now), &begin, &end);
		if (begin != at(cases[i].begin) || end != at(cases[i].end))
			fail_msg("%s at %s", cases[i].start, cases[i].now);
	}
}

static void
test_texts_that_are_none(void **state)
{
	static const char *const texts[] = {"", "day", "day 1 00:00", "day 24:00", "day 00:60",
		"week 0 00:00", "week 8 00:00", "week 00:00", "month 29 00:00", "month 0 00:00",
		"month 1 00:00x", "month 1", "month -1 00:00", "month 1 -1:00", "year 1 00:00",
		"day 00:00 x"};
	struct peel_period p;

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(texts); i++) {
		if (peel_period_parse(texts[i], &p) != -EINVAL)
			fail_msg("\"%s\"", texts[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periods),
		cmocka_unit_test(test_texts_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
