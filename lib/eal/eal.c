/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_memory.h>

#include "peel_eal.h"

#define ARGS_MAX 24

bool
peel_eal_is_pci(const char *device)
{
	/* [domain:]bus:device.function */
	static const char *const forms[] = {"hhhh:hh:hh.o", "hh:hh.o"};

	for (size_t f = 0; f < PEEL_ARRAY_LEN(forms); f++) {
		const char *p = device, *form = forms[f];

		for (; *form != '\0'; p++, form++) {
			if (*form == 'h'       ? !isxdigit((unsigned char)*p)
				: *form == 'o' ? (*p < '0' || *p > '7')
					       : *p != *form)
				break;
		}
		if (*form == '\0' && (*p == '\0' || *p == ','))
			return true;
	}
	return false;
}

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

/* ---- log ------------------------------------------------------------------------------------- */

static char
	last_line[256]; /* DPDK's latest complaint: often the only reason why something failed */

/* DPDK's log as a stream: each write is a line. */
static ssize_t
log_write(void *cookie, const char *text, size_t len)
{
	size_t n = len;

	(void)cookie;
	while (n > 0 && isspace((unsigned char)text[n - 1]))
		n--;
	if (n == 0)
		return (ssize_t)len;
	if (rte_log_cur_msg_loglevel() > (int)RTE_LOG_ERR) {
		peel_log(PEEL_LOG_DEBUG, "dpdk: %.*s", (int)n, text);
		return (ssize_t)len;
	}
	snprintf(last_line, sizeof(last_line), "%.*s", (int)n, text);
	peel_log(PEEL_LOG_WARNING, "dpdk: %.*s", (int)n, text);
	return (ssize_t)len;
}

static int
log_redirect(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_write});

	if (f == NULL)
		return -ENOMEM;
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	rte_openlog_stream(f);
	return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

struct args {
	char text[ARGS_MAX][320];
	char *v[ARGS_MAX + 1];
	int n;
};

static void PEEL_PRINTF(2, 3) add(struct args *a, const char *format, ...)
{
	va_list ap;

	if (a->n == ARGS_MAX)
		return;
	va_start(ap, format);
	vsnprintf(a->text[a->n], sizeof(a->text[0]), format, ap);
	va_end(ap);
	a->v[a->n] = a->text[a->n];
	a->n++;
}

static void
build_args(const struct peel_eal_conf *conf, struct args *a)
{
	const char *device = conf->device != NULL ? conf->device : "";
	char list[256];

	peel_cpu_list(conf->cpus, list, sizeof(list));
	add(a, "peel");
	/* One lcore, the calling thread, floating; workers are threads of the node's own that
	 * register later. */
	add(a, "--lcores=0@(%s)", list);
	/* Otherwise EAL takes every network card it has a driver for, the machine's own too. */
	if (peel_eal_is_pci(device)) {
		add(a, "-a");
		add(a, "%s", device);
	} else {
		add(a, "--no-pci");
	}
	if (conf->huge) {
		add(a, "--in-memory");
		if (conf->memory_mib != 0) {
			add(a, "-m");
			add(a, "%u", conf->memory_mib);
		}
		if (strncmp(device, "net_memif", 9) == 0 ||
			strncmp(device, "net_v", 5) == 0) /* vhost, virtio_user */
			add(a, "--single-file-segments");
	} else {
		add(a, "--no-huge");
		add(a, "-m");
		add(a, "%u", conf->memory_mib);
		add(a, "--no-shconf");
	}
	add(a, "--iova-mode=va");
	if (conf->telemetry != NULL) {
		add(a, "--file-prefix=%s", conf->telemetry);
	} else {
		add(a, "--file-prefix=peel-%d", (int)getpid());
		add(a, "--no-telemetry");
	}
	add(a, "--log-level=%d", (int)(conf->verbose ? RTE_LOG_NOTICE : RTE_LOG_ERR));
}

/* ---- core dumps ------------------------------------------------------------------------------ */

/* EAL's memory holds session keys and what travels: no dump may. Segments that come later are told
 * one by one. */
static void
on_memory(enum rte_mem_event event, const void *addr, size_t len, void *arg)
{
	(void)arg;
	if (event == RTE_MEM_EVENT_ALLOC)
		(void)madvise((void *)(uintptr_t)addr, len, MADV_DONTDUMP);
}

static int
on_list(const struct rte_memseg_list *list, void *arg)
{
	(void)arg;
	if (list->len > 0)
		(void)madvise(list->base_va, list->len, MADV_DONTDUMP);
	return 0;
}

static void
keep_out_of_dumps(void)
{
	rte_memseg_list_walk(on_list, NULL);
	/* Not supported where memory does not grow. */
	(void)rte_mem_event_callback_register("peel", on_memory, NULL);
}

/* For a user without a runtime folder, DPDK takes one in /tmp, even if somebody else has made it,
 * who could then put another socket into the place of ours. So it must be ours alone before that.
 */
static int
claim_folder(char *why, size_t why_size)
{
	static const char folder[] = "/tmp/dpdk";
	struct stat st;

	if (getuid() == 0 || getenv("RUNTIME_DIRECTORY") != NULL ||
		getenv("XDG_RUNTIME_DIR") != NULL)
		return 0;
	(void)mkdir(folder, 0700);
	if (lstat(folder, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
		(st.st_mode & 077) == 0)
		return 0;
	snprintf(why, why_size,
		"DPDK's telemetry has no safe place for its socket: %s is not ours alone; set "
		"XDG_RUNTIME_DIR to a folder of this user, such as /run/user/%u",
		folder, geteuid());
	return -EPERM;
}

int
peel_eal_init(const struct peel_eal_conf *conf, char *why, size_t why_size)
{
	struct args *a;
	int ret;

	if (conf->telemetry != NULL && claim_folder(why, why_size) != 0)
		return -EPERM;
	a = calloc(1, sizeof(*a));
	if (a == NULL || log_redirect() != 0) {
		free(a);
		snprintf(why, why_size, "out of memory");
		return -ENOMEM;
	}
	build_args(conf, a);
	last_line[0] = '\0';
	ret = rte_eal_init(a->n, a->v) < 0 ? -rte_errno : 0;
	free(a);
	if (ret != 0) {
		snprintf(why, why_size, "DPDK does not start: %s%s%s", strerror(-ret),
			last_line[0] != '\0' ? "; " : "", last_line);
		return ret;
	}
	keep_out_of_dumps();
	/* Its folder for files shared between processes stays empty in both modes, but for the
	 * socket of telemetry: leave no litter behind. */
	rmdir(rte_eal_get_runtime_dir());
	return 0;
}

const char *
peel_eal_folder(void)
{
	return rte_eal_get_runtime_dir();
}
