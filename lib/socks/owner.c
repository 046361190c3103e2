/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peel_owner.h"

static void
put_end(const struct peel_addr *a, __be32 ip[4], __be16 *port)
{
	memcpy(ip, a->ip, sizeof(a->ip));
	*port = htons(a->port);
}

/* Read the kernel's answer for the socket with port @p want. 0 or -errno. */
static int
read_answer(int fd, uint16_t want, uint32_t *uid)
{
	union {
		struct nlmsghdr header;
		uint8_t bytes[1024];
	} in;
	ssize_t n = recv(fd, &in, sizeof(in), MSG_DONTWAIT);
	const struct nlmsgerr *error = NLMSG_DATA(&in.header);
	const struct inet_diag_msg *found = NLMSG_DATA(&in.header);

	if (n < 0)
		return -errno;
	if (!NLMSG_OK(&in.header, (size_t)n))
		return -EBADMSG;
	if (in.header.nlmsg_type == NLMSG_ERROR &&
		in.header.nlmsg_len >= NLMSG_LENGTH(sizeof(*error)))
		return error->error < 0 ? error->error : -EBADMSG;
	if (in.header.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
		in.header.nlmsg_len < NLMSG_LENGTH(sizeof(*found)))
		return -EBADMSG;
	if (found->id.idiag_sport != htons(want))
		return -ENOENT; /* it found the socket of the other end */
	*uid = found->idiag_uid;
	return 0;
}

static int
ask(int protocol, const struct peel_addr *source, const struct peel_addr *destination,
	uint16_t want, uint32_t *uid)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 body;
	} out = {
		.header = {.nlmsg_len = sizeof(out),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST},
		.body = {.sdiag_family = source->family == PEEL_FAMILY_IPV6 ? AF_INET6 : AF_INET,
			.sdiag_protocol = (uint8_t)protocol,
			.idiag_states = ~0u,
			.id.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG), ret;

	if (fd < 0)
		return -errno;
	put_end(source, out.body.id.idiag_src, &out.body.id.idiag_sport);
	put_end(destination, out.body.id.idiag_dst, &out.body.id.idiag_dport);
	/* The kernel answers within the call. */
	ret = send(fd, &out, sizeof(out), 0) == (ssize_t)sizeof(out) ? read_answer(fd, want, uid)
								     : -errno;
	close(fd);
	return ret;
}

int
peel_owner_tcp(const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid)
{
	return ask(IPPROTO_TCP, peer, own, peer->port, uid);
}

int
peel_owner_udp(const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid)
{
	/* For UDP the kernel looks up which socket would receive a datagram, and takes the source
	 * for the sender; kernels differ. */
	int ret = ask(IPPROTO_UDP, own, peer, peer->port, uid);

	return ret == -ENOENT ? ask(IPPROTO_UDP, peer, own, peer->port, uid) : ret;
}
