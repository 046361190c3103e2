/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel setup`: what this machine lacks for a node, and the commands that give it.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advice.h"
#include "cmd.h"

#define KEPT_FILE "/etc/sysctl.d/peel.conf"

struct request {
	const char *config;
	bool apply, persist;
};

/* Lines for KEPT_FILE. */
struct kept {
	char text[4096];
	size_t len;
};

static void
collect(struct kept *k, const struct advice *a)
{
	for (unsigned int i = 0; i < a->n_keep && k->len < sizeof(k->text); i++)
		k->len += (size_t)snprintf(
			k->text + k->len, sizeof(k->text) - k->len, "%s\n", a->keep[i]);
}

static void
show(const struct advice_item *item, const struct advice *a)
{
	printf("%s: %s\n\thelps: %s\n\tcosts: %s\n", item->name, a->what, a->helps,
		a->costs[0] != '\0' ? a->costs : "nothing");
	for (unsigned int i = 0; i < a->n_commands; i++)
		printf("\t# %s\n", a->command[i]);
}

/* @return whether nothing is left of it. */
static bool
carry_out(const struct advice_item *item, const struct conf *conf, const struct advice *a)
{
	struct advice after;

	for (unsigned int i = 0; i < a->n_commands; i++) {
		int status;

		fflush(stdout);
		/* They were shown as commands for a shell. NOLINTNEXTLINE(cert-env33-c) */
		status = system(a->command[i]);
		if (status == 0)
			continue;
		fprintf(stderr, "peel setup: failed: %s\n", a->command[i]);
		return false;
	}
	if (!advice_look(item, conf, &after)) {
		printf("\tdone\n");
		return true;
	}
	fprintf(stderr, "peel setup: the commands of %s have run, and still: %s\n", item->name,
		after.what);
	return false;
}

/* A file that a crash cannot leave half written. */
static int
keep(const struct kept *k)
{
	static const char fresh[] = KEPT_FILE ".new";
	FILE *f = fopen(fresh, "we");
	bool ok = f != NULL &&
		  fprintf(f, "# written by `peel setup --apply --persist`\n%s", k->text) > 0;

	if (f != NULL)
		ok = fclose(f) == 0 && ok;
	if (!ok || rename(fresh, KEPT_FILE) != 0) {
		fprintf(stderr, "peel setup: cannot write %s: %s\n", KEPT_FILE, strerror(errno));
		unlink(fresh);
		return EXIT_FAILED;
	}
	printf("written for the next starts of this machine: %s\n", KEPT_FILE);
	return EXIT_OK;
}

static int
go_through(const struct request *r, const struct conf *conf)
{
	bool apply = r->apply && geteuid() == 0;
	unsigned int n = 0, n_commands = 0, n_failed = 0;
	struct kept kept = {0};
	struct advice a;

	for (const struct advice_item *item = advice_items; item->name != NULL; item++) {
		bool open = advice_look(item, conf, &a);

		if (open)
			show(item, &a);
		n += open;
		n_commands += open ? a.n_commands : 0;
		if (open && apply && a.n_commands > 0) {
			n_failed += !carry_out(item, conf, &a);
			(void)advice_look(item, conf, &a);
		}
		collect(&kept, &a);
	}
	if (n == 0)
		printf("This machine lacks nothing that a node with this configuration could "
		       "use.\n");
	if (apply)
		return (kept.len > 0 && r->persist ? keep(&kept) : EXIT_OK) != EXIT_OK ||
				       n_failed > 0
			       ? EXIT_FAILED
			       : EXIT_OK;
	if (r->apply) {
		fprintf(stderr, "peel setup: only root can apply this: nothing was changed\n");
		return EXIT_FAILED;
	}
	if (n_commands > 0)
		printf("`peel setup --apply%s%s` as root runs these commands, until the next start "
		       "of "
		       "the machine; with --persist sysctl settings stay.\n",
			r->config != NULL ? " -c " : "", r->config != NULL ? r->config : "");
	return EXIT_OK;
}

static int
parse_options(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
		{"apply", no_argument, NULL, 'a'}, {"persist", no_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	int o;

	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (o) {
		case 'c':
			r->config = optarg;
			break;
		case 'a':
			r->apply = true;
			break;
		case 'p':
			r->persist = true;
			break;
		case 'h':
			command_help(stdout, &command_setup);
			return -1;
		default:
			return command_usage_error(&command_setup);
		}
	}
	if (optind != argc)
		return command_wrong(&command_setup, "\"%s\" is not understood", argv[optind]);
	if (r->persist && !r->apply)
		return command_wrong(&command_setup, "--persist needs --apply");
	return EXIT_OK;
}

static int
run(int argc, char **argv)
{
	static struct conf conf;
	struct request r = {0};
	int rc = parse_options(argc, argv, &r);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (r.config == NULL)
		conf_init(&conf, CONF_FOR_RELAY);
	else if (command_load(CONF_FOR_ANY, r.config, &conf) != 0)
		return EXIT_USAGE;
	return go_through(&r, &conf);
}

const struct command command_setup = {
	.name = "setup",
	.about = "say what this machine lacks for a node, and change it",
	.usage = "setup [-c FILE] [--apply [--persist]]",
	.help = "Looks at this machine, for a node with this configuration (without one: a\n"
		"relay with kernel sockets): buffers of sockets, hugepages, network card,\n"
		"CPUs, limits. Says what would help, what it costs, and prints the commands.\n"
		"A network card that carries the default route or your SSH session is never\n"
		"taken away. `peel relay -c FILE --check` says whether a node starts at all.\n\n"
		"options:\n"
		"  -c, --config FILE  the configuration of the node\n"
		"      --apply        run the commands, which takes root; what is done already\n"
		"                     is left alone\n"
		"      --persist      also write sysctl settings to\n"
		"                     " KEPT_FILE ", for the next starts\n"
		"  -h, --help         this text\n\n"
		"exit codes: 0 fine, 1 something could not be done,\n"
		"2 wrong arguments or configuration\n",
	.run = run,
};
