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

#include <sys/un.h>

#include "peel_base.h"

enum output_stream {
	OUTPUT_STDOUT, /* standard output */
	OUTPUT_STDERR, /* standard error */
	OUTPUT_FILE,   /* these two belong to the log, and are closed until output_open */
	OUTPUT_JOURNAL,
};

/** Write to @p fd, which is the stream's from now on; with an address, each text is a datagram to
 * it. A stream that is open goes on with the new file, whatever is being written. Call it first
 * before output_start. 0 or -errno. Thread: control. */
int output_open(enum output_stream to, int fd, const struct sockaddr_un *address) PEEL_MUST_USE;

/** From here on nothing waits for a reader; before, writes are direct. The threads get the caller's
 * CPUs. 0 or -errno. */
int output_start(void) PEEL_MUST_USE;

/** Write the text as a whole, or not at all: false when too much waits already, or when it cannot
 * be written. */
bool output_write(enum output_stream to, const void *text, size_t len);
/** The same, formatted; cut at 1 kB. */
bool output_print(enum output_stream to, const char *format, ...) PEEL_PRINTF(2, 3);
/** The same for a text that tells of @p n lost ones: if it is lost, it counts as so many. */
bool output_write_for(enum output_stream to, const void *text, size_t len, unsigned int n);
/** Texts lost since this was asked last. */
unsigned int output_lost(enum output_stream to);

/** Wait for what is queued, @p ms at most (-1: as long as it takes), and end the threads. */
void output_finish(int ms);
