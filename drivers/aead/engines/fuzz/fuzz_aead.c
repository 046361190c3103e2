/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Bursts of any cells: every engine seals like libsodium, opens what it sealed, and refuses what
 * was changed; so does the source of "avx512" as any CPU can run it. Four bytes are a cell: its
 * length, the alignment of its text, and what is forged. */
#include <stdlib.h>

#include "avx512_portable.h"
#include "peel_aead_engines.h"
#include "peel_aead_sodium.h"

#define CELL 4
#define LEN_MAX 1700
#define ROOM (LEN_MAX + PEEL_AEAD_TAG_LEN)
#define ENGINES_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct peel_key keys[PEEL_AEAD_BURST];
static uint8_t plain[PEEL_AEAD_BURST][ROOM], sealed[PEEL_AEAD_BURST][ROOM];

/* Bytes that follow from the cell's number and the input's. */
static void
fill(uint8_t *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		p[i] = (uint8_t)(seed >> 56);
	}
}

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* Each text in a block of its exact size, from some byte of it on. */
static uint8_t *
buffer_of(const uint8_t *cell, uint32_t len, uint8_t **text)
{
	uint32_t offset = cell[2] % 64;
	uint8_t *p = malloc(offset + len + PEEL_AEAD_TAG_LEN);

	must(p != NULL);
	*text = p + offset;
	return p;
}

static void
check(const struct peel_aead_engine *e, struct peel_aead *cx, const uint8_t *data,
	const struct peel_aead_op *as_sodium, unsigned int n)
{
	struct peel_aead_op op[PEEL_AEAD_BURST];
	uint8_t *buffer[PEEL_AEAD_BURST];
	uint64_t forged = 0;

	for (unsigned int i = 0; i < n; i++) {
		op[i] = as_sodium[i];
		buffer[i] = buffer_of(data + CELL * i, op[i].len, &op[i].text);
		memcpy(op[i].text, plain[i], op[i].len);
	}
	e->seal(cx, op, n);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t how = data[CELL * i + 3];

		op[i].len += PEEL_AEAD_TAG_LEN;
		must(memcmp(op[i].text, sealed[i], op[i].len) == 0);
		if (how % 4 == 1) {
			op[i].text[(how * 7u) % op[i].len] ^= (uint8_t)(1u << how / 32);
			forged |= UINT64_C(1) << i;
		}
	}
	must(e->open(cx, op, n) == forged);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = op[i].len - PEEL_AEAD_TAG_LEN;

		if ((forged >> i & 1) == 0)
			must(memcmp(op[i].text, plain[i], len) == 0);
		else
			must(len == 0 || (op[i].text[0] == 0 &&
						 memcmp(op[i].text, op[i].text + 1, len - 1) == 0));
		free(buffer[i]);
	}
}

static struct tested {
	const struct peel_aead_engine *e;
	struct peel_aead *cx;
} tested[ENGINES_MAX];
static unsigned int n_tested;

static void
add(const struct peel_aead_engine *e)
{
	must(n_tested < ENGINES_MAX);
	tested[n_tested].e = e;
	if (e->new (&tested[n_tested].cx) == 0)
		n_tested++; /* otherwise not on this CPU */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peel_aead_op op[PEEL_AEAD_BURST];
	unsigned int n =
		size / CELL < PEEL_AEAD_BURST ? (unsigned int)(size / CELL) : PEEL_AEAD_BURST;

	if (n_tested == 0) {
		for (unsigned int i = 0; peel_aead_engines[i] != NULL; i++)
			add(peel_aead_engines[i]);
		add(&peel_aead_avx512_portable);
	}
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *cell = data + CELL * i;
		uint32_t len = (uint32_t)(cell[0] | cell[1] << 8) % (LEN_MAX + 1);

		op[i] = (struct peel_aead_op){.key = &keys[i], .text = sealed[i], .len = len};
		fill(keys[i].b, sizeof(keys[i].b), i + size);
		fill(op[i].nonce, sizeof(op[i].nonce), len);
		fill(plain[i], len, cell[3]);
		memcpy(sealed[i], plain[i], len);
	}
	peel_aead_sodium.seal(NULL, op, n);
	for (unsigned int i = 0; i < n_tested; i++)
		check(tested[i].e, tested[i].cx, data, op, n);
	return 0;
}
