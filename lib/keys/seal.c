/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <sodium.h>

#include "peel_cell.h"
#include "peel_keys.h"

_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == PEEL_SEAL_TAG_LEN, "tag");
_Static_assert(crypto_aead_chacha20poly1305_ietf_NPUBBYTES == 4 + PEEL_SEAL_SALT_LEN, "nonce");

void
peel_seal_one(const struct peel_key *key, const uint8_t salt[4], uint64_t explicit_salt,
	const uint8_t *in, size_t len, uint8_t *out)
{
	uint8_t nonce[12];

	memcpy(nonce, salt, 4);
	peel_put_be64(nonce + 4, explicit_salt);
	memcpy(out, nonce + 4, PEEL_SEAL_SALT_LEN);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		out + PEEL_SEAL_SALT_LEN, NULL, in, len, NULL, 0, NULL, nonce, key->b);
}

int
peel_open_one(const struct peel_key *key, const uint8_t salt[4], const uint8_t *in, size_t len,
	uint8_t *out)
{
	uint8_t nonce[12];

	if (len < PEEL_SEAL_OVERHEAD)
		return -EBADMSG;
	memcpy(nonce, salt, 4);
	memcpy(nonce + 4, in, PEEL_SEAL_SALT_LEN);
	if (crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in + PEEL_SEAL_SALT_LEN,
		    len - PEEL_SEAL_SALT_LEN, NULL, 0, nonce, key->b) != 0)
		return -EBADMSG;
	return (int)(len - PEEL_SEAL_OVERHEAD);
}
