/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* Questions to a running node over its management socket. */

#include <getopt.h>
#include <jansson.h>

#include "cmd.h"

/** The end of the list of options of a command to a running node: which node, and help. */
#define MANAGEMENT_OPTIONS                                                                         \
	{"config", required_argument, NULL, 'c'}, {"socket", required_argument, NULL, 's'},        \
		{"help", no_argument, NULL, 'h'},                                                  \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}
#define MANAGEMENT_LETTERS "c:s:h"
#define MANAGEMENT_HELP                                                                            \
	"  -c, --config FILE      the configuration the node runs with\n"                          \
	"  -s, --socket SOCKET    its management socket, instead of -c\n"

/** The node that is asked: its socket, or the file that names it. */
struct management_node {
	const char *config, *socket;
};

/** Take an option @p o that the command does not have of its own. EXIT_OK: go on; -1: end, all is
 * said; else the exit code. */
int management_option(const struct command *command, int o, struct management_node *node);
/** Take all options of a command that has none of its own. Results as above. */
int management_options(
	const struct command *command, int argc, char **argv, struct management_node *node);
/** Find @p node's socket. EXIT_OK, or EXIT_USAGE after saying what is wrong. */
int management_find(const struct command *command, struct management_node *node);
/** Ask, and copy the answer to @p out. 0 or -errno (-EPIPE: it was cut off); never waits for more
 * than some seconds. */
int management_ask(const char *socket_path, const char *what, bool pretty, FILE *out);
/** The same into @p out, a new reference; NULL after an error (-EPROTO: it was no JSON). */
int management_json(const char *socket_path, const char *what, json_t **out);
/** Ask, and print the answer; one with an `error` goes to standard error. @return the exit code. */
int management_tell(
	const struct command *command, const char *socket_path, const char *what, bool pretty);
/** Say on stderr why asking failed; @return the exit code. */
int management_failed(const struct command *command, const char *socket_path, int error);
