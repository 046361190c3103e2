/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel reload`: tells a running node to read its configuration again.
 */
#include <getopt.h>

#include "cmd.h"
#include "management_client.h"

static int
run(int argc, char **argv)
{
	static const struct option list[] = {{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	const char *config = NULL, *socket_path = NULL;
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
			command_help(stdout, &command_reload);
			return EXIT_OK;
		default:
			return command_usage_error(&command_reload);
		}
	}
	if (optind != argc)
		return command_wrong(&command_reload, "\"%s\" is not understood", argv[optind]);
	rc = management_find(&command_reload, config, &socket_path);
	return rc != EXIT_OK ? rc : management_tell(&command_reload, socket_path, "reload", true);
}

const struct command command_reload = {
	.name = "reload",
	.about = "make a running node read its configuration again",
	.usage = "reload -c FILE",
	.help = "The node takes over what can change while it runs, and keeps its circuits: the\n"
		"settings with the mark [reload] in `peel relay --sample`. The answer lists what\n"
		"has changed, and what is left as it was until a restart. A file with a mistake\n"
		"changes nothing. SIGHUP does the same, and the answer is in the log.\n\n"
		"options:\n"
		"  -c, --config FILE      the configuration the node runs with\n"
		"  -s, --socket SOCKET    its management socket, instead of -c\n"
		"  -h, --help             this text\n",
	.run = run,
};
