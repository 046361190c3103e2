/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Cells on their way through the engine, and the keystream they share:
 *
 *   chacha20_keystream   writes the ChaCha20 blocks of all cells in one row, no lane of a vector
 * wasted in between cells_xor_mac           XORs it onto the texts and computes the tags, Poly1305
 * over the ciphertexts
 */

#include "peel_aead.h"

#define BLOCK_LEN 64
/* of one cell */
#define BLOCKS_MAX (1 + (PEEL_AEAD_TEXT_MAX + BLOCK_LEN - 1) / BLOCK_LEN)
/* a vector's worth is written at once, and read from behind the end */
#define BLOCKS_ROOM (BLOCKS_MAX + 16)

#define FEW_MAX 3 /* times four blocks */

struct cell {
	const struct peel_key *key;
	const uint8_t *nonce;
	uint8_t *text;
	uint32_t len; /* without the tag */
	/* its blocks: the one-time key of Poly1305, then one per 64 bytes of text */
	uint32_t first;
	uint32_t blocks;
};

struct cells {
	/* Secrets: they stay until the next burst overwrites them, or the context is freed and
	 * wiped. Beside what a compiler leaves in registers and on the stack, there are no
	 * others. */
	uint8_t keystream[BLOCKS_ROOM][BLOCK_LEN] __attribute__((aligned(64)));
	uint32_t state[2][16][16]; /* ChaCha20 of 16 blocks, by word and lane: start states ... */
	uint32_t done[16][16];	   /* ... and results */
	uint32_t few[2][4]
		    [16]; /* start states of four blocks each, a row of four words in 128 bits */
	uint64_t power[9][3][8]; /* Poly1305: r to the power of 1..8 and of 16, by limb and cell */
	uint64_t lanes[8][3][8]; /* what of a hash is in the lanes, by cell and limb */

	uint8_t tag[PEEL_AEAD_BURST][PEEL_AEAD_TAG_LEN] __attribute__((aligned(64))); /* computed */
	struct cell cell[PEEL_AEAD_BURST];
	/* the cells' first blocks again, in bytes; any behind the last cell */
	uint64_t first_at[PEEL_AEAD_BURST];
	uint64_t len[PEEL_AEAD_BURST]; /* and their lengths */
	unsigned int n;		       /* at least 1 */
	uint32_t blocks;	       /* of all cells, up to BLOCKS_MAX */
};

/** Fill the keystream of all cells.   Thread: owner of @p c. */
void chacha20_keystream(struct cells *c);

/** How Poly1305 is computed. The tags are the same. */
enum cells_hash {
	CELLS_HASH_FASTER, /* of the following */
	CELLS_HASH_WIDE,   /* cell by cell, eight blocks of it at a time: for long texts */
	/* eight cells at once, a lane for each: for short texts of similar length */
	CELLS_HASH_ABREAST,
};

/** Turn plaintexts into ciphertexts (@p open: back) in place, and compute the tags.   Thread: owner
 * of @p c. */
void cells_xor_mac(struct cells *c, enum cells_hash how, bool open);
