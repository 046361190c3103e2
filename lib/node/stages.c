/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Where the workers' time goes: cycles per stage, measured only while somebody asks.
 */
#include <rte_cycles.h>

#include "status.h"

#define MEASURE_MS 10000 /* after the last request */

static void
set_timing(struct peel_node *node, bool on)
{
	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		peel_worker_time(node->worker[i].worker, on);
}

void
node_stages_tick(struct peel_node *node)
{
	if (node->status.stages_until_ms == 0 ||
		peel_now_ms(node->env) < node->status.stages_until_ms)
		return;
	set_timing(node, false);
	node->status.stages_until_ms = 0;
}

static uint64_t
cells(const struct peel_stats *stats)
{
	static const enum peel_counter all[] = {PEEL_CELLS_FORWARD, PEEL_CELLS_BACKWARD,
		PEEL_CELLS_RENDEZVOUS, PEEL_CELLS_EXITED, PEEL_CELLS_RETURNED};
	uint64_t sum = 0;

	for (size_t i = 0; i < PEEL_ARRAY_LEN(all); i++)
		sum += peel_stats_get(stats, all[i]);
	return sum;
}

void
node_load(const struct node_worker *worker, json_t *row)
{
	uint64_t busy = peel_worker_busy(worker->worker);

	json_object_set_new(
		row, "busy_seconds", json_real((double)busy / (double)rte_get_tsc_hz()));
	json_object_set_new(row, "busy_cycles", json_integer((json_int_t)busy));
	json_object_set_new(row, "cells", json_integer((json_int_t)cells(&worker->stats)));
}

json_t *
node_stages(struct peel_node *node)
{
	json_t *rows = json_array(), *o = json_object();

	set_timing(node, true);
	node->status.stages_until_ms = peel_now_ms(node->env) + MEASURE_MS;
	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		uint64_t cycles[PEEL_N_STAGES];
		json_t *row = json_object(), *stages = json_object();

		peel_worker_times(node->worker[i].worker, cycles);
		for (int s = 0; s < PEEL_N_STAGES; s++)
			json_object_set_new(
				stages, peel_stage_name[s], json_integer((json_int_t)cycles[s]));
		json_object_set_new(row, "worker", json_integer(i));
		json_object_set_new(
			row, "cells", json_integer((json_int_t)cells(&node->worker[i].stats)));
		json_object_set_new(row, "cycles", stages);
		json_array_append_new(rows, row);
	}
	json_object_set_new(o, "tsc_hz", json_integer((json_int_t)rte_get_tsc_hz()));
	json_object_set_new(o, "workers", rows);
	return o;
}
