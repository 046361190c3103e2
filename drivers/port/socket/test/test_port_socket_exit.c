/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */

/* Exit endpoints, sleeping and waking. */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

#define COOKIE UINT64_C(0xfeedface00000000)

static uint8_t buffer[65536];
static struct rte_mbuf *pkts[FIX_MBUFS];

static uint64_t
now_ms(void)
{
	return peel_now_ms(&peel_env_system);
}

/* Where the outside reaches an endpoint. */
static struct peel_addr
outside(const struct fix *f, uint32_t endpoint, enum peel_family family)
{
	struct peel_addr a = fix_name(peel_port_socket_fd(f->port, 0, endpoint, family));
	struct peel_addr loopback = {.family = PEEL_FAMILY_IPV6, .ip = {[15] = 1}};

	if (family == PEEL_FAMILY_IPV4)
		loopback = peel_addr_ipv4(127, 0, 0, 1, 0);
	loopback.port = a.port;
	return loopback;
}

static void
expect_on_exit(struct fix *f, uint32_t endpoint, uint64_t cookie, size_t len)
{
	assert_int_equal(fix_rx(f, 0, pkts, 1), 1);
	assert_int_equal(pkts[0]->data_len, len);
	assert_int_equal(peel_pkt(pkts[0])->endpoint, endpoint);
	assert_int_equal(peel_pkt(pkts[0])->cookie, cookie);
	rte_pktmbuf_free(pkts[0]);
}

static void
test_exit_both_families(void **state)
{
	struct fix f;
	uint32_t e[3];

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 3);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + i, &e[i]), 0);
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE, &(uint32_t){0}), -ENOSPC);
	for (unsigned int v6 = 0; v6 <= fix_detail(&f, "exit_ipv6"); v6++) {
		enum peel_family family = v6 ? PEEL_FAMILY_IPV6 : PEEL_FAMILY_IPV4;

		for (uint32_t i = 0; i < 3; i++) {
			struct peel_addr port = outside(&f, e[i], family);
			int peer = fix_client(&port);
			struct peel_addr name = fix_name(peer);

			assert_int_equal(send(peer, buffer, 200 + i, 0), 200 + i);
			expect_on_exit(&f, e[i], COOKIE + i, 200 + i);
			/* Many, coalesced. */
			assert_true(fix_send_segments(peer, buffer, 30 * 1200, 1200));
			assert_int_equal(fix_rx(&f, 0, pkts, 30), 30);
			assert_int_equal(peel_pkt(pkts[29])->cookie, COOKIE + i);
			rte_pktmbuf_free_bulk(pkts, 30);
			/* Out again: the peer is connected, so it hears only the right source
			 * port. */
			fix_send_one(&f, e[i], &name, 333);
			assert_int_equal(recv(peer, buffer, sizeof(buffer), 0), 333);
			assert_true(fix_matches(buffer, 333, e[i], 0));
			close(peer);
		}
	}
	assert_int_equal(fix_detail(&f, "exit_endpoints"), 3);
	fix_close(&f);
}

/* New exits send from the addresses that were named last, and have no socket of a family without.
 */
static void
test_exit_bind(void **state)
{
	const struct peel_addr none = {0}, ipv4 = peel_addr_ipv4(127, 0, 0, 2, 0),
			       ipv6 = {.family = PEEL_FAMILY_IPV6, .ip = {[15] = 1}},
			       strange = peel_addr_ipv4(192, 0, 2, 77, 0);
	struct peel_addr name;
	uint32_t before, e;
	struct fix f;
	bool has6;
	int peer;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 4);
	has6 = fix_detail(&f, "exit_ipv6") != 0;
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE, &before), 0);
	assert_int_equal(peel_port_socket.exit_bind(f.port, &ipv4, &none), 0);
	assert_int_equal(peel_port_socket.exit_bind(f.port, &strange, &none), -EADDRNOTAVAIL);
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + 1, &e), 0);
	name = fix_name(peel_port_socket_fd(f.port, 0, e, PEEL_FAMILY_IPV4));
	assert_true(peel_addr_same_ip(&name, &ipv4));
	assert_true(peel_port_socket_fd(f.port, 0, e, PEEL_FAMILY_IPV6) < 0);
	assert_false(peel_port_socket.can_reach(f.port, true, &ipv6));
	assert_true(peel_port_socket.can_reach(f.port, true, &ipv4));
	peer = fix_client(&name);
	assert_int_equal(send(peer, buffer, 70, 0), 70);
	expect_on_exit(&f, e, COOKIE + 1, 70);
	fix_send_one(&f, e, &ipv6, 40);
	assert_int_equal(fix_count(&f, PEEL_DROP_TX), 1);
	close(peer);
	peel_port_socket.exit_close(f.port, e);
	if (has6) {
		assert_int_equal(peel_port_socket.exit_bind(f.port, &none, &ipv6), 0);
		assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + 2, &e), 0);
		assert_true(peel_port_socket_fd(f.port, 0, e, PEEL_FAMILY_IPV4) < 0);
		name = outside(&f, e, PEEL_FAMILY_IPV6);
		peer = fix_client(&name);
		assert_int_equal(send(peer, buffer, 80, 0), 80);
		expect_on_exit(&f, e, COOKIE + 2, 80);
		assert_false(peel_port_socket.can_reach(f.port, true, &ipv4));
		close(peer);
		peel_port_socket.exit_close(f.port, e);
	}
	/* With no address at all there is none to open. */
	assert_int_equal(peel_port_socket.exit_bind(f.port, &none, &none), 0);
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE, &e), -EAFNOSUPPORT);
	/* Those of before live on. */
	name = outside(&f, before, PEEL_FAMILY_IPV4);
	peer = fix_client(&name);
	assert_int_equal(send(peer, buffer, 90, 0), 90);
	expect_on_exit(&f, before, COOKIE, 90);
	close(peer);
	fix_close(&f);
}

static void
test_exit_close_and_reuse(void **state)
{
	struct fix f;
	uint32_t e[4], again;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 4);
	peel_rcu_online(f.rcu, 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + i, &e[i]), 0);

	struct peel_addr port = outside(&f, e[1], PEEL_FAMILY_IPV4);
	int fd = peel_port_socket_fd(f.port, 0, e[1], PEEL_FAMILY_IPV4);
	int peer = fix_client(&port);
	struct peel_addr name = fix_name(peer);

	/* Data that has arrived but was not received when the endpoint closes is not delivered. */
	assert_int_equal(send(peer, buffer, 50, 0), 50);
	peel_port_socket.exit_close(f.port, e[1]);
	peel_port_socket.exit_close(f.port, e[1]); /* a second time: nothing */
	assert_int_equal(fix_rx(&f, 0, pkts, 1), 0);

	uint64_t start = now_ms();

	peel_port_socket.wait(f.port, 0, 30000); /* nor does it keep the worker awake */
	assert_true(now_ms() - start >= 29);
	fix_send_one(&f, e[1], &name, 40);
	assert_int_equal(fix_count(&f, PEEL_DROP_TX), 1);
	assert_int_equal(fix_detail(&f, "exit_endpoints"), 3);

	/* The socket lives until the worker has been quiescent, and so long the slot is taken. */
	peel_rcu_poll(f.rcu);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE, &again), -ENOSPC);
	peel_port_socket.exit_close(f.port, e[0]);
	peel_rcu_quiescent(f.rcu, 0);
	peel_rcu_poll(f.rcu);
	assert_true(fcntl(fd, F_GETFD) < 0);

	/* First closed, first reused; with its new cookie only. */
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + 11, &again), 0);
	assert_int_equal(again, e[1]);
	port = outside(&f, again, PEEL_FAMILY_IPV4);
	close(peer);
	peer = fix_client(&port);
	assert_int_equal(send(peer, buffer, 60, 0), 60);
	expect_on_exit(&f, again, COOKIE + 11, 60);
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + 12, &again), 0);
	assert_int_equal(again, e[0]);

	/* One still deferred at the end: close and RCU sort it out. */
	peel_port_socket.exit_close(f.port, e[2]);
	close(peer);
	fix_close(&f);
}

/* Events that the worker fetched before an endpoint closed and was opened again must not hand its
 * successor's data over with the old cookie, nor touch a descriptor that now belongs to somebody
 * else. */
static void
test_exit_stale_events(void **state)
{
	enum {
		N = 8
	};
	struct fix f;
	uint32_t e[N];
	int peer[N];

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, N);
	for (uint32_t i = 0; i < N; i++) {
		assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + i, &e[i]), 0);

		struct peel_addr port = outside(&f, e[i], PEEL_FAMILY_IPV4);

		peer[i] = fix_client(&port);
		assert_int_equal(send(peer[i], buffer, 100 + i, 0), 100 + i);
	}
	/* One datagram wanted: the other events stay with the worker. */
	peel_port_socket.wait(f.port, 0, 100000);
	assert_int_equal(peel_port_socket.rx(f.port, 0, pkts, 1), 1);
	rte_pktmbuf_free(pkts[0]);
	for (uint32_t i = 0; i < N; i++)
		peel_port_socket.exit_close(f.port, e[i]);
	assert_int_equal(peel_port_socket.rx(f.port, 0, pkts, 64), 0);

	uint64_t start = now_ms();

	peel_port_socket.wait(f.port, 0, 30000);
	assert_true(now_ms() - start >= 29);
	peel_rcu_poll(f.rcu); /* no worker online: due at once */
	for (uint32_t i = 0; i < N; i++) {
		uint32_t number;

		assert_int_equal(peel_port_socket.exit_open(f.port, 0, i, &number), 0);
		assert_int_equal(number, e[i]);
	}
	assert_int_equal(fix_rx(&f, 0, pkts, 1), 0);
	for (uint32_t i = 0; i < N; i++) {
		struct peel_addr port = outside(&f, e[i], PEEL_FAMILY_IPV4);

		close(peer[i]);
		peer[i] = fix_client(&port);
		assert_int_equal(send(peer[i], buffer, 300 + i, 0), 300 + i);
		expect_on_exit(&f, e[i], i, 300 + i);
		close(peer[i]);
	}
	fix_close(&f);
}

static void
test_exit_many(void **state)
{
	static const char mark[] = "to one of many exits";
	struct rlimit limit;
	struct fix f;
	uint32_t n = 3000;
	bool *seen;
	int peer = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < 2 * n + 100)
		n = (uint32_t)(limit.rlim_max - 100) / 2;
	limit.rlim_cur = 64; /* opening the port lifts it */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	fix_open(&f, "127.0.0.1:0", 1, n);
	seen = calloc(n + 1, sizeof(*seen));
	assert_non_null(seen);
	for (uint32_t i = 1; i <= n; i++) {
		struct sockaddr_storage to;
		struct peel_addr port;
		uint32_t e;

		assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE + i, &e), 0);
		assert_int_equal(e, i);
		port = outside(&f, e, PEEL_FAMILY_IPV4);

		socklen_t len = peel_addr_to_sockaddr(&port, &to);

		assert_int_equal(sendto(peer, mark, sizeof(mark), 0, (struct sockaddr *)&to, len),
			sizeof(mark));
	}
	for (uint32_t i = 0; i < n;) {
		assert_int_equal(fix_rx(&f, 0, pkts, 1), 1);

		uint32_t e = peel_pkt(pkts[0])->endpoint;

		assert_int_equal(peel_pkt(pkts[0])->cookie, COOKIE + e);
		/* Among so many ports there may be one that another program still sends to. */
		if (pkts[0]->data_len == sizeof(mark) &&
			memcmp(rte_pktmbuf_mtod(pkts[0], void *), mark, sizeof(mark)) == 0) {
			assert_false(seen[e]);
			seen[e] = true;
			i++;
		}
		rte_pktmbuf_free(pkts[0]);
	}
	free(seen);
	close(peer);
	fix_close(&f);
}

/* Exits leave descriptors to the rest of the program, and notice when the limit is changed. */
static void
test_exit_leaves_files(void **state)
{
	struct rlimit before, limit;
	struct fix f;
	uint32_t e, n = 0;
	int fd[100], rc;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 1000);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = 400;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while ((rc = peel_port_socket.exit_open(f.port, 0, n, &e)) == 0)
		n++;
	assert_int_equal(rc, -EMFILE);
	assert_in_range(n, 100, 150);
	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(fd); i++) {
		fd[i] = dup(0);
		assert_true(fd[i] >= 0);
	}
	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(fd); i++)
		close(fd[i]);
	limit.rlim_cur = 600;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, n, &e), 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	fix_close(&f);
}

/* An endpoint that floods leaves the others and the main socket their share. */
static void
test_exit_fairness(void **state)
{
	struct fix f;
	uint32_t e[2];
	int peer[3];
	unsigned int from[3] = {0};

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 2);
	peer[0] = fix_client(&f.local);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(peel_port_socket.exit_open(f.port, 0, i, &e[i]), 0);

		struct peel_addr port = outside(&f, e[i], PEEL_FAMILY_IPV4);

		peer[1 + i] = fix_client(&port);
	}
	for (unsigned int i = 0; i < 200; i++) {
		for (unsigned int p = 0; p < 3; p++)
			(void)!send(peer[p], buffer, 20, 0);
	}
	for (unsigned int i = 0; i < 4; i++) {
		uint16_t n = peel_port_socket.rx(f.port, 0, pkts, 64);

		for (uint16_t k = 0; k < n; k++)
			from[peel_pkt(pkts[k])->endpoint]++;
		rte_pktmbuf_free_bulk(pkts, n);
	}
	for (unsigned int p = 0; p < 3; p++) {
		assert_true(from[p] >= 32);
		close(peer[p]);
	}
	fix_close(&f);
}

struct waker {
	struct fix *f;
	unsigned int after_us;
};

static void *
wake_later(void *arg)
{
	struct waker *w = arg;
	struct timespec t = {.tv_nsec = (long)w->after_us * 1000};

	nanosleep(&t, NULL);
	peel_port_socket.wake(w->f->port, 0);
	return NULL;
}

static void
test_wait_and_wake(void **state)
{
	struct fix f;
	struct waker w = {.f = &f, .after_us = 20000};
	uint64_t start;
	uint32_t e;
	pthread_t thread;

	(void)state;
	fix_open(&f, "127.0.0.1:0", 1, 1);

	start = now_ms();
	peel_port_socket.wait(f.port, 0, 30000); /* nothing happens */
	assert_true(now_ms() - start >= 29);

	start = now_ms();
	peel_port_socket.wake(f.port, 0);
	peel_port_socket.wake(f.port, 0);
	peel_port_socket.wait(f.port, 0, 20000000);
	assert_true(now_ms() - start < 5000);
	start = now_ms();
	peel_port_socket.wait(f.port, 0, 30000); /* two wakes ended one wait only */
	assert_true(now_ms() - start >= 29);

	for (unsigned int i = 0; i < 3; i++) {
		start = now_ms();
		assert_int_equal(pthread_create(&thread, NULL, wake_later, &w), 0);
		peel_port_socket.wait(f.port, 0, 20000000);
		assert_true(now_ms() - start < 5000);
		pthread_join(thread, NULL);
	}

	/* Traffic ends it too: on the main socket, on an exit, and what was received but not
	 * returned yet. */
	int client = fix_client(&f.local);

	start = now_ms();
	assert_true(fix_send_segments(client, buffer, 4 * 100, 100));
	peel_port_socket.wait(f.port, 0, 20000000);
	assert_int_equal(peel_port_socket.rx(f.port, 0, pkts, 1), 1);
	peel_port_socket.wait(f.port, 0, 20000000);
	assert_int_equal(fix_rx(&f, 0, pkts + 1, 3), 3);
	rte_pktmbuf_free_bulk(pkts, 4);
	assert_int_equal(peel_port_socket.exit_open(f.port, 0, COOKIE, &e), 0);

	struct peel_addr port = outside(&f, e, PEEL_FAMILY_IPV4);
	int peer = fix_client(&port);

	assert_int_equal(send(peer, buffer, 9, 0), 9);
	peel_port_socket.wait(f.port, 0, 20000000);
	assert_int_equal(peel_port_socket.rx(f.port, 0, pkts, 64), 1);
	rte_pktmbuf_free(pkts[0]);
	assert_true(now_ms() - start < 5000);
	close(peer);
	close(client);
	fix_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_both_families),
		cmocka_unit_test(test_exit_bind),
		cmocka_unit_test(test_exit_close_and_reuse),
		cmocka_unit_test(test_exit_stale_events),
		cmocka_unit_test(test_exit_many),
		cmocka_unit_test(test_exit_leaves_files),
		cmocka_unit_test(test_exit_fairness),
		cmocka_unit_test(test_wait_and_wake),
	};

	return cmocka_run_group_tests(tests, fix_setup, NULL);
}
