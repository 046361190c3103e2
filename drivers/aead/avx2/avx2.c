/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The engine around the vector code. It is compiled for the baseline CPU, as new() must run
 * everywhere.
 */
#include <errno.h>

#include "lanes.h"
#include "peel_aead_avx2.h"

/* of up to sixteen cells: more would not stay in the cache of the first level with their texts */
#define BLOCKS_ENOUGH 256

struct peel_aead {
	struct lanes lanes;
};

static inline void
crypt(void *cx, bool open)
{
	lanes_crypt(&((struct peel_aead *)cx)->lanes, open);
}

static const struct peel_aead_cells_how how = {crypt, BLOCKS_ENOUGH};

static void
avx2_seal(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	peel_aead_cells_seal(&cx->lanes.burst, cx, &how, op, n);
}

static uint64_t
avx2_open(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	return peel_aead_cells_open(&cx->lanes.burst, cx, &how, op, n);
}

static void
avx2_free(struct peel_aead *cx)
{
	peel_secret_free(cx, sizeof(*cx));
}

/* By the CPU, and by the system, which must save the wide registers. */
static bool
supported(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("avx2");
}

static int
avx2_new(struct peel_aead **out)
{
	*out = NULL;
	if (!supported())
		return -ENOTSUP;
	*out = peel_secret_alloc(sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

const struct peel_aead_engine peel_aead_avx2 = {
	.name = "avx2",
	.lanes = 8,
	.new = avx2_new,
	.free = avx2_free,
	.seal = avx2_seal,
	.open = avx2_open,
};
