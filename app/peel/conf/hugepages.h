/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The machine's pools of hugepages. libhugetlbfs knows the sizes, the kernel's counters how many
 * are left. */

#include <stdbool.h>
#include <stddef.h>

struct hugepage_pool {
	size_t page;	     /* bytes of a page */
	unsigned long total; /* pages in the pool */
	/* Free and not promised to others, plus what the pool may still grow by. */
	unsigned long usable;
};

/**
 * The first pool that has @p bytes left.
 * @return false when none has; @p out is then the pool of the smallest pages (page 0: there is no
 * pool at all).
 */
bool hugepages_find(size_t bytes, struct hugepage_pool *out);

/**
 * Take pages and give them back at once: a container may have a limit that the counters do not
 * show.
 * @return 0, or a negative errno: the kernel does not give them to this process.
 */
int hugepages_try(size_t page, unsigned long n);
