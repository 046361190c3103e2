/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Stand-ins for libFuzzer programs, without any security: a fuzz target spent nine tenths of its
 * time in curves that have been fuzzed elsewhere. Both sides agree on a key, a changed byte breaks
 * a signature, the zero point is refused: what the code around can tell apart stays different. An
 * input found with these replays with the real ones, as targets sign and agree themselves. Only
 * the keys' public halves are needed to sign, so nothing but a fuzz target may link this.
 */
#include <sodium.h>
#include <string.h>

#include "primitives.h"

/* From secret to public and back. */
static void
other_half(uint8_t out[32], const uint8_t in[32])
{
	for (int i = 0; i < 32; i++)
		out[i] = in[i] ^ 0x5a;
}

void
x25519_agree(struct peel_x25519_op *op, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *sk = op[i].scalar, *pk = op[i].point;

		op[i].refused = pk != NULL && sodium_is_zero(pk, 32);
		other_half(op[i].out, sk);
		for (int k = 0; k < 32 && pk != NULL; k++)
			op[i].out[k] ^= pk[k];
	}
}

void
ed25519_keys(uint8_t pk[32], uint8_t sk[64], const uint8_t seed[32])
{
	other_half(pk, seed);
	memcpy(sk, seed, 32);
	memcpy(sk + 32, pk, 32);
}

static void
keyed_hash(uint8_t out[64], const uint8_t *message, size_t len, const uint8_t pk[32])
{
	uint8_t key[16];

	for (int i = 0; i < 16; i++)
		key[i] = pk[i] ^ pk[i + 16];
	crypto_shorthash_siphashx24(out, message, len, key);
	for (int i = 16; i < 64; i += 16)
		memcpy(out + i, out, 16);
}

void
ed25519_sign(uint8_t signature[64], const uint8_t *message, size_t len, const uint8_t sk[64])
{
	keyed_hash(signature, message, len, sk + 32);
}

bool
ed25519_verify(
	const uint8_t signature[64], const uint8_t *message, size_t len, const uint8_t pk[32])
{
	uint8_t good[64];

	keyed_hash(good, message, len, pk);
	return memcmp(good, signature, sizeof(good)) == 0;
}
