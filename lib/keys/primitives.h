/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The public-key operations of this library, in one place so that libFuzzer programs can have
 * others: primitives.c calls libsodium; primitives_fuzz.c keeps every promise below except
 * security, a thousand times faster. Nothing else in the project calls these operations of
 * libsodium. Thread: any.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peel_keys.h"

/**
 * Many multiplications at once, as peel_x25519_batch(). Without a point the result is the scalar's
 * public key. With one it is HSalsa20 of what X25519 gives (BN of section 12.1), the same from both
 * sides.
 */
void x25519_agree(struct peel_x25519_op *op, unsigned int n);

/** Ed25519: @p sk is the seed and the public key. */
void ed25519_keys(uint8_t pk[32], uint8_t sk[64], const uint8_t seed[32]);
void ed25519_sign(uint8_t signature[64], const uint8_t *message, size_t len, const uint8_t sk[64]);
bool ed25519_verify(
	const uint8_t signature[64], const uint8_t *message, size_t len, const uint8_t pk[32]);
