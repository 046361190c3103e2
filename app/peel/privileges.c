/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peel_base.h"
#include "privileges.h"

void
peel_privileges_no_core(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0,
		0); /* also where a core goes to a program, which has no limit */
}

/* Of this thread; those it creates later inherit the empty sets. */
static int
drop_capabilities(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	if (syscall(SYS_capset, &header, none) != 0)
		return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

static int
become(const char *user, const char *socket, char *why, size_t why_size)
{
	const struct passwd *pw = getpwnam(user);
	int ret = 0;

	if (pw == NULL) {
		snprintf(why, why_size, "[node] user: %s is not known here", user);
		return -ENOENT;
	}
	if (geteuid() == pw->pw_uid && getuid() == pw->pw_uid)
		return 0;
	if (socket[0] != '\0' && lchown(socket, pw->pw_uid, pw->pw_gid) != 0) {
		ret = -errno;
		snprintf(why, why_size, "[node] management: cannot give %s to %s: %s", socket, user,
			strerror(errno));
		return ret;
	}
	/* In this order: after setuid the others are not allowed any more. glibc applies them to all threads. */
	if (initgroups(user, pw->pw_gid) != 0 ||
		setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) != 0 ||
		setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) != 0) {
		ret = -errno;
		snprintf(why, why_size, "[node] user: cannot become %s: %s", user, strerror(errno));
		return ret;
	}
	peel_privileges_no_core(); /* changing the user may have undone it */
	if (pw->pw_uid != 0 && setuid(0) == 0) {
		snprintf(why, why_size, "[node] user: root's rights came back after becoming %s",
			user);
		return -EPERM;
	}
	return 0;
}

int
peel_privileges_drop(const char *user, const char *socket, char *why, size_t why_size)
{
	int ret;

	if (user[0] == '\0' && geteuid() == 0) {
		peel_log(PEEL_LOG_WARNING, "runs as root all the time; set user in [node]");
		return 0;
	}
	if (user[0] != '\0') {
		ret = become(user, socket, why, why_size);
		if (ret != 0)
			return ret;
		peel_log(PEEL_LOG_INFO, "runs as user %s from now on", user);
	}
	ret = drop_capabilities();
	if (ret != 0)
		snprintf(why, why_size, "cannot drop capabilities: %s", strerror(-ret));
	return ret;
}
