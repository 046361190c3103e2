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
#include <string.h>

#include "bench.h"
#include "peel_or_circuit.h"
#include "peel_discovery.h"

#define CHUNK 16       /* circuits in one timed burst */
#define ORIGINATORS 64 /* keys and points that creates are made of */
#define TARGETS 4
#define CIRCUITS 8192 /* joined before the node starts afresh */
#define CREATE_LEN (PEEL_CELL_HEADER_LEN + 113)
#define DESTROY_LEN 169
#define THREADS_MAX 2

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0, 2, 'b', 'e', 'n', 'c', 'h'};

static struct peel_identity originators[ORIGINATORS];
static uint8_t points[ORIGINATORS][PEEL_X_LEN];
static struct peel_target targets[TARGETS];

struct neighbour {
	struct peel_addr addr;
	uint32_t cid, session, generation;
	const struct peel_identity *id;
	uint8_t create[CREATE_LEN];
	uint8_t destroy[DESTROY_LEN];
};

/* One control thread's node. */
struct node {
	struct peel_env env;
	struct peel_identity id;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_or_circuits *circuits;
	struct peel_stats stats;
	uint32_t joined; /* by this incarnation */
	uint32_t serial; /* of the next neighbour */
	struct neighbour neighbour[CHUNK];
	uint8_t extend[256], created[256];
	size_t extend_len, created_len;
	uint64_t failed;
};

/* ---- the node's surroundings ----------------------------------------------------------------- */

/* Time stands still: nothing expires while it is measured. */
static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return 1000000;
}

static void
random_bytes(void *arg, void *out, size_t len)
{
	(void)arg;
	peel_random(&peel_env_system, out, len);
}

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct node *n = arg;

	(void)to;
	if (len < CREATE_LEN || data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL ||
		data[PEEL_CELL_HEADER_LEN] != PEEL_MSG_CREATE)
		return;
	/* The next hop will answer with its circuit id and identifier. */
	memcpy(n->created + PEEL_CELL_OFF_CID, data + PEEL_CELL_OFF_CID, 4);
	memcpy(n->created + PEEL_CELL_HEADER_LEN + 1, data + PEEL_CELL_HEADER_LEN + 1, 2);
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	(void)arg;
	(void)all;
	(void)none;
	n = n < TARGETS ? n : TARGETS;
	memcpy(out, targets, n * sizeof(*out));
	return n;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	(void)arg;
	*out = targets[0];
	return memcmp(pk, targets[0].pk, PEEL_PK_LEN) == 0;
}

static bool
on_proved(void *arg, const struct peel_addr *addr)
{
	(void)arg;
	(void)addr;
	return true;
}

static void
on_exit_gone(void *arg, uint32_t session, uint32_t endpoint)
{
	(void)arg;
	(void)session;
	(void)endpoint;
}

static void
start(struct node *n)
{
	const struct peel_route_conf routes = {
		.max_sessions = CIRCUITS, .rcu = n->rcu, .env = &n->env, .heap = true};
	struct peel_or_conf conf = {
		.env = &n->env,
		.identity = &n->id,
		.stats = &n->stats,
		.send = on_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.proved = on_proved,
		.exit_gone = on_exit_gone,
		.arg = n,
	};

	bench_must(peel_route_table_new(&routes, &n->routes), "table");
	conf.routes = n->routes;
	memcpy(conf.prefix, prefix, sizeof(prefix));
	peel_or_settings_init(&conf.settings);
	conf.settings.peer_flags = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT;
	conf.settings.max_joined_circuits = 2 * CIRCUITS;
	conf.settings.create_rate_per_source = 0;
	conf.settings.create_rate = 0;
	bench_must(peel_or_new(&conf, &n->circuits), "circuits");
	n->joined = 0;
}

static void
stop(struct node *n)
{
	peel_or_free(n->circuits);
	peel_rcu_poll(n->rcu);
	peel_route_table_free(n->routes);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void
make_create(struct neighbour *nb, uint32_t serial)
{
	struct peel_msg_create m = {
		.identifier = (uint16_t)serial,
		.pk = {nb->id->pk, PEEL_PK_LEN},
		.x = {points[serial % ORIGINATORS], PEEL_X_LEN},
	};

	peel_cell_header(nb->create, prefix, nb->cid, true, true);
	if (peel_create_build(nb->create + PEEL_CELL_HEADER_LEN, CREATE_LEN - PEEL_CELL_HEADER_LEN,
		    &m) != CREATE_LEN - PEEL_CELL_HEADER_LEN)
		bench_fail("create cannot be built");
}

static void
make_destroy(struct neighbour *nb)
{
	struct peel_writer w = peel_writer_init(nb->destroy, sizeof(nb->destroy));
	const struct peel_msg_destroy m = {.cid = nb->cid, .reason = PEEL_DESTROY_UNNEEDED};
	uint8_t body[PEEL_DESTROY_BODY_LEN];

	peel_destroy_body(body, &m);
	peel_signed_begin(&w, prefix, PEEL_MSG_DESTROY, nb->id->pk, false, 0);
	peel_write_bytes(&w, body, sizeof(body));
	peel_sign(&w, nb->id);
	if (peel_writer_len(&w) != DESTROY_LEN)
		bench_fail("destroy cannot be built");
}

static void
make_extension(struct node *n)
{
	const struct peel_msg_extend extend = {
		.pk = {targets[0].pk, PEEL_PK_LEN},
		.x = {points[0], PEEL_X_LEN},
		.address = targets[0].addr,
	};
	uint8_t y[32] = {1}, auth[32] = {2}, enc[PEEL_SEAL_OVERHEAD + 1] = {3};
	const struct peel_msg_created created = {
		.y = {y, sizeof(y)},
		.auth = {auth, sizeof(auth)},
		.candidates_enc = {enc, sizeof(enc)},
	};
	int len = peel_extend_build(n->extend, sizeof(n->extend), &extend);

	if (len <= 0)
		bench_fail("extend cannot be built");
	n->extend_len = (size_t)len;
	peel_cell_header(n->created, prefix, 0, true, false);
	len = peel_created_build(n->created + PEEL_CELL_HEADER_LEN,
		sizeof(n->created) - PEEL_CELL_HEADER_LEN, PEEL_MSG_CREATED, &created);
	if (len <= 0)
		bench_fail("created cannot be built");
	n->created_len = PEEL_CELL_HEADER_LEN + (size_t)len;
}

/* ---- what is timed --------------------------------------------------------------------------- */

static void
new_neighbours(void *arg)
{
	struct node *n = arg;

	if (n->joined + CHUNK > CIRCUITS) {
		stop(n);
		start(n);
	}
	n->joined += CHUNK;
	for (unsigned int i = 0; i < CHUNK; i++) {
		struct neighbour *nb = &n->neighbour[i];
		uint32_t serial = n->serial++;

		nb->addr = peel_addr_ipv4(
			10, (uint8_t)(serial >> 16), (uint8_t)(serial >> 8), (uint8_t)serial, 7000);
		nb->cid = serial * 2654435761u;
		nb->id = &originators[serial % ORIGINATORS];
		make_create(nb, serial);
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
}

static void
join(void *arg)
{
	struct node *n = arg;

	new_neighbours(n);
	create(n);
	for (unsigned int i = 0; i < CHUNK; i++) {
		struct neighbour *nb = &n->neighbour[i];
		const struct peel_addr *from = &nb->addr;
		uint32_t slot;

		peel_route_lookup_burst(n->routes, &from, &nb->cid, 1, &slot);
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
		n->failed += peel_or_datagram(n->circuits, &targets[0].addr, n->created,
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
		make_destroy(&n->neighbour[i]);
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

		n->failed +=
			peel_handshake_respond(&n->env, &n->id, points[i], y, auth, &keys) != 0;
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
	uint8_t secret[32];
	struct bench b;

	bench_begin(&b, "setup", argc, argv, NULL);
	bench_must(peel_keys_init(), "libsodium");
	for (unsigned int i = 0; i < ORIGINATORS; i++) {
		bench_must(peel_identity_generate(&peel_env_system, &originators[i]), "identity");
		bench_must(peel_handshake_start(&peel_env_system, secret, points[i]), "handshake");
	}
	for (unsigned int i = 0; i < TARGETS; i++) {
		memcpy(targets[i].pk, originators[i].pk, PEEL_PK_LEN);
		targets[i].addr = peel_addr_ipv4(192, 0, 2, (uint8_t)(1 + i), 7000);
		targets[i].last_heard_ms = now_ms(NULL);
	}
	for (unsigned int i = 0; i < THREADS_MAX; i++) {
		nodes[i].env = (struct peel_env){now_ms, random_bytes, NULL};
		bench_must(peel_identity_generate(&peel_env_system, &nodes[i].id), "identity");
		bench_must(peel_rcu_new(1, &nodes[i].rcu), "rcu");
		make_extension(&nodes[i]);
		start(&nodes[i]);
	}
	rounds(&b, nodes, bench_cpus() < THREADS_MAX ? bench_cpus() : THREADS_MAX);
	for (unsigned int i = 0; i < THREADS_MAX; i++) {
		if (nodes[i].failed != 0)
			bench_fail(
				"%llu messages were refused", (unsigned long long)nodes[i].failed);
		stop(&nodes[i]);
		peel_rcu_free(nodes[i].rcu);
		peel_identity_wipe(&nodes[i].id);
	}
	return bench_end(&b);
}
