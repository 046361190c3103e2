/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The engine "sodium": libsodium, one cell after the other. Runs on any CPU; the oracle of the
 * others' tests. */

#include "peel_aead.h"

extern const struct peel_aead_engine peel_aead_sodium;
