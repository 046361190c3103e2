/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * No engine touches a byte outside its texts: unreadable pages before and behind trap what reads
 * too far, also in assembly that sanitizers cannot see, and what else is in the page keeps its
 * value. Keys and operations stand at the same borders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "engines_under_test.h"

#define LEN_MAX 2048
#define CELLS 9
/* for what is not a text: keys, operations */
#define PAGES (CELLS + 2)
#define UNUSED 0xa7
/* The interface lets engines read so many bytes behind a key; their values must not matter. */
#define BEHIND_KEY 16

static uint8_t *page[PAGES];
static uint8_t *map;
static size_t page_len, map_len;

/* Pages of which the neighbours are unreadable. */
static int
fence(void **state)
{
	page_len = (size_t)sysconf(_SC_PAGESIZE);
	map_len = (2 * PAGES + 1) * page_len;
	map = mmap(NULL, map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return -1;
	for (unsigned int i = 0; i < PAGES; i++) {
		page[i] = map + (2 * i + 1) * page_len;
		if (mprotect(page[i], page_len, PROT_READ | PROT_WRITE) != 0)
			return -1;
		memset(page[i], UNUSED, page_len);
	}
	return engines_open(state);
}

static int
unfence(void **state)
{
	munmap(map, map_len);
	return engines_close(state);
}

/* Where @p len bytes begin or end with the page. */
static uint8_t *
border(unsigned int i, size_t len, bool end)
{
	return end ? page[i] + page_len - len : page[i];
}

static bool
unused(const uint8_t *from, const uint8_t *until)
{
	for (; from < until; from++) {
		if (*from != UNUSED)
			return false;
	}
	return true;
}

/* What is beside @p len bytes at a border. */
static bool
rest_unused(unsigned int i, const uint8_t *at, size_t len)
{
	return unused(page[i], at) && unused(at + len, page[i] + page_len);
}

static struct peel_key *
key_at(bool end)
{
	struct peel_key *key = (struct peel_key *)border(CELLS, sizeof(*key) + BEHIND_KEY, end);

	memset(page[CELLS], UNUSED, page_len);
	fill_random(key, sizeof(*key));
	return key;
}

/* Seal, open, and compare; @p op: texts at borders of pages, all with bytes of the same value. */
static void
check(const struct open_engine *en, struct peel_aead_op *op, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		memset(op[i].text, (int)op[i].len & 0xff, op[i].len);
	en->e->seal(en->cx, op, n);
	for (unsigned int i = 0; i < n; i++) {
		op[i].len += PEEL_AEAD_TAG_LEN;
		assert_true(rest_unused(i, op[i].text, op[i].len));
	}
	assert_true(en->e->open(en->cx, op, n) == 0);
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = op[i].len - PEEL_AEAD_TAG_LEN;

		for (uint32_t k = 0; k < len; k++)
			assert_int_equal(op[i].text[k], len & 0xff);
		assert_true(rest_unused(i, op[i].text, op[i].len));
		memset(page[i], UNUSED, page_len);
	}
}

static void
test_every_length(void **state)
{
	(void)state;
	for (unsigned int e = 0; e < n_engines; e++) {
		for (uint32_t len = 0; len <= LEN_MAX; len++) {
			for (unsigned int end = 0; end < 2; end++) {
				struct peel_aead_op *op =
					(struct peel_aead_op *)border(CELLS + 1, sizeof(*op), end);

				*op = (struct peel_aead_op){.key = key_at(end), .len = len};
				op->text = border(0, len + PEEL_AEAD_TAG_LEN, end);
				check(&engines[e], op, 1);
			}
		}
	}
}

/* A forged text is zeroed, and no more than that. */
static void
test_forged(void **state)
{
	(void)state;
	for (unsigned int e = 0; e < n_engines; e++) {
		for (uint32_t len = 0; len <= LEN_MAX; len += len < 200 ? 1 : 61) {
			for (unsigned int end = 0; end < 2; end++) {
				uint32_t room = len + PEEL_AEAD_TAG_LEN;
				struct peel_aead_op op = {.key = key_at(end), .len = room};

				op.text = border(0, room, end);
				memset(op.text, 1, room);
				assert_true(engines[e].e->open(engines[e].cx, &op, 1) == 1);
				assert_true(all_zero(op.text, room));
				assert_true(rest_unused(0, op.text, room));
				memset(page[0], UNUSED, page_len);
			}
		}
	}
}

static void
test_bursts(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 400 * n_engines; round++) {
		uint32_t most = round % 2 != 0 ? LEN_MAX + 1 : 200;
		struct peel_key *key = key_at(round % 4 < 2);
		struct peel_aead_op op[CELLS];

		for (unsigned int i = 0; i < CELLS; i++) {
			uint32_t len = (uint32_t)(next_random() % most);

			op[i] = (struct peel_aead_op){.key = key, .len = len};
			op[i].text = border(i, len + PEEL_AEAD_TAG_LEN, next_random() % 2 != 0);
		}
		check(&engines[round % n_engines], op, CELLS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_bursts),
	};

	return cmocka_run_group_tests(tests, fence, unfence);
}
