/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engine "ipsec_mb": Intel's Multi-Buffer Crypto for IPsec library, x86-64 with SSE4.2 up to
 * AVX-512. */

#include "peel_aead.h"

extern const struct peel_aead_engine peel_aead_ipsec_mb;

/** With the library's code for AVX2, also where it would take that for AVX-512: to compare with
 * what other CPUs do. -ENOTSUP where both are the same. */
extern const struct peel_aead_engine peel_aead_ipsec_mb_avx2;
