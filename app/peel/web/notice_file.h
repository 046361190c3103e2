/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include "peel_base.h"

#define NOTICE_BYTES_MAX (64 * 1024)

/** Read the page of `notice` in [exit]: a regular file of UTF-8 text without NUL, not empty, not
 * longer than NOTICE_BYTES_MAX. @return the text, to be freed; NULL: and why not. Thread: any. */
char *notice_file_read(const char *path, char *why, size_t why_size) PEEL_MUST_USE;
