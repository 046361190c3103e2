/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel reload`: tells a running node to read its configuration again.
 */
#include "cmd.h"
#include "management_client.h"

static int
run(int argc, char **argv)
{
	struct management_node node = {0};
	int rc = management_options(&command_reload, argc, argv, &node);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (optind != argc)
		return command_wrong(&command_reload, "\"%s\" is not understood", argv[optind]);
	rc = management_find(&command_reload, &node);
	return rc != EXIT_OK ? rc : management_tell(&command_reload, node.socket, "reload", true);
}

const struct command command_reload = {
	.name = "reload",
	.about = "make a running node read its configuration again",
	.usage = "reload -c FILE",
	.help = "The node takes over what can change while it runs, and keeps its circuits: the\n"
		"settings with the mark [reload] in `peel relay --sample`. The answer lists what\n"
		"has changed, and what is left as it was until a restart. A file with a mistake\n"
		"changes nothing. SIGHUP does the same, and the answer is in the log.\n\n"
		"options:\n" MANAGEMENT_HELP "  -h, --help             this text\n",
	.run = run,
};
