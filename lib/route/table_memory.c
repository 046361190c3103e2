/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "table_memory.h"

#define MAP_FROM (1u << 20) /* bytes; below that a mapping of its own is a waste */
#define HUGE_PAGE (UINT64_C(2) << 20)

static size_t
whole_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (len + page - 1) & ~(page - 1);
}

/* Only where EAL has hugepages. Without them its memory consists of ordinary pages for good, while
 * a mapping of our own still gets the transparent ones. */
static bool
alloc_eal(struct memory *m, int socket_id)
{
	if (rte_lcore_count() == 0 || rte_eal_has_hugepages() == 0) /* 0: not initialised */
		return false;
	m->len = whole_pages(m->len);
	m->p = rte_zmalloc_socket("peel_route", m->len, PEEL_MEMORY_ALIGN, socket_id);
	m->kind = PEEL_MEMORY_EAL;
	return m->p != NULL;
}

/* A mapping that begins where a hugepage can: kernels before 6.7 do not see to it. */
static void *
map_aligned(size_t len)
{
	size_t more = len + HUGE_PAGE, head;
	uint8_t *p = mmap(NULL, more, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)p & (HUGE_PAGE - 1);
	if (head > 0)
		(void)munmap(p, head);
	(void)munmap(p + head + len, more - head - len);
	return p + head;
}

/* Pages appear when they are first used: a table sized for the worst case costs nothing before. */
static bool
alloc_map(struct memory *m)
{
	if (m->len < MAP_FROM)
		return false;
	m->len = whole_pages(m->len);
	m->p = map_aligned(m->len);
	if (m->p == NULL)
		return false;
	(void)madvise(m->p, m->len, MADV_HUGEPAGE); /* see README.md: why pages */
	m->kind = PEEL_MEMORY_MAP;
	return true;
}

static bool
alloc_heap(struct memory *m)
{
	if (posix_memalign(&m->p, PEEL_MEMORY_ALIGN, m->len) != 0)
		return false;
	memset(m->p, 0, m->len);
	m->kind = PEEL_MEMORY_HEAP;
	return true;
}

int
memory_alloc(struct memory *m, size_t len, bool heap, int socket_id)
{
	*m = (struct memory){.len = len};
	if ((!heap && alloc_eal(m, socket_id)) || alloc_map(m) || alloc_heap(m))
		return 0;
	*m = (struct memory){0};
	return -ENOMEM;
}

void
memory_guard(struct memory *m)
{
	m->guarded = true;
	peel_secret_guard(m->p, m->len);
}

void
memory_free(struct memory *m)
{
	if (m->guarded)
		peel_secret_unguard(m->p, m->len);
	switch (m->kind) {
	case PEEL_MEMORY_EAL:
		rte_free(m->p);
		break;
	case PEEL_MEMORY_MAP:
		munmap(m->p, m->len);
		break;
	case PEEL_MEMORY_HEAP:
		free(m->p);
		break;
	case PEEL_MEMORY_NONE:
		break;
	}
	*m = (struct memory){0};
}
