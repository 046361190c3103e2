/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The table of engines, and the choice of one: by a measurement of a millisecond, as which one is
 * fastest is more than a question of what a CPU can do.
 */
#include <stdatomic.h>
#include <time.h>

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

/* ---- the fastest here ------------------------------------------------------------------------ */

/* cells of a burst, as many as workers put together; and of the runs the quickest counts */
#define CELLS 8
#define RUNS 32
#define TEXT_MAX 1400

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Nanoseconds to seal and open a burst of mixed cells; other work of the machine can only add to
 * them. */
static uint64_t
measure(const struct peel_aead_engine *engine)
{
	static const uint32_t len[] = {64, TEXT_MAX, 512};
	static const struct peel_key key;
	uint8_t text[CELLS][TEXT_MAX + PEEL_AEAD_TAG_LEN] = {{0}};
	struct peel_aead_op op[CELLS] = {{0}};
	uint64_t least = UINT64_MAX;
	struct peel_aead *cx;

	if (engine->new (&cx) != 0)
		return UINT64_MAX;
	for (unsigned int run = 0; run < RUNS; run++) {
		uint64_t begin = now_ns(), took;

		for (unsigned int i = 0; i < CELLS; i++) {
			op[i].key = &key;
			op[i].text = text[i];
			op[i].len = len[i % PEEL_ARRAY_LEN(len)];
		}
		engine->seal(cx, op, CELLS);
		for (unsigned int i = 0; i < CELLS; i++)
			op[i].len += PEEL_AEAD_TAG_LEN;
		if (engine->open(cx, op, CELLS) != 0)
			break;
		took = now_ns() - begin;
		least = took < least ? took : least;
	}
	engine->free(cx);
	return least;
}

static const struct peel_aead_engine *
choose(void)
{
	const struct peel_aead_engine *best = NULL;
	uint64_t least = UINT64_MAX;

	for (const struct peel_aead_engine *const *e = peel_aead_engines; *e != NULL; e++) {
		uint64_t took;

		if (peel_aead_self_test(*e) != 0)
			continue;
		took = measure(*e);
		peel_log(PEEL_LOG_DEBUG, "AEAD engine %s: %u ns for a burst", (*e)->name,
			(unsigned int)took);
		/* Among those that are about equal, the first one. */
		if (best == NULL || took < least - least / 16) {
			best = *e;
			least = took;
		}
	}
	return best;
}

const struct peel_aead_engine *
peel_aead_engine_best(void)
{
	static const struct peel_aead_engine *_Atomic best;

	if (best == NULL)
		best = choose();
	return best;
}
