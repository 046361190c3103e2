/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The same for AVX2.
 */
#define X25519_NAME x25519_portable10
#define X25519_TEN_LIMBS
#define X25519_ROLLED
#include "x25519_portable.h"
#include "x25519_lanes.c"
