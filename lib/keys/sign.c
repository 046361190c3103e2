/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "peel_keys.h"
#include "primitives.h"

void
peel_sign(struct peel_writer *w, const struct peel_identity *id)
{
	uint8_t signature[PEEL_SIGNATURE_LEN];

	if (w->full)
		return;
	ed25519_sign(signature, w->start, (size_t)(w->p - w->start), id->ed25519_sk);
	peel_write_bytes(w, signature, sizeof(signature));
}

void
peel_destroy_build(uint8_t out[PEEL_DESTROY_LEN], const uint8_t prefix[PEEL_PREFIX_LEN],
	const struct peel_identity *id, uint32_t cid, uint16_t reason)
{
	const struct peel_msg_destroy m = {.cid = cid, .reason = reason};
	struct peel_writer w = peel_writer_init(out, PEEL_DESTROY_LEN);
	uint8_t body[PEEL_DESTROY_BODY_LEN];

	peel_destroy_body(body, &m);
	peel_signed_begin(&w, prefix, PEEL_MSG_DESTROY, id->pk, false, 0);
	peel_write_bytes(&w, body, sizeof(body));
	peel_sign(&w, id);
}

/* The wire has r || s, each padded to the same length; libcrypto wants DER. @return its length, 0
 * on failure. */
static int
signature_to_der(struct peel_span rs, uint8_t **der)
{
	int half = (int)(rs.len / 2), len = 0;
	BIGNUM *r = BN_bin2bn(rs.p, half, NULL), *s = BN_bin2bn(rs.p + half, half, NULL);
	ECDSA_SIG *sig = ECDSA_SIG_new();

	*der = NULL;
	if (r != NULL && s != NULL && sig != NULL && ECDSA_SIG_set0(sig, r, s) == 1) {
		r = s = NULL; /* owned by sig now */
		len = i2d_ECDSA_SIG(sig, der);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return len > 0 ? len : 0;
}

/* ECDSA over SHA-1 on a named binary curve: bootstrap servers only. */
static bool
verify_legacy(const struct peel_signed *f)
{
	const uint8_t *spki = f->pk.p;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &spki, (long)f->pk.len);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *der;
	int der_len = signature_to_der(f->signature, &der);
	bool good = key != NULL && ctx != NULL && der_len > 0 &&
		    EVP_DigestVerifyInit(ctx, NULL, EVP_sha1(), NULL, key) == 1 &&
		    EVP_DigestVerify(ctx, der, (size_t)der_len, f->covered.p, f->covered.len) == 1;

	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return good;
}

bool
peel_signed_verify(const struct peel_signed *f)
{
	if (f->legacy)
		return verify_legacy(f);
	if (!peel_pk_valid(f->pk) || f->signature.len != PEEL_SIGNATURE_LEN)
		return false;
	return ed25519_verify(
		f->signature.p, f->covered.p, f->covered.len, f->pk.p + PEEL_PK_LEN - 32);
}
