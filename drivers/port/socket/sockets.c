/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

/* Best effort: past the administrator's limit only with privileges. */
static void
set_buffer(int fd, int force, int plain, int bytes)
{
	if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

static int
set_options(int fd, const struct peel_addr *a, bool reuse_port, bool v6_only, int buffer_bytes)
{
	int one = 1, only = v6_only, fragment = IP_PMTUDISC_DONT;

	if (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0)
		return -errno;
	if (a->family == PEEL_FAMILY_IPV6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) != 0)
		return -errno;
	/* The protocol has no notion of a path MTU and its cells grow at each hop: let routers fragment. On a
	 * dual-stack socket this is for the IPv4 half. */
	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragment, sizeof(fragment));
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffer_bytes);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffer_bytes);
	return 0;
}

int
peel_sock_open(const struct peel_addr *bind_to, bool reuse_port, bool v6_only, int buffer_bytes)
{
	int family = bind_to->family == PEEL_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage ss;
	int rc;

	if (fd < 0)
		return -errno;
	rc = set_options(fd, bind_to, reuse_port, v6_only, buffer_bytes);
	if (rc == 0) {
		socklen_t len = peel_addr_to_sockaddr(bind_to, &ss);

		rc = bind(fd, (struct sockaddr *)&ss, len) == 0 ? 0 : -errno;
	}
	if (rc != 0) {
		close(fd);
		return rc;
	}
	return fd;
}

bool
peel_sock_set_gro(int fd, bool on)
{
	int value = on;

	return setsockopt(fd, SOL_UDP, UDP_GRO, &value, sizeof(value)) == 0 && on;
}

bool
peel_sock_has_gso(int fd)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &len) == 0;
}

static bool
is_any(const struct peel_addr *a)
{
	static const uint8_t zero[16];

	return memcmp(a->ip, zero, sizeof(zero)) == 0;
}

/* Does an interface address reach one of our sockets? Loopback addresses count only for the main socket: as exit
 * destinations the policy refuses them with all other private ones. */
static bool
reaches_us(const struct peel_port *port, const struct peel_addr *a, bool loopback)
{
	const struct peel_addr *exit_addr =
		a->family == PEEL_FAMILY_IPV4 ? &port->exit_ipv4 : &port->exit_ipv6;

	if (is_any(&port->local) &&
		(port->local.family == a->family || port->local.family == PEEL_FAMILY_IPV6))
		return true;
	return is_any(exit_addr) && !loopback;
}

static void
add_own(struct peel_port *port, struct peel_addr a)
{
	a.port = 0;
	if (!is_any(&a) && !peel_sock_is_own(port, &a))
		port->own[port->n_own++] = a;
}

int
peel_sock_read_own(struct peel_port *port)
{
	struct ifaddrs *list = NULL, *i;
	size_t n = 3;

	if (getifaddrs(&list) != 0)
		list = NULL; /* then only what was configured */
	for (i = list; i != NULL; i = i->ifa_next)
		n++;
	port->own = calloc(n, sizeof(*port->own));
	if (port->own == NULL) {
		freeifaddrs(list);
		return -ENOMEM;
	}
	add_own(port, port->local);
	add_own(port, port->exit_ipv4);
	add_own(port, port->exit_ipv6);
	for (i = list; i != NULL; i = i->ifa_next) {
		struct sockaddr_storage ss = {0};
		struct peel_addr a;

		if (i->ifa_addr == NULL ||
			(i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&ss, i->ifa_addr,
			i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							  : sizeof(struct sockaddr_in6));
		if (peel_addr_from_sockaddr(&ss, &a) == 0 &&
			reaches_us(port, &a, i->ifa_flags & IFF_LOOPBACK))
			add_own(port, a);
	}
	if (list != NULL)
		freeifaddrs(list);
	return 0;
}

bool
peel_sock_is_own(const struct peel_port *port, const struct peel_addr *a)
{
	for (size_t i = 0; i < port->n_own; i++) {
		if (peel_addr_same_ip(&port->own[i], a))
			return true;
	}
	return false;
}

/* The kernel knows: connecting a UDP socket looks for a route and sends nothing. */
bool
peel_sock_can_reach(const struct peel_port *port, bool exit, const struct peel_addr *to)
{
	struct peel_addr from = !exit				 ? port->local
				: to->family == PEEL_FAMILY_IPV4 ? port->exit_ipv4
								 : port->exit_ipv6;
	struct peel_addr there = *to;
	struct sockaddr_storage ss;
	bool found;
	int fd;

	if (from.family != to->family) {
		/* Only a main socket for both families is of another one than what it sends to. */
		if (from.family != PEEL_FAMILY_IPV6 || !is_any(&from))
			return false;
		from = (struct peel_addr){.family = to->family};
	}
	if (exit && to->family == PEEL_FAMILY_IPV6 && !port->ipv6_exits)
		return false;
	from.port = 0;
	there.port = 1; /* any but 0 */
	fd = peel_sock_open(&from, false, false, 0);
	if (fd < 0)
		return false;

	socklen_t len = peel_addr_to_sockaddr(&there, &ss);

	found = connect(fd, (struct sockaddr *)&ss, len) == 0;
	close(fd);
	return found;
}
