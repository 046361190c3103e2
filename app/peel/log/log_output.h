/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Where log lines of this program go: into a file, if there is one in the configuration; else into
 * the journal, with fields, when systemd has started the program; else to standard error. Beside a
 * file, errors go there too, so that whoever starts the program sees them. Thread: control. */

#include "conf.h"

/** Begin. Without the file there is standard error: 0, or -errno and why it cannot be written. */
int log_output_start(const struct conf *conf, char *why, size_t why_size) PEEL_MUST_USE;
/** Open the file again, if there is one: another program may have given it another name. What goes
 * wrong is logged in the old one. */
void log_output_reopen(const struct conf *conf);
/** Take over the level and whether lines begin with the time. */
void log_output_change(const struct conf *conf);
