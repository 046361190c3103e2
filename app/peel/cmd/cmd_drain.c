/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel drain`: tells a running node to end when its circuits have.
 */
#include "cmd.h"
#include "management_client.h"
#include "steering.h"

struct request {
	struct management_node node;
	bool cancel, with_limit;
	unsigned int limit; /* seconds */
};

/* EXIT_OK: go on; -1: end, all is said; else the exit code. */
static int
options(struct request *r, int argc, char **argv)
{
	static const struct option list[] = {{"timeout", required_argument, NULL, 't'},
		{"cancel", no_argument, NULL, 'x'}, MANAGEMENT_OPTIONS};
	int o, rc;

	while ((o = getopt_long(argc, argv, MANAGEMENT_LETTERS "t:", list, NULL)) != -1) {
		switch (o) {
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
		default:
			rc = management_option(&command_drain, o, &r->node);
			if (rc != EXIT_OK)
				return rc;
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
	rc = management_find(&command_drain, &r.node);
	if (rc != EXIT_OK)
		return rc;
	if (r.cancel)
		snprintf(line, sizeof(line), "drain cancel");
	else if (r.with_limit)
		snprintf(line, sizeof(line), "drain %u", r.limit);
	return management_tell(&command_drain, r.node.socket, line, false);
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
		"options:\n" MANAGEMENT_HELP
		"  -t, --timeout SECONDS  the limit; without it, shutdown_wait of the node, or\n"
		"                         else max_time, the lifetime of a circuit\n"
		"      --cancel           go on as before\n"
		"  -h, --help             this text\n",
	.run = run,
};
