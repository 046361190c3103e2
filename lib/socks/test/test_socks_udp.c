/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * UDP ASSOCIATE, with real sockets: datagrams both ways, and whose they are.
 */
#include <errno.h>
#include <pwd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static void
test_datagrams_both_ways(void **state)
{
	struct peel_socks_target from = {.addr = peel_addr_ipv4(192, 0, 2, 7, 7000)};
	struct peel_socks_target six = {
		.addr = {.family = PEEL_FAMILY_IPV6, .ip = {0x20, 1}, .port = 1}};
	struct peel_socks_target named = {.addr = {.port = 80}, .name = "a.example"};
	int fd, udp = udp_socket(NULL);
	uint16_t port;

	(void)state;
	start_default();
	fd = dial();
	port = ASSOCIATE(fd);
	assert_int_equal(t.opened, 1);
	assert_int_equal(peel_socks_deliver(t.assoc, &from, (uint8_t *)"early", 5), -ENOTCONN);
	assert_false(peel_socks_reachable(t.assoc));
	THROW(udp, port, HELLO);
	wait_for(&t.datagrams, 1);
	assert_int_equal(t.len, 5);
	assert_memory_equal(t.payload, "hello", 5);
	assert_true(peel_addr_equal(&t.to.addr, &from.addr));
	THROW(udp, port,
		"\0\0\0\3\x9"
		"a.example\0\x50");
	wait_for(&t.datagrams, 2);
	assert_string_equal(t.to.name, "a.example");
	assert_int_equal(t.len, 0);
	assert_true(peel_socks_reachable(t.assoc));
	assert_int_equal(peel_socks_deliver(t.assoc, &from, (uint8_t *)"world", 5), 0);
	HEAR(udp, "\0\0\0\1\xc0\0\2\7\x1b\x58world");
	assert_int_equal(peel_socks_deliver(t.assoc, &six, (uint8_t *)"6", 1), 0);
	HEAR(udp, "\0\0\0\4\x20\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"
		  "6");
	assert_int_equal(peel_socks_deliver(t.assoc, &named, (uint8_t *)"n", 1), 0);
	HEAR(udp, "\0\0\0\3\x9"
		  "a.example\0\x50n");
	/* The association ends with its connection. */
	close(fd);
	wait_for(&t.closed, 1);
	close(udp);
	finish();
}

static void
test_backend_without_room(void **state)
{
	int fd;

	(void)state;
	start_default();
	t.full = true;
	fd = dial();
	TELL(fd, "\5\1\0");
	HEAR(fd, "\5\0");
	TELL(fd, "\5\3\0\1\0\0\0\0\0\0");
	HEAR(fd, "\5\1\0\1\0\0\0\0\0\0");
	HEAR_END(fd);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_SOCKS_FULL), 1);
	close(fd);
	finish(); /* its socket is gone, and the backend does not hear of its end */
}

static void
test_many_datagrams_at_once(void **state)
{
	int fd, udp = udp_socket(NULL);
	uint16_t port;

	(void)state;
	start_default();
	fd = dial();
	port = ASSOCIATE(fd);
	for (int i = 0; i < 100; i++) {
		struct sockaddr_in sin = sockaddr_of(port);

		assert_true(sendto(udp, HELLO, sizeof(HELLO) - 1, 0, (struct sockaddr *)&sin,
				    sizeof(sin)) > 0);
	}
	wait_for(&t.datagrams, 100);
	close(fd);
	close(udp);
	finish();
}

static void
test_strangers_and_fragments_are_dropped(void **state)
{
	uint16_t port, own;
	int fd, udp = udp_socket(&own), other = udp_socket(NULL);
	uint8_t request[10] = {5, 3, 0, 1};

	(void)state;
	start_default();
	fd = dial();
	port = ASSOCIATE(fd);
	THROW(udp, port, "\0\0\1\1\xc0\0\2\7\x1b\x58hello"); /* a fragment */
	THROW(udp, port, "\0\0\0\1\xc0\0\2\7\x1b\x58hello");
	wait_for(&t.datagrams, 1);
	THROW(other, port, HELLO); /* another port than the first */
	THROW(udp, port, "\0\0\0");
	THROW(udp, port, "\0\0\0\2\xc0\0\2\7\x1b\x58hello");
	THROW(udp, port, HELLO);
	wait_for(&t.datagrams, 2);
	idle(20);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_MALFORMED), 3);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_STRANGER), 1);
	assert_int_equal(peel_stats_get(&t.stats, PEEL_SOCKS_UP), 2);
	close(fd);
	wait_for(&t.closed, 1);
	/* A port that was announced. */
	fd = dial();
	peel_put_be16(request + 8, own);
	port = associate(fd, (char *)request, sizeof(request));
	THROW(other, port, HELLO);
	THROW(udp, port, HELLO);
	wait_for(&t.datagrams, 3);
	idle(20);
	assert_int_equal(t.datagrams, 3);
	close(fd);
	close(udp);
	close(other);
	finish();
}

/* A process of another user sends a datagram. False: we may not become one. */
static bool
throw_as_nobody(uint16_t port)
{
	const struct passwd *pw = getpwnam("nobody");
	int status;
	pid_t pid;

	if (pw == NULL || geteuid() != 0)
		return false;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sockaddr_in sin = sockaddr_of(port);
		int fd;

		if (setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0)
			_exit(1);
		fd = socket(AF_INET, SOCK_DGRAM, 0);
		if (sendto(fd, HELLO, sizeof(HELLO) - 1, 0, (struct sockaddr *)&sin, sizeof(sin)) <
			0)
			_exit(2);
		usleep(300000); /* its socket is still there when it is looked for */
		_exit(0);
	}
	for (int ms = 0; ms < 250; ms += 5)
		idle(5);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return true;
}

/* Without an announced port the first datagram decides, if it is of the user who connected. */
static void
test_associations_of_their_user(void **state)
{
	int fd, udp = udp_socket(NULL), other = udp_socket(NULL);
	struct sockaddr_in sin;
	uint16_t port;

	(void)state;
	start_default();
	fd = dial();
	port = ASSOCIATE(fd);
	if (throw_as_nobody(port)) {
		assert_int_equal(t.datagrams, 0);
		assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_STRANGER), 1);
	}
	THROW(udp, port, HELLO);
	wait_for(&t.datagrams, 1);
	if (throw_as_nobody(port))
		assert_int_equal(peel_stats_get(&t.stats, PEEL_DROP_SOCKS_STRANGER), 2);
	THROW(other, port, HELLO); /* of the user's, but another one */
	THROW(udp, port, HELLO);
	wait_for(&t.datagrams, 2);
	close(fd);
	wait_for(&t.closed, 1);
	/* A connected socket is found, too. */
	close(udp);
	fd = dial();
	port = ASSOCIATE(fd);
	udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	sin = sockaddr_of(port);
	assert_int_equal(connect(udp, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(send(udp, HELLO, sizeof(HELLO) - 1, 0), sizeof(HELLO) - 1);
	wait_for(&t.datagrams, 3);
	close(fd);
	close(udp);
	close(other);
	finish();
}

/* A refusal is the last word for some programs: they never ask again. */
static void
test_associates_without_circuits(void **state)
{
	int fd, udp = udp_socket(NULL);

	(void)state;
	start_default();
	t.ready = PEEL_SOCKS_NO_CIRCUIT;
	fd = dial();
	THROW(udp, ASSOCIATE(fd), HELLO);
	wait_for(&t.datagrams, 1);
	shutdown(fd, SHUT_WR); /* the connection's end is the association's */
	wait_for(&t.closed, 1);
	HEAR_END(fd);
	close(fd);
	close(udp);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_datagrams_both_ways),
		cmocka_unit_test(test_backend_without_room),
		cmocka_unit_test(test_many_datagrams_at_once),
		cmocka_unit_test(test_strangers_and_fragments_are_dropped),
		cmocka_unit_test(test_associations_of_their_user),
		cmocka_unit_test(test_associates_without_circuits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
