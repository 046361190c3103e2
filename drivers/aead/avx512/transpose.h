/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Transposing matrices of vectors.
 */
#pragma once

#include <immintrin.h>

/** Four vectors of four 128-bit elements: out[i] = {a[i], b[i], c[i], d[i]}. */
static inline __attribute__((always_inline)) void
transpose_4x128(__m512i a, __m512i b, __m512i c, __m512i d, __m512i out[4])
{
	__m512i ab01 = _mm512_shuffle_i32x4(a, b, 0x44), ab23 = _mm512_shuffle_i32x4(a, b, 0xee);
	__m512i cd01 = _mm512_shuffle_i32x4(c, d, 0x44), cd23 = _mm512_shuffle_i32x4(c, d, 0xee);

	out[0] = _mm512_shuffle_i32x4(ab01, cd01, 0x88);
	out[1] = _mm512_shuffle_i32x4(ab01, cd01, 0xdd);
	out[2] = _mm512_shuffle_i32x4(ab23, cd23, 0x88);
	out[3] = _mm512_shuffle_i32x4(ab23, cd23, 0xdd);
}

/** Eight vectors of eight quadwords: even[i] has the quadwords 2i of all of them, odd[i] the
 * quadwords 2i + 1. */
static inline __attribute__((always_inline)) void
transpose_8x64(const __m512i row[8], __m512i even[4], __m512i odd[4])
{
	transpose_4x128(_mm512_unpacklo_epi64(row[0], row[1]),
		_mm512_unpacklo_epi64(row[2], row[3]), _mm512_unpacklo_epi64(row[4], row[5]),
		_mm512_unpacklo_epi64(row[6], row[7]), even);
	transpose_4x128(_mm512_unpackhi_epi64(row[0], row[1]),
		_mm512_unpackhi_epi64(row[2], row[3]), _mm512_unpackhi_epi64(row[4], row[5]),
		_mm512_unpackhi_epi64(row[6], row[7]), odd);
}
