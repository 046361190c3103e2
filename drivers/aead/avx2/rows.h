/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * ChaCha20, four or six blocks at a time: the last of a burst, for which a batch of eight takes
 * longer. A vector holds a row of the state, of one block in each half, so that a round works on
 * all columns at once, and shuffles turn rows between columns and diagonals. A round of one pair
 * mostly waits for its own results: another pair, and the steps of Poly1305 between the rounds,
 * cost little.
 */

#include "batch.h"

#define ROWS_PAIRS_MAX 3
#define ROWS_LANES_MAX (2 * ROWS_PAIRS_MAX)
/* steps of a chain meanwhile */
#define ROWS_STEPS 20

/* Half of four quarter rounds, of all pairs. */
BATCH_INLINE void
rows_half(u32x8 *a, u32x8 *b, u32x8 *c, u32x8 *d, unsigned int pairs, u32x8 bytes, int bits)
{
#pragma GCC unroll 3
	for (unsigned int i = 0; i < pairs; i++) {
		a[i] += b[i];
		d[i] = (u32x8)_mm256_shuffle_epi8((__m256i)(d[i] ^ a[i]), (__m256i)bytes);
		c[i] += d[i];
		b[i] ^= c[i];
		b[i] = b[i] << bits | b[i] >> (32 - bits);
	}
}

/* Words of a row to the left, by one or, the other way, by three. */
BATCH_INLINE u32x8
rows_turn(u32x8 row, bool one)
{
	return (u32x8)(one ? _mm256_shuffle_epi32((__m256i)row, 0x39)
			   : _mm256_shuffle_epi32((__m256i)row, 0x93));
}

/* A round, and the turn to the next one: @p on is that from columns to diagonals. Row b comes last
 * and stays where it is. */
BATCH_INLINE void
rows_round(u32x8 *a, u32x8 *b, u32x8 *c, u32x8 *d, unsigned int pairs, bool on)
{
	rows_half(a, b, c, d, pairs, left_16, 12);
	rows_half(a, b, c, d, pairs, left_8, 7);
#pragma GCC unroll 3
	for (unsigned int i = 0; i < pairs; i++) {
		a[i] = rows_turn(a[i], !on);
		c[i] = rows_turn(c[i], on);
		d[i] = (u32x8)_mm256_shuffle_epi32((__m256i)d[i], 0x4e);
	}
}

/* As batch(), for two blocks of each pair. */
BATCH_INLINE void
rows(const struct lane *lane, uint8_t *const *to, struct hashing *h, unsigned int first,
	unsigned int pairs, enum batch_chains chains, bool xor)
{
	struct poly64_chain p = h->chain[first], q = h->chain[1];
	struct poly64_factor pr = h->factor[first], qr = h->factor[1];
	const u32x8 start_a = (u32x8)both(sigma, sigma);
	u32x8 start_b[ROWS_PAIRS_MAX], start_c[ROWS_PAIRS_MAX], start_d[ROWS_PAIRS_MAX];
	u32x8 a[ROWS_PAIRS_MAX], b[ROWS_PAIRS_MAX], c[ROWS_PAIRS_MAX], d[ROWS_PAIRS_MAX];

#pragma GCC unroll 3
	for (unsigned int i = 0; i < pairs; i++) {
		const struct lane *low = &lane[2 * i], *high = &lane[2 * i + 1];

		a[i] = start_a;
		b[i] = start_b[i] = (u32x8)both(low->cell->key->b, high->cell->key->b);
		c[i] = start_c[i] = (u32x8)both(low->cell->key->b + 16, high->cell->key->b + 16);
		d[i] = start_d[i] = (u32x8)_mm256_inserti128_si256(
			_mm256_castsi128_si256(input(low)), input(high), 1);
	}
	for (unsigned int i = 0; i < ROWS_STEPS / 2; i++) {
		rows_round(a, b, c, d, pairs, true);
		if (chains != BATCH_NONE)
			poly64_step(&p, &pr);
		if (chains == BATCH_BOTH)
			poly64_step(&q, &qr);
		rows_round(a, b, c, d, pairs, false);
		if (chains != BATCH_NONE)
			poly64_step(&p, &pr);
		if (chains == BATCH_BOTH)
			poly64_step(&q, &qr);
	}
	if (chains != BATCH_NONE) {
		h->chain[first] = p;
		h->factor[first] = pr;
	}
	if (chains == BATCH_BOTH) {
		h->chain[1] = q;
		h->factor[1] = qr;
	}
#pragma GCC unroll 3
	for (unsigned int i = 0; i < pairs; i++) {
		__m256i ra = (__m256i)(a[i] + start_a), rb = (__m256i)(b[i] + start_b[i]);
		__m256i rc = (__m256i)(c[i] + start_c[i]), rd = (__m256i)(d[i] + start_d[i]);

		put_32(to[2 * i], _mm256_permute2x128_si256(ra, rb, 0x20), xor);
		put_32(to[2 * i] + 32, _mm256_permute2x128_si256(rc, rd, 0x20), xor);
		put_32(to[2 * i + 1], _mm256_permute2x128_si256(ra, rb, 0x31), xor);
		put_32(to[2 * i + 1] + 32, _mm256_permute2x128_si256(rc, rd, 0x31), xor);
	}
}
