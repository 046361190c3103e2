/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The plan of memory, CPUs of the control thread, and a real start of EAL.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include <rte_lcore.h>

#include "eal_plan.h"
#include "hugepages.h"

static void
test_pci_addresses(void **state)
{
	static const struct {
		const char *device;
		bool pci;
	} rows[] = {{"0000:03:00.0", true}, {"03:00.1", true}, {"0000:fF:1f.7,opt=1", true},
		{"", false}, {"0000:03:00.8", false}, {"0000:03:00", false}, {"03:00.0x", false},
		{"net_null0", false}, {"net_af_packet0,iface=eth1", false}, {"0000:03:00.", false}};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(rows); i++)
		assert_int_equal(peel_eal_is_pci(rows[i].device), rows[i].pci);
}

static void
test_cpu_lists(void **state)
{
	cpu_set_t set;
	char text[64];

	(void)state;
	CPU_ZERO(&set);
	peel_cpu_list(&set, text, sizeof(text));
	assert_string_equal(text, "");
	for (int cpu = 0; cpu < 4; cpu++)
		CPU_SET(cpu, &set);
	CPU_SET(8, &set);
	CPU_SET(1023, &set);
	peel_cpu_list(&set, text, sizeof(text));
	assert_string_equal(text, "0-3,8,1023");
	peel_cpu_list(&set, text, 4); /* cut, not overrun */
	assert_int_equal(strlen(text), 3);
}

static void
test_control_cpus(void **state)
{
	struct peel_node_conf n = {.n_workers = 2, .core = {0, 1}, .control_core = -1};
	cpu_set_t allowed, out;
	char text[64];

	(void)state;
	CPU_ZERO(&allowed);
	for (int cpu = 0; cpu < 4; cpu++)
		CPU_SET(cpu, &allowed);
	cpu_control(&n, &allowed, &out);
	peel_cpu_list(&out, text, sizeof(text));
	assert_string_equal(text, "2-3");
	n.control_core = 3;
	cpu_control(&n, &allowed, &out);
	peel_cpu_list(&out, text, sizeof(text));
	assert_string_equal(text, "3");
	/* No CPU left: shared. */
	n.control_core = -1;
	CPU_CLR(2, &allowed);
	CPU_CLR(3, &allowed);
	cpu_control(&n, &allowed, &out);
	peel_cpu_list(&out, text, sizeof(text));
	assert_string_equal(text, "0-1");
}

static void
test_handshake_cpus(void **state)
{
	struct peel_node_conf n = {.n_workers = 2, .core = {0, 1}, .control_core = -1};
	cpu_set_t allowed, out;
	char text[64];

	(void)state;
	CPU_ZERO(&allowed);
	for (int cpu = 0; cpu < 4; cpu++)
		CPU_SET(cpu, &allowed);
	cpu_handshakes(&n, &allowed, &out);
	peel_cpu_list(&out, text, sizeof(text));
	assert_string_equal(text, "2-3");
	n.control_core = 3;
	cpu_handshakes(&n, &allowed, &out);
	peel_cpu_list(&out, text, sizeof(text));
	assert_string_equal(text, "2");
	CPU_CLR(2, &allowed); /* only the control thread's is left */
	cpu_handshakes(&n, &allowed, &out);
	peel_cpu_list(&out, text, sizeof(text));
	assert_string_equal(text, "3");
}

static void
test_plans(void **state)
{
	struct hugepage_pool pool;
	struct eal_plan plan;
	struct conf c;
	char why[384] = "";

	(void)state;
	conf_init(&c, CONF_FOR_RELAY);
	c.hugepages = HUGEPAGES_NO;
	assert_int_equal(eal_plan(&c, &plan, why, sizeof(why)), 0);
	assert_false(plan.huge);
	assert_int_equal(peel_node_buffers(&c.node), 12288);
	assert_in_range(plan.memory_mib, 48, 128);
	/* More of anything needs more. */
	uint32_t least = plan.memory_mib;

	c.node.n_workers = 4;
	assert_int_equal(eal_plan(&c, &plan, why, sizeof(why)), 0);
	assert_true(plan.memory_mib > least);
	c.node.n_workers = 1;
	c.node.tunnel.max_joined_circuits = 1000000;
	assert_int_equal(eal_plan(&c, &plan, why, sizeof(why)), 0);
	assert_in_range(plan.memory_mib, least + 250, least + 2000);
	c.memory_mib = 64;
	assert_int_equal(eal_plan(&c, &plan, why, sizeof(why)), -ENOMEM);
	assert_non_null(strstr(why, "64 MiB is too little"));
	/* No machine has these pages. */
	c.memory_mib = 0;
	c.hugepages = HUGEPAGES_YES;
	c.node.n_mbufs = 16777216;
	c.node.tunnel.max_joined_circuits = 8388608;
	if (!hugepages_find(SIZE_MAX / 2, &pool)) {
		c.node.n_workers = PEEL_MAX_WORKERS;
		c.node.replay_entries = 1u << 28;
		if (eal_plan(&c, &plan, why, sizeof(why)) != 0) {
			assert_true(plan.huge);
			assert_non_null(strstr(why, "vm.nr_hugepages="));
		}
	}
	c.hugepages = HUGEPAGES_AUTO;
	assert_int_equal(eal_plan(&c, &plan, why, sizeof(why)), 0);
}

static void
test_start_without_hugepages(void **state)
{
	struct eal_plan plan;
	struct conf c;
	char why[384] = "";
	cpu_set_t before, after;

	(void)state;
	conf_init(&c, CONF_FOR_RELAY);
	c.hugepages = HUGEPAGES_NO;
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	assert_int_equal(eal_plan(&c, &plan, why, sizeof(why)), 0);
	if (eal_start(&c, &plan, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	/* The thread floats as before, and is EAL's only lcore. */
	assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
	assert_true(CPU_EQUAL(&before, &after));
	assert_int_equal(rte_lcore_count(), 1);
	/* What the plan promised is there. */
	struct rte_mempool *pool =
		peel_port_pool_new("test", peel_node_buffers(&c.node), false, SOCKET_ID_ANY);

	assert_non_null(pool);
	assert_true(pool->header_size + pool->elt_size + pool->trailer_size <= 2560);
	/* Once per process: the second time says so. */
	assert_true(eal_start(&c, &plan, why, sizeof(why)) < 0);
	assert_non_null(strstr(why, "DPDK does not start"));
	rte_mempool_free(pool);
	eal_stop(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pci_addresses),
		cmocka_unit_test(test_cpu_lists),
		cmocka_unit_test(test_control_cpus),
		cmocka_unit_test(test_handshake_cpus),
		cmocka_unit_test(test_plans),
		cmocka_unit_test(test_start_without_hugepages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
