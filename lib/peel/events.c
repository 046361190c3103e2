/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Events of the node become calls of the program's functions, without a lock.
 */
#include "handle.h"

static void
tell_data(struct peel *p, peel_origin_id id, const struct peel_address *origin,
	const struct peel_span *payload)
{
	data_fn callback;
	void *callback_arg;

	pthread_mutex_lock(&p->lock);
	callback = p->on_data;
	callback_arg = p->data_arg;
	pthread_mutex_unlock(&p->lock);
	if (callback != NULL)
		callback(callback_arg, p, id, origin, payload->p, payload->len);
}

static void
on_data(void *arg, peel_origin_id id, const struct peel_msg_data *data)
{
	struct peel_address origin;
	struct peel *p = arg;

	address_from_host(&data->origin, &origin);
	if (peers_own(&origin)) /* an exit passes its own words off as a peer's */
		peel_stats_add(peel_node_stats(p->node), PEEL_DROP_POLICY, 1);
	else
		tell_data(p, id, &origin, &data->payload);
}

static void
on_peer_data(void *arg, peel_origin_id id, const struct peel_span *payload)
{
	struct peel_address origin;
	struct peel *p = arg;

	if (services_origin(p, id, &origin))
		tell_data(p, id, &origin, payload);
}

static void
on_peer(void *arg, peel_origin_id id, uint32_t swarm, bool connected)
{
	services_peer(arg, id, swarm, connected);
}

static void
on_message(void *arg, peel_origin_id id, const uint8_t *msg, size_t len)
{
	struct peel *p = arg;

	tests_answer(p->tests, id, msg, len);
}

static void
tell(struct peel *p, peel_origin_id id, bool ready)
{
	circuit_fn callback;
	void *callback_arg;

	pthread_mutex_lock(&p->lock);
	callback = p->on_circuit;
	callback_arg = p->circuit_arg;
	pthread_mutex_unlock(&p->lock);
	if (callback != NULL)
		callback(callback_arg, p, id, ready);
}

static void
on_ready(void *arg, peel_origin_id id)
{
	tell(arg, id, true);
}

static void
on_ended(void *arg, peel_origin_id id, enum peel_origin_end why)
{
	struct peel *p = arg;

	(void)why;
	sticky_forget(p->sticky, id);
	tests_circuit_ended(p->tests, id);
	tell(p, id, false);
}

void
events_attach(struct peel *p)
{
	const struct peel_node_events events = {.data = on_data,
		.peer_data = on_peer_data,
		.peer = on_peer,
		.message = on_message,
		.ready = on_ready,
		.ended = on_ended,
		.arg = p};

	peel_node_on_events(p->node, &events);
}

void
peel_on_data(struct peel *p, data_fn callback, void *arg)
{
	pthread_mutex_lock(&p->lock);
	p->on_data = callback;
	p->data_arg = arg;
	pthread_mutex_unlock(&p->lock);
}

void
peel_on_circuit(struct peel *p, circuit_fn callback, void *arg)
{
	pthread_mutex_lock(&p->lock);
	p->on_circuit = callback;
	p->circuit_arg = arg;
	pthread_mutex_unlock(&p->lock);
}
