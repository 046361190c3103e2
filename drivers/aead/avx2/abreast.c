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
#define BATCH(name, chains, steps, xor)                                                            \
	static void __attribute__((noinline)) name(uint32_t start[16][LANES],                      \
		uint8_t *const to[LANES], struct hashing *h, unsigned int first)                   \
	{                                                                                          \
		batch(start, to, h, first, chains, steps, xor);                                    \
	}
BATCH(seal_alone, BATCH_NONE, 0, true)
BATCH(seal_hash_one, BATCH_ONE, BATCH_STEPS_ONE, true)
BATCH(seal_hash_both, BATCH_BOTH, BATCH_STEPS_BOTH, true)
BATCH(seal_hash_one_most, BATCH_ONE, BATCH_STEPS_MOST, true)
BATCH(seal_hash_both_most, BATCH_BOTH, BATCH_STEPS_MOST, true)
BATCH(open_alone, BATCH_NONE, 0, false)
BATCH(open_hash_one, BATCH_ONE, BATCH_STEPS_ONE, false)
BATCH(open_hash_both, BATCH_BOTH, BATCH_STEPS_BOTH, false)
BATCH(open_hash_one_most, BATCH_ONE, BATCH_STEPS_MOST, false)
BATCH(open_hash_both_most, BATCH_BOTH, BATCH_STEPS_MOST, false)

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
	batch_fn batch[2][BATCH_CHAINS]; /* [most] */
	rows_fn rows[2][BATCH_CHAINS];	 /* of four blocks, of six */
};

static void __attribute__((noinline)) hash_rest(struct hashing *h)
{
	hashing_finish(h);
}

/* Up to 64 bytes, and as many more as make whole pieces of 16: behind a text is room for its tag.
 */
INLINE void
copy_16(uint8_t *to, const uint8_t *from, uint32_t n)
{
	_Static_assert(PEEL_AEAD_TAG_LEN >= 16, "room");

	for (uint32_t at = 0; at < n; at += 16)
		memcpy(to + at, from + at, 16);
}

INLINE uint32_t
number_of(const struct lanes *c, const struct peel_aead_cell *cell)
{
	return (uint32_t)(cell - c->burst.cell);
}

/* Bytes of the last block of a cell if it is not whole, or 0. */
INLINE uint32_t
cut_of(const struct peel_aead_cell *cell)
{
	return cell->len % BLOCK_LEN;
}

INLINE bool
is_last(const struct run *r)
{
	return r->block + r->n == r->cell->blocks;
}

/* The blocks of the next @p n lanes. */
INLINE unsigned int
take(struct cursor *at, struct run run[LANES], unsigned int n)
{
	unsigned int runs = 0;

	for (unsigned int i = 0; i < n;) {
		uint32_t left = at->cell->blocks - at->block, room = n - i;
		uint32_t taken = left < room ? left : room;

		run[runs++] = (struct run){at->cell, at->block, i, taken};
		i += taken;
		at->block += taken;
		if (taken == left)
			*at = (struct cursor){at->cell + 1, 0};
	}
	return runs;
}

/* Where blocks go when sealing: onto the text, but keys and what is not whole to slots. */
INLINE void
aim(const struct run *r, uint8_t *to[2 * LANES], uint8_t (*slot)[BLOCK_LEN])
{
	const struct peel_aead_cell *cell = r->cell;
	/* of a run that begins with a key it is not a place of the text yet */
	uintptr_t text = (uintptr_t)cell->text + (uintptr_t)r->block * BLOCK_LEN - BLOCK_LEN;
	uint32_t last = r->lane + r->n - 1;

	for (unsigned int i = 0; i < LANES; i++)
		to[r->lane + i] = (uint8_t *)(text + (uintptr_t)i * BLOCK_LEN);
	if (r->block == 0) {
		to[r->lane] = slot[r->lane];
		memset(slot[r->lane], 0, BLOCK_LEN);
	}
	if (is_last(r) && cut_of(cell) != 0) {
		to[last] = slot[last];
		copy_16(slot[last], cell->text + cell->len - cut_of(cell), cut_of(cell));
	}
}

/* So many bytes from @p from on are ciphertext now. */
INLINE void
hash_sealed(struct lanes *c, const struct peel_aead_cell *cell, const uint8_t *from, uint32_t len)
{
	if (len >= POLY64_BLOCK)
		hashing_add(c, number_of(c, cell), from, len / POLY64_BLOCK);
}

INLINE void
sealed(struct lanes *c, const struct run *r, uint8_t *const to[LANES])
{
	const struct peel_aead_cell *cell = r->cell;
	uint32_t cut = cut_of(cell), first = r->block, blocks = r->n;
	uint8_t *from;

	if (first == 0) {
		hashing_add_cell(c, number_of(c, cell), to[r->lane]);
		first++;
		blocks--;
	}
	from = cell->text + (size_t)(first - 1) * BLOCK_LEN;
	if (!is_last(r)) {
		hash_sealed(c, cell, from, blocks * BLOCK_LEN);
		return;
	}
	if (cut != 0)
		copy_16(cell->text + cell->len - cut, to[r->lane + r->n - 1], cut);
	hash_sealed(c, cell, from, (uint32_t)(cell->text + cell->len - from));
	/* from the slot: reading what was just copied in pieces would wait until it is in the
	 * cache */
	hashing_add_tail(
		c, number_of(c, cell), to[r->lane + r->n - 1] + cut / POLY64_BLOCK * POLY64_BLOCK);
}

/* A key is known: the ciphertext can be hashed as a whole. */
INLINE void
key_known(struct lanes *c, const struct run *r, uint8_t *const to[LANES])
{
	const struct peel_aead_cell *cell = r->cell;
	uint32_t number = number_of(c, cell);

	if (r->block != 0)
		return;
	hashing_add_cell(c, number, to[r->lane]);
	hash_sealed(c, cell, cell->text, cell->len);
	hashing_add_tail(c, number, cell->text + cell->len - cell->len % POLY64_BLOCK);
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

/* Eight blocks. Short cells leave less to hash than the most steps. A chain that is alone waits for
 * the other, as both together cost less; but at the end of a burst there is no other (@p last). */
INLINE void
compute(struct lanes *c, uint8_t *const to[LANES], const struct kinds *kinds, bool last)
{
	static const uint8_t steps[2][BATCH_CHAINS] = {
		{0, BATCH_STEPS_ONE, BATCH_STEPS_BOTH / 2},
		{0, BATCH_STEPS_MOST, BATCH_STEPS_MOST / 2},
	};
	struct hashing *h = &c->hashing;
	unsigned int first;
	enum batch_chains chains = busy_chains(h, &first);
	bool most =
		last || (chains == BATCH_BOTH &&
				h->load[0] + h->load[1] > BATCH_STEPS_BOTH * BATCH_DOUBLE_ROUNDS);

	kinds->batch[most][chains](c->start, to, h, first);
	stepped(h, chains, first, (uint64_t)steps[most][chains] * BATCH_DOUBLE_ROUNDS);
}

/* The last ones. */
INLINE void
compute_rows(struct lanes *c, const struct run *run, uint8_t *const *to, unsigned int n,
	const struct kinds *kinds)
{
	struct lane lane[ROWS_LANES_MAX];
	unsigned int first;
	enum batch_chains chains = busy_chains(&c->hashing, &first);

	for (unsigned int i = 0; i < n; run++) {
		for (unsigned int k = 0; k < run->n; k++)
			lane[i++] = (struct lane){run->cell, run->block + k};
	}
	for (unsigned int i = n; i < ROWS_LANES_MAX; i++)
		lane[i] = lane[0];
	kinds->rows[n > 4][chains](lane, to, &c->hashing, first);
	stepped(&c->hashing, chains, first, ROWS_STEPS);
}

INLINE void
crypt(struct lanes *c, bool open, const struct kinds *kinds)
{
	struct cursor at = {c->burst.cell, 0};
	const struct peel_aead_cell *last = &c->burst.cell[c->burst.n - 1];
	/* a run writes eight */
	uint8_t *to[2 * LANES];

	hashing_begin(&c->hashing);
	batch_constants(c->start);
	for (uint32_t row = 0; row < c->burst.blocks; row += LANES) {
		unsigned int n = c->burst.blocks - row < LANES ? c->burst.blocks - row : LANES;
		/* Opening, the keystream waits until everything is hashed. */
		uint8_t(*slot)[BLOCK_LEN] = open ? &c->slot[row] : c->slot;
		struct run run[LANES];
		unsigned int runs = take(&at, run, n);

		for (unsigned int i = 0; i < runs && !open; i++)
			aim(&run[i], to, slot);
		for (unsigned int i = open ? 0 : n; i < LANES; i++)
			to[i] = slot[i];
		if (n > ROWS_LANES_MAX) {
			batch_start(c->start, run, runs);
			compute(c, to, kinds, at.cell >= last);
		} else {
			compute_rows(c, run, to, n, kinds);
		}
		for (unsigned int i = 0; i < runs; i++) {
			if (open)
				key_known(c, &run[i], to);
			else
				sealed(c, &run[i], to);
		}
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
			{seal_alone, seal_hash_one_most, seal_hash_both_most},
		},
		{
			{seal_rows_4_alone, seal_rows_4_hash_one, seal_rows_4_hash_both},
			{seal_rows_6_alone, seal_rows_6_hash_one, seal_rows_6_hash_both},
		},
	};
	static const struct kinds opening = {
		{
			{open_alone, open_hash_one, open_hash_both},
			{open_alone, open_hash_one_most, open_hash_both_most},
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
