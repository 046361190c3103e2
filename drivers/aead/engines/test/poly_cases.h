/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Poly1305 at the edges of its arithmetic, for the tests of engines that compute it themselves. */

#include <sodium.h>

#include "peel_aead.h"

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

/* Blocks of 16 bytes whose hash with r = 1, each with 2^128 added and with that of the lengths, is
 * the prime, or twice the prime, and a little more or less. */
#define POLY_PRIME_BLOCKS_MAX 6
#define POLY_PRIME_BY 9

/* @return how many blocks; @p expected: the tag with s = 0. */
static inline uint32_t
poly_around_the_prime(
	int times, int by, unsigned __int128 block[POLY_PRIME_BLOCKS_MAX], uint8_t expected[16])
{
	/* Each block counts 2^128 more than its bytes: with the lengths 3 blocks, or 7. */
	uint32_t n = times == 1 ? 2 : 6;
	unsigned __int128 want =
		(unsigned __int128)0 - 5 * (unsigned __int128)times + (unsigned __int128)by;
	unsigned __int128 sum = want - ((unsigned __int128)(16 * n) << 64);

	for (uint32_t i = 0; i < n; i++) {
		block[i] = i + 1 < n ? sum / (i + 2) : sum;
		sum -= block[i];
	}
	want = by >= 0 ? (unsigned __int128)by : (unsigned __int128)0 - 5 + (unsigned __int128)by;
	memcpy(expected, &want, 16);
	return n;
}

/* The tag of a cell's ciphertext; @p key: r and s. */
static inline void
poly_oracle(const uint8_t key[32], const uint8_t *text, uint32_t len, uint8_t tag[16])
{
	static const uint8_t zero[16];
	crypto_onetimeauth_poly1305_state st;
	uint64_t lengths[2] = {0, len};

	crypto_onetimeauth_poly1305_init(&st, key);
	crypto_onetimeauth_poly1305_update(&st, text, len);
	crypto_onetimeauth_poly1305_update(&st, zero, (16 - len % 16) % 16);
	crypto_onetimeauth_poly1305_update(&st, (uint8_t *)lengths, sizeof(lengths));
	crypto_onetimeauth_poly1305_final(&st, tag);
}
