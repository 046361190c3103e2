/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_file.h"
#include "privileges.h"

/* What is no file is not waited for. A link would be followed with rights of root's other groups.
 */
static int
open_file(const char *path)
{
	int fd = open(path,
		O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
		0640);
	struct stat st;
	int rc = fd < 0 ? -errno : fd;

	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		rc = -EINVAL;
		close(fd);
	}
	return rc;
}

/* This thread's rights to files become those of the user, and come back. */
static int
open_as(const char *path, uid_t uid, gid_t gid)
{
	int rc;

	setfsgid(gid);
	setfsuid(uid);
	rc = open_file(path);
	setfsuid(geteuid());
	setfsgid(getegid());
	return rc;
}

/* Whose file it is. Found out once: a node that stays root cannot look for users later, when it is
 * confined. */
static int
find_owner(const struct conf *conf, uid_t *uid, gid_t *gid, char *why, size_t why_size)
{
	static bool known;
	static uid_t user;
	static gid_t group;

	if (geteuid() != 0) {
		*uid = geteuid();
		*gid = getegid();
		return 0;
	}
	if (!known) {
		int rc = privileges_user(conf, &user, &group, why, why_size);

		if (rc != 0)
			return rc;
		known = true;
	}
	*uid = user;
	*gid = group;
	return 0;
}

int
log_file_open(const struct conf *conf, char *why, size_t why_size)
{
	uid_t uid;
	gid_t gid;
	int rc = find_owner(conf, &uid, &gid, why, why_size);

	if (rc != 0)
		return rc;
	rc = uid == geteuid() ? open_file(conf->log_file) : open_as(conf->log_file, uid, gid);
	if (rc < 0)
		snprintf(why, why_size, "[log] file: user %u cannot write %s: %s", uid,
			conf->log_file,
			rc == -EINVAL || rc == -ELOOP ? "it is not a file" : strerror(-rc));
	return rc;
}
