/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Numbers modulo p in five limbs of 52 bits, the width of IFMA's multiply-add: for
 * x25519_lanes.c. Without IFMA the same code works, a hundred times slower: tests use that.
 *
 * Bounds. The multiply-add reads the low 52 bits of its factors. So of a factor (struct fe) the low
 * 52 bits of the limbs count, and what is above them was carried already; the highest limb has
 * nothing above, and is below 2^47 + 2^12. A limb of a product (struct sum) is the sum of at most
 * nine products of 52 bits and of what is folded back, so it is below 11 * 2^52. Before something
 * is subtracted, 1024 p is added, whose limbs are between 2^57 - 2^10 and 2^62: more than the sum
 * of two products, and below 2^63 with it. Carries take limbs below 2^63 (2^59 in the highest).
 */

#ifdef __AVX512IFMA__
#include <immintrin.h>
#endif

#include "x25519_limbs.h"

#define LIMB_BITS 52
#define LIMB_MASK ((UINT64_C(1) << LIMB_BITS) - 1)
#define TOP_BITS (255 - 4 * LIMB_BITS)
#define TOP_MASK ((UINT64_C(1) << TOP_BITS) - 1)
#define FOLD 608 /* 2^260 modulo p */

#ifdef __AVX512IFMA__
/* acc + the low 52 bits of a * b */
INLINE vec
low(vec acc, vec a, vec b)
{
	return (vec)_mm512_madd52lo_epu64((__m512i)acc, (__m512i)a, (__m512i)b);
}

/* acc + the bits of a * b above the low 52 */
INLINE vec
high(vec acc, vec a, vec b)
{
	return (vec)_mm512_madd52hi_epu64((__m512i)acc, (__m512i)a, (__m512i)b);
}
#else
INLINE vec
low(vec acc, vec a, vec b)
{
	for (int i = 0; i < LANES; i++)
		acc[i] += (a[i] & LIMB_MASK) * (b[i] & LIMB_MASK) & LIMB_MASK;
	return acc;
}

INLINE vec
high(vec acc, vec a, vec b)
{
	for (int i = 0; i < LANES; i++) {
		__extension__ unsigned __int128 product =
			(unsigned __int128)(a[i] & LIMB_MASK) * (b[i] & LIMB_MASK);

		acc[i] += (uint64_t)(product >> LIMB_BITS);
	}
	return acc;
}
#endif

/* Carry, first from bit 255 to bit 0, then upwards. */
INLINE struct fe
carry(struct sum s)
{
	struct fe r;

	r.l[0] = low(s.l[0], s.l[4] >> TOP_BITS, set(19));
	for (int i = 1; i < 4; i++)
		r.l[i] = s.l[i] + (r.l[i - 1] >> LIMB_BITS);
	r.l[4] = (s.l[4] & TOP_MASK) + (r.l[3] >> LIMB_BITS);
	return r;
}

/* Without what was carried already. */
INLINE struct sum
masked(struct fe a)
{
	struct sum r;

	for (int i = 0; i < 4; i++)
		r.l[i] = a.l[i] & LIMB_MASK;
	r.l[4] = a.l[4];
	return r;
}

INLINE struct sum
sub(struct sum a, struct sum b)
{
	for (int i = 0; i < LIMBS; i++) {
		uint64_t p = (i == 4 ? TOP_MASK : LIMB_MASK) - (i == 0 ? 18 : 0);

		a.l[i] += (p << 10) - b.l[i];
	}
	return a;
}

/* Ten limbs to five. The highest is the upper part of the product of two highest ones: less than
 * 2^42 + 2^8, so FOLD times it is below 2^52. */
INLINE struct sum
fold(const vec t[2 * LIMBS])
{
	struct sum r;

	for (int i = 0; i < LIMBS; i++)
		r.l[i] = low(t[i], t[i + LIMBS], set(FOLD));
	for (int i = 1; i < LIMBS; i++) {
		r.l[i] = high(r.l[i], t[i + LIMBS - 1], set(FOLD));
		r.l[i] = low(r.l[i], t[i + LIMBS - 1] >> LIMB_BITS, set(FOLD));
	}
	return r;
}

INLINE struct sum
mul(struct fe a, struct fe b)
{
	vec t[2 * LIMBS];

	for (int i = 0; i < 2 * LIMBS; i++)
		t[i] = set(0);
	for (int i = 0; i < LIMBS; i++) {
		for (int j = 0; j < LIMBS; j++)
			t[i + j] = low(t[i + j], a.l[i], b.l[j]);
		for (int j = 0; j < LIMBS; j++)
			t[i + j + 1] = high(t[i + j + 1], a.l[i], b.l[j]);
	}
	return fold(t);
}

INLINE struct sum
square(struct fe a)
{
	vec t[2 * LIMBS];

	for (int i = 0; i < 2 * LIMBS; i++)
		t[i] = set(0);
	for (int i = 0; i < LIMBS; i++) {
		for (int j = i + 1; j < LIMBS; j++)
			t[i + j] = low(t[i + j], a.l[i], a.l[j]);
		for (int j = i + 1; j < LIMBS; j++)
			t[i + j + 1] = high(t[i + j + 1], a.l[i], a.l[j]);
	}
	for (int i = 0; i < LIMBS; i++) {
		t[2 * i] = low(t[2 * i] + t[2 * i], a.l[i], a.l[i]);
		t[2 * i + 1] = high(t[2 * i + 1] + t[2 * i + 1], a.l[i], a.l[i]);
	}
	return fold(t);
}

/* s + A24 * a */
INLINE struct sum
add_a24(struct sum s, struct fe a)
{
	vec over = high(set(0), a.l[4], set(A24));

	for (int i = 0; i < LIMBS; i++)
		s.l[i] = low(s.l[i], a.l[i], set(A24));
	for (int i = 1; i < LIMBS; i++)
		s.l[i] = high(s.l[i], a.l[i - 1], set(A24));
	s.l[0] = low(s.l[0], over, set(FOLD));
	return s;
}
