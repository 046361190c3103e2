/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Circuits that a control thread joins per second (create in, created out), extends (extend and
 * created in, create and extended out) and destroys (signature checked), beside the bare handshake.
 * Creates come from distinct neighbours; the limits are off. They come sixteen at once, or alone;
 * with key pairs that are ready or not.
 * With more threads each has a node of its own, on a core of its own; with helpers there is one
 * node, and they compute its handshakes. `lanes` says how many multiplications of X25519 are done
 * side by side (suite `x25519`); 1 is libsodium. Last comes a whole node in a flood
 * (setup_flood.c).
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "setup_flood.h"
#include "setup_node.h"

#define THREADS_MAX 2

/* ---- what is timed --------------------------------------------------------------------------- */

static void
new_neighbours(void *arg)
{
	struct node *n = arg;

	if (n->joined + n->chunk > CIRCUITS) {
		setup_stop(n);
		setup_start(n);
	}
	n->joined += n->chunk;
	for (unsigned int i = 0; i < n->chunk; i++) {
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
	while (peel_or_joins_wait(n->circuits))
		peel_or_join(n->circuits);
}

/* As a control thread does that sleeps while others have the work. */
static void
create_helped(void *arg)
{
	struct node *n = arg;
	unsigned int joined = 0;

	for (unsigned int i = 0; i < n->chunk; i++) {
		const struct neighbour *nb = &n->neighbour[i];

		n->failed += peel_or_datagram(n->circuits, &nb->addr, nb->create, CREATE_LEN) != 0;
		if ((i + 1) % CHUNK == 0)
			joined += peel_or_join(n->circuits);
	}
	while (joined < n->chunk) {
		sem_wait(&n->handshakes_done);
		joined += peel_or_join(n->circuits);
	}
}

static void
make_ready(void *arg)
{
	struct node *n = arg;

	new_neighbours(n);
	while (peel_or_prepare(n->circuits))
		;
}

static void
create_alone(void *arg)
{
	struct node *n = arg;

	for (unsigned int i = 0; i < CHUNK; i++) {
		const struct neighbour *nb = &n->neighbour[i];

		n->failed += peel_or_datagram(n->circuits, &nb->addr, nb->create, CREATE_LEN) != 0;
		n->failed += peel_or_join(n->circuits) != 1;
	}
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
	struct peel_handshake h[CHUNK];

	for (unsigned int i = 0; i < CHUNK; i++)
		memcpy(h[i].x, setup_points[i], sizeof(h[i].x));
	peel_handshake_respond_batch(&n->env, &n->id, NULL, h, CHUNK);
	for (unsigned int i = 0; i < CHUNK; i++)
		n->failed += h[i].ret != 0;
}

static const struct kind {
	const char *name, *unit;
	void (*prepare)(void *), (*run)(void *);
	bool by_lanes, helped;
} kinds[] = {
	{"create", "circuits/s", new_neighbours, create, true, false},
	{"bare handshake", "handshakes/s", NULL, handshake, true, false},
	{"create alone", "circuits/s", new_neighbours, create_alone, true, false},
	{"create, keys ready", "circuits/s", make_ready, create, true, false},
	{"create alone, keys ready", "circuits/s", make_ready, create_alone, true, false},
	{"create, helped", "circuits/s", new_neighbours, create_helped, true, true},
	{"extend", "extends/s", join, extend, false, false},
	{"destroy", "destroys/s", join_and_sign, destroy, false, false},
};
#define N_KINDS PEEL_ARRAY_LEN(kinds)

static const unsigned int lanes[] = {8, 4, 1};
#define N_LANES PEEL_ARRAY_LEN(lanes)

/* What is measured: a kind with a number of threads and of lanes. */
struct measured {
	const struct kind *kind;
	unsigned int threads, lanes;
	struct bench_result *result;
};

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

/* One control thread, with so many helpers: all share the program's CPUs. */
static double
with_helpers(const struct bench *b, const struct measured *m, struct node *n)
{
	struct bench_timed timed = {NULL, m->kind->prepare, m->kind->run, n, CHUNK_MAX};
	double cycles;

	peel_x25519_limit(m->lanes);
	bench_unpin();
	setup_helpers(n, m->threads);
	n->chunk = CHUNK_MAX;
	cycles = bench_slice(b, &timed);
	n->chunk = CHUNK;
	setup_helpers(n, 0);
	bench_pin(0);
	return bench_tsc_hz() / cycles;
}

/* Runs the threads at once, each with its own node. @return what they do per second together. */
static double
together(const struct bench *b, const struct measured *m, struct node *nodes)
{
	const struct kind *k = m->kind;
	unsigned int n = m->threads;
	struct control control[THREADS_MAX];
	pthread_barrier_t barrier;
	double rate = 0;

	peel_x25519_limit(m->lanes);
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

static struct measured measured[N_KINDS * N_LANES * THREADS_MAX];
static size_t n_measured;

static void
add(struct bench *b, const struct kind *k, unsigned int by, unsigned int threads)
{
	for (unsigned int t = 1; t <= threads; t++) {
		struct measured *m = &measured[n_measured++];

		*m = (struct measured){k, t, by, NULL};
		m->result = k->by_lanes
				    ? bench_result(b, k->name, k->unit, "{s:i,s:i}",
					      k->helped ? "helpers" : "threads", (int)t, "lanes",
					      (int)by)
				    : bench_result(b, k->name, k->unit, "{s:i}", "threads", (int)t);
	}
}

static void
add_all(struct bench *b, unsigned int threads)
{
	for (size_t k = 0; k < N_KINDS; k++) {
		if (!kinds[k].by_lanes) {
			add(b, &kinds[k], lanes[0], threads);
			continue;
		}
		for (size_t l = 0; l < N_LANES; l++) {
			peel_x25519_limit(lanes[l]);
			if (peel_x25519_lanes() == lanes[l])
				add(b, &kinds[k], lanes[l], threads);
		}
	}
}

static void
compare(const struct measured *m)
{
	for (const struct measured *o = measured; o < &measured[n_measured]; o++) {
		bool same_lanes = o->lanes == m->lanes, same_threads = o->threads == m->threads;

		if (o->kind == m->kind && same_lanes && m->threads > 1 && o->threads == 1)
			bench_vs(m->result, m->kind->helped ? "1 helper" : "1 thread", o->result);
		if (m->kind->helped && o->kind == &kinds[0] && same_lanes && o->threads == 1)
			bench_vs(m->result, "no helper", o->result);
		if (o->kind == m->kind && same_threads && m->lanes > 1 && o->lanes == 1)
			bench_vs(m->result, "1 lane", o->result);
		if (m->kind == &kinds[0] && o->kind == &kinds[1] && same_lanes && same_threads)
			bench_vs(m->result, "bare handshake", o->result);
	}
}

static void
rounds(struct bench *b, struct node *nodes, unsigned int threads)
{
	add_all(b, threads);
	for (unsigned int round = 0; round <= b->rounds; round++) {
		bench_progress(b, "round %u of %u", round, b->rounds);
		for (size_t i = 0; i < n_measured; i++) {
			const struct measured *m = &measured[i];
			double rate = m->kind->helped ? with_helpers(b, m, &nodes[0])
						      : together(b, m, nodes);

			if (round > 0)
				bench_sample(measured[i].result, rate);
		}
	}
	for (size_t i = 0; i < n_measured; i++)
		compare(&measured[i]);
}

/* Ten times as many creates as the control thread could join. */
static void
flood(struct bench *b)
{
	for (const struct measured *m = measured; m < &measured[n_measured]; m++) {
		if (m->kind == &kinds[0] && m->threads == 1)
			setup_flood(b, m->lanes, 10 * bench_median(m->result));
	}
	setup_flood_end();
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
	flood(&b);
	return bench_end(&b);
}
