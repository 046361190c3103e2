/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The port drivers and the DHTs of this build.
 */
#include <dlfcn.h>

#include "drivers.h"
#include "peel_dht_ipv8.h"
#ifdef PEEL_HAVE_MAINLINE
#include "peel_dht_mainline.h"
#endif
#ifdef PEEL_HAVE_ETHDEV
#include "peel_port_ethdev.h"
#endif
#ifdef PEEL_HAVE_SOCKET
#include "peel_port_socket.h"
#endif

const struct peel_port_ops *const port_drivers[] = {
#ifdef PEEL_HAVE_SOCKET
	&peel_port_socket,
#endif
#ifdef PEEL_HAVE_ETHDEV
	&peel_port_ethdev,
#endif
	NULL,
};

const struct peel_port_ops *
port_find(const char *name)
{
	for (const struct peel_port_ops *const *p = port_drivers; *p != NULL; p++) {
		if (strcmp((*p)->name, name) == 0)
			return *p;
	}
	return NULL;
}

#ifdef PEEL_HAVE_MAINLINE
/* Beside the program's build, or where it was installed (RUNPATH). It stays loaded. */
static const struct peel_provider_ops *
load_mainline(const char **why)
{
	void *object = dlopen(PEEL_DHT_MAINLINE_OBJECT, RTLD_NOW | RTLD_LOCAL);
	void *ops = object == NULL ? NULL : dlsym(object, PEEL_DHT_MAINLINE_SYMBOL);

	if (ops == NULL)
		*why = dlerror();
	return ops;
}
#endif

const struct peel_provider_ops *
dht_provider_find(const char *name, const char **why)
{
	*why = "it is not in this build";
	if (strcmp(name, peel_dht_ipv8.name) == 0)
		return &peel_dht_ipv8;
#ifdef PEEL_HAVE_MAINLINE
	if (strcmp(name, "mainline") == 0)
		return load_mainline(why);
#endif
	return NULL;
}
