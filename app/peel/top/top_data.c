/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "management_client.h"
#include "peel_status_path.h"
#include "top_data.h"

/* ---- values ---------------------------------------------------------------------------------- */

/* What a counter rose by; it does not fall while the node runs. */
static double
rise(const json_t *before, const json_t *now, const char *path)
{
	double d = peel_status_number(now, path) - peel_status_number(before, path);

	return d > 0 ? d : 0;
}

static double
uptime(const json_t *status)
{
	return peel_status_number(status, "uptime_ms") / 1000;
}

/* ---- what has changed ------------------------------------------------------------------------ */

static void
remember(double *history, int n, double value)
{
	if (n == TOP_HISTORY)
		memmove(history, history + 1, (TOP_HISTORY - 1) * sizeof(*history));
	history[n < TOP_HISTORY ? n : TOP_HISTORY - 1] = value;
}

static void
note_rates(struct top_data *d, const json_t *before)
{
	struct top_rates *r = &d->rates;

	r->in_bytes = rise(before, d->status, "counters.rx_bytes") / d->seconds;
	r->in_datagrams = rise(before, d->status, "counters.rx_datagrams") / d->seconds;
	r->out_bytes = rise(before, d->status, "counters.tx_bytes") / d->seconds;
	r->out_datagrams = rise(before, d->status, "counters.tx_datagrams") / d->seconds;
	d->cpu = rise(before, d->status, "cpu_seconds") / d->seconds;
	remember(d->in, d->n_history, r->in_bytes);
	remember(d->out, d->n_history, r->out_bytes);
	if (d->n_history < TOP_HISTORY)
		d->n_history++;
	d->most.in_bytes = d->most.out_bytes = 0;
	for (int i = 0; i < d->n_history; i++) {
		if (d->in[i] > d->most.in_bytes)
			d->most.in_bytes = d->in[i];
		if (d->out[i] > d->most.out_bytes)
			d->most.out_bytes = d->out[i];
	}
}

static void
note_workers(struct top_data *d, const json_t *before)
{
	const json_t *list = peel_status_at(d->status, "workers"),
		     *old = peel_status_at(before, "workers"), *row;
	size_t i;

	d->n_workers = 0;
	json_array_foreach ((json_t *)list, i, row) {
		const json_t *core = json_object_get(row, "core"), *was = json_array_get(old, i);
		struct top_worker *w;
		double cells;

		if (i == TOP_WORKERS)
			break;
		w = &d->worker[d->n_workers++];
		cells = rise(was, row, "cells");
		*w = (struct top_worker){
			.id = (int)peel_status_number(row, "id"),
			.core = json_is_integer(core) ? (int)json_integer_value(core) : -1,
		};
		if (was == NULL || d->seconds <= 0)
			continue;
		w->load = rise(was, row, "busy_seconds") / d->seconds;
		w->load = w->load > 1 ? 1 : w->load;
		w->cells = cells / d->seconds;
		w->cycles = cells > 0 ? rise(was, row, "busy_cycles") / cells : 0;
	}
}

static void
note_stages(struct top_data *d, const json_t *before)
{
	const json_t *list = peel_status_at(d->stages, "workers"),
		     *old = peel_status_at(before, "workers");

	for (int i = 0; i < d->n_workers; i++) {
		const json_t *now = peel_status_at(json_array_get(list, (size_t)i), "cycles"),
			     *cycles;
		const json_t *was = peel_status_at(json_array_get(old, (size_t)i), "cycles");
		struct top_worker *w = &d->worker[i];
		const char *name;
		double sum = 0;

		if (was == NULL)
			continue;
		json_object_foreach ((json_t *)now, name, cycles) {
			if (w->n_stages == TOP_STAGES)
				break;
			w->stage[w->n_stages].name = name;
			w->stage[w->n_stages].share = rise(was, now, name);
			sum += w->stage[w->n_stages++].share;
		}
		for (int s = 0; s < w->n_stages && sum > 0; s++)
			w->stage[s].share /= sum;
	}
}

static int
by_rate(const void *a, const void *b)
{
	const struct top_drop *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	return x->total < y->total ? 1 : x->total > y->total ? -1 : strcmp(x->name, y->name);
}

static void
note_drops(struct top_data *d)
{
	json_t *drops = json_object_get(json_object_get(d->status, "counters"), "drops"), *value;
	double now = uptime(d->status), seconds;
	const char *name;

	if (d->n_window == TOP_WINDOW) {
		json_decref(d->window[0].drops);
		memmove(d->window, d->window + 1, (TOP_WINDOW - 1) * sizeof(d->window[0]));
		d->n_window--;
	}
	d->window[d->n_window].drops = json_incref(drops);
	d->window[d->n_window++].uptime = now;
	seconds = now - d->window[0].uptime;
	d->n_drops = d->n_rising = 0;
	json_object_foreach (drops, name, value) {
		struct top_drop *drop = &d->drop[d->n_drops];

		if (json_number_value(value) <= 0 || d->n_drops == TOP_DROPS)
			continue;
		drop->name = name;
		drop->total = json_number_value(value);
		drop->rate = seconds > 0 ? rise(d->window[0].drops, drops, name) / seconds : 0;
		d->n_rising += drop->rate > 0;
		d->n_drops++;
	}
	qsort(d->drop, (size_t)d->n_drops, sizeof(d->drop[0]), by_rate);
}

static void
forget_window(struct top_data *d)
{
	while (d->n_window > 0)
		json_decref(d->window[--d->n_window].drops);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* Replace an answer, if there is a new one. */
static void
renew(struct top_data *d, unsigned int wanted, const char *what, json_t **answer)
{
	json_t *fresh;

	if (!wanted || management_json(d->socket, what, &fresh) != 0)
		return;
	json_decref(*answer);
	*answer = fresh;
}

static void
look_at_stages(struct top_data *d, bool wanted)
{
	json_t *before = d->stages;

	d->stages = NULL;
	renew(d, wanted, "stages", &d->stages);
	if (d->seconds > 0)
		note_stages(d, before);
	json_decref(before);
}

void
top_look(struct top_data *d, unsigned int wants)
{
	json_t *before = d->status, *now;
	int rc = management_json(d->socket, "status", &now);

	if (rc != 0) {
		snprintf(d->trouble, sizeof(d->trouble), "%s", strerror(-rc));
		return;
	}
	d->trouble[0] = '\0';
	d->status = now;
	d->seconds = before != NULL ? uptime(now) - uptime(before) : 0;
	if (d->seconds <= 0) { /* the first look, or the node was started anew */
		d->seconds = 0;
		forget_window(d);
	}
	if (d->seconds > 0)
		note_rates(d, before);
	note_workers(d, before);
	note_drops(d);
	json_decref(before);
	look_at_stages(d, (wants & TOP_STAGES_WANTED) != 0);
	renew(d, wants & TOP_PEERS_WANTED, "peers", &d->peers);
	renew(d, wants & TOP_OWN_WANTED, "own", &d->own);
	renew(d, wants & TOP_LOG_WANTED, "log", &d->log);
}

void
top_free(struct top_data *d)
{
	forget_window(d);
	json_decref(d->status);
	json_decref(d->stages);
	json_decref(d->peers);
	json_decref(d->own);
	json_decref(d->log);
	memset(d, 0, sizeof(*d));
}

/* ---- for scripts ----------------------------------------------------------------------------- */

static json_t *
workers(const struct top_data *d)
{
	json_t *list = json_array();

	for (int i = 0; i < d->n_workers; i++) {
		const struct top_worker *w = &d->worker[i];
		json_t *stages = json_object();

		for (int s = 0; s < w->n_stages; s++)
			json_object_set_new(stages, w->stage[s].name, json_real(w->stage[s].share));
		json_array_append_new(
			list, json_pack("{s:i, s:o, s:f, s:f, s:f, s:o}", "id", w->id, "core",
				      w->core >= 0 ? json_integer(w->core) : json_null(), "load",
				      w->load, "cells_per_second", w->cells, "cycles_per_cell",
				      w->cycles, "stages", stages));
	}
	return list;
}

static json_t *
drops(const struct top_data *d)
{
	json_t *list = json_array();

	for (int i = 0; i < d->n_rising; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:f, s:f}", "name", d->drop[i].name, "per_second",
				      d->drop[i].rate, "total", d->drop[i].total));
	return list;
}

/* A copy of a reference; null if there is nothing. */
static json_t *
copy(const json_t *o)
{
	return o != NULL ? json_incref((json_t *)(uintptr_t)o) : json_null();
}

json_t *
top_document(const struct top_data *d)
{
	const struct top_rates *r = &d->rates;

	return json_pack("{s:f, s:{s:f, s:f}, s:{s:f, s:f}, s:f, s:o, s:o, s:o, s:o, s:o, s:o}",
		"seconds", d->seconds, "in", "bytes_per_second", r->in_bytes,
		"datagrams_per_second", r->in_datagrams, "out", "bytes_per_second", r->out_bytes,
		"datagrams_per_second", r->out_datagrams, "cpu", d->cpu, "workers", workers(d),
		"drops_rising", drops(d), "status", copy(d->status), "peers", copy(d->peers),
		"own_circuits", copy(d->own), "log", copy(peel_status_at(d->log, "lines")));
}
