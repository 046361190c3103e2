/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Events of the node become calls of the program's functions, without a lock.
 */
#include "handle.h"

static void
on_data(void *arg, peel_origin_id id, const struct peel_msg_data *data)
{
	struct peel *p = arg;
	data_fn callback;
	struct peel_address origin;
	void *callback_arg;

	pthread_mutex_lock(&p->lock);
	callback = p->on_data;
	callback_arg = p->data_arg;
	pthread_mutex_unlock(&p->lock);
	if (callback == NULL)
		return;
	address_from_host(&data->origin, &origin);
	callback(callback_arg, p, id, &origin, data->payload.p, data->payload.len);
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
