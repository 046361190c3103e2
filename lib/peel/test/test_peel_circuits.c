/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Several nodes of this process build circuits through each other; data goes to a UDP server and
 * comes back. All nodes are driven by peel_run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "world.h"

#define N_THREADS 4
#define N_SENDS 200

static struct world world;
static struct peel *client;

/* What came back, by the number in front of each payload. */
static struct {
	unsigned int n, wrong;
	uint32_t seen[N_THREADS * N_SENDS];
	peel_circuit circuit;
} back;

static void
on_data(void *arg, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	uint32_t number;

	if (arg != &back || p != client || len < sizeof(number) ||
		origin->type != PEEL_ADDRESS_IPV4 || origin->port != world.echo.port) {
		__atomic_add_fetch(&back.wrong, 1, __ATOMIC_RELAXED);
		return;
	}
	memcpy(&number, payload, sizeof(number));
	if (number >= N_THREADS * N_SENDS) {
		__atomic_add_fetch(&back.wrong, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&back.circuit, circuit, __ATOMIC_RELAXED);
	__atomic_add_fetch(&back.seen[number], 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&back.n, 1, __ATOMIC_RELEASE);
}

static void
forget(void)
{
	memset(&back, 0, sizeof(back));
}

static bool
enough(void *arg)
{
	return peel_tunnels_ready(client, *(unsigned int *)arg) >= 1.0;
}

static int
send_number(peel_circuit circuit, uint32_t number, size_t len)
{
	uint8_t data[PEEL_PAYLOAD_MAX] = {0};

	memcpy(data, &number, sizeof(number));
	return peel_tunnel_data(client, circuit, &world.echo, PEEL_DATA, data, len);
}

/* It is UDP: until it is answered. */
static void
echo_once(peel_circuit circuit, uint32_t number, size_t len)
{
	for (int i = 0; i < 60; i++) {
		assert_int_equal(send_number(circuit, number, len), 0);
		for (int k = 0; k < 100; k++) {
			if (__atomic_load_n(&back.seen[number], __ATOMIC_RELAXED) > 0)
				return;
			sleep_ms(10);
		}
	}
	fail_msg("no answer of %zu bytes", len);
}

static bool
answered(void *arg)
{
	return __atomic_load_n(&back.n, __ATOMIC_ACQUIRE) >= *(unsigned int *)arg;
}

/* ---- life of the world ----------------------------------------------------------------------- */

static int
setup(void **state)
{
	struct peel_settings s;

	(void)state;
	world_start(&world);
	world_client(&world, &s);
	if (peel_open(&s, &client) != 0 || peel_run(client) != 0)
		return -1;
	peel_on_data(client, on_data, &back);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peel_close(client);
	world_stop(&world);
	return 0;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_hops(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= 3; hops++) {
		static const size_t sizes[] = {4, 5, 64, 1000, 1356};
		struct peel_circuit_info info;
		peel_circuit circuit[8];
		size_t n;

		forget();
		assert_int_equal(peel_build_tunnels(client, hops), 0);
		wait_for(enough, &hops, "circuits");
		n = peel_active_data_circuits_of(client, hops, circuit, 8);
		assert_true(n >= 1);
		assert_int_equal(peel_circuit_info(client, circuit[0], &info), 0);
		assert_int_equal(info.state, PEEL_CIRCUIT_READY);
		assert_int_equal(info.hops, hops);
		assert_int_equal(info.goal, hops);
		assert_int_equal(info.hop[0].address.type, PEEL_ADDRESS_IPV4);
		for (unsigned int i = 0; i < hops; i++) {
			assert_memory_equal(info.hop[i].key, "LibNaCLPK:", 10);
			for (unsigned int j = 0; j < i; j++)
				assert_memory_not_equal(
					info.hop[i].key, info.hop[j].key, PEEL_KEY_LEN);
		}
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			echo_once(circuit[0], (uint32_t)i, sizes[i]);
		assert_int_equal(back.wrong, 0);
		assert_true(back.circuit == circuit[0]);
		assert_int_equal(peel_circuit_info(client, circuit[0], &info), 0);
		assert_true(info.bytes_up > 2400 && info.bytes_down > 2400);
	}
}

static void
test_missing(void **state)
{
	unsigned int hops = 1;
	char text[256];

	(void)state;
	assert_int_equal(peel_tunnels_missing(client, 7, text, sizeof(text)), -ENOENT);
	assert_int_equal(peel_build_tunnels(client, 7), 0);
	assert_int_equal(peel_tunnels_missing(client, 7, text, sizeof(text)), PEEL_MISSING_RELAYS);
	assert_non_null(strstr(text, " of the 7 relays needed are known"));
	assert_int_equal(peel_tunnels_missing(client, 7, NULL, 0), PEEL_MISSING_RELAYS);
	assert_int_equal(peel_stop_tunnels(client, 7), 0);
	assert_int_equal(peel_build_tunnels(client, hops), 0);
	wait_for(enough, &hops, "circuits");
	assert_int_equal(
		peel_tunnels_missing(client, hops, text, sizeof(text)), PEEL_MISSING_NOTHING);
}

struct sender {
	unsigned int number;
	peel_circuit circuit;
	int failed;
};

static void *
sender_main(void *arg)
{
	struct sender *s = arg;

	for (uint32_t i = 0; i < N_SENDS; i++) {
		int rc;

		while ((rc = send_number(s->circuit, s->number * N_SENDS + i, 100)) == -EAGAIN)
			sleep_ms(1);
		if (rc != 0)
			s->failed = rc;
		if (i % 16 == 15)
			sleep_ms(2); /* it is UDP, and receive buffers are small */
	}
	return NULL;
}

static void
test_four_threads(void **state)
{
	struct sender s[N_THREADS] = {0};
	pthread_t thread[N_THREADS];
	unsigned int most = N_THREADS * N_SENDS * 9 / 10;
	peel_circuit circuit;

	(void)state;
	forget();
	assert_true(peel_active_data_circuits_of(client, 2, &circuit, 1) >= 1);
	for (unsigned int i = 0; i < N_THREADS; i++) {
		s[i] = (struct sender){.number = i, .circuit = circuit};
		assert_int_equal(pthread_create(&thread[i], NULL, sender_main, &s[i]), 0);
	}
	for (unsigned int i = 0; i < N_THREADS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(s[i].failed, 0);
	}
	wait_for(answered, &most, "most of the answers");
	for (unsigned int i = 0; i < N_THREADS * N_SENDS; i++)
		assert_true(back.seen[i] <= 1);
	assert_int_equal(back.wrong, 0);
}

static bool
all_ready(void *arg)
{
	return peel_tunnels_ready(client, *(unsigned int *)arg) >= 4.0;
}

static void
test_sticky(void **state)
{
	unsigned int hops = 1;
	struct peel_address a, b;
	peel_circuit first;

	(void)state;
	wait_for(all_ready, &hops, "the whole pool");
	assert_int_equal(peel_address_set(&a, "Example.org", 1), 0);
	first = peel_circuit_for(client, 1, &a);
	assert_true(first != 0);
	for (int i = 0; i < 100; i++)
		assert_true(peel_circuit_for(client, 1, &a) == first);
	assert_int_equal(peel_address_set(&b, "example.org.", 2), 0);
	assert_true(peel_circuit_for(client, 1, &b) == first);
	assert_true(peel_circuit_for(client, 2, &b) != first);
	/* Its end moves the destination. */
	assert_int_equal(peel_close_circuit(client, first), 0);
	assert_true(peel_circuit_for(client, 1, &a) != first);
	/* More destinations than the table has room for. */
	for (int i = 0; i < 3000; i++) {
		char host[32];

		snprintf(host, sizeof(host), "10.0.%d.%d", i >> 8, i & 255);
		assert_int_equal(peel_address_set(&b, host, 1), 0);
		assert_true(peel_circuit_for(client, 1, &b) != 0);
	}
}

static bool
has_http(void *arg)
{
	peel_circuit *circuit = arg;

	*circuit = peel_http_circuit(client, 1);
	return *circuit != 0;
}

static void
test_isolation(void **state)
{
	struct peel *shared = client;
	peel_circuit used[4], http = 0, circuit;
	struct peel_settings s;
	unsigned int hops = 1;
	struct peel_address a;

	(void)state;
	world_client(&world, &s);
	s.isolate_destinations = true;
	assert_int_equal(peel_open(&s, &client), 0);
	assert_int_equal(peel_run(client), 0);
	assert_int_equal(peel_build_tunnels(client, 1), 0);
	wait_for(all_ready, &hops, "the whole pool");
	for (int i = 0; i < 4; i++) {
		char host[32];

		snprintf(host, sizeof(host), "10.0.0.%d", i + 1);
		assert_int_equal(peel_address_set(&a, host, 80), 0);
		used[i] = peel_circuit_for(client, 1, &a);
		assert_true(used[i] != 0);
		a.port = 443; /* the host counts */
		assert_true(peel_circuit_for(client, 1, &a) == used[i]);
		for (int j = 0; j < i; j++)
			assert_true(used[j] != used[i]);
	}
	/* HTTP requests have one of their own, which data keeps away from. */
	wait_for(has_http, &http, "a circuit for HTTP");
	for (int i = 0; i < 4; i++)
		assert_true(http != used[i]);
	/* No other is left: shared after all. */
	for (int i = 5; i < 30; i++) {
		char host[32];

		snprintf(host, sizeof(host), "10.0.0.%d", i);
		assert_int_equal(peel_address_set(&a, host, 80), 0);
		circuit = peel_circuit_for(client, 1, &a);
		assert_true(circuit != 0 && circuit != http);
	}
	assert_true(peel_http_circuit(client, 1) == http);
	peel_close(client);
	client = shared;
}

/* ---- speed tests ----------------------------------------------------------------------------- */

struct outcome {
	int done, result;
	uint64_t rtt_us;
	size_t len;
};

static void
on_tested(void *arg, int result, uint64_t rtt_us, size_t len)
{
	struct outcome *o = arg;

	o->result = result;
	o->rtt_us = rtt_us;
	o->len = len;
	__atomic_add_fetch(&o->done, 1, __ATOMIC_RELEASE);
}

static bool
is_done(void *arg)
{
	return __atomic_load_n(&((struct outcome *)arg)->done, __ATOMIC_ACQUIRE) > 0;
}

static void
test_speed_test(void **state)
{
	peel_circuit circuit;

	(void)state;
	assert_true(peel_active_data_circuits_of(client, 2, &circuit, 1) >= 1);
	for (int rust = 0; rust < 2; rust++) {
		const struct peel_test test = {
			.rust = rust, .request_size = 200, .response_size = 1000};
		struct outcome o = {0};

		assert_int_equal(peel_test_circuit(client, circuit, &test, on_tested, &o), 0);
		wait_for(is_done, &o, "a speed test");
		assert_int_equal(o.result, 0);
		assert_int_equal(o.len, 1000);
		assert_in_range(o.rtt_us, 1, 20000000);
	}
	/* The circuit ends before the answer, or after it; never twice. */
	const struct peel_test test = {.request_size = 2000};
	struct outcome o = {0};

	assert_int_equal(peel_test_circuit(client, circuit, &test, on_tested, &o), -EMSGSIZE);
	assert_int_equal(o.done, 0);
	const struct peel_test small = {.request_size = 20};

	assert_int_equal(peel_test_circuit(client, circuit, &small, on_tested, &o), 0);
	peel_close_circuit(client, circuit);
	wait_for(is_done, &o, "the end of a speed test");
	assert_true(o.result == 0 || o.result == -ENOENT);
	sleep_ms(50);
	assert_int_equal(o.done, 1);
}

/* ---- callbacks that call the library --------------------------------------------------------- */

static struct {
	unsigned int data, ready, ended;
	struct outcome test;
} inner;

static void
on_data_busy(void *arg, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct peel_circuit_info info;
	peel_circuit list[4];
	char *status = peel_status(p);

	(void)arg;
	free(status);
	peel_circuit_info(p, circuit, &info);
	peel_active_data_circuits(p, list, 4);
	peel_tunnels_ready(p, 1);
	peel_circuit_for(p, 1, origin);
	peel_add_bootstrap(p, "127.0.0.1:9");
	peel_close(p); /* not from here: ignored */
	if (peel_poll(p, 0) != -EBUSY || peel_run(p) != -EALREADY)
		return;
	if (__atomic_add_fetch(&inner.data, 1, __ATOMIC_RELEASE) < 10)
		peel_tunnel_data(p, circuit, origin, PEEL_DATA, payload, len);
	else
		peel_close_circuit(p, circuit);
}

static void
on_circuit_busy(void *arg, struct peel *p, peel_circuit circuit, bool ready)
{
	const struct peel_test test = {.request_size = 10, .response_size = 10};

	(void)arg;
	if (ready) {
		peel_test_circuit(p, circuit, &test, on_tested, &inner.test);
		__atomic_add_fetch(&inner.ready, 1, __ATOMIC_RELEASE);
	} else {
		__atomic_add_fetch(&inner.ended, 1, __ATOMIC_RELEASE);
	}
}

static bool
inner_over(void *arg)
{
	(void)arg;
	return __atomic_load_n(&inner.data, __ATOMIC_ACQUIRE) >= 10 &&
	       __atomic_load_n(&inner.ended, __ATOMIC_ACQUIRE) >= 1 && is_done(&inner.test);
}

static void
test_callbacks_call(void **state)
{
	unsigned int hops = 1;
	struct peel *other = client;
	struct peel_settings s;
	peel_circuit circuit;

	(void)state;
	world_client(&world, &s);
	assert_int_equal(peel_open(&s, &client), 0);
	peel_on_data(client, on_data_busy, NULL);
	peel_on_circuit(client, on_circuit_busy, NULL);
	assert_int_equal(peel_run(client), 0);
	assert_int_equal(peel_build_tunnels(client, 1), 0);
	wait_for(enough, &hops, "a circuit");
	assert_true(peel_active_data_circuits(client, &circuit, 1) >= 1);
	assert_int_equal(send_number(circuit, 1, 10), 0);
	wait_for(inner_over, NULL, "callbacks");
	peel_close(client);
	client = other;
}

/* Circuits half built, data and tests on their way. */
static void
test_close_in_flight(void **state)
{
	struct peel *other = client;
	unsigned int hops = 2;

	(void)state;
	for (int i = 0; i < 5; i++) {
		const struct peel_test test = {.request_size = 500, .response_size = 500};
		struct outcome o[20] = {{0}};
		peel_circuit circuit = 0;
		struct peel_settings s;
		int begun = 0;

		world_client(&world, &s);
		assert_int_equal(peel_open(&s, &client), 0);
		assert_int_equal(peel_run(client), 0);
		assert_int_equal(peel_build_tunnels(client, 2), 0);
		assert_int_equal(peel_build_tunnels(client, 3), 0);
		if (i > 0)
			wait_for(enough, &hops, "a circuit");
		if (peel_active_data_circuits(client, &circuit, 1) > 0) {
			for (int k = 0; k < 20; k++) {
				send_number(circuit, 0, 500);
				if (peel_test_circuit(
					    client, circuit, &test, on_tested, &o[begun]) == 0)
					begun++;
			}
		}
		peel_close(client);
		for (int k = 0; k < begun; k++) { /* all told, once */
			assert_int_equal(o[k].done, 1);
			assert_true(o[k].result == 0 || o[k].result == -ECANCELED ||
				    o[k].result == -ENOENT);
		}
	}
	client = other;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hops),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_four_threads),
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_isolation),
		cmocka_unit_test(test_speed_test),
		cmocka_unit_test(test_callbacks_call),
		cmocka_unit_test(test_close_in_flight),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
