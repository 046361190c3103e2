/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* x25519_lanes.c compiled without flags for a CPU: with five and with ten limbs. */

#include "x25519_lanes.h"

void x25519_portable5(struct x25519_group *g, unsigned int n);
void x25519_portable10(struct x25519_group *g, unsigned int n);
