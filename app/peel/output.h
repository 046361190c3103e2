/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The output of a running node. The reader of a pipe or a terminal may stop reading. A write would
 * then wait for ever, and with it the control thread and all that depends on it. So each stream has
 * a queue and a thread that writes; what nobody reads is dropped and counted. Thread: any, except
 * for start and finish.
 */

#include "peel_base.h"

enum output_stream {
	OUTPUT_STDOUT, /* standard output */
	OUTPUT_STDERR, /* standard error */
};

/** From here on nothing waits for a reader; before, writes are direct. The threads get the caller's
 * CPUs. 0 or -errno. */
int output_start(void) PEEL_MUST_USE;

/** Write the text as a whole, or not at all: false when too much waits already. */
bool output_write(enum output_stream to, const void *text, size_t len);
/** The same, formatted; cut at 1 kB. */
bool output_print(enum output_stream to, const char *format, ...) PEEL_PRINTF(2, 3);
/** Texts lost since this was asked last. */
unsigned int output_lost(enum output_stream to);

/** Wait for what is queued, @p ms at most (-1: as long as it takes), and end the threads. */
void output_finish(int ms);
