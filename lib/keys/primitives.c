/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <sodium.h>

#include "primitives.h"

_Static_assert(crypto_box_BEFORENMBYTES == 32, "what is agreed on is 32 bytes");
_Static_assert(crypto_sign_SECRETKEYBYTES == 64 && crypto_sign_BYTES == 64, "Ed25519");

int
x25519_public(uint8_t pk[32], const uint8_t sk[32])
{
	return crypto_scalarmult_base(pk, sk);
}

int
x25519_agree(uint8_t shared[32], const uint8_t pk[32], const uint8_t sk[32])
{
	return crypto_box_beforenm(shared, pk, sk);
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
