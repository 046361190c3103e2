/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "eal.h"
#include "hugepages.h"

#define MIB ((size_t)1024 * 1024)
#define ARGS_MAX 24

bool
peel_eal_is_pci(const char *device)
{
	/* [domain:]bus:device.function */
	static const char *const forms[] = {"hhhh:hh:hh.o", "hh:hh.o"};

	for (size_t f = 0; f < PEEL_ARRAY_LEN(forms); f++) {
		const char *p = device, *form = forms[f];

		for (; *form != '\0'; p++, form++) {
			if (*form == 'h'       ? !isxdigit((unsigned char)*p)
				: *form == 'o' ? (*p < '0' || *p > '7')
					       : *p != *form)
				break;
		}
		if (*form == '\0' && (*p == '\0' || *p == ','))
			return true;
	}
	return false;
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

/* Bytes of one packet buffer in its pool: header, private area, room, and DPDK's own trailer. */
#define MBUF_BYTES 2560

static uint32_t
mbufs_wanted(const struct peel_conf *c)
{
	const struct peel_node_conf *n = &c->node;
	/* Full rings towards control must not starve reception. */
	uint32_t per_worker = 4096 + 2 * n->ring_size;

	if (n->n_mbufs != 0)
		return n->n_mbufs;
	if (per_worker < 8192)
		per_worker = 8192;
	/* A device keeps buffers in its descriptors (1024 each way unless told). */
	if (n->device[0] != '\0') {
		per_worker += n->port_conf.rx_descriptors != 0 ? n->port_conf.rx_descriptors : 1024;
		per_worker += n->port_conf.tx_descriptors != 0 ? n->port_conf.tx_descriptors : 1024;
	}
	return n->n_workers * per_worker + 4096;
}

/* An upper bound of what node, drivers and EAL take from EAL's memory. */
static size_t
bytes_wanted(const struct peel_conf *c, uint32_t n_mbufs)
{
	const struct peel_node_conf *n = &c->node;
	/* A session has two lines per direction, two routes of one line each and four buckets of 8 bytes at the
	 * table's lowest load, all rounded up to powers of two in the worst case. */
	size_t table = (size_t)n->tunnel.max_joined_circuits * 2 * (128 + 2 * 64 + 64);

	return (size_t)n_mbufs * MBUF_BYTES + table + (size_t)n->replay_entries * 2 * 8 +
	       (size_t)n->port_conf.max_endpoints * 256 +
	       n->n_workers * ((size_t)n->ring_size * 5 * 8 + MIB) + 8 * MIB;
}

int
peel_eal_plan(const struct peel_conf *conf, struct peel_eal_plan *plan, char *why, size_t why_size)
{
	struct peel_hugepage_pool pool;
	size_t bytes;
	bool enough;

	memset(plan, 0, sizeof(*plan));
	plan->n_mbufs = mbufs_wanted(conf);
	bytes = bytes_wanted(conf, plan->n_mbufs);
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
	/* Memory that is never touched costs nothing: half as much again for the allocator's own fragments. */
	plan->memory_mib = (uint32_t)((bytes + bytes / 2) / MIB + 16);
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

/* ---- log ---------------------------------------------------------------------------------------------------------- */

static char
	last_line[256]; /* DPDK's latest complaint: often the only reason why something failed */

/* DPDK's log as a stream: each write is a line. */
static ssize_t
log_write(void *cookie, const char *text, size_t len)
{
	size_t n = len;

	(void)cookie;
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	if (n == 0)
		return (ssize_t)len;
	if (rte_log_cur_msg_loglevel() > (int)RTE_LOG_ERR) {
		peel_log(PEEL_LOG_DEBUG, "dpdk: %.*s", (int)n, text);
		return (ssize_t)len;
	}
	snprintf(last_line, sizeof(last_line), "%.*s", (int)n, text);
	peel_log(PEEL_LOG_WARNING, "dpdk: %.*s", (int)n, text);
	return (ssize_t)len;
}

static void
log_redirect(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_write});

	if (f == NULL)
		return;
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	rte_openlog_stream(f);
}

/* ---- start -------------------------------------------------------------------------------------------------------- */

struct args {
	char text[ARGS_MAX][320];
	char *v[ARGS_MAX + 1];
	int n;
};

static void PEEL_PRINTF(2, 3) add(struct args *a, const char *format, ...)
{
	va_list ap;

	if (a->n == ARGS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(a->text[a->n], sizeof(a->text[0]), format, ap);
	va_end(ap);
	a->v[a->n] = a->text[a->n];
	a->n++;
}

static void
build_args(const struct peel_conf *conf, const struct peel_eal_plan *plan, const cpu_set_t *control,
	struct args *a)
{
	char list[256];

	peel_cpu_list(control, list, sizeof(list));
	add(a, "peel");
	/* One lcore, the control thread, floating; workers are threads of the node's own that register later. */
	add(a, "--lcores=0@(%s)", list);
	/* Otherwise EAL takes every network card it has a driver for, the machine's own too. */
	if (peel_eal_is_pci(conf->node.device)) {
		add(a, "-a");
		add(a, "%s", conf->node.device);
	} else {
		add(a, "--no-pci");
	}
	if (plan->huge) {
		add(a, "--in-memory");
		if (strncmp(conf->node.device, "net_memif", 9) == 0 ||
			strncmp(conf->node.device, "net_v", 5) == 0) /* vhost, virtio_user */
			add(a, "--single-file-segments");
	} else {
		add(a, "--no-huge");
		add(a, "-m");
		add(a, "%u", plan->memory_mib);
		add(a, "--no-shconf");
	}
	add(a, "--iova-mode=va");
	add(a, "--file-prefix=peel-%d", (int)getpid());
	add(a, "--no-telemetry");
	add(a, "--log-level=%d", conf->log_level == PEEL_LOG_DEBUG ? RTE_LOG_NOTICE : RTE_LOG_ERR);
}

int
peel_eal_start(
	const struct peel_conf *conf, const struct peel_eal_plan *plan, char *why, size_t why_size)
{
	cpu_set_t allowed, control;
	struct args *a;
	int ret;

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
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return -ENOMEM;
	log_redirect();
	build_args(conf, plan, &control, a);
	ret = rte_eal_init(a->n, a->v) < 0 ? -rte_errno : 0;
	free(a);
	if (ret != 0) {
		snprintf(why, why_size, "DPDK does not start: %s%s%s", strerror(-ret),
			last_line[0] != '\0' ? "; " : "", last_line);
		return ret;
	}
	/* Its folder for files shared between processes stays empty in both modes: leave no litter behind. */
	rmdir(rte_eal_get_runtime_dir());
	return 0;
}

void
peel_eal_stop(void)
{
	rte_eal_cleanup();
}
