/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <sys/resource.h>

#include "peel_base.h"

#define SMALL_LIMIT_PART 4 /* of a small limit, so much is kept instead */

bool
peel_files_spared(int fd, unsigned int reserve)
{
	struct rlimit limit;

	/* Asked each time: the limit of a running process can be changed. */
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return true;
	if (reserve > limit.rlim_cur / SMALL_LIMIT_PART)
		reserve = (unsigned int)(limit.rlim_cur / SMALL_LIMIT_PART);
	return (rlim_t)fd < limit.rlim_cur - reserve;
}
