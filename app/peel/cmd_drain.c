/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel drain`: tells a running node to end when its circuits have.
 */
#include <getopt.h>

#include "cmd.h"
#include "management_client.h"
#include "steering.h"

struct request {
	const char *config, *socket;
	bool cancel, with_limit;
	unsigned int limit; /* seconds */
};

/* EXIT_OK: go on; -1: end, all is said; else the exit code. */
static int
options(struct request *r, int argc, char **argv)
{
	static const struct option list[] = {{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'}, {"timeout", required_argument, NULL, 't'},
		{"cancel", no_argument, NULL, 'x'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	int o, rc;

	while ((o = getopt_long(argc, argv, "c:s:t:h", list, NULL)) != -1) {
		switch (o) {
		case 'c':
			r->config = optarg;
			break;
		case 's':
			r->socket = optarg;
			break;
		case 't':
			rc = command_number(&command_drain, "--timeout", optarg, 0,
				STEERING_SECONDS_MAX, &r->limit);
			if (rc != EXIT_OK)
				return rc;
			r->with_limit = true;
			break;
		case 'x':
			r->cancel = true;
			break;
		case 'h':
			command_help(stdout, &command_drain);
			return -1;
		default:
			return command_usage_error(&command_drain);
		}
	}
	if (r->cancel && r->with_limit)
		return command_wrong(&command_drain, "give --timeout or --cancel, not both");
	if (optind != argc)
		return command_wrong(&command_drain, "\"%s\" is not understood", argv[optind]);
	return EXIT_OK;
}

static int
run(int argc, char **argv)
{
	struct request r = {0};
	char line[64] = "drain";
	int rc = options(&r, argc, argv);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	rc = management_find(&command_drain, r.config, &r.socket);
	if (rc != EXIT_OK)
		return rc;
	if (r.cancel)
		snprintf(line, sizeof(line), "drain cancel");
	else if (r.with_limit)
		snprintf(line, sizeof(line), "drain %u", r.limit);
	return management_tell(&command_drain, r.socket, line, false);
}

const struct command command_drain = {
	.name = "drain",
	.about = "end a running node when the circuits of others have ended",
	.usage = "drain -c FILE [--timeout SECONDS | --cancel]",
	.help = "From now on the node joins no circuit, announces no flags, so that nobody "
		"chooses\n"
		"it, and becomes introduction point of no service. It ends when the circuits of\n"
		"others have ended, or at the limit, and then destroys those that are left.\n"
		"`peel status` shows how many are left. A signal ends it at once.\n\n"
		"options:\n"
		"  -c, --config FILE      the configuration the node runs with\n"
		"  -s, --socket SOCKET    its management socket, instead of -c\n"
		"  -t, --timeout SECONDS  the limit; without it, shutdown_wait of the node, or\n"
		"                         else max_time, the lifetime of a circuit\n"
		"      --cancel           go on as before\n"
		"  -h, --help             this text\n",
	.run = run,
};
