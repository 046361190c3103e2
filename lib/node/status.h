/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What a node says about itself. Control thread. */

#include <jansson.h>

#include "node.h"

/** Take a sample of the counters that have rates, once a second. @return milliseconds until the
 * next. */
uint64_t node_rates_tick(struct peel_node *node);

/** Cycles per stage of each worker so far, and the cells they were for; keeps measuring for some
 * seconds more. */
json_t *node_stages(struct peel_node *node);
/** Stop measuring when nobody asked for a while. */
void node_stages_tick(struct peel_node *node);

/**
 * A node (@p arg) answers a request: "status", "circuits", "peers", "stats" or "stages", as JSON
 * text without a line end. free() it. Anything else is answered with an object that has an `error`.
 * NULL when out of memory.
 */
char *node_status_answer(void *arg, const char *what, bool pretty);
