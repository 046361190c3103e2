/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Facts about this machine, from /proc, /sys and the kernel's lists of addresses. Thread: control,
 * or a command that runs no node. */

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>

#include "peel_base.h"

#define HOST_NAME_MAX 64

/** The first line of a file. @return false: there is none, and @p out is empty. */
bool host_line(char *out, size_t size, const char *format, ...) PEEL_PRINTF(3, 4);
/** The number in a file, or -1. */
long host_number(const char *format, ...) PEEL_PRINTF(1, 2);
/** The CPUs in a list such as "0-3,8"; none if it is empty or no list. */
void host_cpus(const char *list, cpu_set_t *out);

/** The PCI address with its domain, of a device that may be "03:00.0,options". False: it is no PCI
 * address, or this machine has no such device. */
bool host_pci(const char *device, char out[HOST_NAME_MAX]);
/** Its kernel driver; false: none. */
bool host_pci_driver(const char *pci, char out[HOST_NAME_MAX]);
/** Its network interface; false: it has none, because no network driver of the kernel has it. */
bool host_pci_interface(const char *pci, char out[HOST_NAME_MAX]);
/** Whether the kernel knows a network interface of this name. */
bool host_has_interface(const char *name);
/** The interface in the name of a device that attaches to one ("net_af_xdp0,iface=eth1"). */
bool host_device_interface(const char *device, char out[HOST_NAME_MAX]);

/** The interface of the default route, IPv4's before IPv6's. False: there is none. */
bool host_default_interface(char out[HOST_NAME_MAX]);
/** Whether a default route of either family leads through the interface. */
bool host_has_default_route(const char *interface);
/** Whether one of this machine's interfaces has this address; @p interface, which may be NULL:
 * which one. */
bool host_has_address(const struct peel_addr *addr, char interface[HOST_NAME_MAX]);
