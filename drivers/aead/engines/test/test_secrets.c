/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * No branch and no address depends on a secret: valgrind watches keys and texts as it would watch
 * uninitialised memory. Only the verdict may decide something; the suppressions name where. It does
 * not know AVX-512: of that engine it follows the same source as any CPU can run it, and
 * test_aead_timing measures the rest.
 */
#include <stdio.h>
#include <stdlib.h>

#include <valgrind/memcheck.h>

#include "avx512_portable.h"
#include "peel_aead_engines.h"

#define N 9
#define ROOM (1500 + PEEL_AEAD_TAG_LEN)

static struct peel_key key[N];
static uint8_t text[N][ROOM];

static unsigned int
errors(void)
{
	return (unsigned int)VALGRIND_COUNT_ERRORS;
}

/* Can it be seen at all? */
static bool
watched(void)
{
	volatile uint8_t *secret = key[0].b;
	unsigned int before = errors();

	(void)VALGRIND_MAKE_MEM_UNDEFINED(key, sizeof(key));
	if (*secret == 1)
		text[0][0]++;
	return errors() > before;
}

/* Seal and open bursts of @p n cells with secret keys and texts. */
static void
burst(const struct peel_aead_engine *e, struct peel_aead *cx, unsigned int n, uint32_t len,
	uint32_t step)
{
	struct peel_aead_op op[N];

	memset(key, 7, sizeof(key));
	memset(text, 9, sizeof(text));
	memset(op, 0, sizeof(op));
	for (unsigned int i = 0; i < n; i++) {
		op[i].key = &key[i];
		op[i].text = text[i];
		op[i].len = (len + i * step) % (ROOM - PEEL_AEAD_TAG_LEN);
		op[i].nonce[4] = (uint8_t)i;
		(void)VALGRIND_MAKE_MEM_UNDEFINED(&key[i], sizeof(key[i]));
		(void)VALGRIND_MAKE_MEM_UNDEFINED(text[i], op[i].len);
	}
	e->seal(cx, op, n);
	for (unsigned int i = 0; i < n; i++)
		op[i].len += PEEL_AEAD_TAG_LEN;
	(void)e->open(cx, op, n);
	(void)VALGRIND_MAKE_MEM_DEFINED(text, sizeof(text));
	(void)VALGRIND_MAKE_MEM_DEFINED(key, sizeof(key));
}

/* 1 if something depends on secrets. */
static unsigned int
follow(const struct peel_aead_engine *e, const char *what)
{
	unsigned int before = errors();
	struct peel_aead *cx;

	if (e->new (&cx) != 0) {
		fprintf(stderr, "%s: not under valgrind\n", what);
		return 0;
	}
	for (uint32_t len = 0; len < 1500; len += len < 140 ? 7 : 229) {
		burst(e, cx, 1, len, 0);
		burst(e, cx, N, len, 0);
		burst(e, cx, N, len, 331);
	}
	e->free(cx);
	fprintf(stderr, "%s: %s\n", what, errors() == before ? "ok" : "depends on secrets");
	return errors() != before;
}

int
main(void)
{
	unsigned int failed = 0;

	if (RUNNING_ON_VALGRIND == 0)
		return 77; /* meson's word for skipped */
	if (!watched()) {
		fprintf(stderr, "a branch on a secret goes unnoticed\n");
		return 1;
	}
	for (const struct peel_aead_engine *const *e = peel_aead_engines; *e != NULL; e++)
		failed += follow(*e, (*e)->name);
	failed += follow(&peel_aead_avx512_portable, "avx512, portable");
	return failed != 0;
}
