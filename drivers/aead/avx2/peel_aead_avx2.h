/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engine "avx2": our own, for x86-64 CPUs with AVX2 and BMI2. */

#include "peel_aead.h"

extern const struct peel_aead_engine peel_aead_avx2;
