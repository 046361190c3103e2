/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Where datagrams come out of circuits: a socket, and a thread that counts what arrives and, with
 * echo, sends it back. */

#include "lanes.h"

/** Start it with a socket for all of 127.0.0.0/8. 0 or -errno. */
int sink_start(struct load *load);
/** Start it with an association with the SOCKS5 server at that port of 127.0.0.1. No echo. 0 or
 * -errno. */
int sink_start_socks(struct load *load, uint16_t port);
/** CPU time of the sink's thread; 0: it has none. */
uint64_t sink_cpu_ns(void);
