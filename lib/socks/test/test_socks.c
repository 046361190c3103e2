/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The server with real sockets: refusals, passwords, limits and its end.
 */
#include <errno.h>
#include <unistd.h>

#include "fixture.h"

static void
test_refusals(void **state)
{
	static const struct {
		const char *request;
		size_t len;
		const char *reply;
	} cases[] = {
		{"\5\2\0\1\1\2\3\4\0\x50", 10, "\5\7\0\1\0\0\0\0\0\0"}, /* BIND */
		{"\5\x9\0\1\1\2\3\4\0\x50", 10, "\5\7\0\1\0\0\0\0\0\0"},
		{"\5\1\0\5\1\2\3\4\0\x50", 10, "\5\x8\0\1\0\0\0\0\0\0"}, /* address type */
		{"\5\1\0\3\0\0\x50", 7, "\5\1\0\1\0\0\0\0\0\0"},	 /* empty name */
		{"\5\1\0\1\1\2\3\4\0\0", 10, "\5\1\0\1\0\0\0\0\0\0"},	 /* CONNECT to port 0 */
	};
	int fd;

	(void)state;
	start_default();
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		fd = dial();
		TELL(fd, "\5\1\0");
		HEAR(fd, "\5\0");
		tell(fd, cases[i].request, cases[i].len);
		hear(fd, cases[i].reply, 10);
		HEAR_END(fd);
		close(fd);
	}
	/* Other protocols, and other versions within. */
	for (int i = 0; i < 3; i++) {
		static const char *const what[] = {
			"\4\1\0\x50", "GET / HTTP/1.1\r\n", "\5\1\2\5\1\1\1"};

		fd = dial();
		tell(fd, what[i], i == 2 ? 7 : strlen(what[i]) + (i == 0));
		if (i == 2)
			HEAR(fd, "\5\2");
		HEAR_END(fd);
		close(fd);
	}
	fd = dial();
	TELL(fd, "\5\1\1"); /* GSSAPI only */
	HEAR(fd, "\5\xff");
	HEAR_END(fd);
	close(fd);
	finish();
}

static void
test_passwords(void **state)
{
	struct peel_socks_conf conf;
	int fd;

	(void)state;
	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 0);
	conf.user = "me";
	conf.password = "secret";
	start(&conf);
	fd = dial();
	TELL(fd, "\5\1\0");
	HEAR(fd, "\5\xff");
	HEAR_END(fd);
	close(fd);
	for (int i = 0; i < 5; i++) {
		static const char *const wrong[] = {"\1\2me\6secreT", "\1\2mE\6secret",
			"\1\2me\5secre", "\1\1m\6secret", "\1\2me\7secrets"};

		fd = dial();
		TELL(fd, "\5\2\0\2");
		HEAR(fd, "\5\2");
		tell(fd, wrong[i], strlen(wrong[i]));
		HEAR(fd, "\1\1");
		HEAR_END(fd);
		close(fd);
	}
	fd = dial();
	TELL(fd, "\5\2\0\2");
	HEAR(fd, "\5\2");
	TELL(fd, "\1\2me\6secret" CONNECT);
	HEAR(fd, "\1\0\5\0\0\1\0\0\0\0\0\0");
	close(fd);
	finish();
	/* Nobody is asked, but who answers anyway is let in. */
	start_default();
	fd = dial();
	TELL(fd, "\5\1\2\1\1x\1y" CONNECT);
	HEAR(fd, "\5\2\1\0\5\0\0\1\0\0\0\0\0\0");
	close(fd);
	finish();
}

static void
test_limits(void **state)
{
	struct peel_socks_conf conf;
	struct peel_socks_counts counts;
	int fd[3];

	(void)state;
	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 0);
	conf.max_clients = 2;
	conf.handshake_ms = 300;
	conf.http_ms = 300;
	conf.idle_ms = 300;
	start(&conf);
	for (int i = 0; i < 2; i++)
		fd[i] = dial();
	idle(20);
	fd[2] = dial();
	TELL(fd[2], "\5\1\0");
	idle(20);
	/* Who says nothing is dropped; so is who leaves it half said. */
	TELL(fd[1], "\5\1\0" CONNECT "GET / HT");
	HEAR(fd[1], "\5\0\5\0\0\1\0\0\0\0\0\0");
	HEAR_END(fd[0]);
	HEAR_END(fd[1]);
	close(fd[0]);
	close(fd[1]);
	/* One too many waits until somebody leaves. */
	HEAR(fd[2], "\5\0");
	close(fd[2]);
	idle(20);
	/* No answer; no datagrams. */
	fd[0] = dial();
	fd[1] = dial();
	TELL(fd[0], "\5\1\0" CONNECT GET);
	HEAR(fd[0], "\5\0\5\0\0\1\0\0\0\0\0\0");
	(void)ASSOCIATE(fd[1]);
	HEAR_END(fd[0]);
	HEAR_END(fd[1]);
	close(fd[0]);
	close(fd[1]);
	/* More than there is room for. */
	char flood[20000];

	fd[0] = dial();
	memset(flood, 'a', sizeof(flood));
	TELL(fd[0], "\5\1\0" CONNECT "GET /");
	(void)!send(fd[0], flood, sizeof(flood), MSG_NOSIGNAL);
	HEAR(fd[0], "\5\0\5\0\0\1\0\0\0\0\0\0");
	HEAR_END(fd[0]);
	close(fd[0]);
	idle(20);
	peel_socks_count(t.socks, &counts);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_SOCKS_FULL), 1);
	assert_int_equal(counts.clients, 0);
	assert_int_equal(counts.assocs, 0);
	finish();
}

static void
test_closes_with_clients_in_every_state(void **state)
{
	static const char *const said[] = {"", "\5", "\5\1\2", "\5\1\1", "\5\1\2\1\1x\1y"};
	int fd[9], udp = udp_socket(NULL);

	(void)state;
	start_default();
	for (int i = 0; i < 5; i++) {
		fd[i] = dial();
		tell(fd[i], said[i], strlen(said[i]));
	}
	fd[5] = dial();
	TELL(fd[5], "\5\1\0" CONNECT GET);
	fd[6] = dial();
	THROW(udp, ASSOCIATE(fd[6]), HELLO);
	t.ready = PEEL_SOCKS_NO_CIRCUIT;
	fd[7] = dial();
	TELL(fd[7], "\5\1\0" CONNECT);
	fd[8] = dial(); /* not even accepted yet */
	finish();
	for (int i = 0; i < 9; i++)
		close(fd[i]);
	close(udp);
}

static void
test_only_loopback_without_a_password(void **state)
{
	struct peel_socks_conf conf;
	struct peel_socks *s;
	char why[256] = "";

	(void)state;
	start_default();
	peel_socks_conf_init(&conf);
	conf.backend = backend;
	conf.stats = &t.stats;
	conf.listen = peel_addr_ipv4(0, 0, 0, 0, 0);
	assert_int_equal(peel_socks_new(&t.loop, &conf, &s, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "password"));
	assert_null(s);
	conf.user = "u";
	assert_int_equal(peel_socks_new(&t.loop, &conf, &s, why, sizeof(why)), -EINVAL);
	conf.password = "p";
	assert_int_equal(peel_socks_new(&t.loop, &conf, &s, why, sizeof(why)), 0);
	peel_socks_close(s, NULL, NULL);
	conf.listen = t.local;
	assert_int_equal(peel_socks_new(&t.loop, &conf, &s, why, sizeof(why)), -EADDRINUSE);
	assert_non_null(strstr(why, "127.0.0.1"));
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_closes_with_clients_in_every_state),
		cmocka_unit_test(test_only_loopback_without_a_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
