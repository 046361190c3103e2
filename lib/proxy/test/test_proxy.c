/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * SOCKS clients with real sockets in front of circuits that only note what they are given.
 */
#include <errno.h>
#include <unistd.h>

#include "fixture.h"
#include "peel_flows.h"
#include "peel_proxy.h"
#include "peel_proxy_peers.h"

#define MANY 128
#define ANSWER "HTTP/1.1 200 OK\r\n\r\nde"

struct asked {
	uint64_t circuit;
	void (*done)(void *arg, int result, const void *answer, size_t len);
	void *arg;
};

static struct {
	struct peel_proxy_peers *peers;
	struct peel_proxy *proxy;
	/* circuits */
	uint64_t circuit[8];
	size_t n_circuits;
	uint64_t ended;	  /* has ended, and the proxy does not know yet */
	uint64_t no_http; /* a bit for each circuit whose exit does none */
	int more_result;
	unsigned int n_more;
	/* what they were given */
	unsigned int n_sent;
	uint64_t sent_through;
	char sent[64];
	struct asked asked[8]; /* that were not answered yet */
	unsigned int n_asked;
} w;

/* ---- circuits -------------------------------------------------------------------------------- */

static size_t
usable(void *arg, uint64_t *out, size_t n)
{
	assert_ptr_equal(arg, &w);
	for (size_t i = 0; i < w.n_circuits && i < n; i++)
		out[i] = w.circuit[i];
	return w.n_circuits;
}

static int
send_datagram(void *arg, uint64_t circuit, const struct peel_socks_target *to,
	const uint8_t *payload, size_t len)
{
	assert_ptr_equal(arg, &w);
	assert_int_equal(to->addr.port, 7000);
	if (circuit == w.ended)
		return -ENOENT;
	assert_true(len < sizeof(w.sent));
	w.n_sent++;
	w.sent_through = circuit;
	memcpy(w.sent, payload, len);
	w.sent[len] = '\0';
	return 0;
}

static int
more(void *arg)
{
	assert_ptr_equal(arg, &w);
	w.n_more++;
	return w.more_result;
}

static uint64_t
http(void *arg, const uint64_t *avoid, size_t n)
{
	assert_ptr_equal(arg, &w);
	for (size_t i = 0; i < w.n_circuits; i++) {
		bool good = (w.no_http >> w.circuit[i] & 1) == 0;

		for (size_t j = 0; j < n && good; j++)
			good = avoid[j] != w.circuit[i];
		if (good)
			return w.circuit[i];
	}
	return 0;
}

static int
request(void *arg, uint64_t circuit, const struct peel_socks_target *to, const uint8_t *bytes,
	size_t len, void (*done)(void *arg, int result, const void *answer, size_t len),
	void *done_arg)
{
	assert_ptr_equal(arg, &w);
	assert_string_equal(to->name, "t.example");
	assert_int_equal(len, sizeof(GET) - 1);
	assert_memory_equal(bytes, GET, len);
	assert_true(w.n_asked < 8);
	w.asked[w.n_asked++] = (struct asked){circuit, done, done_arg};
	return 0;
}

/* The exit of request number @p i answers, or does not. */
static void
answer(unsigned int i, int result, const char *text)
{
	struct asked a = w.asked[i];

	memmove(&w.asked[i], &w.asked[i + 1], (--w.n_asked - i) * sizeof(a));
	a.done(a.arg, result, text, text != NULL ? strlen(text) : 0);
}

static void
circuits(size_t n)
{
	for (size_t i = 0; i < n; i++)
		w.circuit[i] = i + 1;
	w.n_circuits = n;
	assert_int_equal(peel_proxy_changed(w.proxy), n);
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool
no_peer(const struct peel_addr *addr)
{
	(void)addr;
	return false;
}

static struct peel_addr
listen_on_loopback(void)
{
	struct peel_socks_conf conf;
	struct peel_socks *socks;
	struct peel_addr local;
	char why[256] = "";

	peel_socks_conf_init(&conf);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 0);
	conf.max_clients = MANY;
	assert_int_equal(peel_proxy_listen(w.proxy, &conf, &socks, why, sizeof(why)), 0);
	peel_socks_local(socks, &local);
	return local;
}

static int
setup(void **state)
{
	const struct peel_proxy_peers_conf peers = {
		.env = &peel_env_system, .stats = &t.stats, .own = no_peer};
	struct peel_proxy_conf conf = {.loop = &t.loop,
		.stats = &t.stats,
		.hops = 2,
		.remember = true,
		.circuits = {&w, usable, send_datagram, more, http, request}};

	(void)state;
	memset(&w, 0, sizeof(w));
	memset(&t, 0, sizeof(t));
	assert_int_equal(uv_loop_init(&t.loop), 0);
	conf.peers = w.peers = peel_proxy_peers_new(&peers);
	assert_non_null(conf.peers);
	assert_int_equal(peel_proxy_new(&conf, &w.proxy), 0);
	t.local = listen_on_loopback();
	return 0;
}

static void
on_closed(void *arg)
{
	(void)arg;
	t.done = true;
}

static void
close_proxy(void)
{
	peel_proxy_close(w.proxy, on_closed, NULL);
	uv_run(&t.loop, UV_RUN_DEFAULT);
	assert_true(t.done);
	peel_proxy_free(w.proxy);
	w.proxy = NULL;
}

static int
teardown(void **state)
{
	(void)state;
	if (w.proxy != NULL)
		close_proxy();
	peel_proxy_peers_free(w.peers);
	assert_int_equal(uv_loop_close(&t.loop), 0);
	return 0;
}

/* A client with an association. */
struct client {
	int tcp, udp;
	uint16_t port; /* of the association */
};

static struct client
client(void)
{
	struct client c = {.tcp = dial(), .udp = udp_socket(NULL)};

	c.port = ASSOCIATE(c.tcp);
	return c;
}

static void
leave(const struct client *c)
{
	close(c->tcp);
	close(c->udp);
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static void
test_datagrams_wait_for_a_circuit(void **state)
{
	struct peel_socks_target from = {.addr = peel_addr_ipv4(192, 0, 2, 7, 7000)};
	struct client c = client();

	(void)state;
	THROW(c.udp, c.port, HELLO);
	idle(50);
	assert_int_equal(w.n_sent, 0);
	circuits(1);
	assert_int_equal(w.n_sent, 1);
	assert_string_equal(w.sent, "hello");
	assert_true(peel_proxy_take(w.proxy, 1, &from, (const uint8_t *)"back", 4));
	HEAR(c.udp, "\0\0\0\1\xc0\0\2\7\x1b\x58"
		    "back");
	assert_false(peel_proxy_take(w.proxy, 2, &from, (const uint8_t *)"?", 1));
	leave(&c);
}

static void
test_no_datagram_is_lost_with_a_circuit(void **state)
{
	struct client c = client();

	(void)state;
	circuits(2);
	THROW(c.udp, c.port, HELLO);
	wait_for(&w.n_sent, 1);
	w.ended = w.sent_through;
	THROW(c.udp, c.port, HELLO);
	wait_for(&w.n_sent, 2);
	assert_true(w.sent_through != w.ended);
	/* The last one ends, too: it waits. */
	w.ended = w.sent_through;
	THROW(c.udp, c.port, HELLO);
	idle(50);
	assert_int_equal(w.n_sent, 2);
	w.circuit[0] = 5;
	w.n_circuits = 1;
	assert_int_equal(peel_proxy_changed(w.proxy), 1);
	assert_int_equal(w.n_sent, 3);
	assert_int_equal(w.sent_through, 5);
	leave(&c);
}

static void
test_associations_that_share_a_host_get_a_circuit_each(void **state)
{
	struct client a = client(), b = client();
	uint64_t first;

	(void)state;
	w.more_result = -EALREADY; /* one is being built, so each datagram asks again */
	circuits(1);
	THROW(a.udp, a.port, HELLO);
	wait_for(&w.n_sent, 1);
	first = w.sent_through;
	THROW(b.udp, b.port, HELLO);
	wait_for(&w.n_more, 1);
	w.more_result = 0; /* it was begun: not again for a while */
	THROW(b.udp, b.port, HELLO);
	wait_for(&w.n_more, 2);
	THROW(b.udp, b.port, HELLO);
	idle(50);
	assert_int_equal(w.n_more, 2);
	assert_int_equal(w.n_sent, 1);
	circuits(2);
	assert_int_equal(w.n_sent, 4);
	assert_true(w.sent_through != first);
	leave(&a);
	leave(&b);
}

static void
test_servers_of_a_length_share_its_circuits(void **state)
{
	struct peel_socks_target from = {.addr = peel_addr_ipv4(198, 51, 100, 1, 1)};
	struct client a = client(), b;
	uint64_t circuit;

	(void)state;
	t.local = listen_on_loopback();
	b = client();
	circuits(2);
	THROW(a.udp, a.port, HELLO);
	wait_for(&w.n_sent, 1);
	circuit = w.sent_through;
	THROW(b.udp, b.port, HELLO);
	wait_for(&w.n_sent, 2);
	assert_true(w.sent_through != circuit);
	/* What nobody asked for is the owner's. */
	assert_true(peel_proxy_take(w.proxy, circuit, &from, (const uint8_t *)"a", 1));
	HEAR(a.udp, "\0\0\0\1\xc6\x33\x64\1\0\1"
		    "a");
	assert_true(peel_proxy_take(w.proxy, w.sent_through, &from, (const uint8_t *)"b", 1));
	HEAR(b.udp, "\0\0\0\1\xc6\x33\x64\1\0\1"
		    "b");
	leave(&a);
	leave(&b);
}

static void
test_servers_of_a_length_share_its_associations(void **state)
{
	int fd[PEEL_FLOWS_USERS], last;

	(void)state;
	for (unsigned int i = 0; i < PEEL_FLOWS_USERS; i++) {
		if (i == PEEL_FLOWS_USERS / 2)
			t.local = listen_on_loopback();
		fd[i] = dial();
		ASSOCIATE(fd[i]);
	}
	last = dial();
	TELL(last, "\5\1\0");
	HEAR(last, "\5\0");
	TELL(last, "\5\3\0\1\0\0\0\0\0\0");
	HEAR(last, "\5\1\0\1\0\0\0\0\0\0");
	HEAR_END(last);
	close(last);
	/* One ends, and there is room. */
	close(fd[0]);
	idle(50);
	fd[0] = dial();
	ASSOCIATE(fd[0]);
	for (unsigned int i = 0; i < PEEL_FLOWS_USERS; i++)
		close(fd[i]);
}

static void
test_destinations_of_a_circuit(void **state)
{
	struct client a = client(), b = client();
	struct peel_addr to[4];
	uint64_t circuit[4], first;

	(void)state;
	circuits(2);
	THROW(a.udp, a.port, HELLO);
	wait_for(&w.n_sent, 1);
	first = w.sent_through;
	assert_int_equal(peel_proxy_destinations(w.proxy, first, to, 4), 1);
	assert_int_equal(to[0].port, 7000);
	assert_int_equal(to[0].ip[3], 7);
	assert_int_equal(peel_proxy_destinations(w.proxy, 3 - first, to, 4), 0);
	/* The same destination through the other circuit; names are not listed. */
	THROW(b.udp, b.port, HELLO);
	wait_for(&w.n_sent, 2);
	THROW(b.udp, b.port,
		"\0\0\0\3\x9"
		"t.example\x1b\x58n");
	wait_for(&w.n_sent, 3);
	assert_int_equal(peel_proxy_destinations(w.proxy, first, to, 4), 0);
	assert_int_equal(peel_proxy_destinations(w.proxy, 3 - first, NULL, 0), 1);
	/* Each association has its circuit. */
	assert_int_equal(peel_proxy_associated(w.proxy, a.port, circuit, 4), 1);
	assert_int_equal(circuit[0], first);
	assert_int_equal(peel_proxy_associated(w.proxy, b.port, circuit, 4), 1);
	assert_int_equal(circuit[0], 3 - first);
	assert_int_equal(peel_proxy_associated(w.proxy, 1, circuit, 4), 0);
	leave(&a);
	leave(&b);
}

static void
send_to(const struct client *c, unsigned int host)
{
	unsigned int sent = w.n_sent;
	uint8_t datagram[] = HELLO;

	peel_put_be16(datagram + 6, (uint16_t)host);
	throw(c->udp, c->port, datagram, sizeof(datagram) - 1);
	wait_for(&w.n_sent, sent + 1);
}

static void
test_destinations_used_longest_ago_are_forgotten(void **state)
{
	static struct peel_addr to[4097];
	struct client c = client();
	bool there[3] = {false};

	(void)state;
	circuits(1);
	for (unsigned int host = 0; host < 4096; host++)
		send_to(&c, host);
	send_to(&c, 0);
	send_to(&c, 4096);
	assert_int_equal(peel_proxy_destinations(w.proxy, 1, to, 4097), 4096);
	for (unsigned int i = 0; i < 4096; i++) {
		unsigned int host = peel_get_be16(to[i].ip + 2);

		if (host < 3)
			there[host] = true;
	}
	assert_true(there[0] && !there[1] && there[2]);
	leave(&c);
}

static void
test_default_client(void **state)
{
	struct peel_socks_target from = {.addr = peel_addr_ipv4(192, 0, 2, 7, 7000)};
	int silent = dial(), udp;
	struct peel_addr remote = peel_addr_ipv4(127, 0, 0, 1, 0);
	struct client c = client();

	(void)state;
	udp = udp_socket(&remote.port);
	ASSOCIATE(silent);
	circuits(2);
	THROW(c.udp, c.port, HELLO);
	wait_for(&w.n_sent, 1);
	peel_proxy_default_client(w.proxy, &remote);
	/* One has its client already; the other one owns the other circuit. */
	assert_true(peel_proxy_take(w.proxy, w.sent_through, &from, (const uint8_t *)"1", 1));
	HEAR(c.udp, "\0\0\0\1\xc0\0\2\7\x1b\x58"
		    "1");
	from.addr.port = 1;
	assert_true(peel_proxy_take(w.proxy, 3 - w.sent_through, &from, (const uint8_t *)"2", 1));
	HEAR(udp, "\0\0\0\1\xc0\0\2\7\0\1"
		  "2");
	leave(&c);
	close(silent);
	close(udp);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static int
get(void)
{
	int fd = dial();

	TELL(fd, "\5\1\0");
	HEAR(fd, "\5\0");
	TELL(fd, CONNECT);
	HEAR(fd, "\5\0\0\1\0\0\0\0\0\0");
	TELL(fd, GET);
	return fd;
}

static void
hear_answer(int fd)
{
	HEAR(fd, ANSWER);
	HEAR_END(fd);
	close(fd);
}

static void
test_a_request_goes_to_an_exit_that_does_http(void **state)
{
	int fd;

	(void)state;
	w.no_http = 1 << 1;
	circuits(2);
	fd = get();
	wait_for(&w.n_asked, 1);
	assert_int_equal(w.asked[0].circuit, 2);
	answer(0, 0, ANSWER);
	hear_answer(fd);
}

static void
test_a_silent_exit_is_not_the_only_one_asked(void **state)
{
	int fd;

	(void)state;
	circuits(3);
	fd = get();
	wait_for(&w.n_asked, 1);
	assert_int_equal(w.asked[0].circuit, 1);
	answer(0, -ETIMEDOUT, NULL);
	assert_int_equal(w.n_asked, 1);
	assert_int_equal(w.asked[0].circuit, 2);
	answer(0, 0, ANSWER);
	hear_answer(fd);
	/* The first one is known to fail. */
	fd = get();
	wait_for(&w.n_asked, 1);
	assert_int_equal(w.asked[0].circuit, 2);
	answer(0, -ETIMEDOUT, NULL);
	answer(0, -ETIMEDOUT, NULL);
	/* Nobody is left but the first one. */
	assert_int_equal(w.n_asked, 0);
	close(fd);
}

static void
test_a_request_whose_client_left(void **state)
{
	int fd;

	(void)state;
	circuits(2);
	fd = get();
	wait_for(&w.n_asked, 1);
	TELL(fd, "more"); /* a mistake, for which the connection is closed */
	HEAR_END(fd);
	close(fd);
	answer(0, -ETIMEDOUT, NULL);
	assert_int_equal(w.n_asked, 0);
}

static void
test_requests_of_two_servers(void **state)
{
	int a, b;

	(void)state;
	circuits(1);
	a = get();
	wait_for(&w.n_asked, 1);
	t.local = listen_on_loopback();
	b = get();
	wait_for(&w.n_asked, 2);
	answer(1, 0, ANSWER);
	hear_answer(b);
	answer(0, 0, ANSWER);
	hear_answer(a);
}

static void
test_an_answer_after_the_end(void **state)
{
	int fd;

	(void)state;
	circuits(1);
	fd = get();
	wait_for(&w.n_asked, 1);
	close_proxy();
	answer(0, -ENOENT, NULL);
	HEAR_END(fd);
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(test_datagrams_wait_for_a_circuit),
		TEST(test_no_datagram_is_lost_with_a_circuit),
		TEST(test_associations_that_share_a_host_get_a_circuit_each),
		TEST(test_servers_of_a_length_share_its_circuits),
		TEST(test_servers_of_a_length_share_its_associations),
		TEST(test_destinations_of_a_circuit),
		TEST(test_destinations_used_longest_ago_are_forgotten),
		TEST(test_default_client),
		TEST(test_a_request_goes_to_an_exit_that_does_http),
		TEST(test_a_silent_exit_is_not_the_only_one_asked),
		TEST(test_a_request_whose_client_left),
		TEST(test_requests_of_two_servers),
		TEST(test_an_answer_after_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
