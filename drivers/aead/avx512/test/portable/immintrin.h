/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Stands in for the compiler's header of this name when tests compile the engine for any CPU: what
 * the engine uses of it, on vectors of the compiler. Each function computes what Intel's guide says
 * of the instruction. Values of lanes never decide a branch, masks of loads and stores do, as the
 * bytes outside must not be touched; what has to be aligned ends the program when it is not.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef long long __m512i __attribute__((vector_size(64), may_alias));
typedef long long __m128i __attribute__((vector_size(16), may_alias));
typedef uint8_t __mmask8;
typedef uint16_t __mmask16;
typedef uint64_t __mmask64;

typedef uint64_t portable_64x8 __attribute__((vector_size(64)));
typedef uint32_t portable_32x16 __attribute__((vector_size(64)));
typedef uint32_t portable_32x4 __attribute__((vector_size(16)));

#define PORTABLE static inline __attribute__((always_inline))

/* ---- masks ----------------------------------------------------------------------------------- */

/* Lanes of ones where the mask has a bit. */
PORTABLE __m512i
portable_lanes_64(__mmask8 k)
{
	__m512i m;

	for (unsigned int i = 0; i < 8; i++)
		m[i] = -(long long)(k >> i & 1);
	return m;
}

PORTABLE __m512i
portable_lanes_32(__mmask16 k)
{
	portable_32x16 m;

	for (unsigned int i = 0; i < 16; i++)
		m[i] = -(uint32_t)(k >> i & 1);
	return (__m512i)m;
}

PORTABLE __m512i
portable_choose(__m512i no, __m512i lanes, __m512i yes)
{
	return (no & ~lanes) | (yes & lanes);
}

/* The other way round: @p lanes has ones or zeros. */
PORTABLE __mmask8
portable_mask_64(__m512i lanes)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < 8; i++)
		k |= (unsigned int)(lanes[i] & 1) << i;
	return (__mmask8)k;
}

PORTABLE __mmask8
_mm512_cmpge_epi64_mask(__m512i a, __m512i b)
{
	return portable_mask_64(a >= b);
}

PORTABLE __mmask8
_mm512_cmplt_epu64_mask(__m512i a, __m512i b)
{
	return portable_mask_64((__m512i)((portable_64x8)a < (portable_64x8)b));
}

PORTABLE __mmask8
_mm512_cmpneq_epi64_mask(__m512i a, __m512i b)
{
	return portable_mask_64(a != b);
}

PORTABLE uint64_t
_bzhi_u64(uint64_t v, unsigned int n)
{
	return n < 64 ? v & ((UINT64_C(1) << n) - 1) : v;
}

PORTABLE uint32_t
_pdep_u32(uint32_t v, uint32_t mask)
{
	uint32_t out = 0;

	for (unsigned int i = 0, from = 0; i < 32; i++) {
		if ((mask >> i & 1) != 0)
			out |= (v >> from++ & 1) << i;
	}
	return out;
}

/* ---- values ---------------------------------------------------------------------------------- */

#define _mm512_setr_epi32(...) ((__m512i)(portable_32x16){__VA_ARGS__})
#define _mm512_setr_epi64(...) ((__m512i){__VA_ARGS__})

PORTABLE __m512i
_mm512_setzero_si512(void)
{
	return (__m512i){0};
}

PORTABLE __m512i
_mm512_set1_epi64(long long v)
{
	return (__m512i){v, v, v, v, v, v, v, v};
}

PORTABLE __m512i
_mm512_set1_epi32(int v)
{
	return (__m512i)((portable_32x16){0} + (uint32_t)v);
}

PORTABLE __m512i
_mm512_maskz_set1_epi64(__mmask8 k, long long v)
{
	return portable_lanes_64(k) & _mm512_set1_epi64(v);
}

PORTABLE __m512i
_mm512_mask_set1_epi32(__m512i no, __mmask16 k, int v)
{
	return portable_choose(no, portable_lanes_32(k), _mm512_set1_epi32(v));
}

PORTABLE __m512i
_mm512_maskz_mov_epi64(__mmask8 k, __m512i v)
{
	return portable_lanes_64(k) & v;
}

PORTABLE __m512i
_mm512_mask_mov_epi64(__m512i no, __mmask8 k, __m512i yes)
{
	return portable_choose(no, portable_lanes_64(k), yes);
}

/* ---- memory ---------------------------------------------------------------------------------- */

PORTABLE __m512i
_mm512_loadu_si512(const void *p)
{
	__m512i v;

	memcpy(&v, p, sizeof(v));
	return v;
}

PORTABLE void
_mm512_storeu_si512(void *p, __m512i v)
{
	memcpy(p, &v, sizeof(v));
}

PORTABLE __m512i
_mm512_load_si512(const void *p)
{
	if ((uintptr_t)p % sizeof(__m512i) != 0)
		abort();
	return _mm512_loadu_si512(p);
}

PORTABLE void
_mm512_store_si512(void *p, __m512i v)
{
	if ((uintptr_t)p % sizeof(__m512i) != 0)
		abort();
	_mm512_storeu_si512(p, v);
}

PORTABLE __m512i
_mm512_maskz_loadu_epi8(__mmask64 k, const void *p)
{
	uint8_t v[sizeof(__m512i)] = {0};

	for (unsigned int i = 0; i < sizeof(v); i++) {
		if ((k >> i & 1) != 0)
			v[i] = ((const uint8_t *)p)[i];
	}
	return _mm512_loadu_si512(v);
}

PORTABLE void
_mm512_mask_storeu_epi8(void *p, __mmask64 k, __m512i v)
{
	uint8_t from[sizeof(__m512i)];

	_mm512_storeu_si512(from, v);
	for (unsigned int i = 0; i < sizeof(from); i++) {
		if ((k >> i & 1) != 0)
			((uint8_t *)p)[i] = from[i];
	}
}

PORTABLE __m512i
_mm512_maskz_loadu_epi64(__mmask8 k, const void *p)
{
	__m512i v = {0};

	for (unsigned int i = 0; i < 8; i++) {
		if ((k >> i & 1) != 0)
			memcpy((uint8_t *)&v + 8 * i, (const uint8_t *)p + 8 * i, 8);
	}
	return v;
}

PORTABLE __m128i
_mm_loadu_si128(const void *p)
{
	__m128i v;

	memcpy(&v, p, sizeof(v));
	return v;
}

PORTABLE __m128i
_mm_maskz_loadu_epi32(__mmask8 k, const void *p)
{
	portable_32x4 v = {0};

	for (unsigned int i = 0; i < 4; i++) {
		if ((k >> i & 1) != 0)
			memcpy((uint8_t *)&v + 4 * i, (const uint8_t *)p + 4 * i, 4);
	}
	return (__m128i)v;
}

PORTABLE __m512i
_mm512_i64gather_epi64(__m512i index, const void *p, int scale)
{
	__m512i v;

	for (unsigned int i = 0; i < 8; i++)
		memcpy((uint8_t *)&v + 8 * i, (const uint8_t *)p + index[i] * scale, 8);
	return v;
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

PORTABLE __m512i
_mm512_add_epi32(__m512i a, __m512i b)
{
	return (__m512i)((portable_32x16)a + (portable_32x16)b);
}

PORTABLE __m512i
_mm512_mask_add_epi32(__m512i no, __mmask16 k, __m512i a, __m512i b)
{
	return portable_choose(no, portable_lanes_32(k), _mm512_add_epi32(a, b));
}

PORTABLE __m512i
_mm512_add_epi64(__m512i a, __m512i b)
{
	return (__m512i)((portable_64x8)a + (portable_64x8)b);
}

PORTABLE __m512i
_mm512_mask_add_epi64(__m512i no, __mmask8 k, __m512i a, __m512i b)
{
	return portable_choose(no, portable_lanes_64(k), _mm512_add_epi64(a, b));
}

PORTABLE __m512i
_mm512_sub_epi64(__m512i a, __m512i b)
{
	return (__m512i)((portable_64x8)a - (portable_64x8)b);
}

PORTABLE __m512i
_mm512_and_si512(__m512i a, __m512i b)
{
	return a & b;
}

PORTABLE __m512i
_mm512_mask_and_epi64(__m512i no, __mmask8 k, __m512i a, __m512i b)
{
	return portable_choose(no, portable_lanes_64(k), a & b);
}

PORTABLE __m512i
_mm512_or_si512(__m512i a, __m512i b)
{
	return a | b;
}

PORTABLE __m512i
_mm512_xor_si512(__m512i a, __m512i b)
{
	return a ^ b;
}

PORTABLE __m512i
_mm512_slli_epi64(__m512i v, unsigned int bits)
{
	return (__m512i)((portable_64x8)v << bits);
}

PORTABLE __m512i
_mm512_srli_epi64(__m512i v, unsigned int bits)
{
	return (__m512i)((portable_64x8)v >> bits);
}

PORTABLE __m512i
_mm512_shrdi_epi64(__m512i low, __m512i high, int bits)
{
	return _mm512_srli_epi64(low, (unsigned int)bits) |
	       _mm512_slli_epi64(high, 64 - (unsigned int)bits);
}

PORTABLE unsigned __int128
portable_product_52(long long a, long long b)
{
	const uint64_t low_52 = (UINT64_C(1) << 52) - 1;

	return (unsigned __int128)((uint64_t)a & low_52) * ((uint64_t)b & low_52);
}

PORTABLE __m512i
_mm512_madd52lo_epu64(__m512i sum, __m512i a, __m512i b)
{
	portable_64x8 product;

	for (unsigned int i = 0; i < 8; i++)
		product[i] = (uint64_t)portable_product_52(a[i], b[i]) & ((UINT64_C(1) << 52) - 1);
	return _mm512_add_epi64(sum, (__m512i)product);
}

PORTABLE __m512i
_mm512_madd52hi_epu64(__m512i sum, __m512i a, __m512i b)
{
	portable_64x8 product;

	for (unsigned int i = 0; i < 8; i++)
		product[i] = (uint64_t)(portable_product_52(a[i], b[i]) >> 52);
	return _mm512_add_epi64(sum, (__m512i)product);
}

PORTABLE long long
_mm512_reduce_max_epi64(__m512i v)
{
	long long most = v[0];

	for (unsigned int i = 1; i < 8; i++)
		most = v[i] > most ? v[i] : most;
	return most;
}

/* ---- lanes that change places ---------------------------------------------------------------- */

PORTABLE __m512i
_mm512_broadcast_i32x4(__m128i v)
{
	return (__m512i){v[0], v[1], v[0], v[1], v[0], v[1], v[0], v[1]};
}

PORTABLE __m512i
_mm512_mask_broadcast_i32x4(__m512i no, __mmask16 k, __m128i v)
{
	return portable_choose(no, portable_lanes_32(k), _mm512_broadcast_i32x4(v));
}

/* Within each 128 bits: @p high chooses the half. */
PORTABLE __m512i
portable_unpack_32(__m512i a, __m512i b, unsigned int high)
{
	portable_32x16 x = (portable_32x16)a, y = (portable_32x16)b, out;

	for (unsigned int i = 0; i < 16; i += 4) {
		for (unsigned int k = 0; k < 2; k++) {
			out[i + 2 * k] = x[i + 2 * high + k];
			out[i + 2 * k + 1] = y[i + 2 * high + k];
		}
	}
	return (__m512i)out;
}

PORTABLE __m512i
_mm512_unpacklo_epi32(__m512i a, __m512i b)
{
	return portable_unpack_32(a, b, 0);
}

PORTABLE __m512i
_mm512_unpackhi_epi32(__m512i a, __m512i b)
{
	return portable_unpack_32(a, b, 1);
}

PORTABLE __m512i
_mm512_unpacklo_epi64(__m512i a, __m512i b)
{
	return (__m512i){a[0], b[0], a[2], b[2], a[4], b[4], a[6], b[6]};
}

PORTABLE __m512i
_mm512_unpackhi_epi64(__m512i a, __m512i b)
{
	return (__m512i){a[1], b[1], a[3], b[3], a[5], b[5], a[7], b[7]};
}

PORTABLE __m512i
_mm512_shuffle_epi32(__m512i v, int order)
{
	portable_32x16 from = (portable_32x16)v, out;

	for (unsigned int i = 0; i < 16; i++)
		out[i] = from[(i & ~3u) + ((unsigned int)order >> 2 * (i & 3) & 3)];
	return (__m512i)out;
}

PORTABLE __m512i
_mm512_shuffle_i32x4(__m512i a, __m512i b, int order)
{
	__m512i out;

	for (unsigned int i = 0; i < 4; i++) {
		unsigned int from = 2 * ((unsigned int)order >> 2 * i & 3);

		out[2 * i] = i < 2 ? a[from] : b[from];
		out[2 * i + 1] = i < 2 ? a[from + 1] : b[from + 1];
	}
	return out;
}

/* No index is a secret. */
PORTABLE __m512i
_mm512_permutex2var_epi64(__m512i a, __m512i index, __m512i b)
{
	__m512i out;

	for (unsigned int i = 0; i < 8; i++) {
		unsigned int from = (unsigned int)index[i] & 15;

		out[i] = from < 8 ? a[from] : b[from - 8];
	}
	return out;
}
