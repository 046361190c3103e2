/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The two halves of the engine "avx512", with keys and keystreams that no session would have:
 * Poly1305 at the edges of its arithmetic, ChaCha20 in every split of blocks among vectors.
 * libsodium is the oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sodium.h>

#include "cells.h"
#include "peel_aead_avx512.h"

#define TEXT_MAX 1536
#define N_MAX 19

typedef unsigned __int128 u128;

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
	unsigned int i = cells->n++;
	uint32_t blocks = 1 + (len + BLOCK_LEN - 1) / BLOCK_LEN;

	cells->cell[i] = (struct cell){key, nonce, text[i], len, cells->blocks, blocks};
	cells->first_at[i] = (uint64_t)cells->blocks * BLOCK_LEN;
	cells->len[i] = len;
	cells->blocks += blocks;
}

static void
clear(void)
{
	cells->n = 0;
	cells->blocks = 0;
}

/* ---- Poly1305 -------------------------------------------------------------------------------- */

struct poly_case {
	uint8_t r[16], s[16];
	uint8_t text[96];
	uint32_t len;
};

#define FF4 0xff, 0xff, 0xff, 0xff
#define FF15 FF4, FF4, FF4, 0xff, 0xff, 0xff
#define FF16 FF4, FF4, FF4, FF4

/* Keys and texts of RFC 8439 appendix A.3, numbers 5 to 11, and the largest of everything. The tags
 * differ from the RFC's: behind a cell's text comes the block of its lengths. */
static const struct poly_case poly_cases[] = {
	{{2}, {0}, {FF16}, 16},
	{{2}, {FF16}, {2}, 16},
	{{1}, {0}, {FF16, 0xf0, FF15, 0x11}, 48},
	{{1}, {0},
		{FF16, 0xfb, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe,
			0xfe, 0xfe, 0xfe, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		48},
	{{2}, {0}, {0xfd, FF15}, 16},
	{{1, 0, 0, 0, 0, 0, 0, 0, 4}, {0},
		{0xe3, 0x35, 0x94, 0xd7, 0x50, 0x5e, 0x43, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0x33, 0x94,
			0xd7, 0x50, 0x5e, 0x43, 0x79, 0xcd, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
		64},
	{{1, 0, 0, 0, 0, 0, 0, 0, 4}, {0},
		{0xe3, 0x35, 0x94, 0xd7, 0x50, 0x5e, 0x43, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, 0x33, 0x94,
			0xd7, 0x50, 0x5e, 0x43, 0x79, 0xcd, 1},
		48},
	{{FF16}, {FF16}, {FF16, FF16, FF16, FF16, FF16, FF16}, 96},
	{{FF16}, {0}, {FF16, FF16, FF16, FF16, FF16, FF15}, 95},
	{{0}, {FF16}, {FF16, FF16}, 32},
	{{1}, {FF16}, {0}, 0},
};
#define N_POLY_CASES PEEL_ARRAY_LEN(poly_cases)

/* The texts are ciphertexts: the keystream behind the key is zero. */
static void
add_poly(const uint8_t r[16], const uint8_t s[16], const uint8_t *bytes, uint32_t len)
{
	uint8_t *stream = cells->keystream[cells->blocks];

	memcpy(text[cells->n], bytes, len);
	memcpy(plain[cells->n], bytes, len);
	add(NULL, NULL, len);
	memset(stream, 0, (uint8_t *)cells->keystream[cells->blocks] - stream);
	memcpy(stream, r, 16);
	memcpy(stream + 16, s, 16);
}

static void
oracle_tag(unsigned int i, uint8_t tag[16])
{
	static const uint8_t zero[16];
	const struct cell *c = &cells->cell[i];
	crypto_onetimeauth_poly1305_state st;
	uint64_t lengths[2] = {0, c->len};

	crypto_onetimeauth_poly1305_init(&st, cells->keystream[c->first]);
	crypto_onetimeauth_poly1305_update(&st, plain[i], c->len);
	crypto_onetimeauth_poly1305_update(&st, zero, (16 - c->len % 16) % 16);
	crypto_onetimeauth_poly1305_update(&st, (uint8_t *)lengths, sizeof(lengths));
	crypto_onetimeauth_poly1305_final(&st, tag);
}

/* Both ways, both directions; the texts stay, as the keystream is zero. */
static void
check_poly(void)
{
	for (unsigned int way = 0; way < 4; way++) {
		memset(cells->tag, 0xa5, sizeof(cells->tag));
		cells_xor_mac(
			cells, way / 2 != 0 ? CELLS_HASH_WIDE : CELLS_HASH_LANES, way % 2 != 0);
		for (unsigned int i = 0; i < cells->n; i++) {
			uint8_t tag[16];

			oracle_tag(i, tag);
			assert_memory_equal(cells->tag[i], tag, sizeof(tag));
			assert_memory_equal(text[i], plain[i], cells->cell[i].len);
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

/* With r = 1 a hash is the sum of its blocks: let it end at the prime, or twice the prime, and a
 * little more or less. */
static void
test_poly_around_the_prime(void **state)
{
	static const uint8_t r[16] = {1}, s[16];

	(void)state;
	for (int times = 1; times <= 2; times++) {
		for (int by = -9; by <= 9; by++) {
			/* Each block counts 2^128 more than its bytes: with the lengths 3 blocks,
			 * or 7. */
			uint32_t n = times == 1 ? 2 : 6;
			u128 block[6], want = (u128)0 - 5 * (u128)times + (u128)by;
			u128 sum = want - ((u128)(16 * n) << 64), expected;

			for (uint32_t i = 0; i < n; i++) {
				block[i] = i + 1 < n ? sum / (i + 2) : sum;
				sum -= block[i];
			}
			clear();
			for (unsigned int i = 0; i < 9; i++)
				add_poly(r, s, (uint8_t *)block, 16 * n);
			check_poly();
			expected = by >= 0 ? (u128)by : (u128)0 - 5 + (u128)by;
			assert_memory_equal(cells->tag[0], &expected, sizeof(expected));
			assert_memory_equal(cells->tag[8], &expected, sizeof(expected));
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
	chacha20_keystream(cells);
	for (unsigned int i = 0; i < cells->n; i++) {
		const struct cell *c = &cells->cell[i];
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poly_vectors),
		cmocka_unit_test(test_poly_around_the_prime),
		cmocka_unit_test(test_poly_largest),
		cmocka_unit_test(test_chacha_vector),
		cmocka_unit_test(test_chacha_splits),
	};
	struct peel_aead *cx;

	if (peel_aead_avx512.new(&cx) != 0)
		return 77; /* meson's word for skipped: not on this CPU */
	peel_aead_avx512.free(cx);
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
