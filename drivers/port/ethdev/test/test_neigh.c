/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "neigh.h"

static struct neigh_table table;
static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};
static const struct peel_addr ip_1 = {.ip = {10, 0, 0, 1}, .family = PEEL_FAMILY_IPV4};

static enum neigh_ask asked;
static uint8_t got[6];

static enum neigh_state
get(uint64_t now)
{
	memset(got, 0, sizeof(got));
	return neigh_get(&table, &ip_1, now, got, &asked);
}

static int
setup(void **state)
{
	(void)state;
	neigh_init(&table, 42);
	return 0;
}

static void
test_answer_is_believed_when_asked(void **state)
{
	(void)state;
	assert_int_equal(get(0), PEEL_NEIGH_WAIT);
	assert_int_equal(asked, PEEL_NEIGH_ASK_ALL);
	assert_int_equal(get(999), PEEL_NEIGH_WAIT);
	assert_int_equal(asked, PEEL_NEIGH_ASK_NONE);
	assert_int_equal(get(1000), PEEL_NEIGH_WAIT);
	assert_int_equal(asked, PEEL_NEIGH_ASK_ALL);

	uint32_t before = neigh_generation(&table);

	neigh_learn(&table, &ip_1, mac_a, 1100, PEEL_NEIGH_ANSWER);
	assert_int_not_equal(neigh_generation(&table), before);
	assert_int_equal(get(1100), PEEL_NEIGH_OK);
	assert_memory_equal(got, mac_a, 6);
}

static void
test_answer_nobody_asked_for_is_ignored(void **state)
{
	(void)state;
	neigh_learn(&table, &ip_1, mac_a, 5000, PEEL_NEIGH_ANSWER);
	assert_int_equal(table.used, 0);
	assert_int_equal(get(5000), PEEL_NEIGH_WAIT);
	/* Asked at 5000: too late at 8000. */
	neigh_learn(&table, &ip_1, mac_a, 5000 + PEEL_NEIGH_ANSWER_MS, PEEL_NEIGH_ANSWER);
	assert_int_equal(get(8000), PEEL_NEIGH_WAIT);
}

static void
test_known_address_changes_only_by_answer(void **state)
{
	(void)state;
	get(1000);
	neigh_learn(&table, &ip_1, mac_a, 1001, PEEL_NEIGH_ANSWER);
	for (int how = PEEL_NEIGH_ANSWER; how <= PEEL_NEIGH_OVERHEARD; how++) {
		uint64_t now = 10000 + 10000 * (uint64_t)how;

		neigh_learn(&table, &ip_1, mac_b, now, (enum neigh_how)how);
		assert_int_equal(get(now), PEEL_NEIGH_OK);
		assert_memory_equal(got, mac_a, 6);
		/* ... but we ask everybody, once a second at most. */
		assert_int_equal(asked, PEEL_NEIGH_ASK_ALL);
		assert_int_equal(get(now + 1), PEEL_NEIGH_OK);
		assert_int_equal(asked, PEEL_NEIGH_ASK_NONE);
		neigh_learn(&table, &ip_1, mac_a, now + 2, PEEL_NEIGH_ANSWER);
		assert_int_equal(get(now + 5000), PEEL_NEIGH_OK);
		assert_int_equal(asked, PEEL_NEIGH_ASK_NONE);
	}
	neigh_learn(&table, &ip_1, mac_b, 50000, PEEL_NEIGH_OVERHEARD);
	get(50000);
	neigh_learn(&table, &ip_1, mac_b, 50001, PEEL_NEIGH_ANSWER);
	assert_int_equal(get(50002), PEEL_NEIGH_OK);
	assert_memory_equal(got, mac_b, 6);
}

static void
test_request_fills_the_unknown(void **state)
{
	(void)state;
	neigh_learn(&table, &ip_1, mac_a, 1, PEEL_NEIGH_REQUEST);
	assert_int_equal(get(2), PEEL_NEIGH_OK);
	assert_memory_equal(got, mac_a, 6);
	assert_int_equal(asked, PEEL_NEIGH_ASK_NONE);
}

static void
test_refresh_and_expiry(void **state)
{
	(void)state;
	const uint64_t t = 100000;

	neigh_learn(&table, &ip_1, mac_a, t, PEEL_NEIGH_REQUEST);
	assert_int_equal(get(t + PEEL_NEIGH_REFRESH_MS - 1), PEEL_NEIGH_OK);
	assert_int_equal(asked, PEEL_NEIGH_ASK_NONE);
	assert_int_equal(get(t + PEEL_NEIGH_REFRESH_MS), PEEL_NEIGH_OK);
	assert_int_equal(asked, PEEL_NEIGH_ASK_UNICAST);
	assert_int_equal(get(t + PEEL_NEIGH_REFRESH_MS + 1), PEEL_NEIGH_OK);
	assert_int_equal(asked, PEEL_NEIGH_ASK_NONE);
	assert_int_equal(get(t + PEEL_NEIGH_BROADCAST_MS), PEEL_NEIGH_OK);
	assert_int_equal(asked, PEEL_NEIGH_ASK_ALL);
	assert_int_equal(get(t + PEEL_NEIGH_EXPIRE_MS - 1), PEEL_NEIGH_OK);
	assert_int_equal(get(t + PEEL_NEIGH_EXPIRE_MS), PEEL_NEIGH_WAIT);
	neigh_confirm(&table, &ip_1, t + PEEL_NEIGH_EXPIRE_MS);
	assert_int_equal(get(t + PEEL_NEIGH_EXPIRE_MS), PEEL_NEIGH_WAIT);

	neigh_learn(&table, &ip_1, mac_b, t + PEEL_NEIGH_EXPIRE_MS, PEEL_NEIGH_ANSWER);
	assert_int_equal(get(t + 2 * PEEL_NEIGH_REFRESH_MS + PEEL_NEIGH_EXPIRE_MS), PEEL_NEIGH_OK);
	assert_int_equal(asked, PEEL_NEIGH_ASK_ALL);
	neigh_confirm(&table, &ip_1, t + 2 * PEEL_NEIGH_REFRESH_MS + PEEL_NEIGH_EXPIRE_MS);
	assert_int_equal(
		get(t + 3 * PEEL_NEIGH_REFRESH_MS + PEEL_NEIGH_EXPIRE_MS - 1), PEEL_NEIGH_OK);
	assert_int_equal(asked, PEEL_NEIGH_ASK_NONE);
}

static struct peel_addr
nth(uint32_t i)
{
	struct peel_addr a = {.family = PEEL_FAMILY_IPV4};

	peel_put_be32(a.ip, 0x0a000000 + i);
	return a;
}

static void
test_full_table_keeps_who_is_in_use(void **state)
{
	(void)state;
	uint8_t mac[6];
	enum neigh_ask ask;
	uint32_t full = 0;

	/* Invented requesters fill half at most. */
	for (uint32_t i = 0; i < 4 * PEEL_NEIGH_MAX; i++) {
		struct peel_addr a = nth(i);

		neigh_learn(&table, &a, mac_a, 1000, PEEL_NEIGH_REQUEST);
	}
	assert_int_equal(table.used, PEEL_NEIGH_MAX / 2);
	/* ... and nowhere stand in the way of one that we want. */
	for (uint32_t i = 0; i < 64; i++) {
		struct peel_addr a = nth(2000000 + i);

		full += neigh_get(&table, &a, 1001, mac, &ask) == PEEL_NEIGH_FULL;
	}
	assert_int_equal(full, 0);
	setup(state);
	for (uint32_t i = 0; i < 4 * PEEL_NEIGH_MAX; i++) {
		struct peel_addr a = nth(i);

		neigh_learn(&table, &a, mac_a, 1000, PEEL_NEIGH_REQUEST);
	}
	for (uint32_t i = 0; i < 4 * PEEL_NEIGH_MAX; i++) {
		struct peel_addr a = nth(i);

		full += neigh_get(&table, &a, 1001, mac, &ask) == PEEL_NEIGH_FULL;
	}
	assert_true(table.used <= PEEL_NEIGH_MAX);
	assert_int_equal(full, 4 * PEEL_NEIGH_MAX - table.used);
	/* Unanswered questions give way after three seconds. */
	full = 0;
	for (uint32_t i = 0; i < PEEL_NEIGH_MAX / 4; i++) {
		struct peel_addr a = nth(1000000 + i);

		full += neigh_get(&table, &a, 6000, mac, &ask) == PEEL_NEIGH_FULL;
	}
	assert_true(full < PEEL_NEIGH_MAX / 16);
}

static bool stop;

static void *
churn(void *arg)
{
	uint64_t now = 1000000;
	uint8_t mac[6];
	enum neigh_ask ask;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		/* Time jumps: every entry is stale at once, so that keys change all the time. */
		now += PEEL_NEIGH_EXPIRE_MS;
		for (uint32_t i = 0; i < 64; i++) {
			struct peel_addr a = nth(i * 7919 + (uint32_t)now);
			uint8_t of[6] = {2, 0, a.ip[0], a.ip[1], a.ip[2], a.ip[3]};

			neigh_get(&table, &a, now, mac, &ask);
			neigh_learn(&table, &a, of, now, PEEL_NEIGH_ANSWER);
		}
	}
	return NULL;
}

/* The link address of every neighbour is made of its IP address: no reader may ever see another
 * one's. */
static void
test_readers_never_see_another_key(void **state)
{
	(void)state;
	pthread_t thread;
	uint8_t mac[6];
	enum neigh_ask ask;
	uint64_t found = 0;

	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, churn, NULL), 0);
	/* The writer may need a while to get its first turn. */
	for (uint32_t round = 0; round < 300000 || (found == 0 && round < 500000000); round++) {
		struct peel_addr a = nth(round * 31);
		struct neigh *e = &table.set[round % PEEL_NEIGH_SETS][round / 7 % 8];

		for (int k = 0; k < 5; k++) {
			uint32_t part = __atomic_load_n(&e->key[k], __ATOMIC_RELAXED);

			memcpy((uint8_t *)&a + 4 * k, &part, 4);
		}
		if (a.family != PEEL_FAMILY_IPV4)
			continue;
		if (neigh_get(&table, &a, 0, mac, &ask) != PEEL_NEIGH_OK)
			continue;
		found++;
		assert_memory_equal(mac + 2, a.ip, 4);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(found > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_answer_is_believed_when_asked, setup),
		cmocka_unit_test_setup(test_answer_nobody_asked_for_is_ignored, setup),
		cmocka_unit_test_setup(test_known_address_changes_only_by_answer, setup),
		cmocka_unit_test_setup(test_request_fills_the_unknown, setup),
		cmocka_unit_test_setup(test_refresh_and_expiry, setup),
		cmocka_unit_test_setup(test_full_table_keeps_who_is_in_use, setup),
		cmocka_unit_test_setup(test_readers_never_see_another_key, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
