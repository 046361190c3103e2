/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fixture.h"

static void
take(void *arg, void *out, size_t len)
{
	struct chosen_random *r = arg;

	assert_true(len <= r->left);
	memcpy(out, r->bytes, len);
	r->bytes += len;
	r->left -= len;
}

void
chosen_random_init(struct chosen_random *r, const uint8_t *bytes, size_t len)
{
	*r = (struct chosen_random){.bytes = bytes, .left = len, .env = {.random = take, .arg = r}};
}

void
expect_bytes(const char *id, const void *got, const void *want, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (((const uint8_t *)got)[i] != ((const uint8_t *)want)[i])
			fail_msg("%s: byte %zu differs", id, i);
	}
}

void
expect_field(const json_t *v, const char *key, const void *got, size_t len)
{
	size_t want_len;
	uint8_t *want = peel_vec_hex(v, key, &want_len);

	assert_int_equal(len, want_len);
	expect_bytes(key, got, want, len);
	free(want);
}

void
expect_session(const json_t *v, const struct peel_session_keys *got)
{
	expect_field(v, "key_forward", got->forward.b, 32);
	expect_field(v, "key_backward", got->backward.b, 32);
	expect_field(v, "salt_forward", got->salt_forward, 4);
	expect_field(v, "salt_backward", got->salt_backward, 4);
}

void
session_from(const json_t *v, struct peel_session_keys *out)
{
	peel_vec_bytes(v, "key_forward", out->forward.b, 32);
	peel_vec_bytes(v, "key_backward", out->backward.b, 32);
	peel_vec_bytes(v, "salt_forward", out->salt_forward, 4);
	peel_vec_bytes(v, "salt_backward", out->salt_backward, 4);
}

void
identity_from(const json_t *v, const char *key, struct peel_identity *out)
{
	uint8_t sk[PEEL_SK_LEN];

	peel_vec_bytes(v, key, sk, sizeof(sk));
	assert_int_equal(peel_identity_parse(sk, sizeof(sk), out), 0);
}
