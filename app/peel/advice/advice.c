/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Each item looks at one thing. What it proposes must be gone when it looks again after its
 * commands have run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "advice.h"
#include "eal_plan.h"
#include "host_facts.h"
#include "hugepages.h"
#include "peel_aead_engines.h"

#define MIB ((size_t)1024 * 1024)

static void PEEL_PRINTF(2, 3) command(struct advice *a, const char *format, ...)
{
	va_list ap;

	if (a->n_commands == ADVICE_COMMANDS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(a->command[a->n_commands++], ADVICE_COMMAND_MAX, format, ap);
	va_end(ap);
}

static void PEEL_PRINTF(2, 3) keep(struct advice *a, const char *format, ...)
{
	va_list ap;

	if (a->n_keep == ADVICE_COMMANDS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(a->keep[a->n_keep++], ADVICE_COMMAND_MAX, format, ap);
	va_end(ap);
}

#define SAY(to, ...) snprintf(to, sizeof(to), __VA_ARGS__)

static bool
is_socket(const struct conf *c)
{
	return strcmp(c->node.port->name, "socket") == 0;
}

/* The kernel's interface that the node's datagrams take. */
static bool
interface_of(const struct conf *c, char out[HOST_NAME_MAX])
{
	const struct peel_addr *listen = &c->node.port_conf.listen;
	char pci[HOST_NAME_MAX];

	if (!is_socket(c))
		return host_device_interface(c->node.device, out) ||
		       (host_pci(c->node.device, pci) && host_pci_interface(pci, out));
	if (!peel_addr_is_any(listen) && host_has_address(listen, out))
		return true;
	return host_default_interface(out);
}

/* Names go into commands for a shell. */
static bool
is_plain(const char *name)
{
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 "-_.:@")] == '\0';
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void
look_at_buffer(struct advice *a, const char *name)
{
	long have = host_number("/proc/sys/net/core/%s", name);

	if (have < 0 || have > PEEL_PORT_BUFFER_BYTES)
		return;
	keep(a, "net.core.%s=%d", name, PEEL_PORT_BUFFER_BYTES);
	if (have == PEEL_PORT_BUFFER_BYTES)
		return;
	SAY(a->what, "Sockets get at most %ld bytes of buffer, and the node asks for more.", have);
	command(a, "sysctl -w net.core.%s=%d", name, PEEL_PORT_BUFFER_BYTES);
}

static void
socket_buffers(const struct conf *c, struct advice *a)
{
	if (!is_socket(c))
		return;
	look_at_buffer(a, "rmem_max");
	look_at_buffer(a, "wmem_max");
	SAY(a->helps, "bursts wait instead of being dropped while a worker is busy");
	SAY(a->costs, "up to 8 MiB of the kernel's memory for each socket of any program that asks "
		      "for it");
}

/* Somebody has the node's port: most likely the node. */
static bool
is_running(const struct conf *c)
{
	struct sockaddr_storage name;
	socklen_t len = peel_addr_to_sockaddr(&c->node.port_conf.listen, &name);
	int fd = socket(name.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool taken = is_socket(c) && fd >= 0 && bind(fd, (struct sockaddr *)&name, len) != 0 &&
		     errno == EADDRINUSE;

	if (fd >= 0)
		close(fd);
	return taken;
}

/* Pages that the node itself has by now are not missing. */
static void
hugepages(const struct conf *c, struct advice *a)
{
	struct hugepage_pool pool;
	size_t bytes = peel_node_memory(&c->node);
	bool enough = hugepages_find(bytes, &pool);
	unsigned long pages, want;

	if (c->hugepages == HUGEPAGES_NO || pool.page == 0)
		return;
	pages = (bytes + pool.page - 1) / pool.page;
	want = enough || (is_running(c) && pool.total >= pages) ? pool.total
								: pool.total + pages - pool.usable;
	if (pool.page == 2 * MIB && want > 0)
		keep(a, "vm.nr_hugepages=%lu", want);
	if (want == pool.total)
		return;
	SAY(a->what, "%lu hugepages of %zu MiB are needed, and %lu are free.", pages,
		pool.page / MIB, pool.usable);
	SAY(a->helps, "buffers and tables miss the TLB less often");
	SAY(a->costs, "%zu MiB of memory that nothing else can use",
		(want - pool.total) * pool.page / MIB);
	if (pool.page == 2 * MIB)
		command(a, "sysctl -w vm.nr_hugepages=%lu", want);
	else
		command(a, "echo %lu > /sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages", want,
			pool.page / 1024);
}

/* ---- the network card ------------------------------------------------------------------------ */

/* A feature as ethtool tells it: "on", "off", or "" (there is none, or it cannot be changed). */
static void
feature(const char *interface, const char *name, char out[8])
{
	char line[256];
	size_t len = strlen(name);
	FILE *f;

	out[0] = '\0';
	SAY(line, "ethtool -k %s 2>/dev/null", interface);
	/* The name is plain. NOLINTNEXTLINE(cert-env33-c) */
	f = popen(line, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		const char *p = line + strspn(line, " \t");

		if (strncmp(p, name, len) == 0 && p[len] == ':' && strstr(p, "[fixed]") == NULL)
			snprintf(out, 8, "%.*s", (int)strcspn(p + len + 2, " \n"), p + len + 2);
	}
	if (f != NULL)
		pclose(f);
}

static void
coalescing(const struct conf *c, struct advice *a)
{
	char name[HOST_NAME_MAX], gro[8], forwarding[8];

	if (!is_socket(c) || !interface_of(c, name) || !is_plain(name))
		return;
	feature(name, "generic-receive-offload", gro);
	feature(name, "rx-udp-gro-forwarding", forwarding);
	if (strcmp(gro, "off") != 0 && strcmp(forwarding, "off") != 0)
		return;
	SAY(a->what, "%s hands over datagrams one by one.", name);
	SAY(a->helps,
		"the kernel passes on trains of cells in one piece, for a fifth of the CPU time "
		"or less");
	SAY(a->costs, "none known for UDP that ends here; if this machine routes for others, their "
		      "trains are put together and cut again");
	command(a, "ethtool -K %s gro on rx-udp-gro-forwarding on", name);
}

static bool
is_own_session(const char *interface)
{
	const char *ssh = getenv("SSH_CONNECTION"); /* CLIENT PORT SERVER PORT */
	char server[PEEL_ADDR_TEXT_MAX] = "", own[HOST_NAME_MAX];
	struct peel_addr addr;

	return ssh != NULL && sscanf(ssh, "%*s %*s %47s", server) == 1 &&
	       peel_addr_parse(server, 0, &addr) == 0 && host_has_address(&addr, own) &&
	       strcmp(own, interface) == 0;
}

/* A card that DPDK is to have. One that this machine needs is never taken away. */
static void
card(const struct conf *c, struct advice *a)
{
	char pci[HOST_NAME_MAX], driver[HOST_NAME_MAX] = "", interface[HOST_NAME_MAX] = "";

	if (is_socket(c) || !host_pci(c->node.device, pci))
		return;
	(void)host_pci_driver(pci, driver);
	(void)host_pci_interface(pci, interface);
	/* mlx4 and mlx5 share their cards with the kernel. */
	if (strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "uio_pci_generic") == 0 ||
		strncmp(driver, "mlx", 3) == 0 || !is_plain(interface))
		return;
	SAY(a->helps, "without it the node does not start");
	if (interface[0] != '\0' && host_has_default_route(interface)) {
		SAY(a->what,
			"%s (%s) is with the kernel's driver %s, and this machine's default route "
			"leads through it: it stays there. Take another card, or a virtual "
			"function.",
			pci, interface, driver);
		return;
	}
	if (interface[0] != '\0' && is_own_session(interface)) {
		SAY(a->what,
			"%s (%s) is with the kernel's driver %s, and your SSH session comes "
			"through "
			"it: it stays there. Take another card, or a virtual function.",
			pci, interface, driver);
		return;
	}
	SAY(a->what, "%s%s%s%s is with %s%s, and DPDK needs it at vfio-pci.", pci,
		interface[0] != '\0' ? " (" : "", interface, interface[0] != '\0' ? ")" : "",
		driver[0] != '\0' ? "the kernel's driver " : "no driver", driver);
	SAY(a->costs, "the kernel, and every program, loses %s",
		interface[0] != '\0' ? interface : "the card");
	command(a, "modprobe vfio-pci");
	if (interface[0] != '\0')
		command(a, "ip link set %s down", interface);
	command(a, "dpdk-devbind.py --bind=vfio-pci %s", pci);
}

static void
iommu(const struct conf *c, struct advice *a)
{
	char pci[HOST_NAME_MAX], path[128];

	if (is_socket(c) || !host_pci(c->node.device, pci))
		return;
	SAY(path, "/sys/bus/pci/devices/%s/iommu_group", pci);
	if (access(path, F_OK) == 0)
		return;
	SAY(a->what,
		"%s has no IOMMU, which vfio-pci needs: switch it on in the BIOS, and put "
		"intel_iommu=on iommu=pt (or amd_iommu=on iommu=pt) on the kernel's command line.",
		pci);
	SAY(a->helps, "the card can write only to the node's memory");
	SAY(a->costs, "a restart of the machine");
}

/* ---- CPUs ------------------------------------------------------------------------------------ */

static bool
pinned(const struct conf *c)
{
	return c->node.n_workers > 0 && c->node.core[0] >= 0;
}

static void
isolation(const struct conf *c, struct advice *a)
{
	char line[256], list[48];
	cpu_set_t alone, workers, missing;

	if (!pinned(c))
		return;
	CPU_ZERO(&workers);
	for (unsigned int i = 0; i < c->node.n_workers; i++)
		CPU_SET(c->node.core[i], &workers);
	(void)host_line(line, sizeof(line), "/sys/devices/system/cpu/isolated");
	host_cpus(line, &alone);
	CPU_AND(&alone, &alone, &workers);
	CPU_XOR(&missing, &workers, &alone);
	if (CPU_COUNT(&missing) == 0)
		return;
	peel_cpu_list(&workers, list, sizeof(list));
	SAY(a->what,
		"The workers' CPUs run other programs, too: put isolcpus=%s nohz_full=%s "
		"rcu_nocbs=%s "
		"on the kernel's command line, and keep interrupts away "
		"(IRQBALANCE_BANNED_CPULIST=%s).",
		list, list, list, list);
	SAY(a->helps, "no worker is interrupted, which shows in latency and in the kernel's drops");
	SAY(a->costs, "a restart of the machine, and these CPUs for everything else");
}

/* Two workers on one core share its caches and its vector units. */
static void
siblings(const struct conf *c, struct advice *a)
{
	char line[256];
	cpu_set_t core;

	for (unsigned int i = 0; pinned(c) && i < c->node.n_workers; i++) {
		(void)host_line(line, sizeof(line),
			"/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
			c->node.core[i]);
		host_cpus(line, &core);
		for (unsigned int j = 0; j < i; j++) {
			if (!CPU_ISSET(c->node.core[j], &core))
				continue;
			SAY(a->what,
				"CPUs %d and %d are two hyper-threads of one core, and both have a "
				"worker: choose others for `cores` in [workers] (`lscpu -e`).",
				c->node.core[j], c->node.core[i]);
			SAY(a->helps, "each worker has a core's caches and vector units to itself");
			SAY(a->costs, "a restart of the node");
			return;
		}
	}
}

static void
numa(const struct conf *c, struct advice *a)
{
	char name[HOST_NAME_MAX], path[128];
	long node;

	if (!pinned(c) || !interface_of(c, name))
		return;
	node = host_number("/sys/class/net/%s/device/numa_node", name);
	for (unsigned int i = 0; node >= 0 && i < c->node.n_workers; i++) {
		SAY(path, "/sys/devices/system/cpu/cpu%d/node%ld", c->node.core[i], node);
		if (access(path, F_OK) == 0)
			continue;
		SAY(a->what,
			"%s is on NUMA node %ld, and CPU %d is not: choose CPUs of that node for "
			"`cores` in [workers].",
			name, node, c->node.core[i]);
		SAY(a->helps, "datagrams do not cross the link between the processors");
		SAY(a->costs, "a restart of the node");
		return;
	}
}

static void
governor(const struct conf *c, struct advice *a)
{
	char now[HOST_NAME_MAX];

	(void)c;
	if (!host_line(now, sizeof(now), "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") ||
		strcmp(now, "performance") == 0)
		return;
	SAY(a->what, "CPUs change their clock as the governor %s likes.", now);
	SAY(a->helps, "a worker that was asleep is at full speed at once");
	SAY(a->costs, "electricity, and heat");
	command(a, "for g in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo "
		   "performance > $g; done");
}

static void
engine(const struct conf *c, struct advice *a)
{
	const struct peel_aead_engine *best =
		peel_keys_init() == 0 ? peel_aead_engine_best() : NULL;

	if (best == NULL || (strncmp(best->name, "avx", 3) == 0 &&
				    (c->node.engine == NULL || c->node.engine == best)))
		return;
	if (c->node.engine != NULL && c->node.engine != best) {
		SAY(a->what,
			"`engine = %s` in [aead], and %s is faster on this CPU: set it to auto.",
			c->node.engine->name, best->name);
		SAY(a->costs, "a restart of the node");
	} else {
		SAY(a->what,
			"This CPU, or the virtual machine's, has neither AVX-512 IFMA nor AVX2 "
			"with "
			"BMI2, so %s encrypts: let the host pass its CPU through (`-cpu host`) if "
			"it "
			"has them.",
			best->name);
		SAY(a->costs,
			"a restart of the machine, which then cannot move to another kind of host");
	}
	SAY(a->helps, "a cell costs half as many cycles or less");
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void
open_files(const struct conf *c, struct advice *a)
{
	uint64_t want = 2 * (uint64_t)c->node.port_conf.max_endpoints + PEEL_PORT_SPARE_FILES;
	struct rlimit limit;
	uint16_t exits = PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8;

	if (!is_socket(c) || (c->node.tunnel.peer_flags & exits) == 0 ||
		getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= want)
		return;
	SAY(a->what,
		"A program started from here may open %llu files, and %u exits need %llu: set "
		"LimitNOFILE=%llu in the service, or `ulimit -n %llu` before the start.",
		(unsigned long long)limit.rlim_max, c->node.port_conf.max_endpoints,
		(unsigned long long)want, (unsigned long long)want, (unsigned long long)want);
	SAY(a->helps, "all circuits that end here get their sockets");
	SAY(a->costs, "nothing");
}

const struct advice_item advice_items[] = {
	{"card", card},
	{"iommu", iommu},
	{"socket_buffers", socket_buffers},
	{"coalescing", coalescing},
	{"hugepages", hugepages},
	{"open_files", open_files},
	{"isolation", isolation},
	{"siblings", siblings},
	{"numa", numa},
	{"governor", governor},
	{"engine", engine},
	{0},
};

bool
advice_look(const struct advice_item *item, const struct conf *conf, struct advice *out)
{
	memset(out, 0, sizeof(*out));
	item->look(conf, out);
	return out->what[0] != '\0';
}
