/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Where tables get their memory when EAL runs without hugepages.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <cmocka.h>

#include <rte_eal.h>

#include "table_memory.h"

#define HUGE_PAGE ((size_t)2 << 20)

static int
start_eal(void **state)
{
	char *argv[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"64", "--log-level=3", NULL};

	(void)state;
	return rte_eal_init((int)PEEL_ARRAY_LEN(argv) - 1, argv) < 0;
}

static int
stop_eal(void **state)
{
	(void)state;
	return rte_eal_cleanup();
}

/* Whether the mapping that holds @p p has a flag, two letters as in /proc/PID/smaps. */
static bool
mapping_has(const void *p, const char *flag)
{
	unsigned long from, to;
	bool inside = false, has = false;
	char line[512], wanted[8];
	FILE *f = fopen("/proc/self/smaps", "re");

	assert_non_null(f);
	snprintf(wanted, sizeof(wanted), " %s ", flag);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = (uintptr_t)p >= from && (uintptr_t)p < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, wanted) != NULL;
	}
	fclose(f);
	return has;
}

/* Whether it shows that a mapping asks for transparent hugepages: not if the kernel has none, nor
 * under an emulator. */
static bool
asking_shows(void)
{
	void *p = mmap(NULL, HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool shows;

	assert_true(p != MAP_FAILED);
	shows = madvise(p, HUGE_PAGE, MADV_HUGEPAGE) == 0 && mapping_has(p, "hg");
	munmap(p, HUGE_PAGE);
	return shows;
}

static void
test_without_hugepages_tables_ask_for_transparent_ones(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_alloc(&m, 2 * HUGE_PAGE + 1, false, -1), 0);
	assert_int_equal(m.kind, PEEL_MEMORY_MAP);
	assert_int_equal((uintptr_t)m.p % HUGE_PAGE, 0);
	for (size_t i = 0; i < m.len; i += 64)
		assert_int_equal(((const uint8_t *)m.p)[i], 0);
	assert_int_equal(mapping_has(m.p, "hg"), asking_shows());
	memory_guard(&m);
	memory_free(&m);
	assert_null(m.p);
	memory_free(&m);
}

static void
test_small_tables_come_from_the_heap(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_alloc(&m, 64, false, -1), 0);
	assert_int_equal(m.kind, PEEL_MEMORY_HEAP);
	assert_int_equal((uintptr_t)m.p % PEEL_MEMORY_ALIGN, 0);
	memory_free(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_hugepages_tables_ask_for_transparent_ones),
		cmocka_unit_test(test_small_tables_come_from_the_heap),
	};

	return cmocka_run_group_tests(tests, start_eal, stop_eal);
}
