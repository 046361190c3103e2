/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>

#include "handle.h"

/* The last failure of this thread. */
static __thread struct {
	int code;
	const char *text;
	char buffer[512];
} last;

int
error_text(int code, const char *text)
{
	last.code = code;
	last.text = text;
	return code;
}

int
error_format(int code, const char *format, ...)
{
	char text[sizeof(last.buffer)]; /* an argument may be the text of the failure before */
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	memcpy(last.buffer, text, sizeof(text));
	return error_text(code, last.buffer);
}

int
error_no_circuit(void)
{
	return error_text(-ENOENT, "there is no such circuit (any more)");
}

int
error_no_memory(void)
{
	return error_text(-ENOMEM, "out of memory");
}

const char *
peel_strerror(int result)
{
	const char *text;

	if (result >= 0)
		return "success";
	if (result == last.code && last.text != NULL)
		return last.text;
	text = strerrordesc_np(-result);
	return text != NULL ? text : "unknown error";
}

const char *
peel_version(void)
{
	return PEEL_VERSION;
}
