/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The hash index alone, with hashes made to collide.
 */
#include "helpers.h"
#include "index.h"

#define GROUPS 7
#define N_MAX 512

static uint64_t buckets[64 * PEEL_INDEX_WAYS] __attribute__((aligned(64)));
static uint8_t passed[64];

static struct index
new_index(uint64_t groups)
{
	memset(buckets, 0, sizeof(buckets));
	memset(passed, 0, sizeof(passed));
	return (struct index){.buckets = buckets, .passed = passed, .n_groups = groups};
}

/* A hash whose home is @p group, with a signature of its own. */
static uint64_t
hash_of(const struct index *ix, uint64_t group, uint32_t signature)
{
	uint64_t hash = (UINT64_MAX / ix->n_groups) * group + (UINT64_MAX / ix->n_groups) / 2;

	hash = (hash & ~UINT64_C(0xffffffff)) | (uint64_t)signature << 1 | 1;
	assert_int_equal(index_home(ix, hash), group);
	return hash;
}

static bool
has(const struct index *ix, uint64_t hash, uint32_t slot)
{
	struct index_walk w = index_walk_begin(ix, hash);

	for (uint32_t s; (s = index_walk_next(ix, &w)) != UINT32_MAX;) {
		if (s == slot)
			return true;
	}
	return false;
}

static void
assert_pristine(const struct index *ix)
{
	for (uint64_t i = 0; i < ix->n_groups * PEEL_INDEX_WAYS; i++)
		assert_true(ix->buckets[i] == 0);
	for (uint64_t g = 0; g < ix->n_groups; g++)
		assert_int_equal(ix->passed[g], 0);
}

static void
test_overflow_wraps_around(void **state)
{
	struct index ix = new_index(3);
	uint64_t h = hash_of(&ix, 2, 77);

	(void)state;
	for (uint32_t s = 0; s < 20; s++) /* the last group, then the first, then the second */
		index_add(&ix, h, s);
	assert_int_equal(ix.passed[2], 12);
	assert_int_equal(ix.passed[0], 4);
	assert_int_equal(ix.passed[1], 0);
	for (uint32_t s = 0; s < 20; s++)
		assert_true(has(&ix, h, s));
	assert_false(has(&ix, h, 20));
	assert_false(index_del(&ix, h, 20));
	assert_false(index_replace(&ix, h, 20, 1));
	for (uint32_t s = 0; s < 20; s++) {
		assert_true(index_del(&ix, h, s));
		for (uint32_t k = 0; k < 20; k++)
			assert_int_equal(has(&ix, h, k), k > s);
	}
	assert_pristine(&ix);
}

static void
test_tombstones_go_when_nobody_passes(void **state)
{
	struct index ix = new_index(GROUPS);
	uint64_t h = hash_of(&ix, 3, 5), neighbour = hash_of(&ix, 4, 6);
	struct index_view v;

	(void)state;
	for (uint32_t s = 0; s < 9; s++) /* one spills into group 4 */
		index_add(&ix, h, s);
	index_add(&ix, neighbour, 100);
	assert_true(index_del(&ix, h, 2));
	index_look(index_group(&ix, 3), index_signature(h), &v);
	assert_false(v.last); /* a tombstone: the ninth must stay in reach */
	assert_true(has(&ix, h, 8));
	index_add(&ix, h, 9); /* takes the tombstone */
	index_look(index_group(&ix, 3), index_signature(h), &v);
	assert_int_equal(v.match, 0xff);
	assert_int_equal(ix.passed[3], 1);
	assert_true(index_del(&ix, h, 9));
	assert_true(index_del(&ix, h, 8));
	index_look(index_group(&ix, 3), index_signature(h), &v);
	assert_true(v.last); /* nobody passes any more */
	assert_true(has(&ix, neighbour, 100));
}

static void
test_replace_is_one_store(void **state)
{
	struct index ix = new_index(GROUPS);
	uint64_t h = hash_of(&ix, 1, 5);

	(void)state;
	index_add(&ix, h, 3);
	uint64_t before = ix.buckets[PEEL_INDEX_WAYS];

	assert_true(index_replace(&ix, h, 3, 4));
	assert_int_equal(ix.buckets[PEEL_INDEX_WAYS] >> 32, before >> 32);
	assert_false(has(&ix, h, 3));
	assert_true(has(&ix, h, 4));
}

/* More than a counter can count: look-ups stay right. */
static void
test_counter_saturates(void **state)
{
	struct index ix = new_index(64);
	uint64_t h = hash_of(&ix, 0, 9);

	(void)state;
	for (uint32_t s = 0; s < 400; s++)
		index_add(&ix, h, s);
	assert_int_equal(ix.passed[0], UINT8_MAX);
	for (uint32_t s = 0; s < 400; s += 2)
		assert_true(index_del(&ix, h, s));
	for (uint32_t s = 0; s < 400; s++)
		assert_int_equal(has(&ix, h, s), s % 2);
	for (uint32_t s = 1; s < 400; s += 2)
		assert_true(index_del(&ix, h, s));
	for (uint32_t s = 0; s < 400; s++)
		assert_false(has(&ix, h, s));
}

/* Few signatures, few homes, up to half load, against a plain list. */
static void
test_random_against_list(void **state)
{
	const uint64_t groups = 32;
	struct index ix = new_index(groups);
	uint64_t hash[N_MAX];
	bool in[N_MAX] = {false};
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 0; i < N_MAX; i++)
		hash[i] = hash_of(&ix, test_random() % groups / 3, (uint32_t)(test_random() % 4));
	for (unsigned int round = 0; round < 20000; round++) {
		uint32_t i = (uint32_t)(test_random() % N_MAX);

		if (in[i]) {
			assert_true(index_del(&ix, hash[i], i));
			n--;
			in[i] = false;
		} else if (n < groups * PEEL_INDEX_WAYS / 2) {
			index_add(&ix, hash[i], i);
			n++;
			in[i] = true;
		}
		if (round % 100 == 0) {
			for (unsigned int k = 0; k < N_MAX; k++)
				assert_int_equal(has(&ix, hash[k], k), in[k]);
		}
	}
	for (uint32_t i = 0; i < N_MAX; i++) {
		if (in[i])
			assert_true(index_del(&ix, hash[i], i));
	}
	assert_pristine(&ix);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overflow_wraps_around),
		cmocka_unit_test(test_tombstones_go_when_nobody_passes),
		cmocka_unit_test(test_replace_is_one_store),
		cmocka_unit_test(test_counter_saturates),
		cmocka_unit_test(test_random_against_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
