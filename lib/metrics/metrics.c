/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How metrics are written, in both forms, and what is in them beside figures and counters.
 */
#include <stdlib.h>
#include <string.h>

#include "metrics_internal.h"
#include "peel_status_path.h"

const char *const peel_metrics_type[PEEL_METRICS_FORMS] = {
	[PEEL_METRICS_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8",
	[PEEL_METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

enum peel_metrics_form
peel_metrics_accepted(const char *accept)
{
	return accept != NULL && strstr(accept, "application/openmetrics-text") != NULL
		       ? PEEL_METRICS_OPENMETRICS
		       : PEEL_METRICS_PROMETHEUS;
}

/* ---- writing --------------------------------------------------------------------------------- */

const char *
metrics_suffix(const char *type)
{
	if (strcmp(type, "counter") == 0)
		return "_total";
	return strcmp(type, "info") == 0 ? "_info" : "";
}

/* The unit is the end of a name: OpenMetrics says so. */
static const char *
unit(const char *name)
{
	static const char *const units[] = {"bytes", "seconds"};
	const char *last = strrchr(name, '_');

	for (size_t i = 0; last != NULL && i < PEEL_ARRAY_LEN(units); i++) {
		if (strcmp(last + 1, units[i]) == 0)
			return units[i];
	}
	return NULL;
}

/* The older format knows fewer types, and no families: its types belong to names of samples. */
static const char *
old_type(const char *type)
{
	if (strcmp(type, "info") == 0)
		return "gauge";
	return strcmp(type, "unknown") == 0 ? "untyped" : type;
}

void
metrics_head(FILE *out, enum peel_metrics_form form, const struct metrics_family *f)
{
	if (form == PEEL_METRICS_PROMETHEUS) {
		fprintf(out, "# HELP %s%s %s\n", f->name, metrics_suffix(f->type), f->help);
		fprintf(out, "# TYPE %s%s %s\n", f->name, metrics_suffix(f->type),
			old_type(f->type));
		return;
	}
	fprintf(out, "# TYPE %s %s\n", f->name, f->type);
	if (unit(f->name) != NULL)
		fprintf(out, "# UNIT %s %s\n", f->name, unit(f->name));
	fprintf(out, "# HELP %s %s\n", f->name, f->help);
}

void
metrics_sample(FILE *out, const char *name, const char *end, const char *labels, double v)
{
	fprintf(out, "%s%s", name, end);
	if (labels[0] != '\0')
		fprintf(out, "{%s}", labels);
	fprintf(out, " %.16g\n", v);
}

static void
info(FILE *out, enum peel_metrics_form form, const json_t *status)
{
	static const char *const names[] = {"version", "driver", "engine"};
	const struct metrics_family f = {"peel_build", "info", "Version and parts in use"};
	char labels[256] = "";

	for (size_t i = 0; i < PEEL_ARRAY_LEN(names); i++) {
		const char *v = json_string_value(json_object_get(status, names[i]));
		size_t len = strlen(labels);

		if (v != NULL)
			snprintf(labels + len, sizeof(labels) - len, "%s%s=\"%s\"",
				len > 0 ? "," : "", names[i], v);
	}
	if (labels[0] == '\0')
		return;
	metrics_head(out, form, &f);
	metrics_sample(out, f.name, "_info", labels, 1);
}

/* ---- workers --------------------------------------------------------------------------------- */

static void
worker_family(FILE *out, enum peel_metrics_form form, const json_t *workers, const char *field,
	const struct metrics_family *f)
{
	char labels[32];
	size_t i;
	json_t *w;

	metrics_head(out, form, f);
	json_array_foreach ((json_t *)(uintptr_t)workers, i, w) {
		snprintf(labels, sizeof(labels), "worker=\"%zu\"", i);
		metrics_sample(out, f->name, metrics_suffix(f->type), labels,
			json_number_value(json_object_get(w, field)));
	}
}

static void
rings(FILE *out, enum peel_metrics_form form, const json_t *workers)
{
	const struct metrics_family f = {"peel_ring_messages", "gauge",
		"Messages in the rings between workers and the control thread, by class; worker: "
		"to "
		"the worker"};
	char labels[128];
	const char *name;
	size_t i;
	json_t *w, *v;

	metrics_head(out, form, &f);
	json_array_foreach ((json_t *)(uintptr_t)workers, i, w) {
		json_object_foreach (json_object_get(w, "rings"), name, v) {
			snprintf(labels, sizeof(labels), "worker=\"%zu\",class=\"%s\"", i, name);
			metrics_sample(out, f.name, "", labels, json_number_value(v));
		}
	}
}

static void
workers(FILE *out, enum peel_metrics_form form, const json_t *list)
{
	if (json_array_size(list) == 0)
		return;
	worker_family(out, form, list, "busy_seconds",
		&(struct metrics_family){"peel_worker_busy_seconds", "counter",
			"Time that a worker had work; its rate is the load"});
	worker_family(out, form, list, "busy_cycles",
		&(struct metrics_family){"peel_worker_busy_cycles", "counter",
			"The same in cycles of the CPU's clock"});
	worker_family(out, form, list, "cells",
		&(struct metrics_family){
			"peel_worker_cells", "counter", "Cells of others passed on by a worker"});
	rings(out, form, list);
}

/* ---- histograms ------------------------------------------------------------------------------ */

static void
histogram(
	FILE *out, enum peel_metrics_form form, const json_t *h, const char *name, const char *help)
{
	const struct metrics_family f = {name, "histogram", help};
	double count = json_number_value(json_object_get(h, "count"));
	char labels[64];
	size_t i;
	json_t *row;

	if (h == NULL)
		return;
	metrics_head(out, form, &f);
	json_array_foreach (json_object_get(h, "upto"), i, row) {
		snprintf(labels, sizeof(labels), "le=\"%g\"",
			json_number_value(json_array_get(row, 0)));
		metrics_sample(
			out, name, "_bucket", labels, json_number_value(json_array_get(row, 1)));
	}
	metrics_sample(out, name, "_bucket", "le=\"+Inf\"", count);
	metrics_sample(out, name, "_sum", "", json_number_value(json_object_get(h, "sum_seconds")));
	metrics_sample(out, name, "_count", "", count);
}

/* ---- all of it ------------------------------------------------------------------------------- */

/* Drivers say what they count under names of their own; whether it can fall, they do not say. */
static void
port(FILE *out, enum peel_metrics_form form, const json_t *values)
{
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)values, name, v) {
		char text[128];
		struct metrics_family f = {text, "unknown", "Reported by the port driver"};

		snprintf(text, sizeof(text), "peel_port_%s", name);
		metrics_head(out, form, &f);
		metrics_sample(out, text, "", "", json_number_value(v));
	}
}

char *
peel_metrics_text(const json_t *status, enum peel_metrics_form form)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	bool failed;

	if (out == NULL)
		return NULL;
	info(out, form, status);
	metrics_counters(out, form, json_object_get(status, "counters"));
	metrics_figures(out, form, status);
	workers(out, form, json_object_get(status, "workers"));
	histogram(out, form, peel_status_at(status, "durations.handshakes"),
		"peel_handshake_seconds",
		"Time of the thread that computes it for each handshake of a joining circuit");
	histogram(out, form, peel_status_at(status, "durations.tick_delay"),
		"peel_tick_delay_seconds", "How late the control thread served its timer");
	port(out, form, json_object_get(status, "port"));
	if (form == PEEL_METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		free(text);
		return NULL;
	}
	return text;
}
