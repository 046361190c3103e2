/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <unistd.h>

#include "socket_internal.h"

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
	/* The protocol has no notion of a path MTU and its cells grow at each hop: let routers
	 * fragment. On a dual-stack socket this is for the IPv4 half. */
	(void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragment, sizeof(fragment));
	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, buffer_bytes);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, buffer_bytes);
	return 0;
}

int
socket_open(const struct peel_addr *bind_to, bool reuse_port, bool v6_only, int buffer_bytes)
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
socket_set_gro(int fd, bool on)
{
	int value = on;

	return setsockopt(fd, SOL_UDP, UDP_GRO, &value, sizeof(value)) == 0 && on;
}

bool
socket_has_gso(int fd)
{
	int value;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, &len) == 0;
}

/* The kernel knows: connecting a UDP socket looks for a route and sends nothing. */
bool
socket_can_reach(const struct peel_port *port, bool exit, const struct peel_addr *to)
{
	struct peel_addr from = !exit				 ? port->local
				: to->family == PEEL_FAMILY_IPV4 ? port->exit_ipv4
								 : port->exit_ipv6;
	struct peel_addr there = *to;
	struct sockaddr_storage ss;
	bool found;
	int fd;

	if (from.family == PEEL_FAMILY_NONE)
		return false;
	if (from.family != to->family) {
		/* Only a main socket for both families is of another one than what it sends to. */
		if (from.family != PEEL_FAMILY_IPV6 || !peel_addr_is_any(&from))
			return false;
		from = (struct peel_addr){.family = to->family};
	}
	if (exit && to->family == PEEL_FAMILY_IPV6 && !port->ipv6_exits)
		return false;
	from.port = 0;
	there.port = 1; /* any but 0 */
	fd = socket_open(&from, false, false, 0);
	if (fd < 0)
		return false;

	socklen_t len = peel_addr_to_sockaddr(&there, &ss);

	found = connect(fd, (struct sockaddr *)&ss, len) == 0;
	close(fd);
	return found;
}
