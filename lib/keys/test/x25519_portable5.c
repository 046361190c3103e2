/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The code for IFMA as every CPU runs it: tests compare it with libsodium on CPUs that lack IFMA,
 * and valgrind can follow it.
 */
#define X25519_NAME x25519_portable5
#include "x25519_portable.h"
#include "x25519_lanes.c"
