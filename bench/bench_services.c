/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A whole node whose worker switches cells at full rate, while its control thread becomes the
 * introduction point of a thousand hidden services: circuits come, seeders register, others look
 * for them and are handed on, circuits end. What does that cost the worker, how long does the
 * control thread take to answer, and how much memory does an introduction point take? The worker
 * has the last CPU, everything else the one before.
 */
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bench.h"
#include "node.h" /* the load's circuits go into the node's table */
#include "peel_aead_engines.h"
#include "relay_rig.h"
#include "seeders.h"

#define CIRCUITS 1000 /* that the load uses */
#define BATCH 256
#define SLICE_MS 1000
#define SLICE_QUICK_MS 100
#define SEEDERS_QUICK 50
#define WAIT_MS 20000 /* for what the control thread still has to do */
#define BEHIND 16     /* seeders register before they are looked for */
#define PER_SEEDER 4  /* messages */
#define LEFT_MS 1000  /* until the node has forgotten who has left */
#define ANSWERS_MAX (8 * SEEDERS)

/* The generation that registers, and the one that joins for the next slice. */
static struct seeder seeder[2][SEEDERS];
static uint32_t n_seeders, generation;
static struct mixed_message message[PER_SEEDER * SEEDERS];
static uint8_t buffer[PER_SEEDER * SEEDERS][SEEDER_MESSAGE_MAX];
static struct mixed_answer answer[ANSWERS_MAX];
static struct mixed_script script = {
	.message = message, .answer = answer, .answers_max = ANSWERS_MAX};
static uint32_t n_messages;

static struct peel_node *node;
static bool stopping;
static double latency[SEEDER_N_ASKS][SEEDERS]; /* us */

/* ---- the node -------------------------------------------------------------------------------- */

static void *
control_main(void *arg)
{
	(void)arg;
	bench_pin(1);
	while (!__atomic_load_n(&stopping, __ATOMIC_ACQUIRE))
		peel_node_poll(node, 100);
	peel_node_finish(node);
	return NULL;
}

static void
node_conf(struct peel_node_conf *conf, const struct peel_aead_engine *engine)
{
	peel_node_conf_init(conf);
	conf->port = &mixed_port;
	conf->engine = engine;
	conf->n_workers = 1;
	conf->idle = PEEL_IDLE_POLL;
	conf->port_conf.listen = conf->public_address = peel_addr_ipv4(192, 0, 2, 1, 8090);
	conf->tunnel.max_joined_circuits = 4 * SEEDERS;
	/* Not what a stranger may cost is the question, but what services cost. */
	conf->tunnel.create_rate_per_source = conf->tunnel.create_rate = 0;
	conf->tunnel.remove_tunnel_delay = 0;
}

/* ---- scripts --------------------------------------------------------------------------------- */

static void
say(struct seeder *s, enum seeder_ask ask, const struct seeder *of)
{
	seeder_ask(s, ask, of, &message[n_messages], buffer[n_messages]);
	n_messages++;
}

/* One after the other, evenly over so many milliseconds; until all answers are there, or time is
 * up. */
static void
play(unsigned int ms, uint32_t n_answers)
{
	uint64_t start = peel_now_ms(&peel_env_system);

	mixed_port_play(&script);
	for (uint32_t i = 1; i <= n_messages; i++) {
		script.released = i;
		usleep(ms * 1000 / n_messages);
	}
	while (script.n_answers < n_answers && peel_now_ms(&peel_env_system) - start < WAIT_MS)
		usleep(1000);
}

static void
take_answers(void)
{
	mixed_port_play(NULL);
	for (uint32_t i = 0; i < script.n_answers; i++) {
		uint32_t n = answer[i].neighbour;

		if (n < 2 * SEEDERS)
			seeder_answer(&seeder[n / SEEDERS][n % SEEDERS], &answer[i]);
	}
}

/* Seeders that have circuits, for the next slice. */
static void
first_generation(void)
{
	n_messages = 0;
	for (uint32_t i = 0; i < n_seeders; i++) {
		struct seeder *s = &seeder[generation][i];

		seeder_new(s, generation * SEEDERS + i);
		say(s, SEEDER_CREATE, s);
	}
	play(SLICE_QUICK_MS, n_seeders);
	take_answers();
}

/* Those that have a circuit register and are looked for; others get circuits. */
static void
write_slice(void)
{
	struct seeder *now = seeder[generation], *next = seeder[!generation];

	n_messages = 0;
	for (uint32_t i = 0; i < n_seeders + BEHIND; i++) {
		if (i < n_seeders) {
			seeder_new(&next[i], !generation * SEEDERS + i);
			say(&next[i], SEEDER_CREATE, &next[i]);
			say(&now[i], SEEDER_ESTABLISH, &now[i]);
		}
		if (i >= BEHIND) {
			say(&now[i - BEHIND], SEEDER_LOOK_UP, &now[i - BEHIND]);
			say(&now[i - BEHIND], SEEDER_CREATE_E2E, &now[i - BEHIND]);
		}
	}
}

/* Those that were registered; the next generation takes over. A node knows no more than a thousand.
 */
static void
leave(unsigned int ms)
{
	struct seeder *now = seeder[generation];

	n_messages = 0;
	for (uint32_t i = 0; i < n_seeders; i++)
		say(&now[i], SEEDER_DESTROY, &now[i]);
	play(ms, 0);
	mixed_port_play(NULL);
	usleep(LEFT_MS * 1000);
	generation = !generation;
}

/* ---- figures --------------------------------------------------------------------------------- */

struct figures {
	struct bench_result *alone, *again, *services;
	struct bench_result *answered[SEEDER_N_ASKS], *p50[SEEDER_N_ASKS], *p99[SEEDER_N_ASKS];
};

static double
rate_since(const struct mixed_work *before)
{
	struct mixed_work now = mixed_port_work();

	if (now.cells == before->cells)
		bench_fail("the worker was never left alone: this machine is too busy");
	return (double)(now.cells - before->cells) * bench_tsc_hz() /
	       (double)(now.cycles - before->cycles);
}

static double
alone(unsigned int ms)
{
	struct mixed_work before = mixed_port_work();

	usleep(ms * 1000);
	return rate_since(&before);
}

/* Of the seeders that this slice was about: those that joined are in one place, those that
 * registered in the other one. */
static uint32_t
collect(enum seeder_ask ask)
{
	const struct seeder *s = seeder[ask == SEEDER_CREATE ? !generation : generation];
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_seeders; i++) {
		if (s[i].asked[ask] != NULL && s[i].answered[ask] != 0)
			latency[ask][n++] = (double)(s[i].answered[ask] - s[i].asked[ask]->handed) *
					    1e6 / bench_tsc_hz();
	}
	return n;
}

static void
take_figures(const struct figures *f, bool counts)
{
	for (unsigned int ask = 0; ask < SEEDER_N_ASKS; ask++) {
		uint32_t n = collect(ask);

		if (n == 0)
			bench_fail("%s: never answered", seeder_ask_name[ask]);
		if (!counts)
			continue;
		bench_sort(latency[ask], n);
		bench_sample(f->answered[ask], 100.0 * n / n_seeders);
		bench_sample(f->p50[ask], latency[ask][n / 2]);
		bench_sample(f->p99[ask], latency[ask][n * 99 / 100]);
	}
}

static void
one_round(const struct figures *f, unsigned int ms, bool counts)
{
	struct mixed_work before;
	double rate[3];

	write_slice();
	rate[0] = alone(ms);
	before = mixed_port_work();
	play(ms, 0);
	rate[1] = rate_since(&before);
	usleep(LEFT_MS * 1000); /* the last answers */
	take_answers();
	take_figures(f, counts);
	leave(ms);
	rate[2] = alone(ms);
	if (!counts)
		return;
	bench_sample(f->alone, rate[0]);
	bench_sample(f->services, rate[1]);
	bench_sample(f->again, rate[2]);
}

static void
measure(struct bench *b)
{
	const char *params = "{s:s,s:i}";
	struct figures f = {
		.alone = bench_result(b, "cells", "cells/s", "{s:s}", "what", "nothing else"),
		.services = bench_result(b, "cells", "cells/s", "{s:s}", "what", "services"),
		.again =
			bench_result(b, "cells", "cells/s", "{s:s}", "what", "nothing else, again"),
	};

	for (unsigned int ask = 0; ask < SEEDER_N_ASKS; ask++) {
		const char *name = seeder_ask_name[ask];

		f.answered[ask] = bench_result(b, "answered", "%", "{s:s}", "what", name);
		f.p50[ask] = bench_result(
			b, "control latency", "us", params, "what", name, "percentile", 50);
		f.p99[ask] = bench_result(
			b, "control latency", "us", params, "what", name, "percentile", 99);
	}
	first_generation();
	for (unsigned int round = 0; round <= b->rounds; round++) {
		bench_progress(b, "round %u of %u", round, b->rounds);
		one_round(&f, b->quick ? SLICE_QUICK_MS : SLICE_MS, round > 0);
	}
	bench_vs(f.services, "nothing else", f.alone);
	bench_vs(f.again, "nothing else", f.alone);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static double
allocated(void)
{
	struct mallinfo2 i = mallinfo2();

	return (double)(i.uordblks + i.hblkhd);
}

static void
no_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)to;
	(void)data;
	(void)len;
}

static bool
no_address(void *arg, struct peel_addr *out)
{
	(void)arg;
	(void)out;
	return false;
}

static void
no_keys(void *arg, const uint8_t info_hash[PEEL_INFO_HASH_LEN], struct peel_pex_keys *out)
{
	(void)arg;
	(void)info_hash;
	out->n = 0;
}

/* Bytes of tables with so many places. */
static double
tables_bytes(uint32_t places)
{
	const struct peel_hidden_conf hidden = {.env = node->env,
		.identity = &node->identity,
		.stats = &node->stats,
		.or_circuits = node->or_circuits,
		.max_joined_circuits = places,
		.send = no_send,
		.public_address = no_address};
	const struct peel_pex_conf pex = {.overlay = node->overlay, .max = places, .keys = no_keys};
	double before = allocated(), bytes;
	struct peel_hidden *h;
	struct peel_pex *p;

	bench_must(peel_hidden_new(&hidden, &h), "hidden services");
	bench_must(peel_pex_new(&pex, &p), "PEX overlays");
	bytes = allocated() - before;
	peel_pex_free(p);
	peel_hidden_free(h);
	return bytes;
}

/* What those take that have joined, when they register. */
static double
registered_bytes(void)
{
	struct seeder *now = seeder[generation];
	double before = allocated();

	n_messages = 0;
	for (uint32_t i = 0; i < n_seeders; i++)
		say(&now[i], SEEDER_ESTABLISH, &now[i]);
	play(SLICE_QUICK_MS, n_seeders);
	take_answers();
	return (allocated() - before) / n_seeders;
}

static void
memory(struct bench *b)
{
	struct bench_result *r = bench_result(
		b, "memory", "bytes", "{s:s}", "what", "introduction point and its PEX overlay");

	peel_node_lock(node);
	/* A key, beside it a cookie, and a PEX overlay. */
	double place = (tables_bytes(1 + SEEDERS) - tables_bytes(1)) / SEEDERS;

	peel_node_unlock(node);
	bench_sample(r, place + registered_bytes());
}

int
main(int argc, char **argv)
{
	const uint8_t *prefix;
	struct peel_load_conf load = {.n_circuits = CIRCUITS,
		.n_queues = 1,
		.n_neighbours = 256,
		.batch = BATCH,
		.n_sizes = 1,
		.check_every = 32,
		.engine = peel_aead_engine_best(),
		.seed = 1};
	static struct peel_node_conf conf;
	static const char *const options[] = {"bytes", NULL};
	pthread_t control;
	char why[256];
	struct bench b;

	mallopt(M_ARENA_MAX, 1); /* mallinfo2 sees only the first */
	bench_begin(&b, "services", argc, argv, options);
	if (bench_cpus() < 2)
		bench_skip("a worker and the rest need two CPUs");
	if (load.engine == NULL)
		bench_skip("no AEAD engine works here");
	prctl(PR_SET_TIMERSLACK, 1000);
	n_seeders = b.quick ? SEEDERS_QUICK : SEEDERS;
	node_conf(&conf, load.engine);
	relay_rig_eal(&b, (uint32_t)(peel_node_memory(&conf) / 2048));
	bench_pin(1);
	if (peel_node_new(&conf, &node, why, sizeof(why)) != 0)
		bench_fail("%s", why);
	prefix = node->prefix[PEEL_COMMUNITY_TUNNEL];
	seeders_init(prefix, node->identity.pk);
	load.prefix = prefix;
	load.routes = node->routes;
	load.size[0] =
		(uint16_t)(bench_option(&b, "bytes") ? atoi(bench_option(&b, "bytes")) : 512);
	mixed_port_load(&load);
	bench_pin(0); /* inherited by the worker */
	bench_must(peel_node_start(node), "workers");
	bench_pin(1);
	bench_must(pthread_create(&control, NULL, control_main, NULL), "thread");
	measure(&b);
	memory(&b);
	__atomic_store_n(&stopping, true, __ATOMIC_RELEASE);
	pthread_join(control, NULL);
	if (mixed_port_wrong() != 0)
		bench_fail("cells came out wrong");
	peel_node_free(node);
	return bench_end(&b);
}
