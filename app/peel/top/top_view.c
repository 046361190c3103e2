/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <string.h>

#include "peel_status_path.h"
#include "top_view.h"

#define LABEL 11   /* columns of what stands before a line */
#define NUMBERS 26 /* columns of the figures before a graph */

/* ---- how values read ------------------------------------------------------------------------- */

#define SHORT 32

/* 1234567 with a unit: "1.23 MB/s". */
static const char *
scaled(char out[SHORT], double v, const char *unit)
{
	static const char *const prefix[] = {"", "k", "M", "G", "T", "P"};
	size_t p = 0;

	while (v >= 999.5 && p + 1 < PEEL_ARRAY_LEN(prefix)) {
		v /= 1000;
		p++;
	}
	snprintf(out, SHORT, "%.*f%s%s%s",
		p == 0	    ? 0
		: v < 9.995 ? 2
		: v < 99.95 ? 1
			    : 0,
		v, prefix[p][0] != '\0' || unit[0] != '\0' ? " " : "", prefix[p], unit);
	return out;
}

static const char *
plain(char out[SHORT], double v)
{
	char digits[SHORT];
	int len = snprintf(digits, sizeof(digits), "%.0f", v), n = 0;

	for (int i = 0; i < len && n + 2 < SHORT; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			out[n++] = ',';
		out[n++] = digits[i];
	}
	out[n] = '\0';
	return out;
}

static const char *
duration(char out[SHORT], double ms)
{
	unsigned long long s = (unsigned long long)(ms / 1000);

	if (s >= 86400)
		snprintf(out, SHORT, "%llud %02llu:%02llu", s / 86400, s / 3600 % 24, s / 60 % 60);
	else
		snprintf(out, SHORT, "%02llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	return out;
}

static const char *
text_at(const json_t *o, const char *path, const char *otherwise)
{
	const char *text = json_string_value(peel_status_at(o, path));

	return text != NULL ? text : otherwise;
}

/* Strings of a list, as "a b c". */
static const char *
words(const json_t *list, char *out, size_t size)
{
	const json_t *word;
	size_t i;

	out[0] = '\0';
	json_array_foreach ((json_t *)list, i, word)
		snprintf(out + strlen(out), size - strlen(out), "%s%s", i > 0 ? " " : "",
			json_string_value(word));
	return out;
}

/* "NAME N  NAME N" of some fields. */
static int
counts(struct canvas *c, int row, int col, const json_t *o, const char *const names[])
{
	char n[SHORT];

	for (; *names != NULL; names++) {
		double v = peel_status_number(o, *names);
		const char *name = strrchr(*names, '.');

		col = canvas_put(c, row, col, STYLE_PLAIN, "%s ", name != NULL ? name + 1 : *names);
		col = canvas_put(
			c, row, col, v > 0 ? STYLE_GOOD : STYLE_PLAIN, "%s  ", plain(n, v));
	}
	return col;
}

/* ---- parts of pages -------------------------------------------------------------------------- */

static void
title(struct canvas *c, const struct top_view *v, const struct top_data *d)
{
	char up[SHORT], flags[128];
	const json_t *s = d->status;
	const char *public = text_at(s, "public_address", text_at(s, "address", ""));

	canvas_style(c, 0, STYLE_TITLE);
	canvas_put(c, 0, 0, STYLE_TITLE, " peel %s  %s  up %s  %s%s", text_at(s, "version", ""),
		public, duration(up, peel_status_number(s, "uptime_ms")),
		words(peel_status_at(s, "flags"), flags, sizeof(flags)),
		json_is_object(peel_status_at(s, "drain")) ? "  draining" : "");
	if (d->trouble[0] != '\0') {
		canvas_style(c, 0, STYLE_BAD);
		canvas_put(c, 0, 0, STYLE_BAD,
			" the node does not answer: %s; asked again every %u s ", d->trouble,
			v->interval);
	} else if (v->paused) {
		canvas_put(c, 0, c->cols - 8, STYLE_TITLE, " paused ");
	}
}

static void
keys(struct canvas *c, const struct top_view *v)
{
	static const char *const names[N_TOP_PAGES] = {
		"overview", "workers", "drops", "peers", "own", "log"};
	int row = c->rows - 1, col = 0;

	if (!v->interactive)
		return;
	canvas_style(c, row, STYLE_TITLE);
	for (int i = 0; i < N_TOP_PAGES; i++)
		col = canvas_put(c, row, col, i == (int)v->page ? STYLE_GOOD : STYLE_TITLE,
			"%s%d %s", i > 0 ? " " : "", i + 1, names[i]);
	canvas_put(c, row, col, STYLE_TITLE, "  arrows  p pause  +- %us  q quit", v->interval);
}

static void
traffic(struct canvas *c, int row, int rows, const struct top_data *d, bool in)
{
	const struct top_rates *r = &d->rates;
	double most = in ? d->most.in_bytes : d->most.out_bytes;
	enum style style = in ? STYLE_IN : STYLE_OUT;
	char text[SHORT];

	canvas_put(c, row, 0, STYLE_LABEL, in ? "in" : "out");
	canvas_put(c, row, 5, style, "%s", scaled(text, in ? r->in_bytes : r->out_bytes, "B/s"));
	canvas_put(c, row + 1, 5, STYLE_PLAIN, "%s datagrams/s",
		scaled(text, in ? r->in_datagrams : r->out_datagrams, ""));
	if (rows > 2)
		canvas_put(c, row + 2, 5, STYLE_PLAIN, "most %s", scaled(text, most, "B/s"));
	if (c->cols > NUMBERS)
		canvas_graph(c, row, NUMBERS, rows, c->cols - NUMBERS, style, in ? d->in : d->out,
			d->n_history, most);
}

static int
sums(struct canvas *c, int row, const json_t *s)
{
	static const char *const circuits[] = {
		"exits", "relays", "rendezvous", "unproved", "pending", NULL};
	static const char *const own[] = {"ready", "extending", "closing", NULL};
	static const char *const peers[] = {"peers.tunnel", "peers.discovery", "peers.dht",
		"candidates.relay", "candidates.exit_bt", NULL};
	const json_t *services = peel_status_at(s, "services");
	char a[SHORT];
	int col;

	canvas_put(c, row, 0, STYLE_LABEL, "circuits");
	col = counts(c, row, LABEL, peel_status_at(s, "circuits"), circuits);
	canvas_put(c, row++, col, STYLE_PLAIN, "limit %s",
		plain(a, peel_status_number(s, "circuits.max_joined")));
	if (peel_status_at(s, "own_circuits") != NULL) {
		canvas_put(c, row, 0, STYLE_LABEL, "own");
		col = counts(c, row, LABEL, peel_status_at(s, "own_circuits"), own);
		canvas_put(c, row++, col, STYLE_PLAIN, "services %zu", json_array_size(services));
	}
	canvas_put(c, row, 0, STYLE_LABEL, "peers");
	counts(c, row++, LABEL, s, peers);
	return row;
}

static int
resources(struct canvas *c, int row, const struct top_data *d)
{
	const json_t *s = d->status;
	char a[SHORT], b[SHORT], e[SHORT], f[SHORT];

	canvas_put(c, row, 0, STYLE_LABEL, "memory");
	canvas_put(c, row, LABEL, STYLE_PLAIN, "%s  tables %s  buffers %s of %s  processors %.2f",
		scaled(a, peel_status_number(s, "memory.rss_bytes"), "B"),
		scaled(b, peel_status_number(s, "memory.table_bytes"), "B"),
		plain(e, peel_status_number(s, "memory.buffers_in_use")),
		plain(f, peel_status_number(s, "memory.buffers")), d->cpu);
	return row + 1;
}

static enum style
load_style(double load)
{
	return load > 0.9 ? STYLE_BAD : load > 0.6 ? STYLE_WARNING : STYLE_GOOD;
}

static void
worker(struct canvas *c, int row, const struct top_worker *w)
{
	char core[SHORT] = "any", cells[SHORT], cycles[SHORT];
	int bar = c->cols - 52;

	if (w->core >= 0)
		snprintf(core, sizeof(core), "%d", w->core);
	canvas_put(c, row, 2, STYLE_PLAIN, "%3d %5s  %5.1f %%", w->id, core, 100 * w->load);
	canvas_put(c, row, 24, STYLE_PLAIN, "%11s %9s", scaled(cells, w->cells, ""),
		w->cycles > 0 ? plain(cycles, w->cycles) : "-");
	if (bar > 0)
		canvas_bar(c, row, 48, bar < 60 ? bar : 60, load_style(w->load), w->load);
}

static int
worker_list(struct canvas *c, int row, int rows, const struct top_data *d)
{
	int n = d->n_workers < rows - 1 ? d->n_workers : rows - 1;

	canvas_put(c, row++, 0, STYLE_LABEL, "workers core     load    cells/s cycles/cell%s",
		n < d->n_workers ? "   (some are on page 2)" : "");
	for (int i = 0; i < n; i++)
		worker(c, row++, &d->worker[i]);
	return row;
}

static void
drop(struct canvas *c, int row, const struct top_drop *drop)
{
	char total[SHORT], rate[SHORT];

	canvas_put(c, row, 2, drop->rate > 0 ? STYLE_WARNING : STYLE_PLAIN, "%-26s %14s %16s",
		drop->name, scaled(rate, drop->rate, "/s"), plain(total, drop->total));
}

static int
rising(struct canvas *c, int row, int rows, const struct top_data *d)
{
	int n = d->n_rising < rows - 1 ? d->n_rising : rows - 1;

	if (d->n_rising == 0) {
		canvas_put(c, row, 0, STYLE_LABEL, "drops");
		canvas_put(c, row, LABEL, STYLE_PLAIN, "none are rising");
		return row + 1;
	}
	canvas_put(c, row++, 0, STYLE_LABEL, "drops that are rising%22s %16s", "now", "so far");
	for (int i = 0; i < n; i++)
		drop(c, row++, &d->drop[i]);
	return row;
}

static enum style
line_style(const char *line)
{
	return strstr(line, "error: ") != NULL	   ? STYLE_BAD
	       : strstr(line, "warning: ") != NULL ? STYLE_WARNING
						   : STYLE_PLAIN;
}

/* The last lines, @p skip of them left out. */
static void
log_tail(struct canvas *c, int row, int rows, const struct top_data *d, int skip)
{
	const json_t *lines = peel_status_at(d->log, "lines");
	int n = (int)json_array_size(lines) - skip, first = n > rows ? n - rows : 0;

	for (int i = first; i < n; i++) {
		const char *line = json_string_value(json_array_get(lines, (size_t)i));

		if (line != NULL)
			canvas_put(c, row++, 0, line_style(line), "%s", line);
	}
}

/* ---- pages ----------------------------------------------------------------------------------- */

/* Where a list of n rows begins, in the rows that there are. */
static int
scrolled(struct top_view *v, int n, int rows)
{
	int last = n > rows ? n - rows : 0;

	v->first = v->first < 0 ? 0 : v->first > last ? last : v->first;
	return v->first;
}

static void
overview(struct canvas *c, int end, struct top_view *v, const struct top_data *d)
{
	int graph = c->rows >= 48 ? 6 : c->rows >= 24 ? 3 : 2, row = 1, left;

	(void)v;
	traffic(c, row, graph, d, true);
	row += graph;
	traffic(c, row, graph, d, false);
	row += graph;
	row = sums(c, row, d->status);
	row = resources(c, row, d);
	/* What is left: a third each for workers, drops and the log. */
	left = end - row;
	if (left >= 2)
		row = worker_list(c, row, left / 3 > 2 ? left / 3 : 2, d);
	left = end - row;
	if (left >= 1)
		row = rising(c, row, left / 2 > 1 ? left / 2 : 1, d);
	if (row + 1 < end) {
		canvas_put(c, row++, 0, STYLE_LABEL, "log");
		log_tail(c, row, end - row, d, 0);
	}
}

static void
workers_page(struct canvas *c, int end, struct top_view *v, const struct top_data *d)
{
	int each = 2, row = 2, first = scrolled(v, d->n_workers, (end - row) / each);

	canvas_put(c, 1, 0, STYLE_LABEL, "workers core     load    cells/s cycles/cell");
	for (int i = first; i < d->n_workers && row + each <= end; i++, row += each) {
		const struct top_worker *w = &d->worker[i];
		int col = 6;

		worker(c, row, w);
		for (int s = 0; s < w->n_stages; s++)
			col = canvas_put(c, row + 1, col, STYLE_PLAIN, "%s %.0f%%  ",
				w->stage[s].name, 100 * w->stage[s].share);
	}
}

static void
drops_page(struct canvas *c, int end, struct top_view *v, const struct top_data *d)
{
	int row = 2, first = scrolled(v, d->n_drops, end - row);

	canvas_put(c, 1, 0, STYLE_LABEL, "dropped, by reason%25s %16s", "now", "so far");
	if (d->n_drops == 0)
		canvas_put(c, row, 2, STYLE_PLAIN, "nothing so far");
	for (int i = first; i < d->n_drops && row < end; i++)
		drop(c, row++, &d->drop[i]);
}

static void
peers_page(struct canvas *c, int end, struct top_view *v, const struct top_data *d)
{
	int n = (int)json_array_size(d->peers), row = 2, first = scrolled(v, n, end - row);
	char flags[128];

	canvas_put(c, 1, 0, STYLE_LABEL, "peers: %-8d address               heard ago  flags", n);
	for (int i = first; i < n && row < end; i++, row++) {
		const json_t *p = json_array_get(d->peers, (size_t)i);

		canvas_put(c, row, 0, STYLE_PLAIN, "%-12.12s   %-21s %7.0f s  ",
			text_at(p, "mid", ""), text_at(p, "address", ""),
			peel_status_number(p, "heard_ms_ago") / 1000);
		canvas_put(c, row, 49, STYLE_GOOD, "%s",
			words(peel_status_at(p, "flags"), flags, sizeof(flags)));
	}
}

static void
own_circuit(struct canvas *c, int row, const json_t *o)
{
	char age[SHORT], up[SHORT], down[SHORT];
	const char *state = text_at(o, "state", "");

	canvas_put(c, row, 0, strcmp(state, "ready") == 0 ? STYLE_GOOD : STYLE_PLAIN,
		"%-10.0f %-9s %-21s %zu/%.0f %6.0f %10s %9s %8s",
		peel_status_number(o, "circuit_id"), state, text_at(o, "type", ""),
		json_array_size(peel_status_at(o, "hops")), peel_status_number(o, "goal"),
		peel_status_number(o, "rtt_ms"), duration(age, peel_status_number(o, "age_ms")),
		scaled(up, peel_status_number(o, "bytes_forward"), "B"),
		scaled(down, peel_status_number(o, "bytes_backward"), "B"));
}

static void
service(struct canvas *c, int row, const json_t *o)
{
	canvas_put(c, row, 0, STYLE_PLAIN,
		"service %.16s...  hops %.0f  peers %.0f  introduction points %.0f  %s%s",
		text_at(o, "info_hash", ""), peel_status_number(o, "hops"),
		peel_status_number(o, "peers"), peel_status_number(o, "introduction_points"),
		json_is_true(peel_status_at(o, "seed")) ? "serves " : "",
		json_is_true(peel_status_at(o, "find")) ? "finds" : "");
}

/* Services first, then circuits. */
static void
own_page(struct canvas *c, int end, struct top_view *v, const struct top_data *d)
{
	const json_t *services = peel_status_at(d->status, "services");
	int n_services = (int)json_array_size(services), n_own = (int)json_array_size(d->own);
	int row = 2, first = scrolled(v, n_services + n_own, end - row);

	canvas_put(c, 1, 0, STYLE_LABEL,
		"own        state     for                   hops rtt ms        age        up     "
		"down");
	if (peel_status_at(d->status, "own_circuits") == NULL)
		canvas_put(c, row, 2, STYLE_PLAIN, "this node builds no circuits of its own");
	for (int i = first; i < n_services + n_own && row < end; i++, row++) {
		if (i < n_services)
			service(c, row, json_array_get(services, (size_t)i));
		else
			own_circuit(c, row, json_array_get(d->own, (size_t)(i - n_services)));
	}
}

static void
log_page(struct canvas *c, int end, struct top_view *v, const struct top_data *d)
{
	int n = (int)json_array_size(peel_status_at(d->log, "lines"));

	/* `first` counts from the end, where the newest lines are. */
	log_tail(c, 1, end - 1, d, scrolled(v, n, end - 1));
}

static const struct {
	unsigned int wants;
	void (*draw)(struct canvas *c, int end, struct top_view *v, const struct top_data *d);
} pages[N_TOP_PAGES] = {
	[TOP_OVERVIEW] = {TOP_LOG_WANTED, overview},
	[TOP_WORKERS_PAGE] = {TOP_STAGES_WANTED, workers_page},
	[TOP_DROPS_PAGE] = {0, drops_page},
	[TOP_PEERS_PAGE] = {TOP_PEERS_WANTED, peers_page},
	[TOP_OWN_PAGE] = {TOP_OWN_WANTED, own_page},
	[TOP_LOG_PAGE] = {TOP_LOG_WANTED, log_page},
};

unsigned int
top_page_wants(enum top_page page)
{
	return pages[page].wants;
}

void
top_draw(struct canvas *c, struct top_view *v, const struct top_data *d)
{
	if (c->rows < TOP_ROWS_MIN || c->cols < TOP_COLS_MIN) {
		canvas_put(c, 0, 0, STYLE_PLAIN, "needs %d x %d", TOP_COLS_MIN, TOP_ROWS_MIN);
		return;
	}
	title(c, v, d);
	if (d->status != NULL)
		pages[v->page].draw(c, c->rows - (v->interactive ? 1 : 0), v, d);
	keys(c, v);
}
