/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "socket_internal.h"

#define EXIT_BUFFER_BYTES (1 << 20)

int
socket_exits_new(uint32_t max, struct sock_exits **out)
{
	struct sock_exits *x = calloc(1, sizeof(*x));
	size_t bytes = ((size_t)max + 1) * sizeof(*x->endpoint);

	*out = NULL;
	if (x == NULL)
		return -ENOMEM;
	x->endpoint = aligned_alloc(_Alignof(struct sock_endpoint), bytes);
	if (x->endpoint == NULL) {
		free(x);
		return -ENOMEM;
	}
	memset(x->endpoint, 0, bytes);
	x->max = max;
	for (uint32_t i = 0; i <= max; i++)
		x->endpoint[i].fd4 = x->endpoint[i].fd6 = -1;
	peel_slots_init(&x->slots, max + 1, PEEL_REUSE_LATE, PEEL_LINKS(x->endpoint, next));
	(void)peel_slots_take(&x->slots); /* 0 is no endpoint */
	peel_list_init(&x->closed, PEEL_LINKS(x->endpoint, next));
	*out = x;
	return 0;
}

static void
close_sockets(struct sock_endpoint *e)
{
	if (e->fd4 >= 0)
		close(e->fd4);
	if (e->fd6 >= 0)
		close(e->fd6);
	e->fd4 = e->fd6 = -1;
}

static void
free_table(struct sock_exits *x)
{
	for (uint32_t i = 1; i <= x->max; i++)
		close_sockets(&x->endpoint[i]);
	free(x->endpoint);
	free(x);
}

/* After the grace period: no worker holds the descriptors any more. */
static void
end_endpoint(void *arg, uint64_t number)
{
	struct sock_exits *x = arg;
	struct sock_endpoint *e = &x->endpoint[number];

	close_sockets(e);
	peel_slots_give(&x->slots, (uint32_t)number);
	x->deferred--;
	if (x->orphan && x->deferred == 0)
		free_table(x);
}

/* Hand closed endpoints to RCU; what it has no memory for waits for the next call. */
static void
defer_closed(struct sock_exits *x, struct peel_rcu *rcu)
{
	while (x->closed.first != PEEL_NONE) {
		if (peel_rcu_defer(rcu, end_endpoint, x, x->closed.first) != 0)
			return;
		(void)peel_list_take(&x->closed);
		x->deferred++;
	}
}

void
socket_exits_free(struct sock_exits *x, struct peel_rcu *rcu)
{
	if (x == NULL)
		return;
	/* The workers have stopped, so what is deferred is due; if not, its last callback frees the
	 * table. */
	peel_rcu_poll(rcu);
	x->orphan = true;
	if (x->deferred == 0)
		free_table(x);
}

static int
watch(struct sock_queue *q, int fd, uint64_t event)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = event};

	return epoll_ctl(q->exit_epoll, EPOLL_CTL_ADD, fd, &ev) == 0 ? 0 : -errno;
}

static int
open_one(const struct peel_addr *bind_to, bool v6_only)
{
	int fd = socket_open(bind_to, false, v6_only, EXIT_BUFFER_BYTES);

	if (fd < 0 || peel_files_spared(fd, PEEL_PORT_SPARE_FILES))
		return fd;
	close(fd);
	return -EMFILE;
}

static int
open_sockets(struct peel_port *port, struct sock_queue *q, struct sock_endpoint *e, uint32_t number,
	uint32_t generation)
{
	int rc = -EAFNOSUPPORT;

	e->fd4 = e->fd6 = -1;
	if (port->exit_ipv4.family != PEEL_FAMILY_NONE) {
		rc = e->fd4 = open_one(&port->exit_ipv4, false);
		if (rc < 0)
			return rc;
		socket_set_gro(e->fd4, port->gro);
		rc = watch(q, e->fd4, sock_event(number, generation, false));
		if (rc != 0)
			return rc;
	}
	if (port->exit_ipv6.family == PEEL_FAMILY_NONE)
		return rc;
	rc = e->fd6 = open_one(&port->exit_ipv6, true);
	port->ipv6_exits = rc >= 0;
	/* A machine may get IPv6 later, and lose it again. */
	if ((rc == -EAFNOSUPPORT || rc == -EADDRNOTAVAIL) && e->fd4 >= 0)
		return 0;
	if (rc < 0)
		return rc;
	socket_set_gro(e->fd6, port->gro);
	return watch(q, e->fd6, sock_event(number, generation, true));
}

int
socket_exit_bind(struct peel_port *port, const struct peel_addr *ipv4, const struct peel_addr *ipv6)
{
	const struct peel_addr *address[] = {ipv4, ipv6};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(address); i++) {
		int fd;

		if (address[i]->family == PEEL_FAMILY_NONE || peel_addr_is_any(address[i]))
			continue;
		fd = socket_open(address[i], false, address[i] == ipv6, 0);
		if (fd < 0)
			return fd;
		close(fd);
	}
	port->exit_ipv4 = *ipv4;
	port->exit_ipv6 = *ipv6;
	port->exit_ipv4.port = port->exit_ipv6.port = 0;
	port->ipv6_exits = ipv6->family != PEEL_FAMILY_NONE;
	return 0;
}

int
socket_exit_open(struct peel_port *port, uint16_t queue, uint64_t cookie, uint32_t *endpoint)
{
	struct sock_exits *x = port->exits;
	uint32_t number;

	*endpoint = 0;
	if (queue >= port->n_queues)
		return -EINVAL;
	defer_closed(x, port->rcu);
	number = peel_slots_take(&x->slots);
	if (number == PEEL_NONE)
		return -ENOSPC;

	struct sock_queue *q = port->queue[queue];
	struct sock_endpoint *e = &x->endpoint[number];
	uint32_t generation = e->generation + 1;

	e->queue = queue;
	e->cookie = cookie;
	memset(&e->hint, 0, sizeof(e->hint));

	/* An event may reach the worker before the store below; it is stale then, and reported
	 * again afterwards. */
	int rc = open_sockets(port, q, e, number, generation);

	if (rc != 0) {
		/* The worker has not seen the endpoint, so its sockets (and with them their events)
		 * can go at once. */
		close_sockets(e);
		peel_slots_give(&x->slots, number);
		return rc;
	}
	x->n_open++;
	__atomic_store_n(&q->n_exits, q->n_exits + 1, __ATOMIC_RELAXED);
	/* Pairs with the acquire in socket_exit_fd and socket_exit_source: fields before number. */
	__atomic_store_n(&e->generation, generation, __ATOMIC_RELEASE);
	*endpoint = number;
	return 0;
}

void
socket_exit_close(struct peel_port *port, uint32_t endpoint)
{
	struct sock_exits *x = port->exits;

	if (endpoint == 0 || endpoint > x->max || (x->endpoint[endpoint].generation & 1) == 0)
		return;

	struct sock_endpoint *e = &x->endpoint[endpoint];
	struct sock_queue *q = port->queue[e->queue];

	__atomic_store_n(&e->generation, e->generation + 1, __ATOMIC_RELEASE);
	if (e->fd4 >= 0)
		epoll_ctl(q->exit_epoll, EPOLL_CTL_DEL, e->fd4, NULL);
	if (e->fd6 >= 0)
		epoll_ctl(q->exit_epoll, EPOLL_CTL_DEL, e->fd6, NULL);
	__atomic_store_n(&q->n_exits, q->n_exits - 1, __ATOMIC_RELAXED);
	x->n_open--;
	peel_list_add_first(&x->closed, endpoint);
	defer_closed(x, port->rcu);
}

int
socket_exit_fd(const struct sock_exits *x, uint32_t endpoint, uint8_t family)
{
	if (endpoint == 0 || endpoint > x->max)
		return -1;

	const struct sock_endpoint *e = &x->endpoint[endpoint];

	/* Acquire: pairs with the release in socket_exit_open. */
	if ((__atomic_load_n(&e->generation, __ATOMIC_ACQUIRE) & 1) == 0)
		return -1;
	return family == PEEL_FAMILY_IPV4 ? e->fd4 : family == PEEL_FAMILY_IPV6 ? e->fd6 : -1;
}

bool
socket_exit_source(struct sock_exits *x, uint64_t event, struct sock_source *out)
{
	struct sock_endpoint *e = &x->endpoint[(uint32_t)event];
	bool v6 = event >> 32 & 1;

	/* Acquire: pairs with the release in socket_exit_open. Generations of an event have lost
	 * their top bit. */
	uint32_t generation = __atomic_load_n(&e->generation, __ATOMIC_ACQUIRE);

	if (sock_event((uint32_t)event, generation, v6) != event)
		return false;
	*out = (struct sock_source){
		.fd = v6 ? e->fd6 : e->fd4,
		.endpoint = (uint32_t)event,
		.cookie = e->cookie,
		.hint = &e->hint,
	};
	return true;
}
