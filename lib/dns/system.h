/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The resolvers of this machine, as resolv.conf names them now. Thread: control. */

#include "name_server.h"

/** What a file looked like when it was read. */
struct dns_stamp {
	uint64_t device, inode, size;
	int64_t seconds, nanoseconds;
};

/** Has the file another stamp than this? Stores the new one. A file that is not there has a stamp
 * of its own. */
bool dns_system_changed(const char *path, struct dns_stamp *stamp);
/** The resolvers in the file, at most @p max; this host itself when there are none. @return how
 * many, at least 1. */
size_t dns_system_read(const char *path, struct dns_place *out, size_t max);
