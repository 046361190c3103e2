/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Where datagrams come out of circuits: a socket for all of 127.0.0.0/8, and a thread that counts
 * what arrives and, with echo, sends it back. */

#include "lanes.h"

/** Open the sink and start its thread. 0 or -errno. */
int sink_start(struct load *load);
/** CPU time of the sink's thread. */
uint64_t sink_cpu_ns(void);
