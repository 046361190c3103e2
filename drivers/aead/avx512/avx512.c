/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The engine around the vector code. It is compiled for the baseline CPU, as new() must run
 * everywhere.
 */
#include <errno.h>

#include "cells.h"
#include "peel_aead_avx512.h"

/* of eight cells: more would not stay in the cache of the first level with their texts */
#define BLOCKS_ENOUGH 128

struct peel_aead {
	struct cells cells;
};

static inline void
crypt(void *cx, bool open)
{
	struct cells *c = &((struct peel_aead *)cx)->cells;

	for (unsigned int i = 0; i < c->burst.n; i++) {
		c->first_at[i] = (uint64_t)c->burst.cell[i].first * BLOCK_LEN;
		c->len[i] = c->burst.cell[i].len;
	}
	chacha20_keystream(c);
	cells_xor_mac(c, CELLS_HASH_FASTER, open);
}

static const struct peel_aead_cells_how how = {crypt, BLOCKS_ENOUGH};

static void
avx512_seal(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	peel_aead_cells_seal(&cx->cells.burst, cx, &how, op, n);
}

static uint64_t
avx512_open(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	return peel_aead_cells_open(&cx->cells.burst, cx, &how, op, n);
}

static void
avx512_free(struct peel_aead *cx)
{
	peel_secret_free(cx, sizeof(*cx));
}

/* By the CPU, and by the system, which must save the wide registers. */
static bool
supported(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
	       __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
	       __builtin_cpu_supports("avx512ifma") && __builtin_cpu_supports("avx512vbmi2");
}

static int
avx512_new(struct peel_aead **out)
{
	*out = NULL;
	if (!supported())
		return -ENOTSUP;
	*out = peel_secret_alloc(sizeof(**out));
	return *out != NULL ? 0 : -ENOMEM;
}

const struct peel_aead_engine peel_aead_avx512 = {
	.name = "avx512",
	.lanes = 8,
	.new = avx512_new,
	.free = avx512_free,
	.seal = avx512_seal,
	.open = avx512_open,
};
