/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A guest's node: open and close, datagrams that are no cells, and threads.
 */
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "one_guest.h"

/* ---- life ------------------------------------------------------------------------------------ */

static void
test_settings(void **state)
{
	struct peel_guest_settings s;
	struct peel_guest *g = (void *)&s;

	(void)state;
	settings(&s);
	s.size = 0;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	assert_null(g);
	assert_non_null(strstr(peel_strerror(-EINVAL), "peel_guest_settings_init"));
	settings(&s);
	s.workers = 0;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	assert_non_null(strstr(peel_strerror(-EINVAL), "settings.workers: 0 is not between 1"));
	settings(&s);
	s.max_circuits = 0;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	settings(&s);
	s.callbacks.on_datagrams = NULL;
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	settings(&s);
	s.listen = "example.org:80";
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	settings(&s);
	s.engine = "no such";
	assert_int_equal(peel_guest_open(&s, &g), -EINVAL);
	peel_guest_close(NULL);
}

static void
test_port_tries(void **state)
{
	struct peel_guest_settings s;
	struct wire taken;
	char listen[64];

	(void)state;
	wire_open(&taken);
	snprintf(listen, sizeof(listen), "127.0.0.1:%u", taken.address.port);
	settings(&s);
	s.listen = listen;
	memset(&w, 0, sizeof(w));
	assert_int_equal(peel_guest_open(&s, &w.g), -EADDRINUSE);
	s.port_tries = 100;
	s.workers = 2;
	open_with(&s);
	assert_true(w.at.port > taken.address.port && w.at.port <= taken.address.port + 100);
	teardown(NULL);
	wire_close(&taken);
}

static unsigned int
count_files(void)
{
	unsigned int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += dup2(fd, fd) >= 0;
	return n;
}

static void
test_again(void **state)
{
	unsigned int files = 0;

	(void)state;
	for (int i = 0; i < 6; i++) {
		setup(NULL);
		teardown(NULL);
		if (i == 0)
			files = count_files();
	}
	assert_int_equal(count_files(), files);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void
test_datagrams(void **state)
{
	uint8_t out[64] = {0}, other[64] = {9}, back[2048];
	struct peel_address mapped = {.type = PEEL_ADDRESS_IPV6, .port = w.next.address.port};
	struct peel_guest_message_stats stats[256];
	const struct mail *m;

	(void)state;
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	out[22] = 246;
	for (uint8_t i = 0; i < 50; i++) {
		wire_send(&w.previous, &w.at, other, sizeof(other));
		out[23] = i;
		wire_send(&w.previous, &w.at, out, sizeof(out));
	}
	for (uint8_t i = 0; i < 50; i++) {
		m = mail();
		assert_int_equal(m->len, sizeof(out));
		assert_int_equal(m->data[23], i); /* in order */
		assert_int_equal(m->from.port, w.previous.address.port);
	}
	memcpy(mapped.ip + 10, "\xff\xff\x7f\x00\x00\x01", 6);
	assert_int_equal(peel_guest_send(w.g, &mapped, out, sizeof(out)), 0);
	assert_int_equal(wire_receive(&w.next, back, sizeof(back), WAIT_MS), sizeof(out));
	assert_memory_equal(back, out, sizeof(out));
	assert_int_equal(peel_guest_message_stats(w.g, wire_prefix, stats), 0);
	assert_int_equal(stats[246].num_down, 50);
	assert_int_equal(stats[246].bytes_down, 50 * sizeof(out));
	assert_int_equal(stats[246].num_up, 1);
	assert_int_equal(stats[246].bytes_up, sizeof(out));
	assert_int_equal(stats[0].num_up + stats[0].num_down, 0);
	assert_int_equal(peel_guest_message_stats(w.g, other, stats), -ENOENT);
	assert_int_equal(stats[246].num_down, 0);
	mapped.port = 0;
	assert_int_equal(peel_guest_send(w.g, &mapped, out, sizeof(out)), -EINVAL);
	assert_int_equal(peel_guest_send(w.g, &w.next.address, back, 2049), -EMSGSIZE);
}

#define NEIGHBOURS 8
#define EACH 50

/* What a neighbour sends stays in order, however many workers there are. A socket for both families
 * has IPv4 addresses for IPv4 neighbours. */
static void
test_order(void **state)
{
	struct wire neighbour[NEIGHBOURS];
	uint8_t next[NEIGHBOURS] = {0}, out[64] = {0};
	struct peel_guest_settings s;
	struct peel_guest *g;

	(void)state;
	settings(&s);
	s.workers = 4;
	s.listen = "[::]:0";
	if (peel_guest_open(&s, &g) != 0)
		s.listen = "0.0.0.0:0"; /* no IPv6 here */
	else
		peel_guest_close(g);
	open_with(&s);
	assert_int_equal(peel_address_set(&w.at, "127.0.0.1", w.at.port), 0);
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	for (unsigned int k = 0; k < NEIGHBOURS; k++)
		wire_open(&neighbour[k]);
	for (uint8_t i = 0; i < EACH; i++) {
		for (unsigned int k = 0; k < NEIGHBOURS; k++) {
			/* Datagrams and plaintext cells in turn. */
			wire_header(out, 5, true, false);
			out[22] = i % 2 ? 246 : 0;
			out[WIRE_HEADER] = 2;
			out[WIRE_HEADER + 1] = i;
			wire_send(&neighbour[k], &w.at, out, sizeof(out));
		}
	}
	for (unsigned int n = 0; n < NEIGHBOURS * EACH; n++) {
		const struct mail *m = mail();
		unsigned int k = 0;

		while (k < NEIGHBOURS && neighbour[k].address.port != m->from.port)
			k++;
		assert_true(k < NEIGHBOURS);
		assert_int_equal(m->from.type, PEEL_ADDRESS_IPV4);
		assert_int_equal(m->data[WIRE_HEADER + 1], next[k]++);
	}
	for (unsigned int k = 0; k < NEIGHBOURS; k++)
		wire_close(&neighbour[k]);
	teardown(NULL);
}

/* Overlays come and go, more than there are places for at a time. */
static void
test_many_overlays(void **state)
{
	static uint8_t prefix[2049][PEEL_PREFIX_BYTES];
	uint8_t out[30] = {0};

	(void)state;
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int i = 1; i < 2049; i++) {
			prefix[i][1] = 3;
			prefix[i][2] = (uint8_t)round;
			prefix[i][3] = (uint8_t)(i >> 8);
			prefix[i][4] = (uint8_t)i;
		}
		memcpy(prefix[0], wire_prefix, PEEL_PREFIX_BYTES);
		assert_int_equal(peel_guest_set_prefixes(
					 w.g, (const uint8_t(*)[PEEL_PREFIX_BYTES])prefix, 2049),
			0);
		for (unsigned int i = 0; i < 2049; i += 512) {
			memcpy(out, prefix[i], PEEL_PREFIX_BYTES);
			out[22] = (uint8_t)(1 + round);
			wire_send(&w.previous, &w.at, out, sizeof(out));
			assert_memory_equal(mail()->data, out, sizeof(out));
		}
	}
	prefix[1][2] = 4 - 1; /* of the round before: closed */
	memcpy(out, prefix[1], PEEL_PREFIX_BYTES);
	wire_send(&w.previous, &w.at, out, sizeof(out));
	assert_null(mail_within(QUIET_MS));
}

/* ---- threads --------------------------------------------------------------------------------- */

static bool flood_over;

static void *
flood(void *arg)
{
	uint8_t out[64] = {0};

	(void)arg;
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	out[22] = 1;
	while (!__atomic_load_n(&flood_over, __ATOMIC_RELAXED)) {
		wire_send(&w.outside, &w.at, out, sizeof(out));
		usleep(50);
	}
	return NULL;
}

/* The guest holds its lock around calls, and its callback waits for it. The node is closed in the
 * middle of all that. */
static void
test_lock(void **state)
{
	struct peel_guest_keys k;
	uint8_t out[64] = {0};
	pthread_t thread;

	(void)state;
	wire_keys(1, &k);
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	__atomic_store_n(&flood_over, false, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&thread, NULL, flood, NULL), 0);
	for (uint32_t i = 0; i < 300; i++) {
		pthread_mutex_lock(&w.lock);
		assert_int_equal(peel_guest_add_exit(w.g, i % 16, &w.previous.address, &k), 0);
		assert_int_equal(peel_guest_send(w.g, &w.next.address, out, sizeof(out)), 0);
		assert_int_equal(guest_cell(i % 16, &w.next, ping, sizeof(ping)), 0);
		usleep(200);
		peel_guest_remove_exit(w.g, i % 16);
		pthread_mutex_unlock(&w.lock);
	}
	mail();
	peel_guest_close(w.g);
	w.g = NULL;
	__atomic_store_n(&flood_over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
}

static void
close_here(void *arg, const struct peel_guest_datagram *d, unsigned int n)
{
	peel_guest_close(w.g); /* nothing happens */
	on_datagrams(arg, d, n);
}

static void
test_close_inside(void **state)
{
	struct peel_guest_settings s;
	uint8_t out[64] = {0};

	(void)state;
	settings(&s);
	s.callbacks.on_datagrams = close_here;
	open_with(&s);
	memcpy(out, wire_prefix, sizeof(wire_prefix));
	out[22] = 1;
	wire_send(&w.previous, &w.at, out, sizeof(out));
	mail();
	wire_send(&w.previous, &w.at, out, sizeof(out));
	mail();
	teardown(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_port_tries),
		cmocka_unit_test(test_again),
		cmocka_unit_test_setup_teardown(test_datagrams, setup, teardown),
		cmocka_unit_test(test_order),
		cmocka_unit_test_setup_teardown(test_many_overlays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
		cmocka_unit_test(test_close_inside),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
