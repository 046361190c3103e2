/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "socket_internal.h"

#define EXITS_PER_SECOND 50000 /* looks at idle exit sockets: every 20 us */
/* until segments are tried again on a path with a small MTU */
#define NO_GSO_SECONDS 60

/* Exit endpoints take two descriptors each. */
static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void
warn_file_limit(const struct peel_port_conf *conf)
{
	struct rlimit limit;
	uint64_t want = 2 * (uint64_t)conf->max_endpoints + PEEL_PORT_SPARE_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < want)
		peel_log(PEEL_LOG_WARNING,
			"the limit of open files (%llu) is too low for %u exit circuits: raise it "
			"to %llu",
			(unsigned long long)limit.rlim_cur, conf->max_endpoints,
			(unsigned long long)want);
}

static void
queue_free(struct sock_queue *q)
{
	if (q == NULL)
		return;
	socket_rx_fini(&q->rx);
	socket_tx_fini(&q->tx);
	free(q->rx.overflow);
	if (q->fd >= 0)
		close(q->fd);
	if (q->exit_epoll >= 0)
		close(q->exit_epoll);
	if (q->event_fd >= 0)
		close(q->event_fd);
	free(q);
}

static void
port_close(struct peel_port *port)
{
	if (port == NULL)
		return;
	for (uint16_t i = 0; port->queue != NULL && i < port->n_queues; i++)
		queue_free(port->queue[i]);
	socket_exits_free(port->exits, port->rcu);
	free(port->queue);
	free(port);
}

static int
queue_new(struct peel_port *port, struct peel_stats *stats, struct sock_queue **out)
{
	struct sock_queue *q = aligned_alloc(_Alignof(struct sock_queue), sizeof(*q));

	if (q == NULL)
		return -ENOMEM;
	memset(q, 0, sizeof(*q));
	*out = q;
	q->port = port;
	q->stats = stats;
	q->fd = q->exit_epoll = q->event_fd = -1;
	/* Reserved, not touched: pages come when large messages do. */
	q->rx.overflow = malloc((size_t)(SOCK_MESSAGES + 1) * SOCK_SUPER_MAX);
	if (q->rx.overflow == NULL)
		return -ENOMEM;
	socket_rx_init(&q->rx);
	q->exit_epoll = epoll_create1(EPOLL_CLOEXEC);
	if (q->exit_epoll < 0)
		return -errno;
	q->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return q->event_fd < 0 ? -errno : 0;
}

static int
bound_address(int fd, struct peel_addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0)
		return -errno;

	/* Not peel_addr_from_sockaddr alone: an IPv6 socket bound to a mapped address stays an IPv6
	 * socket. */
	int rc = peel_addr_from_sockaddr(&ss, out);

	if (rc == 0 && ss.ss_family == AF_INET6) {
		memcpy(out->ip, &((struct sockaddr_in6 *)&ss)->sin6_addr, 16);
		out->family = PEEL_FAMILY_IPV6;
	}
	return rc;
}

/* SO_REUSEPORT lets any process of the same user join: make sure that we are the first. */
static int
probe_port(const struct peel_addr *listen)
{
	int fd = socket_open(listen, false, false, 0);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int
open_main(struct peel_port *port, const struct peel_port_conf *conf, char *why, size_t why_size)
{
	struct peel_addr address = conf->listen;
	bool share = conf->n_queues > 1;
	char text[PEEL_ADDR_TEXT_MAX];
	int rc = share && address.port != 0 ? probe_port(&address) : 0;

	for (uint16_t i = 0; rc >= 0 && i < conf->n_queues; i++) {
		struct sock_queue *q = port->queue[i];

		rc = q->fd = socket_open(&address, share, false, PEEL_PORT_BUFFER_BYTES);
		if (rc >= 0)
			rc = bound_address(q->fd, &address); /* port 0: the others follow */
		if (rc >= 0) {
			port->gro = socket_set_gro(q->fd, true);
			port->gso = socket_has_gso(q->fd);
			socket_tx_init(&q->tx, port->gso);
		}
	}
	if (rc < 0)
		return peel_fail(why, why_size, rc, "cannot listen on UDP %s: %s%s",
			peel_addr_text(&conf->listen, text), strerror(-rc),
			rc == -EADDRINUSE      ? "; is another node running? choose another port"
			: rc == -EADDRNOTAVAIL ? "; choose an address of this machine, or 0.0.0.0"
			: rc == -EACCES	       ? "; choose a port from 1024 up"
					       : "");
	port->local = address;
	return 0;
}

/* Try what exit_open will do, so that a wrong address is known at the start. */
static int
check_exits(struct peel_port *port, const struct peel_port_conf *conf, char *why, size_t why_size)
{
	char text[PEEL_ADDR_TEXT_MAX];
	int fd;

	port->exit_ipv4 = conf->exit_ipv4;
	port->exit_ipv6 = conf->exit_ipv6;
	port->exit_ipv4.family = PEEL_FAMILY_IPV4;
	port->exit_ipv6.family = PEEL_FAMILY_IPV6;
	port->exit_ipv4.port = port->exit_ipv6.port = 0;
	if (conf->max_endpoints == 0)
		return 0;
	fd = socket_open(&port->exit_ipv4, false, false, 0);
	if (fd < 0)
		return peel_fail(why, why_size, fd,
			"cannot open exit sockets at %s: %s; choose an address of this machine",
			peel_addr_text(&port->exit_ipv4, text), strerror(-fd));
	close(fd);
	fd = socket_open(&port->exit_ipv6, false, true, 0);
	port->ipv6_exits = fd >= 0;
	if (fd >= 0)
		close(fd);
	else if (conf->exit_ipv6.family != PEEL_FAMILY_NONE)
		return peel_fail(why, why_size, fd,
			"cannot open exit sockets at %s: %s; choose an address of this machine",
			peel_addr_text(&port->exit_ipv6, text), strerror(-fd));
	return 0;
}

static int
check_conf(const struct peel_port_conf *conf, char *why, size_t why_size)
{
	if (conf->n_queues == 0 || conf->pool == NULL || conf->rcu == NULL || conf->stats == NULL ||
		(conf->listen.family != PEEL_FAMILY_IPV4 &&
			conf->listen.family != PEEL_FAMILY_IPV6))
		return peel_fail(why, why_size, -EINVAL,
			"the port needs queues, a pool, RCU, counters and an address to listen on");
	if (!peel_port_pool_fits(conf->pool))
		return peel_fail(why, why_size, -EINVAL,
			"the packet pool's buffers are too small; make it with peel_port_pool_new");
	return 0;
}

static int
open_parts(struct peel_port *port, const struct peel_port_conf *conf, char *why, size_t why_size)
{
	int rc = socket_exits_new(conf->max_endpoints, &port->exits);

	for (uint16_t i = 0; rc == 0 && i < conf->n_queues; i++)
		rc = queue_new(port, conf->stats[i], &port->queue[i]);
	if (rc != 0)
		return peel_fail(why, why_size, rc,
			"no memory or no file descriptor left for the sockets: %s", strerror(-rc));
	rc = open_main(port, conf, why, why_size);
	if (rc == 0)
		rc = check_exits(port, conf, why, why_size);
	return rc;
}

static int
port_open(const struct peel_port_conf *conf, struct peel_port **out, char *why, size_t why_size)
{
	struct peel_port *port;
	int rc = check_conf(conf, why, why_size);

	*out = NULL;
	if (rc != 0)
		return rc;
	raise_file_limit();
	warn_file_limit(conf);
	port = calloc(1, sizeof(*port));
	if (port != NULL)
		port->queue = calloc(conf->n_queues, sizeof(*port->queue));
	if (port == NULL || port->queue == NULL) {
		free(port);
		return peel_fail(why, why_size, -ENOMEM, "no memory for the port");
	}
	port->n_queues = conf->n_queues;
	port->pool = conf->pool;
	port->rcu = conf->rcu;
	port->seed = peel_random_u64(conf->env != NULL ? conf->env : &peel_env_system);
	port->exit_period_tsc = rte_get_tsc_hz() / EXITS_PER_SECOND;
	port->no_gso_period_tsc = rte_get_tsc_hz() * NO_GSO_SECONDS;
	rc = open_parts(port, conf, why, why_size);
	if (rc != 0) {
		port_close(port);
		return rc;
	}
	*out = port;
	return 0;
}

static void
port_local(const struct peel_port *port, struct peel_addr *out)
{
	*out = port->local;
}

/* Datagrams that the kernel dropped because a main socket was full. */
static uint64_t
kernel_drops(const struct peel_port *port)
{
	uint64_t sum = 0;

	for (uint16_t i = 0; i < port->n_queues; i++) {
		uint32_t info[SK_MEMINFO_VARS] = {0};
		socklen_t len = sizeof(info);

		if (getsockopt(port->queue[i]->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0)
			sum += info[SK_MEMINFO_DROPS];
	}
	return sum;
}

static void
port_dump(const struct peel_port *port, void (*line)(void *arg, const char *name, uint64_t value),
	void *arg)
{
	static const struct {
		const char *name;
		size_t offset;
	} details[] = {
		{"rx_messages", offsetof(struct sock_details, rx_messages)},
		{"rx_coalesced_messages", offsetof(struct sock_details, rx_coalesced)},
		{"rx_coalesced_datagrams", offsetof(struct sock_details, rx_coalesced_segments)},
		{"rx_copied_datagrams", offsetof(struct sock_details, rx_copied)},
		{"tx_messages", offsetof(struct sock_details, tx_messages)},
		{"tx_segmented_messages", offsetof(struct sock_details, tx_gso)},
		{"tx_segmented_datagrams", offsetof(struct sock_details, tx_gso_segments)},
		{"tx_resent_datagrams", offsetof(struct sock_details, tx_resent)},
	};
	bool gso = port->gso;

	for (uint16_t i = 0; i < port->n_queues; i++)
		gso = gso && __atomic_load_n(&port->queue[i]->tx.gso, __ATOMIC_RELAXED);
	line(arg, "receive_coalescing", port->gro);
	line(arg, "send_segmentation", gso);
	line(arg, "exit_endpoints", port->exits->n_open);
	line(arg, "exit_endpoints_max", port->exits->max);
	line(arg, "exit_ipv6", port->ipv6_exits);
	line(arg, "rx_kernel_drops", kernel_drops(port));
	for (size_t d = 0; d < PEEL_ARRAY_LEN(details); d++) {
		uint64_t sum = 0;

		for (uint16_t i = 0; i < port->n_queues; i++) {
			const char *base = (const char *)&port->queue[i]->details;

			sum += __atomic_load_n(
				(const uint64_t *)(const void *)(base + details[d].offset),
				__ATOMIC_RELAXED);
		}
		line(arg, details[d].name, sum);
	}
}

void
peel_port_socket_disable_offloads(struct peel_port *port, bool gro, bool gso)
{
	for (uint16_t i = 0; i < port->n_queues; i++) {
		struct sock_queue *q = port->queue[i];

		if (gro)
			port->gro = socket_set_gro(q->fd, false);
		if (gso)
			port->gso = q->tx.gso = false;
	}
}

int
peel_port_socket_fd(
	const struct peel_port *port, uint16_t queue, uint32_t endpoint, enum peel_family family)
{
	if (endpoint == PEEL_ENDPOINT_MAIN)
		return queue < port->n_queues ? port->queue[queue]->fd : -1;
	return socket_exit_fd(port->exits, endpoint, family);
}

const struct peel_port_ops peel_port_socket = {
	.name = "socket",
	.sleeps = true,
	.open = port_open,
	.close = port_close,
	.local = port_local,
	.rx = socket_rx,
	.tx = socket_tx,
	.flush = socket_flush,
	.wait = socket_wait,
	.wake = socket_wake,
	.exit_open = socket_exit_open,
	.exit_close = socket_exit_close,
	.exit_bind = socket_exit_bind,
	.can_reach = socket_can_reach,
	.dump = port_dump,
};
