/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * `peel top`: what a running node does, live, or once for scripts.
 */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cmd.h"
#include "management_client.h"
#include "top_screen.h"
#include "top_view.h"

#define INTERVAL_MAX 60
#define SIZE_MAX_TEXT 1000
#define HANGUP_MS 250 /* a terminal that has gone is noticed so fast */

struct request {
	struct management_node node;
	unsigned int interval; /* seconds */
	bool once, json, ascii;
};

/* EXIT_OK: go on; -1: end, all is said; else the exit code. */
static int
options(struct request *r, int argc, char **argv)
{
	static const struct option list[] = {{"interval", required_argument, NULL, 'i'},
		{"once", no_argument, NULL, '1'}, {"json", no_argument, NULL, 'j'},
		{"ascii", no_argument, NULL, 'a'}, MANAGEMENT_OPTIONS};
	int o, rc;

	while ((o = getopt_long(argc, argv, MANAGEMENT_LETTERS "i:", list, NULL)) != -1) {
		switch (o) {
		case 'i':
			rc = command_number(
				&command_top, "--interval", optarg, 1, INTERVAL_MAX, &r->interval);
			if (rc != EXIT_OK)
				return rc;
			break;
		case '1':
			r->once = true;
			break;
		case 'j':
			r->json = true;
			break;
		case 'a':
			r->ascii = true;
			break;
		default:
			rc = management_option(&command_top, o, &r->node);
			if (rc != EXIT_OK)
				return rc;
		}
	}
	if (optind != argc)
		return command_wrong(&command_top, "\"%s\" is not understood", argv[optind]);
	return EXIT_OK;
}

/* ---- once ------------------------------------------------------------------------------------ */

/* Lines and columns as the shell knows them. */
static int
size_from(const char *name, int otherwise, int min)
{
	const char *text = getenv(name);
	long n = text != NULL ? strtol(text, NULL, 10) : 0;

	return n >= min && n <= SIZE_MAX_TEXT ? (int)n : otherwise;
}

static int
once(const struct request *r, struct top_data *d)
{
	struct canvas c = {.ascii = r->ascii};
	struct top_view v = {.page = TOP_OVERVIEW, .interval = r->interval};
	json_t *document;
	int rc = EXIT_OK;

	top_look(d, TOP_STAGES_WANTED);
	if (d->trouble[0] == '\0') {
		sleep(r->interval);
		top_look(d, TOP_ALL_WANTED);
	}
	if (d->trouble[0] != '\0') {
		fprintf(stderr, "peel top: %s: %s\n", d->socket, d->trouble);
		return EXIT_FAILED;
	}
	if (r->json) {
		document = top_document(d);
		rc = json_dumpf(document, stdout, JSON_REAL_PRECISION(9)) == 0 ? EXIT_OK
									       : EXIT_FAILED;
		fputc('\n', stdout);
		json_decref(document);
		return rc;
	}
	if (canvas_clear(&c, size_from("LINES", 24, TOP_ROWS_MIN),
		    size_from("COLUMNS", 80, TOP_COLS_MIN)) != 0)
		return EXIT_FAILED;
	top_draw(&c, &v, d);
	canvas_print(&c, stdout);
	canvas_free(&c);
	return EXIT_OK;
}

/* ---- live ------------------------------------------------------------------------------------ */

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
show(struct canvas *c, struct top_view *v, const struct top_data *d)
{
	int rows, cols;

	top_screen_size(&rows, &cols);
	if (rows < 1 || cols < 1 || canvas_clear(c, rows, cols) != 0)
		return;
	top_draw(c, v, d);
	top_screen_show(c);
}

static void
turn_to(struct top_view *v, int page)
{
	if (page >= N_TOP_PAGES)
		return;
	v->page = (enum top_page)page;
	v->first = 0;
}

/* @return false: the end. */
static bool
obey(struct top_view *v, enum top_key key, int page, int rows)
{
	/* The log shows its end first. */
	int step = v->page == TOP_LOG_PAGE ? -1 : 1;

	switch (key) {
	case TOP_KEY_PAGE:
		turn_to(v, page);
		break;
	case TOP_KEY_NEXT_PAGE:
		turn_to(v, ((int)v->page + 1) % N_TOP_PAGES);
		break;
	case TOP_KEY_UP:
		v->first -= step;
		break;
	case TOP_KEY_DOWN:
		v->first += step;
		break;
	case TOP_KEY_PAGE_UP:
		v->first -= step * rows;
		break;
	case TOP_KEY_PAGE_DOWN:
		v->first += step * rows;
		break;
	case TOP_KEY_HOME:
		v->first = 0;
		break;
	case TOP_KEY_PAUSE:
		v->paused = !v->paused;
		break;
	case TOP_KEY_FASTER:
		v->interval -= v->interval > 1;
		break;
	case TOP_KEY_SLOWER:
		v->interval += v->interval < INTERVAL_MAX;
		break;
	case TOP_KEY_QUIT:
		return false;
	default:
		break;
	}
	return true;
}

static void
watch(const struct request *r, struct top_data *d)
{
	struct top_view v = {.page = TOP_OVERVIEW, .interactive = true, .interval = r->interval};
	struct canvas c = {.ascii = r->ascii};
	int64_t due = 0, left;
	bool on = true;
	enum top_page shown;
	enum top_key key;
	int page = 0;

	while (on) {
		if (due <= now_ms()) {
			if (!v.paused)
				top_look(d, top_page_wants(v.page));
			due = now_ms() + (int64_t)v.interval * 1000;
		}
		show(&c, &v, d);
		shown = v.page;
		left = due - now_ms();
		left = left < 0 ? 0 : left > HANGUP_MS ? HANGUP_MS : left;
		key = top_screen_key((int)left, &page);
		on = obey(&v, key, page, c.rows - 3) && isatty(STDIN_FILENO);
		if (v.page != shown)
			due = 0; /* it needs other answers */
	}
	canvas_free(&c);
}

static int
live(const struct request *r, struct top_data *d)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || top_screen_open() != 0) {
		fprintf(stderr,
			"peel top: needs a terminal (TERM=%s); --once prints a screen as text, "
			"--json for scripts\n",
			getenv("TERM") != NULL ? getenv("TERM") : "");
		return EXIT_FAILED;
	}
	watch(r, d);
	top_screen_close();
	return EXIT_OK;
}

static int
run(int argc, char **argv)
{
	struct request r = {.interval = 1};
	struct top_data *d;
	int rc = options(&r, argc, argv);

	if (rc != EXIT_OK)
		return rc < 0 ? EXIT_OK : rc;
	rc = management_find(&command_top, &r.node);
	if (rc != EXIT_OK)
		return rc;
	setlocale(LC_CTYPE, "");
	r.ascii |= strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return EXIT_FAILED;
	d->socket = r.node.socket;
	rc = r.once || r.json ? once(&r, d) : live(&r, d);
	top_free(d);
	free(d);
	return rc;
}

const struct command command_top = {
	.name = "top",
	.about = "a live screen of what a running node does",
	.usage = "top -c FILE [--interval N] [--once | --json] [--ascii]",
	.help = "Shows rates, circuits, workers, rising drops, peers and the log of a running\n"
		"node, on six pages: keys 1 to 6, or Tab. Arrows and PageUp, PageDown scroll; p\n"
		"pauses, + and - change the interval, q ends. If the node ends, the screen says "
		"so\n"
		"and goes on when it is back. The configuration must name a management socket.\n\n"
		"options:\n" MANAGEMENT_HELP
		"  -i, --interval N       seconds between two looks; 1 by default, at most 60\n"
		"      --once             two looks, then the first page as text, as large as "
		"LINES\n"
		"                         and COLUMNS say (24 and 80)\n"
		"      --json             two looks, then rates and all answers as one JSON "
		"object\n"
		"      --ascii            no block characters, as where the locale has none\n"
		"  -h, --help             this text\n",
	.run = run,
};
