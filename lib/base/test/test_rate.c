/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "peel_rate.h"

static uint64_t now;

static uint64_t
test_now(void *arg)
{
	(void)arg;
	return now;
}

static void
test_random(void *arg, void *out, size_t len)
{
	(void)arg;
	memset(out, 0x5a, len);
}

static const struct peel_env env = {.now_ms = test_now, .random = test_random};

static unsigned int
drain(struct peel_rate *r, const struct peel_addr *a)
{
	unsigned int n = 0;

	while (n < 1000 && peel_rate_take(r, a, 1))
		n++;
	return n;
}

static void
test_bucket_refill(void **state)
{
	struct peel_bucket b;

	(void)state;
	peel_bucket_init(&b, 3, 1000);
	assert_true(peel_bucket_take(&b, 2, 3, 3, 1000));
	assert_false(peel_bucket_take(&b, 2, 3, 1, 1499));
	assert_true(peel_bucket_take(&b, 2, 3, 1, 1500)); /* two per second */
	assert_false(peel_bucket_take(&b, 2, 3, 1, 1500));
	assert_false(peel_bucket_take(&b, 2, 3, 1, 10)); /* a clock that goes back earns nothing */
	assert_false(peel_bucket_take(&b, 2, 3, 4, UINT64_MAX)); /* never more than the burst */
	assert_true(peel_bucket_take(&b, 2, 3, 3, UINT64_MAX));
	assert_true(peel_bucket_take(&b, 0, 3, 1000000, UINT64_MAX)); /* no limit */
}

static void
test_bucket_extremes(void **state)
{
	struct peel_bucket b;

	(void)state;
	peel_bucket_init(&b, UINT32_MAX, 0);
	assert_true(peel_bucket_take(&b, UINT32_MAX, UINT32_MAX, UINT32_MAX, 0));
	assert_false(peel_bucket_take(&b, UINT32_MAX, UINT32_MAX, UINT32_MAX, 999));
	assert_true(peel_bucket_take(&b, UINT32_MAX, UINT32_MAX, UINT32_MAX, 1000));
	assert_false(peel_bucket_take(&b, 1, 1, 2, UINT64_MAX));
}

static void
test_rate_sources(void **state)
{
	struct peel_rate *r;
	struct peel_addr a = peel_addr_ipv4(192, 0, 2, 1, 1000);
	struct peel_addr other_port = peel_addr_ipv4(192, 0, 2, 1, 1001);
	struct peel_addr b = peel_addr_ipv4(192, 0, 2, 2, 1000);

	(void)state;
	now = 5000;
	assert_int_equal(peel_rate_new(&env, 2, 10, 100, &r), 0);
	assert_int_equal(drain(r, &a), 10);
	assert_int_equal(drain(r, &other_port), 0);
	assert_int_equal(drain(r, &b), 10);
	assert_true(peel_rate_take_port(r, &other_port, 10)); /* a source of its own */
	assert_false(peel_rate_take_port(r, &other_port, 1));
	now += 1000;
	assert_int_equal(drain(r, &a), 2);
	now += 3600000;
	assert_int_equal(drain(r, &other_port), 10);
	peel_rate_free(r);
}

static void
test_rate_ipv6(void **state)
{
	struct peel_rate *r;
	struct peel_addr a, same, b;

	(void)state;
	assert_int_equal(peel_addr_parse("[2001:db8:0:1::1]:5", 0, &a), 0);
	assert_int_equal(peel_addr_parse("[2001:db8:0:2:ffff::2]:6", 0, &same), 0);
	assert_int_equal(peel_addr_parse("[2001:db8:0:100::1]:5", 0, &b), 0);
	assert_int_equal(peel_rate_new(&env, 1, 4, 64, &r), 0);
	assert_int_equal(drain(r, &a), 4);
	assert_int_equal(drain(r, &same), 0); /* one /56, one budget */
	assert_int_equal(drain(r, &b), 4);
	peel_rate_free(r);
}

/* A flood from many addresses cannot earn more than the table holds, and does not reset anybody's
 * bucket. */
static void
test_rate_churn(void **state)
{
	struct peel_rate *r;
	unsigned int taken = 0;

	(void)state;
	assert_int_equal(peel_rate_new(&env, 1, 4, 64, &r), 0);
	for (unsigned int i = 0; i < 100000; i++) {
		struct peel_addr a =
			peel_addr_ipv4(10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 1);

		taken += peel_rate_take(r, &a, 1);
	}
	assert_int_equal(taken, 64 * 4); /* time stands still: every bucket of the table once */
	peel_rate_free(r);
}

static void
test_rate_arguments(void **state)
{
	struct peel_rate *r;
	struct peel_addr a = peel_addr_ipv4(192, 0, 2, 1, 1000);

	(void)state;
	assert_int_equal(peel_rate_new(&env, 1, 0, 64, &r), -EINVAL);
	assert_int_equal(peel_rate_new(&env, 1, 1, UINT32_MAX, &r), -EINVAL);
	peel_rate_free(NULL);
	assert_int_equal(peel_rate_new(&env, 0, 1, 0, &r), 0);
	assert_int_equal(drain(r, &a), 1000); /* 0: no limit */
	peel_rate_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket_refill),
		cmocka_unit_test(test_bucket_extremes),
		cmocka_unit_test(test_rate_sources),
		cmocka_unit_test(test_rate_ipv6),
		cmocka_unit_test(test_rate_churn),
		cmocka_unit_test(test_rate_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
