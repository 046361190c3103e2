/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Test vectors for unit tests: JSON files of the folder named by the environment variable
 * PEEL_VECTORS (set by meson). A missing file, key or malformed hex ends the test program with a
 * message, so tests need no checks of their own.
 *
 *	json_t *file = peel_vectors_load("aead"), *v;
 *	size_t i;
 *
 *	peel_vectors_foreach(file, i, v) {
 *		size_t len;
 *		uint8_t *text = peel_vec_hex(v, "plaintext", &len);
 *		...
 *		free(text);
 *	}
 *	json_decref(file);
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/** Load NAME.json. Release with json_decref(). */
json_t *peel_vectors_load(const char *name);

/** The array "vectors" of a file, one by one. */
#define peel_vectors_foreach(file, i, v) json_array_foreach (peel_vec_get(file, "vectors"), i, v)

/** The entry of "vectors" with this id (borrowed). */
json_t *peel_vectors_find(const json_t *file, const char *id);

/* Fields of an object. KEY may be a path: "fields.identifier". Results are borrowed unless stated
 * otherwise. */

/** NULL when absent or null. */
json_t *peel_vec_find(const json_t *v, const char *key);
json_t *peel_vec_get(const json_t *v, const char *key);
const char *peel_vec_str(const json_t *v, const char *key);
int64_t peel_vec_int(const json_t *v, const char *key);
/** A 64-bit counter, salt or clock written as 16 hex digits. */
uint64_t peel_vec_u64(const json_t *v, const char *key);
/** "id" of a vector for messages, or "?". */
const char *peel_vec_id(const json_t *v);

/** Bytes of a hex field in an exact-size heap block (so that sanitizers see one byte too far). The
 * caller frees it. */
uint8_t *peel_vec_hex(const json_t *v, const char *key, size_t *len);
/** Bytes of a hex field into @p out; the field must have exactly @p len bytes. */
void peel_vec_bytes(const json_t *v, const char *key, void *out, size_t len);
/** The same for a hex text; the caller frees the result. */
uint8_t *peel_unhex(const char *hex, size_t *len);
