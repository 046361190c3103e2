/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */

/*
 * Smallest program over the port: sends every datagram back to where it came from, through the
 * endpoint it came to. One exit endpoint is open. Runs until stdin ends, then prints its counters.
 *
 *	veth_echo DEVARGS ADDRESS:PORT PREFIX ADDRESS6|- PREFIX6 [SECONDS]
 */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>

#include "peel_port_ethdev.h"

#define MBUFS 16383

static struct peel_stats stats;
static struct peel_stats *const stats_of[] = {&stats};

static void
on_log(void *arg, const struct peel_log_line *line)
{
	(void)arg;
	fprintf(stderr, "veth_echo: %s\n", line->text);
}

static void
on_line(void *arg, const char *name, uint64_t value)
{
	(void)arg;
	if (value != 0)
		printf("%s %llu\n", name, (unsigned long long)value);
}

static bool
stdin_ended(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	char c;

	return poll(&p, 1, 0) > 0 && fread(&c, 1, 1, stdin) == 0;
}

static void
run(struct peel_port *port, uint64_t seconds)
{
	const struct peel_port_ops *ops = &peel_port_ethdev;
	struct rte_mbuf *pkts[PEEL_PORT_BURST];
	uint64_t end = peel_now_ms(&peel_env_system) + seconds * 1000;
	unsigned int idle = 0, rounds = 0;

	while (++rounds % 256 != 0 || (!stdin_ended() && peel_now_ms(&peel_env_system) < end)) {
		uint16_t n = ops->rx(port, 0, pkts, PEEL_PORT_BURST);

		/* The receive fields are those of sending: nothing to change. */
		if (n > 0)
			ops->tx(port, 0, pkts, n);
		ops->flush(port, 0);
		idle = n > 0 ? 0 : idle + 1;
		if (idle > 100)
			ops->wait(port, 0, 1000);
	}
}

static int
set_conf(struct peel_port_conf *c, char **argv)
{
	*c = (struct peel_port_conf){
		.n_queues = 1,
		.stats = stats_of,
		.device = argv[1],
		.prefix_len = (uint8_t)atoi(argv[3]),
		.prefix_len6 = (uint8_t)atoi(argv[5]),
		.exit_port_min = 30000,
		.exit_port_max = 30009,
		.max_endpoints = 4,
		.env = &peel_env_system,
	};
	if (peel_addr_parse(argv[2], 0, &c->listen) != 0)
		return -1;
	if (strcmp(argv[4], "-") != 0 && peel_addr_parse(argv[4], 0, &c->address6) != 0)
		return -1;
	c->pool = peel_port_pool_new("echo", MBUFS, false, SOCKET_ID_ANY);
	return c->pool == NULL || peel_rcu_new(1, &c->rcu) != 0 ? -1 : 0;
}

int
main(int argc, char **argv)
{
	char *eal[] = {argv[0], "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"256", "--lcores", "0@0-1", "--log-level=4", NULL};
	struct peel_port_conf conf;
	struct peel_port *port;
	char why[256];
	uint32_t endpoint;

	if (argc < 6) {
		fprintf(stderr,
			"usage: veth_echo DEVARGS ADDRESS:PORT PREFIX ADDRESS6|- PREFIX6\n");
		return 2;
	}
	peel_log_set(on_log, NULL, PEEL_LOG_INFO);
	if (rte_eal_init((int)PEEL_ARRAY_LEN(eal) - 1, eal) < 0 || set_conf(&conf, argv) != 0)
		return 1;
	if (peel_port_ethdev.open(&conf, &port, why, sizeof(why)) != 0) {
		fprintf(stderr, "veth_echo: %s\n", why);
		return 1;
	}
	if (peel_port_ethdev.exit_open(port, 0, 1, &endpoint) != 0)
		return 1;
	printf("ready\n");
	fflush(stdout);
	run(port, argc > 6 ? strtoul(argv[6], NULL, 0) : 120);
	for (int c = 0; c < PEEL_N_COUNTERS; c++)
		on_line(NULL, peel_counter_info[c].name,
			peel_stats_get(&stats, (enum peel_counter)c));
	peel_port_ethdev.dump(port, on_line, NULL);
	peel_port_ethdev.close(port);
	peel_rcu_free(conf.rcu);
	return 0;
}
