/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include <jansson.h>

/** What Prometheus expects of every process, beside CPU time and resident memory: `open_fds`,
 * `max_fds`, `virtual_memory_bytes`. Reads /proc, which takes time with many files. Thread: any. */
json_t *process_figures(void);

/** Seconds since 1970, which other programs count in. Thread: any. */
double process_wall_clock(void);
