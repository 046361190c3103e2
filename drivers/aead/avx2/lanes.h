/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cells on their way through the engine. The ChaCha20 blocks of all cells form one list and are
 * computed eight at a time, a lane for each, so that none is lost where one cell ends and the next
 * begins.
 */
#pragma once

#include "peel_aead_cells.h"
#include "poly64.h"

#define BLOCK_LEN PEEL_AEAD_BLOCK_LEN
#define LANES 8
/* the last batch is filled up */
#define BLOCKS_ROOM (PEEL_AEAD_BLOCKS_MAX + LANES)
/* Of each cell one per batch that has blocks of it, and its end. */
#define SEGMENTS_MAX (BLOCKS_ROOM / LANES + 2 * PEEL_AEAD_BURST)

/* What the two chains hash: each has a list of segments. A cell belongs to the chain that had less
 * to do when the cell began. A chain whose list is empty hashes zeros for nobody. */
struct hashing {
	struct poly64_chain chain[2];
	struct poly64_factor factor[2];
	/* the last segment of each list, and blocks still to do */
	struct poly64_segment *last[2];
	uint64_t load[2];
	struct poly64_segment idle;
	struct poly64_mac nobody;
	uint8_t chain_of[PEEL_AEAD_BURST];
	struct poly64_segment segment[SEGMENTS_MAX];
	unsigned int n_segments;
};

struct lanes {
	/* Secrets stay here until the next burst overwrites them, or until the context is freed and
	 * wiped. There are no others, but for what a compiler leaves in registers and on the
	 * stack. */
	uint8_t slot[BLOCKS_ROOM][BLOCK_LEN] __attribute__((aligned(64)));
	/* ChaCha20 of eight blocks, by word and lane: how it starts */
	uint32_t start[16][LANES] __attribute__((aligned(32)));
	struct poly64_mac mac[PEEL_AEAD_BURST];
	struct hashing hashing;
	struct peel_aead_cells burst;
};

/** Encrypt the texts in place, or decrypt them (@p open), and compute the tags over the
 * ciphertexts. Thread: owner of @p c. */
void lanes_crypt(struct lanes *c, bool open);
