/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The last lines of the log, for those who look at a running node. Thread: any. */

#include "peel_base.h"

#define LOG_RING_LINES 100
#define LOG_RING_LINE 240 /* bytes of a line, with its terminator; longer ones are cut */

/** Remember a line, which has no line feed. */
void log_ring_add(const char *line);
/** Call @p fn for each, the oldest first, each borrowed during the call. fn must not log. */
void log_ring_dump(void (*fn)(void *arg, const char *line), void *arg);
