/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Reading the documents in which a node reports about itself. Thread: any. */

#include <jansson.h>

/** What is at a path such as "memory.rss_bytes", borrowed; NULL: nothing. */
const json_t *peel_status_at(const json_t *document, const char *path);
/** A number there, or whether it is true (1) or not (0); 0 if there is neither. */
double peel_status_number(const json_t *document, const char *path);
