/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * EAL refuses to start where it cannot see which modules the kernel has, as in systemd-nspawn or a
 * bare chroot, even if no device needs VFIO. The program's function stands before the library's.
 */
#include <dlfcn.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_vfio.h>

__attribute__((visibility("default"))) int
rte_vfio_enable(const char *modname)
{
	int (*enable)(const char *) = (int (*)(const char *))dlsym(RTLD_NEXT, "rte_vfio_enable");

	if (enable == NULL || access("/sys/module", F_OK) != 0)
		return 0; /* without VFIO: a device that needs it says so */
	return enable(modname);
}
