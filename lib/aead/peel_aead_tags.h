/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Tags, for engines that compute them themselves. Thread: the engine's. */

#include "peel_aead.h"

/** 1 if the tags differ, otherwise 0; without a branch on their bytes. */
static inline uint64_t
peel_aead_tag_differs(const uint8_t a[PEEL_AEAD_TAG_LEN], const uint8_t b[PEEL_AEAD_TAG_LEN])
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	uint64_t diff = (x[0] ^ y[0]) | (x[1] ^ y[1]);

	return (diff | (0 - diff)) >> 63;
}

/** Some of @p n operations failed, which is rare. Zero their texts, where an engine left an
 * unauthentic plaintext, and the computed tags: they would have made forgeries authentic. No more
 * than that, as the others in the burst wait for it. */
void peel_aead_wipe_failed(struct peel_aead_op *op, unsigned int n, uint64_t failed,
	uint8_t tag[][PEEL_AEAD_TAG_LEN]) __attribute__((cold));
