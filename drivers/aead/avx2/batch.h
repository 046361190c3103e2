/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * ChaCha20 (RFC 8439 section 2.3), eight blocks at a time: vector w holds word w of the state of
 * all of them, so that a round needs no shuffle. Between the rounds the chains of Poly1305 take
 * their steps: vector units and multiplier work side by side.
 */

#include <immintrin.h>

#include "lanes.h"

#define BATCH_INLINE static inline __attribute__((always_inline))

#define BATCH_DOUBLE_ROUNDS 10
/* Steps in a double round, of the chain that is alone or of both together: usually, and the most.
 * More than three of one chain take longer than the rounds. */
#define BATCH_STEPS_ONE 3
#define BATCH_STEPS_BOTH 2
#define BATCH_STEPS_MOST 4

typedef uint32_t u32x8 __attribute__((vector_size(32)));

/* A block under way. */
struct lane {
	const struct peel_aead_cell *cell;
	/* its number in the cell; the first one is the key of Poly1305 */
	uint32_t block;
};

/* Blocks of one cell, side by side in a batch. */
struct run {
	const struct peel_aead_cell *cell;
	/* the first one */
	uint32_t block;
	/* where it is, and how many there are */
	uint32_t lane, n;
};

static const uint32_t sigma[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
/* vpshufb: rotations of words */
static const u32x8 left_16 = {0x01000302, 0x05040706, 0x09080b0a, 0x0d0c0f0e, 0x01000302,
	0x05040706, 0x09080b0a, 0x0d0c0f0e};
static const u32x8 left_8 = {0x02010003, 0x06050407, 0x0a09080b, 0x0e0d0c0f, 0x02010003, 0x06050407,
	0x0a09080b, 0x0e0d0c0f};

BATCH_INLINE __m256i
both(const void *low, const void *high)
{
	return _mm256_inserti128_si256(
		_mm256_castsi128_si256(_mm_loadu_si128(low)), _mm_loadu_si128(high), 1);
}

/* Rows of four words, of lane i in the low half of row[i] and of lane i + 4 in the high one, into
 * words of all lanes; or words into rows. */
BATCH_INLINE void
transpose_4(const u32x8 in[4], u32x8 out[4])
{
	__m256i lo01 = _mm256_unpacklo_epi32((__m256i)in[0], (__m256i)in[1]);
	__m256i hi01 = _mm256_unpackhi_epi32((__m256i)in[0], (__m256i)in[1]);
	__m256i lo23 = _mm256_unpacklo_epi32((__m256i)in[2], (__m256i)in[3]);
	__m256i hi23 = _mm256_unpackhi_epi32((__m256i)in[2], (__m256i)in[3]);

	out[0] = (u32x8)_mm256_unpacklo_epi64(lo01, lo23);
	out[1] = (u32x8)_mm256_unpackhi_epi64(lo01, lo23);
	out[2] = (u32x8)_mm256_unpacklo_epi64(hi01, hi23);
	out[3] = (u32x8)_mm256_unpackhi_epi64(hi01, hi23);
}

/* The constants, once for all. */
BATCH_INLINE void
batch_constants(uint32_t start[16][LANES])
{
	for (unsigned int i = 0; i < 4; i++)
		_mm256_store_si256((__m256i *)start[i], _mm256_set1_epi32((int)sigma[i]));
}

/* Number of the block, and nonce. In an operation four other bytes are before the nonce. */
BATCH_INLINE __m128i
input(const struct lane *l)
{
	_Static_assert(offsetof(struct peel_aead_op, nonce) >= sizeof(uint32_t), "readable");

	return _mm_insert_epi32(
		_mm_loadu_si128((const __m128i *)(l->cell->nonce - 4)), (int)l->block, 0);
}

BATCH_INLINE __m256i
everywhere(const uint8_t *at)
{
	int word;

	memcpy(&word, at, sizeof(word));
	return _mm256_set1_epi32(word);
}

/* The word @p w of all lanes, or of the lanes from some on (@p mine). */
BATCH_INLINE void
start_word(u32x8 *x, __m256i w, bool all, __m256i mine)
{
	*x = all ? (u32x8)w : (u32x8)_mm256_blendv_epi8((__m256i)*x, w, mine);
}

BATCH_INLINE void
start_run(u32x8 x[12], const struct run *r, bool all)
{
	const u32x8 number = {0, 1, 2, 3, 4, 5, 6, 7};
	__m256i mine = (__m256i)(number >= r->lane);

#pragma GCC unroll 8
	for (unsigned int i = 0; i < 8; i++)
		start_word(&x[i], everywhere(r->cell->key->b + 4 * i), all, mine);
	start_word(&x[8], (__m256i)(r->block - r->lane + number), all, mine);
#pragma GCC unroll 3
	for (unsigned int i = 0; i < 3; i++)
		start_word(&x[9 + i], everywhere(r->cell->nonce + 4 * i), all, mine);
}

/* Start states. Each run also fills the lanes behind it, until the next one takes them. */
BATCH_INLINE void
batch_start(uint32_t start[16][LANES], const struct run *run, unsigned int runs)
{
	u32x8 x[12];

	start_run(x, run, true);
	for (unsigned int i = 1; i < runs; i++)
		start_run(x, &run[i], false);
#pragma GCC unroll 12
	for (unsigned int i = 0; i < 12; i++)
		_mm256_store_si256((__m256i *)start[4 + i], (__m256i)x[i]);
}

BATCH_INLINE void
put_32(uint8_t *at, __m256i v, bool xor)
{
	if (xor)
		v = _mm256_xor_si256(v, _mm256_loadu_si256((const __m256i *)at));
	_mm256_storeu_si256((__m256i *)at, v);
}

/* Eight words of all blocks: bytes from @p at on. */
BATCH_INLINE void
batch_put(const u32x8 w[8], uint8_t *const to[LANES], uint32_t at, bool xor)
{
	u32x8 lo[4], hi[4];

	transpose_4(w, lo);
	transpose_4(&w[4], hi);
#pragma GCC unroll 4
	for (unsigned int i = 0; i < 4; i++) {
		put_32(to[i] + at, _mm256_permute2x128_si256((__m256i)lo[i], (__m256i)hi[i], 0x20),
			xor);
		put_32(to[4 + i] + at,
			_mm256_permute2x128_si256((__m256i)lo[i], (__m256i)hi[i], 0x31), xor);
	}
}

/* A quarter round is FIRST, SECOND with rotations by 16 and 12, and both again by 8 and 7. In
 * assembly, as compilers move vectors to and fro when all registers are used: sixteen words and
 * what a rotation needs are one too many, so one word is in memory (SECOND_IN_MEMORY). Volatile,
 * so that all stays in the order in which it is written. */
#define FIRST(a, b, d, bytes)                                                                      \
	__asm__ volatile("vpaddd %[vb], %[va], %[va]\n\t"                                          \
			 "vpxor %[va], %[vd], %[vd]\n\t"                                           \
			 "vpshufb %[order], %[vd], %[vd]"                                          \
			 : [va] "+x"(a), [vd] "+x"(d)                                              \
			 : [vb] "x"(b), [order] "m"(bytes))
#define ROTATION                                                                                   \
	"vpslld %[left], %[vb], %%ymm15\n\t"                                                       \
	"vpsrld %[right], %[vb], %[vb]\n\t"                                                        \
	"vpor %%ymm15, %[vb], %[vb]"
#define SECOND(b, c, d, bits)                                                                      \
	__asm__ volatile("vpaddd %[vd], %[vc], %[vc]\n\t"                                          \
			 "vpxor %[vc], %[vb], %[vb]\n\t" ROTATION                                  \
			 : [vb] "+x"(b), [vc] "+x"(c)                                              \
			 : [vd] "x"(d), [left] "i"(bits), [right] "i"(32 - (bits))                 \
			 : "xmm15")
#define SECOND_IN_MEMORY(b, c, d, bits)                                                            \
	__asm__ volatile("vpaddd %[vc], %[vd], %%ymm15\n\t"                                        \
			 "vpxor %%ymm15, %[vb], %[vb]\n\t"                                         \
			 "vmovdqa %%ymm15, %[vc]\n\t" ROTATION                                     \
			 : [vb] "+x"(b), [vc] "+m"(c)                                              \
			 : [vd] "x"(d), [left] "i"(bits), [right] "i"(32 - (bits))                 \
			 : "xmm15")

/* Which chains take steps between the rounds: none, one or both. */
enum batch_chains {
	BATCH_NONE,
	BATCH_ONE,
	BATCH_BOTH,
	BATCH_CHAINS
};

/* The @p i-th of the places for parts of steps in a double round. */
BATCH_INLINE void
batch_part(struct poly64_chain *p, struct poly64_factor *pr, struct poly64_chain *q,
	struct poly64_factor *qr, struct poly64_work *w, enum batch_chains chains,
	unsigned int steps, unsigned int i)
{
	unsigned int step = i / POLY64_PARTS;

	if (chains == BATCH_NONE || (steps == 2 ? step % 2 != 0 : step >= steps))
		return;
	if (chains == BATCH_BOTH && (steps == 2 ? step / 2 : step % 2) != 0)
		poly64_part(q, qr, w, i % POLY64_PARTS);
	else
		poly64_part(p, pr, w, i % POLY64_PARTS);
}

/* Eight blocks: the keystream goes to @p to, or is XORed onto what is there. */
BATCH_INLINE void
batch(uint32_t start[16][LANES], uint8_t *const to[LANES], struct hashing *h, unsigned int first,
	enum batch_chains chains, unsigned int steps, bool xor)
{
	struct poly64_chain p = h->chain[first], q = h->chain[1];
	struct poly64_factor pr = h->factor[first], qr = h->factor[1];
	struct poly64_work w;
	const __m256i *from = (const __m256i *)start;
	u32x8 x[16];

	{
		register u32x8 a0 __asm__("ymm0") = (u32x8)from[0];
		register u32x8 a1 __asm__("ymm1") = (u32x8)from[1];
		register u32x8 a2 __asm__("ymm2") = (u32x8)from[2];
		register u32x8 a3 __asm__("ymm3") = (u32x8)from[3];
		register u32x8 b0 __asm__("ymm4") = (u32x8)from[4];
		register u32x8 b1 __asm__("ymm5") = (u32x8)from[5];
		register u32x8 b2 __asm__("ymm6") = (u32x8)from[6];
		register u32x8 b3 __asm__("ymm7") = (u32x8)from[7];
		register u32x8 d0 __asm__("ymm8") = (u32x8)from[12];
		register u32x8 d1 __asm__("ymm9") = (u32x8)from[13];
		register u32x8 d2 __asm__("ymm10") = (u32x8)from[14];
		register u32x8 d3 __asm__("ymm11") = (u32x8)from[15];
		register u32x8 c1 __asm__("ymm12") = (u32x8)from[9];
		register u32x8 c2 __asm__("ymm13") = (u32x8)from[10];
		register u32x8 c3 __asm__("ymm14") = (u32x8)from[11];
		u32x8 c0 = (u32x8)from[8];

#define PART(i) batch_part(&p, &pr, &q, &qr, &w, chains, steps, i)
		for (unsigned int i = 0; i < BATCH_DOUBLE_ROUNDS; i++) {
			/* columns 0, 3 and 2 in step, and column 1 behind them */
			FIRST(a0, b0, d0, left_16);
			FIRST(a3, b3, d3, left_16);
			PART(0);
			FIRST(a2, b2, d2, left_16);
			SECOND_IN_MEMORY(b0, c0, d0, 12);
			PART(1);
			SECOND(b3, c3, d3, 12);
			FIRST(a1, b1, d1, left_16);
			PART(2);
			SECOND(b2, c2, d2, 12);
			FIRST(a0, b0, d0, left_8);
			PART(3);
			FIRST(a3, b3, d3, left_8);
			SECOND(b1, c1, d1, 12);
			PART(4);
			FIRST(a2, b2, d2, left_8);
			SECOND_IN_MEMORY(b0, c0, d0, 7);
			PART(5);
			SECOND(b3, c3, d3, 7);
			FIRST(a1, b1, d1, left_8);
			PART(6);
			SECOND(b2, c2, d2, 7);
			SECOND(b1, c1, d1, 7);
			PART(7);
			/* diagonals; as 0, 3 and 2 are done first, those that begin with 3, 2 and 1
			 * in step, and 0 behind them */
			FIRST(a3, b0, d2, left_16);
			FIRST(a2, b3, d1, left_16);
			PART(8);
			FIRST(a1, b2, d0, left_16);
			SECOND(b0, c1, d2, 12);
			PART(9);
			SECOND_IN_MEMORY(b3, c0, d1, 12);
			FIRST(a0, b1, d3, left_16);
			PART(10);
			SECOND(b2, c3, d0, 12);
			FIRST(a3, b0, d2, left_8);
			PART(11);
			FIRST(a2, b3, d1, left_8);
			SECOND(b1, c2, d3, 12);
			PART(12);
			FIRST(a1, b2, d0, left_8);
			SECOND(b0, c1, d2, 7);
			PART(13);
			SECOND_IN_MEMORY(b3, c0, d1, 7);
			FIRST(a0, b1, d3, left_8);
			PART(14);
			SECOND(b2, c3, d0, 7);
			SECOND(b1, c2, d3, 7);
			PART(15);
		}
#undef PART

		const u32x8 done[16] = {
			a0, a1, a2, a3, b0, b1, b2, b3, c0, c1, c2, c3, d0, d1, d2, d3};

#pragma GCC unroll 16
		for (unsigned int i = 0; i < 16; i++)
			x[i] = done[i] + (u32x8)from[i];
	}
	if (chains != BATCH_NONE) {
		h->chain[first] = p;
		h->factor[first] = pr;
	}
	if (chains == BATCH_BOTH) {
		h->chain[1] = q;
		h->factor[1] = qr;
	}
	batch_put(x, to, 0, xor);
	batch_put(&x[8], to, BLOCK_LEN / 2, xor);
}
