/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * X25519 with a multiplication per lane: Montgomery's ladder for points, another one for the base
 * point. No branch or address depends on scalars or points. It is compiled for each kind of CPU
 * under a name of its own, X25519_NAME, and with the limbs that suit it.
 */
#include <string.h>

#include "peel_base.h"
#include "x25519_lanes.h"
#ifdef X25519_TEN_LIMBS
#include "x25519_ten.h"
#else
#include "x25519_five.h"
#endif
#include "x25519_multiples.h"

#define LOW_BITS 3	  /* of scalars, always zero */
#define HIGH_BIT 254	  /* of scalars, always one */
#define STEPS BASE_POWERS /* of both ladders: scalars have so many bits */
_Static_assert(STEPS == HIGH_BIT - LOW_BITS + 1, "a step for each bit");

/* of a group, which are worked on separately */
#define PARTS (X25519_LANES / LANES)
#define WORKS_MAX (X25519_GROUPS_MAX * PARTS)

/* ---- numbers --------------------------------------------------------------------------------- */

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
		c = (r.l[i] + c) >> limb_bits(i);
	r.l[0] += -c & 19;
	for (int i = 0; i < LIMBS; i++) {
		if (i < LIMBS - 1)
			r.l[i + 1] += r.l[i] >> limb_bits(i);
		r.l[i] &= limb_mask(i);
	}
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
words_load(struct words *out, uint8_t (*in)[32])
{
	for (int lane = 0; lane < LANES; lane++) {
		for (int i = 0; i < WORDS; i++)
			memcpy((uint8_t *)&out->w[i] + 8 * lane, in[lane] + 8 * i, 8);
	}
}

/* The highest bit is ignored, and numbers from p on stand for what is left of them. */
static void
number_load(struct fe *out, uint8_t (*in)[32])
{
	struct words w;

	words_load(&w, in);
	for (int i = 0; i < LIMBS; i++) {
		int word = limb_at(i) / 64, at = limb_at(i) % 64;
		vec limb = w.w[word] >> at;

		if (at + limb_bits(i) > 64)
			limb |= w.w[word + 1] << (64 - at);
		out->l[i] = limb & limb_mask(i);
	}
}

static void
number_store(uint8_t (*out)[32], const struct fe *a)
{
	struct sum s = canonical(*a);
	struct words w = {{{0}}};

	for (int i = 0; i < LIMBS; i++) {
		int word = limb_at(i) / 64, at = limb_at(i) % 64;

		w.w[word] |= s.l[i] << at;
		if (at + limb_bits(i) > 64)
			w.w[word + 1] |= s.l[i] >> (64 - at);
	}
	for (int lane = 0; lane < LANES; lane++) {
		for (int i = 0; i < WORDS; i++)
			memcpy(out[lane] + 8 * i, (uint8_t *)&w.w[i] + 8 * lane, 8);
	}
}

/* Clamped, RFC 7748 section 5. */
static void
scalar_load(struct words *out, uint8_t (*in)[32])
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
		w->w[i] ^= w->w[i] >> 1 | w->w[i + 1] << 63;
	w->w[3] ^= w->w[3] >> 1;
}

/* ---- points ---------------------------------------------------------------------------------- */

/* u = x / z */
struct point {
	struct sum x, z;
};

/* A group's multiplications under way, or a part of them. */
struct work {
	struct words k;
	struct point p, q;
	/* not of the base point: u of the point, and the lowest bit of k, which `changes` hides */
	struct fe u;
	vec lowest;
	bool base;
	uint8_t (*out)[32];
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
begin(struct work *w, struct x25519_group *g, unsigned int lane)
{
	struct sum one = masked(small(1));

	scalar_load(&w->k, &g->scalar[lane]);
	w->out = &g->out[lane];
	w->base = g->base;
	if (w->base) {
		w->p = (struct point){one, one};
		w->q = (struct point){masked(constant(base_minus_s)), one};
		return;
	}
	number_load(&w->u, &g->point[lane]);
	w->p = (struct point){one, masked(small(0))};
	w->q = (struct point){masked(w->u), one};
	w->lowest = bit(&w->k, LOW_BITS);
	changes(&w->k);
}

static void
steps(struct work *w, unsigned int n)
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

/* With few limbs all take steps in turn, so that the CPU works on one while results of another are
 * on their way. With many limbs it has enough to do, and would not keep the code of two kinds of
 * steps at hand. */
static void
multiply(struct work *w, unsigned int n)
{
	unsigned int together = LANES == X25519_LANES ? n : 1;

	for (unsigned int i = 0; i < n; i += together)
		steps(&w[i], together);
}

/* One inversion serves all: of the product of all z. Those that are zero would make it zero, so
 * they are one meanwhile, and their x is zero, as is libsodium's result. */
static void
divide(const struct work *w, unsigned int n)
{
	struct {
		struct fe x[WORKS_MAX], z[WORKS_MAX], product[WORKS_MAX];
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
		number_store(w[i].out, &s.quotient);
		s.rest = times(s.rest, s.z[i]);
	}
	peel_wipe(&s, sizeof(s));
}

void
X25519_NAME(struct x25519_group *g, unsigned int n)
{
	struct work w[WORKS_MAX];
	unsigned int n_works = 0;

	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int lane = 0; lane < g[i].n; lane += LANES)
			begin(&w[n_works++], &g[i], lane);
	}
	multiply(w, n_works);
	divide(w, n_works);
	peel_wipe(w, n_works * sizeof(w[0]));
}
