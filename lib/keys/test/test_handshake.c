/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Handshake, key derivation, sealing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fixture.h"
#include "peel_cell.h"

/* A responder with this X25519 secret; its signature key plays no part. */
static void
responder_from(const json_t *v, struct peel_identity *out)
{
	uint8_t sk[PEEL_SK_LEN] = "LibNaCLSK:";

	peel_vec_bytes(v, "responder_static_secret", sk + 10, 32);
	assert_int_equal(peel_identity_parse(sk, sizeof(sk), out), 0);
}

static int
respond(const json_t *v, const uint8_t x[32], uint8_t y[32], uint8_t auth[32],
	struct peel_session_keys *keys)
{
	struct chosen_random random;
	struct peel_identity id;
	uint8_t secret[32];

	responder_from(v, &id);
	peel_vec_bytes(v, "responder_ephemeral_secret", secret, sizeof(secret));
	chosen_random_init(&random, secret, sizeof(secret));
	return peel_handshake_respond(&random.env, &id, x, y, auth, keys);
}

static void
check_agreement(const json_t *v)
{
	struct chosen_random random;
	struct peel_identity id;
	struct peel_session_keys keys, mine;
	uint8_t secret[32], x_secret[32], x[32], y[32], auth[32];

	peel_vec_bytes(v, "initiator_ephemeral_secret", secret, sizeof(secret));
	chosen_random_init(&random, secret, sizeof(secret));
	assert_int_equal(peel_handshake_start(&random.env, x_secret, x), 0);
	expect_field(v, "initiator_ephemeral_public", x, sizeof(x));

	assert_int_equal(respond(v, x, y, auth, &keys), 0);
	expect_field(v, "responder_ephemeral_public", y, sizeof(y));
	expect_field(v, "auth", auth, sizeof(auth));
	expect_session(v, &keys);

	responder_from(v, &id);
	expect_field(v, "responder_static_public", id.pk + 10, 32);
	assert_int_equal(peel_handshake_finish(x_secret, id.pk, y, auth, &mine), 0);
	assert_memory_equal(&mine, &keys, sizeof(keys));
}

static void
check_initiator_refuses(const json_t *v)
{
	uint8_t x_secret[32], pk[PEEL_PK_LEN] = "LibNaCLPK:", auth[32];
	struct peel_session_keys keys;
	size_t len;
	uint8_t *y = peel_vec_hex(v, "responder_ephemeral_public", &len);

	peel_vec_bytes(v, "initiator_ephemeral_secret", x_secret, 32);
	peel_vec_bytes(v, "responder_static_public", pk + 10, 32);
	peel_vec_bytes(v, "auth", auth, 32);
	if (len == 32)
		assert_int_equal(peel_handshake_finish(x_secret, pk, y, auth, &keys), -EBADMSG);
	free(y);
}

/* Points of other lengths never get as far as the handshake: the parser refuses them. */
static void
check_point_length(const json_t *v, const char *key)
{
	struct peel_msg_created m;
	size_t len;
	uint8_t *point = peel_vec_hex(v, key, &len), body[256] = {0};
	struct peel_writer w = peel_writer_init(body, sizeof(body));

	peel_write_u16(&w, 1);
	peel_write_varlen(&w, point, len);
	assert_int_equal(peel_created_parse(body, sizeof(body), &m), len == 32 ? 0 : -EBADMSG);
	free(point);
}

static void
test_handshake_vectors(void **state)
{
	json_t *file = peel_vectors_load("handshake"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const char *id = peel_vec_id(v);

		if (strncmp(id, "handshake-", 10) == 0) {
			check_agreement(v);
		} else if (strncmp(id, "initiator-", 10) == 0) {
			check_initiator_refuses(v);
			check_point_length(v, "responder_ephemeral_public");
		} else {
			uint8_t y[32], auth[32];
			struct peel_session_keys keys;
			size_t len;
			uint8_t *x = peel_vec_hex(v, "initiator_ephemeral_public", &len);
			bool fails = strcmp(peel_vec_str(v, "expect"), "fail") == 0;

			check_point_length(v, "initiator_ephemeral_public");
			if (len == 32 && respond(v, x, y, auth, &keys) != (fails ? -EBADMSG : 0))
				fail_msg("%s", id);
			if (!fails) /* the top bit of X is ignored: the same keys as without it */
				expect_session(peel_vectors_find(file, "handshake-0"), &keys);
			free(x);
		}
	}
	assert_int_equal(i, 21);
	json_decref(file);
}

static void
test_responder_with_low_order_key(void **state)
{
	json_t *file = peel_vectors_load("handshake");
	const json_t *v = peel_vectors_find(file, "handshake-0");
	uint8_t x_secret[32], y[32], auth[32], pk[PEEL_PK_LEN] = "LibNaCLPK:";
	struct peel_session_keys keys;

	(void)state;
	peel_vec_bytes(v, "initiator_ephemeral_secret", x_secret, 32);
	peel_vec_bytes(v, "responder_ephemeral_public", y, 32);
	peel_vec_bytes(v, "auth", auth, 32);
	/* The authenticator is good, the long-term key is the zero point. */
	assert_int_equal(peel_handshake_finish(x_secret, pk, y, auth, &keys), -EBADMSG);
	json_decref(file);
}

/* Answers are the same as one by one, and the point of low order among them spoils no other. */
static void
test_batch(void **state)
{
	enum {
		N = 2 * PEEL_HANDSHAKES + 3,
		BAD = 5
	};
	struct peel_handshake h[N];
	struct peel_session_keys keys;
	struct peel_identity id;
	uint8_t x_secret[N][32], y_secret[N][32], y[32], auth[32];
	struct chosen_random random;

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	peel_random(&peel_env_system, y_secret, sizeof(y_secret));
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(peel_handshake_start(&peel_env_system, x_secret[i], h[i].x), 0);
	memset(h[BAD].x, 0, sizeof(h[BAD].x));
	chosen_random_init(&random, y_secret[0], sizeof(y_secret));
	peel_handshake_respond_batch(&random.env, &id, NULL, h, N);
	for (unsigned int i = 0; i < N; i++) {
		chosen_random_init(&random, y_secret[i], sizeof(y_secret[i]));
		assert_int_equal(h[i].ret, i == BAD ? -EBADMSG : 0);
		assert_int_equal(
			peel_handshake_respond(&random.env, &id, h[i].x, y, auth, &keys), h[i].ret);
		if (i == BAD)
			continue;
		assert_memory_equal(h[i].y, y, sizeof(y));
		assert_memory_equal(h[i].auth, auth, sizeof(auth));
		assert_memory_equal(&h[i].keys, &keys, sizeof(keys));
		assert_int_equal(peel_handshake_finish(x_secret[i], id.pk, y, auth, &keys), 0);
		assert_memory_equal(&h[i].keys, &keys, sizeof(keys));
	}
}

/* Key pairs that are ready are used, each once, and new ones after them. */
static void
test_key_pairs(void **state)
{
	enum {
		N = 80
	}; /* more than there are */
	static struct peel_handshake h[N];
	struct peel_session_keys keys;
	struct peel_key_pairs *pairs;
	struct chosen_random none;
	struct peel_identity id;
	uint8_t x_secret[N][32];

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	assert_int_equal(peel_key_pairs_new(&pairs), 0);
	while (peel_key_pairs_fill(pairs, &peel_env_system))
		;
	assert_false(peel_key_pairs_fill(pairs, &peel_env_system));
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(peel_handshake_start(&peel_env_system, x_secret[i], h[i].x), 0);
	chosen_random_init(&none, NULL, 0);
	peel_handshake_respond_batch(&none.env, &id, pairs, h, N / 2);
	peel_handshake_respond_batch(&peel_env_system, &id, pairs, &h[N / 2], N / 2);
	for (unsigned int i = 0; i < N; i++) {
		assert_int_equal(h[i].ret, 0);
		assert_int_equal(
			peel_handshake_finish(x_secret[i], id.pk, h[i].y, h[i].auth, &keys), 0);
		assert_memory_equal(&keys, &h[i].keys, sizeof(keys));
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(h[k].y, h[i].y, sizeof(h[i].y));
	}
	peel_key_pairs_free(pairs);
}

static void
test_e2e_handshake(void **state)
{
	json_t *file = peel_vectors_load("e2e_handshake"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct peel_identity seeder;
		struct chosen_random random;
		struct peel_session_keys keys, mine;
		uint8_t x[32], x_secret[32], y_secret[32], y[32], auth[32], plain[256];
		size_t len;
		uint8_t *sealed = peel_vec_hex(v, "rp_info_enc", &len);

		identity_from(v, "seeder_private_key_bin", &seeder);
		peel_vec_bytes(v, "downloader_ephemeral_public", x, 32);
		peel_vec_bytes(v, "downloader_ephemeral_secret", x_secret, 32);
		peel_vec_bytes(v, "seeder_ephemeral_secret", y_secret, 32);
		chosen_random_init(&random, y_secret, 32);
		assert_int_equal(
			peel_handshake_respond(&random.env, &seeder, x, y, auth, &keys), 0);
		expect_field(v, "auth", auth, 32);
		expect_session(peel_vec_get(v, "keys"), &keys);
		assert_int_equal(peel_handshake_finish(x_secret, seeder.pk, y, auth, &mine), 0);
		assert_memory_equal(&mine, &keys, sizeof(keys));
		int n = peel_open_one(&mine.forward, mine.salt_forward, sealed, len, plain);
		expect_field(v, "rp_info_plain", plain, (size_t)n);
		free(sealed);
	}
	assert_true(i > 0);
	json_decref(file);
}

static void
check_seal(const json_t *v, const struct peel_key *key, const uint8_t salt[4])
{
	size_t plain_len, sealed_len;
	uint8_t *plain = peel_vec_hex(v, "plaintext", &plain_len);
	uint8_t *sealed = peel_vec_hex(v, "output", &sealed_len);
	uint8_t *out = malloc(plain_len + PEEL_SEAL_OVERHEAD);

	assert_non_null(out);
	assert_int_equal(sealed_len, plain_len + PEEL_SEAL_OVERHEAD);
	peel_seal_one(key, salt, peel_get_be64(sealed), plain, plain_len, out);
	expect_bytes(peel_vec_id(v), out, sealed, sealed_len);
	assert_int_equal(peel_open_one(key, salt, sealed, sealed_len, out), plain_len);
	expect_bytes(peel_vec_id(v), out, plain, plain_len);
	free(plain);
	free(sealed);
	free(out);
}

static void
test_aead_vectors(void **state)
{
	json_t *file = peel_vectors_load("aead"), *v;
	size_t i, n_sealed = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct peel_key key;
		uint8_t salt[4];
		bool good = strcmp(peel_vec_str(v, "expect"), "ok") == 0;

		peel_vec_bytes(v, "key", key.b, sizeof(key.b));
		peel_vec_bytes(v, "salt", salt, sizeof(salt));
		if (peel_vec_find(v, "output") != NULL) {
			check_seal(v, &key, salt);
			n_sealed++;
			continue;
		}
		size_t len;
		uint8_t *in = peel_vec_hex(v, "input", &len), *out = malloc(len + 1);
		int n = peel_open_one(&key, salt, in, len, out);

		assert_non_null(out);
		if (good)
			expect_field(v, "plaintext", out, (size_t)n);
		else if (n != -EBADMSG)
			fail_msg("%s opened", peel_vec_id(v));
		free(in);
		free(out);
	}
	assert_int_equal(i, 105);
	assert_true(n_sealed > 50);
	json_decref(file);
}

static int
init(void **state)
{
	(void)state;
	return peel_keys_init();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshake_vectors),
		cmocka_unit_test(test_responder_with_low_order_key),
		cmocka_unit_test(test_batch),
		cmocka_unit_test(test_key_pairs),
		cmocka_unit_test(test_e2e_handshake),
		cmocka_unit_test(test_aead_vectors),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
