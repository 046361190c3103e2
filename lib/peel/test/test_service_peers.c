/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Addresses that stand for peers.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "handle.h"

#define CIRCUITS 20
#define ADDRESSES ((1u << 22) - 1) /* of a /10, without the first */

static struct peers *peers;

static peel_circuit
circuit_at(uint32_t path, uint32_t generation)
{
	return (peel_circuit)generation << 32 | path;
}

static uint32_t
number_of(const struct peel_address *a)
{
	return (uint32_t)(a->ip[1] & 0x3f) << 16 | (uint32_t)a->ip[2] << 8 | a->ip[3];
}

static int
setup(void **state)
{
	(void)state;
	return peers_new(CIRCUITS, &peers);
}

static int
teardown(void **state)
{
	(void)state;
	peers_free(peers);
	return 0;
}

static void
test_one_by_one(void **state)
{
	struct peel_address a[CIRCUITS], again;

	(void)state;
	for (uint32_t i = 0; i < CIRCUITS; i++) {
		assert_true(peers_add(peers, circuit_at(i, 1), 7 + i % 2, &a[i]));
		assert_int_equal(a[i].type, PEEL_ADDRESS_IPV4);
		assert_int_equal(a[i].port, 1024);
		assert_true(a[i].ip[0] == 127 && (a[i].ip[1] & 0xc0) == 0xc0);
		assert_int_equal(number_of(&a[i]), i + 1);
		assert_true(peers_own(&a[i]));
		assert_false(peers_add(peers, circuit_at(i, 1), 7, &again));
	}
	assert_false(peers_add(peers, circuit_at(CIRCUITS, 1), 7, &again));
	for (uint32_t i = 0; i < CIRCUITS; i++) {
		assert_true(peers_circuit(peers, &a[i]) == circuit_at(i, 1));
		assert_true(peers_address(peers, circuit_at(i, 1), &again));
		assert_memory_equal(&again, &a[i], sizeof(again));
	}
	a[0].port = 1025;
	assert_true(peers_circuit(peers, &a[0]) == 0);
	/* Another circuit of the same number. */
	assert_false(peers_address(peers, circuit_at(3, 3), &again));
	assert_false(peers_remove(peers, circuit_at(3, 3), &again));
	assert_true(peers_remove(peers, circuit_at(3, 1), &again));
	assert_memory_equal(&again, &a[3], sizeof(again));
	assert_false(peers_remove(peers, circuit_at(3, 1), &again));
	assert_true(peers_circuit(peers, &a[3]) == 0);
	/* Its successor takes the place of one whose end was never told, but not its address. */
	assert_true(peers_add(peers, circuit_at(4, 3), 7, &again));
	assert_int_equal(number_of(&again), CIRCUITS + 1);
	assert_true(peers_circuit(peers, &a[4]) == 0);
	peers_remove_swarm(peers, 7);
	for (uint32_t i = 1; i < CIRCUITS; i++)
		assert_true((peers_circuit(peers, &a[i]) != 0) == (i % 2 == 1 && i != 3));
	assert_true(peers_circuit(peers, &again) == 0);
}

/* All others are given before an address comes again, and never one that is in use. */
static void
test_range_wraps(void **state)
{
	struct peel_address a, kept;

	(void)state;
	assert_true(peers_add(peers, circuit_at(0, 1), 1, &a));
	assert_true(peers_add(peers, circuit_at(1, 1), 1, &kept));
	assert_true(peers_remove(peers, circuit_at(0, 1), &a));
	for (uint32_t i = 2; i < ADDRESSES; i++) {
		assert_true(peers_add(peers, circuit_at(0, 2 * i + 1), 1, &a));
		assert_true(number_of(&a) == i + 1);
		assert_true(peers_remove(peers, circuit_at(0, 2 * i + 1), &a));
	}
	assert_true(peers_add(peers, circuit_at(0, 1), 1, &a));
	assert_int_equal(number_of(&a), 1);
	assert_true(peers_add(peers, circuit_at(2, 1), 1, &a));
	assert_int_equal(number_of(&a), 3);
	assert_int_equal(number_of(&kept), 2);
	assert_true(peers_circuit(peers, &kept) == circuit_at(1, 1));
}

static void
test_network(void **state)
{
	static const struct {
		const char *host;
		bool own;
	} cases[] = {{"127.192.0.0", true}, {"127.255.255.255", true}, {"127.191.255.255", false},
		{"128.0.0.0", false}, {"126.255.255.255", false}, {"::ffff:127.192.0.1", true},
		{"::ffff:127.1.0.1", false}, {"::127.192.0.1", false}, {"::1", false},
		{"example.org", false}};
	struct peel_address a = {0};

	(void)state;
	assert_false(peers_own(&a));
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		assert_int_equal(peel_address_set(&a, cases[i].host, 1024), 0);
		assert_int_equal(peers_own(&a), cases[i].own);
		assert_true(peers_circuit(peers, &a) == 0);
		/* The same as a name: programs may compare text, and exits would resolve it. */
		a = (struct peel_address){.type = PEEL_ADDRESS_DOMAIN, .port = 1024};
		strcpy(a.domain, cases[i].host);
		assert_int_equal(peers_own(&a), cases[i].own);
	}
	memset(a.domain, '1', sizeof(a.domain)); /* without an end */
	assert_false(peers_own(&a));
}

/* A peer is found by its address in any form. */
static void
test_forms(void **state)
{
	struct peel_address a, same = {.type = PEEL_ADDRESS_DOMAIN, .port = 1024};

	(void)state;
	assert_true(peers_add(peers, circuit_at(1, 1), 1, &a));
	peel_address_text(&a, same.domain, sizeof(same.domain));
	*strchr(same.domain, ':') = '\0';
	assert_true(peers_circuit(peers, &same) == circuit_at(1, 1));
	same.port++;
	assert_true(peers_circuit(peers, &same) == 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_range_wraps, setup, teardown),
		cmocka_unit_test_setup_teardown(test_network, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
