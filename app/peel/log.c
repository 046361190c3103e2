/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static bool timestamps, journal;

static void
write_line(void *arg, enum peel_log_level level, const char *text)
{
	static const char *const name[] = {"error", "warning", "info", "debug"};
	static const int priority[] = {3, 4, 6, 7}; /* syslog's, which the journal reads */
	char line[640], when[40] = "";
	struct timespec now;
	struct tm tm;
	int n;

	(void)arg;
	if (timestamps && clock_gettime(CLOCK_REALTIME, &now) == 0 &&
		gmtime_r(&now.tv_sec, &tm) != NULL) {
		size_t len = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);

		snprintf(when + len, sizeof(when) - len, ".%03ldZ ", now.tv_nsec / 1000000);
	}
	if (journal)
		n = snprintf(line, sizeof(line), "<%d>%s%s\n", priority[level], when, text);
	else
		n = snprintf(line, sizeof(line), "%s%s: %s\n", when, name[level], text);
	if (n >= (int)sizeof(line)) {
		n = (int)sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	/* One write a line: lines of several threads stay whole. */
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return; /* nobody to tell */
}

void
peel_log_start(const struct peel_conf *conf)
{
	timestamps = conf->log_timestamps;
	journal = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
	peel_log_set(write_line, NULL, conf->log_level);
}
