/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "notice_file.h"

/* As much as there is, up to @p size. @return bytes or -errno. */
static ssize_t
read_all(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	do {
		n = read(fd, out + len, size - len);
		if (n > 0)
			len += (size_t)n;
	} while (len < size && (n > 0 || (n < 0 && errno == EINTR)));
	return n < 0 ? -errno : (ssize_t)len;
}

/* @return NULL: @p text may be shown. */
static const char *
what_is_wrong(const char *text, ssize_t len)
{
	if (len < 0)
		return strerror((int)-len);
	if (len == 0)
		return "it is empty";
	if (len > NOTICE_BYTES_MAX)
		return "it has more than 64 kB";
	return strlen(text) == (size_t)len ? NULL : "it is no text";
}

char *
notice_file_read(const char *path, char *why, size_t why_size)
{
	/* What is no file is not waited for. */
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	char *text = calloc(1, NOTICE_BYTES_MAX + 2);
	const char *wrong;
	struct stat st;

	if (fd < 0)
		wrong = strerror(errno);
	else if (text == NULL)
		wrong = strerror(ENOMEM);
	else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		wrong = "it is not a file";
	else
		wrong = what_is_wrong(text, read_all(fd, text, NOTICE_BYTES_MAX + 1));
	if (fd >= 0)
		close(fd);
	if (wrong == NULL)
		return text;
	free(text);
	snprintf(why, why_size, "cannot show %s: %s", path, wrong);
	return NULL;
}
