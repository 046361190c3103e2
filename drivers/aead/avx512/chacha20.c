/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * ChaCha20 (RFC 8439 section 2.3), 16 blocks at a time: vector w holds word w of the state of all
 * of them, so that a round needs no shuffle. Up to twelve blocks left over are computed in fours, a
 * vector for each row of their states, between the rounds of the first sixteen.
 */
#include <immintrin.h>

#include "cells.h"
#include "transpose.h"

#define INLINE static inline __attribute__((always_inline))

/* The block that comes next. */
struct cursor {
	const struct peel_aead_cell *cell, *end;
	uint32_t counter;
};

typedef uint32_t u32x16 __attribute__((vector_size(64)));

static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

/* The four quarter rounds of a round in step, so that no instruction waits for the one before it.
 */
#define QUARTER_STEP(x, a, b, d, bits)                                                             \
	(x[a] += x[b], x[d] ^= x[a], x[d] = x[d] << (bits) | x[d] >> (32 - (bits)))
#define ROUND_STEP(x, a0, a1, a2, a3, b0, b1, b2, b3, d0, d1, d2, d3, bits)                        \
	(QUARTER_STEP(x, a0, b0, d0, bits), QUARTER_STEP(x, a1, b1, d1, bits),                     \
		QUARTER_STEP(x, a2, b2, d2, bits), QUARTER_STEP(x, a3, b3, d3, bits))
/* b, c, d: the words of the quarter rounds beside a = 0..3. */
#define ROUND(x, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3)                                   \
	(ROUND_STEP(x, 0, 1, 2, 3, b0, b1, b2, b3, d0, d1, d2, d3, 16),                            \
		ROUND_STEP(x, c0, c1, c2, c3, d0, d1, d2, d3, b0, b1, b2, b3, 12),                 \
		ROUND_STEP(x, 0, 1, 2, 3, b0, b1, b2, b3, d0, d1, d2, d3, 8),                      \
		ROUND_STEP(x, c0, c1, c2, c3, d0, d1, d2, d3, b0, b1, b2, b3, 7))
#define COLUMN_ROUND(x) ROUND(x, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
#define DIAGONAL_ROUND(x) ROUND(x, 5, 6, 7, 4, 10, 11, 8, 9, 15, 12, 13, 14)
#define DOUBLE_ROUND(x) (COLUMN_ROUND(x), DIAGONAL_ROUND(x))

INLINE uint32_t
word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Take up to @p room blocks of the cell at hand. @return how many. */
INLINE uint32_t
take(struct cursor *at, uint32_t room)
{
	uint32_t left = at->cell->blocks - at->counter;

	if (left > room) {
		at->counter += room;
		return room;
	}
	at->cell++;
	at->counter = 0;
	return left;
}

/* ---- 16 blocks ------------------------------------------------------------------------------- */

/* Start states of the next 16 blocks. */
INLINE void
start_16(uint32_t state[16][16], struct cursor *at)
{
	const __m512i lane =
		_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
	__m512i x[16];
	uint32_t from = 0;

	for (unsigned int i = 4; i < 16; i++)
		x[i] = _mm512_setzero_si512();
	while (from < 16 && at->cell < at->end) {
		const struct peel_aead_cell *c = at->cell;
		__m512i counter = _mm512_set1_epi32((int)(at->counter - from));
		__mmask16 m = (__mmask16)(0xffffu << from);

		for (unsigned int i = 0; i < 8; i++)
			x[4 + i] =
				_mm512_mask_set1_epi32(x[4 + i], m, (int)word(c->key->b + 4 * i));
		x[12] = _mm512_mask_add_epi32(x[12], m, lane, counter);
		for (unsigned int i = 0; i < 3; i++)
			x[13 + i] =
				_mm512_mask_set1_epi32(x[13 + i], m, (int)word(c->nonce + 4 * i));
		from += take(at, 16 - from);
	}
	for (unsigned int i = 0; i < 4; i++)
		_mm512_store_si512(state[i], _mm512_set1_epi32((int)sigma[i]));
	for (unsigned int i = 4; i < 16; i++)
		_mm512_store_si512(state[i], x[i]);
}

/* Transpose 16 finished vectors in place, in eight steps of as many shuffles. The first four steps
 * take four words each: after them, element q (128 bits) of vector 4 * i + k has the words from
 * 4 * i on of block 4 * q + k. */
INLINE void
transpose_words(uint32_t x[16][16], unsigned int i)
{
	__m512i x0 = _mm512_load_si512(x[4 * i]), x1 = _mm512_load_si512(x[4 * i + 1]);
	__m512i x2 = _mm512_load_si512(x[4 * i + 2]), x3 = _mm512_load_si512(x[4 * i + 3]);
	__m512i lo01 = _mm512_unpacklo_epi32(x0, x1), hi01 = _mm512_unpackhi_epi32(x0, x1);
	__m512i lo23 = _mm512_unpacklo_epi32(x2, x3), hi23 = _mm512_unpackhi_epi32(x2, x3);

	_mm512_store_si512(x[4 * i], _mm512_unpacklo_epi64(lo01, lo23));
	_mm512_store_si512(x[4 * i + 1], _mm512_unpackhi_epi64(lo01, lo23));
	_mm512_store_si512(x[4 * i + 2], _mm512_unpacklo_epi64(hi01, hi23));
	_mm512_store_si512(x[4 * i + 3], _mm512_unpackhi_epi64(hi01, hi23));
}

INLINE void
transpose_blocks(const uint32_t x[16][16], unsigned int k, uint8_t *out)
{
	__m512i block[4];

	transpose_4x128(_mm512_load_si512(x[k]), _mm512_load_si512(x[4 + k]),
		_mm512_load_si512(x[8 + k]), _mm512_load_si512(x[12 + k]), block);
	for (unsigned int q = 0; q < 4; q++)
		_mm512_store_si512(out + BLOCK_LEN * (4 * q + k), block[q]);
}

/* ---- fours of blocks ------------------------------------------------------------------------- */

/* The states of four blocks: row r of each in 128 bits of r[r]. */
struct rows {
	u32x16 r[4];
};

#define SHUFFLE(v, order) ((u32x16)_mm512_shuffle_epi32((__m512i)(v), order))
#define LEFT_1 0x39
#define LEFT_2 0x4e
#define LEFT_3 0x93

INLINE void
rows_step(struct rows *x, unsigned int n, unsigned int a, unsigned int b, unsigned int d, int bits)
{
#pragma GCC unroll 4
	for (unsigned int i = 0; i < n; i++) {
		x[i].r[a] += x[i].r[b];
		x[i].r[d] ^= x[i].r[a];
		x[i].r[d] = x[i].r[d] << bits | x[i].r[d] >> (32 - bits);
	}
}

INLINE void
rows_round(struct rows *x, unsigned int n, bool diagonals)
{
	rows_step(x, n, 0, 1, 3, 16);
	rows_step(x, n, 2, 3, 1, 12);
	rows_step(x, n, 0, 1, 3, 8);
	rows_step(x, n, 2, 3, 1, 7);
#pragma GCC unroll 4
	for (unsigned int i = 0; i < n; i++) {
		x[i].r[1] = diagonals ? SHUFFLE(x[i].r[1], LEFT_3) : SHUFFLE(x[i].r[1], LEFT_1);
		x[i].r[2] = SHUFFLE(x[i].r[2], LEFT_2);
		x[i].r[3] = diagonals ? SHUFFLE(x[i].r[3], LEFT_1) : SHUFFLE(x[i].r[3], LEFT_3);
	}
}

/* Start states of the next @p n blocks, up to four. What other lanes compute is never read. */
INLINE struct rows
start_rows(struct cursor *at, uint32_t n)
{
	const __m512i lane = _mm512_setr_epi32(0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0);
	__m512i key0 = _mm512_setzero_si512(), key1 = key0, nonce = key0;
	uint32_t from = 0;

	while (from < n) {
		const struct peel_aead_cell *c = at->cell;
		__m512i counter = _mm512_set1_epi32((int)(at->counter - from));
		__mmask16 m = (__mmask16)(0xffffu << 4 * from);

		key0 = _mm512_mask_broadcast_i32x4(
			key0, m, _mm_loadu_si128((const __m128i *)c->key->b));
		key1 = _mm512_mask_broadcast_i32x4(
			key1, m, _mm_loadu_si128((const __m128i *)(c->key->b + 16)));
		nonce = _mm512_mask_broadcast_i32x4(
			nonce, m, _mm_maskz_loadu_epi32(0xe, c->nonce - 4));
		nonce = _mm512_mask_add_epi32(nonce, m & 0x1111, lane, counter);
		from += take(at, n - from);
	}
	return (struct rows){
		{(u32x16)_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)sigma)),
			(u32x16)key0, (u32x16)key1, (u32x16)nonce}};
}

/* Start states of the next @p blocks, in @p n fours. */
INLINE void
start_fours(struct cells *c, struct cursor *at, uint32_t blocks, struct rows x[FOURS_MAX],
	unsigned int n)
{
#pragma GCC unroll 3
	for (unsigned int i = 0; i < n; i++)
		x[i] = start_rows(at, i + 1 < n ? 4 : blocks - 4 * i);
	memcpy(c->fours, x, n * sizeof(x[0]));
}

INLINE void
finish_fours(struct cells *c, const struct rows x[FOURS_MAX], unsigned int n, uint8_t *out)
{
	const struct rows *start = (const struct rows *)c->fours;
	__m512i block[4];

#pragma GCC unroll 3
	for (unsigned int i = 0; i < n; i++) {
		transpose_4x128((__m512i)(x[i].r[0] + start[i].r[0]),
			(__m512i)(x[i].r[1] + start[i].r[1]), (__m512i)(x[i].r[2] + start[i].r[2]),
			(__m512i)(x[i].r[3] + start[i].r[3]), block);
		for (unsigned int q = 0; q < 4; q++)
			_mm512_store_si512(out + BLOCK_LEN * (4 * i + q), block[q]);
	}
}

INLINE void
fours_alone(struct cells *c, struct cursor *at, unsigned int n)
{
	struct rows x[FOURS_MAX];

	start_fours(c, at, c->burst.blocks, x, n);
	for (unsigned int i = 0; i < 10; i++) {
		rows_round(x, n, false);
		rows_round(x, n, true);
	}
	finish_fours(c, x, n, c->keystream[0]);
}

/* ---- all blocks of a burst: fours, then sixteens --------------------------------------------- */

INLINE void
load_start(u32x16 v[16], uint32_t state[16][16])
{
#pragma GCC unroll 16
	for (unsigned int i = 0; i < 16; i++)
		v[i] = (u32x16)_mm512_load_si512(state[i]);
}

INLINE void
store_done(struct cells *c, const u32x16 v[16], uint32_t state[16][16])
{
#pragma GCC unroll 16
	for (unsigned int i = 0; i < 16; i++)
		_mm512_store_si512(
			c->done[i], _mm512_add_epi32((__m512i)v[i], _mm512_load_si512(state[i])));
}

/* The first sixteen, with the fours in between: each alone would wait for its own results. */
INLINE void
first_16(struct cells *c, struct cursor *at, uint32_t rest, unsigned int n)
{
	struct rows x[FOURS_MAX];
	u32x16 v[16];

	if (n > 0)
		start_fours(c, at, rest, x, n);
	start_16(c->state[0], at);
	load_start(v, c->state[0]);
	for (unsigned int i = 0; i < 10; i++) {
		COLUMN_ROUND(v);
		rows_round(x, n, false);
		DIAGONAL_ROUND(v);
		rows_round(x, n, true);
	}
	store_done(c, v, c->state[0]);
	if (n > 0)
		finish_fours(c, x, n, c->keystream[0]);
}

/* The rounds keep a core's adders busy, but not its shuffles. So the sixteen that are done are
 * transposed, and the next ones prepared, between the rounds of those under way; the core does not
 * look ahead far enough to do so by itself. */
static void
further_16(struct cells *c, struct cursor *at, uint8_t *out, uint32_t sixteens)
{
	u32x16 v[16];

	if (sixteens > 1)
		start_16(c->state[1], at);
	for (uint32_t n = 1; n < sixteens; n++, out += 16 * BLOCK_LEN) {
		uint32_t(*state)[16] = c->state[n % 2];

		load_start(v, state);
		for (unsigned int i = 0; i < 4; i++) {
			DOUBLE_ROUND(v);
			transpose_words(c->done, i);
		}
		if (n + 1 < sixteens)
			start_16(c->state[(n + 1) % 2], at);
		for (unsigned int i = 0; i < 4; i++) {
			DOUBLE_ROUND(v);
			transpose_blocks(c->done, i, out);
		}
		DOUBLE_ROUND(v);
		DOUBLE_ROUND(v);
		store_done(c, v, state);
	}
	for (unsigned int i = 0; i < 4; i++)
		transpose_words(c->done, i);
	for (unsigned int i = 0; i < 4; i++)
		transpose_blocks(c->done, i, out);
}

void
chacha20_keystream(struct cells *c)
{
	struct cursor at = {.cell = c->burst.cell, .end = c->burst.cell + c->burst.n};
	uint32_t sixteens = (c->burst.blocks + 3) / 16;
	uint32_t rest = c->burst.blocks > 16 * sixteens ? c->burst.blocks - 16 * sixteens : 0;

	if (sixteens == 0) {
		if (rest > 8)
			fours_alone(c, &at, 3);
		else if (rest > 4)
			fours_alone(c, &at, 2);
		else
			fours_alone(c, &at, 1);
		return;
	}
	if (rest > 8)
		first_16(c, &at, rest, 3);
	else if (rest > 4)
		first_16(c, &at, rest, 2);
	else if (rest > 0)
		first_16(c, &at, rest, 1);
	else
		first_16(c, &at, 0, 0);
	further_16(c, &at, c->keystream[rest], sixteens);
}
