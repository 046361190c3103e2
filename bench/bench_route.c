/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The switching table by its size: cycles per look-up in random order, of changes by the control
 * thread, of the duplicate filter, and bytes per circuit. "look-up and use" also reads the
 * session's line, prefetched between the two. All tables exist at once, so that sizes are compared
 * round by round. The walks through page tables that large tables cost are shown by themselves.
 */
#include <stdlib.h>

#include "bench.h"
#include "page_walks.h"
#include "peel_replay.h"
#include "peel_route.h"

#define BURST 32
#define BURSTS_PER_ROUND 8
#define ITEMS (BURST * BURSTS_PER_ROUND)
#define CHANGES 64
#define NEIGHBOURS 4096
#define SIZES 5
#define BYTES_PER_ROUTE 400 /* twice what it takes, to leave some to others */

static const uint32_t sizes[SIZES] = {1000, 10000, 100000, 1000000, 10000000};

struct table {
	struct peel_route_table *t;
	struct peel_rcu *rcu;
	uint32_t routes, sessions;
	uint32_t *session; /* [sessions] */
};

/* What the next burst looks up or changes; chosen without a look at the table, and not timed. */
struct work {
	const struct table *table;
	bool miss, use;
	struct peel_addr addr[BURSTS_PER_ROUND][BURST];
	const struct peel_addr *from[BURSTS_PER_ROUND][BURST];
	uint32_t cid[BURSTS_PER_ROUND][BURST];
	struct peel_route change[CHANGES];
	struct peel_replay *filter;
	uint8_t tag[BURST][16];
};

static uint64_t sum; /* keeps the compiler honest */

/* Route i: key and everything else follow from the number. */
static struct peel_route
route_of(const struct table *t, uint32_t i)
{
	uint32_t x = i * 2654435761u;
	uint32_t session = t->session[i % t->sessions];

	return (struct peel_route){
		.in = peel_addr_ipv4(10, 0, (uint8_t)(x % NEIGHBOURS >> 8),
			(uint8_t)(x % NEIGHBOURS), (uint16_t)(7000 + x % 3)),
		.in_cid = x ^ 0x5bd1e995u,
		.out_cid = i,
		.session = session,
		.kind = i < t->sessions ? PEEL_ROUTE_FORWARD : PEEL_ROUTE_BACKWARD,
	};
}

static void
fill(struct table *t, struct peel_rcu *rcu, uint32_t routes)
{
	struct peel_route_conf conf = {
		/* what is replaced waits for its grace period */
		.max_sessions = routes / 2 + CHANGES,
		.rcu = rcu,
		.env = &peel_env_system,
		.socket_id = -1,
	};

	bench_must(peel_route_table_new(&conf, &t->t), "table");
	t->rcu = rcu;
	t->routes = routes;
	t->sessions = routes / 2;
	t->session = calloc(t->sessions, sizeof(t->session[0]));
	if (t->session == NULL)
		bench_fail("out of memory");
	for (uint32_t i = 0; i < t->sessions; i++) {
		struct peel_key key = {{(uint8_t)i}};

		bench_must(peel_session_add(t->t, &key, key.b, &key, key.b, 0, &t->session[i]),
			"session");
	}
	for (uint32_t i = 0; i < routes; i++) {
		struct peel_route r = route_of(t, i);

		bench_must(peel_route_publish(t->t, &r, NULL), "route");
	}
}

/* ---- what is timed --------------------------------------------------------------------------- */

static void
choose(void *arg)
{
	struct work *w = arg;

	for (unsigned int k = 0; k < BURSTS_PER_ROUND; k++) {
		for (unsigned int i = 0; i < BURST; i++) {
			struct peel_route r =
				route_of(w->table, (uint32_t)(bench_random() % w->table->routes));

			w->addr[k][i] = r.in;
			w->from[k][i] = &w->addr[k][i];
			w->cid[k][i] = w->miss ? (uint32_t)bench_random() : r.in_cid;
		}
	}
}

static void
look_up(void *arg)
{
	const struct work *w = arg;
	const struct peel_route_table *t = w->table->t;

	for (unsigned int k = 0; k < BURSTS_PER_ROUND; k++) {
		uint32_t slot[BURST];

		peel_route_lookup_burst(t, w->from[k], w->cid[k], BURST, slot);
		for (unsigned int i = 0; i < BURST && w->use; i++)
			__builtin_prefetch(peel_session_at(t, peel_route_at(t, slot[i])->session));
		for (unsigned int i = 0; i < BURST && w->use; i++)
			sum += peel_session_at(t, peel_route_at(t, slot[i])->session)
				       ->forward.key.b[0];
		sum += slot[0];
	}
}

static void
look_up_any(void *arg)
{
	const struct work *w = arg;

	for (unsigned int k = 0; k < BURSTS_PER_ROUND; k++) {
		for (unsigned int i = 0; i < BURST; i++)
			sum += peel_route_lookup_any(w->table->t, w->cid[k][i]);
	}
}

static void
choose_changes(void *arg)
{
	struct work *w = arg;

	for (unsigned int i = 0; i < CHANGES; i++)
		w->change[i] = route_of(w->table, (uint32_t)(bench_random() % w->table->routes));
	peel_rcu_poll(w->table->rcu);
}

/* An exit becomes a relay: the new route takes the old one's place in one store. */
static void
replace(void *arg)
{
	const struct work *w = arg;

	for (unsigned int i = 0; i < CHANGES; i++)
		bench_must(peel_route_publish(w->table->t, &w->change[i], NULL), "replace");
	peel_rcu_poll(w->table->rcu);
}

/* A circuit goes and another comes. */
static void
retire_and_publish(void *arg)
{
	const struct work *w = arg;
	const struct peel_route_table *t = w->table->t;

	for (unsigned int i = 0; i < CHANGES; i++) {
		const struct peel_route *r = &w->change[i];
		uint32_t slot = peel_route_lookup(t, &r->in, r->in_cid);

		if (slot == PEEL_NONE)
			bench_fail("a route is missing");
		peel_route_retire(w->table->t, slot);
		peel_rcu_poll(w->table->rcu);
		bench_must(peel_route_publish(w->table->t, &w->change[i], NULL), "publish");
	}
}

static void
choose_tags(void *arg)
{
	struct work *w = arg;

	for (unsigned int i = 0; i < BURST; i++) {
		uint64_t x[2] = {bench_random(), bench_random()};

		memcpy(w->tag[i], x, sizeof(x));
	}
}

static void
filter_burst(void *arg)
{
	struct work *w = arg;
	uint64_t fp[BURST];

	for (unsigned int i = 0; i < BURST; i++) {
		fp[i] = peel_replay_fingerprint(w->filter, w->tag[i][0], w->tag[i][1], w->tag[i]);
		peel_replay_prefetch(w->filter, fp[i]);
	}
	for (unsigned int i = 0; i < BURST; i++)
		sum += peel_replay_seen(w->filter, fp[i]);
}

/* ---- cases ----------------------------------------------------------------------------------- */

struct kind {
	const char *name, *unit;
	void (*prepare)(void *), (*run)(void *);
	unsigned int items;
	bool miss, use;
};

static const struct kind kinds[] = {
	{"look-up", "cycles/look-up", choose, look_up, ITEMS, false, false},
	{"look-up and use", "cycles/look-up", choose, look_up, ITEMS, false, true},
	{"miss", "cycles/look-up", choose, look_up, ITEMS, true, false},
	{"look-up by id alone", "cycles/look-up", choose, look_up_any, ITEMS, false, false},
	{"replace", "cycles/update", choose_changes, replace, CHANGES, false, false},
	{"look up, retire and publish", "cycles/update", choose_changes, retire_and_publish,
		CHANGES, false, false},
};

#define N_KINDS PEEL_ARRAY_LEN(kinds)

/* A round goes over everything, the sizes of one kind in a row. */
static void
bench_tables(struct bench *b, const struct table *tables, unsigned int n)
{
	static struct work work[N_KINDS * SIZES];
	struct bench_timed timed[N_KINDS * SIZES];

	for (unsigned int i = 0; i < N_KINDS * n; i++) {
		const struct kind *k = &kinds[i / n];
		struct work *w = &work[i];

		w->table = &tables[i % n];
		w->miss = k->miss;
		w->use = k->use;
		timed[i] = (struct bench_timed){bench_result(b, k->name, k->unit, "{s:i}",
							"entries", (int)w->table->routes),
			k->prepare, k->run, w, k->items};
	}
	bench_time(b, timed, N_KINDS * n);
	for (unsigned int i = 0; i < N_KINDS * n; i++) {
		if (i % n != 0)
			bench_vs(timed[i].result, "1k entries", timed[i - i % n].result);
	}
}

static void
memory(struct bench *b, const struct table *t)
{
	struct bench_result *r =
		bench_result(b, "memory", "bytes/circuit", "{s:i}", "entries", (int)t->routes);

	bench_sample(r, (double)peel_route_memory(t->t) / (t->sessions + CHANGES));
}

static void
bench_filter(struct bench *b)
{
	static const uint32_t entries[] = {1u << 16, 1u << 20};
	static struct work work[2];
	struct bench_timed timed[2];

	for (unsigned int i = 0; i < 2; i++) {
		bench_must(
			peel_replay_new(entries[i], &peel_env_system, false, -1, &work[i].filter),
			"filter");
		for (uint32_t k = 0; k < entries[i]; k++)
			(void)peel_replay_seen(work[i].filter, bench_random());
		timed[i] = (struct bench_timed){bench_result(b, "duplicate filter", "cycles/cell",
							"{s:i}", "entries", (int)entries[i]),
			choose_tags, filter_burst, &work[i], BURST};
	}
	bench_time(b, timed, 2);
	bench_vs(timed[1].result, "64k entries", timed[0].result);
	for (unsigned int i = 0; i < 2; i++)
		peel_replay_free(work[i].filter);
}

int
main(int argc, char **argv)
{
	struct table tables[SIZES];
	struct peel_rcu *rcu;
	struct bench b;
	unsigned int n = 0;

	bench_begin(&b, "route", argc, argv, NULL);
	bench_must(peel_rcu_new(1, &rcu), "rcu");
	for (unsigned int i = 0; i < SIZES; i++) {
		if (b.quick && sizes[i] > 100000)
			break;
		if (bench_memory_available() / BYTES_PER_ROUTE < sizes[i]) {
			bench_progress(&b, "%u entries do not fit into memory", sizes[i]);
			break;
		}
		bench_progress(&b, "filling a table of %u entries", sizes[i]);
		fill(&tables[n++], rcu, sizes[i]);
	}
	if (n == 0)
		bench_skip("too little memory");
	bench_tables(&b, tables, n);
	for (unsigned int i = 0; i < n; i++)
		memory(&b, &tables[i]);
	bench_progress(&b, "duplicate filter");
	bench_filter(&b);
	bench_progress(&b, "page walks");
	page_walks(&b);
	while (n > 0) {
		peel_route_table_free(tables[--n].t);
		free(tables[n].session);
	}
	peel_rcu_free(rcu);
	return sum == 42 ? EXIT_FAILURE : bench_end(&b); /* never, but the compiler does not know */
}
