/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Limits of circuits at exits, by a clock of a million cycles per second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_circuit_limits.h"

#define HZ 1000000
#define MINUTE ((uint64_t)PEEL_CIRCUIT_LIMITS_HOSTS_SECONDS * HZ)
#define N_EXITS 8
#define CIRCUIT 77

static struct peel_circuit_limits *limits;

static void
limit(uint32_t packets, uint32_t destinations)
{
	const struct peel_circuit_limits_settings s = {packets, destinations};

	assert_int_equal(peel_circuit_limits_new(&s, N_EXITS, HZ, 4711, &limits), 0);
}

/* The nth host, at a port that changes. */
static struct peel_host
host(uint32_t n)
{
	static uint16_t port = 1;

	return (struct peel_host){.type = PEEL_HOST_IPV4,
		.addr = peel_addr_ipv4(
			198, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, ++port)};
}

static enum peel_circuit_limits_verdict
take(uint32_t endpoint, uint64_t circuit, uint32_t n, uint64_t now)
{
	const struct peel_host to = host(n);

	return peel_circuit_limits_take(limits, endpoint, circuit, &to, now);
}

/* A second's datagrams at once, then as many as the rate gives, whatever was offered beside. */
static void
test_packets(void **state)
{
	unsigned int passed = 0;

	(void)state;
	limit(100, 0);
	for (unsigned int i = 0; i < 1000; i++)
		passed += take(1, CIRCUIT, i, 5) == PEEL_CIRCUIT_LIMITS_MAY;
	assert_int_equal(passed, 100);
	assert_int_equal(take(1, CIRCUIT, 0, 5), PEEL_CIRCUIT_LIMITS_PACKETS);
	for (uint64_t now = 6; now < 10 * HZ; now += HZ / 5000)
		passed += take(1, CIRCUIT, 0, now) == PEEL_CIRCUIT_LIMITS_MAY;
	assert_in_range(passed, 1098, 1101);
	/* Silence does not save up more than a second. */
	passed = 0;
	for (unsigned int i = 0; i < 1000; i++)
		passed += take(1, CIRCUIT, i, 100 * HZ) == PEEL_CIRCUIT_LIMITS_MAY;
	assert_int_equal(passed, 100);
	/* A clock that is a little behind, as that of another worker, gives nothing. */
	assert_int_equal(take(1, CIRCUIT, 0, 100 * HZ - 50), PEEL_CIRCUIT_LIMITS_PACKETS);
	peel_circuit_limits_free(limits);
}

/* Hosts, not ports or datagrams; those that are counted go on, others come when a minute is over.
 */
static void
test_destinations(void **state)
{
	static const uint32_t maxima[] = {8, 1000, PEEL_CIRCUIT_LIMITS_HOSTS_MAX};

	(void)state;
	for (size_t k = 0; k < PEEL_ARRAY_LEN(maxima); k++) {
		uint32_t max = maxima[k], more = 0;

		limit(0, max);
		for (unsigned int again = 0; again < 3; again++) {
			for (uint32_t i = 0; i < max; i++)
				assert_int_equal(take(2, CIRCUIT, i, i), PEEL_CIRCUIT_LIMITS_MAY);
		}
		/* 16 bits say who a host is: a few strangers look like one that is counted. */
		for (uint32_t i = max; i < 2 * max; i++)
			more += take(2, CIRCUIT, i, MINUTE - 1) == PEEL_CIRCUIT_LIMITS_MAY;
		assert_in_range(more, 0, max / 1000);
		assert_int_equal(take(2, CIRCUIT, 0, MINUTE - 1), PEEL_CIRCUIT_LIMITS_MAY);
		for (uint32_t i = max; i < 2 * max; i++)
			assert_int_equal(take(2, CIRCUIT, i, MINUTE), PEEL_CIRCUIT_LIMITS_MAY);
		assert_int_equal(
			take(2, CIRCUIT, 3 * max, MINUTE), PEEL_CIRCUIT_LIMITS_DESTINATIONS);
		peel_circuit_limits_free(limits);
	}
}

/* What a refused host would have sent is not counted as a datagram. */
static void
test_both(void **state)
{
	unsigned int passed = 0;

	(void)state;
	limit(10, 1);
	assert_int_equal(take(1, CIRCUIT, 1, 5), PEEL_CIRCUIT_LIMITS_MAY);
	for (unsigned int i = 0; i < 50; i++)
		assert_int_equal(take(1, CIRCUIT, 2, 5), PEEL_CIRCUIT_LIMITS_DESTINATIONS);
	for (unsigned int i = 0; i < 50; i++)
		passed += take(1, CIRCUIT, 1, 5) == PEEL_CIRCUIT_LIMITS_MAY;
	assert_int_equal(passed, 9);
	peel_circuit_limits_free(limits);
}

/* IPv4, IPv6 and names. */
static void
test_kinds_of_hosts(void **state)
{
	struct peel_host v4 = host(1), v6 = {.type = PEEL_HOST_IPV6},
			 name = {.type = PEEL_HOST_NAME,
				 .name = {(const uint8_t *)"a.test", 6},
				 .addr = {.port = 80}},
			 other = name;

	(void)state;
	assert_int_equal(peel_addr_parse("[2001:db8::1]:53", 0, &v6.addr), 0);
	other.name.p = (const uint8_t *)"b.test";
	limit(0, 3);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(
			peel_circuit_limits_take(limits, 8, 1, &v4, 5), PEEL_CIRCUIT_LIMITS_MAY);
		assert_int_equal(
			peel_circuit_limits_take(limits, 8, 1, &v6, 5), PEEL_CIRCUIT_LIMITS_MAY);
		assert_int_equal(
			peel_circuit_limits_take(limits, 8, 1, &name, 5), PEEL_CIRCUIT_LIMITS_MAY);
	}
	assert_int_equal(peel_circuit_limits_take(limits, 8, 1, &other, 5),
		PEEL_CIRCUIT_LIMITS_DESTINATIONS);
	v6.addr.ip[9] = 1;
	assert_int_equal(
		peel_circuit_limits_take(limits, 8, 1, &v6, 5), PEEL_CIRCUIT_LIMITS_DESTINATIONS);
	peel_circuit_limits_free(limits);
}

/* One that is over its limits harms no other, and whoever gets its endpoint begins anew. */
static void
test_circuits_are_apart(void **state)
{
	(void)state;
	limit(10, 5);
	for (uint32_t i = 0; i < 1000; i++)
		(void)take(4, CIRCUIT, i, 5);
	assert_int_equal(take(4, CIRCUIT, 999, 5), PEEL_CIRCUIT_LIMITS_DESTINATIONS);
	for (uint32_t endpoint = 1; endpoint <= N_EXITS; endpoint++) {
		for (uint32_t i = 0; endpoint != 4 && i < 5; i++)
			assert_int_equal(take(endpoint, endpoint, i, 5), PEEL_CIRCUIT_LIMITS_MAY);
	}
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(take(4, CIRCUIT + 1, 100 + i, 5), PEEL_CIRCUIT_LIMITS_MAY);
	assert_int_equal(take(4, CIRCUIT + 1, 200, 5), PEEL_CIRCUIT_LIMITS_DESTINATIONS);
	peel_circuit_limits_free(limits);
}

static void
test_none(void **state)
{
	(void)state;
	assert_false(peel_circuit_limits_any(&(struct peel_circuit_limits_settings){0}));
	assert_true(peel_circuit_limits_any(&(struct peel_circuit_limits_settings){.packets = 1}));
	assert_true(
		peel_circuit_limits_any(&(struct peel_circuit_limits_settings){.destinations = 1}));
	peel_circuit_limits_free(NULL);

	/* As many bytes as the settings' page says, so that a program can see what it asks for. */
	assert_int_equal(
		peel_circuit_limits_bytes(&(struct peel_circuit_limits_settings){0}, 9), 0);
	for (uint32_t hosts = 8; hosts <= PEEL_CIRCUIT_LIMITS_HOSTS_MAX; hosts *= 2) {
		const struct peel_circuit_limits_settings s = {.destinations = hosts};
		size_t bytes = peel_circuit_limits_bytes(&s, 1000000);

		assert_in_range(
			bytes, UINT64_C(4000000) * hosts, UINT64_C(1000000) * (8 * hosts + 96));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_kinds_of_hosts),
		cmocka_unit_test(test_circuits_are_apart),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
