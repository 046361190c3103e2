/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include "bench.h"

/**
 * Add results to the suite: cycles per prefetch of a random line, sixteen at a time. A prefetch
 * does not wait for its line, but for the walk through page tables if the processor has no
 * translation of the page. If larger pages reach down to the hardware, their rows hardly depend on
 * the size.
 */
void page_walks(struct bench *b);
