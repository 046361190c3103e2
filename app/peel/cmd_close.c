/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel close`: tells a running node to destroy a circuit.
 */
#include <getopt.h>
#include <limits.h>

#include "cmd.h"
#include "management_client.h"

static int
run(int argc, char **argv)
{
	static const struct option list[] = {{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	const char *config = NULL, *socket_path = NULL;
	unsigned int circuit;
	char line[32];
	int o, rc;

	while ((o = getopt_long(argc, argv, "c:s:h", list, NULL)) != -1) {
		switch (o) {
		case 'c':
			config = optarg;
			break;
		case 's':
			socket_path = optarg;
			break;
		case 'h':
			command_help(stdout, &command_close);
			return EXIT_OK;
		default:
			return command_usage_error(&command_close);
		}
	}
	if (optind + 1 != argc)
		return command_wrong(&command_close, "needs one circuit");
	rc = command_number(&command_close, "close", argv[optind], 0, UINT_MAX, &circuit);
	if (rc == EXIT_OK)
		rc = management_find(&command_close, config, &socket_path);
	if (rc != EXIT_OK)
		return rc;
	snprintf(line, sizeof(line), "close %u", circuit);
	return management_tell(&command_close, socket_path, line, false);
}

const struct command command_close = {
	.name = "close",
	.about = "destroy a circuit of a running node",
	.usage = "close -c FILE CIRCUIT",
	.help = "Destroys the circuits with the id CIRCUIT, and tells their neighbours. `peel\n"
		"status circuits` lists the ids (circuit_id, next_circuit_id). Neighbours choose\n"
		"ids, so that several circuits may have the same one. A circuit of the node's own\n"
		"is replaced by another.\n\n"
		"options:\n"
		"  -c, --config FILE      the configuration the node runs with\n"
		"  -s, --socket SOCKET    its management socket, instead of -c\n"
		"  -h, --help             this text\n",
	.run = run,
};
