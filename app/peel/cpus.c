/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdio.h>

#include "eal.h"

void
peel_cpu_list(const cpu_set_t *cpus, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE && n < size; first++) {
		int last = first;

		if (!CPU_ISSET(first, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		n += (size_t)snprintf(out + n, size - n, last > first ? "%s%d-%d" : "%s%d",
			n > 0 ? "," : "", first, last);
		first = last;
	}
}

void
peel_cpu_control(const struct peel_node_conf *conf, const cpu_set_t *allowed, cpu_set_t *out)
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
