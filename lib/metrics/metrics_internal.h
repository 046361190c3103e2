/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

#include <stdio.h>

#include "peel_metrics.h"

/* A family: samples of one name. */
struct metrics_family {
	const char *name; /* without the suffix _total, _info */
	const char *type; /* as OpenMetrics names it */
	const char *help;
};

/** The suffix of the one sample of a family of that type: _total, _info or "". */
const char *metrics_suffix(const char *type);
/** What stands before the samples of a family. */
void metrics_head(FILE *out, enum peel_metrics_form form, const struct metrics_family *f);
/** One sample; @p end: of its name, such as _total; @p labels: `a="b",c="d"`, or "". */
void metrics_sample(FILE *out, const char *name, const char *end, const char *labels, double v);

/** All figures of the status that have a row in the table. */
void metrics_figures(FILE *out, enum peel_metrics_form form, const json_t *status);
/** All counters of the table in lib/stats. @p counters: as in the status, drops in a group. */
void metrics_counters(FILE *out, enum peel_metrics_form form, const json_t *counters);
