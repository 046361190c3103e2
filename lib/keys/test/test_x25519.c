/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* X25519 in batches against RFC 7748, Wycheproof and libsodium: by each engine that this CPU has,
 * and by the vector code as every CPU runs it. */
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fixture.h"
#include "x25519_portable.h"

#define BATCH_MAX 64
#define PER_KIND (X25519_GROUPS_MAX / 2 * X25519_LANES)

typedef void (*group_fn)(struct x25519_group *g, unsigned int n);

/* Lanes without an operation multiply the point 0, which is of low order. */
static void
by_groups(group_fn multiply, struct peel_x25519_op *op, unsigned int n)
{
	while (n > 0) {
		struct x25519_group g[X25519_GROUPS_MAX] = {0};
		uint8_t(*out[2 * PER_KIND])[32];
		unsigned int taken[2] = {0}, done;

		for (unsigned int i = 0; i < X25519_GROUPS_MAX; i++) {
			g[i].n = X25519_LANES;
			g[i].base = i % 2 == 1;
		}
		for (done = 0; done < n; done++) {
			bool base = op[done].point == NULL;
			unsigned int k = taken[base]++;

			if (k == PER_KIND)
				break;
			struct x25519_group *mine = &g[k % 2 * 2 + base];
			unsigned int lane = k / 2;

			memcpy(mine->scalar[lane], op[done].scalar, 32);
			if (!base)
				memcpy(mine->point[lane], op[done].point, 32);
			out[done] = &mine->out[lane];
		}
		multiply(g, X25519_GROUPS_MAX);
		for (unsigned int i = 0; i < done; i++) {
			memcpy(op[i].out, *out[i], 32);
			op[i].refused = sodium_is_zero(op[i].out, 32);
		}
		op += done;
		n -= done;
	}
}

static const struct engine {
	const char *name;
	unsigned int lanes; /* the library's; 0: not the library's */
	group_fn portable;
	unsigned int rounds; /* of the tests that take long */
} engines[] = {
	{"AVX-512 IFMA", 8, NULL, 1000},
	{"AVX2", 4, NULL, 1000},
	{"libsodium", 1, NULL, 100},
	{"portable, five limbs", 0, x25519_portable5, 60},
	{"portable, ten limbs", 0, x25519_portable10, 60},
};

static void
multiply(const struct engine *e, struct peel_x25519_op *op, unsigned int n)
{
	if (e->portable != NULL) {
		by_groups(e->portable, op, n);
		return;
	}
	peel_x25519_limit(e->lanes);
	peel_x25519_batch(op, n);
}

static int
choose(void **state)
{
	const struct engine *e = *state;

	peel_x25519_limit(e->lanes);
	if (e->lanes > 0 && peel_x25519_lanes() != e->lanes)
		printf("this CPU has no %s: others stand in for it\n", e->name);
	else
		printf("%s\n", e->name);
	return 0;
}

/* ---- vectors --------------------------------------------------------------------------------- */

static void
from_hex(uint8_t out[32], const char *hex)
{
	assert_int_equal(sodium_hex2bin(out, 32, hex, 64, NULL, NULL, NULL), 0);
}

static void
test_rfc_vectors(void **state)
{
	/* Sections 5.2 and 6.1. No point: the base point. */
	static const char *const vectors[][3] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
		{"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", NULL,
			"8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
		{"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", NULL,
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
		{"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	};
	const struct engine *e = *state;
	struct peel_x25519_op op[PEEL_ARRAY_LEN(vectors)] = {0};
	uint8_t scalar[PEEL_ARRAY_LEN(op)][32], point[PEEL_ARRAY_LEN(op)][32], want[32];

	for (size_t i = 0; i < PEEL_ARRAY_LEN(op); i++) {
		from_hex(scalar[i], vectors[i][0]);
		op[i].scalar = scalar[i];
		if (vectors[i][1] == NULL)
			continue;
		from_hex(point[i], vectors[i][1]);
		op[i].point = point[i];
	}
	multiply(e, op, PEEL_ARRAY_LEN(op));
	for (size_t i = 0; i < PEEL_ARRAY_LEN(op); i++) {
		from_hex(want, vectors[i][2]);
		expect_bytes("RFC 7748", op[i].out, want, sizeof(want));
		assert_false(op[i].refused);
	}
}

/* Section 5.2: the result is the next scalar, the scalar the next point. Further values are
 * libsodium's. */
static void
test_rfc_iterated(void **state)
{
	const struct engine *e = *state;
	uint8_t k[32] = {9}, u[32] = {9}, want[32], by_sodium[32];

	for (unsigned int i = 1; i <= e->rounds; i++) {
		struct peel_x25519_op op[4]; /* enough for vectors to pay */

		for (unsigned int lane = 0; lane < PEEL_ARRAY_LEN(op); lane++)
			op[lane] = (struct peel_x25519_op){.scalar = k, .point = u};
		assert_int_equal(crypto_scalarmult(by_sodium, k, u), 0);
		multiply(e, op, PEEL_ARRAY_LEN(op));
		for (unsigned int lane = 0; lane < PEEL_ARRAY_LEN(op); lane++)
			expect_bytes("iterated", op[lane].out, by_sodium, 32);
		memcpy(u, k, sizeof(u));
		memcpy(k, by_sodium, sizeof(k));
		if (i != 1 && i != 1000)
			continue;
		from_hex(want,
			i == 1 ? "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
			       : "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c5"
				 "1");
		expect_bytes("RFC 7748, iterated", k, want, sizeof(k));
	}
}

static void
test_wycheproof(void **state)
{
	enum {
		N = 518
	};
	const struct engine *e = *state;
	json_t *file = peel_vectors_load("x25519"), *v;
	static struct peel_x25519_op op[N];
	static uint8_t scalar[N][32], point[N][32];
	unsigned int n_refused = 0;
	size_t i;

	assert_int_equal(json_array_size(peel_vec_get(file, "vectors")), N);
	peel_vectors_foreach (file, i, v) {
		peel_vec_bytes(v, "private", scalar[i], 32);
		peel_vec_bytes(v, "public", point[i], 32);
		op[i] = (struct peel_x25519_op){.scalar = scalar[i], .point = point[i]};
	}
	multiply(e, op, N);
	peel_vectors_foreach (file, i, v) {
		expect_field(v, "shared", op[i].out, 32);
		assert_int_equal(op[i].refused, sodium_is_zero(op[i].out, 32));
		n_refused += op[i].refused;
	}
	assert_int_equal(n_refused, 31);
	json_decref(file);
}

/* ---- the same as libsodium ------------------------------------------------------------------- */

/* The points of low order, and others next to limits of the representation; 2^255 - 19 is p. */
static const char *const special[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ebffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0900000000000000000000000000000000000000000000000000000000000000",
	"000000000000f0ffffffffff00000000000000f0ffffffffff00000000000000",
	"ffffffffffff0f0000000000ffffffffffffff0f0000000000ffffffffffff7f",
};

static uint64_t seed;

static void
random_bytes(uint8_t out[32])
{
	for (int i = 0; i < 32; i++)
		out[i] = (uint8_t)peel_splitmix(&seed);
}

static void
random_point(uint8_t out[32])
{
	uint64_t choice = peel_splitmix(&seed);

	random_bytes(out);
	if (choice % 3 == 0) {
		uint8_t top = out[31] & 0x80;

		from_hex(out, special[choice / 3 % PEEL_ARRAY_LEN(special)]);
		out[31] |= top;
	} else if (choice % 3 == 1) { /* a few bits, or all but a few */
		memset(out, choice & 64 ? 0xff : 0, 32);
		out[choice >> 8 & 31] ^= (uint8_t)(choice >> 16);
		out[choice >> 24 & 31] ^= (uint8_t)(choice >> 32);
	}
}

static void
check_like_sodium(const struct peel_x25519_op *op)
{
	uint8_t want[32];
	int ret = op->point == NULL ? crypto_scalarmult_base(want, op->scalar)
				    : crypto_scalarmult(want, op->scalar, op->point);

	if (ret != 0)
		memset(want, 0, sizeof(want));
	if (op->refused != (ret != 0) || memcmp(op->out, want, 32) != 0) {
		char k[65], u[65] = "the base point";

		sodium_bin2hex(k, sizeof(k), op->scalar, 32);
		if (op->point != NULL)
			sodium_bin2hex(u, sizeof(u), op->point, 32);
		fail_msg("%s times %s differs from libsodium's", k, u);
	}
}

static void
test_like_sodium(void **state)
{
	const struct engine *e = *state;
	struct peel_x25519_op op[BATCH_MAX];
	uint8_t scalar[BATCH_MAX][32], point[BATCH_MAX][32];

	seed = randombytes_random();
	printf("seed %llu\n", (unsigned long long)seed);
	for (unsigned int round = 0; round < e->rounds; round++) {
		unsigned int n = (unsigned int)(peel_splitmix(&seed) % (BATCH_MAX + 1));
		uint64_t kinds = peel_splitmix(&seed);

		for (unsigned int i = 0; i < n; i++) {
			if (round % 4 == 0)
				random_point(scalar[i]); /* few bits are set, or most */
			else
				random_bytes(scalar[i]);
			random_point(point[i]);
			op[i] = (struct peel_x25519_op){.scalar = scalar[i],
				.point = kinds >> i & 1 ? point[i] : NULL,
				.refused = i % 2};
		}
		multiply(e, op, n);
		for (unsigned int i = 0; i < n; i++)
			check_like_sodium(&op[i]);
	}
}

#define TEST(function, i)                                                                          \
	{                                                                                          \
#function, function, choose, NULL, (void *)&engines[i]                             \
	}
#define TESTS(i)                                                                                   \
	TEST(test_rfc_vectors, i), TEST(test_rfc_iterated, i), TEST(test_wycheproof, i),           \
		TEST(test_like_sodium, i)

static int
init(void **state)
{
	(void)state;
	return peel_keys_init();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {TESTS(0), TESTS(1), TESTS(2), TESTS(3), TESTS(4)};

	return cmocka_run_group_tests(tests, init, NULL);
}
