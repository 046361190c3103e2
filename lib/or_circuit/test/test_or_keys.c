/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "or_internal.h"

#define KEYS 2048
#define LONGEST 16 /* chain of honest keys, with room to spare */

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return 0;
}

static void
fill(void *arg, void *out, size_t len)
{
	(void)arg;
	memset(out, 0x5a, len);
}

static const struct peel_env env = {.now_ms = now_ms, .random = fill};

static void
key_of(uint8_t pk[PEEL_PK_LEN], uint32_t ed25519, uint32_t x25519)
{
	memset(pk, 0, PEEL_PK_LEN);
	memcpy(pk, "LibNaCLPK:", 10);
	peel_put_be32(pk + 10, x25519);
	peel_put_be32(pk + 10 + PEEL_X_LEN, ed25519);
}

static uint32_t
longest_chain(const struct keys *k)
{
	uint32_t longest = 0;

	for (uint32_t head = 0; head <= k->chains.mask; head++) {
		uint32_t slot, n = 0;

		PEEL_CHAIN_FOREACH (slot, &k->chains, head)
			n++;
		longest = n > longest ? n : longest;
	}
	return longest;
}

/* A stranger may have any number of keys that share one of their halves. They are spread like
 * others. */
static void
test_keys_with_a_common_half(void **state)
{
	uint8_t pk[PEEL_PK_LEN];

	(void)state;
	for (int half = 0; half < 2; half++) {
		struct keys k;

		assert_int_equal(or_keys_init(&k, &env), 0);
		for (uint32_t i = 0; i < KEYS; i++) {
			key_of(pk, half == 0 ? i : 1, half == 0 ? 1 : i);
			assert_int_equal(or_keys_get(&k, pk), i);
		}
		assert_in_range(longest_chain(&k), 1, LONGEST);
		or_keys_fini(&k);
	}
}

/* A key is kept once, until nobody refers to it. */
static void
test_references(void **state)
{
	uint8_t pk[PEEL_PK_LEN], other[PEEL_PK_LEN];
	struct keys k;

	(void)state;
	assert_int_equal(or_keys_init(&k, &env), 0);
	key_of(pk, 1, 1);
	key_of(other, 2, 1);
	assert_int_equal(or_keys_get(&k, pk), 0);
	assert_int_equal(or_keys_get(&k, pk), 0);
	or_keys_put(&k, 0);
	assert_true(or_keys_equal(&k, 0, pk));
	assert_int_equal(or_keys_get(&k, other), 1);
	or_keys_put(&k, 0);
	assert_int_equal(longest_chain(&k), 1);
	or_keys_put(&k, 1);
	assert_int_equal(longest_chain(&k), 0);
	or_keys_put(&k, PEEL_NONE);
	or_keys_fini(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_with_a_common_half),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
