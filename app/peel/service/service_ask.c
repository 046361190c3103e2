/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdio.h>
#include <string.h>

#include "management_client.h"
#include "service_ask.h"

struct request {
	struct management_node node;
	const char *how; /* join, publish, both */
	bool pretty;
};

/* EXIT_OK: go on; -1: end, all is said; else the exit code. */
static int
options(struct request *r, int argc, char **argv)
{
	static const struct option list[] = {{"publish", no_argument, NULL, 'P'},
		{"both", no_argument, NULL, 'B'}, {"pretty", no_argument, NULL, 'p'},
		MANAGEMENT_OPTIONS};
	int o, rc;

	while ((o = getopt_long(argc, argv, MANAGEMENT_LETTERS "p", list, NULL)) != -1) {
		switch (o) {
		case 'P':
			r->how = "publish";
			break;
		case 'B':
			r->how = "both";
			break;
		case 'p':
			r->pretty = true;
			break;
		default:
			rc = management_option(&command_service, o, &r->node);
			if (rc != EXIT_OK)
				return rc;
		}
	}
	return EXIT_OK;
}

/* @p takes_name: an argument names the service. */
static int
run(const char *what, bool takes_name, int argc, char **argv)
{
	struct request r = {.how = what};
	struct service_name name;
	char line[SERVICE_TEXT_MAX + 32], why[256];
	int rc = options(&r, argc, argv);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (strcmp(r.how, what) != 0 && strcmp(what, "join") != 0)
		return command_wrong(&command_service, "--%s is for join", r.how);
	if (argc - optind != (takes_name ? 1 : 0))
		return command_wrong(
			&command_service, takes_name ? "needs one name" : "list takes no name");
	rc = management_find(&command_service, &r.node);
	if (rc != EXIT_OK)
		return rc;
	snprintf(line, sizeof(line), "service list");
	if (takes_name) {
		if (service_parse(argv[optind], &name, why, sizeof(why)) != 0)
			return command_wrong(&command_service, "%s", why);
		snprintf(line, sizeof(line), "service %s %s/%u", r.how, name.text, name.hops);
	}
	return management_tell(&command_service, r.node.socket, line, r.pretty);
}

int
service_ask_join(int argc, char **argv)
{
	return run("join", true, argc, argv);
}

int
service_ask_leave(int argc, char **argv)
{
	return run("leave", true, argc, argv);
}

int
service_ask_list(int argc, char **argv)
{
	return run("list", false, argc, argv);
}
