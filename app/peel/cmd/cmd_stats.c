/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Where the workers' time goes: two looks at their stages, and the cycles between them per cell.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "management_client.h"
#include "peel_status_path.h"

/* A node measures its stages for 10 s after a question. */
#define STAGES_SECONDS_MAX 9

static void
print_worker(const json_t *before, const json_t *after)
{
	const json_t *old = json_object_get(before, "cycles"),
		     *new = json_object_get(after, "cycles"), *value;
	double cells = peel_status_number(after, "cells") - peel_status_number(before, "cells"),
	       total = 0;
	const char *stage;

	json_object_foreach ((json_t *)new, stage, value)
		total += json_number_value(value) - peel_status_number(old, stage);
	printf("worker %.0f: %.0f cells\n", peel_status_number(after, "worker"), cells);
	json_object_foreach ((json_t *)new, stage, value) {
		double cycles = json_number_value(value) - peel_status_number(old, stage);

		printf("  %-10s %6.1f %%", stage, total > 0 ? 100 * cycles / total : 0);
		if (cells > 0)
			printf(" %10.0f cycles a cell", cycles / cells);
		putchar('\n');
	}
}

static int
stages(const char *socket_path, unsigned int seconds)
{
	json_t *before = NULL, *after = NULL;
	int rc = management_json(socket_path, "stages", &before); /* from now on they are timed */

	if (rc == 0) {
		sleep(seconds);
		rc = management_json(socket_path, "stages", &after);
	}
	if (rc == 0) {
		const json_t *old = json_object_get(before, "workers"),
			     *new = json_object_get(after, "workers");

		for (size_t i = 0; i < json_array_size(new); i++)
			print_worker(json_array_get(old, i), json_array_get(new, i));
	}
	json_decref(before);
	json_decref(after);
	return rc;
}

static int
run(int argc, char **argv)
{
	static const struct option options[] = {
		{"stages", optional_argument, NULL, 't'}, MANAGEMENT_OPTIONS};
	struct management_node node = {0};
	unsigned int seconds = 0;
	int o, rc;

	while ((o = getopt_long(argc, argv, MANAGEMENT_LETTERS, options, NULL)) != -1) {
		switch (o) {
		case 't':
			rc = command_number(&command_stats, "--stages",
				optarg != NULL ? optarg : "1", 1, STAGES_SECONDS_MAX, &seconds);
			if (rc != EXIT_OK)
				return rc;
			break;
		default:
			rc = management_option(&command_stats, o, &node);
			if (rc != EXIT_OK)
				return rc < 0 ? EXIT_OK : rc;
		}
	}
	if (optind != argc)
		return command_wrong(&command_stats, "\"%s\" is not understood", argv[optind]);
	rc = management_find(&command_stats, &node);
	if (rc != EXIT_OK)
		return rc;
	if (seconds > 0)
		rc = stages(node.socket, seconds);
	else
		rc = management_ask(node.socket, "stats", true, stdout);
	return rc == 0 ? EXIT_OK : management_failed(&command_stats, node.socket, rc);
}

const struct command command_stats = {
	.name = "stats",
	.about = "counters of a running node, or where its workers' time goes",
	.usage = "stats -c FILE [--stages[=SECONDS]]",
	.help = "Prints the counters of a running node as JSON, or measures for some seconds how\n"
		"many cycles its workers spend in each stage of their work.\n\n"
		"options:\n" MANAGEMENT_HELP "      --stages[=SECONDS]\n"
		"                         cycles per stage; 1 second by default, at most 9\n"
		"  -h, --help             this text\n",
	.run = run,
};
