/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What the kernel takes for its own in this network namespace, and word of every change. Nothing
 * here waits: the kernel answers within the system call. Thread: control.
 */

#include "peel_policy.h"

struct netlink {
	int changes; /* readable when something changed; -1: not open */
	int dump;
	uint32_t number; /* of the last dump */
};

#define NETLINK_CLOSED ((struct netlink){-1, -1, 0})

/** 0 or a -errno of the kernel; what was opened on the way is closed again. */
int netlink_open(struct netlink *nl) PEEL_MUST_USE;
/** Also of one that is not open (both -1). */
void netlink_close(struct netlink *nl);
/** Take what waits at nl->changes. @return true when there was something, or something was lost. */
bool netlink_drain(const struct netlink *nl);

/**
 * The networks whose datagrams this machine keeps for itself: addresses of all interfaces, in use
 * or not, and what the local routing table adds to them (all of 127/8, networks routed to `lo`,
 * addresses that a cloud's agent routes here). 0: @p net is malloc'ed, free it. -EAGAIN: it changed
 * meanwhile, ask again; -ENOMEM; or a -errno of the kernel.
 */
int netlink_local(struct netlink *nl, struct peel_network **net, size_t *n) PEEL_MUST_USE;
