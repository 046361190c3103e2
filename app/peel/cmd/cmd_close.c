/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel close`: tells a running node to destroy a circuit.
 */
#include <limits.h>

#include "cmd.h"
#include "management_client.h"

static int
run(int argc, char **argv)
{
	struct management_node node = {0};
	unsigned int circuit;
	char line[32];
	int rc = management_options(&command_close, argc, argv, &node);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (optind + 1 != argc)
		return command_wrong(&command_close, "needs one circuit");
	rc = command_number(&command_close, "close", argv[optind], 0, UINT_MAX, &circuit);
	if (rc == EXIT_OK)
		rc = management_find(&command_close, &node);
	if (rc != EXIT_OK)
		return rc;
	snprintf(line, sizeof(line), "close %u", circuit);
	return management_tell(&command_close, node.socket, line, false);
}

const struct command command_close = {
	.name = "close",
	.about = "destroy a circuit of a running node",
	.usage = "close -c FILE CIRCUIT",
	.help = "Destroys the circuits with the id CIRCUIT, and tells their neighbours. `peel\n"
		"status circuits` lists the ids (circuit_id, next_circuit_id). Neighbours choose\n"
		"ids, so that several circuits may have the same one. A circuit of the node's own\n"
		"is replaced by another.\n\n"
		"options:\n" MANAGEMENT_HELP "  -h, --help             this text\n",
	.run = run,
};
