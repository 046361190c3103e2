/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Everything about a circuit is computed from its number, so that a million of them take no memory
 * here and none of the relay's cache.
 */
#include <errno.h>
#include <math.h>

#include "load_internal.h"

#define SCATTER 2654435761u /* odd, prime */

struct load_direction
load_direction(const struct peel_port *p, uint32_t circuit, bool forward)
{
	uint64_t from = p->conf.seed ^ load_mix((uint64_t)circuit << 1 | forward);
	uint64_t word[5];
	struct load_direction h;

	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(word); i++)
		word[i] = load_mix(from + i);
	memcpy(&h.key, word, sizeof(h.key));
	memcpy(h.salt, &word[4], sizeof(h.salt));
	return h;
}

static struct peel_addr
neighbour(const struct peel_port *p, uint32_t circuit, uint8_t net, uint16_t port)
{
	uint32_t n = circuit % p->conf.n_neighbours;

	return peel_addr_ipv4(net, 1, (uint8_t)(n >> 8), (uint8_t)n, port);
}

struct peel_addr
load_previous(const struct peel_port *p, uint32_t circuit)
{
	return neighbour(p, circuit, 45, 7001);
}

struct peel_addr
load_next(const struct peel_port *p, uint32_t circuit)
{
	return neighbour(p, circuit, 46, 8001);
}

struct peel_addr
load_outside(const struct peel_port *p, uint32_t circuit)
{
	return neighbour(p, circuit, 47, 6881);
}

uint32_t
load_cid(const struct peel_port *p, uint32_t circuit)
{
	return circuit * SCATTER ^ (uint32_t)p->conf.seed;
}

uint32_t
load_next_cid(const struct peel_port *p, uint32_t circuit)
{
	return circuit * 0x85ebca6bu ^ (uint32_t)(p->conf.seed >> 32);
}

uint32_t
load_endpoint(const struct peel_port *p, uint32_t circuit)
{
	(void)p;
	return circuit + 1;
}

/* Pairs of one queue: its circuits are n_queues apart. */
uint32_t
load_joined(const struct peel_port *p, uint32_t circuit)
{
	uint32_t n = p->conf.apart ? 1 : p->conf.n_queues,
		 other = circuit / n % 2 == 0 ? circuit + n : circuit - n;

	return other < p->conf.n_circuits ? other : circuit;
}

/* Circuits of a queue are those whose number leaves the queue's when divided by n_queues. */
uint32_t
load_choose(const struct peel_port *p, struct load_queue *q, uint16_t queue)
{
	uint32_t n = p->conf.n_circuits / p->conf.n_queues, i;

	if (p->conf.zipf > 0) {
		/* The continuous form of the distribution: x between 1 and n+1 with density
		 * x^-s. */
		double u = (double)(peel_splitmix(&q->random) >> 11) * 0x1p-53,
		       s = 1 - p->conf.zipf, end = n + 1.0;
		double x = fabs(s) < 1e-9 ? pow(end, u) : pow(u * (pow(end, s) - 1) + 1, 1 / s);
		uint32_t rank = x >= end ? n - 1 : (uint32_t)x - 1;

		/* The busy ones shall not sit beside each other in the tables. */
		i = (uint32_t)((uint64_t)rank * SCATTER % n);
	} else {
		i = load_below(q, n);
	}
	return i * p->conf.n_queues + queue;
}

static int
publish(struct peel_port *p, uint32_t circuit, const struct peel_route *r)
{
	return peel_route_publish(p->conf.routes, r, &p->slot[circuit]);
}

static int
publish_circuit(struct peel_port *p, uint32_t i)
{
	uint32_t joined = load_joined(p, i);
	struct peel_route in = {.in = load_previous(p, i),
		.in_cid = load_cid(p, i),
		.out = load_next(p, i),
		.out_cid = load_next_cid(p, i),
		.session = p->session[i],
		.kind = PEEL_ROUTE_FORWARD,
		.max_early = 8};
	struct peel_route back = {.in = in.out,
		.in_cid = in.out_cid,
		.out = in.in,
		.out_cid = in.in_cid,
		.session = in.session,
		.kind = PEEL_ROUTE_BACKWARD,
		.max_early = 8};
	int rc;

	switch (p->conf.work) {
	case PEEL_LOAD_RENDEZVOUS:
		in.kind = PEEL_ROUTE_RENDEZVOUS;
		in.peer = p->session[joined];
		in.out = load_previous(p, joined);
		in.out_cid = load_cid(p, joined);
		return publish(p, i, &in);
	case PEEL_LOAD_EXIT:
	case PEEL_LOAD_RETURN:
		in.kind = PEEL_ROUTE_EXIT;
		in.out = in.in;
		in.out_cid = in.in_cid;
		in.endpoint = load_endpoint(p, i);
		return publish(p, i, &in);
	default:
		rc = publish(p, i, &in);
		return rc != 0 ? rc : publish(p, i, &back);
	}
}

int
peel_load_publish(struct peel_port *p, uint32_t now_s)
{
	int rc = 0;

	for (uint32_t i = 0; i < p->conf.n_circuits && rc == 0; i++) {
		struct load_direction f = load_direction(p, i, true),
				      b = load_direction(p, i, false);

		rc = peel_session_add(
			p->conf.routes, &f.key, f.salt, &b.key, b.salt, now_s, &p->session[i]);
	}
	for (uint32_t i = 0; i < p->conf.n_circuits && rc == 0; i++)
		rc = publish_circuit(p, i);
	return rc;
}
