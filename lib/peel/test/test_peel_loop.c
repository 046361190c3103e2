/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A node driven by the program's own loop: peel_poll alone, and peel_fd beside other descriptors.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "world.h"

static struct world world;

static int
setup(void **state)
{
	(void)state;
	world_start(&world);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	world_stop(&world);
	return 0;
}

struct seen {
	pthread_t thread;
	unsigned int data, ready, elsewhere;
};

static void
on_data(void *arg, struct peel *p, peel_circuit circuit, const struct peel_address *origin,
	const void *payload, size_t len)
{
	struct seen *s = arg;

	(void)p;
	(void)circuit;
	(void)origin;
	if (!pthread_equal(pthread_self(), s->thread))
		s->elsewhere++;
	s->data += len == 5 && memcmp(payload, "hello", 5) == 0;
}

static void
on_circuit(void *arg, struct peel *p, peel_circuit circuit, bool ready)
{
	struct seen *s = arg;

	(void)p;
	(void)circuit;
	if (!pthread_equal(pthread_self(), s->thread))
		s->elsewhere++;
	s->ready += ready;
}

/* Until an answer came; @p once does one round. */
static void
converse(struct peel *p, struct seen *seen, void (*once)(struct peel *p))
{
	uint64_t end = now_ms() + 60000, next = 0;
	peel_circuit circuit;

	*seen = (struct seen){.thread = pthread_self()};
	peel_on_data(p, on_data, seen);
	peel_on_circuit(p, on_circuit, seen);
	assert_int_equal(peel_build_tunnels(p, 2), 0);
	while (seen->data == 0 && now_ms() < end) {
		once(p);
		if (now_ms() >= next && peel_active_data_circuits(p, &circuit, 1) > 0) {
			assert_int_equal(
				peel_tunnel_data(p, circuit, &world.echo, PEEL_DATA, "hello", 5),
				0);
			next = now_ms() + 1000;
		}
	}
	assert_true(seen->data > 0);
	assert_true(seen->ready > 0);
	assert_int_equal(seen->elsewhere, 0);
}

static void
once_poll(struct peel *p)
{
	assert_int_equal(peel_poll(p, 100), 0);
}

static void
test_poll(void **state)
{
	struct peel_settings s;
	struct seen seen;
	struct peel *p;

	(void)state;
	world_client(&world, &s);
	assert_int_equal(peel_open(&s, &p), 0);
	converse(p, &seen, once_poll);
	/* The wait ends when it should. */
	uint64_t begin = now_ms();

	for (int i = 0; i < 20; i++)
		assert_int_equal(peel_poll(p, 0), 0);
	assert_true(now_ms() - begin < 5000);
	peel_close(p);
}

static void
once_fd(struct peel *p)
{
	struct pollfd fd = {.fd = peel_fd(p), .events = POLLIN};
	int timeout = peel_timeout(p);

	assert_true(timeout >= 0 && timeout <= 500);
	poll(&fd, 1, timeout);
	assert_int_equal(peel_poll(p, 0), 0);
}

static void
test_own_loop(void **state)
{
	struct peel_settings s;
	struct seen seen;
	struct peel *p;

	(void)state;
	world_client(&world, &s);
	assert_int_equal(peel_open(&s, &p), 0);
	converse(p, &seen, once_fd);
	peel_close(p);
}

static void
on_late(void *arg, int result, uint64_t rtt_us, size_t len)
{
	(void)rtt_us;
	(void)len;
	*(int *)arg = result;
}

/* A test that nobody answers ends after ten seconds, whoever drives. */
static void
test_time_out(void **state)
{
	const struct peel_test test = {.request_size = 10, .response_size = 10};
	uint64_t begin, end = now_ms() + 60000;
	peel_circuit circuit = 0;
	struct peel_settings s;
	int result = 1;
	struct peel *p, *mute;

	(void)state;
	/* An exit that does not answer speed tests, alone with its client. */
	peel_settings_init(&s);
	s.listen = "127.0.0.1:0";
	s.bootstrap = &world.bootstrap[1]; /* none */
	s.peer_flags = PEEL_RELAY;
	s.become_exitnode = true;
	assert_int_equal(peel_open(&s, &mute), 0);
	assert_int_equal(peel_run(mute), 0);

	struct peel_address local;
	char text[64];
	const char *bootstrap[2] = {NULL, NULL};

	peel_local_address(mute, &local);
	bootstrap[0] = peel_address_text(&local, text, sizeof(text));
	world_client(&world, &s);
	s.bootstrap = bootstrap;
	assert_int_equal(peel_open(&s, &p), 0);
	assert_int_equal(peel_build_tunnels(p, 1), 0);
	while (peel_active_data_circuits(p, &circuit, 1) == 0 && now_ms() < end)
		assert_int_equal(peel_poll(p, 100), 0);
	begin = now_ms();
	assert_int_equal(peel_test_circuit(p, circuit, &test, on_late, &result), 0);
	while (result == 1 && now_ms() < end)
		assert_int_equal(peel_poll(p, 100), 0);
	assert_int_equal(result, -ETIMEDOUT);
	assert_in_range(now_ms() - begin, 9900, 20000);
	peel_close(p);
	peel_close(mute);
}

struct closer {
	struct peel *p;
	int result, poll, run;
};

static void
on_end_close(void *arg, int result, uint64_t rtt_us, size_t len)
{
	struct closer *c = arg;

	(void)rtt_us;
	(void)len;
	c->result = result;
	c->poll = peel_poll(c->p, 0);
	c->run = peel_run(c->p);
	peel_close(c->p); /* does nothing */
}

/* What peel_close itself calls is a callback like any other. */
static void
test_close_within_close(void **state)
{
	const struct peel_test test = {.request_size = 10, .response_size = 10};

	(void)state;
	for (int run = 0; run < 2; run++) {
		struct closer c = {.result = 1};
		uint64_t end = now_ms() + 60000;
		peel_circuit circuit = 0;
		struct peel_settings s;

		world_client(&world, &s);
		assert_int_equal(peel_open(&s, &c.p), 0);
		if (run)
			assert_int_equal(peel_run(c.p), 0);
		assert_int_equal(peel_build_tunnels(c.p, 2), 0);
		while (peel_active_data_circuits(c.p, &circuit, 1) == 0 && now_ms() < end) {
			if (run)
				sleep_ms(20);
			else
				assert_int_equal(peel_poll(c.p, 100), 0);
		}
		assert_int_equal(peel_test_circuit(c.p, circuit, &test, on_end_close, &c), 0);
		peel_close(c.p);
		assert_true(c.result == -ECANCELED || (run && c.result == 0));
		assert_int_equal(c.poll, -EBUSY);
		assert_true(c.run == (run ? -EALREADY : -EBUSY));
	}
}

/* Whoever asks the management socket and goes away at once raises SIGPIPE, which must not end the
 * program. */
static void
test_management_hangs_up(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct peel_settings s;
	struct peel *p;
	sigset_t pending;

	(void)state;
	snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/peel-test-%d.sock", (int)getpid());
	world_client(&world, &s);
	s.management = a.sun_path;
	assert_int_equal(peel_open(&s, &p), 0);
	for (int i = 0; i < 20; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
		assert_int_equal(write(fd, "status\n", 7), 7);
		close(fd);
		for (int k = 0; k < 5; k++)
			assert_int_equal(peel_poll(p, 5), 0);
	}
	sigpending(&pending);
	assert_false(sigismember(&pending, SIGPIPE));
	peel_close(p);
	assert_int_not_equal(access(a.sun_path, F_OK), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_poll),
		cmocka_unit_test(test_own_loop),
		cmocka_unit_test(test_time_out),
		cmocka_unit_test(test_close_within_close),
		cmocka_unit_test(test_management_hangs_up),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
