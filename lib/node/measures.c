/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * How much of the node is in use: rings, tables, and how long the control thread takes.
 */
#include "status.h"

void
peel_node_view(const struct peel_node *node, struct peel_node_view *out)
{
	*out = (struct peel_node_view){
		.conf = &node->conf,
		.pk = node->identity.pk,
		.local = node->local,
		.overlay = node->overlay,
		.or_circuits = node->or_circuits,
		.hidden = node->hidden,
		.origin_circuits = node->origin_circuits,
		.swarms = node->swarms,
	};
	(void)peel_overlay_public(node->overlay, &out->public_address);
}

#define NUMBER(v) json_integer((json_int_t)(v))

json_t *
node_rings(const struct peel_node *node, unsigned int worker)
{
	const struct peel_mailbox *mb = node->worker[worker].mailbox;
	json_t *o = json_object();

	for (unsigned int c = 0; c < PEEL_N_CLASSES; c++)
		json_object_set_new(o, peel_msg_class_name[c], NUMBER(peel_mailbox_fill(mb, c)));
	json_object_set_new(o, "worker", NUMBER(peel_mailbox_fill(mb, PEEL_N_CLASSES)));
	return o;
}

json_t *
node_tables(const struct peel_node *node)
{
	json_t *o = json_object();

	json_object_set_new(o, "routes", NUMBER(peel_route_count(node->routes)));
	json_object_set_new(o, "sessions", NUMBER(peel_session_count(node->routes)));
	json_object_set_new(o, "sessions_max", NUMBER(peel_session_limit(node->routes)));
	json_object_set_new(o, "ring_size", NUMBER(node->conf.ring_size));
	return o;
}

/* Counts up to each bound, as [seconds, count]. */
static json_t *
histogram(const struct peel_histogram *h)
{
	json_t *o = json_object(), *list = json_array();

	for (unsigned int i = 0; i < PEEL_HISTOGRAM_BOUNDS; i++) {
		json_t *row = json_array();

		json_array_append_new(row, json_real((double)peel_histogram_ns[i] / 1e9));
		json_array_append_new(row, NUMBER(peel_histogram_upto(h, i)));
		json_array_append_new(list, row);
	}
	json_object_set_new(o, "upto", list);
	json_object_set_new(o, "count", NUMBER(peel_histogram_upto(h, PEEL_HISTOGRAM_BOUNDS)));
	json_object_set_new(o, "sum_seconds", json_real((double)h->sum_ns / 1e9));
	return o;
}

json_t *
node_durations(const struct peel_node *node)
{
	json_t *o = json_object();

	json_object_set_new(o, "handshakes", histogram(&node->status.handshakes));
	json_object_set_new(o, "tick_delay", histogram(&node->status.tick_delay));
	return o;
}
