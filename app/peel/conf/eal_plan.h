/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * DPDK's environment (EAL) for this program: which memory, which CPUs, which devices. The program
 * builds EAL's arguments itself from the configuration. Control thread.
 */

#include <sched.h>

#include "conf.h"
#include "peel_eal.h"

/** What memory will be used, decided before EAL starts. */
struct eal_plan {
	bool huge;
	size_t page;	     /* bytes of a hugepage */
	unsigned long pages; /* of that size, needed */
	uint32_t memory_mib; /* without hugepages: the cap given to EAL */
	bool refused;	     /* pages are free, and the kernel does not give them to us */
	char reason[192];    /* why there are no hugepages although there could be; or empty */
};

/** -ENOMEM: not enough; @p why says what to do, and plan->huge whether it is about hugepages. */
int eal_plan(
	const struct conf *conf, struct eal_plan *plan, char *why, size_t why_size) PEEL_MUST_USE;
/** The plan in words, for the log. */
const char *eal_plan_text(const struct eal_plan *plan, char *out, size_t size);

/**
 * Start EAL, once per process. If hugepages are not required and EAL cannot get them after all
 * (others were faster), the program is executed anew with the same arguments and starts without
 * them. The calling thread becomes EAL's main lcore and floats over the CPUs meant for the control
 * thread, and so do DPDK's own threads.
 */
int eal_start(const struct conf *conf, const struct eal_plan *plan, char *why,
	size_t why_size) PEEL_MUST_USE;
/** End EAL, and remove what it leaves behind, as far as this process still may. */
void eal_stop(const struct conf *conf);

/** CPUs for the control thread among those the program may use: the configured one, or all but the
 * workers'. */
void cpu_control(const struct peel_node_conf *conf, const cpu_set_t *allowed, cpu_set_t *out);
/** The same for helper threads: all but the workers' and the configured one of the control thread,
 * which is shared if there is no other. */
void cpu_handshakes(const struct peel_node_conf *conf, const cpu_set_t *allowed, cpu_set_t *out);
