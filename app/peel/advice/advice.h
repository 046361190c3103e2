/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What would make this machine a better place for a node, told from its configuration: for `peel
 * setup`. Nothing is changed here. Thread: a command that runs no node. */

#include "conf.h"

#define ADVICE_COMMANDS_MAX 4
#define ADVICE_COMMAND_MAX 200

struct advice {
	char what[400]; /* a sentence; empty: all is well */
	char helps[200], costs[200];
	/* for a shell, as root; none: what is to be done takes a person */
	char command[ADVICE_COMMANDS_MAX][ADVICE_COMMAND_MAX];
	unsigned int n_commands;
	/* lines for sysctl.d, which keep it over a restart, also where all is well */
	char keep[ADVICE_COMMANDS_MAX][ADVICE_COMMAND_MAX];
	unsigned int n_keep;
};

struct advice_item {
	const char *name;
	void (*look)(const struct conf *conf, struct advice *a);
};

/** All that is looked at; the last one has no name. */
extern const struct advice_item advice_items[];

/** Look at one. @return whether something is to be said. */
bool advice_look(const struct advice_item *item, const struct conf *conf, struct advice *out);
