/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The user that a socket of this machine belongs to, from the kernel's socket diagnostics
 * (netlink), which any process may query for a single socket. It answers at once, whatever the
 * number of sockets. Thread: any.
 */

#include "peel_base.h"

/** The owner of the TCP socket at the other end of a connection. -ENOENT: not a socket of this
 * machine; other errors: the kernel cannot say. */
int peel_owner_tcp(
	const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid) PEEL_MUST_USE;
/** The owner of the UDP socket that sent from @p peer to @p own. -ENOENT: not a socket of this
 * machine, already closed, or the kernel cannot say for UDP. */
int peel_owner_udp(
	const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid) PEEL_MUST_USE;
