/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The protocol is a few lines, and libsystemd would bring five compression and crypto libraries
 * into the process.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

const struct sockaddr_un journal_address = {
	.sun_family = AF_UNIX, .sun_path = "/run/systemd/journal/socket"};

bool
journal_reads_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM"); /* DEVICE:INODE */
	unsigned long long device, inode;
	struct stat st;

	/* A program started by the service may have inherited the variable, but writes elsewhere.
	 */
	return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

int
journal_open(void)
{
	int rc, fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* Only a question: a connection would not survive the other end. */
	if (connect(fd, (const struct sockaddr *)&journal_address, sizeof(journal_address)) == 0 &&
		connect(fd, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)) ==
			0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

unsigned int
journal_priority(enum peel_log_level level)
{
	static const unsigned int priority[] = {[PEEL_LOG_ERROR] = 3,
		[PEEL_LOG_WARNING] = 4,
		[PEEL_LOG_INFO] = 6,
		[PEEL_LOG_DEBUG] = 7};

	return priority[level];
}

/* The part of the program that a file belongs to: its folder, below lib, drivers or app. */
static int
area_of(const char *file, const char **area)
{
	const char *top = strchr(file, '/'), *end = strrchr(file, '/');

	*area = top != end ? top + 1 : file;
	return top != end ? (int)(end - top - 1) : 0;
}

size_t
journal_entry(const struct peel_log_line *line, const char *instance, char out[JOURNAL_ENTRY_MAX])
{
	size_t text_len = strlen(line->text);
	const char *area;
	int area_len = area_of(line->file, &area);
	int n = snprintf(out, JOURNAL_ENTRY_MAX,
		"PRIORITY=%u\nSYSLOG_IDENTIFIER=peel\nPEEL_INSTANCE=%.64s\nPEEL_AREA=%.*s\n"
		"CODE_FILE=%.128s\nCODE_LINE=%u\nCODE_FUNC=%.64s\nMESSAGE\n",
		journal_priority(line->level), instance, area_len < 64 ? area_len : 64, area,
		line->file, line->line, line->function);
	size_t len = (size_t)n;

	/* With its length in front, a text may have several lines. */
	if (text_len > JOURNAL_ENTRY_MAX - len - 9)
		text_len = JOURNAL_ENTRY_MAX - len - 9;
	for (unsigned int i = 0; i < 8; i++)
		out[len++] = (char)((uint64_t)text_len >> 8 * i);
	memcpy(out + len, line->text, text_len);
	out[len + text_len] = '\n';
	return len + text_len + 1;
}
