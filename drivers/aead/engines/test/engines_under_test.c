/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "avx512_portable.h"
#include "engines_under_test.h"

struct open_engine engines[ENGINES_UNDER_TEST_MAX];
unsigned int n_engines;

static uint64_t seed = 0x5eed5eed5eed5eedu;

uint64_t
next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1du;
}

void
fill_random(void *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)p)[i] = (uint8_t)(next_random() >> 32);
}

bool
all_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != 0)
			return false;
	}
	return true;
}

bool
engines_emulated(void)
{
	return getenv("PEEL_EMULATED") != NULL; /* set by meson.build */
}

/* app/test/run collects these lines. */
static void
open_one(const struct peel_aead_engine *e, const char *how)
{
	struct open_engine *en = &engines[n_engines];
	int rc;

	assert_true(n_engines < ENGINES_UNDER_TEST_MAX);
	*en = (struct open_engine){.e = e, .how = how};
	rc = e->new (&en->cx);
	if (rc == -ENOTSUP) {
		printf("engine %s: not %s\n", e->name, how);
		return;
	}
	assert_int_equal(rc, 0);
	printf("engine %s: %s\n", e->name, how);
	n_engines++;
}

int
engines_open(void **state)
{
	(void)state;
	for (unsigned int i = 0; peel_aead_engines[i] != NULL; i++)
		open_one(peel_aead_engines[i], engines_emulated() ? "emulated" : "native");
	for (unsigned int i = 0; peel_aead_variants[i] != NULL; i++)
		open_one(peel_aead_variants[i], engines_emulated() ? "emulated" : "native");
	if (!engines_emulated())
		open_one(&peel_aead_avx512_portable, "portable");
	assert_true(n_engines > 0);
	return 0;
}

int
engines_close(void **state)
{
	(void)state;
	while (n_engines > 0) {
		const struct open_engine *en = &engines[--n_engines];

		en->e->free(en->cx);
		en->e->free(NULL);
	}
	return 0;
}
