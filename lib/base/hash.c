/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "peel_base.h"

/* Rounds of a 64x64->128 bit multiply, folded: enough to spread keys that others choose, with a
 * secret seed. */

#define MIX_A 0x9e3779b97f4a7c15u
#define MIX_B 0xd6e8feb86659fd93u

static inline uint64_t
fold(uint64_t a, uint64_t b)
{
	__uint128_t m = (__uint128_t)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t
peel_addr_hash(const struct peel_addr *a, uint32_t extra, uint64_t seed)
{
	uint64_t w0, w1;
	uint32_t w2;

	memcpy(&w0, a->ip, sizeof(w0));
	memcpy(&w1, a->ip + 8, sizeof(w1));
	memcpy(&w2, &a->port, sizeof(w2));
	uint64_t h = fold(w0 ^ seed, w1 ^ MIX_A ^ (seed << 32 | seed >> 32));

	return fold(h ^ ((uint64_t)extra << 32 | w2), seed ^ MIX_B);
}

uint64_t
peel_hash_u32(uint32_t value, uint64_t seed)
{
	return fold(fold(value ^ seed, MIX_A ^ (seed << 32 | seed >> 32)), seed ^ MIX_B);
}

uint64_t
peel_hash_bytes(const void *bytes, size_t len, uint64_t seed)
{
	const uint8_t *p = bytes;
	uint64_t h = seed;

	for (size_t left = len; left > 0;) {
		uint64_t w[2] = {0};
		size_t n = left < sizeof(w) ? left : sizeof(w);

		memcpy(w, p, n);
		h = fold(w[0] ^ h, w[1] ^ MIX_A ^ (seed << 32 | seed >> 32));
		p += n;
		left -= n;
	}
	return fold(h ^ len, seed ^ MIX_B);
}
