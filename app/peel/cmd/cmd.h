/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The commands of `peel`. Each gets its own arguments (argv[0] is its name) and returns the
 * program's exit code. */

#include <stdio.h>

#include "conf.h"

#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2 /* wrong arguments or a wrong configuration */

struct command {
	const char *name, *about;
	const char *help; /* `peel NAME --help`, below the usage line */
	const char *usage;
	int (*run)(int argc, char **argv);
};

extern const struct command command_relay;
extern const struct command command_ban;
extern const struct command command_client;
extern const struct command command_close;
extern const struct command command_doctor;
extern const struct command command_drain;
extern const struct command command_keygen;
extern const struct command command_reload;
extern const struct command command_send;
extern const struct command command_service;
extern const struct command command_setup;
extern const struct command command_speedtest;
extern const struct command command_stats;
extern const struct command command_status;
extern const struct command command_top; /* where there is ncurses */
extern const struct command command_unban;

/** Usage and help of a command. */
void command_help(FILE *to, const struct command *command);
/** What getopt_long returned is no option of this command: the reason is on stderr already; says
 * where help is. */
int command_usage_error(const struct command *command);
/** The same, but the reason is @p format: "peel COMMAND: ...". @return EXIT_USAGE. */
int command_wrong(const struct command *command, const char *format, ...) PEEL_PRINTF(2, 3);
/** Decimal number of an option, in a range. EXIT_OK, or EXIT_USAGE after saying what is wrong. */
int command_number(const struct command *command, const char *option, const char *value,
	unsigned int min, unsigned int max, unsigned int *out);

/** Arguments and configuration of a command that runs a node: -c FILE [--check]. Its exit code, or
 * -1: run it. */
int command_node(
	const struct command *command, enum conf_use use, int argc, char **argv, struct conf *conf);
/** Load a configuration; errors go to stderr, one a line. 0 or EXIT_USAGE. */
int command_load(enum conf_use use, const char *path, struct conf *conf);
/** Prints errors of a configuration. */
void command_print_error(void *arg, const char *text);
