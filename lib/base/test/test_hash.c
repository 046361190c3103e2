/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_base.h"

#define SEED 0x1234567890abcdefu
#define BUCKETS 256
#define KEYS (64 * BUCKETS)

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void
assert_all_differ(uint64_t *hash, size_t n)
{
	qsort(hash, n, sizeof(*hash), by_value);
	for (size_t i = 1; i < n; i++)
		assert_int_not_equal(hash[i - 1], hash[i]);
}

/* Every byte counts, wherever it is, and so does how many there are. */
static void
test_bytes_count(void **state)
{
	uint8_t text[80] = {0};
	uint64_t hash[2 * sizeof(text) + 1], seed = SEED;
	size_t n = 0;

	(void)state;
	for (size_t len = 0; len <= sizeof(text); len++)
		hash[n++] = peel_hash_bytes(text, len, seed);
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = 1;
		hash[n++] = peel_hash_bytes(text, sizeof(text), seed);
		text[i] = 0;
	}
	assert_all_differ(hash, n);
	/* zeroes */
	assert_int_equal(peel_hash_bytes(text, 33, seed), peel_hash_bytes(text + 7, 33, seed));
	assert_int_not_equal(peel_hash_bytes(text, 33, seed), peel_hash_bytes(text, 33, seed + 1));
}

/* Numbers in order, as circuit ids of a test are, fill all buckets alike by low and by high bits.
 */
static void
test_spread(void **state)
{
	(void)state;
	for (int as_number = 0; as_number < 2; as_number++) {
		unsigned int low[BUCKETS] = {0}, high[BUCKETS] = {0};

		for (uint32_t i = 0; i < KEYS; i++) {
			uint64_t h = as_number ? peel_hash_u32(i, SEED)
					       : peel_hash_bytes(&i, sizeof(i), SEED);

			low[h % BUCKETS]++;
			high[h >> 56]++;
		}
		for (unsigned int i = 0; i < BUCKETS; i++) {
			assert_in_range(low[i], KEYS / BUCKETS / 2, KEYS / BUCKETS * 2);
			assert_in_range(high[i], KEYS / BUCKETS / 2, KEYS / BUCKETS * 2);
		}
	}
	assert_int_not_equal(peel_hash_u32(1, SEED), peel_hash_u32(1, SEED + 1));
}

static void
test_addresses(void **state)
{
	struct peel_addr a = peel_addr_ipv4(192, 0, 2, 1, 7000);
	uint64_t hash[5];

	(void)state;
	hash[0] = peel_addr_hash(&a, 1, SEED);
	hash[1] = peel_addr_hash(&a, 2, SEED);
	hash[2] = peel_addr_hash(&a, 1, SEED + 1);
	a.port++;
	hash[3] = peel_addr_hash(&a, 1, SEED);
	a.ip[15]++;
	hash[4] = peel_addr_hash(&a, 1, SEED);
	assert_all_differ(hash, PEEL_ARRAY_LEN(hash));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_count),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
