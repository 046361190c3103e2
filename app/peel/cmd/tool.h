/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * What `peel send` and `peel speedtest` share: a node for a minute that builds circuits of one
 * length and says nothing else. It takes a fresh key and any port, and does not relay: others would
 * lose the circuits they built through it.
 */

#include <getopt.h>

#include "cmd.h"
#include "session.h"

struct tool {
	struct session session;
	const struct command *command;
	unsigned int hops, hops_max;
	unsigned int patience; /* seconds to wait for a circuit */
	bool with_config, with_bootstrap;
	uv_timer_t deadline;
	peel_circuit circuit; /* 0: not ready yet */
	bool failed;
	/** The node is open. May be NULL. */
	void (*on_start)(struct tool *t);
	/** A circuit is ready; called again when another takes its place. */
	void (*on_ready)(struct tool *t);
	void *arg;
};

/* Their options, to be put into the commands' own lists. */
#define TOOL_SHORT "c:b:n:h"
#define TOOL_LONG                                                                                  \
	TOOL_LONG_NETWORK,                                                                         \
	{                                                                                          \
		"timeout", required_argument, NULL, 't'                                            \
	}
#define TOOL_HELP                                                                                  \
	TOOL_HELP_NETWORK                                                                          \
	"  -n, --hops N               length of the circuit, 1 to 8 (3)\n"                         \
	"      --timeout SECONDS      how long to wait for a circuit (60)\n"
/* Those of them that a command that lasts has as well. */
#define TOOL_LONG_NETWORK                                                                          \
	{"config", required_argument, NULL, 'c'}, {"bootstrap", required_argument, NULL, 'b'},     \
		{"hops", required_argument, NULL, 'n'},                                            \
		{"community", required_argument, NULL, 'C'},                                       \
	{                                                                                          \
		"help", no_argument, NULL, 'h'                                                     \
	}
#define TOOL_HELP_NETWORK                                                                          \
	"  -c, --config FILE          a client's configuration: overlay, servers, workers\n"       \
	"  -b, --bootstrap HOST:PORT  a server or a peer to start from, instead of\n"              \
	"                             those in FILE; may be repeated\n"                            \
	"      --community ID         default, tribler, or 40 hexadecimal digits\n"

void tool_init(struct tool *t, const struct command *command);
/** One of TOOL_LONG, or what getopt_long could not read. EXIT_OK: go on; -1: end, all is said; else
 * the exit code. */
int tool_option(struct tool *t, int o, const char *value);
/** Run until session_stop: builds circuits, calls on_ready. The exit code: EXIT_FAILED when
 * `failed` is set. */
int tool_run(struct tool *t);
/** The circuit is no good: close it and wait for another. */
void tool_next_circuit(struct tool *t);
/** Print "peel COMMAND: ..." and end in failure. */
void tool_fail(struct tool *t, const char *format, ...) PEEL_PRINTF(2, 3);
/** "3 hops" */
const char *tool_hops(const struct tool *t, char out[16]);
