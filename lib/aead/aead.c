/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The self-test of engines, and what they share.
 */
#include <errno.h>
#include <stdlib.h>

#include "known_answers.h"
#include "peel_aead_tags.h"

/* The spread: every length up to just over two ChaCha blocks, then a full cell. */
#define SPREAD_SHORT 131
#define SPREAD_N (SPREAD_SHORT + 1)
#define LONGEST 1400
#define ROOM (LONGEST + PEEL_AEAD_TAG_LEN)

struct self_test {
	const struct peel_aead_engine *engine;
	struct peel_aead *cx;
	struct peel_aead_op op[PEEL_AEAD_BURST];
	struct peel_key key[PEEL_AEAD_BURST];
	uint8_t text[PEEL_AEAD_BURST][ROOM];
	uint64_t sum[2];
};

static void
set_op(struct self_test *t, unsigned int i, const struct peel_key *key, const uint8_t *nonce,
	uint32_t len)
{
	t->op[i].key = key;
	t->op[i].text = t->text[i];
	t->op[i].len = len;
	memcpy(t->op[i].nonce, nonce, PEEL_AEAD_NONCE_LEN);
}

static int
test_known_answers(struct self_test *t)
{
	const uint32_t len0 = sizeof(sunscreen_text) - 1, len1 = sizeof(drafts_text) - 1;

	set_op(t, 0, &sunscreen_key, sunscreen_nonce, len0);
	set_op(t, 1, &drafts_key, drafts_nonce, len1);
	memcpy(t->text[0], sunscreen_text, len0);
	memcpy(t->text[1], drafts_text, len1);
	t->engine->seal(t->cx, t->op, 2);
	if (memcmp(t->text[0], sunscreen_sealed, sizeof(sunscreen_sealed)) != 0 ||
		memcmp(t->text[1], drafts_sealed, sizeof(drafts_sealed)) != 0)
		return -EILSEQ;
	t->op[0].len = sizeof(sunscreen_sealed);
	t->op[1].len = sizeof(drafts_sealed);
	if (t->engine->open(t->cx, t->op, 2) != 0)
		return -EILSEQ;
	if (memcmp(t->text[0], sunscreen_text, len0) != 0 ||
		memcmp(t->text[1], drafts_text, len1) != 0)
		return -EILSEQ;
	return 0;
}

/* Key, nonce and plaintext of the spread follow from the length alone. */
static uint8_t
spread_byte(uint32_t factor, uint32_t i, uint32_t len)
{
	return (uint8_t)(factor * i + len);
}

static void
spread_op(struct self_test *t, unsigned int i, uint32_t len)
{
	uint8_t nonce[PEEL_AEAD_NONCE_LEN];

	for (uint32_t k = 0; k < sizeof(t->key[i].b); k++)
		t->key[i].b[k] = spread_byte(7, k, len);
	for (uint32_t k = 0; k < sizeof(nonce); k++)
		nonce[k] = spread_byte(11, k, len);
	for (uint32_t k = 0; k < len; k++)
		t->text[i][k] = spread_byte(13, k, len);
	set_op(t, i, &t->key[i], nonce, len);
}

static uint64_t
tag_sum(uint64_t sum, const uint8_t *half)
{
	uint64_t v;

	memcpy(&v, half, sizeof(v));
	return (sum << 5 | sum >> 59) ^ v;
}

static bool
spread_ok(const struct self_test *t, unsigned int i, bool forged)
{
	const struct peel_aead_op *op = &t->op[i];
	uint32_t len = op->len - PEEL_AEAD_TAG_LEN;

	for (uint32_t k = 0; k < len; k++) {
		if (op->text[k] != (forged ? 0 : spread_byte(13, k, len)))
			return false;
	}
	return true;
}

/* One burst of mixed lengths: seal, forge every third, open. */
static int
test_spread_burst(struct self_test *t, uint32_t first, unsigned int n)
{
	uint64_t forged = 0;

	for (unsigned int i = 0; i < n; i++)
		spread_op(t, i, first + i < SPREAD_SHORT ? first + i : LONGEST);
	t->engine->seal(t->cx, t->op, n);
	for (unsigned int i = 0; i < n; i++) {
		uint8_t *tag = t->op[i].text + t->op[i].len;

		t->sum[0] = tag_sum(t->sum[0], tag);
		t->sum[1] = tag_sum(t->sum[1], tag + 8);
		t->op[i].len += PEEL_AEAD_TAG_LEN;
		if (i % 3 == 0) {
			forged |= UINT64_C(1) << i;
			t->op[i].text[i * 7 % t->op[i].len] ^= (uint8_t)(1 << i % 8);
		}
	}
	if (t->engine->open(t->cx, t->op, n) != forged)
		return -EILSEQ;
	for (unsigned int i = 0; i < n; i++) {
		if (!spread_ok(t, i, (forged >> i & 1) != 0))
			return -EILSEQ;
	}
	return 0;
}

static int
test_spread(struct self_test *t)
{
	for (uint32_t first = 0; first < SPREAD_N; first += PEEL_AEAD_BURST) {
		uint32_t left = SPREAD_N - first;
		int rc = test_spread_burst(
			t, first, left < PEEL_AEAD_BURST ? left : PEEL_AEAD_BURST);

		if (rc != 0)
			return rc;
	}
	return memcmp(t->sum, spread_sum, sizeof(spread_sum)) == 0 ? 0 : -EILSEQ;
}

int
peel_aead_self_test(const struct peel_aead_engine *engine)
{
	struct self_test *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return -ENOMEM;
	t->engine = engine;
	rc = engine->new (&t->cx);
	if (rc == 0) {
		rc = test_known_answers(t);
		if (rc == 0)
			rc = test_spread(t);
		engine->free(t->cx);
	}
	free(t);
	return rc;
}

void
peel_aead_wipe_failed(
	struct peel_aead_op *op, unsigned int n, uint64_t failed, uint8_t tag[][PEEL_AEAD_TAG_LEN])
{
	peel_wipe(tag, (size_t)n * PEEL_AEAD_TAG_LEN);
	for (; failed != 0; failed &= failed - 1) {
		struct peel_aead_op *o = &op[__builtin_ctzll(failed)];

		memset(o->text, 0, o->len);
	}
}
