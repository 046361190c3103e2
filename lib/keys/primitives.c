/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <sodium.h>

#include "primitives.h"

_Static_assert(crypto_core_hsalsa20_OUTPUTBYTES == 32 && crypto_core_hsalsa20_KEYBYTES == 32,
	"what is agreed on is 32 bytes");
_Static_assert(crypto_sign_SECRETKEYBYTES == 64 && crypto_sign_BYTES == 64, "Ed25519");

void
x25519_agree(struct peel_x25519_op *op, unsigned int n)
{
	static const uint8_t zeros[crypto_core_hsalsa20_INPUTBYTES];
	uint8_t u[32];

	peel_x25519_batch(op, n);
	for (unsigned int i = 0; i < n; i++) {
		if (op[i].point == NULL)
			continue;
		memcpy(u, op[i].out, sizeof(u));
		crypto_core_hsalsa20(op[i].out, zeros, u, NULL);
	}
	peel_wipe(u, sizeof(u));
}

void
ed25519_keys(uint8_t pk[32], uint8_t sk[64], const uint8_t seed[32])
{
	crypto_sign_seed_keypair(pk, sk, seed);
}

void
ed25519_sign(uint8_t signature[64], const uint8_t *message, size_t len, const uint8_t sk[64])
{
	crypto_sign_detached(signature, NULL, message, len, sk);
}

bool
ed25519_verify(
	const uint8_t signature[64], const uint8_t *message, size_t len, const uint8_t pk[32])
{
	return crypto_sign_verify_detached(signature, message, len, pk) == 0;
}
