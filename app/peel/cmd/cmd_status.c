/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel status`: asks a running node, once or again and again.
 */
#include <string.h>
#include <unistd.h>

#include "management_client.h"
#include "cmd.h"
#include "peel_base.h"

#define WATCH_SECONDS_MAX 3600

struct request {
	struct management_node node;
	const char *what; /* status, circuits, ... */
	bool pretty;
	unsigned int watch; /* seconds; 0: once */
};

static int
ask_and_tell(const struct request *r)
{
	int rc = management_ask(r->node.socket, r->what, r->pretty, stdout);

	return rc == 0 ? EXIT_OK : management_failed(&command_status, r->node.socket, rc);
}

static int
parse_options(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {{"pretty", no_argument, NULL, 'p'},
		{"watch", optional_argument, NULL, 'w'}, MANAGEMENT_OPTIONS};
	int o, rc;

	while ((o = getopt_long(argc, argv, MANAGEMENT_LETTERS "p", options, NULL)) != -1) {
		switch (o) {
		case 'p':
			r->pretty = true;
			break;
		case 'w':
			rc = command_number(&command_status, "--watch",
				optarg != NULL ? optarg : "1", 1, WATCH_SECONDS_MAX, &r->watch);
			if (rc != EXIT_OK)
				return rc;
			break;
		default:
			rc = management_option(&command_status, o, &r->node);
			if (rc != EXIT_OK)
				return rc;
		}
	}
	return EXIT_OK;
}

static bool
known(const char *what)
{
	static const char *const all[] = {"status", "circuits", "own", "peers", "stats", "stages"};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(all); i++) {
		if (strcmp(what, all[i]) == 0)
			return true;
	}
	return false;
}

static int
run(int argc, char **argv)
{
	struct request r = {.what = "status"};
	int rc = parse_options(argc, argv, &r);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (optind < argc)
		r.what = argv[optind++];
	if (optind != argc || !known(r.what))
		return command_wrong(&command_status, "\"%s\" is not understood",
			optind != argc ? argv[optind] : r.what);
	rc = management_find(&command_status, &r.node);
	if (rc != EXIT_OK)
		return rc;
	rc = ask_and_tell(&r);
	while (r.watch > 0 && rc == EXIT_OK) {
		sleep(r.watch);
		rc = ask_and_tell(&r);
	}
	return rc;
}

const struct command command_status = {
	.name = "status",
	.about = "ask a running node what it is doing",
	.usage = "status -c FILE [--pretty] [--watch[=SECONDS]] "
		 "[status|circuits|own|peers|stats]",
	.help = "Prints what a running node says about itself, as JSON: its status, or only all\n"
		"circuits, those of its own, its peers, or its counters. The configuration must\n"
		"name a management socket.\n\n"
		"options:\n" MANAGEMENT_HELP "  -p, --pretty           indented, for people\n"
		"      --watch[=SECONDS]  again and again, by default every second\n"
		"  -h, --help             this text\n",
	.run = run,
};
