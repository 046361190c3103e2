/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The engine on libsodium: one cell after the other.
 */
#include <errno.h>
#include <stdlib.h>

#include <sodium.h>

#include "peel_aead_sodium.h"

_Static_assert(crypto_aead_chacha20poly1305_IETF_ABYTES == PEEL_AEAD_TAG_LEN, "tag length");
_Static_assert(crypto_aead_chacha20poly1305_IETF_NPUBBYTES == PEEL_AEAD_NONCE_LEN, "nonce length");
_Static_assert(crypto_aead_chacha20poly1305_IETF_KEYBYTES == sizeof(struct peel_key), "key length");

struct peel_aead {
	/* libsodium keeps no state */
	uint8_t unused;
};

static int
sodium_new(struct peel_aead **out)
{
	*out = NULL;
	/* Idempotent, and may run in several threads. */
	if (sodium_init() < 0)
		return -ENOTSUP;
	*out = calloc(1, sizeof(**out));
	return *out == NULL ? -ENOMEM : 0;
}

static void
sodium_free_cx(struct peel_aead *cx)
{
	free(cx);
}

static void
sodium_seal(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	(void)cx;
	for (unsigned int i = 0; i < n; i++)
		crypto_aead_chacha20poly1305_ietf_encrypt_detached(op[i].text,
			op[i].text + op[i].len, NULL, op[i].text, op[i].len, NULL, 0, NULL,
			op[i].nonce, op[i].key->b);
}

static uint64_t
sodium_open(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	uint64_t failed = 0;

	(void)cx;
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = op[i].len - PEEL_AEAD_TAG_LEN;

		if (op[i].len >= PEEL_AEAD_TAG_LEN &&
			crypto_aead_chacha20poly1305_ietf_decrypt_detached(op[i].text, NULL,
				op[i].text, len, op[i].text + len, NULL, 0, op[i].nonce,
				op[i].key->b) == 0)
			continue;
		failed |= UINT64_C(1) << i;
		memset(op[i].text, 0, op[i].len);
	}
	return failed;
}

const struct peel_aead_engine peel_aead_sodium = {
	.name = "sodium",
	.new = sodium_new,
	.free = sodium_free_cx,
	.seal = sodium_seal,
	.open = sodium_open,
};
