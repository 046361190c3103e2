/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <openssl/evp.h>

#include "peel_keys.h"
#include "primitives.h"

_Static_assert(PEEL_PK_LEN == 10 + crypto_box_PUBLICKEYBYTES + crypto_sign_PUBLICKEYBYTES,
	"public serialisation: magic, X25519, Ed25519");
_Static_assert(PEEL_SK_LEN == 10 + crypto_box_SECRETKEYBYTES + crypto_sign_SEEDBYTES,
	"private serialisation: magic, X25519, Ed25519 seed");

#define MAGIC_LEN 10
static const char pk_magic[] = "LibNaCLPK:";
static const char sk_magic[] = "LibNaCLSK:";

int
peel_keys_init(void)
{
	uint8_t digest[PEEL_MID_LEN];
	unsigned int len = sizeof(digest);

	if (sodium_init() < 0)
		return -ENOTSUP;
	/* Some system policies switch SHA-1 off: say so at start, not when the first peer shows
	 * up. */
	if (EVP_Digest("", 0, digest, &len, EVP_sha1(), NULL) != 1)
		return -ENOTSUP;
	return 0;
}

void
peel_mid(const uint8_t *pk, size_t len, uint8_t out[PEEL_MID_LEN])
{
	unsigned int out_len = PEEL_MID_LEN;

	/* Can fail only without memory; a made-up id would let strangers be taken for each
	 * other. */
	if (EVP_Digest(pk, len, out, &out_len, EVP_sha1(), NULL) != 1)
		abort();
}

/* Everything else follows from the X25519 secret and the Ed25519 seed. */
static void
derive(struct peel_identity *id, const uint8_t x25519_sk[32], const uint8_t seed[32])
{
	uint8_t *x25519_pk = id->pk + MAGIC_LEN, *ed25519_pk = x25519_pk + 32;
	struct peel_x25519_op op = {.scalar = x25519_sk};

	memcpy(id->pk, pk_magic, MAGIC_LEN);
	memcpy(id->x25519_sk, x25519_sk, sizeof(id->x25519_sk));
	x25519_agree(&op, 1);
	memcpy(x25519_pk, op.out, 32);
	ed25519_keys(ed25519_pk, id->ed25519_sk, seed);
	peel_mid(id->pk, sizeof(id->pk), id->mid);
}

int
peel_identity_generate(const struct peel_env *env, struct peel_identity *out)
{
	uint8_t secrets[64];

	peel_random(env, secrets, sizeof(secrets));
	derive(out, secrets, secrets + 32);
	peel_wipe(secrets, sizeof(secrets));
	return 0;
}

int
peel_identity_parse(const uint8_t *sk, size_t len, struct peel_identity *out)
{
	if (len != PEEL_SK_LEN || memcmp(sk, sk_magic, MAGIC_LEN) != 0)
		return -EINVAL;
	derive(out, sk + MAGIC_LEN, sk + MAGIC_LEN + 32);
	return 0;
}

void
peel_identity_serialise(const struct peel_identity *id, uint8_t out[PEEL_SK_LEN])
{
	memcpy(out, sk_magic, MAGIC_LEN);
	memcpy(out + MAGIC_LEN, id->x25519_sk, 32);
	memcpy(out + MAGIC_LEN + 32, id->ed25519_sk, 32);
}

void
peel_identity_wipe(struct peel_identity *id)
{
	peel_wipe(id, sizeof(*id));
}
