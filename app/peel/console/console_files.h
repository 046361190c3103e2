/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The files of the console page, made part of the program by embed.py. */

#include <stddef.h>

struct console_file {
	const char *name;
	const unsigned char *data;
	size_t len;
};

/** Ends with one without a name. */
extern const struct console_file console_files[];
