/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Identities, key files, signatures. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "fixture.h"
#include "peel_cell.h"
#include "peel_discovery.h"

static void
test_vectors_of_keys(void **state)
{
	json_t *file = peel_vectors_load("keys"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		struct peel_identity id;
		uint8_t sk[PEEL_SK_LEN], out[512];
		size_t len;
		uint8_t *message = peel_vec_hex(v, "sign_message", &len);
		struct peel_writer w = peel_writer_init(out, sizeof(out));

		identity_from(v, "private_key_bin", &id);
		expect_field(v, "public_key_bin", id.pk, sizeof(id.pk));
		expect_field(v, "mid", id.mid, sizeof(id.mid));
		expect_field(v, "x25519_secret", id.x25519_sk, sizeof(id.x25519_sk));
		peel_identity_serialise(&id, sk);
		expect_field(v, "private_key_bin", sk, sizeof(sk));

		peel_write_bytes(&w, message, len);
		peel_sign(&w, &id);
		assert_int_equal(peel_writer_len(&w), len + PEEL_SIGNATURE_LEN);
		expect_field(v, "signature", out + len, PEEL_SIGNATURE_LEN);
		free(message);
		peel_identity_wipe(&id);
		static const struct peel_identity zero;
		assert_memory_equal(&id, &zero, sizeof(id));
	}
	assert_int_equal(i, 8);
	json_decref(file);
}

static void
test_parse_refuses(void **state)
{
	struct peel_identity id;
	uint8_t sk[PEEL_SK_LEN + 1] = "LibNaCLSK:";

	(void)state;
	assert_int_equal(peel_identity_parse(sk, PEEL_SK_LEN, &id), 0);
	assert_int_equal(peel_identity_parse(sk, PEEL_SK_LEN - 1, &id), -EINVAL);
	assert_int_equal(peel_identity_parse(sk, PEEL_SK_LEN + 1, &id), -EINVAL);
	assert_int_equal(peel_identity_parse(sk, 0, &id), -EINVAL);
	sk[7] = 'P'; /* a public key */
	assert_int_equal(peel_identity_parse(sk, PEEL_SK_LEN, &id), -EINVAL);
}

static void
test_generate(void **state)
{
	struct peel_identity a, b, parsed;
	uint8_t sk[PEEL_SK_LEN];

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &a), 0);
	assert_int_equal(peel_identity_generate(&peel_env_system, &b), 0);
	assert_memory_not_equal(a.pk, b.pk, PEEL_PK_LEN);
	assert_memory_not_equal(a.mid, b.mid, PEEL_MID_LEN);
	assert_true(peel_pk_valid((struct peel_span){a.pk, PEEL_PK_LEN}));
	peel_identity_serialise(&a, sk);
	assert_int_equal(peel_identity_parse(sk, sizeof(sk), &parsed), 0);
	assert_memory_equal(&parsed, &a, sizeof(a));
}

/* ---- files ----------------------------------------------------------------------------------- */

static char folder[] = "/tmp/peel-keys-XXXXXX";
static char path[sizeof(folder) + 16];

static int
folder_new(void **state)
{
	(void)state;
	if (peel_keys_init() != 0 || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/key", folder);
	return 0;
}

static int
folder_free(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void
write_file(const void *content, size_t len, mode_t mode)
{
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void
test_save_and_load(void **state)
{
	struct peel_identity id, loaded;
	char why[256] = "";
	struct stat st;

	(void)state;
	unlink(path);
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	assert_int_equal(peel_identity_save(path, &id, why, sizeof(why)), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, PEEL_SK_LEN);
	assert_int_equal(peel_identity_load(path, &loaded, why, sizeof(why)), 0);
	assert_memory_equal(&loaded, &id, sizeof(id));

	/* Never replaced, and what is there stays intact. */
	struct peel_identity other;

	assert_int_equal(peel_identity_generate(&peel_env_system, &other), 0);
	assert_int_equal(peel_identity_save(path, &other, why, sizeof(why)), -EEXIST);
	assert_non_null(strstr(why, path));
	assert_int_equal(peel_identity_load(path, &loaded, why, sizeof(why)), 0);
	assert_memory_equal(&loaded, &id, sizeof(id));
}

static void
test_save_fails(void **state)
{
	struct peel_identity id = {0};
	char why[256] = "", missing[sizeof(path) + 8];

	(void)state;
	unlink(path);
	snprintf(missing, sizeof(missing), "%s/none", path);
	assert_int_equal(peel_identity_save(missing, &id, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, missing));
	if (access("/dev/full", W_OK) == 0) {
		assert_int_equal(symlink("/dev/full", path), 0);
		/* A link counts as existing: nothing is written through it. */
		assert_int_equal(peel_identity_save(path, &id, why, sizeof(why)), -EEXIST);
		unlink(path);
	}
}

static void
test_load_refuses(void **state)
{
	uint8_t sk[PEEL_SK_LEN + 1] = "LibNaCLSK:", der[100] = {0x30, 98, 2, 1, 1};
	static const char pem[] = "-----BEGIN EC PRIVATE KEY-----\n";
	static const mode_t open_to_others[] = {0640, 0604, 0620, 0602, 0644, 0666};
	struct peel_identity id;
	char why[256];

	(void)state;
	unlink(path);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -ENOENT);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(open_to_others); i++) {
		write_file(sk, PEEL_SK_LEN, open_to_others[i]);
		assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -EPERM);
		assert_non_null(strstr(why, "chmod 600"));
	}
	write_file(sk, PEEL_SK_LEN, 0400);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), 0);
	write_file(sk, PEEL_SK_LEN - 1, 0600);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -EINVAL);
	write_file(sk, PEEL_SK_LEN + 1, 0600);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -EINVAL);
	write_file(sk, 0, 0600);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -EINVAL);
	write_file(der, sizeof(der), 0600);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -ENOTSUP);
	write_file(pem, sizeof(pem) - 1, 0600);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -ENOTSUP);
	sk[0] = 'X';
	write_file(sk, PEEL_SK_LEN, 0600);
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -EINVAL);
	unlink(path);
	assert_int_equal(peel_identity_load(folder, &id, why, sizeof(why)), -EINVAL);
	assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
	assert_int_equal(peel_identity_load(path, &id, why, sizeof(why)), -EINVAL);
	unlink(path);
}

/* ---- signatures ------------------------------------------------------------------------------ */

static const json_t *
signer(const json_t *keys, const json_t *v)
{
	return peel_vectors_find(keys, peel_vec_str(v, "signer"));
}

/* Sign what the packet covers with the signer's key: the whole packet must come out; then damage
 * every byte once. */
static void
check_signed(const json_t *keys, const json_t *v, bool with_clock)
{
	struct peel_identity id;
	struct peel_signed s;
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct peel_writer w = peel_writer_init(out, sizeof(out));
	size_t len;
	uint8_t *packet = peel_vec_hex(v, "packet", &len);

	identity_from(signer(keys, v), "private_key_bin", &id);
	assert_int_equal(peel_signed_parse(packet, len, with_clock, false, &s), 0);
	assert_true(peel_signed_verify(&s));
	peel_write_bytes(&w, s.covered.p, s.covered.len);
	peel_sign(&w, &id);
	assert_int_equal(peel_writer_len(&w), len);
	expect_bytes(peel_vec_id(v), out, packet, len);

	for (size_t i = 0; i < len; i++) {
		packet[i] ^= 0x10;
		if (peel_signed_parse(packet, len, with_clock, false, &s) == 0 &&
			peel_signed_verify(&s))
			fail_msg("%s: byte %zu changed, still verifies", peel_vec_id(v), i);
		packet[i] ^= 0x10;
	}
	free(packet);
}

static void
test_signed_messages(void **state)
{
	static const struct {
		const char *name;
		bool with_clock;
	} files[] = {{"introduction", true}, {"discovery", true}, {"dht", false}};
	json_t *keys = peel_vectors_load("keys");
	size_t n = 0;

	(void)state;
	for (size_t k = 0; k < PEEL_ARRAY_LEN(files); k++) {
		json_t *file = peel_vectors_load(files[k].name), *v;
		size_t i;

		peel_vectors_foreach (file, i, v) {
			if (peel_vec_find(v, "signer") == NULL)
				continue;
			check_signed(keys, v, files[k].with_clock);
			n++;
		}
		json_decref(file);
	}
	assert_int_equal(n, 16 + 3 + 14);
	json_decref(keys);
}

static void
test_sign_needs_room(void **state)
{
	struct peel_identity id;
	uint8_t out[100];
	struct peel_writer w = peel_writer_init(out, sizeof(out));

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	peel_write_bytes(&w, id.pk, 37);
	peel_sign(&w, &id);
	assert_int_equal(peel_writer_len(&w), -ENOSPC);
}

/* Requests to answer or drop, as far as frame, key, signature and body decide. */
static void
test_negative_introduction(void **state)
{
	json_t *file = peel_vectors_load("negative_introduction"), *v;
	size_t i, n_good = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		size_t len;
		uint8_t *packet = peel_vec_hex(v, "packet", &len);
		struct peel_signed s;
		struct peel_intro_request m;
		bool good = peel_signed_parse(packet, len, true, false, &s) == 0 &&
			    peel_signed_verify(&s) && s.id == PEEL_MSG_INTRO_REQUEST &&
			    peel_intro_request_parse(s.body, false, &m) == 0;
		bool want = strcmp(peel_vec_str(v, "must"), "answer") == 0;

		/* What must be dropped for its prefix is signed under that prefix: comparing it is
		 * the caller's job. */
		if (strncmp(peel_vec_id(v), "prefix-", 7) != 0 &&
			strncmp(peel_vec_id(v), "version-", 8) != 0 && good != want)
			fail_msg("%s: %s", peel_vec_id(v), good ? "accepted" : "refused");
		n_good += want;
		free(packet);
	}
	assert_int_equal(i, 20);
	assert_int_equal(n_good, 4);
	json_decref(file);
}

static void
test_destroy_signatures(void **state)
{
	json_t *file = peel_vectors_load("destroy"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		size_t len;
		uint8_t *packet = peel_vec_hex(v, "packet", &len);
		struct peel_signed s;
		bool want = strncmp(peel_vec_id(v), "bad-", 4) != 0;

		assert_int_equal(peel_signed_parse(packet, len, false, false, &s), 0);
		if (peel_signed_verify(&s) != want)
			fail_msg("%s", peel_vec_id(v));
		free(packet);
	}
	json_decref(file);
}

static void
test_legacy_signatures(void **state)
{
	json_t *file = peel_vectors_load("tracker"), *v;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		size_t len;
		uint8_t *packet = peel_vec_hex(v, "packet", &len), mid[PEEL_MID_LEN];
		struct peel_signed s;

		assert_int_equal(peel_signed_parse(packet, len, true, true, &s), 0);
		peel_mid(s.pk.p, s.pk.len, mid);
		expect_field(v, "mid", mid, sizeof(mid));
		if (!peel_signed_verify(&s))
			fail_msg("%s does not verify", peel_vec_id(v));
		/* Body, both halves of the signature, and a point that is not on the curve. */
		const size_t changed[] = {s.covered.len - 1, s.covered.len + 3, len - 1, 60};

		for (size_t k = 0; k < PEEL_ARRAY_LEN(changed); k++) {
			packet[changed[k]] ^= 1;
			assert_int_equal(peel_signed_parse(packet, len, true, true, &s), 0);
			assert_false(peel_signed_verify(&s));
			packet[changed[k]] ^= 1;
		}
		memset(packet + s.covered.len, 0, s.signature.len);
		assert_false(peel_signed_verify(&s));
		free(packet);
	}
	assert_int_equal(i, 4);
	json_decref(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors_of_keys),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_generate),
		cmocka_unit_test(test_save_and_load),
		cmocka_unit_test(test_save_fails),
		cmocka_unit_test(test_load_refuses),
		cmocka_unit_test(test_signed_messages),
		cmocka_unit_test(test_sign_needs_room),
		cmocka_unit_test(test_negative_introduction),
		cmocka_unit_test(test_destroy_signatures),
		cmocka_unit_test(test_legacy_signatures),
	};

	return cmocka_run_group_tests(tests, folder_new, folder_free);
}
