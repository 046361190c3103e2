/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The suite `io`: what a datagram costs in a port alone. One worker receives, sends back and
 * flushes; a thread on another CPU generates and swallows. The figure is the CPU time of the worker
 * per datagram, and datagrams per second (which the generator limits on kernel interfaces). Sockets
 * run on loopback: datagrams alone, coalesced (UDP_SEGMENT), and without the driver's offloads.
 * af_packet and af_xdp run on a veth and tap on its own interface, against the kernel's UDP, in a
 * network namespace of our own (root); memif against a second device in this process.
 */

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "bench.h"
#include "io_peer.h"
#include "peel_port_ethdev.h"
#include "peel_port_socket.h"

#define N_SIZES 2
#define MBUFS 32767
#define PORT 8090
#define SECONDS 0.3
#define SECONDS_QUICK 0.02
#define MEMIF_SOCKET "/tmp/peel-bench-io-%d.sock"

static const uint16_t sizes[N_SIZES] = {64, 1400};

struct io_case {
	const char *driver, *how;
	const char *device;  /* NULL: the socket driver */
	const char *prepare; /* shell command, before the port opens */
	const char *finish;  /* and after */
	uint8_t net;	     /* 10.77.net.0/24: .1 the port, .2 the peer */
	bool coalesced, offloads;
	/* set by open */
	bool open;
	const struct peel_port_ops *ops;
	struct peel_port *port;
	struct peel_stats stats;
	struct io_peer peer;
	struct peel_addr to; /* memif: unused, datagrams go back */
	struct bench_result *cost[N_SIZES], *rate[N_SIZES];
};

#define VETH(n)                                                                                    \
	"ip link add d" n " address 02:00:00:00:00:01 type veth peer name c" n                     \
	" address 02:00:00:00:00:02 && ip link set d" n " up && ethtool -K c" n                    \
	" tx off >/dev/null && ip addr add 10.77." n ".2/24 dev c" n " && ip link set c" n " up"

static struct io_case cases[] = {
	{.driver = "socket", .how = "alone", .offloads = true},
	{.driver = "socket", .how = "coalesced", .coalesced = true, .offloads = true},
	{.driver = "socket", .how = "without offloads"},
	{.driver = "af_packet",
		.how = "alone",
		.device = "net_af_packet0,iface=d1",
		.prepare = VETH("1"),
		.net = 1},
	{.driver = "af_xdp",
		.how = "alone",
		.device = "net_af_xdp0,iface=d2",
		.prepare = VETH("2"),
		.net = 2},
	{.driver = "tap",
		.how = "alone",
		.device = "net_tap0,iface=c3,mac=02:00:00:00:00:01",
		.finish = "ip link set c3 address 02:00:00:00:00:02 && ip addr add 10.77.3.2/24 "
			  "dev c3 && "
			  "ip link set c3 up",
		.net = 3},
	{.driver = "memif", .how = "alone", .device = "memif", .net = 4},
};

static double
seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Relay for a time; returns the datagrams. */
static uint64_t
relay(struct io_case *c, double time)
{
	const struct peel_port_ops *ops = c->ops;
	struct rte_mbuf *pkts[PEEL_PORT_BURST];
	double end = seconds(CLOCK_MONOTONIC) + time;
	uint64_t total = 0;

	for (unsigned int round = 0; round % 64 != 0 || seconds(CLOCK_MONOTONIC) < end; round++) {
		uint16_t n = ops->rx(c->port, 0, pkts, PEEL_PORT_BURST);

		if (n > 0 && c->to.family != PEEL_FAMILY_NONE) {
			for (uint16_t i = 0; i < n; i++)
				peel_pkt(pkts[i])->remote = c->to;
		}
		if (n > 0)
			ops->tx(c->port, 0, pkts, n);
		ops->flush(c->port, 0);
		if (n == 0 && ops->wait != NULL)
			ops->wait(c->port, 0, 1000);
		total += n;
	}
	return total;
}

/* One sample of a case. False: nothing came through. */
static bool
sample(struct io_case *c, unsigned int size, double time, bool counts)
{
	double cpu, wall;
	uint64_t n;

	c->peer.size = sizes[size];
	c->peer.per_message = 1;
	if (c->coalesced)
		c->peer.per_message = (uint16_t)RTE_MIN(64, 65000 / sizes[size]);
	if (io_peer_start(&c->peer) != 0)
		bench_fail("no thread");
	relay(c, time / 5); /* link addresses, and what a worker learns about the traffic */
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID);
	wall = seconds(CLOCK_MONOTONIC);
	n = relay(c, time);
	cpu = seconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = seconds(CLOCK_MONOTONIC) - wall;
	io_peer_stop(&c->peer);
	if (n == 0 || c->peer.swallowed == 0)
		return false;
	if (counts) {
		bench_sample(c->cost[size], 1e6 * cpu / (double)n);
		bench_sample(c->rate[size], (double)n / wall);
	}
	return true;
}

/* ---- opening --------------------------------------------------------------------------------- */

static int
open_device(struct io_case *c, struct peel_port_conf *conf, char *why, size_t size)
{
	char socket[64], device[256];
	int rc;

	conf->device = c->device;
	if (strcmp(c->driver, "memif") == 0) {
		snprintf(socket, sizeof(socket), MEMIF_SOCKET, (int)getpid());
		snprintf(device, sizeof(device),
			"net_memif0,role=server,id=0,socket=%s,socket-abstract=no,rsize=11,mac=02:"
			"00:00:00:00:01",
			socket);
		conf->device = device;
	}
	rc = c->ops->open(conf, &c->port, why, size);
	if (rc != 0)
		return rc;
	c->peer.local = peel_addr_ipv4(10, 77, c->net, 2, 9000);
	c->peer.port = conf->listen;
	if (strcmp(c->driver, "memif") == 0)
		rc = io_peer_memif(&c->peer, socket, conf->pool);
	if (c->finish != NULL && system(c->finish) != 0)
		rc = -ENODEV;
	return rc;
}

static void
close_all(void)
{
	char socket[64];

	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		if (!cases[i].open)
			continue;
		io_peer_close(&cases[i].peer);
		cases[i].ops->close(cases[i].port);
	}
	snprintf(socket, sizeof(socket), MEMIF_SOCKET, (int)getpid());
	unlink(socket);
}

static int
open_case(struct io_case *c, struct rte_mempool *pool, struct peel_rcu *rcu, char *why, size_t size)
{
	struct peel_stats *stats[] = {&c->stats};
	struct peel_port_conf conf = {.n_queues = 1,
		.pool = pool,
		.rcu = rcu,
		.stats = stats,
		.listen = peel_addr_ipv4(127, 0, 0, 1, 0),
		.exit_port_min = 30000,
		.exit_port_max = 30009,
		.prefix_len = 24,
		.env = &peel_env_system};
	struct peel_addr local = peel_addr_ipv4(10, 77, c->net, 2, 0), port;
	int rc;

	snprintf(why, size, "could not be set up");
	if (c->prepare != NULL && system(c->prepare) != 0)
		return -ENODEV;
	if (c->device != NULL) {
		c->ops = &peel_port_ethdev;
		conf.listen = peel_addr_ipv4(10, 77, c->net, 1, PORT);
		rc = open_device(c, &conf, why, size);
		if (rc != 0 || strcmp(c->driver, "memif") == 0)
			return rc;
		return io_peer_sockets(&c->peer, &local, &conf.listen, &c->to);
	}
	c->ops = &peel_port_socket;
	rc = c->ops->open(&conf, &c->port, why, size);
	if (rc != 0)
		return rc;
	if (!c->offloads)
		peel_port_socket_disable_offloads(c->port, true, true);
	c->ops->local(c->port, &port);
	local = peel_addr_ipv4(127, 0, 0, 1, 0);
	return io_peer_sockets(&c->peer, &local, &port, &c->to);
}

static void
add_results(struct bench *b, struct io_case *c)
{
	for (unsigned int s = 0; s < N_SIZES; s++) {
		c->cost[s] = bench_result(b, "cost", "us/datagram", "{s:s,s:s,s:i}", "driver",
			c->driver, "datagrams", c->how, "bytes", sizes[s]);
		c->rate[s] = bench_result(b, "rate", "datagrams/s", "{s:s,s:s,s:i}", "driver",
			c->driver, "datagrams", c->how, "bytes", sizes[s]);
	}
}

static void
open_all(struct bench *b, struct rte_mempool *pool, struct peel_rcu *rcu, bool own_net, double time)
{
	char why[256];

	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		struct io_case *c = &cases[i];

		snprintf(why, sizeof(why), "needs root");
		if ((c->net == 0 || own_net) && open_case(c, pool, rcu, why, sizeof(why)) == 0) {
			/* It must work once, at both sizes, to be measured. */
			c->open = sample(c, 0, time, false) && sample(c, 1, time, false);
			if (!c->open)
				snprintf(why, sizeof(why), "nothing came through");
		}
		if (c->open)
			add_results(b, c);
		else
			fprintf(stderr, "skipped: %s: %s\n", c->driver, why);
	}
}

static void
vs_all(void)
{
	for (size_t i = 1; i < PEEL_ARRAY_LEN(cases); i++) {
		for (unsigned int s = 0; s < N_SIZES && cases[i].open && cases[0].open; s++)
			bench_vs(cases[i].cost[s], "socket alone", cases[0].cost[s]);
	}
}

int
main(int argc, char **argv)
{
	char *args[] = {"bench_io", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"256", "-l", "0", "--log-level=1", NULL};
	struct bench b;
	struct rte_mempool *pool;
	struct peel_rcu *rcu;
	bool own_net;
	double time;

	bench_begin(&b, "io", argc, argv, NULL);
	/* Before there are threads: all of them live in the new namespace. */
	own_net = unshare(CLONE_NEWNET) == 0;

	if (own_net && system("ip link set lo up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1 "
			      "net.ipv6.conf.default.disable_ipv6=1") != 0)
		fprintf(stderr, "the namespace is not as it should be\n");
	if (rte_eal_init((int)PEEL_ARRAY_LEN(args) - 1, args) < 0 || peel_rcu_new(1, &rcu) != 0)
		bench_fail("EAL does not start");
	bench_pin(0); /* EAL moved us */
	pool = peel_port_pool_new("bench", MBUFS, false, SOCKET_ID_ANY);
	if (pool == NULL)
		bench_fail("no memory");
	time = b.quick ? SECONDS_QUICK : SECONDS;
	open_all(&b, pool, rcu, own_net, time);
	for (unsigned int round = 0; round < b.rounds; round++) {
		bench_progress(&b, "round %u of %u", round + 1, b.rounds);
		for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
			for (unsigned int s = 0; s < N_SIZES && cases[i].open; s++)
				sample(&cases[i], s, time, true);
		}
	}
	vs_all();
	close_all();
	peel_rcu_free(rcu);
	return bench_end(&b);
}
