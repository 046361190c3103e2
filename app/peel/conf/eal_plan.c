/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How much memory is needed, where it comes from, and the start of EAL with it.
 */
#include <errno.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_eal.h>

#include "eal_plan.h"
#include "hugepages.h"

#define MIB ((size_t)1024 * 1024)
/* In the environment of the program when it was executed anew: why it cannot have hugepages. */
#define WITHOUT_HUGEPAGES "PEEL_WITHOUT_HUGEPAGES"

/* Can the pages be had? Sets the plan's pages, and its reason when not. */
static bool
find_hugepages(struct eal_plan *plan, size_t bytes, struct hugepage_pool *pool)
{
	const char *before = getenv(WITHOUT_HUGEPAGES);
	bool counted = hugepages_find(bytes, pool);
	int rc;

	plan->page = pool->page != 0 ? pool->page : 2 * MIB;
	plan->pages = (bytes + plan->page - 1) / plan->page;
	if (before != NULL) {
		snprintf(plan->reason, sizeof(plan->reason), "%s", before);
		return false;
	}
	if (!counted) {
		snprintf(plan->reason, sizeof(plan->reason),
			"%lu pages of %zu MiB are needed, and %lu are free", plan->pages,
			plan->page / MIB, pool->usable);
		return false;
	}
	rc = hugepages_try(plan->page, plan->pages);
	plan->refused = rc != 0;
	if (plan->refused)
		snprintf(plan->reason, sizeof(plan->reason),
			"%lu pages of %zu MiB are free, and the kernel does not give %lu to this "
			"program (%s): is there a limit of its container (hugetlb)?",
			pool->usable, plan->page / MIB, plan->pages, strerror(-rc));
	return !plan->refused;
}

int
eal_plan(const struct conf *conf, struct eal_plan *plan, char *why, size_t why_size)
{
	struct hugepage_pool pool;
	size_t bytes = peel_node_memory(&conf->node);

	memset(plan, 0, sizeof(*plan));
	if (conf->hugepages != HUGEPAGES_NO) {
		plan->huge = find_hugepages(plan, bytes, &pool);
		if (plan->huge)
			return 0;
		if (conf->hugepages == HUGEPAGES_YES) {
			plan->huge = true;
			if (pool.usable < plan->pages)
				snprintf(why, why_size,
					"%s: run `sysctl -w vm.nr_hugepages=%lu` as root, or set "
					"hugepages = auto",
					plan->reason, pool.total + plan->pages - pool.usable);
			else
				snprintf(why, why_size, "%s Or set hugepages = auto", plan->reason);
			return -ENOMEM;
		}
	}
	/* Memory that is never touched costs nothing: half as much again for the allocator's
	 * fragments. */
	plan->memory_mib = (uint32_t)((bytes + bytes / 2) / MIB + 16);
	if (conf->memory_mib != 0) {
		if (conf->memory_mib < bytes / MIB + 1) {
			snprintf(why, why_size,
				"%u MiB is too little: %u buffers and the tables need %zu MiB; "
				"raise it, or lower buffers, ring or max_joined_circuits",
				conf->memory_mib, peel_node_buffers(&conf->node), bytes / MIB + 1);
			return -ENOMEM;
		}
		plan->memory_mib = conf->memory_mib;
	}
	return 0;
}

const char *
eal_plan_text(const struct eal_plan *plan, char *out, size_t size)
{
	if (plan->huge)
		snprintf(out, size, "hugepages: %lu x %zu MiB, in memory", plan->pages,
			plan->page / MIB);
	else
		snprintf(out, size, "no hugepages%s%s%s, up to %u MiB of ordinary memory",
			plan->reason[0] != '\0' ? " (" : "", plan->reason,
			plan->reason[0] != '\0' ? ")" : "", plan->memory_mib);
	return out;
}

void
cpu_control(const struct peel_node_conf *conf, const cpu_set_t *allowed, cpu_set_t *out)
{
	CPU_ZERO(out);
	if (conf->control_core >= 0) {
		CPU_SET(conf->control_core, out);
		return;
	}
	*out = *allowed;
	for (unsigned int i = 0; i < conf->n_workers; i++) {
		if (conf->core[i] >= 0)
			CPU_CLR(conf->core[i], out);
	}
	if (CPU_COUNT(out) == 0)
		*out = *allowed; /* as many workers as CPUs: share */
}

void
cpu_handshakes(const struct peel_node_conf *conf, const cpu_set_t *allowed, cpu_set_t *out)
{
	struct peel_node_conf any_control = *conf;

	any_control.control_core = -1;
	cpu_control(&any_control, allowed, out);
	if (conf->control_core >= 0 && CPU_COUNT(out) > 1)
		CPU_CLR(conf->control_core, out);
}

/* EAL starts once per process: execute the program anew, with its arguments and @p cpus. Returns
 * only if that fails. */
static void
execute_without_hugepages(const char *why, const cpu_set_t *cpus)
{
	char text[8192];
	char *argv[256];
	FILE *f = fopen("/proc/self/cmdline", "re");
	size_t len = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
	unsigned int n = 0;

	if (f != NULL)
		fclose(f);
	text[len] = '\0';
	for (char *p = text; p < text + len && n < PEEL_ARRAY_LEN(argv) - 1; p += strlen(p) + 1)
		argv[n++] = p;
	argv[n] = NULL;
	if (n == 0 || len == sizeof(text) - 1 || setenv(WITHOUT_HUGEPAGES, why, 1) != 0 ||
		sched_setaffinity(0, sizeof(*cpus), cpus) != 0)
		return;
	peel_log(PEEL_LOG_WARNING, "starts again without hugepages: %s", why);
	(void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
	execv("/proc/self/exe", argv);
}

/* A name that stays the same over restarts, so that exporters find the socket, and a socket that
 * was left behind is replaced. */
static void
name_telemetry(const struct conf *conf, char *out, size_t size)
{
	uint16_t port = conf->node.port_conf.listen.port;

	snprintf(out, size, "peel-%d", port != 0 ? (int)port : (int)getpid());
}

int
eal_start(const struct conf *conf, const struct eal_plan *plan, char *why, size_t why_size)
{
	struct peel_eal_conf ec = {
		.huge = plan->huge,
		.memory_mib = plan->huge ? (uint32_t)(plan->pages * (plan->page / MIB))
					 : plan->memory_mib,
		.device = conf->node.device,
		.verbose = conf->log_level == PEEL_LOG_DEBUG,
	};
	cpu_set_t allowed, control;
	char name[32];
	int rc;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return -errno;
	cpu_control(&conf->node, &allowed, &control);
	for (int cpu = RTE_MAX_LCORE; cpu < CPU_SETSIZE; cpu++)
		CPU_CLR(cpu, &control); /* EAL cannot name them */
	if (CPU_COUNT(&control) == 0) {
		snprintf(why, why_size,
			"no CPU below %d is left for the control thread; set control_core in "
			"[workers]",
			RTE_MAX_LCORE);
		return -EINVAL;
	}
	/* EAL puts its helper threads on the CPUs that no lcore has. Those would be the workers',
	 * so it gets no others. */
	if (sched_setaffinity(0, sizeof(control), &control) != 0)
		return -errno;
	ec.cpus = &control;
	if (conf->telemetry) {
		name_telemetry(conf, name, sizeof(name));
		ec.telemetry = name;
	}
	rc = peel_eal_init(&ec, why, why_size);
	if (rc == 0 && conf->telemetry)
		peel_log(PEEL_LOG_INFO,
			"DPDK's telemetry: %s/" PEEL_EAL_TELEMETRY " (dpdk-telemetry.py -f %s)",
			peel_eal_folder(), name);
	if (rc != 0 && plan->huge && conf->hugepages == HUGEPAGES_AUTO)
		execute_without_hugepages(why, &allowed);
	return rc;
}

void
eal_stop(const struct conf *conf)
{
	char path[PATH_MAX];

	rte_eal_cleanup();
	if (!conf->telemetry)
		return;
	snprintf(path, sizeof(path), "%s/" PEEL_EAL_TELEMETRY, peel_eal_folder());
	if (unlink(path) == 0)
		(void)rmdir(peel_eal_folder());
}
