/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>

#include <rte_config.h>
#include <rte_eal.h>

#include "eal.h"
#include "hugepages.h"

#define MIB ((size_t)1024 * 1024)

int
peel_eal_plan(const struct peel_conf *conf, struct peel_eal_plan *plan, char *why, size_t why_size)
{
	struct peel_hugepage_pool pool;
	size_t bytes;
	bool enough;

	memset(plan, 0, sizeof(*plan));
	plan->n_mbufs = peel_eal_mbufs(&conf->node);
	bytes = peel_eal_bytes(&conf->node, plan->n_mbufs);
	if (conf->hugepages != PEEL_HUGEPAGES_NO) {
		enough = peel_hugepages_find(bytes, &pool);
		plan->huge = enough || conf->hugepages == PEEL_HUGEPAGES_YES;
		plan->page = pool.page != 0 ? pool.page : 2 * MIB;
		plan->pages = (bytes + plan->page - 1) / plan->page;
		if (plan->huge && !enough) {
			snprintf(why, why_size,
				"needs %lu free pages of %zu MiB, and %lu are free: run `sysctl -w "
				"vm.nr_hugepages=%lu` as root, or set hugepages = auto",
				plan->pages, plan->page / MIB, pool.usable,
				pool.total + plan->pages - pool.usable);
			return -ENOMEM;
		}
		if (plan->huge)
			return 0;
	}
	plan->memory_mib = peel_eal_memory_mib(bytes);
	if (conf->memory_mib != 0) {
		if (conf->memory_mib < bytes / MIB + 1) {
			snprintf(why, why_size,
				"%u MiB is too little: %u buffers and the tables need %zu MiB; "
				"raise it, or lower buffers, ring or max_joined_circuits",
				conf->memory_mib, plan->n_mbufs, bytes / MIB + 1);
			return -ENOMEM;
		}
		plan->memory_mib = conf->memory_mib;
	}
	return 0;
}

const char *
peel_eal_plan_text(const struct peel_eal_plan *plan, char *out, size_t size)
{
	if (plan->huge)
		snprintf(out, size, "hugepages: %lu x %zu MiB, in memory", plan->pages,
			plan->page / MIB);
	else
		snprintf(out, size, "no hugepages, up to %u MiB of ordinary memory",
			plan->memory_mib);
	return out;
}

int
peel_eal_start(
	const struct peel_conf *conf, const struct peel_eal_plan *plan, char *why, size_t why_size)
{
	struct peel_eal_conf ec = {
		.huge = plan->huge,
		.memory_mib = plan->memory_mib,
		.device = conf->node.device,
		.verbose = conf->log_level == PEEL_LOG_DEBUG,
	};
	cpu_set_t allowed, control;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return -errno;
	peel_cpu_control(&conf->node, &allowed, &control);
	for (int cpu = RTE_MAX_LCORE; cpu < CPU_SETSIZE; cpu++)
		CPU_CLR(cpu, &control); /* EAL cannot name them */
	if (CPU_COUNT(&control) == 0) {
		snprintf(why, why_size,
			"no CPU below %d is left for the control thread; set control_core in "
			"[workers]",
			RTE_MAX_LCORE);
		return -EINVAL;
	}
	/* EAL's helper threads take the CPUs that no lcore has, which would be the workers': leave it no others. */
	if (sched_setaffinity(0, sizeof(control), &control) != 0)
		return -errno;
	ec.cpus = &control;
	return peel_eal_init(&ec, why, why_size);
}

void
peel_eal_stop(void)
{
	rte_eal_cleanup();
}
