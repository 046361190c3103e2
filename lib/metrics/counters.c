/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The counters of lib/stats. Those that divide one thing by its reason are one family with a label.
 */
#include <string.h>

#include "metrics_internal.h"
#include "peel_stats.h"

#define HELP_SIZE 8192

static const struct group {
	const char *prefix; /* of the counters' names */
	const char *family, *label, *help;
} groups[] = {
	{"drop_", "peel_drops", "reason", "Datagrams dropped"},
	{"create_refused_", "peel_create_refused", "reason", "Create messages refused"},
	{"cells_", "peel_cells", "kind", "Cells of others passed on"},
};

static const struct group *
group_of(int c)
{
	for (size_t i = 0; i < PEEL_ARRAY_LEN(groups); i++) {
		if (strncmp(peel_counter_info[c].name, groups[i].prefix,
			    strlen(groups[i].prefix)) == 0)
			return &groups[i];
	}
	return NULL;
}

static double
value_of(const json_t *counters, int c)
{
	const char *name = peel_counter_info[c].name;
	const json_t *v = json_object_get(counters, name);

	if (v == NULL)
		v = json_object_get(json_object_get(counters, "drops"), name);
	return json_number_value(v);
}

static void
single(FILE *out, enum peel_metrics_form form, const json_t *counters, int c)
{
	char name[128];
	struct metrics_family f = {name, "counter", peel_counter_info[c].help};

	snprintf(name, sizeof(name), "peel_%s", peel_counter_info[c].name);
	metrics_head(out, form, &f);
	metrics_sample(out, name, "_total", "", value_of(counters, c));
}

/* "Datagrams dropped: short (too short for the protocol), prefix (...)" */
static void
help_of(const struct group *g, char out[HELP_SIZE])
{
	size_t len = (size_t)snprintf(out, HELP_SIZE, "%s", g->help);
	const char *before = ": ";

	for (int c = 0; c < PEEL_N_COUNTERS && len < HELP_SIZE; c++) {
		if (group_of(c) != g)
			continue;
		len += (size_t)snprintf(out + len, HELP_SIZE - len, "%s%s (%s)", before,
			peel_counter_info[c].name + strlen(g->prefix), peel_counter_info[c].help);
		before = ", ";
	}
}

static void
whole_group(FILE *out, enum peel_metrics_form form, const json_t *counters, const struct group *g)
{
	char help[HELP_SIZE], labels[128];
	struct metrics_family f = {g->family, "counter", help};

	help_of(g, help);
	metrics_head(out, form, &f);
	for (int c = 0; c < PEEL_N_COUNTERS; c++) {
		if (group_of(c) != g)
			continue;
		snprintf(labels, sizeof(labels), "%s=\"%s\"", g->label,
			peel_counter_info[c].name + strlen(g->prefix));
		metrics_sample(out, g->family, "_total", labels, value_of(counters, c));
	}
}

void
metrics_counters(FILE *out, enum peel_metrics_form form, const json_t *counters)
{
	if (counters == NULL)
		return;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(groups); i++)
		whole_group(out, form, counters, &groups[i]);
	for (int c = 0; c < PEEL_N_COUNTERS; c++) {
		if (group_of(c) == NULL)
			single(out, form, counters, c);
	}
}
