/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cells on their way through the engine, and the keystream they share. chacha20_keystream() writes
 * the ChaCha20 blocks of all cells in one row, so that no lane of a vector is wasted between two
 * cells. cells_xor_mac() XORs them onto the texts and computes the tags.
 */
#pragma once

#include "peel_aead_cells.h"

#define BLOCK_LEN PEEL_AEAD_BLOCK_LEN
/* a vector's worth is written at once, and read from behind the end */
#define BLOCKS_ROOM (PEEL_AEAD_BLOCKS_MAX + 16)

/* What is left beside whole sixteens of blocks is computed in fours, up to so many. */
#define FOURS_MAX 3

struct cells {
	/* Secrets stay here until the next burst overwrites them, or until the context is freed and
	 * wiped. There are no others, but for what a compiler leaves in registers and on the
	 * stack. */
	uint8_t keystream[BLOCKS_ROOM][BLOCK_LEN] __attribute__((aligned(64)));
	/* ChaCha20 of 16 blocks, by word and lane: start states and results */
	uint32_t state[2][16][16];
	uint32_t done[16][16];
	/* start states of fours of blocks: four rows, in each the four words of every block */
	uint32_t fours[FOURS_MAX][4][16];
	/* Poly1305: r to the power of 1..8 and of 16, by limb and cell */
	uint64_t power[9][3][8];
	/* sums that are still spread over the lanes, by cell and limb */
	uint64_t lanes[8][3][8];
	struct peel_aead_cells burst;
	/* once more for vectors: the bytes where the cells' blocks begin, and their lengths; behind
	 * the last cell anything */
	uint64_t first_at[PEEL_AEAD_BURST];
	uint64_t len[PEEL_AEAD_BURST];
};

/** Fill the keystream of all cells. Thread: owner of @p c. */
void chacha20_keystream(struct cells *c);

/** How Poly1305 is computed. The tags are the same. */
enum cells_hash {
	/* the faster one of the following */
	CELLS_HASH_FASTER,
	/* cell by cell, eight blocks at a time: for long texts */
	CELLS_HASH_WIDE,
	/* eight cells at a time, a lane for each: for short texts of similar length */
	CELLS_HASH_LANES,
};

/** Encrypt the texts in place, or decrypt them (@p open), and compute the tags over the
 * ciphertexts. Thread: owner of @p c. */
void cells_xor_mac(struct cells *c, enum cells_hash how, bool open);
