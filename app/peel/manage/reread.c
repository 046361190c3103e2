/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "reread.h"

/* 0 or -errno. What is no file is not waited for. */
static int
try_to_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

bool
reread_possible(const struct session *s, const char *path, char *why, size_t why_size)
{
	int rc = try_to_open(path);

	if (rc == 0)
		return true;
	if (rc != -EACCES)
		snprintf(why, why_size, "%s: %s", path, strerror(-rc));
	else if (access(path, R_OK) != 0)
		snprintf(why, why_size,
			"%s: %s; the node runs as %s, who must be able to read it and to enter its "
			"folder",
			path, strerror(-rc), s->privileges.user);
	else /* landlock does not count for access() */
		snprintf(why, why_size,
			"%s: %s; the node reads only /etc and the folders that its files were in "
			"when it started: put the file there, or restart the node",
			path, strerror(-rc));
	return false;
}

void
reread_foresee(const struct session *s)
{
	const char *const file[] = {s->conf.path, s->conf.notice.file};
	char why[PATH_MAX + 200];

	for (size_t i = 0; s->lasting && i < PEEL_ARRAY_LEN(file); i++) {
		if (file[i][0] != '\0' && !reread_possible(s, file[i], why, sizeof(why)))
			peel_log(PEEL_LOG_WARNING, "no reload will be possible: %s", why);
	}
}
