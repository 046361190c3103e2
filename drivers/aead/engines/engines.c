/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The table of engines, and the choice of one.
 */
#include "peel_aead_engines.h"
#include "peel_aead_sodium.h"
#ifdef PEEL_HAVE_AVX512
#include "peel_aead_avx512.h"
#endif
#ifdef PEEL_HAVE_AVX2
#include "peel_aead_avx2.h"
#endif
#ifdef PEEL_HAVE_IPSEC_MB
#include "peel_aead_ipsec_mb.h"
#endif

const struct peel_aead_engine *const peel_aead_engines[] = {
#ifdef PEEL_HAVE_AVX512
	&peel_aead_avx512,
#endif
#ifdef PEEL_HAVE_AVX2
	&peel_aead_avx2,
#endif
#ifdef PEEL_HAVE_IPSEC_MB
	&peel_aead_ipsec_mb,
#endif
	&peel_aead_sodium,
	NULL,
};

const struct peel_aead_engine *const peel_aead_variants[] = {
#ifdef PEEL_HAVE_IPSEC_MB
	&peel_aead_ipsec_mb_avx2,
#endif
	NULL,
};

const struct peel_aead_engine *
peel_aead_engine_find(const char *name)
{
	for (const struct peel_aead_engine *const *e = peel_aead_engines; *e != NULL; e++) {
		if (strcmp((*e)->name, name) == 0)
			return *e;
	}
	return NULL;
}

const struct peel_aead_engine *
peel_aead_engine_best(void)
{
	for (const struct peel_aead_engine *const *e = peel_aead_engines; *e != NULL; e++) {
		if (peel_aead_self_test(*e) == 0)
			return *e;
	}
	return NULL;
}
