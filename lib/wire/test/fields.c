/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fields.h"

void
arena_free(struct arena *a)
{
	while (a->n > 0)
		free(a->block[--a->n]);
}

struct peel_span
text_span(struct arena *a, const char *hex)
{
	struct peel_span s;

	assert_true(a->n < PEEL_ARRAY_LEN(a->block));
	s.p = a->block[a->n++] = peel_unhex(hex, &s.len);
	return s;
}

struct peel_span
field_span(struct arena *a, const json_t *v, const char *key)
{
	return text_span(a, peel_vec_str(v, key));
}

struct peel_addr
text_addr(const char *text)
{
	struct peel_addr a;

	if (peel_addr_parse(text, 0, &a) != 0)
		fail_msg("not an address: %s", text);
	return a;
}

struct peel_addr
field_addr(const json_t *v, const char *key)
{
	return text_addr(peel_vec_str(v, key));
}

struct peel_host
text_host(const char *text)
{
	struct peel_host h = {0};
	const char *colon = strrchr(text, ':');

	if (peel_addr_parse(text, 0, &h.addr) == 0) {
		h.type = h.addr.family == PEEL_FAMILY_IPV4 ? PEEL_HOST_IPV4 : PEEL_HOST_IPV6;
		return h;
	}
	assert_non_null(colon);
	memset(&h.addr, 0, sizeof(h.addr));
	h.type = PEEL_HOST_NAME;
	h.addr.port = (uint16_t)atoi(colon + 1);
	h.name = (struct peel_span){(const uint8_t *)text, (size_t)(colon - text)};
	return h;
}

void
expect_bytes(const char *id, const void *got, size_t got_len, const void *want, size_t want_len)
{
	if (got_len != want_len)
		fail_msg("%s: %zu bytes where %zu are expected", id, got_len, want_len);
	for (size_t i = 0; i < want_len; i++) {
		if (((const uint8_t *)got)[i] != ((const uint8_t *)want)[i])
			fail_msg("%s: byte %zu differs", id, i);
	}
}
