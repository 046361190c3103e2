/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * When periods begin and end, what counts in them, and records that are damaged.
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

static void
test_stages(void **state)
{
	struct peel_accounting a = {.received = 100, .sent = 60};
	struct peel_accounting_settings s = {.limit = 160, .soft_limit = 101};

	(void)state;
	assert_int_equal(peel_accounting_used(&a, &s), 100);
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_OPEN);
	s.count = PEEL_ACCOUNTING_SUM;
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_CLOSED);
	s.limit = 161;
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_SOFT);
	s.soft_limit = s.limit = 0;
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_OPEN);
	s.count = PEEL_ACCOUNTING_IN;
	assert_int_equal(peel_accounting_used(&a, &s), 100);
	s.count = PEEL_ACCOUNTING_OUT;
	assert_int_equal(peel_accounting_used(&a, &s), 60);
}

/* Over the turn of a year, with a clock that is set back, and with another start of periods. */
static void
test_turns(void **state)
{
	struct peel_accounting_settings s = {.limit = 10};
	struct peel_accounting a = {0};

	(void)state;
	assert_int_equal(peel_period_parse("month 1 00:00", &s.start), 0);
	assert_true(peel_accounting_turn(&a, &s, at("2026-12-30 00:00:00")));
	a.sent = a.received = 10;
	assert_false(peel_accounting_turn(&a, &s, at("2026-12-31 23:59:59")));
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_CLOSED);
	assert_true(peel_accounting_turn(&a, &s, at("2027-01-01 00:00:00")));
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_OPEN);
	assert_int_equal(a.sent, 0);
	assert_int_equal(a.received, 0);
	assert_int_equal(a.end_s, at("2027-02-01 00:00:00"));
	a.sent = 5;
	assert_false(peel_accounting_turn(&a, &s, at("1970-01-01 00:00:10")));
	assert_int_equal(a.sent, 5);
	assert_true(peel_accounting_turn(&a, &s, at("2026-12-31 00:00:00")));
	assert_int_equal(a.sent, 0);
	a.sent = 5;
	assert_int_equal(peel_period_parse("day 00:00", &s.start), 0);
	assert_true(peel_accounting_turn(&a, &s, at("2026-12-31 00:00:00")));
}

static void
test_records(void **state)
{
	struct peel_accounting a = {.begin_s = -5, .end_s = 7, .received = 1, .sent = UINT64_MAX},
			       b;
	uint8_t record[PEEL_ACCOUNTING_RECORD];

	(void)state;
	peel_accounting_save(&a, record);
	assert_int_equal(a.sequence, 1);
	assert_int_equal(peel_accounting_load(record, sizeof(record), &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(peel_accounting_load(record, sizeof(record) - 1, &b), -EBADMSG);
	for (size_t i = 0; i < 8 * sizeof(record); i++) {
		record[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(peel_accounting_load(record, sizeof(record), &b), -EBADMSG);
		record[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	memset(record, 0, sizeof(record));
	assert_int_equal(peel_accounting_load(record, sizeof(record), &b), -EBADMSG);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_periods),
		cmocka_unit_test(test_texts_that_are_none),
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
