/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */

/*
 * What a datagram costs the socket driver: one thread relays (rx, new destination, tx, flush) on one core while another
 * thread on another core generates and swallows. Printed is the relay thread's CPU time per datagram. Runs on loopback;
 * "alone" sends datagram by datagram, "coalesced" with UDP_SEGMENT, "without" switches the driver's offloads off.
 *
 *   bench_socket [SECONDS_PER_CASE [CASE]]   default 0.1, enough to see that it works; take 2 to measure
 */

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "peel_port_socket.h"

#define RELAY_CPU 1
#define PEER_CPU 0
#define BATCH 64

struct bench {
	const char *name;
	uint16_t size;
	uint16_t per_message;
	bool offloads;
};

struct peer {
	const struct bench *bench;
	int out, in; /* to the relay; from it */
	bool stop;
	uint64_t swallowed;
};

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
pin(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu % (unsigned int)sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void
die(const char *what)
{
	perror(what);
	exit(EXIT_FAILURE);
}

static int
udp_socket(const struct peel_addr *connect_to, struct peel_addr *name)
{
	struct peel_addr any = peel_addr_ipv4(127, 0, 0, 1, 0);
	struct sockaddr_storage ss;
	socklen_t len = peel_addr_to_sockaddr(&any, &ss);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 4 << 20, on = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&ss, len) != 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	if (connect_to != NULL) {
		len = peel_addr_to_sockaddr(connect_to, &ss);
		if (connect(fd, (struct sockaddr *)&ss, len) != 0)
			die("connect");
	}
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
		peel_addr_from_sockaddr(&ss, name) != 0)
		die("getsockname");
	return fd;
}

static void
swallow(struct peer *p)
{
	static struct mmsghdr m[BATCH];
	int n;

	/* No room for data: the kernel copies nothing, but tells the length. */
	while ((n = recvmmsg(p->in, m, BATCH, MSG_TRUNC, NULL)) > 0) {
		for (int i = 0; i < n; i++)
			p->swallowed += (m[i].msg_len + p->bench->size - 1) / p->bench->size;
		if (n < BATCH)
			break;
	}
}

static void *
run_peer(void *arg)
{
	static uint8_t data[65536];
	struct peer *p = arg;
	struct iovec iov = {
		.iov_base = data, .iov_len = (size_t)p->bench->size * p->bench->per_message};
	union {
		struct cmsghdr h;
		uint8_t room[CMSG_SPACE(sizeof(uint16_t))];
	} control = {.h = {.cmsg_level = SOL_UDP,
			     .cmsg_type = UDP_SEGMENT,
			     .cmsg_len = CMSG_LEN(sizeof(uint16_t))}};
	struct mmsghdr m[BATCH] = {0};
	unsigned int n = p->bench->per_message > 1 ? 2 : BATCH;

	pin(PEER_CPU);
	memcpy(CMSG_DATA(&control.h), &p->bench->size, sizeof(uint16_t));
	for (unsigned int i = 0; i < n; i++) {
		m[i].msg_hdr.msg_iov = &iov;
		m[i].msg_hdr.msg_iovlen = 1;
		if (p->bench->per_message > 1) {
			m[i].msg_hdr.msg_control = &control;
			m[i].msg_hdr.msg_controllen = sizeof(control);
		}
	}
	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		if (sendmmsg(p->out, m, n, 0) < 0 && errno != EAGAIN && errno != ECONNREFUSED)
			die("sendmmsg");
		swallow(p);
	}
	return NULL;
}

/* Relay for a time; returns the datagrams. */
static uint64_t
relay(struct peel_port *port, const struct peel_addr *to, double time)
{
	const struct peel_port_ops *ops = &peel_port_socket;
	struct rte_mbuf *pkts[PEEL_PORT_BURST];
	double end = seconds(CLOCK_MONOTONIC) + time;
	uint64_t total = 0;

	for (unsigned int round = 0; round % 64 != 0 || seconds(CLOCK_MONOTONIC) < end; round++) {
		uint16_t n = ops->rx(port, 0, pkts, PEEL_PORT_BURST);

		if (n == 0) {
			ops->wait(port, 0, 1000);
			continue;
		}
		for (uint16_t i = 0; i < n; i++)
			peel_pkt(pkts[i])->remote = *to;
		ops->tx(port, 0, pkts, n);
		ops->flush(port, 0);
		total += n;
	}
	return total;
}

static void
run(const struct bench *b, struct rte_mempool *pool, struct peel_rcu *rcu, double time)
{
	static struct peel_stats block;
	struct peel_stats *stats[] = {&block};
	struct peel_port_conf conf = {.n_queues = 1,
		.pool = pool,
		.rcu = rcu,
		.stats = stats,
		.listen = peel_addr_ipv4(127, 0, 0, 1, 0)};
	struct peer peer = {.bench = b};
	struct peel_addr local, sink, unused;
	struct peel_port *port;
	char why[256];
	pthread_t thread;

	if (peel_port_socket.open(&conf, &port, why, sizeof(why)) != 0) {
		fprintf(stderr, "%s\n", why);
		exit(EXIT_FAILURE);
	}
	if (!b->offloads)
		peel_port_socket_disable_offloads(port, true, true);
	peel_port_socket.local(port, &local);
	peer.in = udp_socket(NULL, &sink);
	peer.out = udp_socket(&local, &unused);
	if (pthread_create(&thread, NULL, run_peer, &peer) != 0)
		die("thread");
	relay(port, &sink, time / 10);

	double cpu = seconds(CLOCK_THREAD_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	uint64_t n = relay(port, &sink, time);

	cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	__atomic_store_n(&peer.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	printf("socket %-10s %5u B  %7.3f us/datagram  %9.0f datagrams/s  %5.1f %% busy\n", b->name,
		b->size, n > 0 ? 1e6 * cpu / (double)n : 0, (double)n / wall, 100 * cpu / wall);
	if (n == 0 || peer.swallowed == 0) {
		fprintf(stderr, "nothing came through\n");
		exit(EXIT_FAILURE);
	}
	peel_port_socket.close(port);
	close(peer.in);
	close(peer.out);
}

int
main(int argc, char **argv)
{
	static const struct bench benches[] = {
		{"alone", 150, 1, true},
		{"alone", 1490, 1, true},
		{"coalesced", 150, 64, true},
		{"coalesced", 1490, 43, true},
		{"without", 150, 1, false},
		{"without", 1490, 1, false},
	};
	char *args[] = {"bench", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"128", "-l", "0", "--log-level=3", NULL};
	double time = argc > 1 ? atof(argv[1]) : 0.1;
	struct rte_mempool *pool;
	struct peel_rcu *rcu;

	if (rte_eal_init((int)PEEL_ARRAY_LEN(args) - 1, args) < 0 || peel_rcu_new(1, &rcu) != 0)
		die("EAL");
	pin(RELAY_CPU);
	pool = peel_port_pool_new("bench", 8191, SOCKET_ID_ANY);
	if (pool == NULL)
		die("pool");
	for (size_t i = 0; i < PEEL_ARRAY_LEN(benches); i++) {
		if (argc < 3 || strcmp(argv[2], benches[i].name) == 0)
			run(&benches[i], pool, rcu, time);
	}
	peel_rcu_free(rcu);
	return EXIT_SUCCESS;
}
