/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The port drivers and the DHTs of this build.
 */
#include "drivers.h"
#include "peel_dht_ipv8.h"
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

const struct peel_provider_ops *
dht_provider_find(const char *name)
{
	return strcmp(name, peel_dht_ipv8.name) == 0 ? &peel_dht_ipv8 : NULL;
}
