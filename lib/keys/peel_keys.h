/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Identity, signatures, handshake and key derivation, on libsodium; SHA-1 and the legacy curves of
 * bootstrap servers on libcrypto. Source: protocol sections 5 and 12. Call peel_keys_init() once
 * first. Thread: any (no shared state), unless a function says otherwise.
 */

#include "peel_cell.h"
#include "peel_wire.h"

#define PEEL_SK_LEN 74 /* "LibNaCLSK:", X25519 secret, Ed25519 seed */

/** Initialise libsodium and check that SHA-1 works. Calling it again does nothing. 0 or
 * -ENOTSUP. */
int peel_keys_init(void) PEEL_MUST_USE;

/** A node's long-term key. Wipe with peel_identity_wipe(). */
struct peel_identity {
	uint8_t pk[PEEL_PK_LEN];   /* public serialisation */
	uint8_t mid[PEEL_MID_LEN]; /* SHA-1 of it */
	uint8_t x25519_sk[32];
	uint8_t ed25519_sk[64]; /* libsodium's form: seed and public key */
};

int peel_identity_generate(const struct peel_env *env, struct peel_identity *out) PEEL_MUST_USE;
/** Make an identity from the private serialisation, as in py-ipv8's key files. 0 or -EINVAL. */
int peel_identity_parse(const uint8_t *sk, size_t len, struct peel_identity *out) PEEL_MUST_USE;
void peel_identity_serialise(const struct peel_identity *id, uint8_t out[PEEL_SK_LEN]);
void peel_identity_wipe(struct peel_identity *id);

/**
 * Key files, in py-ipv8's format (74 raw bytes). Saving creates the file with mode 0600 and never
 * replaces one (-EEXIST). Loading refuses a file that others can read or write (-EPERM), one that
 * is not a regular file or has another size or magic (-EINVAL), and a legacy elliptic curve key
 * (-ENOTSUP). @p why receives a sentence that says what is wrong and what to do. Thread: control.
 */
int peel_identity_load(
	const char *path, struct peel_identity *out, char *why, size_t why_size) PEEL_MUST_USE;
int peel_identity_save(
	const char *path, const struct peel_identity *id, char *why, size_t why_size) PEEL_MUST_USE;

/** SHA-1; that of a public serialisation is the member id (section 5.1). */
void peel_mid(const uint8_t *pk, size_t len, uint8_t out[PEEL_MID_LEN]);

/** Append the 64-byte Ed25519 signature over everything the writer holds; sets `full` if it does
 * not fit. */
void peel_sign(struct peel_writer *w, const struct peel_identity *id);
/** Build a whole signed destroy (section 17) of @p id for the overlay of @p prefix. */
void peel_destroy_build(uint8_t out[PEEL_DESTROY_LEN], const uint8_t prefix[PEEL_PREFIX_LEN],
	const struct peel_identity *id, uint32_t cid, uint16_t reason);
/** @return true if the signature of a split frame verifies. Legacy frames (bootstrap servers)
 *         verify too, but take 0.4 ms (sect163k1) to 3 ms (sect571r1) instead of 40 us: compare the
 *         source address with the configured servers first. */
bool peel_signed_verify(const struct peel_signed *s);

/* ---- X25519, RFC 7748 ------------------------------------------------------------------------ */

/** One multiplication: a scalar, which is clamped, and a point of 32 bytes each. */
struct peel_x25519_op {
	const uint8_t *scalar;
	const uint8_t *point; /* NULL: the base point */
	uint8_t out[32];
	bool refused; /* the point is of low order, and the result zeros */
};

/** Do @p n multiplications, any number of any kind: the results and refusals are libsodium's.
 * Timing depends on @p n and on which points are NULL. The caller wipes the results. */
void peel_x25519_batch(struct peel_x25519_op *op, unsigned int n);
/** How many multiplications this CPU does side by side: 8 (AVX-512 IFMA), 4 (AVX2) or 1. */
unsigned int peel_x25519_lanes(void);
/** Use no more than so many from now on. For tests and benchmarks: no other thread may be in this
 * library. */
void peel_x25519_limit(unsigned int lanes);

/* ---- handshake, section 12 ------------------------------------------------------------------- */

/** The keys that a hop shares with the originator. */
struct peel_session_keys {
	struct peel_key backward, forward;
	uint8_t salt_backward[4], salt_forward[4];
};

/** Responder: answer X with a fresh Y. 0, or -EBADMSG for a low-order X. The caller wipes @p keys;
 * after an error no output may be used. */
int peel_handshake_respond(const struct peel_env *env, const struct peel_identity *id,
	const uint8_t x[32], uint8_t y_out[32], uint8_t auth_out[32],
	struct peel_session_keys *keys) PEEL_MUST_USE;

/** An X and its answer. */
struct peel_handshake {
	uint8_t x[32];
	uint8_t y[32], auth[32];
	struct peel_session_keys keys;
	int ret; /* as of peel_handshake_respond() */
};
#define PEEL_HANDSHAKES 8 /* how many at a time cost least each */
/** A few ephemeral key pairs that a responder makes when there is nothing else to do: in locked
 * memory, each used once and wiped. Thread: one, its owner's. */
struct peel_key_pairs;
int peel_key_pairs_new(struct peel_key_pairs **out) PEEL_MUST_USE;
/** NULL is fine. */
void peel_key_pairs_free(struct peel_key_pairs *p);
/** Make as many as are made at once, if there is room. @return whether there is room for more. */
bool peel_key_pairs_fill(struct peel_key_pairs *p, const struct peel_env *env);

/** Responder: answer many at once, which costs less where peel_x25519_lanes() is above 1, and still
 * less with key pairs from @p pairs (may be NULL). Random numbers are drawn in their order. The
 * caller wipes @p h. */
void peel_handshake_respond_batch(const struct peel_env *env, const struct peel_identity *id,
	struct peel_key_pairs *pairs, struct peel_handshake *h, unsigned int n);

/** Initiator, first half: fresh x and X = x*G. The caller wipes @p x_secret. */
int peel_handshake_start(
	const struct peel_env *env, uint8_t x_secret[32], uint8_t x_public[32]) PEEL_MUST_USE;
/** Initiator, second half. @p pk74 is the responder's key. 0, or -EBADMSG for a low-order Y or a
 * wrong authenticator. The caller wipes @p keys. */
int peel_handshake_finish(const uint8_t x_secret[32], const uint8_t pk74[PEEL_PK_LEN],
	const uint8_t y[32], const uint8_t auth[32], struct peel_session_keys *keys) PEEL_MUST_USE;

/* Single sealing operations off the hot path (candidate lists): [salt 8][ciphertext][tag 16],
 * section 12.3. */

/** Seal @p len bytes. @p out needs len + 24 bytes and may not overlap @p in. Never use an @p
 * explicit_salt twice with a key. */
void peel_seal_one(const struct peel_key *key, const uint8_t salt[4], uint64_t explicit_salt,
	const uint8_t *in, size_t len, uint8_t *out);
/** Open @p len bytes. @p out needs len - 24 bytes. @return the length of the plaintext, or
 * -EBADMSG. */
int peel_open_one(const struct peel_key *key, const uint8_t salt[4], const uint8_t *in, size_t len,
	uint8_t *out) PEEL_MUST_USE;
