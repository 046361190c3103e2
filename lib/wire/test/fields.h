/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Fields of vectors as the types of peel_wire.h. Spans borrow from the file's JSON or from the
 * arena of the case. */

#include "peel_vectors.h"
#include "peel_wire.h"

/** Memory for the spans of one case: blocks to free together. */
struct arena {
	void *block[64];
	size_t n;
};

void arena_free(struct arena *a);
/** A hex field. */
struct peel_span field_span(struct arena *a, const json_t *v, const char *key);
/** A hex text. */
struct peel_span text_span(struct arena *a, const char *hex);
/** "a.b.c.d:port" or "[v6]:port". */
struct peel_addr text_addr(const char *text);
struct peel_addr field_addr(const json_t *v, const char *key);
/** The same or "host:port"; the name borrows @p text. */
struct peel_host text_host(const char *text);
/** Fail the running test unless both are equal byte by byte; @p id says which vector. */
void expect_bytes(
	const char *id, const void *got, size_t got_len, const void *want, size_t want_len);
