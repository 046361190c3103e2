/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* A whole node that is flooded with creates, for the suite `setup`. */

#include "bench.h"

/**
 * Measure how long the control thread takes to answer pings, extends and creates of neighbours,
 * while so many creates a second come from strangers. The worker, which also makes the flood, has
 * the last CPU, everything else the one before. With fewer than two CPUs nothing is measured.
 */
void setup_flood(struct bench *b, unsigned int lanes, double creates_per_s);
/** After the last flood. */
void setup_flood_end(void);
