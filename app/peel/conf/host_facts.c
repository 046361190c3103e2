/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <libgen.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host_facts.h"
#include "peel_eal.h"

/* ---- files ----------------------------------------------------------------------------------- */

static bool
first_line(char *out, size_t size, const char *path)
{
	FILE *f = fopen(path, "re");
	bool ok = f != NULL && fgets(out, (int)size, f) != NULL;

	if (f != NULL)
		fclose(f);
	if (!ok)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return ok;
}

bool
host_line(char *out, size_t size, const char *format, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	return first_line(out, size, path);
}

long
host_number(const char *format, ...)
{
	char path[PATH_MAX], line[64], *end;
	va_list ap;
	long n;

	va_start(ap, format);
	vsnprintf(path, sizeof(path), format, ap);
	va_end(ap);
	if (!first_line(line, sizeof(line), path))
		return -1;
	n = strtol(line, &end, 10);
	return end == line ? -1 : n;
}

void
host_cpus(const char *list, cpu_set_t *out)
{
	CPU_ZERO(out);
	while (*list >= '0' && *list <= '9') {
		char *end;
		long first = strtol(list, &end, 10), last = first;

		if (*end == '-')
			last = strtol(end + 1, &end, 10);
		for (long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++)
			CPU_SET(cpu, out);
		list = end + (*end == ',');
	}
}

/* ---- devices --------------------------------------------------------------------------------- */

bool
host_pci(const char *device, char out[HOST_NAME_MAX])
{
	char path[PATH_MAX];

	if (!peel_eal_is_pci(device))
		return false;
	snprintf(out, HOST_NAME_MAX, "%s%.*s",
		strspn(device, "0123456789abcdefABCDEF") == 4 ? "" : "0000:",
		(int)strcspn(device, ","), device);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", out);
	return access(path, F_OK) == 0;
}

bool
host_pci_driver(const char *pci, char out[HOST_NAME_MAX])
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", pci);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	snprintf(out, HOST_NAME_MAX, "%.63s", basename(target));
	return true;
}

bool
host_pci_interface(const char *pci, char out[HOST_NAME_MAX])
{
	char path[PATH_MAX];
	const struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/net", pci);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		found = e->d_name[0] != '.';
		if (found)
			snprintf(out, HOST_NAME_MAX, "%.63s", e->d_name);
	}
	if (d != NULL)
		closedir(d);
	return found;
}

bool
host_has_interface(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/class/net/%.64s", name);
	return name[0] != '\0' && strchr(name, '/') == NULL && access(path, F_OK) == 0;
}

bool
host_device_interface(const char *device, char out[HOST_NAME_MAX])
{
	const char *iface = strstr(device, "iface=");

	/* These attach to an interface that must exist; net_tap makes its own, and net_vhost takes
	 * a path. */
	if (iface == NULL || (strncmp(device, "net_af_packet", 13) != 0 &&
				     strncmp(device, "net_af_xdp", 10) != 0))
		return false;
	iface += strlen("iface=");
	snprintf(out, HOST_NAME_MAX, "%.*s", (int)strcspn(iface, ","), iface);
	return true;
}

/* ---- routes and addresses -------------------------------------------------------------------- */

/* Calls @p fn with the interface of each default route until it returns true, and returns that. */
static bool
each_default(bool (*fn)(void *arg, const char *interface), void *arg)
{
	char line[512], name[HOST_NAME_MAX];
	unsigned long to, mask, flags;
	bool done = false;
	FILE *f = fopen("/proc/net/route", "re");

	while (f != NULL && !done && fgets(line, sizeof(line), f) != NULL)
		done = sscanf(line, "%63s %lx %*x %lx %*d %*d %*d %lx", name, &to, &flags, &mask) ==
			       4 &&
		       to == 0 && mask == 0 && fn(arg, name);
	if (f != NULL)
		fclose(f);
	f = fopen("/proc/net/ipv6_route", "re");
	while (f != NULL && !done && fgets(line, sizeof(line), f) != NULL)
		/* ::/0 through a router; the kernel's own entry is on lo */
		done = strncmp(line, "00000000000000000000000000000000 00 ", 36) == 0 &&
		       sscanf(line, "%*s %*s %*s %*s %*s %*s %*s %*s %*s %63s", name) == 1 &&
		       strcmp(name, "lo") != 0 && fn(arg, name);
	if (f != NULL)
		fclose(f);
	return done;
}

static bool
take(void *arg, const char *interface)
{
	snprintf(arg, HOST_NAME_MAX, "%s", interface);
	return true;
}

static bool
is_same(void *arg, const char *interface)
{
	return strcmp(arg, interface) == 0;
}

bool
host_default_interface(char out[HOST_NAME_MAX])
{
	return each_default(take, out);
}

bool
host_has_default_route(const char *interface)
{
	return each_default(is_same, (void *)(uintptr_t)interface);
}

bool
host_has_address(const struct peel_addr *addr, char interface[HOST_NAME_MAX])
{
	struct ifaddrs *list, *i;
	struct peel_addr a;
	bool found = false;

	if (getifaddrs(&list) != 0)
		return false;
	for (i = list; i != NULL && !found; i = i->ifa_next) {
		struct sockaddr_storage name = {0};
		int family = i->ifa_addr != NULL ? i->ifa_addr->sa_family : AF_UNSPEC;

		if (family != AF_INET && family != AF_INET6)
			continue;
		memcpy(&name, i->ifa_addr,
			family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6));
		found = peel_addr_from_sockaddr(&name, &a) == 0 && peel_addr_same_ip(&a, addr);
		if (found && interface != NULL)
			snprintf(interface, HOST_NAME_MAX, "%.63s", i->ifa_name);
	}
	freeifaddrs(list);
	return found;
}
