/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Rates and shares, played with a clock of the test: whoever sends too much loses, whatever it
 * sends and however many do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_bandwidth.h"

#define HZ UINT64_C(2000000000)
#define ROUND_US 100
#define ROUND_CYCLES (HZ / 1000000 * ROUND_US)
#define MB UINT64_C(1000000)
#define CIRCUITS_MAX 1000

/* What a circuit wants to send, and what came of it. */
struct sender {
	enum peel_bandwidth_kind kind;
	uint32_t size; /* of its datagrams */
	uint64_t rate; /* bytes per second that it offers */
	uint64_t due;  /* bytes, times rounds per second */
	uint64_t offered, passed;
	uint64_t refused[PEEL_N_BANDWIDTHS];
};

static struct sender sender[CIRCUITS_MAX];
static uint64_t now;

static struct peel_bandwidth *
limits_of(const struct peel_bandwidth_settings *s)
{
	struct peel_bandwidth *b;

	memset(sender, 0, sizeof(sender));
	now = 12345;
	assert_int_equal(peel_bandwidth_new(s, CIRCUITS_MAX, HZ, now, &b), 0);
	return b;
}

static struct peel_bandwidth *
limit_all(uint64_t rate, uint64_t burst)
{
	return limits_of(&(struct peel_bandwidth_settings){
		.limit[PEEL_BANDWIDTH_ALL] = {.rate = rate, .burst = burst}});
}

static void
offer(struct peel_bandwidth_round *r, unsigned int i)
{
	struct sender *s = &sender[i];
	enum peel_bandwidth_kind limit;

	s->due += s->rate;
	for (; s->due >= (uint64_t)s->size * 1000000 / ROUND_US;
		s->due -= (uint64_t)s->size * 1000000 / ROUND_US) {
		limit = peel_bandwidth_take(r, i, s->kind, s->size);
		s->offered += s->size;
		if (limit == PEEL_N_BANDWIDTHS)
			s->passed += s->size;
		else
			s->refused[limit] += s->size;
	}
}

/* Circuits 0..n-1 send for so long, half of them over each of two workers whose rounds overlap. */
static void
play(struct peel_bandwidth *b, unsigned int n, unsigned int ms)
{
	for (unsigned int i = 0; i < n; i++)
		sender[i].offered = sender[i].passed = 0;
	for (unsigned int k = 0; k < ms * 1000 / ROUND_US; k++) {
		struct peel_bandwidth_round r[2];

		now += ROUND_CYCLES;
		for (int w = 0; w < 2; w++)
			peel_bandwidth_begin(&r[w], b, now);
		/* Nobody is always the first. */
		for (unsigned int i = 0; i < n; i++)
			offer(&r[(i + k) % n % 2], (i + k) % n);
		for (int w = 0; w < 2; w++)
			peel_bandwidth_end(&r[w]);
	}
}

static uint64_t
passed(unsigned int n)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < n; i++)
		sum += sender[i].passed;
	return sum;
}

/* Jain's index of fairness: 1 if all have the same, 1/n if one has everything. */
static double
fairness(unsigned int n)
{
	double sum = 0, squares = 0;

	for (unsigned int i = 0; i < n; i++) {
		double x = (double)sender[i].passed;

		sum += x;
		squares += x * x;
	}
	return sum * sum / (n * squares);
}

static void
want(unsigned int i, uint64_t rate, uint32_t size)
{
	sender[i] = (struct sender){.kind = PEEL_BANDWIDTH_RELAY, .rate = rate, .size = size};
}

/* A burst, and from then on the rate, of both workers together. */
static void
test_rate_and_burst(void **state)
{
	struct peel_bandwidth *b = limit_all(10 * MB, 2 * MB);

	(void)state;
	for (unsigned int i = 0; i < 8; i++)
		want(i, 5 * MB, 1000);
	play(b, 8, 1000);
	/* Half of the bucket at first, and a round of each worker beyond it. */
	assert_in_range(passed(8), 11 * MB - 100000, 12 * MB + 100000);
	play(b, 8, 10000);
	assert_in_range(passed(8), 99 * MB, 101 * MB);
	assert_true(peel_bandwidth_level(b, PEEL_BANDWIDTH_ALL, now) < (int64_t)(2 * MB));
	/* After a silence there is a burst again, and no more than that. */
	now += 3600 * HZ;
	assert_int_equal(peel_bandwidth_level(b, PEEL_BANDWIDTH_ALL, now), 2 * MB);
	play(b, 8, 1000);
	assert_in_range(passed(8), 11 * MB - 100000, 12 * MB + 100000);
	peel_bandwidth_free(b);
}

/* What is below the limit passes whole, in whatever bursts. */
static void
test_nothing_is_lost_below_the_rate(void **state)
{
	struct peel_bandwidth *b = limit_all(10 * MB, 0);

	(void)state;
	want(0, 6 * MB, 1400);
	want(1, 3 * MB, 64);
	play(b, 2, 20000);
	assert_int_equal(passed(2), sender[0].offered + sender[1].offered);
	peel_bandwidth_free(b);
}

/* Circuits that want less than their share lose nothing beside one that wants a hundred times the
 * rate, and it gets what they leave. */
static void
test_modest_beside_greedy(void **state)
{
	struct peel_bandwidth *b = limit_all(10 * MB, 0);
	uint64_t modest = 0;

	(void)state;
	want(0, 1000 * MB, 1400);
	for (unsigned int i = 1; i < 10; i++)
		want(i, MB / 2, 300);
	play(b, 10, 3000);
	play(b, 10, 5000);
	for (unsigned int i = 1; i < 10; i++) {
		assert_true(sender[i].passed > sender[i].offered / 1000 * 995);
		modest += sender[i].passed;
	}
	assert_in_range(sender[0].passed + modest, 49 * MB, 51 * MB);
	peel_bandwidth_free(b);
}

/* Those that want too much get the same, whatever they send and however much. */
static void
test_equal_shares(void **state)
{
	static const unsigned int circuits[] = {2, 10, 100, 1000};

	(void)state;
	for (size_t k = 0; k < PEEL_ARRAY_LEN(circuits); k++) {
		struct peel_bandwidth *b = limit_all(10 * MB, 0);
		unsigned int n = circuits[k];

		for (unsigned int i = 0; i < n; i++)
			want(i, 10 * MB / n * (2 + i % 20), i % 2 ? 1400 : 100);
		play(b, n, 3000);
		play(b, n, 10000);
		assert_in_range(passed(n), 99 * MB, 101 * MB);
		print_message("%u circuits: Jain's index %.4f\n", n, fairness(n));
		assert_true(fairness(n) > 0.98);
		peel_bandwidth_free(b);
	}
}

/* Rounds of two workers overlap, and begin in different ticks. A circuit that both of them handle
 * has no more than the others. */
static void
test_circuit_of_two_workers(void **state)
{
	struct peel_bandwidth *b = limit_all(10 * MB, 0);
	uint64_t others;

	(void)state;
	for (unsigned int i = 0; i < 10; i++)
		want(i, 20 * MB, 1000);
	for (unsigned int k = 0; k < 8000000 / ROUND_US; k++) {
		struct peel_bandwidth_round r[2];

		now += ROUND_CYCLES;
		peel_bandwidth_begin(&r[0], b, now);
		peel_bandwidth_begin(&r[1], b, now + HZ / 60);
		for (unsigned int i = 0; i < 10; i++) {
			unsigned int circuit = (i + k) % 10;

			offer(&r[circuit == 0 ? k % 2 : circuit % 2], circuit);
		}
		peel_bandwidth_end(&r[0]);
		peel_bandwidth_end(&r[1]);
	}
	others = (passed(10) - sender[0].passed) / 9;
	assert_in_range(sender[0].passed, others * 8 / 10, others * 12 / 10);
	peel_bandwidth_free(b);
}

/* One that comes later has its share within a second or two. */
static void
test_newcomer(void **state)
{
	struct peel_bandwidth *b = limit_all(10 * MB, 0);

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		want(i, 20 * MB, 1000);
	play(b, 4, 5000);
	want(4, 20 * MB, 1000);
	play(b, 5, 1000);
	assert_in_range(sender[4].passed, 16 * MB / 10, 5 * MB);
	play(b, 5, 5000);
	assert_in_range(sender[4].passed, 9 * MB, 11 * MB);
	peel_bandwidth_free(b);
}

static void
test_kinds(void **state)
{
	struct peel_bandwidth *b = limits_of(
		&(struct peel_bandwidth_settings){.limit[PEEL_BANDWIDTH_RELAY] = {.rate = 2 * MB}});

	(void)state;
	want(0, 10 * MB, 1000);
	want(1, 10 * MB, 1000);
	sender[1].kind = PEEL_BANDWIDTH_EXIT;
	want(2, 10 * MB, 1000);
	sender[2].kind = PEEL_BANDWIDTH_ALL; /* our own */
	play(b, 3, 10000);
	assert_in_range(sender[0].passed, 20 * MB, 23 * MB);
	assert_int_equal(
		sender[0].refused[PEEL_BANDWIDTH_RELAY], sender[0].offered - sender[0].passed);
	assert_int_equal(sender[1].passed, sender[1].offered);
	assert_int_equal(sender[2].passed, sender[2].offered);
	peel_bandwidth_free(b);

	b = limits_of(
		&(struct peel_bandwidth_settings){.limit[PEEL_BANDWIDTH_ALL] = {.rate = 9 * MB},
			.limit[PEEL_BANDWIDTH_EXIT] = {.rate = MB}});
	want(0, 20 * MB, 1000);
	want(1, 20 * MB, 1000);
	sender[1].kind = PEEL_BANDWIDTH_EXIT;
	play(b, 2, 3000);
	play(b, 2, 10000);
	assert_in_range(sender[1].passed, 99 * MB / 10, 101 * MB / 10);
	assert_in_range(passed(2), 89 * MB, 91 * MB);
	assert_true(sender[0].refused[PEEL_BANDWIDTH_ALL] > 0);
	assert_true(sender[1].refused[PEEL_BANDWIDTH_EXIT] > 0);
	peel_bandwidth_free(b);
}

static void
test_each_circuit(void **state)
{
	struct peel_bandwidth *b = limits_of(&(struct peel_bandwidth_settings){
		.limit[PEEL_BANDWIDTH_CIRCUIT] = {.rate = MB, .burst = MB / 2}});

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		want(i, 4 * MB, 500);
	want(3, MB / 2, 500);
	play(b, 4, 10000);
	for (unsigned int i = 0; i < 3; i++) {
		assert_in_range(sender[i].passed, 105 * MB / 10 - 1000, 105 * MB / 10 + 1000);
		assert_int_equal(sender[i].refused[PEEL_BANDWIDTH_CIRCUIT],
			sender[i].offered - sender[i].passed);
	}
	assert_int_equal(sender[3].passed, sender[3].offered);
	/* The next circuit with this session has the burst, and no more. */
	now += 1000 * HZ;
	play(b, 1, 10000);
	assert_in_range(sender[0].passed, 105 * MB / 10 - 1000, 105 * MB / 10 + 1000);
	peel_bandwidth_free(b);
}

/* Accounts are needed as soon as a bucket is near half full, or circuits have limits. */
static void
test_accounts(void **state)
{
	struct peel_bandwidth *b = limit_all(4 * MB, 0);
	struct peel_bandwidth_round r;

	(void)state;
	peel_bandwidth_begin(&r, b, now);
	assert_false(r.accounts);
	for (unsigned int i = 0; i < 2000; i++) /* within a round, too */
		assert_int_equal(peel_bandwidth_take(&r, i % 2, PEEL_BANDWIDTH_RELAY, 1000),
			PEEL_N_BANDWIDTHS);
	for (unsigned int i = 0; i < 4000; i++)
		(void)peel_bandwidth_take(&r, 0, PEEL_BANDWIDTH_RELAY, 1000);
	assert_int_equal(
		peel_bandwidth_take(&r, 0, PEEL_BANDWIDTH_RELAY, 1000), PEEL_BANDWIDTH_ALL);
	assert_int_equal(peel_bandwidth_take(&r, 2, PEEL_BANDWIDTH_RELAY, 1000), PEEL_N_BANDWIDTHS);
	peel_bandwidth_end(&r);
	peel_bandwidth_begin(&r, b, now);
	assert_true(r.accounts);
	peel_bandwidth_end(&r);
	peel_bandwidth_free(b);
	b = limits_of(
		&(struct peel_bandwidth_settings){.limit[PEEL_BANDWIDTH_CIRCUIT] = {.rate = MB}});
	peel_bandwidth_begin(&r, b, now);
	assert_true(r.accounts);
	peel_bandwidth_end(&r);
	peel_bandwidth_free(b);
}

/* A session that was another circuit's a moment ago: nothing is left of what that one had. */
static void
test_session_of_another(void **state)
{
	struct peel_bandwidth *b = limits_of(
		&(struct peel_bandwidth_settings){.limit[PEEL_BANDWIDTH_ALL] = {.rate = 10 * MB},
			.limit[PEEL_BANDWIDTH_CIRCUIT] = {.rate = MB, .burst = 5 * MB}});

	(void)state;
	want(0, 8 * MB, 500);
	play(b, 1, 4000);
	assert_in_range(sender[0].passed, 89 * MB / 10, 91 * MB / 10);
	play(b, 1, 100);
	assert_in_range(sender[0].passed, MB / 20, MB / 5);
	peel_bandwidth_forget(b, 0);
	play(b, 1, 500);
	assert_int_equal(sender[0].passed, sender[0].offered);
	peel_bandwidth_free(b);
}

/* What strangers may begin depends on it: not while one circuit has what it wants, but when many
 * have drained the bucket, or something had to leave. */
static void
test_scarce(void **state)
{
	struct peel_bandwidth *b = limits_of(
		&(struct peel_bandwidth_settings){.limit[PEEL_BANDWIDTH_RELAY] = {.rate = MB}});
	struct peel_bandwidth_round r;

	(void)state;
	want(0, 10 * MB, 1000);
	play(b, 1, 3000);
	assert_false(peel_bandwidth_scarce(b, now)); /* of another kind */
	peel_bandwidth_free(b);
	b = limit_all(10 * MB, 0);
	assert_false(peel_bandwidth_scarce(b, now));
	for (unsigned int i = 0; i < 30; i++)
		want(i, 10 * MB, 1000);
	play(b, 30, 5000);
	assert_false(peel_bandwidth_scarce(b, now));
	peel_bandwidth_begin(&r, b, now);
	peel_bandwidth_spend(&r, (uint32_t)(4 * MB));
	peel_bandwidth_end(&r);
	assert_true(peel_bandwidth_scarce(b, now));
	now += HZ;
	assert_false(peel_bandwidth_scarce(b, now));
	peel_bandwidth_free(b);
}

/* What must leave does, and circuits pay for it. */
static void
test_debt(void **state)
{
	struct peel_bandwidth *b = limit_all(MB, 0);
	struct peel_bandwidth_round r;

	(void)state;
	for (unsigned int i = 0; i < 30; i++) {
		peel_bandwidth_begin(&r, b, now);
		peel_bandwidth_spend(&r, 100000);
		peel_bandwidth_end(&r);
	}
	assert_int_equal(peel_bandwidth_level(b, PEEL_BANDWIDTH_ALL, now), -2 * (int64_t)MB);
	want(0, MB, 100);
	play(b, 1, 1900);
	assert_int_equal(sender[0].passed, 0);
	play(b, 1, 1000);
	assert_true(sender[0].passed > MB / 2);
	peel_bandwidth_free(b);
}

/* The largest and the smallest rates, after a year. */
static void
test_extremes(void **state)
{
	static const uint64_t rates[] = {16384, UINT64_C(1) << 37};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(rates); i++) {
		struct peel_bandwidth *b = limit_all(rates[i], rates[i] * 8);
		struct peel_bandwidth_round r;
		uint64_t before, lowest, n = 0, size = 32768;

		/* Clocks may differ by a little at the start. */
		peel_bandwidth_begin(&r, b, now - 1000);
		peel_bandwidth_end(&r);
		now += 365 * 86400 * HZ;
		peel_bandwidth_begin(&r, b, now);
		before = (uint64_t)r.level[PEEL_BANDWIDTH_ALL];
		assert_int_equal(before, rates[i] * 8);
		while (n < 10 && peel_bandwidth_take(&r, n, PEEL_BANDWIDTH_RELAY, (uint32_t)size) ==
					 PEEL_N_BANDWIDTHS)
			n++;
		assert_true(n > 0);
		peel_bandwidth_end(&r);
		assert_int_equal(peel_bandwidth_level(b, PEEL_BANDWIDTH_ALL, now),
			(int64_t)(before - n * size));
		now += HZ / 4;
		before = (uint64_t)peel_bandwidth_level(b, PEEL_BANDWIDTH_ALL, now);
		lowest = rates[i] * 8 - n * size + rates[i] / 5;
		assert_in_range(
			before, lowest < rates[i] * 8 ? lowest : rates[i] * 8, rates[i] * 8);
		peel_bandwidth_free(b);
	}
}

static void
test_settings(void **state)
{
	struct peel_bandwidth_settings s = {0};

	(void)state;
	assert_false(peel_bandwidth_any(&s));
	s.limit[PEEL_BANDWIDTH_CIRCUIT].burst = 1;
	assert_false(peel_bandwidth_any(&s));
	s.limit[PEEL_BANDWIDTH_CIRCUIT].rate = 1;
	assert_true(peel_bandwidth_any(&s));
	assert_int_equal(
		peel_bandwidth_burst(&s.limit[PEEL_BANDWIDTH_CIRCUIT]), PEEL_BANDWIDTH_BURST_MIN);
	s.limit[PEEL_BANDWIDTH_CIRCUIT] = (struct peel_bandwidth_limit){MB, 0};
	assert_int_equal(peel_bandwidth_burst(&s.limit[PEEL_BANDWIDTH_CIRCUIT]), MB);
	peel_bandwidth_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_and_burst),
		cmocka_unit_test(test_nothing_is_lost_below_the_rate),
		cmocka_unit_test(test_modest_beside_greedy),
		cmocka_unit_test(test_equal_shares),
		cmocka_unit_test(test_circuit_of_two_workers),
		cmocka_unit_test(test_newcomer),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_each_circuit),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_session_of_another),
		cmocka_unit_test(test_scarce),
		cmocka_unit_test(test_debt),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
