/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* What findings say about the machine, which no status tells; test_doctor.py has the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "findings.h"

static bool
finds(const char *name, const struct findings_look *l, struct findings_text *out)
{
	for (const struct finding *f = findings; f->name != NULL; f++) {
		if (strcmp(f->name, name) == 0)
			return findings_is(f, l, out);
	}
	fail_msg("there is no %s", name);
	return false;
}

static void
test_clock(void **state)
{
	struct findings_look l = {.seconds = 5, .host = {.clock_synchronised = true}};
	struct findings_text text;

	(void)state;
	assert_false(finds("clock_not_synchronised", &l, &text));
	assert_false(finds("clock_jumped", &l, &text));
	l.host.clock_synchronised = false;
	assert_true(finds("clock_not_synchronised", &l, &text));
	l.host.clock_jump_seconds = 0.1; /* slewed */
	assert_false(finds("clock_jumped", &l, &text));
	l.host.clock_jump_seconds = -3600;
	assert_true(finds("clock_jumped", &l, &text));
	assert_non_null(strstr(text.what, "3600.0 s back"));
	l.host.clock_jump_seconds = 2;
	assert_true(finds("clock_jumped", &l, &text));
	assert_non_null(strstr(text.what, "2.0 s ahead"));
}

/* An old node, or another driver, tells less: that is no finding. */
static void
test_nothing_known(void **state)
{
	json_t *empty = json_object();
	struct findings_look l = {.before = empty, .now = empty, .seconds = 1};
	struct findings_text text;

	(void)state;
	l.host.clock_synchronised = true;
	for (const struct finding *f = findings; f->name != NULL; f++) {
		if (strcmp(f->name, "no_bootstrap") != 0) /* its figures are all 0 */
			assert_false(findings_is(f, &l, &text));
	}
	json_decref(empty);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_nothing_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
