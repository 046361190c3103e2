/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engine "ipsec_mb": Intel's Multi-Buffer Crypto for IPsec library, x86-64 with SSE4.2 up to
 * AVX-512. */

#include "peel_aead.h"

extern const struct peel_aead_engine peel_aead_ipsec_mb;
