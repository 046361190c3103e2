/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the tests of lib/keys share: randomness that hands out a chosen secret, and comparisons that
 * name the vector. */

#include "peel_keys.h"
#include "peel_vectors.h"

/** An environment whose next random bytes are @p bytes; more than those fail the test. */
struct chosen_random {
	const uint8_t *bytes;
	size_t left;
	struct peel_env env;
};

void chosen_random_init(struct chosen_random *r, const uint8_t *bytes, size_t len);
/** Fail the running test unless both are equal byte by byte. */
void expect_bytes(const char *id, const void *got, const void *want, size_t len);
/** A fixed-length hex field equals @p got. */
void expect_field(const json_t *v, const char *key, const void *got, size_t len);
/** key_forward, key_backward, salt_forward, salt_backward. */
void expect_session(const json_t *v, const struct peel_session_keys *got);
void session_from(const json_t *v, struct peel_session_keys *out);
/** A node key from keys.json, or from the "nodes" of a flow. */
void identity_from(const json_t *v, const char *key, struct peel_identity *out);
