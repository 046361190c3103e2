/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Relays and an exit in this process, for circuits to be built through.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define PATIENCE_MS 60000

uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void
sleep_ms(unsigned int ms)
{
	usleep(ms * 1000);
}

void
wait_for(bool (*fn)(void *arg), void *arg, const char *what)
{
	uint64_t end = now_ms() + PATIENCE_MS;

	while (!fn(arg)) {
		if (now_ms() > end)
			fail_msg("waited in vain for %s", what);
		sleep_ms(10);
	}
}

static void *
echo_main(void *arg)
{
	struct world *w = arg;
	struct sockaddr_in from;
	char data[2048];

	for (;;) {
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(
			w->echo_fd, data, sizeof(data), 0, (struct sockaddr *)&from, &size);

		if (n <= 0)
			return NULL;
		sendto(w->echo_fd, data, (size_t)n, 0, (struct sockaddr *)&from, size);
	}
}

static void
echo_start(struct world *w)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(a);

	w->echo_fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_true(w->echo_fd >= 0);
	assert_int_equal(bind(w->echo_fd, (struct sockaddr *)&a, size), 0);
	assert_int_equal(getsockname(w->echo_fd, (struct sockaddr *)&a, &size), 0);
	assert_int_equal(peel_address_set(&w->echo, "127.0.0.1", ntohs(a.sin_port)), 0);
	assert_int_equal(pthread_create(&w->echo_thread, NULL, echo_main, w), 0);
}

static void
echo_stop(struct world *w)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(w->echo.port)};

	/* An empty datagram ends it. */
	sendto(w->echo_fd, "", 0, 0, (struct sockaddr *)&a, sizeof(a));
	pthread_join(w->echo_thread, NULL);
	close(w->echo_fd);
}

void
world_start(struct world *w)
{
	*w = (struct world){.dht = w->dht};
	echo_start(w);
	for (int i = 0; i < WORLD_RELAYS; i++) {
		struct peel_address local;
		struct peel_settings s;
		int rc;

		peel_settings_init(&s);
		s.dht_provider = w->dht;
		s.listen = "127.0.0.1:0";
		s.bootstrap = w->bootstrap; /* the first has none */
		s.become_exitnode = s.exit_any_payload = s.exit_loopback = true;
		s.peer_flags |= PEEL_EXIT_HTTP;
		rc = peel_open(&s, &w->relay[i]);
		if (rc != 0)
			fail_msg("relay %d: %s", i, peel_strerror(rc));
		assert_int_equal(peel_run(w->relay[i]), 0);
		if (i == 0) {
			peel_local_address(w->relay[0], &local);
			w->bootstrap[0] = peel_address_text(&local, w->first, sizeof(w->first));
		}
	}
}

void
world_stop(struct world *w)
{
	for (int i = 0; i < WORLD_RELAYS; i++)
		peel_close(w->relay[i]);
	echo_stop(w);
}

void
world_client(const struct world *w, struct peel_settings *s)
{
	peel_settings_init(s);
	s->listen = "127.0.0.1:0";
	s->bootstrap = w->bootstrap;
	s->peer_flags = 0;
	s->max_joined_circuits = 0;
	s->max_circuits = 4;
}
