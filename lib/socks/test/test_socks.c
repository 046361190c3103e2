/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The server with real sockets of real clients; the loop turns while they wait.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "peel_socks.h"

#define PATIENCE_MS 5000

static struct {
	uv_loop_t loop;
	struct peel_socks *socks;
	struct peel_stats stats;
	struct peel_addr local;
	enum peel_socks_ready ready;
	struct peel_socks_assoc *assoc; /* the last one opened */
	unsigned int opened, closed, datagrams, requests;
	struct peel_socks_target to;
	uint8_t payload[2048];
	size_t len;
	char request[PEEL_SOCKS_REQUEST_MAX + 1];
	uint64_t id, gone;
	int http_result;
	bool done;
} t;

/* ---- backend -------------------------------------------------------------------------------------------------------- */

static enum peel_socks_ready
on_ready(void *arg)
{
	(void)arg;
	return t.ready;
}

static void
on_opened(void *arg, struct peel_socks_assoc *a)
{
	(void)arg;
	t.assoc = a;
	t.opened++;
	peel_socks_assoc_set(a, &t);
}

static void
on_closed(void *arg, struct peel_socks_assoc *a)
{
	(void)arg;
	assert_ptr_equal(peel_socks_assoc_get(a), &t);
	t.closed++;
	t.assoc = NULL;
}

static void
on_datagram(void *arg, struct peel_socks_assoc *a, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	(void)arg;
	assert_ptr_equal(a, t.assoc);
	t.datagrams++;
	t.to = *to;
	t.len = len;
	assert_true(len <= sizeof(t.payload));
	memcpy(t.payload, payload, len);
}

static int
on_http(void *arg, uint64_t id, const struct peel_socks_target *to, const uint8_t *request,
	size_t len)
{
	(void)arg;
	t.requests++;
	t.id = id;
	t.to = *to;
	memcpy(t.request, request, len);
	t.request[len] = '\0';
	return t.http_result;
}

static void
on_gone(void *arg, uint64_t id)
{
	(void)arg;
	t.gone = id;
}

/* ---- the world -------------------------------------------------------------------------------------------------------- */

static void
turn(void)
{
	uv_run(&t.loop, UV_RUN_NOWAIT);
}

static void
start(struct peel_socks_conf *conf)
{
	char why[256] = "";

	memset(&t, 0, sizeof(t));
	assert_int_equal(uv_loop_init(&t.loop), 0);
	conf->stats = &t.stats;
	conf->backend = (struct peel_socks_backend){.ready = on_ready,
		.opened = on_opened,
		.closed = on_closed,
		.datagram = on_datagram,
		.http = on_http,
		.gone = on_gone};
	if (peel_socks_new(&t.loop, conf, &t.socks, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	peel_socks_local(t.socks, &t.local);
	assert_true(t.local.port != 0);
}

static void
start_default(void)
{
	struct peel_socks_conf conf;

	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 0);
	start(&conf);
}

static void
on_done(void *arg)
{
	*(bool *)arg = true;
}

static void
stop(void)
{
	peel_socks_close(t.socks, on_done, &t.done);
	uv_run(&t.loop, UV_RUN_DEFAULT); /* ends: nothing of the server is left in the loop */
	assert_true(t.done);
	assert_int_equal(uv_loop_close(&t.loop), 0);
	assert_int_equal(t.opened, t.closed);
}

static struct sockaddr_in
sockaddr_of(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int
dial(void)
{
	struct sockaddr_in sin = sockaddr_of(t.local.port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void
tell(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
	turn();
}
#define TELL(fd, s) tell(fd, s, sizeof(s) - 1)

/* Wait for exactly these bytes; len 0: for the end. */
static void
hear(int fd, const void *bytes, size_t len)
{
	uint8_t buf[65536];
	size_t got = 0;

	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		turn();
		poll(&p, 1, 1);
		n = recv(fd, buf + got, len > 0 ? len - got : sizeof(buf), 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (len == 0) {
			assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
			return;
		}
		assert_true(n > 0);
		got += (size_t)n;
		if (got == len) {
			assert_memory_equal(buf, bytes, len);
			return;
		}
	}
	fail_msg("nothing came");
}
#define HEAR(fd, s) hear(fd, s, sizeof(s) - 1)
#define HEAR_END(fd) hear(fd, NULL, 0)

static void
wait_for(const unsigned int *counter, unsigned int value)
{
	for (int ms = 0; ms < PATIENCE_MS && *counter < value; ms++) {
		turn();
		usleep(1000);
	}
	assert_int_equal(*counter, value);
}

/* Turn for a while in which nothing shall happen. */
static void
idle(int ms)
{
	for (; ms > 0; ms -= 5) {
		turn();
		usleep(5000);
	}
}

/* UDP ASSOCIATE; returns the port of the relay socket. */
static uint16_t
associate(int fd, const char *request, size_t len)
{
	uint8_t answer[10];
	size_t got = 0;

	TELL(fd, "\5\1\0");
	HEAR(fd, "\5\0");
	tell(fd, request, len);
	for (int ms = 0; ms < PATIENCE_MS && got < sizeof(answer); ms++) {
		ssize_t n;

		turn();
		n = recv(fd, answer + got, sizeof(answer) - got, 0);
		if (n > 0)
			got += (size_t)n;
		usleep(1000);
	}
	assert_int_equal(got, sizeof(answer));
	assert_memory_equal(answer, "\5\0\0\1\x7f\0\0\1", 8);
	return peel_get_be16(answer + 8);
}
#define ASSOCIATE(fd) associate(fd, "\5\3\0\1\0\0\0\0\0\0", 10)

static int
udp_socket(uint16_t *port)
{
	struct sockaddr_in sin = sockaddr_of(0);
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	if (port != NULL)
		*port = ntohs(sin.sin_port);
	return fd;
}

static void throw(int fd, uint16_t port, const void *bytes, size_t len)
{
	struct sockaddr_in sin = sockaddr_of(port);

	assert_int_equal(sendto(fd, bytes, len, 0, (struct sockaddr *)&sin, sizeof(sin)), len);
	turn();
}
#define THROW(fd, port, s) throw(fd, port, s, sizeof(s) - 1)
#define HELLO "\0\0\0\1\xc0\0\2\7\x1b\x58hello"

/* ---- tests ------------------------------------------------------------------------------------------------------------ */

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
	stop();
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
	stop();
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
	stop();
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
	stop();
}

#define GET "GET /announce HTTP/1.1\r\nHost: t.example\r\n\r\n"
#define CONNECT                                                                                    \
	"\5\1\0\3\x9"                                                                              \
	"t.example\0\x50"

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
	stop();
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
	stop();
}

/* Who hangs up does not wait for an answer; who has said everything does. */
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
	stop();
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
	stop();
}

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
	stop();
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
	stop();
}

/* Whoever has said everything while it waits for its circuit has its answer; whoever has not is not waited for. */
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
	stop();
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
	stop();
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
	stop();
	/* Nobody is asked, but who answers anyway is let in. */
	start_default();
	fd = dial();
	TELL(fd, "\5\1\2\1\1x\1y" CONNECT);
	HEAR(fd, "\5\2\1\0\5\0\0\1\0\0\0\0\0\0");
	close(fd);
	stop();
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
	stop();
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
	stop();
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
	conf.backend = (struct peel_socks_backend){
		NULL, on_ready, on_opened, on_closed, on_datagram, on_http, on_gone};
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
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_datagrams_both_ways),
		cmocka_unit_test(test_many_datagrams_at_once),
		cmocka_unit_test(test_strangers_and_fragments_are_dropped),
		cmocka_unit_test(test_associations_of_their_user),
		cmocka_unit_test(test_connect_carries_a_request),
		cmocka_unit_test(test_connect_all_at_once),
		cmocka_unit_test(test_hung_up),
		cmocka_unit_test(test_connect_without_answer),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_waits_for_circuits),
		cmocka_unit_test(test_half_closed_while_waiting),
		cmocka_unit_test(test_associates_without_circuits),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_closes_with_clients_in_every_state),
		cmocka_unit_test(test_only_loopback_without_a_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
