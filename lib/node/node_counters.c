/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Counters of a node and of each of its workers, and what has a rate among them, for the status.
 */
#include "document.h"
#include "status.h"

#define SAMPLE_MS 1000

static void
put(json_t *o, const char *name, uint64_t value)
{
	json_object_set_new(o, name, number(value));
}

uint64_t
node_counter(const struct peel_node *node, enum peel_counter c)
{
	uint64_t sum = peel_stats_get(&node->stats, c);

	for (unsigned int i = 0; i < node->conf.n_workers; i++)
		sum += peel_stats_get(&node->worker[i].stats, c);
	return sum;
}

static bool
is_drop(enum peel_counter c)
{
	return strncmp(peel_counter_info[c].name, "drop_", 5) == 0;
}

json_t *
node_counters(const struct peel_node *node)
{
	json_t *o = json_object(), *drops = json_object();

	for (int c = 0; c < PEEL_N_COUNTERS; c++)
		put(is_drop((enum peel_counter)c) ? drops : o, peel_counter_info[c].name,
			node_counter(node, (enum peel_counter)c));
	json_object_set_new(o, "drops", drops);
	return o;
}

/* One block. A worker never touches most counters, so zeros are omitted. */
static json_t *
block_counters(const struct peel_stats *stats)
{
	json_t *o = json_object();

	for (int c = 0; c < PEEL_N_COUNTERS; c++) {
		uint64_t v = peel_stats_get(stats, (enum peel_counter)c);

		if (v != 0)
			put(o, peel_counter_info[c].name, v);
	}
	return o;
}

json_t *
node_workers(const struct peel_node *node)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < node->conf.n_workers; i++) {
		int core = node->conf.core[i];
		json_t *row = OBJECT({"id", number(i)},
			{"core", core >= 0 ? number((uint64_t)core) : json_null()},
			{"running", json_boolean(node->worker[i].running)},
			{"rings", node_rings(node, i)},
			{"counters", block_counters(&node->worker[i].stats)});

		node_load(&node->worker[i], row);
		json_array_append_new(list, row);
	}
	return list;
}

static const enum peel_counter rated[NODE_RATES] = {
	PEEL_RX_DATAGRAMS, PEEL_RX_BYTES, PEEL_TX_DATAGRAMS, PEEL_TX_BYTES};

uint64_t
node_rates_tick(struct peel_node *node)
{
	struct node_sample *before = &node->status.sample[0], *last = &node->status.sample[1];
	uint64_t now = peel_now_ms(node->env);

	if (last->ms != 0 && now < last->ms + SAMPLE_MS)
		return last->ms + SAMPLE_MS - now;
	*before = *last;
	last->ms = now;
	for (int i = 0; i < NODE_RATES; i++)
		last->value[i] = node_counter(node, rated[i]);
	return SAMPLE_MS;
}

uint64_t
node_rate(const struct peel_node *node, enum peel_counter c)
{
	const struct node_sample *before = &node->status.sample[0], *last = &node->status.sample[1];

	for (int i = 0; i < NODE_RATES && before->ms != 0; i++) {
		if (rated[i] == c)
			return (last->value[i] - before->value[i]) * 1000 / (last->ms - before->ms);
	}
	return 0;
}

json_t *
node_rates(const struct peel_node *node)
{
	json_t *o = json_object();

	for (int i = 0; i < NODE_RATES && node->status.sample[0].ms != 0; i++)
		put(o, peel_counter_info[rated[i]].name, node_rate(node, rated[i]));
	return o;
}
