/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Questions to a running node over its management socket. */

#include <stdbool.h>
#include <stdio.h>

/** Ask, and copy the answer to @p out. 0 or -errno; never waits for more than some seconds. */
int management_ask(const char *socket_path, const char *what, bool pretty, FILE *out);
/** Say on stderr why asking failed; @return the exit code. */
int management_failed(const char *command, const char *socket_path, int error);
/** The management socket of a configuration; NULL: told on stderr why there is none. */
const char *management_socket(const char *config);
