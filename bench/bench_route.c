/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Cycles per look-up in the switching table, by its size, in random order, and of the duplicate filter. "and use" also
 * reads the session's line, which the caller prefetches between the two.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "peel_route.h"

#define BURST 32
#define BURSTS_PER_ROUND 8
#define NEIGHBOURS 4096

struct state {
	struct bench bench;
	struct peel_rcu *rcu;
	struct peel_route_table *t;
	uint32_t sessions;
	struct peel_addr addr[BURSTS_PER_ROUND][BURST];
	const struct peel_addr *from[BURSTS_PER_ROUND][BURST];
	uint32_t cid[BURSTS_PER_ROUND][BURST];
	uint64_t sum; /* keeps the compiler honest */
};

static void
must(int rc, const char *what)
{
	if (rc != 0) {
		fprintf(stderr, "%s failed: %d\n", what, rc);
		exit(1);
	}
}

/* Route i: key and everything else follow from the number. */
static struct peel_route
route_of(const struct state *s, uint32_t i)
{
	uint32_t x = i * 2654435761u;
	uint32_t session = i % s->sessions;

	return (struct peel_route){
		.in = peel_addr_ipv4(10, 0, (uint8_t)(x % NEIGHBOURS >> 8),
			(uint8_t)(x % NEIGHBOURS), (uint16_t)(7000 + x % 3)),
		.in_cid = x ^ 0x5bd1e995u,
		.out_cid = i,
		.session = session,
		.kind = i < s->sessions ? PEEL_ROUTE_FORWARD : PEEL_ROUTE_BACKWARD,
	};
}

static void
fill(struct state *s, uint32_t routes)
{
	struct peel_route_conf conf = {
		.max_sessions = routes / 2,
		.rcu = s->rcu,
		.env = &peel_env_system,
		.socket_id = -1,
	};

	must(peel_route_table_new(&conf, &s->t), "table");
	s->sessions = routes / 2;
	for (uint32_t i = 0; i < s->sessions; i++) {
		struct peel_key key = {{(uint8_t)i}};
		uint32_t session;

		must(peel_session_add(s->t, &key, key.b, &key, key.b, 0, &session), "session");
	}
	for (uint32_t i = 0; i < routes; i++) {
		struct peel_route r = route_of(s, i);

		must(peel_route_publish(s->t, &r, NULL), "route");
	}
}

/* What the next round looks up; not timed, and computed without a look at the table. */
static void
choose(struct state *s, uint32_t routes, bool hit)
{
	for (unsigned int k = 0; k < BURSTS_PER_ROUND; k++) {
		for (unsigned int i = 0; i < BURST; i++) {
			struct peel_route r = route_of(s, (uint32_t)(bench_random() % routes));

			s->addr[k][i] = r.in;
			s->from[k][i] = &s->addr[k][i];
			s->cid[k][i] = hit ? r.in_cid : (uint32_t)bench_random();
		}
	}
}

static void
look_up(struct state *s, bool use)
{
	for (unsigned int k = 0; k < BURSTS_PER_ROUND; k++) {
		uint32_t slot[BURST];

		peel_route_lookup_burst(s->t, s->from[k], s->cid[k], BURST, slot);
		for (unsigned int i = 0; i < BURST && use; i++)
			__builtin_prefetch(
				peel_session_at(s->t, peel_route_at(s->t, slot[i])->session));
		for (unsigned int i = 0; i < BURST && use; i++)
			s->sum += peel_session_at(s->t, peel_route_at(s->t, slot[i])->session)
					  ->forward.key.b[0];
		s->sum += slot[0];
	}
}

static void
look_up_any(struct state *s)
{
	for (unsigned int k = 0; k < BURSTS_PER_ROUND; k++) {
		for (unsigned int i = 0; i < BURST; i++)
			s->sum += peel_route_lookup_any(s->t, s->cid[k][i]);
	}
}

static void
bench_table(struct state *s, uint32_t routes)
{
	const unsigned int items = BURST * BURSTS_PER_ROUND;
	struct bench *b = &s->bench;
	char name[64];

	fill(s, routes);
	BENCH(b, choose(s, routes, true), look_up(s, false))
	snprintf(name, sizeof(name), "look-up of %u", routes);
	bench_report(b, name, BURST, items);
	BENCH(b, choose(s, routes, true), look_up(s, true))
	snprintf(name, sizeof(name), "look-up of %u and use", routes);
	bench_report(b, name, BURST, items);
	BENCH(b, choose(s, routes, false), look_up(s, false))
	snprintf(name, sizeof(name), "miss in %u", routes);
	bench_report(b, name, BURST, items);
	BENCH(b, choose(s, routes, true), look_up_any(s))
	snprintf(name, sizeof(name), "by id alone in %u", routes);
	bench_report(b, name, 1, items);
	printf("  %.1f bytes per relayed circuit\n", (double)peel_route_memory(s->t) / s->sessions);
	peel_route_table_free(s->t);
}

/* Control side: an exit becomes a relay, a circuit goes and another comes. */
static void
bench_changes(struct state *s, uint32_t routes)
{
	struct bench *b = &s->bench;
	struct peel_route r;
	uint32_t slot;

	fill(s, routes);
	BENCH(b, r = route_of(s, (uint32_t)(bench_random() % routes)),
		must(peel_route_publish(s->t, &r, &slot), "replace");
		peel_rcu_poll(s->rcu))
	bench_report(b, "replace a route of 100000", 1, 1);
	BENCH(b, r = route_of(s, (uint32_t)(bench_random() % routes));
		must(peel_route_publish(s->t, &r, &slot), "replace"), peel_route_retire(s->t, slot);
		must(peel_route_publish(s->t, &r, &slot), "publish"); peel_rcu_poll(s->rcu))
	bench_report(b, "retire and publish, warm", 1, 1);
	peel_route_table_free(s->t);
}

static void
filter_burst(struct state *s, struct peel_replay *r, const uint8_t (*tag)[16])
{
	uint64_t fp[BURST];

	for (unsigned int i = 0; i < BURST; i++) {
		fp[i] = peel_replay_fingerprint(r, i, i, tag[i]);
		peel_replay_prefetch(r, fp[i]);
	}
	for (unsigned int i = 0; i < BURST; i++)
		s->sum += peel_replay_seen(r, fp[i]);
}

static void
choose_tags(uint8_t (*tag)[16])
{
	for (unsigned int i = 0; i < BURST; i++) {
		uint64_t x[2] = {bench_random(), bench_random()};

		memcpy(tag[i], x, sizeof(x));
	}
}

static void
bench_replay(struct state *s, uint32_t entries)
{
	struct bench *b = &s->bench;
	uint8_t tag[BURST][16];
	struct peel_replay *r;
	char name[64];

	must(peel_replay_new(entries, &peel_env_system, false, -1, &r), "filter");
	for (uint32_t i = 0; i < entries; i++)
		(void)peel_replay_seen(r, bench_random());
	BENCH(b, choose_tags(tag), filter_burst(s, r, tag))
	snprintf(name, sizeof(name), "duplicate filter of %u", entries);
	bench_report(b, name, BURST, BURST);
	peel_replay_free(r);
}

int
main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1000, 100000, 1000000, 10000000};
	static struct state s;

	bench_begin(&s.bench, argc, argv);
	must(peel_rcu_new(1, &s.rcu), "rcu");
	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
		if (!s.bench.quick || sizes[i] <= 100000)
			bench_table(&s, sizes[i]);
	}
	bench_changes(&s, 100000);
	bench_replay(&s, 1u << 16);
	bench_replay(&s, 1u << 20);
	peel_rcu_free(s.rcu);
	return s.sum == 42; /* never, but the compiler does not know */
}
