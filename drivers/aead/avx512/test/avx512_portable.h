/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engine "avx512" as any CPU can run it: the same source, with portable/immintrin.h in place of
 * the instructions. Only for tests. */

#include "cells.h"

extern const struct peel_aead_engine peel_aead_avx512_portable;

/* As in cells.h; not inlined, so that valgrind says whose a branch is. */
__attribute__((noinline)) void chacha20_keystream_portable(struct cells *c);
__attribute__((noinline)) void cells_xor_mac_portable(
	struct cells *c, enum cells_hash how, bool open);
