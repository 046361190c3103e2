/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * DPDK's environment (EAL): its arguments and its log. Used by app/peel, and by lib/peel inside
 * other programs, to start it.
 */

#include <sched.h>

#include "peel_base.h"

struct peel_eal_conf {
	bool huge; /* memory from hugepages */
	/* Without hugepages: the most that EAL may take. With them: what it takes at once, so that
	 * pages that are missing are known before anything depends on them; 0: each when it is
	 * needed. */
	uint32_t memory_mib;
	const char *device; /* "" or NULL: none; a PCI address, or a vdev that is made later */
	/* the calling thread floats over these, and so do DPDK's own threads */
	const cpu_set_t *cpus;
	bool verbose; /* DPDK's notices too, not only its errors */
	/* DPDK's telemetry answers in its runtime folder of this name ("file prefix"), which must
	 * be this user's alone (-EPERM); NULL: not at all */
	const char *telemetry;
};

/**
 * Start EAL, which works once per process. The calling thread becomes EAL's main lcore. From here
 * on DPDK's log lines go to peel_log(). 0 or -errno; on failure, DPDK's latest complaint is part of
 * @p why.
 */
int peel_eal_init(const struct peel_eal_conf *conf, char *why, size_t why_size) PEEL_MUST_USE;

/** The folder with DPDK's telemetry socket, and the socket's name. After the start. */
const char *peel_eal_folder(void);
#define PEEL_EAL_TELEMETRY "dpdk_telemetry.v2"

/** Whether it is a PCI address, "0000:03:00.0" or "03:00.0", with or without ",options". */
bool peel_eal_is_pci(const char *device);

/** Write the CPUs as text, such as "0-3,8". */
void peel_cpu_list(const cpu_set_t *cpus, char *out, size_t size);
