/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What counts in a period and what follows from it, and records that are damaged.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "peel_accounting.h"

#define DAY 86400
#define NEW_YEAR 1798761600 /* the first second of 2027 */

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
	assert_true(peel_accounting_turn(&a, &s, NEW_YEAR - 2 * DAY));
	a.sent = a.received = 10;
	assert_false(peel_accounting_turn(&a, &s, NEW_YEAR - 1));
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_CLOSED);
	assert_true(peel_accounting_turn(&a, &s, NEW_YEAR));
	assert_int_equal(peel_accounting_stage(&a, &s), PEEL_ACCOUNTING_OPEN);
	assert_int_equal(a.sent, 0);
	assert_int_equal(a.received, 0);
	assert_int_equal(a.end_s, NEW_YEAR + 31 * DAY);
	a.sent = 5;
	assert_false(peel_accounting_turn(&a, &s, 10));
	assert_int_equal(a.sent, 5);
	assert_true(peel_accounting_turn(&a, &s, NEW_YEAR - DAY));
	assert_int_equal(a.sent, 0);
	a.sent = 5;
	assert_int_equal(peel_period_parse("day 00:00", &s.start), 0);
	assert_true(peel_accounting_turn(&a, &s, NEW_YEAR - DAY));
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
		cmocka_unit_test(test_stages),
		cmocka_unit_test(test_turns),
		cmocka_unit_test(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
