/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What the kernel says about an interface: netlink, and a lock.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "interface.h"

/* a card with many virtual functions says more, and what we look for stands before them */
#define ANSWER_MAX 16384

int
interface_open(void)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? -errno : fd;
}

/* A request about one interface, attributes behind it. */
struct request {
	struct nlmsghdr h;
	struct ifinfomsg i;
	uint8_t attributes[64];
};

/* @return the attribute, into which others may be put. */
static struct rtattr *
put(struct request *q, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)((uint8_t *)q + NLMSG_ALIGN(q->h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len > 0)
		memcpy(RTA_DATA(a), data, len);
	q->h.nlmsg_len = NLMSG_ALIGN(q->h.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void
take_xdp(const struct rtattr *nest, struct interface *out)
{
	int left = (int)RTA_PAYLOAD(nest);

	for (const struct rtattr *a = RTA_DATA(nest); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_XDP_PROG_ID && RTA_PAYLOAD(a) >= 4)
			memcpy(&out->xdp, RTA_DATA(a), 4);
		else if (a->rta_type == IFLA_XDP_ATTACHED && RTA_PAYLOAD(a) >= 1)
			memcpy(&out->xdp_mode, RTA_DATA(a), 1);
	}
}

static void
take_attributes(const struct rtattr *a, int left, struct interface *out)
{
	struct rtnl_link_stats64 stats;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_MTU && RTA_PAYLOAD(a) >= 4) {
			memcpy(&out->mtu, RTA_DATA(a), 4);
		} else if (a->rta_type == IFLA_STATS64 &&
			   RTA_PAYLOAD(a) >= offsetof(struct rtnl_link_stats64, rx_bytes)) {
			memcpy(&stats, RTA_DATA(a), offsetof(struct rtnl_link_stats64, rx_bytes));
			out->tx_frames = stats.tx_packets;
		} else if ((a->rta_type & NLA_TYPE_MASK) == IFLA_XDP) {
			take_xdp(a, out);
		}
	}
}

/* -EAGAIN: not the answer to @p seq. */
static int
take_answer(const struct nlmsghdr *h, size_t len, uint32_t seq, struct interface *out)
{
	const struct ifinfomsg *i = NLMSG_DATA(h);
	const struct nlmsgerr *e = NLMSG_DATA(h);

	if (!NLMSG_OK(h, len) || h->nlmsg_seq != seq)
		return -EAGAIN;
	if (h->nlmsg_type == NLMSG_ERROR && h->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)))
		return e->error;
	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*i)))
		return -EAGAIN;
	memset(out, 0, sizeof(*out));
	out->index = i->ifi_index;
	out->up = (i->ifi_flags & IFF_UP) != 0;
	out->running = (i->ifi_flags & IFF_RUNNING) != 0;
	take_attributes(IFLA_RTA(i), (int)IFLA_PAYLOAD(h), out);
	return 0;
}

/* @p out is filled in by an answer that describes an interface, not by an acknowledgement. */
static int
talk(int fd, struct request *q, struct interface *out)
{
	static uint32_t last;
	_Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
	int rc;

	/* nodes have a thread each */
	q->h.nlmsg_seq = __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
	if (send(fd, q, q->h.nlmsg_len, MSG_DONTWAIT) < 0)
		return -errno;
	/* The kernel has answered by now. What else there is, is from a question that nobody waited
	 * for. */
	do {
		ssize_t n = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);

		if (n < 0)
			return -errno;
		rc = take_answer((const struct nlmsghdr *)answer, (size_t)n, q->h.nlmsg_seq, out);
	} while (rc == -EAGAIN);
	return rc;
}

int
interface_get(int fd, const char *name, struct interface *out)
{
	struct request q = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(q.i)),
				    .nlmsg_type = RTM_GETLINK,
				    .nlmsg_flags = NLM_F_REQUEST}};
	char text[IFNAMSIZ] = "";

	memcpy(text, name, strnlen(name, sizeof(text) - 1));
	put(&q, IFLA_IFNAME, text, strlen(text) + 1);
	return talk(fd, &q, out);
}

int
interface_xdp_set(int fd, const struct interface *i, int program)
{
	struct request q = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(q.i)),
				    .nlmsg_type = RTM_SETLINK,
				    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		.i = {.ifi_index = i->index}};
	uint32_t flags =
		XDP_FLAGS_UPDATE_IF_NOEXIST |
		(i->xdp_mode == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	struct interface none;
	struct rtattr *nest = put(&q, IFLA_XDP | NLA_F_NESTED, NULL, 0);

	put(&q, IFLA_XDP_FD, &program, sizeof(program));
	put(&q, IFLA_XDP_FLAGS, &flags, sizeof(flags));
	nest->rta_len = (unsigned short)((uint8_t *)&q + q.h.nlmsg_len - (uint8_t *)nest);
	return talk(fd, &q, &none);
}

int
interface_lock(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), n, rc;

	if (fd < 0)
		return -errno;
	/* An abstract name belongs to the network namespace, as the interface does, and ends with
	 * its process. */
	n = snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "peel/interface/%s", name);
	if (bind(fd, (const struct sockaddr *)&a,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}
