/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Arithmetic modulo 2^130 - 5 (RFC 8439 section 2.5), eight numbers at a time, one per 64-bit lane.
 * A number is l0 + l1 * 2^44 + l2 * 2^88: limbs and their products fit the 52-bit multiply-add of
 * AVX-512 IFMA.
 *
 * Bounds: after poly_reduce a limb is below 2^44, the third below 2^44 + 2^14; after adding a
 * block, below 2^45. Two products then leave less than 2^47.6 to wrap around, so that its 20-fold
 * fits the 52 bits that a multiply-add keeps.
 */

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define POLY_INLINE static inline __attribute__((always_inline))

#define POLY_LIMB_BITS 44
#define POLY_LIMB_MASK ((UINT64_C(1) << POLY_LIMB_BITS) - 1)
#define POLY_TOP_BITS (130 - 2 * POLY_LIMB_BITS)
#define POLY_TOP_MASK ((UINT64_C(1) << POLY_TOP_BITS) - 1)
/* 2^132 modulo the prime: what leaves the third limb comes back to the first, so many times. */
#define POLY_WRAP 20

struct poly {
	__m512i l0, l1, l2;
};

/* A number to multiply with; s1, s2: what its limbs count when the product wraps around. */
struct poly_factor {
	__m512i r0, r1, r2, s1, s2;
};

/* A product, or the sum of two, not yet reduced: the 52 low bits of the limbs' products, and what
 * is above them. */
struct poly_sum {
	__m512i lo0, lo1, lo2, hi0, hi1, hi2;
};

POLY_INLINE __m512i
poly_set1(uint64_t v)
{
	return _mm512_set1_epi64((long long)v);
}

POLY_INLINE struct poly
poly_zero(void)
{
	return (struct poly){
		_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
}

/** Blocks of 16 bytes, as low and high halves, into limbs; @p bit129 is added to the third. */
POLY_INLINE struct poly
poly_split(__m512i lo, __m512i hi, __m512i bit129)
{
	const __m512i mask = poly_set1(POLY_LIMB_MASK);

	return (struct poly){
		.l0 = _mm512_and_si512(lo, mask),
		.l1 = _mm512_and_si512(_mm512_shrdi_epi64(lo, hi, POLY_LIMB_BITS), mask),
		.l2 = _mm512_or_si512(_mm512_srli_epi64(hi, 2 * POLY_LIMB_BITS - 64), bit129),
	};
}

/** What poly_split adds to a whole block. */
#define POLY_BIT129 (UINT64_C(1) << (128 - 2 * POLY_LIMB_BITS))

POLY_INLINE struct poly
poly_add(struct poly a, struct poly b)
{
	return (struct poly){_mm512_add_epi64(a.l0, b.l0), _mm512_add_epi64(a.l1, b.l1),
		_mm512_add_epi64(a.l2, b.l2)};
}

POLY_INLINE struct poly_factor
poly_factor(struct poly r)
{
	const __m512i wrap = poly_set1(POLY_WRAP), zero = _mm512_setzero_si512();

	return (struct poly_factor){r.l0, r.l1, r.l2, _mm512_madd52lo_epu64(zero, r.l1, wrap),
		_mm512_madd52lo_epu64(zero, r.l2, wrap)};
}

POLY_INLINE struct poly_sum
poly_sum_zero(void)
{
	const __m512i zero = _mm512_setzero_si512();

	return (struct poly_sum){zero, zero, zero, zero, zero, zero};
}

/** sum += h * r. The third limb comes last: it is the last that poly_reduce gets ready. */
POLY_INLINE void
poly_multiply_add(struct poly_sum *sum, struct poly h, const struct poly_factor *r)
{
	sum->lo2 = _mm512_madd52lo_epu64(sum->lo2, h.l0, r->r2);
	sum->hi1 = _mm512_madd52hi_epu64(sum->hi1, h.l0, r->r1);
	sum->hi2 = _mm512_madd52hi_epu64(sum->hi2, h.l0, r->r2);
	sum->lo0 = _mm512_madd52lo_epu64(sum->lo0, h.l0, r->r0);
	sum->hi0 = _mm512_madd52hi_epu64(sum->hi0, h.l0, r->r0);
	sum->lo1 = _mm512_madd52lo_epu64(sum->lo1, h.l0, r->r1);
	sum->lo2 = _mm512_madd52lo_epu64(sum->lo2, h.l1, r->r1);
	sum->hi1 = _mm512_madd52hi_epu64(sum->hi1, h.l1, r->r0);
	sum->hi2 = _mm512_madd52hi_epu64(sum->hi2, h.l1, r->r1);
	sum->lo0 = _mm512_madd52lo_epu64(sum->lo0, h.l1, r->s2);
	sum->hi0 = _mm512_madd52hi_epu64(sum->hi0, h.l1, r->s2);
	sum->lo1 = _mm512_madd52lo_epu64(sum->lo1, h.l1, r->r0);
	sum->lo2 = _mm512_madd52lo_epu64(sum->lo2, h.l2, r->r0);
	sum->hi1 = _mm512_madd52hi_epu64(sum->hi1, h.l2, r->s2);
	sum->hi2 = _mm512_madd52hi_epu64(sum->hi2, h.l2, r->r0);
	sum->lo0 = _mm512_madd52lo_epu64(sum->lo0, h.l2, r->s1);
	sum->hi0 = _mm512_madd52hi_epu64(sum->hi0, h.l2, r->s1);
	sum->lo1 = _mm512_madd52lo_epu64(sum->lo1, h.l2, r->s2);
}

/** sum += other */
POLY_INLINE void
poly_sum_add(struct poly_sum *sum, const struct poly_sum *other)
{
	sum->lo0 = _mm512_add_epi64(sum->lo0, other->lo0);
	sum->lo1 = _mm512_add_epi64(sum->lo1, other->lo1);
	sum->lo2 = _mm512_add_epi64(sum->lo2, other->lo2);
	sum->hi0 = _mm512_add_epi64(sum->hi0, other->hi0);
	sum->hi1 = _mm512_add_epi64(sum->hi1, other->hi1);
	sum->hi2 = _mm512_add_epi64(sum->hi2, other->hi2);
}

/** Carry once around, third limb first: not a canonical number, but one that can be multiplied
 * again. At most two products, or eight when @p many. */
POLY_INLINE struct poly
poly_reduce(const struct poly_sum *sum, bool many)
{
	/* A high half counts 2^52 of its limb: 2^8 of the next. */
	const int up = 52 - POLY_LIMB_BITS;
	const __m512i mask = poly_set1(POLY_LIMB_MASK), wrap = poly_set1(POLY_WRAP);
	__m512i d2 = _mm512_add_epi64(sum->lo2, _mm512_slli_epi64(sum->hi1, up));
	__m512i d1 = _mm512_add_epi64(sum->lo1, _mm512_slli_epi64(sum->hi0, up));
	__m512i out = _mm512_add_epi64(
		_mm512_slli_epi64(sum->hi2, up), _mm512_srli_epi64(d2, POLY_LIMB_BITS));
	__m512i d0;

	if (many) {
		out = _mm512_add_epi64(_mm512_slli_epi64(out, 4), _mm512_slli_epi64(out, 2));
		d0 = _mm512_add_epi64(sum->lo0, out);
	} else {
		d0 = _mm512_madd52lo_epu64(sum->lo0, out, wrap);
	}
	d1 = _mm512_add_epi64(d1, _mm512_srli_epi64(d0, POLY_LIMB_BITS));
	return (struct poly){
		.l0 = _mm512_and_si512(d0, mask),
		.l1 = _mm512_and_si512(d1, mask),
		.l2 = _mm512_add_epi64(
			_mm512_and_si512(d2, mask), _mm512_srli_epi64(d1, POLY_LIMB_BITS)),
	};
}

POLY_INLINE struct poly
poly_multiply(struct poly h, const struct poly_factor *r)
{
	struct poly_sum sum = poly_sum_zero();

	poly_multiply_add(&sum, h, r);
	return poly_reduce(&sum, false);
}

/* One carry from the top limb through the lower ones: then l0 and l1 have 44 bits, l2 42, or it is
 * 2^42. */
POLY_INLINE struct poly
poly_carry(struct poly h)
{
	const __m512i mask = poly_set1(POLY_LIMB_MASK), top = poly_set1(POLY_TOP_MASK);
	__m512i out = _mm512_srli_epi64(h.l2, POLY_TOP_BITS);

	h.l2 = _mm512_and_si512(h.l2, top);
	h.l0 = _mm512_add_epi64(h.l0, _mm512_add_epi64(out, _mm512_slli_epi64(out, 2)));
	h.l1 = _mm512_add_epi64(h.l1, _mm512_srli_epi64(h.l0, POLY_LIMB_BITS));
	h.l0 = _mm512_and_si512(h.l0, mask);
	h.l2 = _mm512_add_epi64(h.l2, _mm512_srli_epi64(h.l1, POLY_LIMB_BITS));
	h.l1 = _mm512_and_si512(h.l1, mask);
	return h;
}

/** The canonical number below the prime, modulo 2^128, as low and high halves. @p h: out of
 * poly_reduce. */
POLY_INLINE void
poly_freeze(struct poly h, __m512i *lo, __m512i *hi)
{
	const __m512i mask = poly_set1(POLY_LIMB_MASK), zero = _mm512_setzero_si512();
	struct poly g;

	/* Below 2^130, or a little more when carries ran through: once the prime, at most, is too
	 * much. */
	h = poly_carry(h);
	/* h + 5 reaches 2^130 exactly when h is not below the prime; then h + 5 - 2^130 is what
	 * remains. */
	g.l0 = _mm512_add_epi64(h.l0, poly_set1(5));
	g.l1 = _mm512_add_epi64(h.l1, _mm512_srli_epi64(g.l0, POLY_LIMB_BITS));
	g.l2 = _mm512_add_epi64(h.l2, _mm512_srli_epi64(g.l1, POLY_LIMB_BITS));
	__mmask8 above = _mm512_cmpneq_epi64_mask(_mm512_srli_epi64(g.l2, POLY_TOP_BITS), zero);

	h.l0 = _mm512_mask_and_epi64(h.l0, above, g.l0, mask);
	h.l1 = _mm512_mask_and_epi64(h.l1, above, g.l1, mask);
	h.l2 = _mm512_mask_mov_epi64(h.l2, above, g.l2); /* bit 130 leaves by the shift below */
	*lo = _mm512_or_si512(h.l0, _mm512_slli_epi64(h.l1, POLY_LIMB_BITS));
	*hi = _mm512_or_si512(_mm512_srli_epi64(h.l1, 64 - POLY_LIMB_BITS),
		_mm512_slli_epi64(h.l2, 2 * POLY_LIMB_BITS - 64));
}
