/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Numbers modulo p in ten limbs of 26 and 25 bits in turn, for multiplications of 32 bits: for
 * x25519_lanes.c. Without AVX2 the same code works, slower: tests use that.
 *
 * Bounds. A factor (struct fe) has limbs below 2^26 + 2^18 and 2^25 + 2^18. A limb of a product
 * (struct sum) is the sum of ten products of two of them, times two if both are odd, times 19 from
 * bit 255 on: less than 192 * 2^52, which is below 2^60. Before something is subtracted, 2^36 p is
 * added, whose limbs are between 2^61 - 2^36 and 2^62: more than the sum of two products, and below
 * 2^63 with it. Carries take limbs below 2^63.
 */

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "x25519_limbs.h"

/* Unrolled, as compilers would keep limbs in memory otherwise. Tests have no use for that, and
 * sanitizers would take a minute to compile it. */
#ifdef X25519_ROLLED
#define EACH_LIMB(i, from) for (int i = (from); i < LIMBS; i++)
#else
#define EACH_LIMB(i, from) _Pragma("GCC unroll 10") for (int i = (from); i < LIMBS; i++)
#endif

/* Of the low 32 bits. */
INLINE vec
product(vec a, vec b)
{
#ifdef __AVX2__
	return (vec)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#else
	return (a & UINT32_MAX) * (b & UINT32_MAX);
#endif
}

INLINE vec
times_19(vec a)
{
	return a + (a << 1) + (a << 4);
}

/* Carry from limb i to the next; from the highest to the lowest. */
INLINE void
carry_one(struct sum *s, int i)
{
	vec c = s->l[i] >> (i % 2 == 0 ? 26 : 25);

	s->l[i] &= limb_mask(i);
	if (i == LIMBS - 1)
		s->l[0] += times_19(c);
	else
		s->l[i + 1] += c;
}

/* From two limbs in turn, as the CPU can do both. */
INLINE struct fe
carry(struct sum s)
{
	struct fe r;

	carry_one(&s, 0);
	carry_one(&s, 5);
	carry_one(&s, 1);
	carry_one(&s, 6);
	carry_one(&s, 2);
	carry_one(&s, 7);
	carry_one(&s, 3);
	carry_one(&s, 8);
	carry_one(&s, 4);
	carry_one(&s, 9);
	carry_one(&s, 5);
	carry_one(&s, 0);
	EACH_LIMB (i, 0)
		r.l[i] = s.l[i];
	return r;
}

/* What may be added: the same number. */
INLINE struct sum
masked(struct fe a)
{
	struct sum r;

	EACH_LIMB (i, 0)
		r.l[i] = a.l[i];
	return r;
}

INLINE struct sum
sub(struct sum a, struct sum b)
{
	EACH_LIMB (i, 0)
		a.l[i] += ((limb_mask(i) - (i == 0 ? 18 : 0)) << 36) - b.l[i];
	return a;
}

INLINE struct sum
mul(struct fe a, struct fe b)
{
	vec twice[LIMBS], b19[LIMBS];
	struct sum r;

	EACH_LIMB (i, 0) {
		twice[i] = a.l[i] + a.l[i];
		b19[i] = times_19(b.l[i]);
		r.l[i] = set(0);
	}
	EACH_LIMB (i, 0) {
		EACH_LIMB (j, 0)
			r.l[(i + j) % LIMBS] += product(i % 2 + j % 2 == 2 ? twice[i] : a.l[i],
				i + j < LIMBS ? b.l[j] : b19[j]);
	}
	return r;
}

INLINE struct sum
square(struct fe a)
{
	vec twice[LIMBS], a19[LIMBS];
	struct sum r;

	EACH_LIMB (i, 0) {
		twice[i] = a.l[i] + a.l[i];
		a19[i] = times_19(a.l[i]);
		r.l[i] = set(0);
	}
	EACH_LIMB (i, 0) {
		EACH_LIMB (j, i) {
			bool odd = i % 2 + j % 2 == 2;
			vec x = i == j ? a.l[i] : twice[i];

			r.l[(i + j) % LIMBS] +=
				product(odd ? x + x : x, i + j < LIMBS ? a.l[j] : a19[j]);
		}
	}
	return r;
}

/* s + A24 * a */
INLINE struct sum
add_a24(struct sum s, struct fe a)
{
	EACH_LIMB (i, 0)
		s.l[i] += product(a.l[i], set(A24));
	return s;
}
