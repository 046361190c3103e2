/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How a log line looks, and where it goes.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <time.h>

#include "journal.h"
#include "log_file.h"
#include "log_output.h"
#include "log_ring.h"
#include "output.h"

static bool timestamps; /* atomic: other threads log, too */
static bool in_file;	/* these change only at the start */
static enum {
	PLAIN,
	MARKED, /* with a priority for the journal in front, which has no socket here */
	JOURNAL,
} console;
static char instance[64]; /* the name of the configuration file */
static const char *const level_name[] = {"error", "warning", "info", "debug"};

static void
write_time(char out[40])
{
	struct timespec now;
	struct tm tm;
	size_t len;

	out[0] = '\0';
	if (clock_gettime(CLOCK_REALTIME, &now) != 0 || gmtime_r(&now.tv_sec, &tm) == NULL)
		return;
	len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + len, 40 - len, ".%03ldZ ", now.tv_nsec / 1000000);
}

/* One write a line: lines of several threads stay whole. */
static void
write_text(enum output_stream to, const struct peel_log_line *line, bool with_time, bool marked,
	unsigned int n)
{
	char out[640], when[40] = "";
	int len;

	if (with_time)
		write_time(when);
	if (marked)
		len = snprintf(out, sizeof(out), "<%u>%s%s\n", journal_priority(line->level), when,
			line->text);
	else
		len = snprintf(
			out, sizeof(out), "%s%s: %s\n", when, level_name[line->level], line->text);
	if (len >= (int)sizeof(out)) {
		len = (int)sizeof(out) - 1;
		out[len - 1] = '\n';
	}
	(void)output_write_for(to, out, (size_t)len, n);
}

static void
write_one(enum output_stream to, const struct peel_log_line *line, unsigned int n)
{
	char entry[JOURNAL_ENTRY_MAX];

	if (to == OUTPUT_JOURNAL)
		(void)output_write_for(to, entry, journal_entry(line, instance, entry), n);
	else
		write_text(to, line,
			to == OUTPUT_FILE || __atomic_load_n(&timestamps, __ATOMIC_RELAXED),
			to == OUTPUT_STDERR && console == MARKED, n);
}

static void
write_to(enum output_stream to, const struct peel_log_line *line)
{
	unsigned int lost = output_lost(to);
	struct peel_log_line gap = *line;
	char text[80];

	if (lost > 0) {
		snprintf(text, sizeof(text), "%u lines are missing here: they could not be written",
			lost);
		gap.level = PEEL_LOG_WARNING;
		gap.text = text;
		write_one(to, &gap, lost);
	}
	write_one(to, line, 1);
}

/* For those who ask the node: with the time of day. */
static void
remember(const struct peel_log_line *line)
{
	char out[640], when[40];

	write_time(when);
	snprintf(out, sizeof(out), "%.8s%s%s: %s", when[0] != '\0' ? when + 11 : "",
		when[0] != '\0' ? "Z " : "", level_name[line->level], line->text);
	log_ring_add(out);
}

static void
write_line(void *arg, const struct peel_log_line *line)
{
	(void)arg;
	remember(line);
	if (in_file)
		write_to(OUTPUT_FILE, line);
	if (!in_file || line->level == PEEL_LOG_ERROR)
		write_to(console == JOURNAL ? OUTPUT_JOURNAL : OUTPUT_STDERR, line);
}

static void
name_instance(const char *path)
{
	char copy[PATH_MAX], *name, *dot;

	snprintf(copy, sizeof(copy), "%s", path);
	name = path[0] != '\0' ? basename(copy) : copy;
	dot = strrchr(name, '.');
	if (dot != NULL && dot != name)
		*dot = '\0';
	snprintf(instance, sizeof(instance), "%.63s", name);
}

static int
open_file(const struct conf *conf, char *why, size_t why_size)
{
	int fd = log_file_open(conf, why, why_size);

	return fd < 0 ? fd : output_open(OUTPUT_FILE, fd, NULL);
}

int
log_output_start(const struct conf *conf, char *why, size_t why_size)
{
	int fd, rc = 0;

	name_instance(conf->path);
	if (journal_reads_stderr()) {
		fd = journal_open();
		console = fd >= 0 && output_open(OUTPUT_JOURNAL, fd, &journal_address) == 0
				  ? JOURNAL
				  : MARKED;
	}
	if (conf->log_file[0] != '\0') {
		rc = open_file(conf, why, why_size);
		in_file = rc == 0;
	}
	log_output_change(conf);
	return rc;
}

void
log_output_reopen(const struct conf *conf)
{
	char why[400] = "";
	int rc;

	if (!in_file)
		return;
	rc = open_file(conf, why, sizeof(why));
	if (rc != 0)
		peel_log(PEEL_LOG_ERROR, "%s; the log goes on in the file as it was opened before",
			why[0] != '\0' ? why : strerror(-rc));
}

void
log_output_change(const struct conf *conf)
{
	__atomic_store_n(&timestamps, conf->log_timestamps, __ATOMIC_RELAXED);
	peel_log_set(write_line, NULL, conf->log_level);
}
