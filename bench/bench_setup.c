/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Circuits that a control thread joins per second (create in, created out), extends (extend and
 * created in, create and extended out) and destroys (signature checked), beside the bare handshake.
 * Creates come from distinct neighbours; the limits are off. With more threads each has a node of
 * its own, on a core of its own.
 */
#include <pthread.h>
#include <stdlib.h>

#include "bench.h"
#include "setup_node.h"

#define THREADS_MAX 2

/* ---- what is timed --------------------------------------------------------------------------- */

static void
new_neighbours(void *arg)
{
	struct node *n = arg;

	if (n->joined + CHUNK > CIRCUITS) {
		setup_stop(n);
		setup_start(n);
	}
	n->joined += CHUNK;
	for (unsigned int i = 0; i < CHUNK; i++) {
		struct neighbour *nb = &n->neighbour[i];
		uint32_t serial = n->serial++;

		nb->addr = peel_addr_ipv4(
			10, (uint8_t)(serial >> 16), (uint8_t)(serial >> 8), (uint8_t)serial, 7000);
		nb->cid = serial * 2654435761u;
		nb->id = &setup_originators[serial % ORIGINATORS];
		setup_create(nb, serial);
	}
}

static void
create(void *arg)
{
	struct node *n = arg;

	for (unsigned int i = 0; i < CHUNK; i++) {
		const struct neighbour *nb = &n->neighbour[i];

		n->failed += peel_or_datagram(n->circuits, &nb->addr, nb->create, CREATE_LEN) != 0;
	}
	peel_or_join(n->circuits);
}

static void
join(void *arg)
{
	struct node *n = arg;

	new_neighbours(n);
	create(n);
	for (unsigned int i = 0; i < CHUNK; i++) {
		struct neighbour *nb = &n->neighbour[i];
		uint32_t slot = peel_route_lookup(n->routes, &nb->addr, nb->cid);

		if (slot == PEEL_NONE)
			bench_fail("a circuit was not joined");
		nb->session = peel_route_at(n->routes, slot)->session;
		nb->generation = peel_session_generation(n->routes, nb->session);
		/* As if a cell had come: circuits that are never used make room for others. */
		peel_direction_account(&peel_session_at(n->routes, nb->session)->forward, 0, 1);
	}
	peel_rcu_poll(n->rcu);
}

static void
extend(void *arg)
{
	struct node *n = arg;

	for (unsigned int i = 0; i < CHUNK; i++) {
		const struct neighbour *nb = &n->neighbour[i];

		n->failed += peel_or_message(n->circuits, nb->session, nb->generation, true,
				     n->extend, n->extend_len) != 0;
		n->failed += peel_or_datagram(n->circuits, &setup_targets[0].addr, n->created,
				     n->created_len) != 0;
	}
	peel_rcu_poll(n->rcu);
}

static void
join_and_sign(void *arg)
{
	struct node *n = arg;

	join(n);
	for (unsigned int i = 0; i < CHUNK; i++)
		setup_destroy(&n->neighbour[i]);
}

static void
destroy(void *arg)
{
	struct node *n = arg;

	for (unsigned int i = 0; i < CHUNK; i++) {
		const struct neighbour *nb = &n->neighbour[i];

		n->failed +=
			peel_or_datagram(n->circuits, &nb->addr, nb->destroy, DESTROY_LEN) != 0;
	}
}

/* The least a create can cost: what lib/keys does for it. */
static void
handshake(void *arg)
{
	struct node *n = arg;

	for (unsigned int i = 0; i < CHUNK; i++) {
		uint8_t y[PEEL_X_LEN], auth[PEEL_AUTH_LEN];
		struct peel_session_keys keys;

		n->failed += peel_handshake_respond(
				     &n->env, &n->id, setup_points[i], y, auth, &keys) != 0;
	}
}

struct kind {
	const char *name, *unit;
	void (*prepare)(void *), (*run)(void *);
};

static const struct kind kinds[] = {
	{"create", "circuits/s", new_neighbours, create},
	{"bare handshake", "handshakes/s", NULL, handshake},
	{"extend", "extends/s", join, extend},
	{"destroy", "destroys/s", join_and_sign, destroy},
};
#define N_KINDS PEEL_ARRAY_LEN(kinds)

/* ---- threads --------------------------------------------------------------------------------- */

struct control {
	const struct bench *bench;
	struct bench_timed timed;
	pthread_barrier_t *barrier;
	pthread_t thread;
	unsigned int number;
	double cycles; /* per item */
};

static void *
control_main(void *arg)
{
	struct control *c = arg;

	bench_pin(c->number);
	pthread_barrier_wait(c->barrier);
	c->cycles = bench_slice(c->bench, &c->timed);
	return NULL;
}

/* Runs @p n threads at once, each with its own node. @return what they do per second together. */
static double
together(const struct bench *b, const struct kind *k, struct node *nodes, unsigned int n)
{
	struct control control[THREADS_MAX];
	pthread_barrier_t barrier;
	double rate = 0;

	bench_must(pthread_barrier_init(&barrier, NULL, n), "barrier");
	for (unsigned int i = 0; i < n; i++) {
		control[i] = (struct control){.bench = b, .barrier = &barrier, .number = i};
		control[i].timed = (struct bench_timed){NULL, k->prepare, k->run, &nodes[i], CHUNK};
		bench_must(pthread_create(&control[i].thread, NULL, control_main, &control[i]),
			"thread");
	}
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(control[i].thread, NULL);
		rate += bench_tsc_hz() / control[i].cycles;
	}
	pthread_barrier_destroy(&barrier);
	return rate;
}

static void
rounds(struct bench *b, struct node *nodes, unsigned int threads)
{
	struct bench_result *result[N_KINDS][THREADS_MAX];

	for (unsigned int k = 0; k < N_KINDS; k++) {
		for (unsigned int t = 0; t < threads; t++)
			result[k][t] = bench_result(
				b, kinds[k].name, kinds[k].unit, "{s:i}", "threads", (int)t + 1);
	}
	for (unsigned int round = 0; round <= b->rounds; round++) {
		bench_progress(b, "round %u of %u", round, b->rounds);
		for (unsigned int k = 0; k < N_KINDS; k++) {
			for (unsigned int t = 0; t < threads; t++) {
				double rate = together(b, &kinds[k], nodes, t + 1);

				if (round > 0)
					bench_sample(result[k][t], rate);
			}
		}
	}
	for (unsigned int k = 0; k < N_KINDS; k++) {
		for (unsigned int t = 1; t < threads; t++)
			bench_vs(result[k][t], "1 thread", result[k][0]);
	}
	for (unsigned int t = 0; t < threads; t++)
		bench_vs(result[0][t], "bare handshake", result[1][t]);
}

int
main(int argc, char **argv)
{
	static struct node nodes[THREADS_MAX];
	struct bench b;

	bench_begin(&b, "setup", argc, argv, NULL);
	setup_world();
	for (unsigned int i = 0; i < THREADS_MAX; i++)
		setup_node_new(&nodes[i]);
	rounds(&b, nodes, bench_cpus() < THREADS_MAX ? bench_cpus() : THREADS_MAX);
	for (unsigned int i = 0; i < THREADS_MAX; i++)
		setup_node_free(&nodes[i]);
	return bench_end(&b);
}
