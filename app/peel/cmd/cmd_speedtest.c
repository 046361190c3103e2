/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel speedtest`: the phases of a measurement, and its result. speed.c measures.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "output.h"
#include "speed.h"
#include "tool.h"

#define CIRCUITS_MAX 4 /* to try, until one's exit answers */

struct speedtest {
	struct tool tool;
	struct speed *speed;
	struct speed_result result[SPEED_PHASES];
	unsigned int size, seconds;
	unsigned int circuits; /* tried */
	enum speed_phase phase;
	bool rust, json, started;
};

static const char *const phase_name[] = {"round trip", "up", "down"};

/* ---- what comes out -------------------------------------------------------------------------- */

static double
lost_percent(const struct speed_result *r)
{
	return r->sent > 0 ? 100.0 * (double)(r->sent - r->answered) / (double)r->sent : 0;
}

static double
median(const struct speed_result *r)
{
	return (r->rtt_ms[(r->n_rtt - 1) / 2] + r->rtt_ms[r->n_rtt / 2]) / 2;
}

static void
print_table(const struct speedtest *st)
{
	const struct speed_result *rtt = &st->result[SPEED_RTT];
	char hops[16];

	printf("%s, %u bytes, messages %s\n", tool_hops(&st->tool, hops), st->size,
		st->rust ? "21 and 22" : "19 and 20");
	printf("%-12s%10.2f ms    from %.2f to %.2f, %u of %llu came back\n", phase_name[0],
		median(rtt), rtt->rtt_ms[0], rtt->rtt_ms[rtt->n_rtt - 1], rtt->n_rtt,
		(unsigned long long)rtt->sent);
	for (int i = SPEED_UP; i <= SPEED_DOWN; i++) {
		const struct speed_result *r = &st->result[i];

		printf("%-12s%10.3f MB/s  %.0f datagrams/s, %.2f %% lost\n", phase_name[i],
			(double)r->bytes / r->seconds / 1e6, (double)r->counted / r->seconds,
			lost_percent(r));
	}
}

static json_t *
direction(const struct speed_result *r)
{
	return json_pack("{s:f,s:f,s:I,s:I,s:f}", "bytes_per_second", (double)r->bytes / r->seconds,
		"datagrams_per_second", (double)r->counted / r->seconds, "sent",
		(json_int_t)r->sent, "answered", (json_int_t)r->answered, "lost_percent",
		lost_percent(r));
}

static int
print_json(const struct speedtest *st)
{
	const struct speed_result *rtt = &st->result[SPEED_RTT];
	json_t *doc = json_pack("{s:i,s:i,s:i,s:b,s:{s:f,s:f,s:f,s:I,s:i},s:o,s:o}", "hops",
		(int)st->tool.hops, "size", (int)st->size, "seconds", (int)st->seconds, "rust",
		(int)st->rust, "rtt_ms", "median", median(rtt), "min", rtt->rtt_ms[0], "max",
		rtt->rtt_ms[rtt->n_rtt - 1], "sent", (json_int_t)rtt->sent, "answered",
		(int)rtt->n_rtt, "up", direction(&st->result[SPEED_UP]), "down",
		direction(&st->result[SPEED_DOWN]));
	char *text = doc != NULL ? json_dumps(doc, JSON_REAL_PRECISION(6)) : NULL;

	json_decref(doc);
	if (text == NULL)
		return EXIT_FAILED;
	puts(text);
	free(text);
	return EXIT_OK;
}

/* ---- phases ---------------------------------------------------------------------------------- */

static void
on_progress(void *arg, enum speed_phase phase, double bytes_per_second)
{
	struct speedtest *st = arg;

	(void)st;
	if (isatty(STDERR_FILENO))
		output_print(OUTPUT_STDERR, "\r%-6s%10.3f MB/s ", phase_name[phase],
			bytes_per_second / 1e6);
	else
		output_print(OUTPUT_STDERR, "%-6s%10.3f MB/s\n", phase_name[phase],
			bytes_per_second / 1e6);
}

static void
on_failed(void *arg, int error)
{
	struct speedtest *st = arg;

	tool_fail(&st->tool, "%s",
		error == -ENOENT ? "the circuit ended during the test" : peel_strerror(error));
}

static void
on_done(void *arg, enum speed_phase phase, const struct speed_result *result)
{
	struct speedtest *st = arg;
	bool tty = isatty(STDERR_FILENO);

	if (phase == SPEED_RTT && result->n_rtt == 0) {
		if (st->circuits == CIRCUITS_MAX) {
			tool_fail(&st->tool, "no exit of %u circuits answers speed tests",
				st->circuits);
			return;
		}
		output_print(OUTPUT_STDERR, "this exit does not answer: another circuit\n");
		st->started = false;
		tool_next_circuit(&st->tool);
		return;
	}
	st->result[phase] = *result;
	if (phase != SPEED_RTT && tty)
		output_print(OUTPUT_STDERR, "\r                         \r");
	if (phase == SPEED_DOWN)
		session_stop(&st->tool.session);
	else
		speed_start(st->speed, st->tool.circuit, phase + 1);
}

static void
on_ready(struct tool *t)
{
	struct speedtest *st = t->arg;

	if (st->started) {
		tool_fail(t, "the circuit ended during the test");
		return;
	}
	st->started = true;
	st->circuits++;
	speed_start(st->speed, t->circuit, SPEED_RTT);
}

static void
on_start(struct tool *t)
{
	struct speedtest *st = t->arg;
	const struct speed_conf conf = {.loop = &t->session.loop,
		.peel = t->session.peel,
		.rust = st->rust,
		.size = (uint16_t)st->size,
		.seconds = st->seconds,
		.done = on_done,
		.progress = on_progress,
		.failed = on_failed,
		.arg = st};

	st->speed = speed_new(&conf);
	if (st->speed == NULL)
		tool_fail(t, "out of memory");
}

static int
run(int argc, char **argv)
{
	static const struct option options[] = {TOOL_LONG, {"rust", no_argument, NULL, 'r'},
		{"seconds", required_argument, NULL, 's'}, {"size", required_argument, NULL, 'z'},
		{"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
	static struct speedtest st;
	int o, rc = EXIT_OK;

	tool_init(&st.tool, &command_speedtest);
	st.tool.on_start = on_start;
	st.tool.on_ready = on_ready;
	st.tool.arg = &st;
	st.size = 1200;
	st.seconds = 5;
	while (rc == EXIT_OK && (o = getopt_long(argc, argv, TOOL_SHORT, options, NULL)) != -1) {
		if (o == 'r')
			st.rust = true;
		else if (o == 's')
			rc = command_number(
				&command_speedtest, "--seconds", optarg, 1, 600, &st.seconds);
		else if (o == 'z')
			rc = command_number(
				&command_speedtest, "--size", optarg, 16, 1400, &st.size);
		else if (o == 'j')
			st.json = true;
		else
			rc = tool_option(&st.tool, o, optarg);
	}
	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	if (optind != argc)
		return command_wrong(&command_speedtest, "\"%s\" is not understood", argv[optind]);
	rc = tool_run(&st.tool);
	speed_free(st.speed);
	if (rc != EXIT_OK)
		return rc;
	if (st.json)
		return print_json(&st);
	print_table(&st);
	return EXIT_OK;
}

const struct command command_speedtest = {
	.name = "speedtest",
	.about = "measure a circuit: round trip, and bytes per second both ways",
	.usage = "speedtest [-c FILE] [-b HOST:PORT]... [--hops N] [--rust] [--seconds S] [--size "
		 "BYTES] [--json]",
	.help = "Builds a circuit and exchanges test messages with its exit, which must answer\n"
		"speed tests. If it does not, another circuit is tried, four in total. Progress\n"
		"goes to standard error, the result to standard output.\n\n"
		"options:\n" TOOL_HELP
		"      --rust                 messages 21 and 22 of the Rust endpoint\n"
		"                             instead of 19 and 20\n"
		"      --seconds S            duration of each direction (5)\n"
		"      --size BYTES           size of the payload, 16 to 1400 (1200)\n"
		"      --json                 the result as JSON\n"
		"  -h, --help                 this text\n\n"
		"exit codes: 0 measured, 1 no circuit or no answer,\n"
		"2 wrong arguments or configuration\n",
	.run = run,
};
