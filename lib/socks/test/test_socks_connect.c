/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * CONNECT, with real sockets: one HTTP request, its answer, and waiting for circuits.
 */
#include <errno.h>
#include <unistd.h>

#include "fixture.h"

static void
test_connect_carries_a_request(void **state)
{
	static char big[100000];
	int fd;

	(void)state;
	start_default();
	fd = dial();
	TELL(fd, "\5\1\0");
	HEAR(fd, "\5\0");
	TELL(fd, CONNECT);
	HEAR(fd, "\5\0\0\1\0\0\0\0\0\0");
	TELL(fd, "GET /announce HTTP/1.1\r\n");
	idle(20);
	assert_int_equal(t.requests, 0);
	TELL(fd, "Host: t.example\r\n\r\n");
	wait_for(&t.requests, 1);
	assert_string_equal(t.request, GET);
	assert_string_equal(t.to.name, "t.example");
	assert_int_equal(t.to.addr.port, 80);
	peel_socks_answer(t.socks, t.id + 1, "wrong", 5);
	memset(big, 'x', sizeof(big));
	peel_socks_answer(t.socks, t.id, big, 60000);
	hear(fd, big, 60000);
	HEAR_END(fd);
	peel_socks_answer(t.socks, t.id, "again", 5);
	close(fd);
	finish();
}

static void
test_connect_all_at_once(void **state)
{
	int fd;

	(void)state;
	start_default();
	fd = dial();
	TELL(fd, "\5\1\0" CONNECT GET);
	wait_for(&t.requests, 1);
	assert_string_equal(t.request, GET);
	shutdown(fd, SHUT_WR); /* a client that has said everything still gets its answer */
	idle(20);
	peel_socks_answer(t.socks, t.id, "answer", 6);
	HEAR(fd, "\5\0\5\0\0\1\0\0\0\0\0\0answer");
	HEAR_END(fd);
	close(fd);
	finish();
}

/* A client that closes does not wait for an answer; a half-closed one does. */
static void
test_hung_up(void **state)
{
	const struct linger now = {.l_onoff = 1};
	int fd[2];

	(void)state;
	start_default();
	for (int i = 0; i < 2; i++) {
		fd[i] = dial();
		TELL(fd[i], "\5\1\0" CONNECT GET);
		wait_for(&t.requests, (unsigned int)i + 1);
		if (i == 0)
			shutdown(fd[i], SHUT_WR);
		idle(20);
		assert_int_equal(t.gone, 0);
	}
	assert_int_equal(setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	close(fd[1]);
	for (int i = 0; i < 200 && t.gone == 0; i++)
		idle(10);
	assert_int_equal(t.gone, t.id);
	t.gone = 0;
	peel_socks_answer(t.socks, t.id - 1, "answer", 6);
	HEAR(fd[0], "\5\0\5\0\0\1\0\0\0\0\0\0answer");
	HEAR_END(fd[0]);
	close(fd[0]);
	finish();
	assert_int_equal(t.gone, 0);
}

static void
test_connect_without_answer(void **state)
{
	int fd;

	(void)state;
	start_default();
	for (int i = 0; i < 5; i++) {
		static const char *const what[] = {"\x16\x03\x01\x02", GET "GET / HTTP/1.1\r\n\r\n",
			GET, GET, "\023BitTorrent protocol"};

		fd = dial();
		t.http_result = i == 2 ? -ENOENT : 0;
		TELL(fd, "\5\1\0" CONNECT);
		HEAR(fd, "\5\0\5\0\0\1\0\0\0\0\0\0");
		tell(fd, what[i], strlen(what[i]));
		if (i == 3) {
			wait_for(&t.requests, 2);
			peel_socks_answer(t.socks, t.id, NULL, 0);
		}
		HEAR_END(fd);
		close(fd);
	}
	assert_int_equal(t.requests, 2);
	finish();
}

static void
test_waits_for_circuits(void **state)
{
	struct peel_socks_conf conf;
	int fd;

	(void)state;
	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 0);
	conf.wait_ms = 300;
	start(&conf);
	t.ready = PEEL_SOCKS_NO_CIRCUIT;
	fd = dial();
	TELL(fd, "\5\1\0" CONNECT);
	HEAR(fd, "\5\0\5\3\0\1\0\0\0\0\0\0");
	HEAR_END(fd);
	close(fd);
	t.ready = PEEL_SOCKS_NO_EXIT;
	fd = dial();
	TELL(fd, "\5\1\0" CONNECT);
	HEAR(fd, "\5\0\5\4\0\1\0\0\0\0\0\0");
	HEAR_END(fd);
	close(fd);
	/* In time. */
	t.ready = PEEL_SOCKS_NO_CIRCUIT;
	fd = dial();
	TELL(fd, "\5\1\0" CONNECT GET);
	HEAR(fd, "\5\0");
	idle(50);
	assert_int_equal(t.requests, 0);
	t.ready = PEEL_SOCKS_READY;
	HEAR(fd, "\5\0\0\1\0\0\0\0\0\0");
	wait_for(&t.requests, 1);
	close(fd);
	finish();
}

/* Whoever has said everything while it waits for its circuit has its answer; whoever has not is not
 * waited for. */
static void
test_half_closed_while_waiting(void **state)
{
	int fd[2];

	(void)state;
	start_default();
	t.ready = PEEL_SOCKS_NO_CIRCUIT;
	for (int i = 0; i < 2; i++) {
		fd[i] = dial();
		TELL(fd[i], "\5\1\0" CONNECT);
	}
	TELL(fd[0], GET);
	TELL(fd[1], "GET / HT");
	for (int i = 0; i < 2; i++) {
		HEAR(fd[i], "\5\0");
		shutdown(fd[i], SHUT_WR);
	}
	idle(50);
	t.ready = PEEL_SOCKS_READY;
	HEAR(fd[0], "\5\0\0\1\0\0\0\0\0\0");
	wait_for(&t.requests, 1);
	peel_socks_answer(t.socks, t.id, "answer", 6);
	HEAR(fd[0], "answer");
	HEAR_END(fd[0]);
	for (int ms = 0; ms < PATIENCE_MS; ms += 5) {
		struct peel_socks_counts counts;

		peel_socks_count(t.socks, &counts);
		if (counts.clients == 0)
			break;
		idle(5);
	}
	assert_int_equal(t.requests, 1);
	close(fd[0]);
	close(fd[1]);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_connect_carries_a_request),
		cmocka_unit_test(test_connect_all_at_once),
		cmocka_unit_test(test_hung_up),
		cmocka_unit_test(test_connect_without_answer),
		cmocka_unit_test(test_waits_for_circuits),
		cmocka_unit_test(test_half_closed_while_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
