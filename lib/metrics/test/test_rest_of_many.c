/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A list of many circuits as py-ipv8's REST tells it: how long it holds the control thread at a
 * time, and that it is never in memory. */
#include <stdlib.h>

#include "node_of_many.h"
#include "peel_rest.h"

static void
test_rest_of_many(void **state)
{
	struct rows rows = {0};
	uint64_t longest_ns = 0;
	struct peel_rest *rest;
	size_t before;
	char *text;
	int rc;

	(void)state;
	make_node(MANY);
	before = memory_in_use();
	assert_int_equal(peel_rest_open(node, "/tunnel/exits", 0, &rest), 0);
	for (;;) {
		uint64_t begun = cpu_ns(), took;

		rc = peel_rest_next(rest, &text);
		took = cpu_ns() - begun;
		if (rc == 0)
			break;
		assert_int_equal(rc, 1);
		longest_ns = took > longest_ns ? took : longest_ns;
		count_rows(&rows, text, strlen(text));
		free(text);
		if (memory_in_use() > before + GROWTH)
			fail_msg("memory grows with the list");
	}
	peel_rest_close(rest);
	assert_int_equal(rows.n, MANY + 1);
	assert_true(longest_ns < (uint64_t)HOLD_MS * 1000000);
	free_node();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rest_of_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
