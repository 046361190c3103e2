/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/*
 * The status of a node as metrics for Prometheus and its like. Everything comes from the status
 * document (lib/node, `peel status`), so both tell the same. No I/O. Thread: any, if the document
 * is its own.
 */

#include <jansson.h>

#include "peel_base.h"

/** How metrics are written. */
enum peel_metrics_form {
	PEEL_METRICS_PROMETHEUS, /* text format 0.0.4 */
	PEEL_METRICS_OPENMETRICS,
	PEEL_METRICS_FORMS,
};

/** The HTTP content type of a form. */
extern const char *const peel_metrics_type[PEEL_METRICS_FORMS];

/** Choose the form for the Accept header of a request. NULL: there is none. */
enum peel_metrics_form peel_metrics_accepted(const char *accept);

/**
 * Write @p status, a document as `peel status` prints it, perhaps with the process figures that
 * README.md lists. What the document lacks is left out.
 * @return text that the caller frees with free(), NULL when out of memory.
 */
char *peel_metrics_text(const json_t *status, enum peel_metrics_form form);
