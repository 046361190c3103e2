/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "peel_held.h"

static uint64_t clock_ms;

static uint64_t
test_now(void *arg)
{
	(void)arg;
	return clock_ms;
}

static const struct peel_env env = {.now_ms = test_now};
static const struct peel_socks_target to = {.name = "a.example", .addr.port = 80};

struct seen {
	unsigned int n, user;
	uint8_t first, last;
	size_t len;
};

static void
on_datagram(void *arg, unsigned int user, const struct peel_socks_target *t, const uint8_t *payload,
	size_t len)
{
	struct seen *s = arg;

	assert_string_equal(t->name, to.name);
	assert_int_equal(t->addr.port, 80);
	s->first = s->n++ == 0 ? payload[0] : s->first;
	s->last = payload[0];
	s->user = user;
	s->len = len;
}

static unsigned int
push(struct peel_held *h, unsigned int user, uint8_t what)
{
	return peel_held_push(h, user, &to, &what, 1);
}

/* @return how many were dropped as too old. */
static unsigned int
pop_all(struct peel_held *h, unsigned int user, struct seen *s)
{
	unsigned int dropped = 0;

	*s = (struct seen){0};
	while (peel_held_pop(h, user, on_datagram, s, &dropped))
		;
	return dropped;
}

static void
test_in_order_and_each_its_own(void **state)
{
	struct peel_held *h = peel_held_new(&env);
	struct seen s;

	(void)state;
	for (uint8_t i = 0; i < 3; i++) {
		assert_int_equal(push(h, 1, i), 0);
		assert_int_equal(push(h, 2, 100 + i), 0);
	}
	assert_int_equal(peel_held_waiting(h, 1), 3);
	assert_int_equal(pop_all(h, 1, &s), 0);
	assert_int_equal(peel_held_waiting(h, 1), 0);
	assert_true(s.n == 3 && s.first == 0 && s.last == 2 && s.user == 1 && s.len == 1);
	assert_int_equal(pop_all(h, 1, &s), 0);
	assert_int_equal(s.n, 0);
	assert_int_equal(peel_held_forget(h, 2), 3);
	pop_all(h, 2, &s);
	assert_int_equal(s.n, 0);
	peel_held_free(h);
}

static void
test_a_bounded_number(void **state)
{
	static const uint8_t large[PEEL_HELD_BYTES + 1];
	struct peel_held *h = peel_held_new(&env);
	unsigned int dropped = 0, kept = 0;
	struct seen s;

	(void)state;
	assert_int_equal(peel_held_push(h, 0, &to, large, sizeof(large)), 1);
	assert_int_equal(peel_held_push(h, 0, &to, large, PEEL_HELD_BYTES), 0);
	assert_int_equal(peel_held_forget(h, 0), 1);
	/* One that shouts loses its own oldest. */
	for (unsigned int i = 0; i < 100; i++)
		dropped += push(h, 5, (uint8_t)i);
	assert_int_equal(dropped, 100 - PEEL_HELD_PER_USER);
	/* With many, those with the most make room: nobody is left without. */
	for (unsigned int user = 10; user < 60; user++) {
		for (uint8_t i = 0; i < 5; i++)
			(void)push(h, user, i);
	}
	pop_all(h, 5, &s);
	assert_int_equal(s.last, 99);
	kept += s.n;
	for (unsigned int user = 10; user < 60; user++) {
		pop_all(h, user, &s);
		assert_in_range(s.n, 5, 5);
		kept += s.n;
	}
	assert_int_equal(kept, PEEL_HELD_ALL);
	peel_held_free(h);
}

static void
test_a_bounded_time(void **state)
{
	struct peel_held *h = peel_held_new(&env);
	struct seen s;

	(void)state;
	assert_int_equal(push(h, 0, 1), 0);
	clock_ms += PEEL_HELD_MS / 2;
	assert_int_equal(push(h, 0, 2), 0);
	clock_ms += PEEL_HELD_MS / 2 + 1;
	assert_int_equal(pop_all(h, 0, &s), 1);
	assert_true(s.n == 1 && s.first == 2);
	assert_int_equal(push(h, 0, 3), 0);
	assert_int_equal(push(h, 1, 4), 0);
	clock_ms += PEEL_HELD_MS + 1;
	assert_int_equal(peel_held_expire(h), 2);
	assert_int_equal(peel_held_expire(h), 0);
	peel_held_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order_and_each_its_own),
		cmocka_unit_test(test_a_bounded_number),
		cmocka_unit_test(test_a_bounded_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
