/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "peel_path.h"

#define N 3

static struct peel_rcu *rcu;
static struct peel_paths *paths;
static struct peel_addr first;

static int
setup(void **state)
{
	(void)state;
	first = peel_addr_ipv4(10, 1, 2, 3, 4);
	return peel_rcu_new(1, &rcu) != 0 || peel_paths_new(N, rcu, &paths) != 0;
}

static int
teardown(void **state)
{
	(void)state;
	peel_rcu_poll(rcu);
	peel_paths_free(paths);
	peel_rcu_free(rcu);
	return 0;
}

static uint32_t
add(uint32_t cid, uint8_t early)
{
	uint32_t path;

	assert_int_equal(peel_path_add(paths, &first, cid, early, &path), 0);
	assert_true(path < N);
	return path;
}

static void
test_new(void **state)
{
	struct peel_paths *none;

	(void)state;
	assert_int_equal(peel_paths_new(0, rcu, &none), -EINVAL);
	peel_paths_free(NULL);
	assert_int_equal(peel_paths_size(paths), N);
}

static void
test_fields(void **state)
{
	(void)state;
	uint32_t path = add(77, 8);
	const struct peel_path *p = peel_path_at(paths, path);
	struct peel_addr other = peel_addr_ipv4(10, 9, 9, 9, 9);

	assert_true(peel_addr_equal(&p->first, &first));
	assert_int_equal(p->cid, 77);
	assert_int_equal(peel_path_n_layers(p), 0);
	assert_int_equal(peel_path_flags(p), 0);
	peel_path_set_first(paths, path, &other);
	peel_path_set_cid(paths, path, 78);
	assert_true(peel_addr_equal(&p->first, &other));
	assert_int_equal(p->cid, 78);
	peel_path_set_flags(paths, path, PEEL_PATH_READY | PEEL_PATH_E2E);
	peel_path_set_flags(paths, path, PEEL_PATH_E2E);
	assert_int_equal(peel_path_flags(p), PEEL_PATH_E2E);
}

static void
test_layers(void **state)
{
	(void)state;
	uint32_t path = add(1, 8);
	const struct peel_path *p = peel_path_at(paths, path);

	for (uint32_t i = 0; i < PEEL_PATH_LAYERS_MAX; i++) {
		assert_int_equal(peel_path_layer(paths, path, 100 + i), 0);
		assert_int_equal(peel_path_n_layers(p), i + 1);
		assert_int_equal(p->session[i], 100 + i);
	}
	assert_int_equal(peel_path_layer(paths, path, 5), -ENOSPC);
	assert_int_equal(peel_path_n_layers(p), PEEL_PATH_LAYERS_MAX);
	assert_int_equal(p->flags, 0); /* nothing was written beyond */
}

static void
test_early(void **state)
{
	(void)state;
	struct peel_path *p = peel_path_at(paths, add(1, 3));

	for (int i = 0; i < 3; i++)
		assert_true(peel_path_take_early(p));
	assert_false(peel_path_take_early(p));
	assert_false(peel_path_take_early(p));
	assert_false(peel_path_take_early(peel_path_at(paths, add(2, 0))));
}

static void
test_full(void **state)
{
	uint32_t path[N], more;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		path[i] = add(i, 8);
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(path[i], path[k]);
	}
	assert_int_equal(peel_path_add(paths, &first, 9, 8, &more), -ENOSPC);
	peel_path_retire(paths, path[1]);
	assert_int_equal(peel_path_add(paths, &first, 9, 8, &more), -ENOSPC); /* not yet */
	peel_rcu_poll(rcu);
	assert_int_equal(peel_path_add(paths, &first, 9, 8, &more), 0);
	assert_int_equal(more, path[1]);
}

static void
test_generations(void **state)
{
	(void)state;
	assert_int_equal(peel_path_generation(paths, N), 0);
	assert_int_equal(peel_path_generation(paths, UINT32_MAX), 0);
	uint32_t path = add(1, 8), generation = peel_path_generation(paths, path);

	assert_int_equal(generation % 2, 1);
	assert_int_equal(peel_path_layer(paths, path, 4), 0);
	peel_path_retire(paths, path);
	assert_int_equal(peel_path_generation(paths, path), generation + 1); /* at once */
	peel_rcu_poll(rcu);
	assert_int_equal(add(2, 8), path); /* the last one freed */
	assert_int_equal(peel_path_generation(paths, path), generation + 2);
	assert_int_equal(peel_path_n_layers(peel_path_at(paths, path)), 0);
}

/* A worker that still looks keeps what it sees. */
static void
test_grace_period(void **state)
{
	(void)state;
	uint32_t path = add(7, 8);
	const struct peel_path *p = peel_path_at(paths, path);

	assert_int_equal(peel_path_layer(paths, path, 4), 0);
	peel_rcu_online(rcu, 0);
	peel_path_retire(paths, path);
	peel_rcu_poll(rcu);
	assert_int_equal(p->cid, 7);
	assert_int_equal(peel_path_n_layers(p), 1);
	peel_rcu_quiescent(rcu, 0);
	peel_rcu_poll(rcu);
	assert_int_equal(p->cid, 0);
	assert_int_equal(peel_path_n_layers(p), 0);
	peel_rcu_offline(rcu, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_early, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_generations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_grace_period, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
