/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The resolvers of this machine, as resolv.conf lists them now. Thread: control. */

#include "name_server.h"

/** What a file looked like when it was read. */
struct dns_stamp {
	uint64_t device, inode, size;
	int64_t seconds, nanoseconds;
};

/** Whether the stamp of the file differs from this one, which is then replaced. A missing file has
 * a stamp of its own. */
bool dns_system_changed(const char *path, struct dns_stamp *stamp);
/** Read the resolvers from the file, at most @p max; without any, the answer is this host itself.
 * @return how many, at least 1. */
size_t dns_system_read(const char *path, struct dns_place *out, size_t max);
