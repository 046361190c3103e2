/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Numbers modulo p = 2^255 - 19 with a number per lane, whatever the limbs: what x25519_five.h and
 * x25519_ten.h, of which x25519_lanes.c includes one, have in common.
 */

#include <stdbool.h>
#include <stdint.h>

#ifdef X25519_TEN_LIMBS
#define LIMBS 10
#define LANES 4
#else
#define LIMBS 5
#define LANES 8
#endif

#define INLINE static inline __attribute__((always_inline))
#define A24 121665 /* (486662 - 2) / 4 */

typedef uint64_t vec __attribute__((vector_size(8 * LANES)));

/* A factor: its limbs have been carried. */
struct fe {
	vec l[LIMBS];
};

/* A product, or a sum of products: limbs of up to 64 bits. */
struct sum {
	vec l[LIMBS];
};

INLINE vec
set(uint64_t v)
{
	return (vec){0} + v;
}

/* a, or b in the lanes where @p m has all bits. */
INLINE vec
pick(vec m, vec a, vec b)
{
	return (a & ~m) | (b & m);
}

INLINE struct fe
choose(vec m, struct fe a, struct fe b)
{
	for (int i = 0; i < LIMBS; i++)
		a.l[i] = pick(m, a.l[i], b.l[i]);
	return a;
}

INLINE struct sum
add(struct sum a, struct sum b)
{
	for (int i = 0; i < LIMBS; i++)
		a.l[i] += b.l[i];
	return a;
}

INLINE struct fe
constant(const uint64_t limbs[LIMBS])
{
	struct fe r;

	for (int i = 0; i < LIMBS; i++)
		r.l[i] = set(limbs[i]);
	return r;
}

INLINE struct fe
small(uint64_t v)
{
	return constant((const uint64_t[LIMBS]){v});
}

/* Where a limb begins in the number, and its bits: 52, or 26 and 25 in turn. */
INLINE int
limb_at(int i)
{
	return LIMBS == 5 ? 52 * i : (51 * i + 1) / 2;
}

INLINE int
limb_bits(int i)
{
	return (i == LIMBS - 1 ? 255 : limb_at(i + 1)) - limb_at(i);
}

INLINE uint64_t
limb_mask(int i)
{
	return (UINT64_C(1) << limb_bits(i)) - 1;
}
