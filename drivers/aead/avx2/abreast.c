/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * All cells of a burst: batches of eight blocks, and what the chains hash meanwhile.
 */
#include "batch.h"
#include "hashing.h"

#define INLINE static inline __attribute__((always_inline))

/* The block that comes next. */
struct cursor {
	uint32_t cell, block;
};

typedef void (*batch_fn)(
	const struct lane lane[LANES], uint32_t start[12][LANES], struct poly64_chain chain[2]);

static void __attribute__((noinline))
seal_batch(const struct lane lane[LANES], uint32_t start[12][LANES], struct poly64_chain chain[2])
{
	batch(lane, start, chain, false, true);
}

static void __attribute__((noinline)) seal_batch_hash(
	const struct lane lane[LANES], uint32_t start[12][LANES], struct poly64_chain chain[2])
{
	batch(lane, start, chain, true, true);
}

static void __attribute__((noinline))
open_batch(const struct lane lane[LANES], uint32_t start[12][LANES], struct poly64_chain chain[2])
{
	batch(lane, start, chain, false, false);
}

static void __attribute__((noinline)) open_batch_hash(
	const struct lane lane[LANES], uint32_t start[12][LANES], struct poly64_chain chain[2])
{
	batch(lane, start, chain, true, false);
}

static void __attribute__((noinline)) hash_rest(struct hashing *h)
{
	hashing_finish(h);
}

/* Fewer than 64 bytes. */
INLINE void
copy_short(uint8_t *to, const uint8_t *from, uint32_t n)
{
	uint32_t at = n & 32;

	if ((n & 32) != 0)
		memcpy(to, from, 32);
	if ((n & 16) != 0) {
		memcpy(to + at, from + at, 16);
		at += 16;
	}
	if ((n & 8) != 0) {
		memcpy(to + at, from + at, 8);
		at += 8;
	}
	if ((n & 4) != 0) {
		memcpy(to + at, from + at, 4);
		at += 4;
	}
	if ((n & 2) != 0) {
		memcpy(to + at, from + at, 2);
		at += 2;
	}
	if ((n & 1) != 0)
		to[at] = from[at];
}

INLINE uint8_t *
text_of(const struct lanes *c, const struct lane *l)
{
	return c->burst.cell[l->cell].text + (size_t)(l->block - 1) * BLOCK_LEN;
}

/* The next block. Sealing, one that is not whole is XORed in a slot. */
INLINE void
take(struct lanes *c, struct cursor *at, struct lane *l, uint8_t *slot, bool open)
{
	const struct peel_aead_cell *cell = &c->burst.cell[at->cell];
	uint32_t done = (at->block - 1) * BLOCK_LEN;

	l->key = cell->key->b;
	l->input[0] = at->block;
	memcpy(&l->input[1], cell->nonce, PEEL_AEAD_NONCE_LEN);
	l->cell = at->cell;
	l->block = at->block;
	l->to = slot;
	l->len = 0;
	if (at->block > 0)
		l->len = cell->len - done < BLOCK_LEN ? cell->len - done : BLOCK_LEN;
	if (!open) {
		if (l->len == BLOCK_LEN) {
			l->to = text_of(c, l);
		} else {
			memset(slot, 0, BLOCK_LEN);
			if (l->len != 0)
				copy_short(slot, text_of(c, l), l->len);
		}
	}
	if (++at->block == cell->blocks) {
		at->cell++;
		at->block = 0;
	}
}

/* The blocks of a batch are ciphertext now: they are hashed next. */
INLINE void
sealed(struct lanes *c, const struct lane lane[LANES], unsigned int n)
{
	for (unsigned int i = 0; i < n;) {
		const struct lane *l = &lane[i++];
		const struct peel_aead_cell *cell = &c->burst.cell[l->cell];
		uint32_t len = 0;
		uint8_t *from;

		if (l->block == 0) {
			hashing_add_cell(c, l->cell, l->to);
			if (cell->len == 0)
				hashing_add_tail(c, l->cell);
			continue;
		}
		from = text_of(c, l);
		for (unsigned int k = i - 1; k < n && lane[k].cell == l->cell; i = ++k) {
			if (lane[k].len < BLOCK_LEN)
				copy_short(from + len, lane[k].to, lane[k].len);
			len += lane[k].len;
		}
		if (len >= POLY64_BLOCK)
			hashing_add(c, l->cell, from, len / POLY64_BLOCK);
		if (from + len == cell->text + cell->len)
			hashing_add_tail(c, l->cell);
	}
}

/* Some keys are known: a ciphertext can be hashed as a whole. */
INLINE void
keys_known(struct lanes *c, const struct lane lane[LANES], unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct peel_aead_cell *cell = &c->burst.cell[lane[i].cell];

		if (lane[i].block != 0)
			continue;
		hashing_add_cell(c, lane[i].cell, lane[i].to);
		if (cell->len >= POLY64_BLOCK)
			hashing_add(c, lane[i].cell, cell->text, cell->len / POLY64_BLOCK);
		hashing_add_tail(c, lane[i].cell);
	}
}

/* A hashed text is decrypted. */
INLINE void
xor_text(const struct lanes *c, const struct peel_aead_cell *cell)
{
	const uint8_t *stream = c->slot[cell->first + 1];
	uint32_t at = 0;

	for (; at + 32 <= cell->len; at += 32)
		put_32(cell->text + at, _mm256_load_si256((const __m256i *)(stream + at)), true);
	for (; at < cell->len; at++)
		cell->text[at] ^= stream[at];
}

INLINE void
crypt(struct lanes *c, bool open, batch_fn plain, batch_fn hash)
{
	struct cursor at = {0, 0};
	struct hashing *h = &c->hashing;

	hashing_begin(h);
	for (uint32_t row = 0; row < c->burst.blocks; row += LANES) {
		unsigned int n = c->burst.blocks - row < LANES ? c->burst.blocks - row : LANES;
		/* Opening, the keystream waits until everything is hashed. */
		uint8_t(*slot)[BLOCK_LEN] = open ? &c->slot[row] : c->slot;
		struct lane lane[LANES];

		for (unsigned int i = 0; i < n; i++)
			take(c, &at, &lane[i], slot[i], open);
		for (unsigned int i = n; i < LANES; i++) {
			lane[i] = lane[0];
			lane[i].to = slot[i];
		}
		(hashing_busy(h, 0) || hashing_busy(h, 1) ? hash : plain)(lane, c->start, h->chain);
		hashing_stepped(h);
		if (open)
			keys_known(c, lane, n);
		else
			sealed(c, lane, n);
	}
	hash_rest(h);
	for (unsigned int i = 0; i < c->burst.n; i++) {
		if (open)
			xor_text(c, &c->burst.cell[i]);
		poly64_tag(&c->mac[i], c->burst.tag[i]);
	}
}

void
lanes_crypt(struct lanes *c, bool open)
{
	if (open)
		crypt(c, true, open_batch, open_batch_hash);
	else
		crypt(c, false, seal_batch, seal_batch_hash);
}
