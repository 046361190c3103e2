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

/* steps in a batch, of the one chain or of both; or twice as many */
#define BATCH_STEPS 20

typedef uint32_t u32x8 __attribute__((vector_size(32)));

/* A block under way. */
struct lane {
	const struct peel_aead_cell *cell;
	/* its number in the cell, and its bytes of the text; the first one is the key of Poly1305
	 * and has none */
	uint32_t block, len;
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

BATCH_INLINE void
store_start(uint32_t start[16][LANES], const u32x8 *x, unsigned int from, unsigned int n)
{
#pragma GCC unroll 12
	for (unsigned int i = 0; i < n; i++)
		_mm256_store_si256((__m256i *)start[from + i], (__m256i)x[i]);
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

/* Start states of any blocks. */
BATCH_INLINE void
batch_start(uint32_t start[16][LANES], const struct lane lane[LANES])
{
	u32x8 row[4], x[4];

#pragma GCC unroll 2
	for (unsigned int half = 0; half < 2; half++) {
#pragma GCC unroll 4
		for (unsigned int i = 0; i < 4; i++)
			row[i] = (u32x8)both(lane[i].cell->key->b + 16 * half,
				lane[i + 4].cell->key->b + 16 * half);
		transpose_4(row, x);
		store_start(start, x, 4 + 4 * half, 4);
	}
#pragma GCC unroll 4
	for (unsigned int i = 0; i < 4; i++)
		row[i] = (u32x8)_mm256_inserti128_si256(
			_mm256_castsi128_si256(input(&lane[i])), input(&lane[i + 4]), 1);
	transpose_4(row, x);
	store_start(start, x, 12, 4);
}

/* Start states of eight blocks of one cell, from @p block on. */
BATCH_INLINE void
batch_start_same(uint32_t start[16][LANES], const struct peel_aead_cell *cell, uint32_t block)
{
	u32x8 x[12];
	uint32_t word;

#pragma GCC unroll 8
	for (unsigned int i = 0; i < 8; i++) {
		memcpy(&word, cell->key->b + 4 * i, sizeof(word));
		x[i] = (u32x8)_mm256_set1_epi32((int)word);
	}
	x[8] = block + (u32x8){0, 1, 2, 3, 4, 5, 6, 7};
#pragma GCC unroll 3
	for (unsigned int i = 0; i < 3; i++) {
		memcpy(&word, cell->nonce + 4 * i, sizeof(word));
		x[9 + i] = (u32x8)_mm256_set1_epi32((int)word);
	}
	store_start(start, x, 4, 12);
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

/* Half of two quarter rounds in step. In assembly, as compilers move vectors to and fro when all
 * registers are used: sixteen words and two shifts are two too many. */
#define HALF_PAIR(a0, b0, c0, d0, a1, b1, c1, d1, bytes, bits)                                     \
	__asm__("vpaddd %[vb0], %[va0], %[va0]\n\t"                                                \
		"vpaddd %[vb1], %[va1], %[va1]\n\t"                                                \
		"vpxor %[va0], %[vd0], %[vd0]\n\t"                                                 \
		"vpxor %[va1], %[vd1], %[vd1]\n\t"                                                 \
		"vpshufb %[order], %[vd0], %[vd0]\n\t"                                             \
		"vpshufb %[order], %[vd1], %[vd1]\n\t"                                             \
		"vpaddd %[vd0], %[vc0], %[vc0]\n\t"                                                \
		"vpaddd %[vd1], %[vc1], %[vc1]\n\t"                                                \
		"vpxor %[vc0], %[vb0], %[vb0]\n\t"                                                 \
		"vpxor %[vc1], %[vb1], %[vb1]\n\t"                                                 \
		"vpslld %[left], %[vb0], %%ymm14\n\t"                                              \
		"vpsrld %[right], %[vb0], %[vb0]\n\t"                                              \
		"vpslld %[left], %[vb1], %%ymm15\n\t"                                              \
		"vpsrld %[right], %[vb1], %[vb1]\n\t"                                              \
		"vpor %%ymm14, %[vb0], %[vb0]\n\t"                                                 \
		"vpor %%ymm15, %[vb1], %[vb1]"                                                     \
		: [va0] "+x"(a0), [vb0] "+x"(b0), [vc0] "+x"(c0), [vd0] "+x"(d0), [va1] "+x"(a1),  \
		[vb1] "+x"(b1), [vc1] "+x"(c1), [vd1] "+x"(d1)                                     \
		: [order] "m"(bytes), [left] "i"(bits), [right] "i"(32 - (bits))                   \
		: "xmm14", "xmm15")
#define PAIR(a0, b0, c0, d0, a1, b1, c1, d1)                                                       \
	HALF_PAIR(a0, b0, c0, d0, a1, b1, c1, d1, left_16, 12);                                    \
	HALF_PAIR(a0, b0, c0, d0, a1, b1, c1, d1, left_8, 7)
/* Two words to memory, two others from there. */
#define EXCHANGE(c0, c1, to, from)                                                                 \
	__asm__("vmovdqa %[vc0], %[to0]\n\t"                                                       \
		"vmovdqa %[vc1], %[to1]\n\t"                                                       \
		"vmovdqa %[from0], %[vc0]\n\t"                                                     \
		"vmovdqa %[from1], %[vc1]"                                                         \
		: [vc0] "+x"(c0), [vc1] "+x"(c1), [to0] "=m"((to)[0]), [to1] "=m"((to)[1])         \
		: [from0] "m"((from)[0]), [from1] "m"((from)[1]))

/* Which chains take steps between the rounds: none, one or both. */
enum batch_chains {
	BATCH_NONE,
	BATCH_ONE,
	BATCH_BOTH,
	BATCH_CHAINS
};

/* Eight blocks: the keystream goes to @p to, or is XORed onto what is there. */
BATCH_INLINE void
batch(uint32_t start[16][LANES], uint8_t *const to[LANES], struct hashing *h, unsigned int first,
	enum batch_chains chains, bool twice, bool xor)
{
	struct poly64_chain p = h->chain[first], q = h->chain[1];
	struct poly64_factor pr = h->factor[first], qr = h->factor[1];
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
		/* two of c, the others are in memory */
		register u32x8 c0 __asm__("ymm12") = (u32x8)from[8];
		register u32x8 c1 __asm__("ymm13") = (u32x8)from[9];
		u32x8 c01[2], c23[2] = {(u32x8)from[10], (u32x8)from[11]};

		for (unsigned int i = 0; i < BATCH_STEPS / 2; i++) {
			PAIR(a0, b0, c0, d0, a1, b1, c1, d1);
			EXCHANGE(c0, c1, c01, c23);
			if (chains != BATCH_NONE)
				poly64_step(&p, &pr);
			PAIR(a2, b2, c0, d2, a3, b3, c1, d3);
			if (twice && chains == BATCH_ONE)
				poly64_step(&p, &pr);
			if (twice && chains == BATCH_BOTH)
				poly64_step(&q, &qr);
			PAIR(a0, b1, c0, d3, a1, b2, c1, d0);
			EXCHANGE(c0, c1, c23, c01);
			if (chains == BATCH_ONE || (twice && chains == BATCH_BOTH))
				poly64_step(&p, &pr);
			else if (chains == BATCH_BOTH)
				poly64_step(&q, &qr);
			PAIR(a2, b3, c0, d1, a3, b0, c1, d2);
			if (twice && chains == BATCH_ONE)
				poly64_step(&p, &pr);
			if (twice && chains == BATCH_BOTH)
				poly64_step(&q, &qr);
		}
		x[0] = a0;
		x[1] = a1;
		x[2] = a2;
		x[3] = a3;
		x[4] = b0;
		x[5] = b1;
		x[6] = b2;
		x[7] = b3;
		x[8] = c0;
		x[9] = c1;
		x[10] = c23[0];
		x[11] = c23[1];
		x[12] = d0;
		x[13] = d1;
		x[14] = d2;
		x[15] = d3;
	}
	if (chains != BATCH_NONE) {
		h->chain[first] = p;
		h->factor[first] = pr;
	}
	if (chains == BATCH_BOTH) {
		h->chain[1] = q;
		h->factor[1] = qr;
	}
#pragma GCC unroll 16
	for (unsigned int i = 0; i < 16; i++)
		x[i] += (u32x8)from[i];
	batch_put(x, to, 0, xor);
	batch_put(&x[8], to, BLOCK_LEN / 2, xor);
}
