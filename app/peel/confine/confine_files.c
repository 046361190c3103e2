/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Landlock. After the start a node reads how names are resolved here, what the kernel says about
 * this process and its configuration, makes its log file anew, and removes its sockets. It needs no
 * other file; what is open stays open. Rules name folders, because the system replaces its files by
 * others of the same name.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "peel_eal.h"
#include "threads.h"

/* The kernel's interface, which headers of older systems lack or have in part:
 * include/uapi/linux/landlock.h. */
#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH 1
#define WRITE_FILE (UINT64_C(1) << 1)
#define READ_FILE (UINT64_C(1) << 2)
#define READ_DIR (UINT64_C(1) << 3)
#define REMOVE_DIR (UINT64_C(1) << 4)
#define REMOVE_FILE (UINT64_C(1) << 5)
#define MAKE_FILE (UINT64_C(1) << 8)

struct path_beneath {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* All rights to files that a version of the interface can take away. */
static uint64_t
all_rights(int version)
{
	static const int n[] = {0, 13, 14, 15, 15, 16};

	return (UINT64_C(1) << n[version < 5 ? version : 5]) - 1;
}

/* A folder that is not there needs no rule. */
static void
allow(int ruleset, const char *folder, uint64_t rights)
{
	struct path_beneath rule = {.allowed = rights, .parent = open(folder, O_PATH | O_CLOEXEC)};

	if (rule.parent < 0)
		return;
	(void)syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
	close(rule.parent);
}

static void
allow_parent(int ruleset, const char *path, uint64_t rights)
{
	char copy[PATH_MAX];

	snprintf(copy, sizeof(copy), "%s", path);
	allow(ruleset, dirname(copy), rights);
}

/* Under its name, and where that leads if it is a link. */
static void
allow_reading(int ruleset, const char *path)
{
	char target[PATH_MAX];

	allow_parent(ruleset, path, READ_FILE);
	if (realpath(path, target) != NULL)
		allow_parent(ruleset, target, READ_FILE);
}

static void
allow_all(int ruleset, const struct conf *conf)
{
	/* resolv.conf and hosts, and what the first is a link to, now or later. */
	static const char *const resolver[] = {"/etc", "/run/systemd/resolve",
		"/run/NetworkManager", "/run/resolvconf", "/run/connman"};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(resolver); i++)
		allow(ruleset, resolver[i], READ_FILE | READ_DIR);
	allow_reading(ruleset, "/etc/resolv.conf");
	allow(ruleset, "/proc/self", READ_FILE | READ_DIR);
	if (conf->node.management[0] != '\0')
		allow_parent(ruleset, conf->node.management, REMOVE_FILE);
	if (conf->log_file[0] != '\0') /* to be opened again, under its name */
		allow_parent(ruleset, conf->log_file, WRITE_FILE | MAKE_FILE);
	if (conf->notice.file[0] != '\0') /* to be read again, as the next one */
		allow_reading(ruleset, conf->notice.file);
	if (conf->path[0] != '\0') /* an editor replaces it */
		allow_reading(ruleset, conf->path);
	if (conf->telemetry) {
		allow(ruleset, peel_eal_folder(), REMOVE_FILE);
		allow_parent(ruleset, peel_eal_folder(), REMOVE_DIR);
	}
	if (confine_device_is(conf, "net_"))
		allow(ruleset, "/sys", READ_FILE | READ_DIR);
	if (confine_device_is(conf, "net_af_xdp"))
		allow(ruleset, "/usr/lib", READ_FILE | READ_DIR); /* its XDP programs */
	if (SANITIZED)
		allow(ruleset, "/", READ_FILE | READ_DIR);
}

static int
restrict_self(void *arg)
{
	const int *ruleset = arg;

	return syscall(SYS_landlock_restrict_self, *ruleset, 0) == 0 ? 0 : -errno;
}

int
confine_files(const struct conf *conf, char *out, size_t size)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	uint64_t handled = all_rights((int)version);
	int ruleset, rc;

	if (version <= 0) {
		snprintf(out, size, "open (no landlock: %s)", strerror(errno));
		return 0;
	}
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof(handled), 0);
	if (ruleset < 0)
		return -errno;
	allow_all(ruleset, conf);
	rc = restrict_self(&ruleset);
	if (rc == 0)
		rc = threads_call(restrict_self, &ruleset);
	close(ruleset);
	snprintf(out, size, "landlock %ld", version);
	return rc;
}
