/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel ban` and `peel unban`: whom a running node has nothing to do with.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "management_client.h"
#include "peel_ban.h"
#include "steering.h"

struct request {
	struct management_node node;
	bool list;
	unsigned int seconds; /* 0: for ever */
};

/* "90", "90s", "15m", "2h", "7d". EXIT_OK, or EXIT_USAGE after saying what is wrong. */
static int
parse_time(const char *text, unsigned int *out)
{
	static const char units[] = "smhd";
	static const unsigned long seconds[] = {1, 60, 3600, 86400};
	const char *unit;
	char *end;
	unsigned long n = strtoul(text, &end, 10), each = 1;

	unit = *end != '\0' && end[1] == '\0' ? strchr(units, *end) : NULL;
	if (unit != NULL)
		each = seconds[unit - units];
	if (text[0] < '0' || text[0] > '9' || (unit == NULL && *end != '\0') || n == 0 ||
		n > STEERING_BAN_SECONDS_MAX / each)
		return command_wrong(&command_ban,
			"--for takes a time such as 90s, 15m, 2h or 7d, up to 365d, not \"%s\"",
			text);
	*out = (unsigned int)(n * each);
	return EXIT_OK;
}

/* EXIT_OK: go on; -1: end, all is said; else the exit code. */
static int
options(struct request *r, int argc, char **argv)
{
	static const struct option list[] = {{"for", required_argument, NULL, 'f'},
		{"list", no_argument, NULL, 'l'}, MANAGEMENT_OPTIONS};
	int o, rc = EXIT_OK;

	while (rc == EXIT_OK &&
		(o = getopt_long(argc, argv, MANAGEMENT_LETTERS "f:l", list, NULL)) != -1) {
		if (o == 'f')
			rc = parse_time(optarg, &r->seconds);
		else if (o == 'l')
			r->list = true;
		else
			rc = management_option(&command_ban, o, &r->node);
	}
	return rc;
}

/* A key is told by its member id, which fits into a request. */
static int
whom(const struct command *command, int argc, char **argv, char text[PEEL_BAN_TEXT_MAX])
{
	struct peel_ban ban;
	char why[128];

	if (optind + 1 != argc)
		return command_wrong(command, "needs one address, network or key");
	if (peel_ban_parse(argv[optind], &ban, why, sizeof(why)) != 0)
		return command_wrong(command, "%s", why);
	peel_ban_text(&ban, text);
	return EXIT_OK;
}

static int
run_ban(int argc, char **argv)
{
	struct request r = {0};
	char line[128] = "bans", text[PEEL_BAN_TEXT_MAX];
	int rc = options(&r, argc, argv);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (r.list && (r.seconds > 0 || optind < argc))
		return command_wrong(&command_ban, "--list takes nothing else");
	if (!r.list)
		rc = whom(&command_ban, argc, argv, text);
	if (rc == EXIT_OK)
		rc = management_find(&command_ban, &r.node);
	if (rc != EXIT_OK)
		return rc;
	if (!r.list && r.seconds > 0)
		snprintf(line, sizeof(line), "ban %s %u", text, r.seconds);
	else if (!r.list)
		snprintf(line, sizeof(line), "ban %s", text);
	return management_tell(&command_ban, r.node.socket, line, r.list);
}

static int
run_unban(int argc, char **argv)
{
	struct management_node node = {0};
	char line[128], text[PEEL_BAN_TEXT_MAX];
	int rc = management_options(&command_unban, argc, argv, &node);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	rc = whom(&command_unban, argc, argv, text);
	if (rc == EXIT_OK)
		rc = management_find(&command_unban, &node);
	if (rc != EXIT_OK)
		return rc;
	snprintf(line, sizeof(line), "unban %s", text);
	return management_tell(&command_unban, node.socket, line, false);
}

const struct command command_ban = {
	.name = "ban",
	.about = "have a running node drop an address, network or node",
	.usage = "ban -c FILE [--for TIME] WHOM | peel ban -c FILE --list",
	.help = "WHOM is an address, a network such as 192.0.2.0/24, or a node by its member id "
		"or\n"
		"public key (40 or 148 hexadecimal digits). What comes from a banned address is\n"
		"dropped and counted (drop_banned). A banned node is no peer, never a hop of own\n"
		"circuits, and its requests for circuits are refused. Circuits through either end\n"
		"within seconds. Bans outlast `peel reload`, but not the node. At most 1024.\n\n"
		"options:\n" MANAGEMENT_HELP "      --for TIME         for a time such as 90s, "
		"15m, 2h or 7d; else until `unban`\n"
		"      --list             print the bans and the seconds that they have left, as "
		"JSON\n"
		"  -h, --help             this text\n",
	.run = run_ban,
};

const struct command command_unban = {
	.name = "unban",
	.about = "lift a ban of a running node",
	.usage = "unban -c FILE WHOM",
	.help = "WHOM is what `peel ban --list` tells; a key may be given in full, too.\n\n"
		"options:\n" MANAGEMENT_HELP "  -h, --help             this text\n",
	.run = run_unban,
};
