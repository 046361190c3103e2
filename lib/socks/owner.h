/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * Which user of this machine a socket belongs to: the kernel's socket diagnostics (netlink), which
 * anybody may ask about one socket. It answers at once, whatever the number of sockets. Thread:
 * any.
 */

#include "peel_base.h"

/** The owner of the TCP socket at the other end of a connection. -ENOENT: it is not of this
 * machine; other errors: the kernel does not tell. */
int socks_owner_tcp(
	const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid) PEEL_MUST_USE;
/** The owner of the UDP socket that sent from @p peer to @p own. -ENOENT: it is not of this
 * machine, closed already, or the kernel cannot tell about UDP. */
int socks_owner_udp(
	const struct peel_addr *peer, const struct peel_addr *own, uint32_t *uid) PEEL_MUST_USE;
