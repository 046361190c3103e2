/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* What a node reports about itself. Thread: control. */

#include <jansson.h>

#include "node.h"
#include "peel_node_document.h"

/** A counter, summed over the workers and the control thread. */
uint64_t node_counter(const struct peel_node *node, enum peel_counter c);
/** Log the heartbeat and changes of state. @return milliseconds until the next look. */
uint64_t node_heartbeat_tick(struct peel_node *node);

/** What a counter has risen by in the last second: datagrams and bytes, received and sent. */
uint64_t node_rate(const struct peel_node *node, enum peel_counter c);
/** All counters of the node, with the drops in a group of their own; a row for each worker; what a
 * second has brought. */
json_t *node_counters(const struct peel_node *node);
json_t *node_workers(const struct peel_node *node);
json_t *node_rates(const struct peel_node *node);
/** Sample the counters that have rates, once a second. @return milliseconds until the next. */
uint64_t node_rates_tick(struct peel_node *node);

/** Cycles per stage of each worker so far, and how many cells they cover. Goes on measuring for
 * some seconds. */
json_t *node_stages(struct peel_node *node);
/** How long a worker had work so far, and the cells it passed on: put into its @p row. */
void node_load(const struct node_worker *worker, json_t *row);
/** Stop measuring when nobody has asked for a while. */
void node_stages_tick(struct peel_node *node);

/** End a drain that is over. @return milliseconds until the next look. */
uint64_t node_drain_tick(struct peel_node *node);
/** How many are banned. */
json_t *node_bans_status(const struct peel_node *node);
/** What is left of a drain; null: there is none. */
json_t *node_drain_status(const struct peel_node *node);

/** Rates, bursts and levels of the limits in force; null: not limited. */
json_t *node_limits_status(const struct peel_node *node);
/** Limits of each circuit that ends here; null: not limited. */
json_t *node_exit_limits_status(const struct peel_node *node);

/** The present period; null: nothing is asked for. */
json_t *node_accounting_status(const struct peel_node *node);
/** "; accounting: 5 of 10 MiB used ..." for a log line; empty where nothing is limited. @return @p
 * out. */
const char *node_accounting_text(const struct peel_node *node, char *out, size_t size);

/** Messages in the rings of a worker; sizes and fill of the tables; histograms. */
json_t *node_rings(const struct peel_node *node, unsigned int worker);
json_t *node_tables(const struct peel_node *node);
json_t *node_durations(const struct peel_node *node);

/** Answer a request to a node (@p arg) for the management socket: "status", "stats" or "stages", or
 * a list (lists.h), as JSON. The answer to anything else is an object with an `error`. 0 or
 * -ENOMEM. */
int node_answer(void *arg, const char *what, bool pretty, struct peel_management_answer *out);
