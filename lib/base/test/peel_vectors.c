/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peel_vectors.h"

static void
fail(const char *what, const char *name)
{
	fprintf(stderr, "test vectors: %s: %s\n", what, name);
	exit(99);
}

json_t *
peel_vectors_load(const char *name)
{
	const char *folder = getenv("PEEL_VECTORS");
	char path[4096];
	json_error_t error;

	if (folder == NULL)
		fail("environment variable not set", "PEEL_VECTORS");
	snprintf(path, sizeof(path), "%s/%s.json", folder, name);
	json_t *file = json_load_file(path, 0, &error);

	if (file == NULL)
		fail(error.text, path);
	return file;
}

json_t *
peel_vectors_find(const json_t *file, const char *id)
{
	json_t *v;
	size_t i;

	peel_vectors_foreach (file, i, v) {
		if (strcmp(peel_vec_id(v), id) == 0)
			return v;
	}
	fail("no such id", id);
	return NULL;
}

json_t *
peel_vec_find(const json_t *v, const char *key)
{
	json_t *found = json_object_get(v, key);
	const char *dot = strchr(key, '.');

	if (found == NULL && dot != NULL) {
		char first[128];

		snprintf(first, sizeof(first), "%.*s", (int)(dot - key), key);
		return peel_vec_find(json_object_get(v, first), dot + 1);
	}
	return json_is_null(found) ? NULL : found;
}

json_t *
peel_vec_get(const json_t *v, const char *key)
{
	json_t *found = peel_vec_find(v, key);

	if (found == NULL)
		fail("no such key", key);
	return found;
}

const char *
peel_vec_str(const json_t *v, const char *key)
{
	const char *text = json_string_value(peel_vec_get(v, key));

	if (text == NULL)
		fail("not a string", key);
	return text;
}

int64_t
peel_vec_int(const json_t *v, const char *key)
{
	const json_t *found = peel_vec_get(v, key);

	if (json_is_boolean(found))
		return json_is_true(found);
	if (!json_is_integer(found))
		fail("not a number", key);
	return json_integer_value(found);
}

uint64_t
peel_vec_u64(const json_t *v, const char *key)
{
	const char *text = peel_vec_str(v, key);
	char *end;
	uint64_t value = strtoull(text, &end, 16);

	if (strlen(text) != 16 || *end != '\0')
		fail("not 16 hex digits", key);
	return value;
}

const char *
peel_vec_id(const json_t *v)
{
	const char *id = json_string_value(json_object_get(v, "id"));

	return id != NULL ? id : "?";
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

uint8_t *
peel_unhex(const char *hex, size_t *len)
{
	size_t n = strlen(hex) / 2;
	uint8_t *out = malloc(n > 0 ? n : 1);

	if (out == NULL || strlen(hex) % 2 != 0)
		fail("odd number of hex digits", hex);
	for (size_t i = 0; i < n; i++) {
		int high = digit(hex[2 * i]), low = digit(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			fail("not lower case hex", hex);
		out[i] = (uint8_t)(high << 4 | low);
	}
	*len = n;
	return out;
}

uint8_t *
peel_vec_hex(const json_t *v, const char *key, size_t *len)
{
	return peel_unhex(peel_vec_str(v, key), len);
}

void
peel_vec_bytes(const json_t *v, const char *key, void *out, size_t len)
{
	size_t got;
	uint8_t *bytes = peel_vec_hex(v, key, &got);

	if (got != len)
		fail("unexpected length", key);
	memcpy(out, bytes, len);
	free(bytes);
}
