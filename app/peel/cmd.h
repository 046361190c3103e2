/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The commands of `peel`. Each gets its own arguments (argv[0] is its name) and returns the program's exit code. */

#include <stdio.h>

#include "conf.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2 /* wrong arguments or a wrong configuration */

struct peel_command {
	const char *name, *about;
	const char *help; /* `peel NAME --help`, below the usage line */
	const char *usage;
	int (*run)(int argc, char **argv);
};

extern const struct peel_command peel_command_relay;
extern const struct peel_command peel_command_client;
extern const struct peel_command peel_command_keygen;
extern const struct peel_command peel_command_send;
extern const struct peel_command peel_command_speedtest;
extern const struct peel_command peel_command_stats;
extern const struct peel_command peel_command_status;

/** Usage and help of a command. */
void peel_command_help(FILE *to, const struct peel_command *command);
/** What getopt_long returned is no option of this command: the reason is on stderr already; says where help is. */
int peel_command_usage_error(const struct peel_command *command);

/** Arguments and configuration of a command that runs a node: -c FILE [--check]. Its exit code, or -1: run it. */
int peel_command_node(const struct peel_command *command, enum peel_conf_use use, int argc,
	char **argv, struct peel_conf *conf);
/** Load a configuration; errors go to stderr, one a line. 0 or EXIT_USAGE. */
int peel_command_load(enum peel_conf_use use, const char *path, struct peel_conf *conf);
/** Print a status (free()d; NULL: there is none) on standard output, without waiting for its reader. */
void peel_command_print_status(char *text);
/** Prints errors of a configuration. */
void peel_command_print_error(void *arg, const char *text);
