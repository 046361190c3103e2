/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Lists of what the chains hash. */

#include <assert.h>
#include <immintrin.h>

#include "batch.h"

/* what an empty list hashes over and over */
#define IDLE_BLOCKS 20

BATCH_INLINE void
hashing_begin(struct hashing *h)
{
	static const uint8_t zeros[IDLE_BLOCKS * POLY64_BLOCK];

	memset(&h->nobody, 0, sizeof(h->nobody));
	h->idle = (struct poly64_segment){zeros, IDLE_BLOCKS, &h->nobody, &h->idle};
	h->n_segments = 0;
	for (unsigned int i = 0; i < 2; i++) {
		poly64_enter(&h->chain[i], &h->factor[i], &h->idle);
		h->load[i] = 0;
	}
}

BATCH_INLINE bool
hashing_busy(const struct hashing *h, unsigned int i)
{
	return h->chain[i].segment != &h->idle;
}

BATCH_INLINE void
hashing_add(struct lanes *c, uint32_t cell, const uint8_t *at, uint64_t blocks)
{
	struct hashing *h = &c->hashing;
	struct poly64_segment *s = &h->segment[h->n_segments++];
	unsigned int i = h->chain_of[cell];

	assert(h->n_segments <= SEGMENTS_MAX);
	*s = (struct poly64_segment){at, blocks, &c->mac[cell], &h->idle};
	if (hashing_busy(h, i))
		h->last[i]->next = s;
	else
		poly64_enter(&h->chain[i], &h->factor[i], s);
	h->last[i] = s;
	h->load[i] += blocks;
}

/* The first block of a cell is known. */
BATCH_INLINE void
hashing_add_cell(struct lanes *c, uint32_t cell, const uint8_t *key)
{
	struct hashing *h = &c->hashing;

	poly64_key(&c->mac[cell], key);
	h->chain_of[cell] = h->load[1] < h->load[0];
}

/* What is behind the last whole block of a cell: @p from, of which a whole block can be read. */
BATCH_INLINE void
hashing_add_tail(struct lanes *c, uint32_t cell, const uint8_t *from)
{
	static const uint8_t mask[2 * POLY64_BLOCK] = {
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
	const struct peel_aead_cell *of = &c->burst.cell[cell];
	uint32_t rest = of->len % POLY64_BLOCK;
	uint64_t lengths[2] = {0, of->len};
	uint8_t *tail = c->mac[cell].tail;
	__m128i end;

	memcpy(tail + POLY64_BLOCK, lengths, POLY64_BLOCK);
	if (rest == 0) {
		hashing_add(c, cell, tail + POLY64_BLOCK, 1);
		return;
	}
	end = _mm_loadu_si128((const __m128i *)from);
	end = _mm_and_si128(end, _mm_loadu_si128((const __m128i *)(mask + POLY64_BLOCK - rest)));
	_mm_storeu_si128((__m128i *)tail, end);
	hashing_add(c, cell, tail, 2);
}

/* A batch is done: chain @p i took so many steps. */
BATCH_INLINE void
hashing_stepped(struct hashing *h, unsigned int i, uint64_t steps)
{
	h->load[i] = h->load[i] > steps ? h->load[i] - steps : 0;
}

/* Everything that is left. */
BATCH_INLINE void
hashing_finish(struct hashing *h)
{
	struct poly64_chain p = h->chain[0], q = h->chain[1];
	struct poly64_factor pr = h->factor[0], qr = h->factor[1];

	while (p.segment != &h->idle && q.segment != &h->idle) {
		poly64_step(&p, &pr);
		poly64_step(&q, &qr);
	}
	while (p.segment != &h->idle)
		poly64_step(&p, &pr);
	while (q.segment != &h->idle)
		poly64_step(&q, &qr);
}
