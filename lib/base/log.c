/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdio.h>

#include "peel_base.h"

int
peel_fail(char *why, size_t why_size, int rc, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, why_size, format, ap);
	va_end(ap);
	return rc;
}

static peel_log_fn log_fn;
static void *log_arg;
static enum peel_log_level log_level;

void
peel_log_set(peel_log_fn fn, void *arg, enum peel_log_level level)
{
	log_fn = fn;
	log_arg = arg;
	log_level = level;
}

void
peel_log(enum peel_log_level level, const char *format, ...)
{
	char line[512];
	va_list ap;

	if (log_fn == NULL || level > log_level)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	log_fn(log_arg, level, line);
}
