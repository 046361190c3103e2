/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The arguments of commands that run a node for long.
 */
#include <getopt.h>
#include <stdlib.h>
#include <unistd.h>

#include "cmd.h"
#include "privileges.h"

/* -1: go on. */
static int
arguments(const struct command *command, enum conf_use use, int argc, char **argv,
	const char **path, bool *check)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
		{"check", no_argument, NULL, 'k'}, {"sample", no_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int o;

	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			*path = optarg;
			break;
		case 'k':
			*check = true;
			break;
		case 's':
			conf_sample(use, stdout);
			return EXIT_OK;
		case 'h':
			command_help(stdout, command);
			return EXIT_OK;
		default:
			return command_usage_error(command);
		}
	}
	if (*path != NULL && optind == argc)
		return -1;
	if (*path == NULL)
		return command_wrong(command, "needs a configuration: -c FILE");
	return command_wrong(command, "\"%s\" is not understood", argv[optind]);
}

static void
print_note(void *arg, const char *text)
{
	(void)arg;
	puts(text);
}

/* Where the file is, whatever becomes of the current folder. Links stay links: a reload follows
 * them anew. */
static void
remember_path(const char *path, char out[PATH_MAX])
{
	char folder[PATH_MAX] = "";
	int n;

	if (path[0] != '/' && getcwd(folder, sizeof(folder)) == NULL)
		n = PATH_MAX;
	else
		n = snprintf(out, PATH_MAX, "%s%s%s", folder, path[0] != '/' ? "/" : "", path);
	if (n >= PATH_MAX)
		out[0] = '\0';
}

int
command_node(
	const struct command *command, enum conf_use use, int argc, char **argv, struct conf *conf)
{
	struct peel_node_privileges plan;
	const char *path = NULL;
	char text[128];
	bool check = false;
	int code = arguments(command, use, argc, argv, &path, &check);

	if (code >= 0)
		return code;
	if (command_load(use, path, conf) != 0 ||
		conf_check_host(path, conf, command_print_error, NULL) != 0)
		return EXIT_USAGE;
	if (!check) {
		remember_path(path, conf->path);
		return -1;
	}
	conf_notes(path, conf, print_note, NULL);
	printf("%s: configuration is valid\n", path);
	privileges_plan(conf, &plan);
	if (geteuid() == 0 || plan.capabilities != 0)
		printf("%s: after its start it %s\n", path,
			privileges_text(&plan, text, sizeof(text)));
	return EXIT_OK;
}
