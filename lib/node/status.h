/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What the management socket asks of status.c. Control thread. */

#include <jansson.h>

#include "node.h"

#define NODE_RATES 4

/** Counters now and a second ago, for rates. */
struct node_sample {
	uint64_t ms;
	uint64_t value[NODE_RATES];
};
void node_sample_take(const struct peel_node *node, struct node_sample *out);

/** The two latest samples, older first; false while there are not two. */
bool node_management_samples(const struct peel_node *node, struct node_sample out[2]);

/** Cycles per stage of each worker so far, and the cells they were for; keeps measuring for some
 * seconds more. */
json_t *node_stages(struct peel_node *node);
/** Stop measuring when nobody asked for a while. */
void node_stages_tick(struct peel_node *node);

/**
 * Answer a request: "status", "circuits", "peers", "stats" or "stages", as JSON text without a line
 * end. free() it. Anything else is answered with an object that has an `error`. NULL when out of
 * memory.
 */
char *node_status_answer(struct peel_node *node, const char *what, bool pretty);
