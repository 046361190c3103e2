/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The log's file. The node that writes it is its owner, so that it can be opened again after
 * privileges are gone. */

#include "conf.h"

/** Open the file, or make it, as the user that the node will run as. A descriptor, or -errno and
 * why not. Thread: control. */
int log_file_open(const struct conf *conf, char *why, size_t why_size) PEEL_MUST_USE;
