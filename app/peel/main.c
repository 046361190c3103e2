/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Finds the command, and says what there is.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "conf.h"
#include "confine.h"
#include "privileges.h"

static const struct command *const commands[] = {
	&command_relay,
	&command_client,
	&command_service,
	&command_send,
	&command_speedtest,
	&command_keygen,
	&command_status,
	&command_stats,
#ifdef PEEL_HAVE_TOP
	&command_top,
#endif
	&command_doctor,
	&command_reload,
	&command_close,
	&command_ban,
	&command_unban,
	&command_drain,
	&command_setup,
};

static void
help(FILE *to)
{
	fputs("usage: peel COMMAND [OPTION]...\n\n"
	      "Peel is an onion relay and a client for the IPv8 tunnel overlay, the network that\n"
	      "Tribler users download through.\n\n"
	      "commands:\n",
		to);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->about);
	fputs("\n"
	      "options:\n"
	      "  -h, --help     this text; `peel COMMAND --help` tells more about a command\n"
	      "  -V, --version  the version\n\n"
	      "first steps:\n"
	      "  peel keygen key.bin                  make the private key of a new node\n"
	      "  peel relay -c relay.ini --check      look for mistakes in a configuration\n"
	      "  peel relay -c relay.ini              run\n"
	      "  peel status -c relay.ini --pretty    show what it is doing\n"
	      "  peel client -c client.ini            SOCKS5 into circuits, for other programs\n"
	      "  peel speedtest --hops 3              measure how fast a circuit is\n"
	      "  peel service --help                  hidden services: UDP programs, by name\n",
		to);
}

void
command_help(FILE *to, const struct command *command)
{
	fprintf(to, "usage: peel %s\n\n%s", command->usage, command->help);
}

int
command_usage_error(const struct command *command)
{
	fprintf(stderr, "usage: peel %s\n`peel %s --help` tells more\n", command->usage,
		command->name);
	return EXIT_USAGE;
}

int
command_wrong(const struct command *command, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "peel %s: ", command->name);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return command_usage_error(command);
}

int
command_number(const struct command *command, const char *option, const char *value,
	unsigned int min, unsigned int max, unsigned int *out)
{
	char *end;
	unsigned long v = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || v < min || v > max)
		return command_wrong(command, "%s takes a number from %u to %u, not \"%s\"", option,
			min, max, value);
	*out = (unsigned int)v;
	return EXIT_OK;
}

void
command_print_error(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

int
command_load(enum conf_use use, const char *path, struct conf *conf)
{
	return conf_load(use, path, conf, command_print_error, NULL) == 0 ? 0 : EXIT_USAGE;
}

int
main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	privileges_no_core();
	confine_no_io_uring();
	if (name == NULL) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		help(stdout);
		return EXIT_OK;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		printf("peel %s\n", PEEL_VERSION);
		return EXIT_OK;
	}
	for (size_t i = 0; i < PEEL_ARRAY_LEN(commands); i++) {
		if (strcmp(name, commands[i]->name) == 0) {
			static char full[32]; /* what getopt_long begins its errors with */

			snprintf(full, sizeof(full), "peel %s", name);
			argv[1] = full;
			return commands[i]->run(argc - 1, argv + 1);
		}
	}
	fprintf(stderr, "peel: there is no %s \"%s\"; `peel --help` lists what there is\n",
		name[0] == '-' ? "option" : "command", name);
	return EXIT_USAGE;
}
