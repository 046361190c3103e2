/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engine "avx512": our own, x86-64 with AVX-512 IFMA and VBMI2 (Intel since Ice Lake, AMD since
 * Zen 4). */

#include "peel_aead.h"

extern const struct peel_aead_engine peel_aead_avx512;
