/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The engine: cuts bursts for the vector code, and compares tags. It is compiled for the baseline
 * CPU, as new() must run everywhere.
 */
#include <errno.h>
#include <stdlib.h>

#include "cells.h"
#include "peel_aead_avx512.h"
#include "peel_aead_tags.h"

/* of eight cells: more would not stay in the cache of the first level with their texts */
#define BLOCKS_ENOUGH 128

struct peel_aead {
	struct cells cells;
};

static void
begin(struct cells *c)
{
	c->n = 0;
	c->blocks = 0;
}

/* Add an operation, or return false: bursts are cut behind eight cells, as many as are hashed
 * together, when they have blocks enough. */
static inline bool
add(struct cells *c, const struct peel_aead_op *op, uint32_t len)
{
	uint32_t blocks = 1 + (len + BLOCK_LEN - 1) / BLOCK_LEN;

	if (len > PEEL_AEAD_TEXT_MAX)
		abort(); /* the caller's mistake; going on would send it in the clear */
	if (c->blocks + blocks > BLOCKS_MAX || (c->n % 8 == 0 && c->blocks > BLOCKS_ENOUGH))
		return false;
	c->cell[c->n] = (struct cell){op->key, op->nonce, op->text, len, c->blocks, blocks};
	c->first_at[c->n] = (uint64_t)c->blocks * BLOCK_LEN;
	c->len[c->n] = len;
	c->n++;
	c->blocks += blocks;
	return true;
}

static inline void
crypt(struct cells *c, bool open)
{
	chacha20_keystream(c);
	cells_xor_mac(c, CELLS_HASH_FASTER, open);
}

static void
avx512_seal(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	struct cells *c = &cx->cells;

	for (unsigned int i = 0; i < n;) {
		for (begin(c); i < n && add(c, &op[i], op[i].len); i++)
			;
		crypt(c, false);
		for (unsigned int k = 0; k < c->n; k++)
			memcpy(c->cell[k].text + c->cell[k].len, c->tag[k], PEEL_AEAD_TAG_LEN);
	}
}

static uint64_t
avx512_open(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	struct cells *c = &cx->cells;
	uint64_t failed = 0;

	for (unsigned int i = 0; i < n;) {
		uint8_t from[PEEL_AEAD_BURST];

		for (begin(c); i < n; i++) {
			if (op[i].len < PEEL_AEAD_TAG_LEN ||
				op[i].len > PEEL_AEAD_TEXT_MAX + PEEL_AEAD_TAG_LEN) {
				failed |= UINT64_C(1) << i;
				continue;
			}
			if (!add(c, &op[i], op[i].len - PEEL_AEAD_TAG_LEN))
				break;
			from[c->n - 1] = (uint8_t)i;
		}
		if (c->n == 0)
			break;
		crypt(c, true);
		for (unsigned int k = 0; k < c->n; k++)
			failed |= peel_aead_tag_differs(c->tag[k], c->cell[k].text + c->cell[k].len)
				  << from[k];
	}
	if (__builtin_expect(failed != 0, 0))
		peel_aead_wipe_failed(op, failed, c->tag);
	return failed;
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
