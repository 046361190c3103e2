/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel doctor`: asks a running node twice, a few seconds apart, and says what is wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "findings.h"
#include "host_facts.h"
#include "management_client.h"
#include "peel_status_path.h"
#include "peel_aead_engines.h"

#define SECONDS 5
#define SECONDS_MAX 3600

struct request {
	struct management_node node;
	unsigned int seconds;
	bool json;
};

/* ---- the machine ----------------------------------------------------------------------------- */

static double
seconds_of(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool
has_address(const char *text)
{
	struct peel_addr addr;

	return text != NULL && peel_addr_parse(text, 0, &addr) == 0 &&
	       host_has_address(&addr, NULL);
}

static void
look_at_host(struct findings_look *l)
{
	const struct peel_aead_engine *best =
		peel_keys_init() == 0 ? peel_aead_engine_best() : NULL;
	struct timex t = {0};

	l->host.has_public_address =
		has_address(json_string_value(json_object_get(l->now, "public_address")));
	l->host.best_engine = best != NULL ? best->name : NULL;
	/* Where asking is forbidden, nothing is said. */
	l->host.clock_synchronised = adjtimex(&t) < 0 || (t.status & STA_UNSYNC) == 0;
}

/* ---- the node -------------------------------------------------------------------------------- */

/* 0 or -errno. */
static int
look(const struct request *r, struct findings_look *l, json_t **before, json_t **now)
{
	double steady, clock;
	int rc = management_json(r->node.socket, "status", before);

	if (rc != 0)
		return rc;
	steady = seconds_of(CLOCK_MONOTONIC);
	clock = seconds_of(CLOCK_REALTIME);
	sleep(r->seconds);
	rc = management_json(r->node.socket, "status", now);
	if (rc != 0)
		return rc;
	l->seconds = seconds_of(CLOCK_MONOTONIC) - steady;
	l->host.clock_jump_seconds = seconds_of(CLOCK_REALTIME) - clock - l->seconds;
	l->before = *before;
	l->now = *now;
	look_at_host(l);
	return 0;
}

/* ---- telling --------------------------------------------------------------------------------- */

static void
tell(json_t *list, const char *name, bool problem, const char *what, const char *remedy)
{
	json_array_append_new(
		list, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "severity",
			      problem ? "problem" : "note", "what", what, "remedy", remedy));
}

static void
print(const json_t *list, const struct findings_look *l)
{
	const json_t *f;
	size_t i;

	json_array_foreach ((json_t *)list, i, f)
		printf("%s: %s\n\t%s\n", json_string_value(json_object_get(f, "severity")),
			json_string_value(json_object_get(f, "what")),
			json_string_value(json_object_get(f, "remedy")));
	if (l->now != NULL && json_array_size(list) == 0)
		printf("Nothing is wrong: %.0f peers, %.0f circuits joined so far.\n",
			peel_status_number(l->now, "peers.tunnel"),
			peel_status_number(l->now, "counters.create_accepted"));
}

static int
examine(const struct request *r)
{
	struct findings_look l = {0};
	struct findings_text text;
	json_t *before = NULL, *now = NULL, *list = json_array();
	char what[FINDINGS_TEXT_MAX];
	int rc = look(r, &l, &before, &now), code = EXIT_OK;

	if (rc != 0) {
		snprintf(what, sizeof(what), "The node does not answer at %s: %s.", r->node.socket,
			strerror(-rc));
		tell(list, "no_answer", true, what,
			"Is it running, and does its configuration have this socket? Only its user "
			"and root may ask.");
		code = EXIT_FAILED;
	}
	for (const struct finding *f = findings; rc == 0 && f->name != NULL; f++) {
		if (!findings_is(f, &l, &text))
			continue;
		tell(list, f->name, f->problem, text.what, text.remedy);
		if (f->problem)
			code = EXIT_FAILED;
	}
	if (r->json) {
		json_t *document = json_pack("{s:f, s:O}", "seconds", l.seconds, "findings", list);

		json_dumpf(document, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(document);
	} else {
		print(list, &l);
	}
	json_decref(list);
	json_decref(before);
	json_decref(now);
	return code;
}

static int
parse_options(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {{"seconds", required_argument, NULL, 'n'},
		{"json", no_argument, NULL, 'j'}, MANAGEMENT_OPTIONS};
	int o, rc;

	while ((o = getopt_long(argc, argv, MANAGEMENT_LETTERS, options, NULL)) != -1) {
		switch (o) {
		case 'n':
			rc = command_number(
				&command_doctor, "--seconds", optarg, 1, SECONDS_MAX, &r->seconds);
			break;
		case 'j':
			r->json = true;
			rc = EXIT_OK;
			break;
		default:
			rc = management_option(&command_doctor, o, &r->node);
		}
		if (rc != EXIT_OK)
			return rc;
	}
	if (optind != argc)
		return command_wrong(&command_doctor, "\"%s\" is not understood", argv[optind]);
	return management_find(&command_doctor, &r->node);
}

static int
run(int argc, char **argv)
{
	struct request r = {.seconds = SECONDS};
	int rc = parse_options(argc, argv, &r);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	return examine(&r);
}

const struct command command_doctor = {
	.name = "doctor",
	.about = "say what is wrong with a running node, and what to do",
	.usage = "doctor -c FILE [--seconds N] [--json]",
	.help = "Asks the node for its status twice, and says in sentences what is wrong and\n"
		"what helps: whom it does not reach, what is full, what is dropped and why.\n"
		"Run it on the machine of the node. `peel setup` looks at the machine alone.\n\n"
		"options:\n" MANAGEMENT_HELP
		"      --seconds N        between the two questions (5); more show what is rare\n"
		"      --json             the findings as JSON: name, severity (problem or\n"
		"                         note), what, remedy\n"
		"  -h, --help             this text\n\n"
		"exit codes: 0 no problem, 1 problems, or no answer, 2 wrong arguments\n",
	.run = run,
};
