/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Every engine: protocol vectors, forgeries, odd buffers, and the engines against each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <cmocka.h>

#include "engines_under_test.h"
#include "peel_aead_sodium.h"
#include "peel_vectors.h"

/* ---- table and self-test --------------------------------------------------------------------- */

static void
test_table_finds_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(peel_aead_engine_find("sodium"), &peel_aead_sodium);
	assert_null(peel_aead_engine_find("none such"));
	for (unsigned int i = 0; peel_aead_engines[i] != NULL; i++)
		assert_ptr_equal(
			peel_aead_engine_find(peel_aead_engines[i]->name), peel_aead_engines[i]);
}

static void
test_best_stays(void **state)
{
	const struct peel_aead_engine *best = peel_aead_engine_best();

	(void)state;
	assert_non_null(best);
	assert_ptr_equal(peel_aead_engine_find(best->name), best);
	assert_int_equal(peel_aead_self_test(best), 0);
	assert_ptr_equal(peel_aead_engine_best(), best);
}

static void
test_self_test_passes(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < n_engines; i++)
		assert_int_equal(peel_aead_self_test(engines[i].e), 0);
}

static void
seal_wrong_at_97(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	peel_aead_sodium.seal(cx, op, n);
	for (unsigned int i = 0; i < n; i++) {
		if (op[i].len == 97)
			op[i].text[97 + 5] ^= 0x10;
	}
}

static uint64_t
open_accepts_all(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	(void)peel_aead_sodium.open(cx, op, n);
	return 0;
}

static uint64_t
open_keeps_text(struct peel_aead *cx, struct peel_aead_op *op, unsigned int n)
{
	uint64_t failed = peel_aead_sodium.open(cx, op, n);

	for (unsigned int i = 0; i < n; i++) {
		if ((failed >> i & 1) != 0 && op[i].len > PEEL_AEAD_TAG_LEN)
			op[i].text[0] = 1;
	}
	return failed;
}

static void
test_self_test_notices_bad_engines(void **state)
{
	struct peel_aead_engine bad = peel_aead_sodium;

	(void)state;
	bad.seal = seal_wrong_at_97;
	assert_int_equal(peel_aead_self_test(&bad), -EILSEQ);
	bad = peel_aead_sodium;
	bad.open = open_accepts_all;
	assert_int_equal(peel_aead_self_test(&bad), -EILSEQ);
	bad.open = open_keeps_text;
	assert_int_equal(peel_aead_self_test(&bad), -EILSEQ);
}

/* ---- vectors --------------------------------------------------------------------------------- */

struct loaded {
	struct peel_key key;
	uint8_t nonce[PEEL_AEAD_NONCE_LEN];
	uint8_t *plain, *sealed; /* sealed: ciphertext and tag, without the explicit salt */
	size_t plain_len, sealed_len;
	bool ok, can_seal;
};

static struct loaded *
load_vectors(size_t *n)
{
	json_t *file = peel_vectors_load("aead"), *v;
	struct loaded *all = calloc(json_array_size(peel_vec_get(file, "vectors")), sizeof(*all));
	size_t i, len;

	assert_non_null(all);
	*n = 0;
	peel_vectors_foreach (file, i, v) {
		struct loaded *l = &all[*n];

		l->can_seal = peel_vec_find(v, "output") != NULL;
		uint8_t *bytes = peel_vec_hex(v, l->can_seal ? "output" : "input", &len);

		if (len < 8) { /* no room for an explicit salt: never reaches an engine */
			assert_string_equal(peel_vec_str(v, "expect"), "fail");
			free(bytes);
			continue;
		}
		peel_vec_bytes(v, "key", &l->key, sizeof(l->key));
		peel_vec_bytes(v, "salt", l->nonce, 4);
		memcpy(l->nonce + 4, bytes, 8);
		l->plain = peel_vec_hex(v, "plaintext", &l->plain_len);
		l->sealed_len = len - 8;
		l->sealed = malloc(l->sealed_len > 0 ? l->sealed_len : 1);
		assert_non_null(l->sealed);
		memcpy(l->sealed, bytes + 8, l->sealed_len);
		l->ok = strcmp(peel_vec_str(v, "expect"), "ok") == 0;
		free(bytes);
		(*n)++;
	}
	json_decref(file);
	return all;
}

static void
set_op(struct peel_aead_op *op, const struct loaded *l, const uint8_t *text, size_t len,
	size_t room)
{
	op->key = &l->key;
	op->len = (uint32_t)len;
	op->text = malloc(room > 0 ? room : 1);
	assert_non_null(op->text);
	memcpy(op->text, text, len);
	memcpy(op->nonce, l->nonce, sizeof(op->nonce));
}

/* A burst of vectors, each in a heap block of its exact size. */
static void
run_vectors(const struct open_engine *en, const struct loaded *l, unsigned int n)
{
	struct peel_aead_op op[PEEL_AEAD_BURST];
	uint64_t expected = 0;

	for (unsigned int i = 0; i < n; i++) {
		set_op(&op[i], &l[i], l[i].sealed, l[i].sealed_len, l[i].sealed_len);
		expected |= (uint64_t)!l[i].ok << i;
	}
	assert_true(en->e->open(en->cx, op, n) == expected);
	for (unsigned int i = 0; i < n; i++) {
		if (l[i].ok)
			assert_memory_equal(op[i].text, l[i].plain, l[i].plain_len);
		else
			assert_true(all_zero(op[i].text, op[i].len));
		free(op[i].text);
	}
	for (unsigned int i = 0; i < n; i++)
		set_op(&op[i], &l[i], l[i].plain, l[i].plain_len,
			l[i].plain_len + PEEL_AEAD_TAG_LEN);
	en->e->seal(en->cx, op, n);
	for (unsigned int i = 0; i < n; i++) {
		if (l[i].can_seal) {
			assert_int_equal(l[i].plain_len + PEEL_AEAD_TAG_LEN, l[i].sealed_len);
			assert_memory_equal(op[i].text, l[i].sealed, l[i].sealed_len);
		}
		free(op[i].text);
	}
}

static void
test_vectors(void **state)
{
	static const unsigned int bursts[] = {1, 3, 32, PEEL_AEAD_BURST};
	size_t n;
	struct loaded *l = load_vectors(&n);

	(void)state;
	assert_true(n > 90);
	for (unsigned int e = 0; e < n_engines; e++) {
		for (unsigned int b = 0; b < PEEL_ARRAY_LEN(bursts); b++) {
			for (size_t first = 0; first < n; first += bursts[b]) {
				size_t left = n - first;

				run_vectors(&engines[e], l + first,
					left < bursts[b] ? (unsigned int)left : bursts[b]);
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		free(l[i].plain);
		free(l[i].sealed);
	}
	free(l);
}

/* ---- odd buffers ----------------------------------------------------------------------------- */

static void
test_short_texts_fail(void **state)
{
	struct peel_key key = {{0}};

	(void)state;
	for (unsigned int e = 0; e < n_engines; e++) {
		struct peel_aead_op op[PEEL_AEAD_TAG_LEN];

		for (uint32_t len = 0; len < PEEL_AEAD_TAG_LEN; len++) {
			op[len] = (struct peel_aead_op){.key = &key, .len = len};
			op[len].text = malloc(len > 0 ? len : 1);
			assert_non_null(op[len].text);
			memset(op[len].text, 0xaa, len);
		}
		assert_true(engines[e].e->open(engines[e].cx, op, PEEL_AEAD_TAG_LEN) == 0xffff);
		for (uint32_t len = 0; len < PEEL_AEAD_TAG_LEN; len++) {
			assert_true(all_zero(op[len].text, len));
			free(op[len].text);
		}
		assert_true(engines[e].e->open(engines[e].cx, NULL, 0) == 0);
		engines[e].e->seal(engines[e].cx, NULL, 0);
	}
}

/* ---- forgeries ------------------------------------------------------------------------------- */

struct sealed {
	struct peel_key key;
	uint8_t nonce[PEEL_AEAD_NONCE_LEN];
	uint8_t plain[256], text[256 + PEEL_AEAD_TAG_LEN];
	uint32_t len;
};

static void
make_sealed(struct sealed *s, uint32_t len)
{
	struct peel_aead *cx;
	struct peel_aead_op op = {.key = &s->key, .text = s->text, .len = len};

	fill_random(s, sizeof(*s));
	s->len = len;
	memcpy(op.nonce, s->nonce, sizeof(op.nonce));
	memcpy(s->text, s->plain, len);
	assert_int_equal(peel_aead_sodium.new(&cx), 0);
	peel_aead_sodium.seal(cx, &op, 1);
	peel_aead_sodium.free(cx);
}

/* One forged cell between two good ones. */
static void
check_forged(const struct open_engine *en, const struct sealed *s, const struct sealed *forged)
{
	uint8_t text[3][sizeof(s->text)];
	struct peel_aead_op op[3];

	for (unsigned int i = 0; i < 3; i++) {
		const struct sealed *from = i == 1 ? forged : s;

		memcpy(text[i], from->text, sizeof(from->text));
		op[i].key = &from->key;
		op[i].text = text[i];
		op[i].len = from->len + PEEL_AEAD_TAG_LEN;
		memcpy(op[i].nonce, from->nonce, sizeof(op[i].nonce));
	}
	assert_true(en->e->open(en->cx, op, 3) == 2);
	assert_true(all_zero(text[1], s->len + PEEL_AEAD_TAG_LEN));
	assert_memory_equal(text[0], s->plain, s->len);
	assert_memory_equal(text[2], s->plain, s->len);
}

static void
test_every_flipped_bit_fails(void **state)
{
	static const uint32_t lengths[] = {0, 1, 16, 63, 64, 65, 200};
	struct sealed s, forged;

	(void)state;
	for (unsigned int k = 0; k < PEEL_ARRAY_LEN(lengths); k++) {
		make_sealed(&s, lengths[k]);
		for (unsigned int e = 0; e < n_engines; e++) {
			for (uint32_t bit = 0; bit < 8 * (s.len + PEEL_AEAD_TAG_LEN); bit++) {
				forged = s;
				forged.text[bit / 8] ^= (uint8_t)(1 << bit % 8);
				check_forged(&engines[e], &s, &forged);
			}
			for (uint32_t bit = 0; bit < 8 * PEEL_AEAD_NONCE_LEN; bit++) {
				forged = s;
				forged.nonce[bit / 8] ^= (uint8_t)(1 << bit % 8);
				check_forged(&engines[e], &s, &forged);
			}
			for (uint32_t bit = 0; bit < 256; bit++) {
				forged = s;
				forged.key.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
				check_forged(&engines[e], &s, &forged);
			}
		}
	}
}

/* One forged tag at every place of bursts of many sizes, in each of its bytes; short cells and long
 * ones. */
static void
test_forged_tag_is_found_anywhere(void **state)
{
	static const unsigned int sizes[] = {1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 33, PEEL_AEAD_BURST};
	static struct sealed s[2];
	static uint8_t text[PEEL_AEAD_BURST][sizeof(s->text)];

	(void)state;
	make_sealed(&s[0], 64);
	make_sealed(&s[1], 250);
	for (unsigned int e = 0; e < n_engines; e++) {
		for (unsigned int k = 0; k < PEEL_ARRAY_LEN(sizes); k++) {
			for (unsigned int at = 0; at < sizes[k] * PEEL_AEAD_TAG_LEN; at++) {
				struct peel_aead_op op[PEEL_AEAD_BURST];
				unsigned int bad = at / PEEL_AEAD_TAG_LEN;

				for (unsigned int i = 0; i < sizes[k]; i++) {
					const struct sealed *from = &s[(k + i / 8) % 2];

					memcpy(text[i], from->text, sizeof(text[i]));
					op[i].key = &from->key;
					op[i].text = text[i];
					op[i].len = from->len + PEEL_AEAD_TAG_LEN;
					memcpy(op[i].nonce, from->nonce, sizeof(op[i].nonce));
				}
				text[bad][op[bad].len - 1 - at % PEEL_AEAD_TAG_LEN] ^=
					(uint8_t)(1 << at % 8);
				assert_true(engines[e].e->open(engines[e].cx, op, sizes[k]) ==
					    UINT64_C(1) << bad);
				assert_true(all_zero(text[bad], op[bad].len));
			}
		}
	}
}

/* ---- the engines against each other ---------------------------------------------------------- */

#define RANDOM_MAX 2049

struct pair_case {
	struct peel_key key[PEEL_AEAD_BURST];
	uint8_t plain[PEEL_AEAD_BURST][RANDOM_MAX];
	uint8_t text[2][PEEL_AEAD_BURST][RANDOM_MAX + 64 + PEEL_AEAD_TAG_LEN];
	struct peel_aead_op op[2][PEEL_AEAD_BURST];
};

static unsigned int
make_case(struct pair_case *c)
{
	unsigned int n = 1 + (unsigned int)(next_random() % PEEL_AEAD_BURST);

	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = (uint32_t)(next_random() % (next_random() % 2 ? 150 : RANDOM_MAX));
		struct peel_aead_op op = {.key = &c->key[i], .len = len};

		fill_random(&c->key[i], sizeof(c->key[i]));
		fill_random(op.nonce, sizeof(op.nonce));
		fill_random(c->plain[i], len);
		for (unsigned int side = 0; side < 2; side++) {
			c->op[side][i] = op;
			c->op[side][i].text = c->text[side][i] + next_random() % 64;
			memcpy(c->op[side][i].text, c->plain[i], len);
		}
	}
	return n;
}

static void
test_engines_agree(void **state)
{
	struct pair_case *c = malloc(sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (unsigned int round = 0; round < 300; round++) {
		const struct open_engine *en[2] = {
			&engines[round % n_engines], &engines[(round + 1) % n_engines]};
		unsigned int n = make_case(c);
		uint64_t forged = 0;

		for (unsigned int side = 0; side < 2; side++)
			en[side]->e->seal(en[side]->cx, c->op[side], n);
		for (unsigned int i = 0; i < n; i++) {
			uint32_t len = c->op[0][i].len + PEEL_AEAD_TAG_LEN;

			assert_memory_equal(c->op[0][i].text, c->op[1][i].text, len);
			c->op[0][i].len = len;
			c->op[1][i].len = len;
			if (next_random() % 8 == 0) {
				uint64_t bit = next_random() % (8 * len);

				forged |= UINT64_C(1) << i;
				c->op[0][i].text[bit / 8] ^= (uint8_t)(1 << bit % 8);
				c->op[1][i].text[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
		}
		for (unsigned int side = 0; side < 2; side++)
			assert_true(en[side]->e->open(en[side]->cx, c->op[side], n) == forged);
		for (unsigned int i = 0; i < 2 * n; i++) {
			const struct peel_aead_op *op = &c->op[i / n][i % n];

			if ((forged >> i % n & 1) != 0)
				assert_true(all_zero(op->text, op->len));
			else
				assert_memory_equal(
					op->text, c->plain[i % n], op->len - PEEL_AEAD_TAG_LEN);
		}
	}
	free(c);
}

/* Every length up to that of a full datagram, in uniform bursts and beside other lengths: all
 * engines seal like libsodium, and open what it sealed. */
static void
test_every_length(void **state)
{
	struct pair_case *c = malloc(sizeof(*c));
	struct peel_aead *oracle;

	(void)state;
	assert_non_null(c);
	assert_int_equal(peel_aead_sodium.new(&oracle), 0);
	fill_random(c->key, sizeof(c->key));
	fill_random(c->plain, sizeof(c->plain));
	for (uint32_t len = 0; len < RANDOM_MAX; len++) {
		unsigned int n = len % 5 != 0 ? 1 + len % 9 : 1 + len % PEEL_AEAD_BURST;

		for (unsigned int i = 0; i < n; i++) {
			uint32_t other = len % 3 != 0 ? len : (len * i * 7) % RANDOM_MAX;

			c->op[0][i] = (struct peel_aead_op){
				.key = &c->key[i], .text = c->text[0][i] + len % 64};
			c->op[0][i].len = i == n / 2 ? len : other;
			fill_random(c->op[0][i].nonce, sizeof(c->op[0][i].nonce));
			memcpy(c->op[0][i].text, c->plain[i], c->op[0][i].len);
		}
		peel_aead_sodium.seal(oracle, c->op[0], n);
		for (unsigned int e = 0; e < n_engines; e++) {
			for (unsigned int i = 0; i < n; i++) {
				c->op[1][i] = c->op[0][i];
				c->op[1][i].text = c->text[1][i];
				memcpy(c->text[1][i], c->plain[i], c->op[0][i].len);
			}
			engines[e].e->seal(engines[e].cx, c->op[1], n);
			for (unsigned int i = 0; i < n; i++) {
				c->op[1][i].len += PEEL_AEAD_TAG_LEN;
				assert_memory_equal(
					c->text[1][i], c->op[0][i].text, c->op[1][i].len);
			}
			assert_true(engines[e].e->open(engines[e].cx, c->op[1], n) == 0);
			for (unsigned int i = 0; i < n; i++)
				assert_memory_equal(c->text[1][i], c->plain[i], c->op[0][i].len);
		}
	}
	peel_aead_sodium.free(oracle);
	free(c);
}

/* The largest texts, each with a short neighbour. */
static void
test_largest_texts(void **state)
{
	enum {
		N = 6,
		ROOM = PEEL_AEAD_TEXT_MAX + PEEL_AEAD_TAG_LEN
	};
	uint8_t *text = malloc(2 * (size_t)N * ROOM), *plain = malloc(ROOM);
	struct peel_aead *oracle;
	struct peel_key key;

	(void)state;
	assert_non_null(text);
	assert_non_null(plain);
	assert_int_equal(peel_aead_sodium.new(&oracle), 0);
	fill_random(&key, sizeof(key));
	fill_random(plain, ROOM);
	for (unsigned int e = 0; e < n_engines; e++) {
		struct peel_aead_op op[2][N];

		for (unsigned int i = 0; i < 2 * N; i++) {
			struct peel_aead_op *o = &op[i / N][i % N];

			*o = (struct peel_aead_op){.key = &key, .text = text + i * (size_t)ROOM};
			o->len = i % 2 != 0 ? i : PEEL_AEAD_TEXT_MAX - i % N * 9;
			memcpy(o->text, plain, o->len);
			o->nonce[0] = (uint8_t)(i % N);
		}
		peel_aead_sodium.seal(oracle, op[0], N);
		engines[e].e->seal(engines[e].cx, op[1], N);
		for (unsigned int i = 0; i < N; i++) {
			if (i % 2 == 0)
				assert_memory_equal(op[0][i].text, op[1][i].text,
					op[1][i].len + PEEL_AEAD_TAG_LEN);
			op[1][i].len += PEEL_AEAD_TAG_LEN;
		}
		assert_true(engines[e].e->open(engines[e].cx, op[1], N) == 0);
		for (unsigned int i = 0; i < N; i++)
			assert_memory_equal(op[1][i].text, plain, op[1][i].len - PEEL_AEAD_TAG_LEN);
	}
	peel_aead_sodium.free(oracle);
	free(text);
	free(plain);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_finds_by_name),
		cmocka_unit_test(test_best_stays),
		cmocka_unit_test(test_self_test_passes),
		cmocka_unit_test(test_self_test_notices_bad_engines),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_short_texts_fail),
		cmocka_unit_test(test_every_flipped_bit_fails),
		cmocka_unit_test(test_forged_tag_is_found_anywhere),
		cmocka_unit_test(test_engines_agree),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_largest_texts),
	};

	return cmocka_run_group_tests(tests, engines_open, engines_close);
}
