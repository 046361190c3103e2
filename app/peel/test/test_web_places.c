/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Who has to go when there are many connections to a web server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "web_places.h"

#define FULL (WEB_PLACES - WEB_PLACES_FREE)

static struct peel_addr
host(uint8_t n, uint16_t port)
{
	return (struct peel_addr){.family = PEEL_FAMILY_IPV4, .ip = {192, 0, 2, n}, .port = port};
}

static int
enter(struct web_places *p, int fd, uint8_t n)
{
	struct peel_addr from = host(n, (uint16_t)(1000 + fd));

	return web_places_enter(p, fd, &from);
}

static void
test_room(void **state)
{
	struct web_places p;

	(void)state;
	web_places_init(&p);
	for (int fd = 0; fd < FULL; fd++)
		assert_int_equal(enter(&p, fd, (uint8_t)fd), -1);
	/* Everybody has one: the oldest goes. */
	assert_int_equal(enter(&p, FULL, 200), 0);
	web_places_leave(&p, 0);
	web_places_leave(&p, 7);
	assert_int_equal(enter(&p, 100, 201), -1);
}

static void
test_the_greedy_one_goes(void **state)
{
	struct web_places p;

	(void)state;
	web_places_init(&p);
	assert_int_equal(enter(&p, 0, 1), -1); /* honest and oldest */
	for (int fd = 1; fd < FULL; fd++)
		assert_int_equal(enter(&p, fd, 66), -1);
	for (int fd = FULL, gone = 1; fd < 1000; fd++, gone++) {
		assert_int_equal(enter(&p, fd, 66), gone);
		web_places_leave(&p, gone);
	}
	/* Another honest one is let in, and costs only the greedy one. */
	assert_int_equal(enter(&p, 1000, 2), 1000 - FULL + 1);
}

/* More than there are places never happens, as the server has that limit, too; it does no harm. */
static void
test_too_many(void **state)
{
	struct web_places p;

	(void)state;
	web_places_init(&p);
	for (int fd = 0; fd < 2 * WEB_PLACES; fd++)
		enter(&p, fd, 66);
	for (int fd = 0; fd < 2 * WEB_PLACES; fd++)
		web_places_leave(&p, fd);
	assert_int_equal(enter(&p, 5, 1), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_the_greedy_one_goes),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
