/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * One pass over the texts: XOR the keystream onto them, and hash the ciphertext with Poly1305
 * (RFC 8439 section 2.8). The last block of a text is the last of a vector. Zeros fill what is
 * missing before the first block: Poly1305 starts from zero, and they leave it so.
 */
#include <immintrin.h>

#include "cells.h"
#include "poly1305.h"
#include "transpose.h"

#define INLINE static inline __attribute__((always_inline))

/* a block of Poly1305, and eight of them */
#define HASH_LEN 16
#define WIDE_LEN (8 * HASH_LEN)
/* where r^16 is in cells.power */
#define POWER_16 8

/* The text of a cell, and the keystream that belongs to it. */
struct text {
	uint8_t *bytes;
	const uint8_t *keystream;
	int32_t len;
};

/* ---- XOR ------------------------------------------------------------------------------------- */

/* 64 bytes of the text from @p at on. All of these return the ciphertext. */

INLINE __m512i
xor_64(const struct text *t, int32_t at, bool open)
{
	__m512i in = _mm512_loadu_si512(t->bytes + at);
	__m512i out = _mm512_xor_si512(in, _mm512_loadu_si512(t->keystream + at));

	_mm512_storeu_si512(t->bytes + at, out);
	return open ? in : out;
}

/* The same where some of the bytes are outside the text: they count as zero. */
INLINE __m512i
xor_64_edge(const struct text *t, int32_t at, bool open)
{
	int32_t before = at < 0 ? (at < -BLOCK_LEN ? BLOCK_LEN : -at) : 0;
	int32_t until = t->len - at < BLOCK_LEN ? (t->len < at ? 0 : t->len - at) : BLOCK_LEN;
	__mmask64 inside = _bzhi_u64(~UINT64_C(0), (unsigned int)until) &
			   ~_bzhi_u64(~UINT64_C(0), (unsigned int)before);
	__m512i in = _mm512_maskz_loadu_epi8(inside, t->bytes + at);
	__m512i out = _mm512_xor_si512(in, _mm512_maskz_loadu_epi8(inside, t->keystream + at));

	_mm512_mask_storeu_epi8(t->bytes + at, inside, out);
	return open ? in : out;
}

INLINE __m512i
xor_64_any(const struct text *t, int32_t at, bool open)
{
	if (at >= 0 && at + BLOCK_LEN <= t->len)
		return xor_64(t, at, open);
	return xor_64_edge(t, at, open);
}

INLINE struct text
text_of(const struct cells *c, unsigned int i)
{
	const struct peel_aead_cell *cell = &c->burst.cell[i];

	return (struct text){cell->text, c->keystream[cell->first + 1], (int32_t)cell->len};
}

/* ---- keys and tags, a cell per lane ---------------------------------------------------------- */

/* Cells first .. first + n - 1, up to eight. */
struct eight {
	struct cells *cells;
	unsigned int first, n;
};

/* Quadword @p i of each cell's first block. */
INLINE __m512i
key_part(struct eight e, unsigned int i)
{
	return _mm512_i64gather_epi64(_mm512_loadu_si512(e.cells->first_at + e.first),
		e.cells->keystream[0] + sizeof(uint64_t) * i, 1);
}

/* The first half of the key, clamped: the number to multiply with. */
INLINE struct poly
key_r(struct eight e)
{
	__m512i lo = _mm512_and_si512(key_part(e, 0), poly_set1(0x0ffffffc0fffffff));
	__m512i hi = _mm512_and_si512(key_part(e, 1), poly_set1(0x0ffffffc0ffffffc));

	return poly_split(lo, hi, _mm512_setzero_si512());
}

INLINE void
store_tags(struct eight e, struct poly h)
{
	const __m512i low_4 = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
	const __m512i high_4 = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
	__m512i lo, hi, s = key_part(e, 2);

	poly_freeze(h, &lo, &hi);
	lo = _mm512_add_epi64(lo, s);
	hi = _mm512_add_epi64(hi, key_part(e, 3));
	hi = _mm512_mask_add_epi64(hi, _mm512_cmplt_epu64_mask(lo, s), hi, poly_set1(1));
	_mm512_store_si512(e.cells->burst.tag[e.first], _mm512_permutex2var_epi64(lo, low_4, hi));
	_mm512_store_si512(
		e.cells->burst.tag[e.first + 4], _mm512_permutex2var_epi64(lo, high_4, hi));
}

/* ---- wide: eight blocks of a text side by side ----------------------------------------------- */

/*
 * The last block of a text is to be multiplied by r, the one before it by r^2, and so on. So a
 * vector of eight blocks is multiplied by r^8 for each vector that follows, and in the end each of
 * its lanes by a power of its own.
 */

INLINE void
store_poly(uint64_t at[3][8], struct poly p)
{
	_mm512_store_si512(at[0], p.l0);
	_mm512_store_si512(at[1], p.l1);
	_mm512_store_si512(at[2], p.l2);
}

INLINE struct poly
load_poly(uint64_t at[3][8])
{
	return (struct poly){
		_mm512_load_si512(at[0]), _mm512_load_si512(at[1]), _mm512_load_si512(at[2])};
}

INLINE void
make_powers(struct eight e)
{
	struct poly p[8];
	struct poly_factor f;

	p[0] = key_r(e);
	f = poly_factor(p[0]);
	p[1] = poly_multiply(p[0], &f);
	f = poly_factor(p[1]);
	p[2] = poly_multiply(p[0], &f);
	p[3] = poly_multiply(p[1], &f);
	f = poly_factor(p[3]);
	for (unsigned int i = 4; i < 8; i++)
		p[i] = poly_multiply(p[i - 4], &f);
	for (unsigned int i = 0; i < 8; i++)
		store_poly(e.cells->power[i], p[i]);
	f = poly_factor(p[7]);
	store_poly(e.cells->power[POWER_16], poly_multiply(p[7], &f));
}

INLINE struct poly_factor
power_of(struct eight e, unsigned int i, unsigned int at)
{
	uint64_t(*power)[8] = e.cells->power[at];

	return poly_factor((struct poly){
		poly_set1(power[0][i]), poly_set1(power[1][i]), poly_set1(power[2][i])});
}

INLINE struct poly
split_wide(__m512i blocks_0, __m512i blocks_4, __m512i bit129)
{
	return poly_split(_mm512_unpacklo_epi64(blocks_0, blocks_4),
		_mm512_unpackhi_epi64(blocks_0, blocks_4), bit129);
}

INLINE struct poly
xor_eight(const struct text *t, int32_t at, bool open)
{
	__m512i blocks_0 = xor_64(t, at, open), blocks_4 = xor_64(t, at + BLOCK_LEN, open);

	return split_wide(blocks_0, blocks_4, poly_set1(POLY_BIT129));
}

/* Bit 129 for all but the first @p missing of eight blocks. */
INLINE __m512i
bits_129(unsigned int missing)
{
	unsigned int there = 0xffu << missing & 0xffu;

	return _mm512_maskz_set1_epi64(
		(__mmask8)(_pdep_u32(there, 0x55) | _pdep_u32(there >> 4, 0xaa)), POLY_BIT129);
}

/* The first eight blocks, of which @p missing would stand before the text. */
INLINE struct poly
xor_first_eight(const struct text *t, unsigned int missing, bool open)
{
	int32_t at = -(int32_t)(missing * HASH_LEN);
	__m512i blocks_0, blocks_4;

	if (missing < 4) {
		blocks_0 = xor_64_edge(t, at, open);
		blocks_4 = xor_64(t, at + BLOCK_LEN, open);
	} else {
		blocks_0 = _mm512_setzero_si512();
		blocks_4 = xor_64_edge(t, at + BLOCK_LEN, open);
	}
	return split_wide(blocks_0, blocks_4, bits_129(missing));
}

/* The text of one cell. @return the lanes of its hash, each still to be multiplied by its power. */
INLINE struct poly
hash_cell(struct eight e, unsigned int i, bool open)
{
	const struct text t = text_of(e.cells, e.first + i);
	const __m512i length = _mm512_maskz_set1_epi64(0x80, t.len);
	uint32_t blocks = ((uint32_t)t.len + HASH_LEN - 1) / HASH_LEN + 1; /* + the lengths */
	uint32_t vectors = (blocks + 7) / 8, missing = 8 * vectors - blocks;
	int32_t at = WIDE_LEN - (int32_t)(missing * HASH_LEN);
	struct poly_factor r8, r16;
	struct poly h;

	if (vectors == 1) {
		__m512i blocks_0 = xor_64_edge(&t, at - WIDE_LEN, open);
		__m512i blocks_4 = xor_64_edge(&t, at - BLOCK_LEN, open);

		return split_wide(blocks_0, _mm512_or_si512(blocks_4, length), bits_129(missing));
	}
	r8 = power_of(e, i, 7);
	h = poly_multiply(xor_first_eight(&t, missing, open), &r8);
	vectors -= 2;
	if (vectors % 2 != 0) {
		h = poly_multiply(poly_add(h, xor_eight(&t, at, open)), &r8);
		at += WIDE_LEN;
	}
	r16 = power_of(e, i, POWER_16);
	for (uint32_t k = vectors / 2; k != 0; k--, at += 2 * WIDE_LEN) {
		struct poly_sum sum = poly_sum_zero();

		h = poly_add(h, xor_eight(&t, at, open));
		poly_multiply_add(&sum, xor_eight(&t, at + WIDE_LEN, open), &r8);
		poly_multiply_add(&sum, h, &r16);
		h = poly_reduce(&sum, false);
	}
	__m512i blocks_0 = xor_64(&t, at, open);
	__m512i blocks_4 = xor_64_edge(&t, at + BLOCK_LEN, open);

	return poly_add(
		h, split_wide(blocks_0, _mm512_or_si512(blocks_4, length), poly_set1(POLY_BIT129)));
}

/* The sum of each cell's lanes times their powers, a cell per lane. It is computed as two sums, as
 * a multiply-add waits for the one before it. */
INLINE struct poly
sum_lanes(struct eight e)
{
	struct poly_sum sum = poly_sum_zero(), sum_odd = poly_sum_zero();
	__m512i row[8], even[3][4], odd[3][4];

	for (unsigned int limb = 0; limb < 3; limb++) {
		for (unsigned int i = 0; i < 8; i++)
			row[i] = _mm512_load_si512(e.cells->lanes[i][limb]);
		transpose_8x64(row, even[limb], odd[limb]);
	}
	/* split_wide has the blocks 0..3 of its eight in the even lanes, 4..7 in the odd ones. */
	for (unsigned int i = 0; i < 4; i++) {
		struct poly_factor f = poly_factor(load_poly(e.cells->power[7 - i]));

		poly_multiply_add(&sum, (struct poly){even[0][i], even[1][i], even[2][i]}, &f);
		f = poly_factor(load_poly(e.cells->power[3 - i]));
		poly_multiply_add(&sum_odd, (struct poly){odd[0][i], odd[1][i], odd[2][i]}, &f);
	}
	poly_sum_add(&sum, &sum_odd);
	return poly_reduce(&sum, true);
}

INLINE void
hash_wide(struct eight e, bool open)
{
	make_powers(e);
	for (unsigned int i = 0; i < e.n; i++)
		store_poly(e.cells->lanes[i], hash_cell(e, i, open));
	store_tags(e, sum_lanes(e));
}

/* ---- lanes: eight cells side by side --------------------------------------------------------- */

/* Hash a row, 64 bytes or four blocks of each cell: two blocks at a time, with r^2 and r. @p first:
 * the number of each cell's first block. */
INLINE struct poly
hash_row(struct poly h, const __m512i row[8], __m512i block, __m512i first,
	const struct poly_factor *r, const struct poly_factor *r2)
{
	__m512i lo[4], hi[4];

	transpose_8x64(row, lo, hi);
	for (unsigned int i = 0; i < 4; i += 2) {
		struct poly_sum sum = poly_sum_zero();
		__m512i bit[2];

		for (unsigned int k = 0; k < 2; k++) {
			bit[k] = _mm512_maskz_mov_epi64(
				_mm512_cmpge_epi64_mask(block, first), poly_set1(POLY_BIT129));
			block = _mm512_add_epi64(block, poly_set1(1));
		}
		h = poly_add(h, poly_split(lo[i], hi[i], bit[0]));
		poly_multiply_add(&sum, poly_split(lo[i + 1], hi[i + 1], bit[1]), r);
		poly_multiply_add(&sum, h, r2);
		h = poly_reduce(&sum, false);
	}
	return h;
}

INLINE void
hash_lanes(struct eight e, bool open)
{
	const __m512i zero = _mm512_setzero_si512();
	__m512i length =
		_mm512_maskz_loadu_epi64((__mmask8)((1u << e.n) - 1), e.cells->len + e.first);
	__m512i blocks = _mm512_srli_epi64(_mm512_add_epi64(length, poly_set1(HASH_LEN - 1)), 4);
	int32_t rows = (int32_t)(_mm512_reduce_max_epi64(blocks) + 3) / 4;
	__m512i first = _mm512_sub_epi64(poly_set1(4 * (uint64_t)rows), blocks);
	struct poly h = key_r(e);
	struct poly_factor r = poly_factor(h), r2;
	struct text text[8];
	int32_t at[8];
	__m512i row[8];

	h = poly_multiply(h, &r);
	r2 = poly_factor(h);
	h = poly_zero();
	for (unsigned int i = 0; i < 8; i++)
		row[i] = zero;
	for (unsigned int i = 0; i < e.n; i++) {
		text[i] = text_of(e.cells, e.first + i);
		at[i] = (text[i].len + HASH_LEN - 1) / HASH_LEN * HASH_LEN - BLOCK_LEN * rows;
	}
	for (int32_t k = 0; k < rows; k++) {
		for (unsigned int i = 0; i < e.n; i++)
			row[i] = xor_64_any(&text[i], at[i] + BLOCK_LEN * k, open);
		h = hash_row(h, row, poly_set1(4 * (uint64_t)k), first, &r, &r2);
	}
	h = poly_multiply(poly_add(h, poly_split(zero, length, poly_set1(POLY_BIT129))), &r);
	store_tags(e, h);
}

/* ---- the choice between them ----------------------------------------------------------------- */

static bool
prefer_lanes(struct eight e)
{
	/* Cycles, as measured on Sapphire Rapids. */
	uint32_t wide = 430, longest = 0;

	for (unsigned int i = 0; i < e.n; i++) {
		uint32_t len = e.cells->burst.cell[e.first + i].len;

		wide += 40 + 20 * (len / WIDE_LEN);
		longest = len > longest ? len : longest;
	}
	return 170 + (100 + 4 * e.n) * ((longest + BLOCK_LEN - 1) / BLOCK_LEN) <= wide;
}

/* Compiled once for each direction. */
static void __attribute__((noinline)) xor_seal(struct eight e, bool lanes)
{
	if (lanes)
		hash_lanes(e, false);
	else
		hash_wide(e, false);
}

static void __attribute__((noinline)) xor_open(struct eight e, bool lanes)
{
	if (lanes)
		hash_lanes(e, true);
	else
		hash_wide(e, true);
}

void
cells_xor_mac(struct cells *c, enum cells_hash how, bool open)
{
	struct eight e = {.cells = c};

	for (; e.first < c->burst.n; e.first += 8) {
		e.n = c->burst.n - e.first < 8 ? c->burst.n - e.first : 8;
		(open ? xor_open : xor_seal)(e,
			how == CELLS_HASH_LANES || (how == CELLS_HASH_FASTER && prefer_lanes(e)));
	}
}
