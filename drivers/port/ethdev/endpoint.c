/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdlib.h>

#include "ethdev_internal.h"
#include "peel_links.h"

/*
 * Exit endpoints: a number (1..max) and a UDP port each, both taken from queues of free ones,
 * longest free first.
 *
 * Control writes an endpoint, then publishes its number in by_port; workers look up the port, then
 * the endpoint. Closing takes the number out of by_port; after a grace period no worker can hold it
 * any more, and both go to the ends of their queues. The deferred call may run after the port was
 * closed, so the table counts its users (control only).
 */

struct endpoint {
	uint64_t cookie;
	uint32_t next;	     /* of the free ones */
	uint32_t generation; /* of its use: tells datagrams of the previous user */
	uint16_t udp_port;   /* 0: free */
	bool closing;	     /* taken out of by_port */
	bool deferred;	     /* its end is with RCU */
};

struct free_port {
	uint32_t next;
};

struct ethdev_endpoints {
	struct peel_rcu *rcu;
	uint32_t *by_port;	 /* [n_ports] endpoint number, 0: nobody */
	struct endpoint *entry;	 /* [max + 1]; 0 is the main address */
	struct free_port *port;	 /* [n_ports] */
	struct peel_slots ports; /* offsets from port_min */
	struct peel_slots numbers;
	uint32_t max, n_ports, n_open, n_undeferred, users;
	uint16_t port_min, main_port;
};

static void
release(struct ethdev_endpoints *e)
{
	if (--e->users > 0)
		return;
	free(e->by_port);
	free(e->entry);
	free(e->port);
	free(e);
}

int
ethdev_endpoints_new(const struct peel_port_conf *conf, struct ethdev_endpoints **out)
{
	struct ethdev_endpoints *e = calloc(1, sizeof(*e));
	bool any = conf->exit_port_min > 0 && conf->max_endpoints > 0;

	if (e == NULL)
		return -ENOMEM;
	e->users = 1;
	e->rcu = conf->rcu;
	e->main_port = conf->listen.port;
	e->port_min = conf->exit_port_min;
	e->n_ports = any ? (uint32_t)conf->exit_port_max - conf->exit_port_min + 1 : 0;
	e->max = any ? RTE_MIN(conf->max_endpoints, e->n_ports) : 0;
	e->by_port = calloc(e->n_ports > 0 ? e->n_ports : 1, sizeof(*e->by_port));
	e->entry = calloc(e->max + 1, sizeof(*e->entry));
	e->port = calloc(e->n_ports > 0 ? e->n_ports : 1, sizeof(*e->port));
	if (e->by_port == NULL || e->entry == NULL || e->port == NULL) {
		release(e);
		return -ENOMEM;
	}
	e->entry[PEEL_ENDPOINT_MAIN].udp_port = e->main_port;
	peel_slots_init(&e->ports, e->n_ports, PEEL_REUSE_LATE, PEEL_LINKS(e->port, next));
	peel_slots_init(&e->numbers, e->max + 1, PEEL_REUSE_LATE, PEEL_LINKS(e->entry, next));
	(void)peel_slots_take(&e->numbers); /* the main address */
	*out = e;
	return 0;
}

/* After a grace period. */
static void
reclaim(void *arg, uint64_t number)
{
	struct ethdev_endpoints *e = arg;
	struct endpoint *x = &e->entry[number];

	peel_slots_give(&e->ports, (uint32_t)x->udp_port - e->port_min);
	__atomic_store_n(&x->udp_port, 0, __ATOMIC_RELAXED);
	x->closing = false;
	x->deferred = false;
	peel_slots_give(&e->numbers, (uint32_t)number);
	release(e);
}

static void
defer(struct ethdev_endpoints *e, uint32_t number)
{
	e->users++;
	if (peel_rcu_defer(e->rcu, reclaim, e, number) == 0) {
		e->entry[number].deferred = true;
		return;
	}
	e->users--;
	e->n_undeferred++; /* no memory: tried again when the next one is opened or closed */
}

static void
defer_rest(struct ethdev_endpoints *e)
{
	if (e->n_undeferred == 0)
		return;
	e->n_undeferred = 0;
	for (uint32_t i = 1; i <= e->max; i++) {
		if (e->entry[i].closing && !e->entry[i].deferred)
			defer(e, i);
	}
}

void
ethdev_endpoints_free(struct ethdev_endpoints *e)
{
	if (e != NULL)
		release(e);
}

/* The main port is in use for ever. */
static uint32_t
take_port(struct ethdev_endpoints *e)
{
	uint32_t at = peel_slots_take(&e->ports);

	return at != PEEL_NONE && e->port_min + at == e->main_port ? peel_slots_take(&e->ports)
								   : at;
}

int
ethdev_exit_open(struct peel_port *port, uint16_t queue, uint64_t cookie, uint32_t *endpoint)
{
	struct ethdev_endpoints *e = port->endpoints;

	/* The device spreads arrivals over the queues by itself: whoever receives has the
	 * cookie. */
	(void)queue;
	defer_rest(e);
	uint32_t at = take_port(e), number = peel_slots_take(&e->numbers);

	/* The other one goes to the end of its queue. */
	if (at == PEEL_NONE && number != PEEL_NONE)
		peel_slots_give(&e->numbers, number);
	if (number == PEEL_NONE && at != PEEL_NONE)
		peel_slots_give(&e->ports, at);
	if (at == PEEL_NONE || number == PEEL_NONE)
		return -ENOSPC;
	struct endpoint *x = &e->entry[number];

	x->cookie = cookie;
	x->generation++;
	__atomic_store_n(&x->udp_port, (uint16_t)(e->port_min + at), __ATOMIC_RELEASE);
	/* Pairs with ethdev_endpoint_by_port(). */
	__atomic_store_n(&e->by_port[at], number, __ATOMIC_RELEASE);
	e->n_open++;
	*endpoint = number;
	return 0;
}

void
ethdev_exit_close(struct peel_port *port, uint32_t endpoint)
{
	struct ethdev_endpoints *e = port->endpoints;

	if (endpoint == PEEL_ENDPOINT_MAIN || endpoint > e->max)
		return;
	struct endpoint *x = &e->entry[endpoint];

	if (x->udp_port == 0 || x->closing)
		return;
	__atomic_store_n(&e->by_port[x->udp_port - e->port_min], 0, __ATOMIC_RELEASE);
	x->closing = true;
	e->n_open--;
	defer_rest(e);
	defer(e, endpoint);
}

uint32_t
ethdev_endpoints_count(const struct ethdev_endpoints *e)
{
	return e->n_open;
}

bool
ethdev_endpoint_by_port(
	const struct ethdev_endpoints *e, uint16_t udp_port, uint32_t *endpoint, uint64_t *cookie)
{
	uint32_t at = (uint32_t)udp_port - e->port_min;

	*endpoint = PEEL_ENDPOINT_MAIN;
	*cookie = 0;
	if (likely(udp_port == e->main_port))
		return true;
	if (at >= e->n_ports)
		return false;
	/* Pairs with exit_open: the entry is filled in, and stays so until we are quiescent. */
	*endpoint = __atomic_load_n(&e->by_port[at], __ATOMIC_ACQUIRE);
	if (*endpoint == 0)
		return false;
	*cookie = e->entry[*endpoint].cookie;
	return true;
}

uint16_t
ethdev_endpoint_port(const struct ethdev_endpoints *e, uint32_t endpoint, uint32_t *generation)
{
	*generation = 0;
	if (endpoint > e->max)
		return 0;
	/* Pairs with exit_open. A datagram that outlived its endpoint finds 0 or another
	 * generation. */
	uint16_t udp_port = __atomic_load_n(&e->entry[endpoint].udp_port, __ATOMIC_ACQUIRE);

	*generation = __atomic_load_n(&e->entry[endpoint].generation, __ATOMIC_RELAXED);
	return udp_port;
}
