/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "world.h"

/* Another thread computes handshakes; only one, because the tests dictate its random numbers. */
const struct world_helpers world_helpers = {.n = 1};
