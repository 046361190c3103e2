/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "eal_plan.h"

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
