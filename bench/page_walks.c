/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What page walks cost: prefetches of random lines, by the memory's size and the size of its pages.
 */
#include <string.h>
#include <sys/mman.h>

#include "page_walks.h"

#define WALKS 16
#define HUGE_PAGE ((size_t)2 << 20)
#define N_SIZES 3

static const unsigned int megabytes[N_SIZES] = {4, 32, 256};

struct walks {
	uint8_t *memory;
	size_t lines;
	const uint8_t *line[WALKS];
};

static void
choose_lines(void *arg)
{
	struct walks *w = arg;

	for (unsigned int i = 0; i < WALKS; i++)
		w->line[i] = w->memory + bench_random() % w->lines * 64;
}

static void
prefetch_lines(void *arg)
{
	const struct walks *w = arg;

	for (unsigned int i = 0; i < WALKS; i++)
		__builtin_prefetch(w->line[i]);
}

static uint8_t *
map_pages(size_t bytes, int advice)
{
	uint8_t *p = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		bench_fail("out of memory");
	p += -(uintptr_t)p & (HUGE_PAGE - 1);
	(void)madvise(p, bytes, advice);
	memset(p, 1, bytes);
	return p;
}

void
page_walks(struct bench *b)
{
	static const int advice[2] = {MADV_NOHUGEPAGE, MADV_HUGEPAGE};
	static struct walks walks[2][N_SIZES];
	struct bench_timed timed[2 * N_SIZES];
	unsigned int n = 0, sizes_used = b->quick ? 1 : N_SIZES;

	for (unsigned int a = 0; a < 2; a++) {
		for (unsigned int i = 0; i < sizes_used; i++) {
			struct walks *w = &walks[a][i];

			w->lines = ((size_t)megabytes[i] << 20) / 64;
			w->memory = map_pages(w->lines * 64, advice[a]);
			timed[n++] = (struct bench_timed){
				bench_result(b, "prefetch of a random line", "cycles/line",
					"{s:i,s:s}", "megabytes", (int)megabytes[i], "pages",
					advice[a] == MADV_HUGEPAGE ? "2 MB if granted" : "4 kB"),
				choose_lines, prefetch_lines, w, WALKS};
		}
	}
	bench_time(b, timed, n);
	for (unsigned int a = 0; a < 2; a++) {
		for (unsigned int i = 0; i < sizes_used; i++) {
			if (i > 0)
				bench_vs(timed[a * sizes_used + i].result, "4 MB",
					timed[a * sizes_used].result);
			munmap(walks[a][i].memory, walks[a][i].lines * 64);
		}
	}
}
