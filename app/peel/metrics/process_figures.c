/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "process_figures.h"

static json_int_t
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	json_int_t n = 0;

	if (d == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 3; /* two names of folders, and this folder itself */
}

static json_int_t
virtual_bytes(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (json_int_t)pages * sysconf(_SC_PAGESIZE);
}

double
process_wall_clock(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

json_t *
process_figures(void)
{
	struct rlimit files = {0};

	(void)getrlimit(RLIMIT_NOFILE, &files);
	return json_pack("{s:I, s:f, s:I}", "open_fds", open_files(), "max_fds",
		(double)files.rlim_cur, "virtual_memory_bytes", virtual_bytes());
}
