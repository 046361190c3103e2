/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Log lines of this program: to stderr, in the form of systemd's journal when that reads them. */

#include "conf.h"

void log_output_start(const struct conf *conf);
/** Take over the level and whether lines begin with the time. */
void log_output_change(const struct conf *conf);
