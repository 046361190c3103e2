/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the control side of exits (outside sockets, names, HTTP) asks whoever owns their circuits.
 * Thread: control. */

#include "peel_base.h"

struct peel_exit_info {
	uint32_t route;		   /* slot of the EXIT route */
	uint32_t endpoint;	   /* 0: not open */
	struct peel_addr previous; /* previous hop */
	uint32_t cid;
};

struct peel_exits {
	/** Describe the exit with that session. 0, or -ENOENT: gone, stale generation, or no longer
	 * an exit. */
	int (*exit)(void *owner, uint32_t session, uint32_t generation, struct peel_exit_info *out);
	/** Record and publish the outside endpoint of an exit. 0, or -ENOENT as above. */
	int (*opened)(void *owner, uint32_t session, uint32_t generation, uint32_t endpoint);
	/** Something else than data has left through the exit, such as an HTTP request. 0 or
	 * -ENOENT. */
	int (*used)(void *owner, uint32_t session, uint32_t generation);
	/** Seal a message (id and body) that came back from outside, and send it to the previous
	 * hop; limits of bandwidth may hold it back. This works until the exit's sockets close. 0,
	 * -ENOENT, or -EINVAL: longer than a datagram carries. */
	int (*answer)(void *owner, uint32_t session, const uint8_t *msg, size_t len);
	void *owner;
};
