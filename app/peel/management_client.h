/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Questions to a running node over its management socket. */

#include "cmd.h"

/** The node that is asked: @p socket_path, or else the socket that the file @p config names;
 * exactly one of them is given, the other NULL. EXIT_OK, or EXIT_USAGE after saying what is wrong.
 */
int management_find(const struct command *command, const char *config, const char **socket_path);
/** Ask, and copy the answer to @p out. 0 or -errno; never waits for more than some seconds. */
int management_ask(const char *socket_path, const char *what, bool pretty, FILE *out);
/** Ask, and print the answer; one with an `error` goes to standard error. @return the exit code. */
int management_tell(
	const struct command *command, const char *socket_path, const char *what, bool pretty);
/** Say on stderr why asking failed; @return the exit code. */
int management_failed(const struct command *command, const char *socket_path, int error);
