/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * All cells of a burst: batches of eight blocks, and what the chains hash meanwhile.
 */
#include "batch.h"
#include "hashing.h"
#include "rows.h"

#define INLINE static inline __attribute__((always_inline))

/* The block that comes next. */
struct cursor {
	const struct peel_aead_cell *cell;
	uint32_t block;
};

/* Compiled once for each kind. */
typedef void (*batch_fn)(
	uint32_t start[16][LANES], uint8_t *const to[LANES], struct hashing *h, unsigned int first);
#define BATCH(name, chains, twice, xor)                                                            \
	static void __attribute__((noinline)) name(uint32_t start[16][LANES],                      \
		uint8_t *const to[LANES], struct hashing *h, unsigned int first)                   \
	{                                                                                          \
		batch(start, to, h, first, chains, twice, xor);                                    \
	}
BATCH(seal_alone, BATCH_NONE, false, true)
BATCH(seal_hash_one, BATCH_ONE, false, true)
BATCH(seal_hash_both, BATCH_BOTH, false, true)
BATCH(seal_hash_one_twice, BATCH_ONE, true, true)
BATCH(seal_hash_both_twice, BATCH_BOTH, true, true)
BATCH(open_alone, BATCH_NONE, false, false)
BATCH(open_hash_one, BATCH_ONE, false, false)
BATCH(open_hash_both, BATCH_BOTH, false, false)
BATCH(open_hash_one_twice, BATCH_ONE, true, false)
BATCH(open_hash_both_twice, BATCH_BOTH, true, false)

/* The same for rows. */
typedef void (*rows_fn)(
	const struct lane *lane, uint8_t *const *to, struct hashing *h, unsigned int first);
#define ROWS(name, pairs, chains, xor)                                                             \
	static void __attribute__((noinline))                                                      \
	name(const struct lane *lane, uint8_t *const *to, struct hashing *h, unsigned int first)   \
	{                                                                                          \
		rows(lane, to, h, first, pairs, chains, xor);                                      \
	}
ROWS(seal_rows_4_alone, 2, BATCH_NONE, true)
ROWS(seal_rows_4_hash_one, 2, BATCH_ONE, true)
ROWS(seal_rows_4_hash_both, 2, BATCH_BOTH, true)
ROWS(seal_rows_6_alone, 3, BATCH_NONE, true)
ROWS(seal_rows_6_hash_one, 3, BATCH_ONE, true)
ROWS(seal_rows_6_hash_both, 3, BATCH_BOTH, true)
ROWS(open_rows_4_alone, 2, BATCH_NONE, false)
ROWS(open_rows_4_hash_one, 2, BATCH_ONE, false)
ROWS(open_rows_4_hash_both, 2, BATCH_BOTH, false)
ROWS(open_rows_6_alone, 3, BATCH_NONE, false)
ROWS(open_rows_6_hash_one, 3, BATCH_ONE, false)
ROWS(open_rows_6_hash_both, 3, BATCH_BOTH, false)

/* Of sealing or of opening, by what there is to hash. */
struct kinds {
	batch_fn batch[2][BATCH_CHAINS]; /* [twice] */
	rows_fn rows[2][BATCH_CHAINS];	 /* of four blocks, of six */
};

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

INLINE uint32_t
number_of(const struct lanes *c, const struct peel_aead_cell *cell)
{
	return (uint32_t)(cell - c->burst.cell);
}

INLINE uint8_t *
text_of(const struct lane *l)
{
	return l->cell->text + (size_t)(l->block - 1) * BLOCK_LEN;
}

/* The next block. Sealing, one that is not whole is XORed in a slot. */
INLINE uint8_t *
take(struct cursor *at, struct lane *l, uint8_t *slot, bool open)
{
	const struct peel_aead_cell *cell = at->cell;
	uint32_t left = cell->len - (at->block - 1) * BLOCK_LEN;

	*l = (struct lane){cell, at->block, left < BLOCK_LEN ? left : BLOCK_LEN};
	if (at->block == 0)
		l->len = 0;
	if (++at->block == cell->blocks) {
		at->cell++;
		at->block = 0;
	}
	if (open)
		return slot;
	if (l->len == BLOCK_LEN)
		return text_of(l);
	memset(slot, 0, BLOCK_LEN);
	if (l->len != 0)
		copy_short(slot, text_of(l), l->len);
	return slot;
}

/* Behind @p at are eight whole blocks of one cell. */
INLINE bool
same_cell(const struct cursor *at)
{
	return at->block != 0 && at->block + LANES <= at->cell->len / BLOCK_LEN + 1;
}

/* So many bytes from block @p block on are ciphertext now. */
INLINE void
hash_sealed(struct lanes *c, const struct peel_aead_cell *cell, const uint8_t *from, uint32_t len)
{
	if (len >= POLY64_BLOCK)
		hashing_add(c, number_of(c, cell), from, len / POLY64_BLOCK);
	if (from + len == cell->text + cell->len)
		hashing_add_tail(c, number_of(c, cell));
}

INLINE void
sealed(struct lanes *c, const struct lane lane[LANES], uint8_t *const to[LANES], unsigned int n)
{
	for (unsigned int i = 0; i < n;) {
		const struct lane *l = &lane[i];
		uint32_t len = 0;
		uint8_t *from = l->cell->text;

		if (l->block == 0) {
			hashing_add_cell(c, number_of(c, l->cell), to[i++]);
			if (l->cell->len == 0)
				hashing_add_tail(c, number_of(c, l->cell));
			continue;
		}
		from = text_of(l);
		for (; i < n && lane[i].cell == l->cell; i++) {
			if (lane[i].len < BLOCK_LEN)
				copy_short(from + len, to[i], lane[i].len);
			len += lane[i].len;
		}
		hash_sealed(c, l->cell, from, len);
	}
}

/* Some keys are known: a ciphertext can be hashed as a whole. */
INLINE void
keys_known(struct lanes *c, const struct lane lane[LANES], uint8_t *const to[LANES], unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct peel_aead_cell *cell = lane[i].cell;

		if (lane[i].block != 0)
			continue;
		hashing_add_cell(c, number_of(c, cell), to[i]);
		hash_sealed(c, cell, cell->text, cell->len);
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

/* Which chains have something to do, and the one that has if it is alone. */
INLINE enum batch_chains
busy_chains(const struct hashing *h, unsigned int *first)
{
	bool busy[2] = {hashing_busy(h, 0), hashing_busy(h, 1)};

	*first = !busy[0] && busy[1];
	return busy[0] && busy[1] ? BATCH_BOTH : busy[0] || busy[1] ? BATCH_ONE : BATCH_NONE;
}

INLINE void
stepped(struct hashing *h, enum batch_chains chains, unsigned int first, uint64_t steps)
{
	if (chains != BATCH_NONE)
		hashing_stepped(h, first, steps);
	if (chains == BATCH_BOTH)
		hashing_stepped(h, 1, steps);
}

/* Eight blocks. More steps than there is to hash would delay the rounds for nothing. A chain that
 * is alone waits for the other, as both together cost less; but at the end of a burst there is no
 * other (@p last). */
INLINE void
compute(struct lanes *c, uint8_t *const to[LANES], const struct kinds *kinds, bool last)
{
	struct hashing *h = &c->hashing;
	unsigned int first;
	enum batch_chains chains = busy_chains(h, &first);
	bool twice = last || (chains == BATCH_BOTH && h->load[0] + h->load[1] > BATCH_STEPS);

	kinds->batch[twice][chains](c->start, to, h, first);
	stepped(h, chains, first, (twice ? 2 : 1) * BATCH_STEPS / (chains == BATCH_BOTH ? 2 : 1));
}

/* The last ones. */
INLINE void
compute_rows(struct lanes *c, const struct lane *lane, uint8_t *const *to, bool six,
	const struct kinds *kinds)
{
	unsigned int first;
	enum batch_chains chains = busy_chains(&c->hashing, &first);

	kinds->rows[six][chains](lane, to, &c->hashing, first);
	stepped(&c->hashing, chains, first, ROWS_STEPS);
}

INLINE void
crypt(struct lanes *c, bool open, const struct kinds *kinds)
{
	struct cursor at = {c->burst.cell, 0};
	const struct peel_aead_cell *last = &c->burst.cell[c->burst.n - 1];
	uint8_t *to[LANES];

	hashing_begin(&c->hashing);
	batch_constants(c->start);
	for (uint32_t row = 0; row < c->burst.blocks; row += LANES) {
		unsigned int n = c->burst.blocks - row < LANES ? c->burst.blocks - row : LANES;
		/* Opening, the keystream waits until everything is hashed. */
		uint8_t(*slot)[BLOCK_LEN] = open ? &c->slot[row] : c->slot;
		struct lane lane[LANES];

		if (same_cell(&at)) {
			const struct peel_aead_cell *cell = at.cell;
			uint8_t *text = cell->text + (size_t)(at.block - 1) * BLOCK_LEN;

			batch_start_same(c->start, cell, at.block);
			for (unsigned int i = 0; i < LANES; i++)
				to[i] = open ? slot[i] : text + (size_t)i * BLOCK_LEN;
			at.block += LANES;
			if (at.block == cell->blocks)
				at = (struct cursor){cell + 1, 0};
			compute(c, to, kinds, at.cell >= last);
			if (!open)
				hash_sealed(c, cell, text, LANES * BLOCK_LEN);
			continue;
		}
		for (unsigned int i = 0; i < n; i++)
			to[i] = take(&at, &lane[i], slot[i], open);
		for (unsigned int i = n; i < LANES; i++) {
			lane[i] = lane[0];
			to[i] = slot[i];
		}
		if (n > ROWS_LANES_MAX) {
			batch_start(c->start, lane);
			compute(c, to, kinds, at.cell >= last);
		} else {
			compute_rows(c, lane, to, n > 4, kinds);
		}
		if (open)
			keys_known(c, lane, to, n);
		else
			sealed(c, lane, to, n);
	}
	hash_rest(&c->hashing);
	for (unsigned int i = 0; i < c->burst.n; i++) {
		if (open)
			xor_text(c, &c->burst.cell[i]);
		poly64_tag(&c->mac[i], c->burst.tag[i]);
	}
}

void
lanes_crypt(struct lanes *c, bool open)
{
	static const struct kinds seal = {
		{
			{seal_alone, seal_hash_one, seal_hash_both},
			{seal_alone, seal_hash_one_twice, seal_hash_both_twice},
		},
		{
			{seal_rows_4_alone, seal_rows_4_hash_one, seal_rows_4_hash_both},
			{seal_rows_6_alone, seal_rows_6_hash_one, seal_rows_6_hash_both},
		},
	};
	static const struct kinds opening = {
		{
			{open_alone, open_hash_one, open_hash_both},
			{open_alone, open_hash_one_twice, open_hash_both_twice},
		},
		{
			{open_rows_4_alone, open_rows_4_hash_one, open_rows_4_hash_both},
			{open_rows_6_alone, open_rows_6_hash_one, open_rows_6_hash_both},
		},
	};

	if (open)
		crypt(c, true, &opening);
	else
		crypt(c, false, &seal);
}
