/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_links.h"

#define N 8

struct entry {
	uint64_t key;
	uint32_t chain;
	uint32_t older, newer;
	bool used;
};

static void
test_list(void **state)
{
	uint32_t next[N];
	struct peel_list l;

	(void)state;
	peel_list_init(&l, (struct peel_links){(uint8_t *)next, sizeof(next[0]), 0});
	assert_int_equal(peel_list_take(&l), PEEL_NONE);
	peel_list_add_last(&l, 3);
	peel_list_add_last(&l, 1);
	peel_list_add_first(&l, 5);
	assert_int_equal(peel_list_take(&l), 5);
	assert_int_equal(peel_list_take(&l), 3);
	assert_int_equal(peel_list_take(&l), 1);
	assert_int_equal(peel_list_take(&l), PEEL_NONE);
	peel_list_add_first(&l, 2); /* what was last before is forgotten */
	peel_list_add_last(&l, 4);
	assert_int_equal(peel_list_take(&l), 2);
	assert_int_equal(peel_list_take(&l), 4);
	assert_int_equal(l.first, PEEL_NONE);
}

static void
assert_queue(const struct peel_queue *q, const uint32_t *want, size_t n)
{
	uint32_t at = q->oldest, before = PEEL_NONE;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(at, want[i]);
		assert_int_equal(*peel_link(&q->older, at), before);
		before = at;
		at = *peel_link(&q->newer, at);
	}
	assert_int_equal(at, PEEL_NONE);
	assert_int_equal(q->newest, before);
}

static void
test_queue(void **state)
{
	struct entry e[N];
	struct peel_queue q;

	(void)state;
	peel_queue_init(&q, PEEL_LINKS(e, older), PEEL_LINKS(e, newer));
	assert_queue(&q, NULL, 0);
	for (uint32_t i = 0; i < 4; i++)
		peel_queue_add(&q, i);
	assert_queue(&q, (uint32_t[]){0, 1, 2, 3}, 4);
	peel_queue_del(&q, 1);
	assert_queue(&q, (uint32_t[]){0, 2, 3}, 3);
	peel_queue_del(&q, 0);
	peel_queue_add(&q, 0);
	assert_queue(&q, (uint32_t[]){2, 3, 0}, 3);
	peel_queue_del(&q, 0);
	peel_queue_del(&q, 2);
	assert_queue(&q, (uint32_t[]){3}, 1);
	peel_queue_del(&q, 3);
	assert_queue(&q, NULL, 0);
}

static void
test_slots_soon(void **state)
{
	struct entry e[3];
	struct peel_slots s;

	(void)state;
	peel_slots_init(&s, 3, PEEL_REUSE_SOON, PEEL_LINKS(e, chain));
	assert_int_equal(peel_slots_take(&s), 0);
	assert_int_equal(peel_slots_take(&s), 1);
	peel_slots_give(&s, 0);
	peel_slots_give(&s, 1);
	assert_int_equal(s.n, 0);
	assert_int_equal(peel_slots_take(&s), 1);
	assert_int_equal(peel_slots_take(&s), 0);
	assert_int_equal(s.n_high, 2); /* the third was never touched */
	assert_int_equal(peel_slots_take(&s), 2);
	assert_int_equal(peel_slots_take(&s), PEEL_NONE);
	assert_int_equal(s.n, 3);
}

static void
test_slots_late(void **state)
{
	struct entry e[3];
	struct peel_slots s;

	(void)state;
	peel_slots_init(&s, 3, PEEL_REUSE_LATE, PEEL_LINKS(e, chain));
	for (uint32_t i = 0; i < 9; i++) {
		assert_int_equal(peel_slots_take(&s), i % 3);
		peel_slots_give(&s, i % 3);
	}
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(peel_slots_take(&s), i);
	assert_int_equal(peel_slots_take(&s), PEEL_NONE);
	peel_slots_give(&s, 2);
	peel_slots_give(&s, 0);
	assert_int_equal(peel_slots_take(&s), 2);
	assert_int_equal(peel_slots_take(&s), 0);
}

static void
test_slots_grow(void **state)
{
	struct entry *e = NULL;
	struct peel_slots s;

	(void)state;
	peel_slots_init(&s, 0, PEEL_REUSE_SOON, PEEL_LINKS(e, chain));
	for (uint32_t i = 0; i < 1000; i++) {
		uint32_t slot = peel_slots_take(&s);

		if (slot == PEEL_NONE) {
			e = peel_slots_grow(&s);
			assert_non_null(e);
			slot = peel_slots_take(&s);
		}
		assert_int_equal(slot, i);
		e[slot].key = i;
	}
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(e[i].key, i);
		peel_slots_give(&s, i);
	}
	assert_int_equal(peel_slots_take(&s), 999);
	free(e);
}

/* Random operations beside a plain array. */
static void
test_chains(void **state)
{
	struct entry e[N * N] = {0};
	struct peel_chains c;
	uint64_t rng = 1;
	uint32_t slot;

	(void)state;
	assert_int_equal(peel_chains_init(&c, N - 1, PEEL_LINKS(e, chain)), 0);
	assert_int_equal(c.mask, N - 1);
	for (unsigned int turn = 0; turn < 20000; turn++) {
		uint64_t key = peel_splitmix(&rng) % (2 * N);
		unsigned int wanted = 0, found = 0;

		slot = (uint32_t)(peel_splitmix(&rng) % PEEL_ARRAY_LEN(e));
		if (e[slot].used) {
			peel_chains_del(&c, e[slot].key, slot);
		} else {
			e[slot].key = key;
			peel_chains_add(&c, key, slot);
		}
		e[slot].used = !e[slot].used;
		PEEL_CHAIN_FOREACH (slot, &c, key) {
			assert_true(e[slot].used);
			found += e[slot].key == key;
		}
		for (size_t i = 0; i < PEEL_ARRAY_LEN(e); i++)
			wanted += e[i].used && e[i].key == key;
		assert_int_equal(found, wanted);
	}
	peel_chains_fini(&c);
	peel_chains_fini(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_slots_soon),
		cmocka_unit_test(test_slots_late),
		cmocka_unit_test(test_slots_grow),
		cmocka_unit_test(test_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
