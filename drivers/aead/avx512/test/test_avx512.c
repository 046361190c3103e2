/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The two halves of the engine "avx512", with keys and keystreams that no session would have:
 * Poly1305 at the edges of its arithmetic, ChaCha20 in every split of blocks among vectors; as this
 * CPU runs them, and as every CPU can. libsodium is the oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "avx512_portable.h"
#include "peel_aead_avx512.h"
#include "poly_cases.h"

#define TEXT_MAX 1536
#define N_MAX 19

typedef unsigned __int128 u128;

struct halves {
	const char *how;
	void (*keystream)(struct cells *c);
	void (*xor_mac)(struct cells *c, enum cells_hash how, bool open);
};

static const struct halves portable = {
	"portable", chacha20_keystream_portable, cells_xor_mac_portable};
#ifdef __x86_64__
static const struct halves native = {"native", chacha20_keystream, cells_xor_mac};
#endif

static const struct halves *halves;
static struct cells *cells;
static uint8_t text[N_MAX][TEXT_MAX], plain[N_MAX][TEXT_MAX];

static int
group_setup(void **state)
{
	(void)state;
	cells = aligned_alloc(_Alignof(struct cells), sizeof(*cells));
	assert_non_null(cells);
	memset(cells, 0, sizeof(*cells));
	return sodium_init() < 0 ? -1 : 0;
}

static int
group_teardown(void **state)
{
	(void)state;
	free(cells);
	return 0;
}

static void
add(const struct peel_key *key, const uint8_t *nonce, uint32_t len)
{
	unsigned int i = cells->burst.n++;
	uint32_t blocks = 1 + (len + BLOCK_LEN - 1) / BLOCK_LEN;

	cells->burst.cell[i] =
		(struct peel_aead_cell){key, nonce, text[i], len, cells->burst.blocks, blocks};
	cells->first_at[i] = (uint64_t)cells->burst.blocks * BLOCK_LEN;
	cells->len[i] = len;
	cells->burst.blocks += blocks;
}

static void
clear(void)
{
	cells->burst.n = 0;
	cells->burst.blocks = 0;
}

/* ---- Poly1305 -------------------------------------------------------------------------------- */

/* The texts are ciphertexts: the keystream behind the key is zero. */
static void
add_poly(const uint8_t r[16], const uint8_t s[16], const uint8_t *bytes, uint32_t len)
{
	uint8_t *stream = cells->keystream[cells->burst.blocks];

	memcpy(text[cells->burst.n], bytes, len);
	memcpy(plain[cells->burst.n], bytes, len);
	add(NULL, NULL, len);
	memset(stream, 0, (uint8_t *)cells->keystream[cells->burst.blocks] - stream);
	memcpy(stream, r, 16);
	memcpy(stream + 16, s, 16);
}

/* Both ways, both directions; the texts stay, as the keystream is zero. */
static void
check_poly(void)
{
	for (unsigned int way = 0; way < 4; way++) {
		memset(cells->burst.tag, 0xa5, sizeof(cells->burst.tag));
		halves->xor_mac(
			cells, way / 2 != 0 ? CELLS_HASH_WIDE : CELLS_HASH_LANES, way % 2 != 0);
		for (unsigned int i = 0; i < cells->burst.n; i++) {
			const struct peel_aead_cell *c = &cells->burst.cell[i];
			uint8_t tag[16];

			poly_oracle(cells->keystream[c->first], plain[i], c->len, tag);
			assert_memory_equal(cells->burst.tag[i], tag, sizeof(tag));
			assert_memory_equal(text[i], plain[i], cells->burst.cell[i].len);
		}
	}
}

static void
test_poly_vectors(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= N_MAX; n++) {
		for (unsigned int first = 0; first < N_POLY_CASES; first++) {
			clear();
			for (unsigned int i = 0; i < n; i++) {
				const struct poly_case *p = &poly_cases[(first + i) % N_POLY_CASES];

				add_poly(p->r, p->s, p->text, p->len);
			}
			check_poly();
		}
	}
}

static void
test_poly_around_the_prime(void **state)
{
	static const uint8_t r[16] = {1}, s[16];

	(void)state;
	for (int times = 1; times <= 2; times++) {
		for (int by = -POLY_PRIME_BY; by <= POLY_PRIME_BY; by++) {
			u128 block[POLY_PRIME_BLOCKS_MAX];
			uint8_t expected[16];
			uint32_t n = poly_around_the_prime(times, by, block, expected);

			clear();
			for (unsigned int i = 0; i < 9; i++)
				add_poly(r, s, (uint8_t *)block, 16 * n);
			check_poly();
			assert_memory_equal(cells->burst.tag[0], expected, sizeof(expected));
			assert_memory_equal(cells->burst.tag[8], expected, sizeof(expected));
		}
	}
}

/* Bytes of all ones drive every limb and sum to its largest, at every number of vectors. */
static void
test_poly_largest(void **state)
{
	uint8_t ones[TEXT_MAX], key[16];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (uint32_t len = 0; len <= 1500; len += len < 530 ? 1 : 61) {
		clear();
		for (unsigned int i = 0; i < 8; i++) {
			memset(key, 0xff, sizeof(key));
			key[i] = (uint8_t)(len * 37);
			add_poly(i % 2 != 0 ? key : ones, ones, ones, i < 6 ? len : len / i);
		}
		check_poly();
	}
}

/* ---- ChaCha20 -------------------------------------------------------------------------------- */

static void
check_chacha(void)
{
	static uint8_t zero[TEXT_MAX], stream[TEXT_MAX];

	memset(cells->keystream, 0xa5, sizeof(cells->keystream));
	halves->keystream(cells);
	for (unsigned int i = 0; i < cells->burst.n; i++) {
		const struct peel_aead_cell *c = &cells->burst.cell[i];
		size_t len = c->blocks * (size_t)BLOCK_LEN;

		crypto_stream_chacha20_ietf_xor_ic(stream, zero, len, c->nonce, 0, c->key->b);
		assert_memory_equal(cells->keystream[c->first], stream, len);
	}
}

/* RFC 8439 section 2.3.2 (its block has number 1). */
static void
test_chacha_vector(void **state)
{
	static const uint8_t nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a};
	static const uint8_t expected[16] = {0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50,
		0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4};
	struct peel_key key;

	(void)state;
	for (uint8_t i = 0; i < sizeof(key.b); i++)
		key.b[i] = i;
	for (uint32_t len = 1; len <= 1500; len += 300) {
		clear();
		add(&key, nonce, len);
		check_chacha();
		assert_memory_equal(cells->keystream[1], expected, sizeof(expected));
	}
}

/* Every number of blocks up to a few vectors, cut into cells at every place. */
static void
test_chacha_splits(void **state)
{
	struct peel_key key[N_MAX];
	uint8_t nonce[N_MAX][12];

	(void)state;
	randombytes_buf(key, sizeof(key));
	randombytes_buf(nonce, sizeof(nonce));
	for (uint32_t blocks = 1; blocks <= 23; blocks++) {
		for (uint32_t second = 0; second <= 23; second++) {
			clear();
			add(&key[0], nonce[0], (blocks - 1) * BLOCK_LEN);
			if (second > 0)
				add(&key[1], nonce[1], (second - 1) * BLOCK_LEN);
			check_chacha();
		}
	}
	for (unsigned int n = 1; n <= N_MAX; n++) {
		for (uint32_t step = 0; step < 5; step++) {
			clear();
			for (unsigned int i = 0; i < n; i++)
				add(&key[i], nonce[i], i * step * 17);
			check_chacha();
		}
	}
}

static int
run(const struct halves *which)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poly_vectors),
		cmocka_unit_test(test_poly_around_the_prime),
		cmocka_unit_test(test_poly_largest),
		cmocka_unit_test(test_chacha_vector),
		cmocka_unit_test(test_chacha_splits),
	};

	halves = which;
	printf("halves of avx512: %s\n", which->how);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

int
main(void)
{
	int failed = run(&portable);
#ifdef __x86_64__
	struct peel_aead *cx;

	if (peel_aead_avx512.new(&cx) == 0) {
		peel_aead_avx512.free(cx);
		failed += run(&native);
	}
#endif
	return failed;
}
