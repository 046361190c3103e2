/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Poly1305 (RFC 8439 section 2.5) on general registers. A number is h0 + h1 * 2^64 + h2 * 2^128. A
 * chain hashes one cell's segments after another's, a block a step; two chains keep a core's
 * multiplier busy, as the steps of one wait for each other.
 *
 * Bounds: r0 and r1 are below 2^60, as the key is clamped, and r1 is a multiple of four, so that
 * s1 = 5/4 * r1 < 2^60.4 is what r1 counts when a product wraps around. A step leaves a product
 * with h2 < 2^63, of which the next one takes what is above 2^130, 5/4 of it at most: that fits 64
 * bits. With it and a block h2 <= 6. Then the high half of h0 * r0 + h1 * s1, and h2 * s1 with it,
 * stay below 2^64, and the third limb of the product, h2 * r0 + 2^61, below 2^63.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define POLY64_INLINE static inline __attribute__((always_inline))
#define POLY64_BLOCK 16
#define POLY64_PARTS 4

typedef unsigned __int128 poly64_wide;

/* Of one cell. */
struct poly64_mac {
	/* as a step leaves it */
	uint64_t h[3];
	/* the key */
	uint64_t r[2], s[2];
	/* the end of the text, filled up with zeros, and the block of lengths; or that alone */
	uint8_t tail[2 * POLY64_BLOCK];
};

/* Whole blocks of a cell. */
struct poly64_segment {
	const uint8_t *at;
	uint64_t blocks;
	struct poly64_mac *mac;
	/* what the chain hashes next; the last one is followed by itself */
	const struct poly64_segment *next;
};

/* What is being hashed. */
struct poly64_chain {
	uint64_t h0, h1, h2;
	const uint8_t *at;
	uint64_t left;
	const struct poly64_segment *segment;
};

/* Its key. On its own, so that a compiler keeps the chain in registers, and this in memory. */
struct poly64_factor {
	uint64_t r0, r1, s1;
};

POLY64_INLINE uint64_t
poly64_load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/** Begin a cell, whose first ChaCha20 block is @p key. */
POLY64_INLINE void
poly64_key(struct poly64_mac *m, const uint8_t *key)
{
	m->h[0] = 0;
	m->h[1] = 0;
	m->h[2] = 0;
	m->r[0] = poly64_load(key) & 0x0ffffffc0fffffff;
	m->r[1] = poly64_load(key + 8) & 0x0ffffffc0ffffffc;
	m->s[0] = poly64_load(key + 16);
	m->s[1] = poly64_load(key + 24);
}

/** Take up a segment. */
POLY64_INLINE void
poly64_enter(struct poly64_chain *c, struct poly64_factor *r, const struct poly64_segment *s)
{
	const struct poly64_mac *m = s->mac;

	*c = (struct poly64_chain){m->h[0], m->h[1], m->h[2], s->at, s->blocks, s};
	r->r0 = m->r[0];
	r->r1 = m->r[1];
	r->s1 = m->r[1] + (m->r[1] >> 2);
}

/** Put the hash so far back to its cell. */
POLY64_INLINE void
poly64_leave(const struct poly64_chain *c)
{
	struct poly64_mac *m = c->segment->mac;

	m->h[0] = c->h0;
	m->h[1] = c->h1;
	m->h[2] = c->h2;
}

/* Between the parts of a step. */
struct poly64_work {
	uint64_t t0, t1, t2, t3;
};

/* A step in four parts. In assembly, as compilers keep sums of 128 bits in memory when registers
 * are few; volatile, as they stay where the caller puts them.
 *
 * What the block before left above 2^130 comes back five times: by then the block has been added to
 * the limbs below, which were ready earlier. */
POLY64_INLINE void
poly64_add(struct poly64_chain *c, struct poly64_work *w)
{
	__asm__ volatile(
		"mov %[h2], %[t0]\n\t"
		"shr $2, %[t0]\n\t"
		"and $3, %k[h2]\n\t"
		"lea (%[t0],%[t0],4), %[t0]\n\t"
		"add (%[at]), %[h0]\n\t"
		"adc 8(%[at]), %[h1]\n\t"
		"adc $1, %[h2]"
		: [h0] "+&r"(c->h0), [h1] "+&r"(c->h1), [h2] "+&r"(c->h2), [t0] "=&r"(w->t0)
		: [at] "r"(c->at), "m"(*(const uint8_t(*)[POLY64_BLOCK])c->at)
		: "cc");
}

POLY64_INLINE void
poly64_times_h0(struct poly64_chain *c, const struct poly64_factor *r, struct poly64_work *w)
{
	__asm__ volatile("add %[t0], %[h0]\n\t"
			 "adc $0, %[h1]\n\t"
			 "adc $0, %[h2]\n\t"
			 "mov %[h0], %%rdx\n\t"
			 "mulx %[r0], %[h0], %[t0]\n\t" /* t0 h0 = h0 * r0 */
			 "mulx %[r1], %[t3], %[t1]"	/* t1 t3 = h0 * r1 */
			 : [h0] "+&r"(c->h0), [h1] "+&r"(c->h1), [h2] "+&r"(c->h2),
			 [t0] "+&r"(w->t0), [t1] "=&r"(w->t1), [t3] "=&r"(w->t3)
			 : [r0] "m"(r->r0), [r1] "m"(r->r1)
			 : "rdx", "cc");
}

POLY64_INLINE void
poly64_times_h1(struct poly64_chain *c, const struct poly64_factor *r, struct poly64_work *w)
{
	__asm__ volatile(
		"mov %[h1], %%rdx\n\t"
		"mulx %[s1], %[h1], %[t2]\n\t" /* t0 h0 += h1 * s1 */
		"add %[h1], %[h0]\n\t"
		"adc %[t2], %[t0]\n\t"
		"mulx %[r0], %[h1], %[t2]" /* t2 h1 = h1 * r0 */
		: [h0] "+&r"(c->h0), [h1] "+&r"(c->h1), [t0] "+&r"(w->t0), [t2] "=&r"(w->t2)
		: [r0] "m"(r->r0), [s1] "m"(r->s1)
		: "rdx", "cc");
}

POLY64_INLINE void
poly64_times_h2(struct poly64_chain *c, struct poly64_factor *r, struct poly64_work *w)
{
	__asm__ volatile(
		"mov %[h2], %%rdx\n\t"
		"imul %[s1], %%rdx\n\t"
		"imul %[r0], %[h2]\n\t"
		"add %[t3], %[h1]\n\t" /* t1 h1 = t1 t3 + t2 h1 */
		"adc %[t2], %[t1]\n\t"
		"add %%rdx, %[t0]\n\t" /* t0 += h2 * s1 */
		"add %[t0], %[h1]\n\t"
		"adc %[t1], %[h2]" /* h2 h1 h0: the product */
		: [h1] "+&r"(c->h1), [h2] "+&r"(c->h2), [t0] "+&r"(w->t0), [t1] "+&r"(w->t1)
		: [t2] "r"(w->t2), [t3] "r"(w->t3), [r0] "m"(r->r0), [s1] "m"(r->s1)
		: "rdx", "cc");
	c->at += POLY64_BLOCK;
	if (__builtin_expect(--c->left == 0, 0)) {
		poly64_leave(c);
		poly64_enter(c, r, c->segment->next);
	}
}

/** Part @p i of a step. */
POLY64_INLINE void
poly64_part(struct poly64_chain *c, struct poly64_factor *r, struct poly64_work *w, unsigned int i)
{
	if (i == 0)
		poly64_add(c, w);
	else if (i == 1)
		poly64_times_h0(c, r, w);
	else if (i == 2)
		poly64_times_h1(c, r, w);
	else
		poly64_times_h2(c, r, w);
}

/** One block: h = (h + block + 2^128) * r. */
POLY64_INLINE void
poly64_step(struct poly64_chain *c, struct poly64_factor *r)
{
	struct poly64_work w;

#pragma GCC unroll 4
	for (unsigned int i = 0; i < POLY64_PARTS; i++)
		poly64_part(c, r, &w, i);
}

/** The tag: the canonical number below the prime, plus s. */
POLY64_INLINE void
poly64_tag(const struct poly64_mac *m, uint8_t tag[POLY64_BLOCK])
{
	/* First what the last step left above 2^130. Then h + 5 reaches 2^130 exactly when h is not
	 * below the prime; then h + 5 - 2^130 is what remains. */
	uint64_t back = 5 * (m->h[2] >> 2), top = m->h[2] & 3;
	poly64_wide low = (poly64_wide)m->h[1] << 64 | m->h[0], h = low + back, g = h + 5;
	poly64_wide s = (poly64_wide)m->s[1] << 64 | m->s[0];
	poly64_wide above = (poly64_wide)0 - ((top + (h < low) + (g < h)) >> 2);

	h = ((h & ~above) | (g & above)) + s;
	memcpy(tag, &h, POLY64_BLOCK);
}
