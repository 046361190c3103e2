/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <sodium.h>

#include "peel_keys.h"
#include "primitives.h"

_Static_assert(crypto_auth_BYTES == 32, "auth on the wire is HMAC-SHA-512 cut to 32 bytes");

#define SECRET_LEN 64 /* K1 || K2 */
#define OKM_LEN 72

/* HKDF-Expand with SHA-256, protocol section 12.2: T(i) = HMAC(secret, T(i-1) || info || i). */
static void
expand(const uint8_t secret[SECRET_LEN], uint8_t okm[OKM_LEN])
{
	static const char info[] = "key_generation";
	crypto_auth_hmacsha256_state hmac;
	uint8_t block[crypto_auth_hmacsha256_BYTES];
	uint8_t i = 1;

	for (size_t at = 0; at < OKM_LEN; at += sizeof(block), i++) {
		size_t n = OKM_LEN - at < sizeof(block) ? OKM_LEN - at : sizeof(block);

		crypto_auth_hmacsha256_init(&hmac, secret, SECRET_LEN);
		if (i > 1)
			crypto_auth_hmacsha256_update(&hmac, block, sizeof(block));
		crypto_auth_hmacsha256_update(&hmac, (const uint8_t *)info, sizeof(info) - 1);
		crypto_auth_hmacsha256_update(&hmac, &i, 1);
		crypto_auth_hmacsha256_final(&hmac, block);
		memcpy(okm + at, block, n);
	}
	peel_wipe(&hmac, sizeof(hmac));
	peel_wipe(block, sizeof(block));
}

static void
derive(const uint8_t secret[SECRET_LEN], struct peel_session_keys *keys)
{
	uint8_t okm[OKM_LEN];

	expand(secret, okm);
	memcpy(keys->backward.b, okm, 32);
	memcpy(keys->forward.b, okm + 32, 32);
	memcpy(keys->salt_backward, okm + 64, 4);
	memcpy(keys->salt_forward, okm + 68, 4);
	peel_wipe(okm, sizeof(okm));
}

/* K1 from the two ephemeral keys, K2 from the responder's long-term one; points of low order are
 * refused. */
static int
agree(uint8_t secret[SECRET_LEN], const uint8_t k1_sk[32], const uint8_t k1_pk[32],
	const uint8_t k2_sk[32], const uint8_t k2_pk[32])
{
	if (x25519_agree(secret, k1_pk, k1_sk) != 0 || x25519_agree(secret + 32, k2_pk, k2_sk) != 0)
		return -EBADMSG;
	return 0;
}

int
peel_handshake_respond(const struct peel_env *env, const struct peel_identity *id,
	const uint8_t x[32], uint8_t y_out[32], uint8_t auth_out[32],
	struct peel_session_keys *keys)
{
	uint8_t y_secret[32], secret[SECRET_LEN];
	int ret = peel_handshake_start(env, y_secret, y_out);

	if (ret == 0)
		ret = agree(secret, y_secret, x, id->x25519_sk, x);
	if (ret == 0) {
		crypto_auth(auth_out, y_out, 32, secret);
		derive(secret, keys);
	}
	peel_wipe(y_secret, sizeof(y_secret));
	peel_wipe(secret, sizeof(secret));
	return ret;
}

int
peel_handshake_start(const struct peel_env *env, uint8_t x_secret[32], uint8_t x_public[32])
{
	peel_random(env, x_secret, 32);
	return x25519_public(x_public, x_secret) == 0 ? 0 : -EBADMSG;
}

int
peel_handshake_finish(const uint8_t x_secret[32], const uint8_t pk74[PEEL_PK_LEN],
	const uint8_t y[32], const uint8_t auth[32], struct peel_session_keys *keys)
{
	uint8_t secret[SECRET_LEN];
	const uint8_t *b_public = pk74 + PEEL_PK_LEN - 64;
	int ret = agree(secret, x_secret, y, x_secret, b_public);

	if (ret == 0 && crypto_auth_verify(auth, y, 32, secret) != 0)
		ret = -EBADMSG;
	if (ret == 0)
		derive(secret, keys);
	peel_wipe(secret, sizeof(secret));
	return ret;
}
