/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * systemd's journal, in its own protocol: each entry is a datagram with fields
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). Thread: any.
 */

#include <sys/un.h>

#include "peel_base.h"

#define JOURNAL_ENTRY_MAX 1280 /* bytes */

extern const struct sockaddr_un journal_address;

/** Whether standard error leads into the journal, as systemd promises in JOURNAL_STREAM. */
bool journal_reads_stderr(void);
/** A socket for entries, or -errno if the journal does not answer here. */
int journal_open(void) PEEL_MUST_USE;

/** The priority of a level, 0 to 7 as in syslog. */
unsigned int journal_priority(enum peel_log_level level);
/** Write an entry: the line, its place in the sources, and whose it is. @return its bytes. */
size_t journal_entry(
	const struct peel_log_line *line, const char *instance, char out[JOURNAL_ENTRY_MAX]);
