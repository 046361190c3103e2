/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Wycheproof's test vectors of ChaCha20-Poly1305, by every engine. Cells have no associated data,
 * most vectors have some. What such a vector is about still reaches the engines:
 *
 * - Encryption is the same, so the ciphertext is.
 * - The tag belongs to other data, so it must be refused. libsodium's tag without associated data
 *   takes its place; where the vector's is a right tag with some bits changed, the same bits of
 *   that one are.
 * - What Poly1305 hashes (associated data, ciphertext, their lengths) becomes the ciphertext of a
 *   cell with the same key, so that sums pass the same edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sodium.h>
#include <cmocka.h>

#include "engines_under_test.h"
#include "peel_vectors.h"

#define N_VECTORS 316
#define N_INVALID 60
#define BLOCK 16
#define TEXT_MAX 1024
#define SEALED_MAX (TEXT_MAX + PEEL_AEAD_TAG_LEN)

struct vector {
	struct peel_key key;
	uint8_t nonce[PEEL_AEAD_NONCE_LEN];
	uint8_t *aad, *plain, *cipher;
	size_t aad_len, len;
	uint8_t tag[PEEL_AEAD_TAG_LEN];
	bool ok;
};

/* As an engine sees it: plaintext, and ciphertext with its right tag. */
struct cell {
	struct peel_key key;
	uint8_t nonce[PEEL_AEAD_NONCE_LEN];
	uint32_t len;
	uint8_t plain[TEXT_MAX], sealed[SEALED_MAX];
};

static struct vector vectors[N_VECTORS];
/* the texts of the vectors, and what Poly1305 hashes for them */
static struct cell texts[N_VECTORS], hashed[N_VECTORS];

static void
load(void)
{
	json_t *file = peel_vectors_load("aead_wycheproof"), *v;
	size_t i, len;

	assert_int_equal(json_array_size(peel_vec_get(file, "vectors")), N_VECTORS);
	peel_vectors_foreach (file, i, v) {
		struct vector *w = &vectors[i];

		peel_vec_bytes(v, "key", &w->key, sizeof(w->key));
		peel_vec_bytes(v, "nonce", w->nonce, sizeof(w->nonce));
		peel_vec_bytes(v, "tag", w->tag, sizeof(w->tag));
		w->aad = peel_vec_hex(v, "aad", &w->aad_len);
		w->plain = peel_vec_hex(v, "plaintext", &w->len);
		w->cipher = peel_vec_hex(v, "ciphertext", &len);
		w->ok = strcmp(peel_vec_str(v, "expect"), "ok") == 0;
		assert_int_equal(len, w->len);
		assert_true(len <= TEXT_MAX);
	}
	json_decref(file);
}

static void
make_cell(struct cell *c, const struct vector *v, const uint8_t *plain, size_t len)
{
	assert_true(len <= TEXT_MAX);
	c->key = v->key;
	memcpy(c->nonce, v->nonce, sizeof(c->nonce));
	c->len = (uint32_t)len;
	memcpy(c->plain, plain, len);
	crypto_aead_chacha20poly1305_ietf_encrypt_detached(
		c->sealed, c->sealed + len, NULL, plain, len, NULL, 0, NULL, c->nonce, c->key.b);
}

static size_t
append_padded(uint8_t *out, size_t at, const uint8_t *bytes, size_t len)
{
	size_t padded = (len + BLOCK - 1) / BLOCK * BLOCK;

	assert_true(at + padded <= TEXT_MAX);
	memset(out + at, 0, padded);
	memcpy(out + at, bytes, len);
	return at + padded;
}

/* Poly1305's input (RFC 8439 section 2.8), and a plaintext that becomes it. The vector's own tag
 * shows that it is the right one. */
static void
make_hashed(struct cell *c, const struct vector *v)
{
	uint64_t lengths[2] = {v->aad_len, v->len};
	uint8_t input[TEXT_MAX], plain[TEXT_MAX], one_time[32] = {0}, tag[PEEL_AEAD_TAG_LEN];
	size_t len = append_padded(input, 0, v->aad, v->aad_len);

	len = append_padded(input, len, v->cipher, v->len);
	len = append_padded(input, len, (const uint8_t *)lengths, sizeof(lengths));
	crypto_stream_chacha20_ietf(one_time, sizeof(one_time), v->nonce, v->key.b);
	crypto_onetimeauth_poly1305(tag, input, len, one_time);
	assert_int_equal(memcmp(tag, v->tag, sizeof(tag)) == 0, v->ok);
	crypto_stream_chacha20_ietf_xor_ic(plain, input, len, v->nonce, 1, v->key.b);
	make_cell(c, v, plain, len);
	assert_memory_equal(c->sealed, input, len);
}

static int
setup(void **state)
{
	unsigned int n_invalid = 0;

	if (sodium_init() < 0)
		return -1;
	load();
	for (unsigned int i = 0; i < N_VECTORS; i++) {
		make_cell(&texts[i], &vectors[i], vectors[i].plain, vectors[i].len);
		make_hashed(&hashed[i], &vectors[i]);
		n_invalid += !vectors[i].ok;
	}
	assert_int_equal(n_invalid, N_INVALID);
	return engines_open(state);
}

static int
teardown(void **state)
{
	for (unsigned int i = 0; i < N_VECTORS; i++) {
		free(vectors[i].aad);
		free(vectors[i].plain);
		free(vectors[i].cipher);
	}
	return engines_close(state);
}

/* ---- bursts ---------------------------------------------------------------------------------- */

static uint8_t room[PEEL_AEAD_BURST][SEALED_MAX];

static void
set_op(struct peel_aead_op *op, unsigned int i, const struct cell *c)
{
	*op = (struct peel_aead_op){.key = &c->key, .text = room[i], .len = c->len};
	memcpy(op->nonce, c->nonce, sizeof(op->nonce));
}

static void
seal_like_sodium(const struct open_engine *en, const struct cell *c, unsigned int n)
{
	struct peel_aead_op op[PEEL_AEAD_BURST];

	for (unsigned int i = 0; i < n; i++) {
		set_op(&op[i], i, &c[i]);
		memcpy(op[i].text, c[i].plain, c[i].len);
	}
	en->e->seal(en->cx, op, n);
	for (unsigned int i = 0; i < n; i++)
		assert_memory_equal(op[i].text, c[i].sealed, c[i].len + PEEL_AEAD_TAG_LEN);
}

/* Open them with the bits of @p changes changed in their tags: none, and the tag is right. */
static void
open_changed(const struct open_engine *en, const struct cell *c,
	uint8_t changes[][PEEL_AEAD_TAG_LEN], unsigned int n)
{
	struct peel_aead_op op[PEEL_AEAD_BURST];
	uint64_t failed = 0;

	for (unsigned int i = 0; i < n; i++) {
		set_op(&op[i], i, &c[i]);
		op[i].len += PEEL_AEAD_TAG_LEN;
		memcpy(op[i].text, c[i].sealed, op[i].len);
		for (unsigned int k = 0; k < PEEL_AEAD_TAG_LEN; k++)
			op[i].text[c[i].len + k] ^= changes[i][k];
		failed |= (uint64_t)!all_zero(changes[i], PEEL_AEAD_TAG_LEN) << i;
	}
	assert_true(en->e->open(en->cx, op, n) == failed);
	for (unsigned int i = 0; i < n; i++) {
		if ((failed >> i & 1) != 0)
			assert_true(all_zero(op[i].text, op[i].len));
		else
			assert_memory_equal(op[i].text, c[i].plain, c[i].len);
	}
}

/* The tag of the vector, as a change of the tag without associated data. */
static void
to_other_tag(uint8_t change[PEEL_AEAD_TAG_LEN], const struct vector *v, const struct cell *c)
{
	for (unsigned int k = 0; k < PEEL_AEAD_TAG_LEN; k++)
		change[k] = v->tag[k] ^ c->sealed[c->len + k];
}

/* What an invalid vector changes in the right tag; nothing in valid ones. */
static void
to_same_bits(uint8_t change[PEEL_AEAD_TAG_LEN], const struct vector *v)
{
	uint8_t right[PEEL_AEAD_TAG_LEN], cipher[TEXT_MAX];

	crypto_aead_chacha20poly1305_ietf_encrypt_detached(cipher, right, NULL, v->plain, v->len,
		v->aad, v->aad_len, NULL, v->nonce, v->key.b);
	assert_memory_equal(cipher, v->cipher, v->len);
	for (unsigned int k = 0; k < PEEL_AEAD_TAG_LEN; k++)
		change[k] = v->tag[k] ^ right[k];
	assert_int_equal(all_zero(change, PEEL_AEAD_TAG_LEN), v->ok);
}

static const unsigned int bursts[] = {1, 5, 32, PEEL_AEAD_BURST};

/* @p run gets each engine, and all vectors in bursts of several sizes. */
static void
over_all(void (*run)(const struct open_engine *en, unsigned int first, unsigned int n))
{
	for (unsigned int e = 0; e < n_engines; e++) {
		for (unsigned int b = 0; b < PEEL_ARRAY_LEN(bursts); b++) {
			for (unsigned int first = 0; first < N_VECTORS; first += bursts[b]) {
				unsigned int left = N_VECTORS - first;

				run(&engines[e], first, left < bursts[b] ? left : bursts[b]);
			}
		}
	}
}

static void
seal_texts(const struct open_engine *en, unsigned int first, unsigned int n)
{
	seal_like_sodium(en, &texts[first], n);
	for (unsigned int i = 0; i < n; i++) {
		const struct vector *v = &vectors[first + i];

		assert_memory_equal(room[i], v->cipher, v->len);
		if (v->aad_len == 0)
			assert_memory_equal(room[i] + v->len, v->tag, sizeof(v->tag));
	}
}

static void
test_seal(void **state)
{
	(void)state;
	over_all(seal_texts);
}

static void
open_texts(const struct open_engine *en, unsigned int first, unsigned int n)
{
	uint8_t change[PEEL_AEAD_BURST][PEEL_AEAD_TAG_LEN];

	for (unsigned int i = 0; i < n; i++) {
		const struct vector *v = &vectors[first + i];

		to_other_tag(change[i], v, &texts[first + i]);
		assert_int_equal(all_zero(change[i], sizeof(change[i])), v->ok && v->aad_len == 0);
	}
	open_changed(en, &texts[first], change, n);
	for (unsigned int i = 0; i < n; i++)
		to_same_bits(change[i], &vectors[first + i]);
	open_changed(en, &texts[first], change, n);
}

static void
test_open(void **state)
{
	(void)state;
	over_all(open_texts);
}

static void
pass_hashed(const struct open_engine *en, unsigned int first, unsigned int n)
{
	static uint8_t none[PEEL_AEAD_BURST][PEEL_AEAD_TAG_LEN];

	seal_like_sodium(en, &hashed[first], n);
	open_changed(en, &hashed[first], none, n);
}

static void
test_edges_of_poly1305(void **state)
{
	(void)state;
	over_all(pass_hashed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seal),
		cmocka_unit_test(test_open),
		cmocka_unit_test(test_edges_of_poly1305),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
