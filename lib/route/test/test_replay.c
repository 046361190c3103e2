/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <pthread.h>
#include <stdlib.h>

#include "helpers.h"
#include "peel_replay.h"

static struct peel_replay *
filter(uint32_t entries)
{
	struct peel_replay *r;

	assert_int_equal(peel_replay_new(entries, &test_env, true, -1, &r), 0);
	return r;
}

static void
test_only_exact_duplicates_are_seen(void **state)
{
	struct peel_replay *r = filter(1024);
	uint8_t tag[16] = {1, 2, 3};
	uint64_t fp = peel_replay_fingerprint(r, 5, 77, tag);

	(void)state;
	assert_true(fp == peel_replay_fingerprint(r, 5, 77, tag));
	peel_replay_prefetch(r, fp);
	assert_false(peel_replay_seen(r, fp));
	assert_true(peel_replay_seen(r, fp));
	assert_true(peel_replay_seen(r, fp));
	/* The same salt again with another tag is a legitimate peer that restarted its counter. */
	for (unsigned int bit = 0; bit < 128; bit++) {
		tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(peel_replay_seen(r, peel_replay_fingerprint(r, 5, 77, tag)));
		tag[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (unsigned int bit = 0; bit < 64; bit++)
		assert_false(peel_replay_seen(
			r, peel_replay_fingerprint(r, 5, 77 ^ UINT64_C(1) << bit, tag)));
	for (unsigned int bit = 0; bit < 32; bit++)
		assert_false(peel_replay_seen(
			r, peel_replay_fingerprint(r, 5 ^ UINT32_C(1) << bit, 77, tag)));
	peel_replay_free(r);
	peel_replay_free(NULL);
}

static void
test_seed_matters(void **state)
{
	struct peel_replay *a = filter(1024), *b = filter(1024);
	const uint8_t tag[16] = {0};

	(void)state;
	assert_true(peel_replay_fingerprint(a, 0, 0, tag) != peel_replay_fingerprint(b, 0, 0, tag));
	assert_true(peel_replay_fingerprint(a, 0, 0, tag) != 0);
	peel_replay_free(a);
	peel_replay_free(b);
}

/* Fingerprints for a filter of 1024 entries: 256 sets, the top 8 bits; a class is the 10 below. */
#define N_SETS 256
static uint64_t
made_up(uint64_t set, uint64_t class, uint64_t cell)
{
	return set << 56 | class << 46 | cell << 2;
}

/* Four to a set; the fifth pushes out the first. */
static void
test_oldest_of_a_set_makes_way(void **state)
{
	struct peel_replay *r = filter(0);

	(void)state;
	for (uint64_t set = 0; set < N_SETS; set++) {
		for (uint64_t i = 1; i <= 4; i++)
			assert_false(peel_replay_seen(r, made_up(set, i, 0)));
		for (uint64_t i = 1; i <= 4; i++)
			assert_true(peel_replay_seen(r, made_up(set, i, 0)));
		assert_false(peel_replay_seen(r, made_up(set, 5, 0)));
		for (uint64_t i = 2; i <= 5; i++)
			assert_true(peel_replay_seen(r, made_up(set, i, 0)));
		/* forgotten: a false negative */
		assert_false(peel_replay_seen(r, made_up(set, 1, 0)));
	}
	peel_replay_free(r);
}

/* Two cells of a class; the third takes the place of one of them, and of nobody else, in whichever
 * ways they are. */
static void
test_third_of_a_class_takes_from_its_own(void **state)
{
	struct peel_replay *r = filter(0);

	(void)state;
	for (uint64_t set = 0; set < N_SETS; set++) {
		unsigned int a = set % 4, b = set / 4 % 4;

		if (a == b)
			continue;
		for (unsigned int way = 0; way < 4; way++)
			assert_false(peel_replay_seen(r, way == a || way == b
								 ? made_up(set, 1000, way)
								 : made_up(set, 1 + way, 0)));
		for (uint64_t i = 10; i < 100; i++)
			assert_false(peel_replay_seen(r, made_up(set, 1000, i)));
		assert_true(peel_replay_seen(r, made_up(set, 1000, 99)));
		for (unsigned int way = 0; way < 4; way++) {
			if (way != a && way != b)
				assert_true(peel_replay_seen(r, made_up(set, 1 + way, 0)));
		}
	}
	peel_replay_free(r);
}

static uint64_t
random_fingerprint(const struct peel_replay *r, uint32_t session, uint64_t i)
{
	uint64_t tag[2] = {i * UINT64_C(0x9e3779b97f4a7c15), session};

	return peel_replay_fingerprint(r, session, i, (const uint8_t *)tag);
}

/* However many cells other circuits send, with whatever salts: the last ones of each are
 * remembered. */
static void
test_no_circuit_flushes_the_filter(void **state)
{
	const uint32_t entries = 65536, latest = entries / 256;
	struct peel_replay *r = filter(entries);
	unsigned int remembered = 0;

	(void)state;
	for (uint64_t i = 0; i < latest; i++)
		assert_false(peel_replay_seen(r, random_fingerprint(r, 1, 1u << 20 | i)));
	for (uint64_t i = 0; i < 4 * entries; i++) {
		peel_replay_seen(r, random_fingerprint(r, 2, i));
		peel_replay_seen(r, random_fingerprint(r, 3, i * UINT64_C(0x9e3779b97f4a7c15)));
		peel_replay_seen(r, random_fingerprint(r, 4 + i % 32, i / 32));
	}
	for (uint64_t i = 0; i < latest; i++)
		remembered += peel_replay_seen(r, random_fingerprint(r, 1, 1u << 20 | i));
	assert_in_range(remembered, latest * 95 / 100, latest);
	peel_replay_free(r);
}

static void
test_remembers_lately_opened_cells(void **state)
{
	const uint32_t entries = 65536, sessions = 4096;
	struct peel_replay *r = filter(entries - 1000); /* rounded up */
	unsigned int remembered = 0, false_positives = 0;

	(void)state;
	for (uint64_t i = 0; i < 4 * entries; i++)
		false_positives +=
			peel_replay_seen(r, random_fingerprint(r, i % sessions, i / sessions));
	assert_int_equal(false_positives, 0);
	/* Of the last half table nearly all, of those two tables ago nearly none. */
	for (uint64_t i = 4 * entries - entries / 2; i < 4 * entries; i++)
		remembered +=
			peel_replay_seen(r, random_fingerprint(r, i % sessions, i / sessions));
	assert_true(remembered > entries / 2 * 95 / 100);
	remembered = 0;
	for (uint64_t i = 0; i < entries; i++)
		remembered +=
			peel_replay_seen(r, random_fingerprint(r, i % sessions, i / sessions));
	assert_true(remembered < entries / 100);
	peel_replay_free(r);
}

struct worker {
	struct peel_replay *r;
	uint64_t first;
	unsigned int dups;
};

static void *
worker(void *arg)
{
	struct worker *w = arg;

	for (uint64_t i = 0; i < 20000; i++) {
		uint64_t fp = random_fingerprint(w->r, (uint32_t)i, w->first + i);

		w->dups += peel_replay_seen(w->r, fp);
		w->dups += peel_replay_seen(w->r, fp);
	}
	return NULL;
}

/* Shared: never a false positive, and nearly every duplicate is caught. */
static void
test_two_workers(void **state)
{
	struct peel_replay *r = filter(1024);
	struct worker w[2] = {{r, 0, 0}, {r, 1000000, 0}};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, worker, &w[1]), 0);
	worker(&w[0]);
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(w[i].dups <= 20000);
		assert_true(w[i].dups > 15000);
	}
	peel_replay_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_exact_duplicates_are_seen),
		cmocka_unit_test(test_seed_matters),
		cmocka_unit_test(test_oldest_of_a_set_makes_way),
		cmocka_unit_test(test_third_of_a_class_takes_from_its_own),
		cmocka_unit_test(test_no_circuit_flushes_the_filter),
		cmocka_unit_test(test_remembers_lately_opened_cells),
		cmocka_unit_test(test_two_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
