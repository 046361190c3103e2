/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Several datagrams of one size in one call of the kernel: UDP_SEGMENT and UDP_GRO. */

#include <netinet/in.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/** Room for the size, in both directions. */
union segment_control {
	struct cmsghdr h;
	uint8_t room[CMSG_SPACE(sizeof(int))];
};

/** What is sent with @p h is cut into datagrams of @p size. */
static inline void
segment_cut(struct msghdr *h, union segment_control *control, uint16_t size)
{
	control->h = (struct cmsghdr){.cmsg_level = IPPROTO_UDP,
		.cmsg_type = UDP_SEGMENT,
		.cmsg_len = CMSG_LEN(sizeof(size))};
	memcpy(CMSG_DATA(&control->h), &size, sizeof(size));
	h->msg_control = control;
	h->msg_controllen = CMSG_SPACE(sizeof(size));
}

/** Size of the datagrams that came as @p len bytes. */
static inline size_t
segment_size(struct msghdr *h, size_t len)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(h);
	int size = 0;

	if (c != NULL && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
		memcpy(&size, CMSG_DATA(c), sizeof(size));
	return size > 0 ? (size_t)size : len;
}
