/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The addresses that the kernel considers local in this network namespace, and notifications of
 * changes. Nothing here blocks: the kernel answers within the system call. Thread: control.
 */

#include "peel_policy.h"

struct netlink {
	int changes; /* readable when something changed; -1: not open */
	int dump;
	uint32_t number; /* sequence number of the last dump */
};

#define NETLINK_CLOSED ((struct netlink){-1, -1, 0})

/** Open both sockets. 0, or a -errno of the kernel with nothing left open. */
int netlink_open(struct netlink *nl) PEEL_MUST_USE;
/** Also fine if it is not open (both -1). */
void netlink_close(struct netlink *nl);
/** Drain nl->changes. @return true when there was anything, or anything was lost. */
bool netlink_drain(const struct netlink *nl);

/**
 * The networks whose datagrams this machine keeps for itself: addresses of all interfaces, up or
 * down, and what the local routing table adds to them (all of 127/8, networks routed to `lo`,
 * addresses that a cloud's agent routes here). 0: @p net is malloc'ed, free it. -EAGAIN: it changed
 * meanwhile, ask again; -ENOMEM; or a -errno of the kernel.
 */
int netlink_local(struct netlink *nl, struct peel_network **net, size_t *n) PEEL_MUST_USE;
