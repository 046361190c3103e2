/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Bursts, for engines that work on the blocks of several cells at once: one list of cells with one
 * row of ChaCha20 blocks. Thread: the engine's. */

#include <stdlib.h>

#include "peel_aead_tags.h"

#define PEEL_AEAD_BLOCK_LEN 64
/* of one cell */
#define PEEL_AEAD_BLOCKS_MAX                                                                       \
	(1 + (PEEL_AEAD_TEXT_MAX + PEEL_AEAD_BLOCK_LEN - 1) / PEEL_AEAD_BLOCK_LEN)

struct peel_aead_cell {
	const struct peel_key *key;
	const uint8_t *nonce;
	uint8_t *text;
	/* without the tag */
	uint32_t len;
	/* its blocks in the row: the one-time key of Poly1305, then one per 64 bytes of text */
	uint32_t first;
	uint32_t blocks;
};

struct peel_aead_cells {
	/* computed */
	uint8_t tag[PEEL_AEAD_BURST][PEEL_AEAD_TAG_LEN] __attribute__((aligned(64)));
	/* at least one cell, and the blocks of all, up to PEEL_AEAD_BLOCKS_MAX */
	unsigned int n;
	uint32_t blocks;
	struct peel_aead_cell cell[PEEL_AEAD_BURST];
};

/** How an engine wants them. */
struct peel_aead_cells_how {
	/** Encrypt or decrypt the texts in place and compute the tags over the ciphertexts, for the
	 * cells of the engine's context. */
	void (*crypt)(void *cx, bool open);
	/** Bursts are cut behind eight cells, or a multiple, when these have more blocks. */
	uint32_t enough;
};

/* Add an operation, or return false: cut here. */
static inline bool
peel_aead_cells_add(
	struct peel_aead_cells *c, const struct peel_aead_op *op, uint32_t len, uint32_t enough)
{
	uint32_t blocks = 1 + (len + PEEL_AEAD_BLOCK_LEN - 1) / PEEL_AEAD_BLOCK_LEN;

	if (len > PEEL_AEAD_TEXT_MAX)
		abort(); /* the caller's mistake; going on would send it in the clear */
	if (c->blocks + blocks > PEEL_AEAD_BLOCKS_MAX || (c->n % 8 == 0 && c->blocks > enough))
		return false;
	c->cell[c->n++] =
		(struct peel_aead_cell){op->key, op->nonce, op->text, len, c->blocks, blocks};
	c->blocks += blocks;
	return true;
}

/** As peel_aead_engine.seal; @p c: in @p cx. */
static inline __attribute__((always_inline)) void
peel_aead_cells_seal(struct peel_aead_cells *c, void *cx, const struct peel_aead_cells_how *how,
	struct peel_aead_op *op, unsigned int n)
{
	for (unsigned int i = 0; i < n;) {
		c->n = 0;
		c->blocks = 0;
		for (; i < n && peel_aead_cells_add(c, &op[i], op[i].len, how->enough); i++)
			;
		how->crypt(cx, false);
		for (unsigned int k = 0; k < c->n; k++)
			memcpy(c->cell[k].text + c->cell[k].len, c->tag[k], PEEL_AEAD_TAG_LEN);
	}
}

/** As peel_aead_engine.open; @p c: in @p cx. */
static inline __attribute__((always_inline)) uint64_t
peel_aead_cells_open(struct peel_aead_cells *c, void *cx, const struct peel_aead_cells_how *how,
	struct peel_aead_op *op, unsigned int n)
{
	uint64_t failed = 0;

	for (unsigned int i = 0; i < n;) {
		uint8_t from[PEEL_AEAD_BURST];

		c->n = 0;
		c->blocks = 0;
		for (; i < n; i++) {
			if (op[i].len < PEEL_AEAD_TAG_LEN ||
				op[i].len > PEEL_AEAD_TEXT_MAX + PEEL_AEAD_TAG_LEN) {
				failed |= UINT64_C(1) << i;
				continue;
			}
			if (!peel_aead_cells_add(
				    c, &op[i], op[i].len - PEEL_AEAD_TAG_LEN, how->enough))
				break;
			from[c->n - 1] = (uint8_t)i;
		}
		if (c->n == 0)
			break;
		how->crypt(cx, true);
		for (unsigned int k = 0; k < c->n; k++)
			failed |= peel_aead_tag_differs(c->tag[k], c->cell[k].text + c->cell[k].len)
				  << from[k];
	}
	if (__builtin_expect(failed != 0, 0))
		peel_aead_wipe_failed(op, n, failed, c->tag);
	return failed;
}
