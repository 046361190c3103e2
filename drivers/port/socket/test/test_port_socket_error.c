/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */

/* Everything that goes wrong at the kernel or the pool. */

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

static uint8_t buffer[65536];
static struct rte_mbuf *pkts[FIX_MBUFS];

static void
test_kernel_buffer_full(void **state)
{
	struct fix f;
	int small = 4096;
	unsigned int n;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);
	setsockopt(peel_port_socket_fd(f.port, 0, PEEL_ENDPOINT_MAIN, PEEL_FAMILY_IPV4), SOL_SOCKET,
		SO_RCVBUF, &small, sizeof(small));

	int client = fix_client(&f.local);

	for (unsigned int i = 0; i < 200; i++)
		assert_int_equal(send(client, buffer, 1000, 0), 1000);
	n = fix_rx(&f, 0, pkts, 200);
	assert_true(n > 0 && n < 200);
	assert_int_equal(fix_detail(&f, "rx_kernel_drops"), 200 - n);
	rte_pktmbuf_free_bulk(pkts, n);
	assert_int_equal(send(client, buffer, 1000, 0), 1000);
	assert_int_equal(fix_rx(&f, 0, pkts, 1), 1);
	rte_pktmbuf_free(pkts[0]);
	close(client);
	fix_close(&f);
}

static void
test_pool_exhausted(void **state)
{
	struct fix f;
	unsigned int left = 40, n;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);

	int client = fix_client(&f.local);

	/* Nothing left at all, then a few: for datagrams alone and coalesced. */
	for (unsigned int round = 0; round < 4; round++) {
		unsigned int keep = round < 2 ? 0 : left;
		uint64_t dropped = fix_count(&f, PEEL_DROP_NO_BUFFER);

		for (n = 0; rte_mempool_avail_count(f.pool) > keep; n++) {
			pkts[n] = rte_pktmbuf_alloc(f.pool);
			assert_non_null(pkts[n]);
		}

		struct rte_mbuf **got = pkts + n;

		if (round % 2 == 0) {
			for (unsigned int i = 0; i < 60; i++)
				assert_int_equal(send(client, buffer, 100, 0), 100);
		} else {
			assert_true(fix_send_segments(client, buffer, 60 * 100, 100));
		}

		unsigned int received = 0;

		for (unsigned int i = 0; i < 60; i++)
			received += peel_port_socket.rx(f.port, 0, got + received, 60);
		/* The port keeps mbufs of its own ready; whatever the share, each datagram is
		 * accounted for. */
		assert_int_equal(received + fix_count(&f, PEEL_DROP_NO_BUFFER) - dropped, 60);
		assert_true(fix_count(&f, PEEL_DROP_NO_BUFFER) > dropped || round == 1 || keep > 0);
		rte_pktmbuf_free_bulk(pkts, n + received);
		assert_int_equal(send(client, buffer, 100, 0), 100);
		assert_int_equal(fix_rx(&f, 0, pkts, 1), 1);
		rte_pktmbuf_free(pkts[0]);
	}
	close(client);
	fix_close(&f);
}

/* A burst of `n` datagrams of 500 bytes to a client; how many arrive. */
static unsigned int
burst_to(struct fix *f, int client, unsigned int n)
{
	struct peel_addr to = fix_name(client);
	unsigned int got = 0;

	for (unsigned int i = 0; i < n; i++)
		pkts[i] = fix_datagram(f, PEEL_ENDPOINT_MAIN, &to, 500);
	fix_echo(f, 0, pkts, n);
	while (recv(client, buffer, sizeof(buffer), MSG_DONTWAIT) == 500)
		got++;
	return got;
}

static void
test_send_errors(void **state)
{
	static const struct {
		struct fix_fault fault;
		unsigned int arrive;
	} cases[] = {
		{{.error = 0, .count = 0}, 64},
		{{.error = ECONNREFUSED, .count = 1},
			64}, /* late ICMP: the second try goes through */
		{{.error = EAGAIN, .count = 1}, 64},
		{{.error = EAGAIN, .count = 2}, 0},
		{{.error = ENOBUFS, .count = 2}, 0},
		{{.error = EPERM, .count = 2}, 0},   /* the one message of the burst */
		{{.error = EINVAL, .count = 1}, 64}, /* one by one then */
		{{.error = EMSGSIZE, .count = 3}, 63},
	};
	struct fix f;

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		fix_open(&f, "127.0.0.1:0", 1, 0);

		int client = fix_client(&f.local);

		if (fix_detail(&f, "send_segmentation") == 0)
			break;
		fix_send = cases[i].fault;
		assert_int_equal(burst_to(&f, client, 64), cases[i].arrive);
		assert_int_equal(fix_count(&f, PEEL_TX_DATAGRAMS), cases[i].arrive);
		assert_int_equal(fix_count(&f, PEEL_TX_BYTES), cases[i].arrive * 500);
		assert_int_equal(fix_count(&f, PEEL_DROP_TX), 64 - cases[i].arrive);
		assert_int_equal(fix_detail(&f, "send_segmentation"), 1);
		fix_send.count = 0;
		close(client);
		fix_close(&f);
	}
}

/* Several destinations in a burst, the kernel takes few messages at once and refuses one
 * destination. */
static void
test_send_partial(void **state)
{
	enum {
		CLIENTS = 6,
		EACH = 4
	};
	struct fix f;
	int client[CLIENTS];
	struct peel_addr nowhere = peel_addr_ipv4(127, 0, 0, 1, 0); /* port 0: EINVAL */
	unsigned int n = 0;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);
	for (unsigned int i = 0; i < CLIENTS; i++)
		client[i] = fix_client(&f.local);
	fix_send.at_most = 2;
	for (unsigned int k = 0; k < EACH; k++) {
		for (unsigned int i = 0; i < CLIENTS; i++) {
			struct peel_addr to = i == 3 ? nowhere : fix_name(client[i]);

			pkts[n++] = fix_datagram(&f, PEEL_ENDPOINT_MAIN, &to, 700);
		}
	}
	/* No IPv6 on this socket, and no family at all: only these are lost. */
	pkts[n++] = fix_datagram(&f, PEEL_ENDPOINT_MAIN,
		&(struct peel_addr){.family = PEEL_FAMILY_IPV6, .ip = {[15] = 1}, .port = 5}, 10);
	pkts[n++] = fix_datagram(&f, PEEL_ENDPOINT_MAIN, &(struct peel_addr){.port = 5}, 10);
	pkts[n++] = fix_datagram(&f, 12345, &f.local, 10);
	fix_echo(&f, 0, pkts, n);
	for (unsigned int i = 0; i < CLIENTS; i++) {
		for (unsigned int k = 0; k < EACH && i != 3; k++)
			assert_int_equal(recv(client[i], buffer, sizeof(buffer), 0), 700);
		close(client[i]);
	}
	assert_int_equal(fix_count(&f, PEEL_DROP_TX), EACH + 3);
	assert_int_equal(fix_count(&f, PEEL_TX_DATAGRAMS), (CLIENTS - 1) * EACH);
	fix_close(&f);
}

static void
test_segmentation_refused(void **state)
{
	struct fix f;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);

	int client = fix_client(&f.local);

	if (fix_detail(&f, "send_segmentation") == 1) {
		/* A small path MTU concerns one destination and this size or larger. */
		fix_send = (struct fix_fault){.error = EINVAL, .count = 1, .segmented_only = true};
		assert_int_equal(burst_to(&f, client, 64), 64);
		fix_send_calls = 0;
		assert_int_equal(burst_to(&f, client, 64), 64);
		assert_int_equal(fix_send_calls, 1);
		assert_int_equal(fix_detail(&f, "tx_segmented_messages"), 0);

		int other = fix_client(&f.local);

		assert_int_equal(burst_to(&f, other, 64), 64);
		assert_int_equal(fix_detail(&f, "tx_segmented_messages"), 1);
		close(other);

		/* A device that cannot: off for good. */
		fix_send = (struct fix_fault){.error = EIO, .count = 1, .segmented_only = true};
		other = fix_client(&f.local);
		assert_int_equal(burst_to(&f, other, 64), 64);
		assert_int_equal(fix_detail(&f, "send_segmentation"), 0);
		close(other);
		other = fix_client(&f.local);
		assert_int_equal(burst_to(&f, other, 64), 64);
		close(other);
		assert_int_equal(fix_detail(&f, "tx_segmented_messages"), 1);
		assert_int_equal(fix_count(&f, PEEL_DROP_TX), 0);
	}
	close(client);
	fix_close(&f);
}

static void
test_receive_errors(void **state)
{
	struct fix f;
	int on = 1;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 0);

	int client = fix_client(&f.local), closed = fix_client(&f.local);
	struct peel_addr to = fix_name(closed);

	/* A real one: ask for ICMP errors and send to a port that nobody has. */
	setsockopt(peel_port_socket_fd(f.port, 0, PEEL_ENDPOINT_MAIN, PEEL_FAMILY_IPV4), IPPROTO_IP,
		IP_RECVERR, &on, sizeof(on));
	close(closed);
	for (unsigned int round = 0; round < 20; round++) {
		fix_send_one(&f, PEEL_ENDPOINT_MAIN, &to, 100);
		assert_int_equal(send(client, buffer, 77, 0), 77);
		assert_int_equal(peel_port_socket.rx(f.port, 0, pkts, 64), 1);
		rte_pktmbuf_free(pkts[0]);
	}
	assert_int_equal(fix_count(&f, PEEL_DROP_TX), 0);
	/* Ordered ones. */
	for (int error = 1; error < 3; error++) {
		fix_receive =
			(struct fix_fault){.error = error == 1 ? EHOSTUNREACH : EINTR, .count = 3};
		assert_int_equal(send(client, buffer, 77, 0), 77);
		assert_int_equal(peel_port_socket.rx(f.port, 0, pkts, 64), 1);
		rte_pktmbuf_free(pkts[0]);
	}
	close(client);
	fix_close(&f);
}

static void
test_open_errors(void **state)
{
	struct peel_stats block = {0}, *stats[FIX_QUEUES] = {&block, &block};
	struct fix f;
	struct peel_port *port;
	char why[256];

	(void)state;
	fix_open(&f, "127.0.0.1:0", 2, 0); /* shared among queues, not with strangers */

	struct peel_port_conf conf = {.n_queues = 1,
		.pool = f.pool,
		.rcu = f.rcu,
		.stats = stats,
		.listen = f.local,
		.max_endpoints = 4};

	for (conf.n_queues = 1; conf.n_queues <= 2; conf.n_queues++) {
		why[0] = '\0';
		assert_int_equal(
			peel_port_socket.open(&conf, &port, why, sizeof(why)), -EADDRINUSE);
		assert_non_null(strstr(why, "in use"));
		assert_null(port);
	}
	conf.n_queues = 1;
	conf.listen = peel_addr_ipv4(192, 0, 2, 1, 0);
	assert_int_equal(peel_port_socket.open(&conf, &port, why, sizeof(why)), -EADDRNOTAVAIL);
	conf.listen = peel_addr_ipv4(127, 0, 0, 1, 0);
	conf.exit_ipv4 = peel_addr_ipv4(192, 0, 2, 1, 0);
	assert_int_equal(peel_port_socket.open(&conf, &port, why, sizeof(why)), -EADDRNOTAVAIL);
	assert_non_null(strstr(why, "192.0.2.1"));
	conf.n_queues = 0;
	assert_int_equal(peel_port_socket.open(&conf, &port, why, sizeof(why)), -EINVAL);
	fix_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kernel_buffer_full),
		cmocka_unit_test(test_pool_exhausted),
		cmocka_unit_test(test_send_errors),
		cmocka_unit_test(test_send_partial),
		cmocka_unit_test(test_segmentation_refused),
		cmocka_unit_test(test_receive_errors),
		cmocka_unit_test(test_open_errors),
	};

	return cmocka_run_group_tests(tests, fix_setup, NULL);
}
