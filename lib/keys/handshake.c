/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <sodium.h>

#include "key_pairs.h"
#include "primitives.h"

_Static_assert(crypto_auth_BYTES == 32, "auth on the wire is HMAC-SHA-512 cut to 32 bytes");

#define SECRET_LEN 64 /* K1 || K2 */
#define OKM_LEN 72

/* HKDF-Expand with SHA-256, protocol section 12.2: T(i) = HMAC(secret, T(i-1) || info || i). The
 * hash takes in the secret once. */
static void
expand(const uint8_t secret[SECRET_LEN], uint8_t okm[OKM_LEN])
{
	static const char info[] = "key_generation";
	crypto_auth_hmacsha256_state keyed, hmac;
	uint8_t block[crypto_auth_hmacsha256_BYTES];
	uint8_t i = 1;

	crypto_auth_hmacsha256_init(&keyed, secret, SECRET_LEN);
	for (size_t at = 0; at < OKM_LEN; at += sizeof(block), i++) {
		size_t n = OKM_LEN - at < sizeof(block) ? OKM_LEN - at : sizeof(block);

		hmac = keyed;
		if (i > 1)
			crypto_auth_hmacsha256_update(&hmac, block, sizeof(block));
		crypto_auth_hmacsha256_update(&hmac, (const uint8_t *)info, sizeof(info) - 1);
		crypto_auth_hmacsha256_update(&hmac, &i, 1);
		crypto_auth_hmacsha256_final(&hmac, block);
		memcpy(okm + at, block, n);
	}
	peel_wipe(&keyed, sizeof(keyed));
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

/* ---- responder ------------------------------------------------------------------------------- */

#define OPS_MAX 3 /* K1, K2, and perhaps its ephemeral key */

struct responder {
	uint8_t y_secret[PEEL_HANDSHAKES][32];
	bool made[PEEL_HANDSHAKES]; /* the ephemeral key; otherwise it was ready */
	uint8_t secret[SECRET_LEN];
	struct peel_x25519_op op[PEEL_HANDSHAKES * OPS_MAX];
};

static void
answer(struct peel_handshake *h, const struct peel_x25519_op k[2], uint8_t secret[SECRET_LEN])
{
	h->ret = k[0].refused ? -EBADMSG : 0;
	if (h->ret != 0)
		return;
	memcpy(secret, k[0].out, 32);
	memcpy(secret + 32, k[1].out, 32);
	crypto_auth(h->auth, h->y, 32, secret);
	derive(secret, &h->keys);
}

static void
respond(const struct peel_env *env, const struct peel_identity *id, struct peel_key_pairs *pairs,
	struct peel_handshake *h, unsigned int n)
{
	struct responder r;
	struct peel_x25519_op *made = &r.op[2 * n];

	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *x = h[i].x, *y_secret = r.y_secret[i];

		r.made[i] = !key_pairs_take(pairs, r.y_secret[i], h[i].y);
		if (r.made[i]) {
			peel_random(env, r.y_secret[i], 32);
			*made++ = (struct peel_x25519_op){.scalar = y_secret};
		}
		r.op[2 * i] = (struct peel_x25519_op){.scalar = y_secret, .point = x};
		r.op[2 * i + 1] = (struct peel_x25519_op){.scalar = id->x25519_sk, .point = x};
	}
	x25519_agree(r.op, (unsigned int)(made - r.op));
	made = &r.op[2 * n];
	for (unsigned int i = 0; i < n; i++) {
		if (r.made[i])
			memcpy(h[i].y, (made++)->out, sizeof(h[i].y));
		answer(&h[i], &r.op[2 * i], r.secret);
	}
	peel_wipe(&r, sizeof(r));
}

void
peel_handshake_respond_batch(const struct peel_env *env, const struct peel_identity *id,
	struct peel_key_pairs *pairs, struct peel_handshake *h, unsigned int n)
{
	for (unsigned int i = 0; i < n; i += PEEL_HANDSHAKES)
		respond(env, id, pairs, &h[i], n - i < PEEL_HANDSHAKES ? n - i : PEEL_HANDSHAKES);
}

int
peel_handshake_respond(const struct peel_env *env, const struct peel_identity *id,
	const uint8_t x[32], uint8_t y_out[32], uint8_t auth_out[32],
	struct peel_session_keys *keys)
{
	struct peel_handshake h;

	memcpy(h.x, x, sizeof(h.x));
	respond(env, id, NULL, &h, 1);
	int ret = h.ret;

	if (ret == 0) {
		memcpy(y_out, h.y, sizeof(h.y));
		memcpy(auth_out, h.auth, sizeof(h.auth));
		*keys = h.keys;
	}
	peel_wipe(&h, sizeof(h));
	return ret;
}

/* ---- initiator ------------------------------------------------------------------------------- */

int
peel_handshake_start(const struct peel_env *env, uint8_t x_secret[32], uint8_t x_public[32])
{
	struct peel_x25519_op op = {.scalar = x_secret};

	peel_random(env, x_secret, 32);
	x25519_agree(&op, 1);
	memcpy(x_public, op.out, 32);
	return 0;
}

int
peel_handshake_finish(const uint8_t x_secret[32], const uint8_t pk74[PEEL_PK_LEN],
	const uint8_t y[32], const uint8_t auth[32], struct peel_session_keys *keys)
{
	struct peel_x25519_op op[2] = {
		{.scalar = x_secret, .point = y},
		{.scalar = x_secret, .point = pk74 + PEEL_PK_LEN - 64},
	};
	uint8_t secret[SECRET_LEN];
	int ret = 0;

	x25519_agree(op, 2);
	memcpy(secret, op[0].out, 32);
	memcpy(secret + 32, op[1].out, 32);
	if (op[0].refused || op[1].refused || crypto_auth_verify(auth, y, 32, secret) != 0)
		ret = -EBADMSG;
	if (ret == 0)
		derive(secret, keys);
	peel_wipe(op, sizeof(op));
	peel_wipe(secret, sizeof(secret));
	return ret;
}
