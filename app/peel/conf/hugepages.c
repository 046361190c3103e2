/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The machine's pools of hugepages: what they have, and what they give.
 */
#include <stddef.h> /* hugetlbfs.h needs it */

#include <errno.h>
#include <hugetlbfs.h>
#include <linux/mman.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "hugepages.h"

#define POOLS_MAX 8

static unsigned long
counter(size_t page, const char *name)
{
	char path[128];
	unsigned long v = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/%s", page / 1024,
		name);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &v) != 1)
		v = 0;
	fclose(f);
	return v;
}

static unsigned long
minus(unsigned long a, unsigned long b)
{
	return a > b ? a - b : 0;
}

/* Fill up to @p n pools, smallest pages first. @return how many; 0 when the kernel has none. */
static unsigned int
read_pools(struct hugepage_pool *pools, unsigned int n)
{
	long sizes[POOLS_MAX];
	int found = gethugepagesizes(sizes, POOLS_MAX);
	unsigned int used = 0;

	for (int i = 0; i < found && used < n; i++) {
		struct hugepage_pool p = {.page = (size_t)sizes[i]};

		p.total = counter(p.page, "nr_hugepages");
		p.usable = minus(counter(p.page, "free_hugepages"),
				   counter(p.page, "resv_hugepages")) +
			   minus(counter(p.page, "nr_overcommit_hugepages"),
				   counter(p.page, "surplus_hugepages"));
		unsigned int at = used++;

		for (; at > 0 && pools[at - 1].page > p.page; at--)
			pools[at] = pools[at - 1];
		pools[at] = p;
	}
	return used;
}

bool
hugepages_find(size_t bytes, struct hugepage_pool *out)
{
	struct hugepage_pool pools[POOLS_MAX];
	unsigned int n = read_pools(pools, POOLS_MAX);

	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < n; i++) {
		if (pools[i].usable >= (bytes + pools[i].page - 1) / pools[i].page) {
			*out = pools[i];
			return true;
		}
	}
	if (n > 0)
		*out = pools[0];
	return false;
}

int
hugepages_try(size_t page, unsigned long n)
{
	int size = __builtin_ctzl(page) << MAP_HUGE_SHIFT;
	int rc = 0;
	void *p = mmap(NULL, page * n, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	/* Writing to a page beyond a limit would raise a signal; this only asks. Kernels
	 * before 5.14 cannot be asked: trust the counters. */
	if (madvise(p, page * n, MADV_POPULATE_WRITE) != 0 && errno != EINVAL)
		rc = -errno;
	munmap(p, page * n);
	return rc;
}
