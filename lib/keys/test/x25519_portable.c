/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The vector code as every CPU runs it: tests compare it with libsodium on CPUs that lack IFMA, and
 * valgrind can follow it.
 */
#define x25519_lanes x25519_lanes_portable
#include "x25519_lanes.c"
