/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Poly1305 of the engine "avx2", with keys that no session would have, at the edges of its
 * arithmetic. libsodium is the oracle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_aead_avx2.h"
#include "poly64.h"
#include "poly_cases.h"

#define TEXT_MAX 1536

/* Two cells, and the segments of each: text, rest of the text, its end. */
struct two {
	struct poly64_mac mac[2];
	struct poly64_segment segment[2][3], idle;
	struct poly64_mac nobody;
	uint8_t text[2][TEXT_MAX];
};

static int
group_setup(void **state)
{
	(void)state;
	return sodium_init() < 0 ? -1 : 0;
}

/* @p cut: blocks of the first segment. */
static void
set_cell(struct two *t, unsigned int i, const uint8_t key[32], const uint8_t *text, uint32_t len,
	uint32_t cut)
{
	struct poly64_segment *s = t->segment[i];
	struct poly64_mac *m = &t->mac[i];
	uint32_t whole = len / POLY64_BLOCK, rest = len % POLY64_BLOCK;
	uint64_t lengths[2] = {0, len};

	memset(m, 0xa5, sizeof(*m));
	poly64_key(m, key);
	memcpy(t->text[i], text, len);
	memset(m->tail, 0, POLY64_BLOCK);
	memcpy(m->tail, text + len - rest, rest);
	memcpy(m->tail + POLY64_BLOCK, lengths, POLY64_BLOCK);
	s[2] = (struct poly64_segment){m->tail, 2, m, &t->idle};
	if (rest == 0)
		s[2] = (struct poly64_segment){m->tail + POLY64_BLOCK, 1, m, &t->idle};
	s[1] = (struct poly64_segment){t->text[i] + cut * POLY64_BLOCK, whole - cut, m, &s[2]};
	s[0] = (struct poly64_segment){t->text[i], cut, m, &s[1]};
}

static void
hash_both(struct two *t)
{
	struct poly64_chain chain[2];
	struct poly64_factor factor[2];

	t->idle = (struct poly64_segment){t->text[0], 1, &t->nobody, &t->idle};
	memset(&t->nobody, 0, sizeof(t->nobody));
	for (unsigned int i = 0; i < 2; i++) {
		const struct poly64_segment *s = t->segment[i];

		while (s->blocks == 0)
			s = s->next;
		poly64_enter(&chain[i], &factor[i], s);
	}
	while (chain[0].segment != &t->idle || chain[1].segment != &t->idle) {
		for (unsigned int i = 0; i < 2; i++) {
			if (chain[i].segment == &t->idle)
				continue;
			poly64_step(&chain[i], &factor[i]);
			/* what the header promises */
			assert_true(chain[i].h2 < UINT64_C(1) << 63);
		}
	}
}

static void
check(const uint8_t key[2][32], const uint8_t *text[2], const uint32_t len[2])
{
	static struct two t;

	for (unsigned int cut = 0; cut < 4; cut++) {
		for (unsigned int i = 0; i < 2; i++) {
			uint32_t whole = len[i] / POLY64_BLOCK;

			set_cell(&t, i, key[i], text[i], len[i], cut * whole / 4);
			if (t.segment[i][1].blocks == 0)
				t.segment[i][0].next = &t.segment[i][2];
		}
		hash_both(&t);
		for (unsigned int i = 0; i < 2; i++) {
			uint8_t tag[16], expected[16];

			poly64_tag(&t.mac[i], tag);
			poly_oracle(key[i], text[i], len[i], expected);
			assert_memory_equal(tag, expected, sizeof(tag));
		}
	}
}

static void
test_poly_vectors(void **state)
{
	(void)state;
	for (unsigned int a = 0; a < N_POLY_CASES; a++) {
		for (unsigned int b = 0; b < N_POLY_CASES; b++) {
			const struct poly_case *p[2] = {&poly_cases[a], &poly_cases[b]};
			uint8_t key[2][32];

			for (unsigned int i = 0; i < 2; i++) {
				memcpy(key[i], p[i]->r, 16);
				memcpy(key[i] + 16, p[i]->s, 16);
			}
			check(key, (const uint8_t *[2]){p[0]->text, p[1]->text},
				(uint32_t[2]){p[0]->len, p[1]->len});
		}
	}
}

static void
test_poly_around_the_prime(void **state)
{
	static const uint8_t key[2][32] = {{1}, {1}};

	(void)state;
	for (int times = 1; times <= 2; times++) {
		for (int by = -POLY_PRIME_BY; by <= POLY_PRIME_BY; by++) {
			unsigned __int128 block[POLY_PRIME_BLOCKS_MAX];
			uint8_t expected[16], tag[16];
			uint32_t n = poly_around_the_prime(times, by, block, expected);
			const uint8_t *text = (const uint8_t *)block;

			check(key, (const uint8_t *[2]){text, text}, (uint32_t[2]){16 * n, 16 * n});
			poly_oracle(key[0], text, 16 * n, tag);
			assert_memory_equal(tag, expected, sizeof(tag));
		}
	}
}

/* Bytes of all ones drive every limb and sum to its largest, at every length. */
static void
test_poly_largest(void **state)
{
	uint8_t ones[TEXT_MAX], key[2][32];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (uint32_t len = 0; len < TEXT_MAX; len += len < 530 ? 1 : 61) {
		memset(key, 0xff, sizeof(key));
		key[1][len % 16] = (uint8_t)(len * 37);
		check(key, (const uint8_t *[2]){ones, ones}, (uint32_t[2]){len, len / 3});
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poly_vectors),
		cmocka_unit_test(test_poly_around_the_prime),
		cmocka_unit_test(test_poly_largest),
	};
	struct peel_aead *cx;

	if (peel_aead_avx2.new(&cx) != 0)
		return 77; /* meson's word for skipped: not on this CPU */
	peel_aead_avx2.free(cx);
	return cmocka_run_group_tests(tests, group_setup, NULL);
}
