/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * X25519 with a multiplication per lane. No branch or address depends on scalars or points. Without
 * IFMA the same code works, a hundred times slower: tests use that.
 *
 * Numbers modulo p = 2^255 - 19 have five limbs of 52 bits, the width of IFMA's multiply-add.
 *
 * Bounds. The multiply-add reads the low 52 bits of its factors. So of a factor (struct fe) the low
 * 52 bits of the limbs count, and what is above them was carried already; the highest limb has
 * nothing above, and is below 2^47 + 2^12. Products and sums (struct sum) have limbs of up to 64
 * bits. A limb of a product is the sum of at most nine products of 52 bits and of what is folded
 * back, so it is below 11 * 2^52. Before something is subtracted, 1024 p is added, whose limbs are
 * between 2^57 - 2^10 and 2^62: more than the sum of two products, and below 2^63 with it. Carries
 * take limbs below 2^63 (2^59 in the highest).
 */
#include <string.h>
#ifdef __AVX512IFMA__
#include <immintrin.h>
#endif

#include "peel_base.h"
#include "x25519_lanes.h"
#include "x25519_multiples.h"

#define INLINE static inline __attribute__((always_inline))
#define LIMBS 5
#define LIMB_BITS 52
#define LIMB_MASK ((UINT64_C(1) << LIMB_BITS) - 1)
#define TOP_BITS (255 - 4 * LIMB_BITS)
#define TOP_MASK ((UINT64_C(1) << TOP_BITS) - 1)
#define FOLD 608	  /* 2^260 modulo p */
#define A24 121665	  /* (486662 - 2) / 4 */
#define LOW_BITS 3	  /* of scalars, always zero */
#define HIGH_BIT 254	  /* of scalars, always one */
#define STEPS BASE_POWERS /* of both ladders: scalars have so many bits */
_Static_assert(STEPS == HIGH_BIT - LOW_BITS + 1, "a step for each bit");

typedef uint64_t vec __attribute__((vector_size(8 * X25519_LANES)));

/* A factor. */
struct fe {
	vec l[LIMBS];
};

struct sum {
	vec l[LIMBS];
};

INLINE vec
set(uint64_t v)
{
	return (vec){v, v, v, v, v, v, v, v};
}

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
	for (int i = 0; i < X25519_LANES; i++)
		acc[i] += (a[i] & LIMB_MASK) * (b[i] & LIMB_MASK) & LIMB_MASK;
	return acc;
}

INLINE vec
high(vec acc, vec a, vec b)
{
	for (int i = 0; i < X25519_LANES; i++) {
		__extension__ unsigned __int128 product =
			(unsigned __int128)(a[i] & LIMB_MASK) * (b[i] & LIMB_MASK);

		acc[i] += (uint64_t)(product >> LIMB_BITS);
	}
	return acc;
}
#endif

/* a, or b in the lanes where @p m has all bits. */
INLINE vec
pick(vec m, vec a, vec b)
{
	return (a & ~m) | (b & m);
}

/* ---- numbers modulo p ------------------------------------------------------------------------ */

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
add(struct sum a, struct sum b)
{
	for (int i = 0; i < LIMBS; i++)
		a.l[i] += b.l[i];
	return a;
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

INLINE struct fe
choose(vec m, struct fe a, struct fe b)
{
	for (int i = 0; i < LIMBS; i++)
		a.l[i] = pick(m, a.l[i], b.l[i]);
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

INLINE struct fe
times(struct fe a, struct fe b)
{
	return carry(mul(a, b));
}

/* a^(2^n) */
INLINE struct fe
squares(struct fe a, int n)
{
	for (int i = 0; i < n; i++)
		a = carry(square(a));
	return a;
}

/* a^(p - 2); zero for zero. */
static void
invert(struct fe *p)
{
	struct fe a = *p, a2 = squares(a, 1), a9 = times(squares(a2, 2), a), a11 = times(a9, a2);
	/* e5: a^(2^5 - 1), and so on */
	struct fe e5 = times(squares(a11, 1), a9);
	struct fe e10 = times(squares(e5, 5), e5);
	struct fe e20 = times(squares(e10, 10), e10);
	struct fe e40 = times(squares(e20, 20), e20);
	struct fe e50 = times(squares(e40, 10), e10);
	struct fe e100 = times(squares(e50, 50), e50);
	struct fe e200 = times(squares(e100, 100), e100);
	struct fe e250 = times(squares(e200, 50), e50);

	*p = times(squares(e250, 5), a11);
}

/* The number below p, with nothing above any limb. A factor is below 2p, so p is taken off at most
 * once. */
INLINE struct sum
canonical(struct fe a)
{
	struct sum r = masked(a);
	vec c = set(19);

	for (int i = 0; i < LIMBS; i++)
		c = (r.l[i] + c) >> (i == 4 ? TOP_BITS : LIMB_BITS);
	r.l[0] = low(r.l[0], c, set(19));
	for (int i = 1; i < LIMBS; i++) {
		r.l[i] += r.l[i - 1] >> LIMB_BITS;
		r.l[i - 1] &= LIMB_MASK;
	}
	r.l[4] &= TOP_MASK;
	return r;
}

/* All bits in the lanes that are zero. */
INLINE vec
is_zero(struct fe a)
{
	struct sum s = canonical(a);
	vec any = s.l[0];

	for (int i = 1; i < LIMBS; i++)
		any |= s.l[i];
	return -((any - 1) >> 63); /* it has 52 bits */
}

/* ---- bytes ----------------------------------------------------------------------------------- */

#define WORDS 4

/* A word of each lane per vector. */
struct words {
	vec w[WORDS];
};

static void
words_load(struct words *out, const uint8_t in[X25519_LANES][32])
{
	for (int lane = 0; lane < X25519_LANES; lane++) {
		for (int i = 0; i < WORDS; i++)
			memcpy((uint8_t *)&out->w[i] + 8 * lane, in[lane] + 8 * i, 8);
	}
}

/* The low 64 bits of (upper : lower) >> n. */
INLINE vec
shifted(vec upper, vec lower, int n)
{
	return lower >> n | upper << (64 - n);
}

/* The highest bit is ignored, and numbers from p on stand for what is left of them. */
static void
number_load(struct fe *out, const uint8_t in[X25519_LANES][32])
{
	struct words w;

	words_load(&w, in);
	out->l[0] = w.w[0];
	for (int i = 1; i < 4; i++)
		out->l[i] = shifted(w.w[i], w.w[i - 1], 64 - 12 * i);
	out->l[4] = w.w[3] >> 16 & TOP_MASK;
}

static void
number_store(uint8_t out[X25519_LANES][32], struct fe *a)
{
	struct sum s = canonical(*a);

	for (int i = 0; i < WORDS; i++) {
		vec word = s.l[i] >> 12 * i | s.l[i + 1] << (52 - 12 * i);

		for (int lane = 0; lane < X25519_LANES; lane++)
			memcpy(out[lane] + 8 * i, (uint8_t *)&word + 8 * lane, 8);
	}
}

/* Clamped, RFC 7748 section 5. */
static void
scalar_load(struct words *out, const uint8_t in[X25519_LANES][32])
{
	words_load(out, in);
	out->w[0] &= ~(uint64_t)((1 << LOW_BITS) - 1);
	out->w[3] &= UINT64_MAX >> 1;
	out->w[3] |= UINT64_C(1) << (HIGH_BIT % 64);
}

/* All bits in the lanes where the bit is set. */
INLINE vec
bit(const struct words *w, int n)
{
	return -(w->w[n / 64] >> n % 64 & 1);
}

/* Bit n becomes whether it differs from bit n + 1. */
static void
changes(struct words *w)
{
	for (int i = 0; i < WORDS - 1; i++)
		w->w[i] ^= shifted(w->w[i + 1], w->w[i], 1);
	w->w[3] ^= w->w[3] >> 1;
}

/* ---- points ---------------------------------------------------------------------------------- */

/* u = x / z */
struct point {
	struct sum x, z;
};

/* A group's multiplication under way. */
struct work {
	struct words k;
	struct point p, q;
	/* not of the base point: u of the point, and the lowest bit of k, which `changes` hides */
	struct fe u;
	vec lowest;
	bool base;
};

INLINE struct point
choose_point(vec m, struct point a, struct point b)
{
	for (int i = 0; i < LIMBS; i++) {
		a.x.l[i] = pick(m, a.x.l[i], b.x.l[i]);
		a.z.l[i] = pick(m, a.z.l[i], b.z.l[i]);
	}
	return a;
}

/* 2P from x + z and x - z of P: RFC 7748 section 5. */
INLINE struct point
doubled(struct fe plus, struct fe minus)
{
	struct sum aa = square(plus), bb = square(minus);
	struct fe e = carry(sub(aa, bb));

	return (struct point){mul(carry(aa), carry(bb)), mul(e, carry(add_a24(aa, e)))};
}

/* Montgomery's ladder, from the high bits: the same RFC. What it calls a swap is a choice here, of
 * the point to double; the sum of both is the same either way. */
INLINE void
ladder_step(struct work *w, int step)
{
	struct fe a = carry(add(w->p.x, w->p.z)), b = carry(sub(w->p.x, w->p.z));
	struct fe c = carry(add(w->q.x, w->q.z)), d = carry(sub(w->q.x, w->q.z));
	struct sum da = mul(d, a), cb = mul(c, b);
	vec swap = bit(&w->k, HIGH_BIT - step);

	w->p = doubled(choose(swap, a, c), choose(swap, b, d));
	w->q.x = square(carry(add(da, cb)));
	w->q.z = mul(w->u, carry(square(carry(sub(da, cb)))));
}

/*
 * The base point B has a ladder that climbs from the low bits: its step needs no doubling, as all
 * 2^i B are known. (Oliveira, Lopez, Hisil, Faz-Hernandez, Rodriguez-Henriquez, "How to
 * (pre-)compute a ladder", SAC 2017.) P and Q always have the sum 2^i B; a bit of one adds 2^i B to
 * P, a bit of zero adds it to Q, and the difference of the two summands is the other one of P and
 * Q. They start as S, of order 4, and B - S: so no difference is ever zero or of order 2, and no
 * sum is an exception. In the end P is (k / 8) B + S, and the last doublings remove S.
 */
INLINE void
base_step(struct work *w, int step)
{
	vec one = bit(&w->k, LOW_BITS + step);
	struct point a = choose_point(one, w->q, w->p), other = choose_point(one, w->p, w->q);
	struct sum da = mul(carry(sub(a.x, a.z)), constant(base_power[step]));
	struct sum cb = add(a.x, a.z);

	a.x = mul(carry(other.z), carry(square(carry(add(da, cb)))));
	a.z = mul(carry(other.x), carry(square(carry(sub(da, cb)))));
	w->p = choose_point(one, other, a);
	w->q = choose_point(one, a, other);
}

static void
begin(struct work *w, const struct x25519_group *g)
{
	struct sum one = masked(small(1));

	scalar_load(&w->k, g->scalar);
	w->base = g->base;
	if (w->base) {
		w->p = (struct point){one, one};
		w->q = (struct point){masked(constant(base_minus_s)), one};
		return;
	}
	number_load(&w->u, g->point);
	w->p = (struct point){one, masked(small(0))};
	w->q = (struct point){masked(w->u), one};
	w->lowest = bit(&w->k, LOW_BITS);
	changes(&w->k);
}

/* Groups take steps in turn, so that the CPU works on one while the results of another are still
 * on their way. */
static void
multiply(struct work *w, unsigned int n)
{
	for (int step = 0; step < STEPS; step++) {
		for (unsigned int i = 0; i < n; i++) {
			if (w[i].base)
				base_step(&w[i], step);
			else
				ladder_step(&w[i], step);
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		if (!w[i].base)
			w[i].p = choose_point(w[i].lowest, w[i].p, w[i].q);
	}
	for (int step = 0; step < LOW_BITS; step++) {
		for (unsigned int i = 0; i < n; i++) {
			struct point p = w[i].p;

			w[i].p = doubled(carry(add(p.x, p.z)), carry(sub(p.x, p.z)));
		}
	}
}

/* One inversion serves all groups: of the product of all z. Those that are zero would make it zero,
 * so they are one meanwhile, and their x is zero, as is libsodium's result. */
static void
divide(const struct work *w, struct x25519_group *g, unsigned int n)
{
	struct {
		struct fe x[X25519_GROUPS_MAX], z[X25519_GROUPS_MAX], product[X25519_GROUPS_MAX];
		struct fe rest, quotient;
	} s;

	for (unsigned int i = 0; i < n; i++) {
		struct fe x = carry(w[i].p.x), z = carry(w[i].p.z);
		vec none = is_zero(z);

		s.x[i] = choose(none, x, small(0));
		s.z[i] = choose(none, z, small(1));
		s.product[i] = i == 0 ? s.z[0] : times(s.product[i - 1], s.z[i]);
	}
	s.rest = s.product[n - 1];
	invert(&s.rest);
	for (unsigned int i = n; i-- > 0;) {
		struct fe inverse = i == 0 ? s.rest : times(s.rest, s.product[i - 1]);

		s.quotient = times(s.x[i], inverse);
		number_store(g[i].out, &s.quotient);
		s.rest = times(s.rest, s.z[i]);
	}
	peel_wipe(&s, sizeof(s));
}

void
x25519_lanes(struct x25519_group *g, unsigned int n)
{
	struct work w[X25519_GROUPS_MAX];

	for (unsigned int i = 0; i < n; i++)
		begin(&w[i], &g[i]);
	multiply(w, n);
	divide(w, g, n);
	peel_wipe(w, sizeof(w));
}
