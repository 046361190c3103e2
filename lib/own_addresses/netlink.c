/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * rtnetlink(7): dumps of addresses and of the local routing table, and notifications of their
 * changes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink.h"

#define PART_LEN 32768 /* the kernel sends dumps in parts of at most this many bytes */

struct networks {
	struct peel_network *net;
	size_t n, size;
};

/* ---- notices --------------------------------------------------------------------------------- */

/* Filter the notifications: all about addresses, but only local routes. A router with the full
 * Internet table sees thousands of other route changes a minute. */
static int
filter_routes(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTN_LOCAL, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RTN_ANYCAST, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog program = {.len = PEEL_ARRAY_LEN(code), .filter = code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int
open_socket(uint32_t groups)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if ((groups != 0 && filter_routes(fd) != 0) ||
		bind(fd, (const struct sockaddr *)&self, sizeof(self)) != 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

int
netlink_open(struct netlink *nl)
{
	int on = 1;

	*nl = NETLINK_CLOSED;
	nl->changes = open_socket(
		RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
	if (nl->changes < 0)
		return nl->changes;
	nl->dump = open_socket(0);
	if (nl->dump < 0) {
		int rc = nl->dump;

		netlink_close(nl);
		return rc;
	}
	/* With this option the kernel dumps only the table asked for; without it (before
	 * Linux 4.20) it dumps all routes. */
	(void)setsockopt(nl->dump, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	return 0;
}

void
netlink_close(struct netlink *nl)
{
	if (nl->changes >= 0)
		close(nl->changes);
	if (nl->dump >= 0)
		close(nl->dump);
	*nl = NETLINK_CLOSED;
}

bool
netlink_drain(const struct netlink *nl)
{
	uint8_t byte;
	bool any = false;

	/* The content does not matter, only that there was something; ENOBUFS means that more was
	 * lost. */
	while (recv(nl->changes, &byte, sizeof(byte), 0) >= 0 || errno == ENOBUFS)
		any = true;
	return any;
}

/* ---- dumps ----------------------------------------------------------------------------------- */

static int
add(struct networks *list, uint8_t family, const void *ip, uint8_t prefix_len)
{
	struct peel_network net = {.prefix_len = prefix_len};

	if (list->n == list->size) {
		size_t size = list->size == 0 ? 32 : 2 * list->size;
		struct peel_network *more = realloc(list->net, size * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		list->net = more;
		list->size = size;
	}
	net.addr.family = family == AF_INET ? PEEL_FAMILY_IPV4 : PEEL_FAMILY_IPV6;
	if (ip != NULL)
		memcpy(net.addr.ip, ip, family == AF_INET ? 4 : 16);
	list->net[list->n++] = net;
	return 0;
}

/* The last attribute of the wanted kind, or NULL. */
static const struct rtattr *
attribute(const struct rtattr *a, size_t len, unsigned short type, size_t size)
{
	const struct rtattr *found = NULL;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == type && RTA_PAYLOAD(a) >= size)
			found = a;
	}
	return found;
}

static int
take_address(struct networks *list, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	size_t size = m->ifa_family == AF_INET ? 4 : 16;
	const struct rtattr *a;

	/* On a tunnel, IFA_ADDRESS is the address of the other end. */
	a = attribute(IFA_RTA(m), IFA_PAYLOAD(h), IFA_LOCAL, size);
	if (a == NULL)
		a = attribute(IFA_RTA(m), IFA_PAYLOAD(h), IFA_ADDRESS, size);
	return a == NULL ? 0 : add(list, m->ifa_family, RTA_DATA(a), (uint8_t)(8 * size));
}

static int
take_route(struct networks *list, const struct nlmsghdr *h)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	const struct rtattr *a;

	if (m->rtm_table != RT_TABLE_LOCAL ||
		(m->rtm_type != RTN_LOCAL && m->rtm_type != RTN_ANYCAST))
		return 0;
	a = attribute(RTM_RTA(m), RTM_PAYLOAD(h), RTA_DST, m->rtm_family == AF_INET ? 4 : 16);
	return add(list, m->rtm_family, a == NULL ? NULL : RTA_DATA(a), m->rtm_dst_len);
}

/* @return 1 at the end of the dump, 0 to go on, or -errno. */
static int
take(struct networks *list, const struct nlmsghdr *h)
{
	if (h->nlmsg_flags & NLM_F_DUMP_INTR)
		return -EAGAIN;
	switch (h->nlmsg_type) {
	case NLMSG_DONE:
		return 1;
	case NLMSG_ERROR: {
		const struct nlmsgerr *e = NLMSG_DATA(h);

		return e->error < 0 ? e->error : -EPROTO;
	}
	case RTM_NEWADDR:
		return take_address(list, h);
	case RTM_NEWROUTE:
		return take_route(list, h);
	default:
		return 0;
	}
}

static int
read_dump(int fd, uint32_t number, struct networks *list)
{
	union {
		struct nlmsghdr header; /* for its alignment */
		uint8_t bytes[PART_LEN];
	} part;

	for (;;) {
		ssize_t got = recv(fd, &part, sizeof(part), MSG_TRUNC);
		size_t len = got > 0 ? (size_t)got : 0;
		int rc = 0;

		if (got <= 0)
			return got < 0 ? -errno : -EPROTO;
		if (len > sizeof(part))
			return -EMSGSIZE;
		for (const struct nlmsghdr *h = &part.header; NLMSG_OK(h, len) && rc == 0;
			h = NLMSG_NEXT(h, len)) {
			if (h->nlmsg_seq == number)
				rc = take(list, h);
		}
		if (rc != 0)
			return rc == 1 ? 0 : rc;
	}
}

static int
dump(struct netlink *nl, uint16_t type, uint8_t family, struct networks *list)
{
	uint8_t byte;
	int rc;
	struct {
		struct nlmsghdr header;
		union {
			struct ifaddrmsg address;
			struct rtmsg route;
		};
	} ask = {.header = {.nlmsg_type = type,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
			 .nlmsg_seq = ++nl->number}};

	if (type == RTM_GETADDR) {
		ask.header.nlmsg_len = NLMSG_LENGTH(sizeof(ask.address));
		ask.address.ifa_family = family;
	} else {
		ask.header.nlmsg_len = NLMSG_LENGTH(sizeof(ask.route));
		ask.route.rtm_family = family;
		ask.route.rtm_table = RT_TABLE_LOCAL;
	}
	if (send(nl->dump, &ask, ask.header.nlmsg_len, 0) < 0)
		return -errno;
	rc = read_dump(nl->dump, nl->number, list);
	/* A dump that was given up must be drained before the next. */
	while (rc != 0 && recv(nl->dump, &byte, sizeof(byte), 0) >= 0)
		;
	return rc;
}

/* A kernel without IPv6, or with a single table, has nothing to dump for it. */
static bool
is_absent(int rc)
{
	return rc == -ENOENT || rc == -EOPNOTSUPP || rc == -EAFNOSUPPORT;
}

int
netlink_local(struct netlink *nl, struct peel_network **net, size_t *n)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	static const uint16_t types[] = {RTM_GETADDR, RTM_GETROUTE};
	struct networks list = {0};
	int rc = 0;

	if (nl->dump < 0)
		return -EBADF;
	for (size_t i = 0; i < 4 && rc == 0; i++) {
		rc = dump(nl, types[i / 2], families[i % 2], &list);
		if (is_absent(rc))
			rc = 0;
	}
	if (rc != 0) {
		free(list.net);
		return rc;
	}
	*net = list.net;
	*n = list.n;
	return 0;
}
