/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * What a node gives up after its start, in which order.
 */
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine.h"
#include "privileges.h"
#include "threads.h"

#define NOBODY 65534 /* where the machine has no user of that name */
#define CAP_BIT(cap) (UINT64_C(1) << (cap))
#define NETWORK_CAPS (CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_NET_RAW))

void
privileges_no_core(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0,
		0); /* also where a core goes to a program, which has no limit */
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* A device on an interface of the kernel is opened again when the interface returns. */
static uint64_t
device_caps(const char *device)
{
	static const struct {
		const char *prefix;
		uint64_t caps;
	} needs[] = {
		{"net_af_packet", NETWORK_CAPS},
		{"net_af_xdp", NETWORK_CAPS | CAP_BIT(CAP_BPF) | CAP_BIT(CAP_IPC_LOCK) |
				       CAP_BIT(CAP_SYS_RESOURCE)},
	};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(needs); i++) {
		if (strncmp(device, needs[i].prefix, strlen(needs[i].prefix)) == 0)
			return needs[i].caps;
	}
	return 0;
}

static int
get_caps(struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3])
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &header, data) == 0 ? 0 : -errno;
}

static uint64_t
permitted(void)
{
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (get_caps(data) != 0)
		return 0;
	return data[0].permitted | (uint64_t)data[1].permitted << 32;
}

void
privileges_plan(const struct conf *conf, struct peel_node_privileges *out)
{
	const struct passwd *pw;

	memset(out, 0, sizeof(*out));
	if (conf->user[0] != '\0')
		snprintf(out->user, sizeof(out->user), "%s", conf->user);
	else if (geteuid() == 0)
		snprintf(out->user, sizeof(out->user), "nobody");
	else if ((pw = getpwuid(geteuid())) != NULL)
		snprintf(out->user, sizeof(out->user), "%s", pw->pw_name);
	else
		snprintf(out->user, sizeof(out->user), "%u", geteuid());
	out->capabilities = device_caps(conf->node.device) & permitted();
}

const char *
privileges_text(const struct peel_node_privileges *p, char *out, size_t size)
{
	int n = snprintf(out, size, "runs as %s", p->user);
	const char *before = ", keeps ";

	for (unsigned int i = 0; i < PEEL_NODE_CAPABILITIES && n < (int)size; i++) {
		if ((p->capabilities & CAP_BIT(peel_node_capability[i].bit)) == 0)
			continue;
		n += snprintf(
			out + n, size - (size_t)n, "%s%s", before, peel_node_capability[i].name);
		before = ", ";
	}
	return out;
}

/* ---- parts of it, each in one thread --------------------------------------------------------- */

/* What a program that is executed could get. It takes CAP_SETPCAP, and a program without
 * capabilities has nothing to gain from it. */
static int
drop_inheritance(void *arg)
{
	(void)arg;
	for (int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 || errno == EINVAL
		       ? 0
		       : -errno;
}

static int
set_caps(uint64_t caps)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = (uint32_t)caps, .permitted = (uint32_t)caps},
		{.effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32)}};

	return syscall(SYS_capset, &header, data) == 0 ? 0 : -errno;
}

/* @p arg: the capabilities that stay. */
static int
drop_caps(void *arg)
{
	const uint64_t *caps = arg;
	int rc = set_caps(*caps);

	return rc != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? rc : -errno;
}

/* ---- the user -------------------------------------------------------------------------------- */

int
privileges_user(const struct conf *conf, uid_t *uid, gid_t *gid, char *why, size_t why_size)
{
	struct peel_node_privileges plan;
	const struct passwd *pw;

	privileges_plan(conf, &plan);
	pw = getpwnam(plan.user);
	*uid = pw != NULL ? pw->pw_uid : NOBODY;
	*gid = pw != NULL ? pw->pw_gid : NOBODY;
	if (pw == NULL && conf->user[0] != '\0')
		return peel_fail(
			why, why_size, -ENOENT, "[node] user: %s is not known here", plan.user);
	return 0;
}

/* glibc changes the user of all threads. */
static int
become(const struct peel_node_privileges *p, uid_t uid, gid_t gid, char *why, size_t why_size)
{
	int rc;

	/* In this order: after setresuid the others are not allowed any more. */
	if (initgroups(p->user, gid) != 0 || setresgid(gid, gid, gid) != 0 ||
		prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setresuid(uid, uid, uid) != 0) {
		rc = -errno;
		snprintf(why, why_size,
			"[node] user: cannot become %s: %s; to go on as root set user = root",
			p->user, strerror(-rc));
		return rc;
	}
	privileges_no_core(); /* changing the user may have undone it */
	return 0;
}

static int
change_user(
	const struct conf *conf, const struct peel_node_privileges *p, char *why, size_t why_size)
{
	const char *socket = conf->node.management;
	uid_t uid;
	gid_t gid;
	int rc = privileges_user(conf, &uid, &gid, why, why_size);

	if (rc != 0)
		return rc;
	if (geteuid() == uid && getuid() == uid)
		return 0;
	/* A socket of nobody's would belong to every program that runs as nobody. So without a
	 * configured user it stays root's. */
	if (conf->user[0] != '\0' && socket[0] != '\0' && lchown(socket, uid, gid) != 0) {
		rc = -errno;
		snprintf(why, why_size, "[node] management: cannot give %s to %s: %s", socket,
			p->user, strerror(-rc));
		return rc;
	}
	return become(p, uid, gid, why, why_size);
}

int
privileges_drop(const struct conf *conf, struct peel_node_privileges *p, char *why, size_t why_size)
{
	uint64_t none = 0;
	int rc;

	privileges_plan(conf, p);
	rc = drop_inheritance(NULL);
	if (rc == 0)
		rc = threads_call(drop_inheritance, NULL);
	if (rc == 0 && (conf->user[0] != '\0' || geteuid() == 0)) {
		rc = change_user(conf, p, why, why_size);
		if (rc != 0)
			return rc;
	}
	if (rc == 0)
		rc = drop_caps(&p->capabilities);
	if (rc == 0)
		rc = threads_call(drop_caps, &none);
	if (rc == 0 && geteuid() != 0 && setuid(0) == 0)
		rc = -EPERM; /* root's rights came back */
	if (rc != 0)
		snprintf(why, why_size, "cannot give up privileges: %s", strerror(-rc));
	p->no_new_privileges = rc == 0;
	return rc;
}

/* ---- and the kernel's fences ----------------------------------------------------------------- */

int
privileges_confine(
	const struct conf *conf, struct peel_node_privileges *p, char *why, size_t why_size)
{
	char text[128];
	int rc;

	/* The C library loads this when a thread is cancelled, as DPDK does at the end. By then it
	 * cannot be read any more. */
	(void)dlopen("libgcc_s.so.1", RTLD_NOW);
	rc = confine_files(conf, p->files, sizeof(p->files));

	if (rc == 0)
		rc = confine_calls(conf, p->system_calls, sizeof(p->system_calls));
	if (rc != 0) {
		snprintf(why, why_size, "cannot be confined: %s", strerror(-rc));
		return rc;
	}
	peel_log(PEEL_LOG_INFO, "%s; files: %s, system calls: %s",
		privileges_text(p, text, sizeof(text)), p->files, p->system_calls);
	return 0;
}
