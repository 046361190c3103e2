/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * SOCKS clients with real sockets in front of real circuits among nodes of guests.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "guest_world.h"

/* ---- SOCKS clients --------------------------------------------------------------------------- */

struct client {
	int tcp, udp;
	uint16_t port; /* of the association */
};

static void
hear(int fd, const void *bytes, size_t len)
{
	uint8_t buf[4096];
	struct pollfd p = {fd, POLLIN, 0};
	size_t got = 0;

	while (got < len) {
		ssize_t n;

		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		n = recv(fd, buf + got, len - got, 0);
		assert_true(n > 0);
		got += (size_t)n;
	}
	if (bytes != NULL)
		assert_memory_equal(buf, bytes, len);
}

static int
greet(uint16_t port)
{
	struct sockaddr_in sin = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(send(fd, "\5\1\0", 3, 0), 3);
	hear(fd, "\5\0", 2);
	return fd;
}

static struct client
associate(uint16_t port)
{
	struct client c = {.tcp = greet(port)};
	uint8_t reply[10];
	uint16_t own;

	assert_int_equal(send(c.tcp, "\5\3\0\1\0\0\0\0\0\0", 10, 0), 10);
	hear(c.tcp, NULL, 0);
	assert_int_equal(recv(c.tcp, reply, 10, MSG_WAITALL), 10);
	assert_memory_equal(reply, "\5\0\0\1\x7f\0\0\1", 8);
	c.port = (uint16_t)(reply[8] << 8 | reply[9]);
	c.udp = bound_socket(SOCK_DGRAM, &own);
	return c;
}

static void
leave(const struct client *c)
{
	close(c->tcp);
	close(c->udp);
}

static size_t
header(uint8_t out[10], uint32_t ip, uint16_t port)
{
	uint32_t ip_be = htonl(ip);
	uint16_t port_be = htons(port);

	memcpy(out, "\0\0\0\1", 4);
	memcpy(out + 4, &ip_be, 4);
	memcpy(out + 8, &port_be, 2);
	return 10;
}

static void
send_to(const struct client *c, uint32_t ip, uint16_t port, const char *text)
{
	struct sockaddr_in sin = loopback(c->port);
	uint8_t buf[256];
	size_t n = header(buf, ip, port);

	memcpy(buf + n, text, strlen(text));
	n += strlen(text);
	assert_int_equal(sendto(c->udp, buf, n, 0, (struct sockaddr *)&sin, sizeof(sin)), n);
}

/* Whether exactly that comes from there, before long or @p ms are over. */
static bool
comes(const struct client *c, uint32_t ip, uint16_t port, const char *text, int ms)
{
	struct pollfd p = {c->udp, POLLIN, 0};
	uint8_t want[256], got[256];
	size_t n = header(want, ip, port);

	memcpy(want + n, text, strlen(text));
	n += strlen(text);
	if (poll(&p, 1, ms) != 1)
		return false;
	assert_int_equal(recv(c->udp, got, sizeof(got), 0), n);
	assert_memory_equal(got, want, n);
	return true;
}

static void
expect(const struct client *c, uint32_t ip, uint16_t port, const char *text)
{
	assert_true(comes(c, ip, port, text, PATIENCE_MS));
}

static void
expect_echo(const struct client *c)
{
	send_to(c, INADDR_LOOPBACK, w.udp_port, QUERY);
	expect(c, INADDR_LOOPBACK, w.udp_port, QUERY);
}

static uint16_t
open_server(unsigned int hops)
{
	int port = peel_guest_socks_open(w.node[ORIGIN], 0, hops);

	assert_in_range(port, 1, 65535);
	return (uint16_t)port;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_servers(void **state)
{
	struct peel_guest_socks_info info[4];
	uint16_t one, two, three;

	(void)state;
	assert_int_equal(peel_guest_socks_list(w.node[ORIGIN], info, 4), 0);
	one = open_server(1);
	two = open_server(1);
	three = open_server(3);
	assert_int_equal(peel_guest_socks_open(w.node[ORIGIN], two, 1), -EADDRINUSE);
	assert_int_equal(peel_guest_socks_open(w.node[ORIGIN], 0, 0), -EINVAL);
	assert_int_equal(peel_guest_socks_open(w.node[ORIGIN], 0, 9), -EINVAL);
	assert_int_equal(peel_guest_socks_list(w.node[ORIGIN], info, 4), 3);
	assert_true(info[0].port == one && info[1].port == two && info[2].port == three);
	assert_true(info[0].hops == 1 && info[1].hops == 1 && info[2].hops == 3);
	assert_int_equal(info[1].associations, 0);
}

/* An association begins and ends; the servers' counts follow. */
static void
wait_for_associations(unsigned int n)
{
	struct peel_guest_socks_info info = {0};

	for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until; usleep(1000)) {
		assert_int_equal(peel_guest_socks_list(w.node[ORIGIN], &info, 1), 1);
		if (info.associations == n)
			return;
	}
	assert_int_equal(info.associations, n);
}

static void
test_datagrams_through_circuits(void **state)
{
	struct peel_address peer[4];
	struct client a, b;
	uint32_t direct, cid[4];
	uint16_t port = open_server(1), port2 = open_server(2);

	(void)state;
	a = associate(port);
	wait_for_associations(1);
	send_to(&a, INADDR_LOOPBACK, w.udp_port, QUERY); /* before there is a circuit */
	direct = guest_circuit(1, PEEL_EXIT_BT);
	expect(&a, INADDR_LOOPBACK, w.udp_port, QUERY);
	b = associate(port2);
	(void)guest_circuit(2, 0);
	expect_echo(&b);
	expect_echo(&a);
	/* Both can be asked about. */
	assert_int_equal(peel_guest_circuit_peers(w.node[ORIGIN], direct, peer, 4), 1);
	assert_int_equal(peer[0].type, PEEL_ADDRESS_IPV4);
	assert_int_equal(peer[0].port, w.udp_port);
	assert_int_equal(peel_guest_circuit_peers(w.node[ORIGIN], 12345, peer, 4), 0);
	assert_int_equal(peel_guest_associated_circuits(w.node[ORIGIN], a.port, cid, 4), 1);
	assert_int_equal(cid[0], direct);
	assert_int_equal(peel_guest_associated_circuits(w.node[ORIGIN], 1, cid, 4), 0);
	/* An association ends with its connection. */
	leave(&a);
	wait_for_associations(0);
	leave(&b);
}

static void
test_a_circuit_that_goes_loses_nothing(void **state)
{
	struct client c = associate(open_server(1));
	uint32_t first = guest_circuit(1, PEEL_EXIT_BT), second, third;
	struct peel_guest_circuit longer = {.goal_hops = 2, .n_hops = 1, .hop = {fresh_keys()}};

	(void)state;
	expect_echo(&c);
	second = guest_circuit(1, PEEL_EXIT_BT);
	peel_guest_remove_circuit(w.node[ORIGIN], first);
	expect_echo(&c);
	peel_guest_remove_circuit(w.node[ORIGIN], second);
	send_to(&c, INADDR_LOOPBACK, w.udp_port, QUERY);
	(void)guest_circuit(1, PEEL_EXIT_HTTP); /* lets no data out */
	assert_false(comes(&c, INADDR_LOOPBACK, w.udp_port, QUERY, 200));
	(void)guest_circuit(1, PEEL_EXIT_BT);
	expect(&c, INADDR_LOOPBACK, w.udp_port, QUERY);
	/* It is said to be a longer one: no more of them. */
	peel_guest_remove_circuit(w.node[ORIGIN], w.last_cid);
	third = guest_circuit(1, PEEL_EXIT_BT);
	expect_echo(&c);
	longer.first = w.address[EXIT];
	assert_int_equal(peel_guest_set_circuit(w.node[ORIGIN], third, &longer), 0);
	send_to(&c, INADDR_LOOPBACK, w.udp_port, QUERY);
	assert_false(comes(&c, INADDR_LOOPBACK, w.udp_port, QUERY, 200));
	leave(&c);
}

static void
test_the_guest_keeps_what_no_association_asked_for(void **state)
{
	struct client c = associate(open_server(1));
	uint8_t cell[64];
	uint32_t cid = guest_circuit(1, PEEL_EXIT_BT), cid_be = htonl(cid);
	uint16_t port_be = htons(w.udp_port);
	uint32_t ip_be = htonl(INADDR_LOOPBACK);
	size_t n = 0;

	(void)state;
	/* A data message that the guest itself sends: its answer is the guest's. */
	memcpy(cell, prefix, 22);
	cell[22] = 0;
	memcpy(cell + 23, &cid_be, 4);
	cell[27] = cell[28] = 0;
	cell[29] = 1;
	n = 30;
	cell[n++] = 1; /* IPv4 */
	memcpy(cell + n, &ip_be, 4);
	memcpy(cell + n + 4, &port_be, 2);
	n += 6;
	cell[n++] = 1;
	memset(cell + n, 0, 6);
	n += 6;
	memcpy(cell + n, QUERY, sizeof(QUERY) - 1);
	n += sizeof(QUERY) - 1;
	assert_int_equal(peel_guest_send_cell(w.node[ORIGIN], &w.address[EXIT], cell, n), 0);
	for (uint64_t until = now_ms() + PATIENCE_MS;
		now_ms() < until && __atomic_load_n(&w.datagrams[ORIGIN], __ATOMIC_ACQUIRE) == 0;)
		usleep(1000);
	assert_int_equal(w.datagrams[ORIGIN], 1);
	assert_memory_equal(w.last[ORIGIN] + 23, &cid_be, 4);
	assert_int_equal(w.last[ORIGIN][29], 1);
	/* From now on an association has it. */
	expect_echo(&c);
	assert_int_equal(peel_guest_send_cell(w.node[ORIGIN], &w.address[EXIT], cell, n), 0);
	expect(&c, INADDR_LOOPBACK, w.udp_port, QUERY);
	assert_int_equal(w.datagrams[ORIGIN], 1);
	leave(&c);
}

static void
test_default_remote(void **state)
{
	uint16_t port = open_server(1);
	struct client a = associate(port), b = associate(port), other = b;
	struct peel_address remote;
	uint16_t own;

	(void)state;
	(void)guest_circuit(1, 0);
	(void)guest_circuit(1, 0);
	other.udp = bound_socket(SOCK_DGRAM, &own);
	expect_echo(&a);
	assert_int_equal(peel_address_set(&remote, "127.0.0.1", own), 0);
	assert_int_equal(peel_guest_socks_default_remote(w.node[ORIGIN], &remote, 2), 0);
	assert_int_equal(peel_guest_socks_default_remote(w.node[ORIGIN], &remote, 1), 0);
	/* One has a client; the other one's is that socket, and no other. */
	expect_echo(&a);
	send_to(&b, INADDR_LOOPBACK, w.udp_port, QUERY);
	assert_false(comes(&b, INADDR_LOOPBACK, w.udp_port, QUERY, 200));
	expect_echo(&other);
	assert_int_equal(peel_address_set(&remote, "name.example", 1), 0);
	assert_int_equal(peel_guest_socks_default_remote(w.node[ORIGIN], &remote, 1), -EINVAL);
	leave(&a);
	leave(&b);
	close(other.udp);
}

/* ---- end to end ------------------------------------------------------------------------------ */

/* The originator is a seeder, the other one a downloader; the exit joins their circuits. */
static void
join(uint32_t *seeder, uint32_t *downloader)
{
	uint32_t s = ++w.last_cid, d = ++w.last_cid, d2 = ++w.last_cid;
	struct peel_guest_keys e2e = fresh_keys();
	struct peel_guest_circuit a = {.type = PEEL_GUEST_RP_SEEDER,
		.goal_hops = 1,
		.n_hops = 1,
		.first = w.address[EXIT],
		.e2e = true,
		.end_to_end = e2e};
	struct peel_guest_circuit b = {.type = PEEL_GUEST_RP_DOWNLOADER,
		.goal_hops = 2,
		.n_hops = 2,
		.first = w.address[RELAY],
		.e2e = true,
		.end_to_end = e2e};
	struct peel_guest_relay r;

	a.hop[0] = fresh_keys();
	b.hop[0] = fresh_keys();
	b.hop[1] = fresh_keys();
	guest_relay(RELAY, d, OTHER, d2, EXIT, &b.hop[0]);
	/* What comes with the id of an entry is opened with its keys, and sealed with the other's.
	 */
	r = (struct peel_guest_relay){
		.out_cid = d2, .rendezvous = true, .out = w.address[RELAY], .keys = a.hop[0]};
	assert_int_equal(peel_guest_add_relay(w.node[EXIT], s, &r), 0);
	r = (struct peel_guest_relay){
		.out_cid = s, .rendezvous = true, .out = w.address[ORIGIN], .keys = b.hop[1]};
	assert_int_equal(peel_guest_add_relay(w.node[EXIT], d2, &r), 0);
	assert_int_equal(peel_guest_set_circuit(w.node[ORIGIN], s, &a), 0);
	assert_int_equal(peel_guest_set_circuit(w.node[OTHER], d, &b), 0);
	*seeder = s;
	*downloader = d;
}

static void
test_end_to_end(void **state)
{
	int other = peel_guest_socks_open(w.node[OTHER], 0, 1);
	uint16_t port = open_server(1);
	struct client a = associate(port), b = associate(port), c, d;
	uint32_t seeder, downloader;

	(void)state;
	assert_true(other > 0);
	c = associate((uint16_t)other);
	d = associate((uint16_t)open_server(2));
	/* All but one have a client. */
	(void)guest_circuit(1, 0);
	(void)guest_circuit(1, 0);
	(void)guest_circuit(2, 0);
	expect_echo(&a);
	expect_echo(&b);
	expect_echo(&d);
	join(&seeder, &downloader);
	/* Nobody has sent to it: all of that length get it, and no others. */
	send_to(&c, downloader, 1024, "hello");
	expect(&a, seeder, 1024, "hello");
	expect(&b, seeder, 1024, "hello");
	assert_false(comes(&d, seeder, 1024, "hello", 100));
	/* Now one has. */
	send_to(&b, seeder, 1024, "who?");
	expect(&c, downloader, 1024, "who?");
	send_to(&c, downloader, 1024, "me");
	expect(&b, seeder, 1024, "me");
	assert_false(comes(&a, seeder, 1024, "me", 100));
	/* It is gone. */
	peel_guest_remove_circuit(w.node[ORIGIN], seeder);
	send_to(&c, downloader, 1024, "?");
	assert_false(comes(&b, seeder, 1024, "?", 100));
	leave(&a);
	leave(&b);
	leave(&c);
	leave(&d);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static int
get(uint16_t port)
{
	uint8_t connect_to[10] = "\5\1\0\1\x7f\0\0\1";
	uint16_t port_be = htons(w.tcp_port);
	int fd = greet(port);

	memcpy(connect_to + 8, &port_be, 2);
	assert_int_equal(send(fd, connect_to, 10, 0), 10);
	return fd;
}

static void
test_http(void **state)
{
	uint16_t port = open_server(1);
	int fd = get(port);

	(void)state;
	(void)guest_circuit(1, PEEL_EXIT_BT);
	(void)guest_circuit(1, PEEL_EXIT_BT | PEEL_EXIT_HTTP);
	hear(fd, "\5\0\0\1\0\0\0\0\0\0", 10);
	assert_int_equal(send(fd, GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
	hear(fd, ANSWER, sizeof(ANSWER) - 1);
	close(fd);
	/* One that waits when everything ends. */
	fd = get(port);
	hear(fd, "\5\0\0\1\0\0\0\0\0\0", 10);
	peel_guest_close(w.node[EXIT]);
	w.node[EXIT] = NULL;
	assert_int_equal(send(fd, GET, sizeof(GET) - 1, 0), sizeof(GET) - 1);
	usleep(100000);
	peel_guest_close(w.node[ORIGIN]);
	w.node[ORIGIN] = NULL;
	assert_int_equal(recv(fd, (char[1]){0}, 1, 0), 0);
	close(fd);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, guest_world_start, guest_world_stop)
	static const struct CMUnitTest tests[] = {
		TEST(test_servers),
		TEST(test_datagrams_through_circuits),
		TEST(test_a_circuit_that_goes_loses_nothing),
		TEST(test_the_guest_keeps_what_no_association_asked_for),
		TEST(test_default_remote),
		TEST(test_end_to_end),
		TEST(test_http),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
