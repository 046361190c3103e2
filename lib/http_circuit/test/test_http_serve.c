/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* HTTP requests done for circuits: who gets a place beside whom. The web server takes connections
 * and never answers. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "peel_discovery.h"
#include "peel_http.h"
#include "peel_http_msg.h"
#include "peel_http_serve.h"

#define REQUEST "GET /announce HTTP/1.1\r\nHost: tracker.test\r\n\r\n"
#define PLACES 16
#define N_SESSIONS 512

static struct world {
	struct peel_http_serve *http;
	struct peel_stats stats;
	uv_loop_t loop;
	struct peel_policy policy;
	struct peel_route_base routes;
	uint32_t generation[N_SESSIONS];
	uint64_t now;
	uint32_t identifier;
	int listener;
	uint16_t port;
} w;

/* ---- stand-ins ------------------------------------------------------------------------------- */

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return w.now;
}

static const struct peel_env env = {.now_ms = now_ms};

static int
exit_used(void *owner, uint32_t session, uint32_t generation)
{
	assert_ptr_equal(owner, &w);
	(void)session;
	(void)generation;
	return 0;
}

static int
exit_answer(void *owner, uint32_t session, const uint8_t *msg, size_t len)
{
	assert_ptr_equal(owner, &w);
	(void)session;
	(void)msg;
	(void)len;
	return 0;
}

int
peel_names_lookup(struct peel_names *names, uint32_t session, uint32_t generation,
	struct peel_span name, peel_names_fn fn, void *arg)
{
	(void)names;
	(void)session;
	(void)generation;
	(void)name;
	(void)fn;
	(void)arg;
	return -ENOENT;
}

const struct peel_policy *
peel_own_addresses_policy(const struct peel_own_addresses *own)
{
	(void)own;
	return &w.policy;
}

static void
no_socket(void *arg, int error)
{
	assert_ptr_equal(arg, &w);
	fail_msg("no socket: %s", strerror(-error));
}

static void
answered(void *arg)
{
	assert_ptr_equal(arg, &w);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static int
setup(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);

	(void)state;
	memset(&w, 0, sizeof(w));
	w.now = 10000;
	w.policy = (struct peel_policy){
		.flags = PEEL_FLAG_EXIT_HTTP, .allow_loopback = true, .any_http_port = true};
	for (unsigned int i = 0; i < N_SESSIONS; i++)
		w.generation[i] = 1;
	w.routes.generations = w.generation;
	assert_int_equal(uv_loop_init(&w.loop), 0);
	assert_int_equal(
		peel_http_serve_new(
			&(struct peel_http_serve_conf){.loop = &w.loop,
				.env = &env,
				.stats = &w.stats,
				.routes = (struct peel_route_table *)&w.routes,
				.exits = {.used = exit_used, .answer = exit_answer, .owner = &w},
				.max = PLACES,
				.no_socket = no_socket,
				.answered = answered,
				.arg = &w},
			&w.http),
		0);
	w.listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(w.listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(w.listener, 4096), 0);
	assert_int_equal(getsockname(w.listener, (struct sockaddr *)&at, &len), 0);
	w.port = ntohs(at.sin_port);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	peel_http_serve_free(w.http);
	uv_run(&w.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w.loop), 0);
	close(w.listener);
	return 0;
}

/* A request of that circuit: the web server's end of its connection, -1 when it was refused. */
static int
ask(uint32_t session)
{
	struct peel_msg_http_request m = {.identifier = ++w.identifier,
		.target = {.type = PEEL_HOST_IPV4, .addr = peel_addr_ipv4(127, 0, 0, 1, w.port)},
		.request = {(const uint8_t *)REQUEST, sizeof(REQUEST) - 1}};
	uint64_t refused = peel_stats_get(&w.stats, PEEL_HTTP_REFUSED);
	uint8_t msg[512];
	int len = peel_http_request_build(msg, sizeof(msg), &m), fd;

	assert_true(len > 0);
	peel_http_serve_request(w.http, session, 1, msg, (size_t)len);
	uv_run(&w.loop, UV_RUN_NOWAIT);
	if (peel_stats_get(&w.stats, PEEL_HTTP_REFUSED) > refused)
		return -1;
	fd = accept(w.listener, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

/* Does the exit still wait for its answer? */
static bool
waits(int fd)
{
	char byte[1024];
	ssize_t n;

	do
		n = recv(fd, byte, sizeof(byte), MSG_DONTWAIT);
	while (n > 0);
	return n < 0 && errno == EAGAIN;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_places_of_a_circuit(void **state)
{
	int fd[PEEL_HTTP_PER_CIRCUIT];

	(void)state;
	for (unsigned int i = 0; i < PEEL_HTTP_PER_CIRCUIT; i++) {
		fd[i] = ask(1);
		assert_true(fd[i] >= 0);
	}
	assert_int_equal(ask(1), -1);
	for (unsigned int i = 0; i < PEEL_HTTP_PER_CIRCUIT; i++) {
		assert_true(waits(fd[i]));
		close(fd[i]);
	}
}

/* Circuits with slow servers have all places, and ask again as soon as they may. */
static void
test_first_requests_beside_slow_ones(void **state)
{
	int honest[20];

	(void)state;
	for (uint32_t i = 0; i < PLACES; i++)
		(void)ask(1 + i / PEEL_HTTP_PER_CIRCUIT);
	for (uint32_t i = 0; i < PEEL_ARRAY_LEN(honest); i++) {
		honest[i] = ask(100 + i);
		assert_true(honest[i] >= 0);
		for (uint32_t k = 0; k < PLACES; k++)
			(void)ask(1 + k / PEEL_HTTP_PER_CIRCUIT);
		assert_true(waits(honest[i]));
		w.now += 500; /* until its tracker has answered */
		assert_true(waits(honest[i]));
	}
}

/* One more of a circuit that has some takes no place from another's first. */
static void
test_later_ones_give_way(void **state)
{
	int first[PLACES], fd;

	(void)state;
	for (uint32_t i = 0; i < PLACES; i++)
		first[i] = ask(i);
	assert_int_equal(ask(0), -1);
	for (uint32_t i = 0; i < PLACES; i++)
		assert_true(waits(first[i]));
	/* Among firsts, the one that takes longest. */
	fd = ask(100);
	assert_true(fd >= 0 && waits(fd));
	assert_false(waits(first[0]));
	for (uint32_t i = 1; i < PLACES; i++)
		assert_true(waits(first[i]));
	/* What gave way at once holds its circuit's place for a while. */
	assert_int_equal(ask(0), -1);
	w.now += 1000;
	(void)peel_http_serve_tick(w.http);
	assert_true(ask(0) >= 0);
}

/* Requests leave from the addresses that were named last, and not over a family without one. */
static void
test_source(void **state)
{
	const struct peel_addr none = {0}, ipv4 = peel_addr_ipv4(127, 0, 0, 2, 0),
			       ipv6 = {.family = PEEL_FAMILY_IPV6, .ip = {[15] = 1}};
	struct peel_msg_http_request m = {
		.target = {.type = PEEL_HOST_IPV4, .addr = peel_addr_ipv4(127, 0, 0, 1, w.port)},
		.request = {(const uint8_t *)REQUEST, sizeof(REQUEST) - 1}};
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t msg[512];
	int fd, n = peel_http_request_build(msg, sizeof(msg), &m);

	(void)state;
	peel_http_serve_source(w.http, &ipv4, &none);
	fd = ask(1);
	assert_int_equal(getpeername(fd, (struct sockaddr *)&from, &len), 0);
	assert_int_equal(ntohl(from.sin_addr.s_addr), INADDR_LOOPBACK + 1);
	close(fd);
	peel_http_serve_source(w.http, &none, &ipv6);
	peel_http_serve_request(w.http, 2, 1, msg, (size_t)n);
	assert_int_equal(peel_stats_get(&w.stats, PEEL_HTTP_FAILED), 1);
}

static uint64_t
n_ended(void)
{
	return peel_stats_get(&w.stats, PEEL_HTTP_ANSWERED) +
	       peel_stats_get(&w.stats, PEEL_HTTP_FAILED);
}

/* A server may answer before it has read the request, and is done with the connection then. */
static void
test_answer_and_reset(void **state)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nde",
		"HTTP/1.1 200 OK\r\n\r\nde",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nd",
		"HTTP/1.1 200 OK\r\n\r\nd",
		"",
	};

	(void)state;
	for (uint32_t i = 0; i < PEEL_ARRAY_LEN(answers); i++) {
		uint64_t received = peel_stats_get(&w.stats, PEEL_HTTP_RX_BYTES);
		int fd = ask(i);
		char byte;

		/* The request is here, at least in part. */
		assert_int_equal(recv(fd, &byte, 1, 0), 1);
		assert_int_equal(send(fd, answers[i], strlen(answers[i]), 0), strlen(answers[i]));
		assert_int_equal(close(fd), 0);
		for (unsigned int k = 0; k < 1000 && n_ended() <= i; k++) {
			usleep(1000);
			uv_run(&w.loop, UV_RUN_NOWAIT);
		}
		assert_int_equal(n_ended(), i + 1);
		assert_int_equal(peel_stats_get(&w.stats, PEEL_HTTP_RX_BYTES) - received,
			strlen(answers[i]));
		assert_true(peel_stats_get(&w.stats, PEEL_HTTP_TX_BYTES) >
			    (i + 1) * strlen("GET /announce HTTP/1.1\r\n"));
		assert_int_equal(peel_stats_get(&w.stats, PEEL_HTTP_ANSWERED), i < 2 ? i + 1 : 2);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_places_of_a_circuit, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_first_requests_beside_slow_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(test_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer_and_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later_ones_give_way, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
