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
	__atomic_store_n(&log_arg, arg, __ATOMIC_RELAXED);
	__atomic_store_n(&log_level, level, __ATOMIC_RELAXED);
	__atomic_store_n(&log_fn, fn, __ATOMIC_RELEASE);
}

void
peel_log_at(const char *file, unsigned int line, const char *function, enum peel_log_level level,
	const char *format, ...)
{
	peel_log_fn fn = __atomic_load_n(&log_fn, __ATOMIC_ACQUIRE);
	char text[512];
	va_list ap;

	if (fn == NULL || level > __atomic_load_n(&log_level, __ATOMIC_RELAXED))
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fn(__atomic_load_n(&log_arg, __ATOMIC_RELAXED),
		&(const struct peel_log_line){.level = level,
			.text = text,
			.file = file,
			.line = line,
			.function = function});
}
