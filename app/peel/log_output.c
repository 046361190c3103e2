/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How a log line looks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "log_output.h"
#include "log_ring.h"
#include "output.h"

static bool timestamps; /* atomic: other threads log, too */
static bool journal;

static void
line(enum peel_log_level level, const char *text)
{
	static const char *const name[] = {"error", "warning", "info", "debug"};
	static const int priority[] = {3, 4, 6, 7}; /* syslog's, which the journal reads */
	char out[640], when[40] = "", short_when[16] = "";
	struct timespec now;
	struct tm tm;
	int n;

	if (clock_gettime(CLOCK_REALTIME, &now) == 0 && gmtime_r(&now.tv_sec, &tm) != NULL) {
		size_t len = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);

		snprintf(when + len, sizeof(when) - len, ".%03ldZ ", now.tv_nsec / 1000000);
		strftime(short_when, sizeof(short_when), "%H:%M:%SZ ", &tm);
	}
	snprintf(out, sizeof(out), "%s%s: %s", short_when, name[level], text);
	log_ring_add(out);
	if (!__atomic_load_n(&timestamps, __ATOMIC_RELAXED))
		when[0] = '\0';
	if (journal)
		n = snprintf(out, sizeof(out), "<%d>%s%s\n", priority[level], when, text);
	else
		n = snprintf(out, sizeof(out), "%s%s: %s\n", when, name[level], text);
	if (n >= (int)sizeof(out)) {
		n = (int)sizeof(out) - 1;
		out[n - 1] = '\n';
	}
	/* One write a line: lines of several threads stay whole. */
	(void)output_write(OUTPUT_STDERR, out, (size_t)n);
}

static void
write_line(void *arg, enum peel_log_level level, const char *text)
{
	unsigned int lost = output_lost(OUTPUT_STDERR);
	char gap[64];

	(void)arg;
	if (lost > 0) {
		snprintf(gap, sizeof(gap), "%u lines are missing here: nobody read them", lost);
		line(PEEL_LOG_WARNING, gap);
	}
	line(level, text);
}

void
log_output_start(const struct conf *conf)
{
	timestamps = conf->log_timestamps;
	journal = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
	peel_log_set(write_line, NULL, conf->log_level);
}

void
log_output_change(const struct conf *conf)
{
	__atomic_store_n(&timestamps, conf->log_timestamps, __ATOMIC_RELAXED);
	peel_log_set(write_line, NULL, conf->log_level);
}
