/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * 10^5 random changes against a plain model, while a worker looks everything up and uses what it
 * finds.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "helpers.h"

#define MAX_SESSIONS 340
#define KEYS 600  /* more than fit: publishing fails now and then */
#define STABLE 40 /* keys 0..39 are replaced, never removed */
#define CHANGES 100000
#define BURST 32

struct key_model {
	uint32_t slot, session; /* PEEL_NONE: not published */
};

struct race {
	struct peel_rcu *rcu;
	struct peel_route_table *t;
	struct peel_addr addr[KEYS];
	uint32_t cid[KEYS];
	struct key_model model[KEYS];
	unsigned int n_routes, n_sessions;
	/* Shared with the reader. */
	bool stop;
	uint64_t bursts, hits, wrong;
};

/* Every session's key bytes say which generation made them, so that a torn or wiped one shows. */
static bool
session_sane(const struct peel_session *s)
{
	for (unsigned int i = 1; i < sizeof(s->forward.key.b); i++) {
		if (s->forward.key.b[i] != s->forward.key.b[0] ||
			s->backward.key.b[i] != s->forward.key.b[0])
			return false;
	}
	return s->forward.key.b[0] != 0;
}

static bool
check_hit(struct race *race, uint32_t slot, uint32_t key)
{
	struct peel_route *r = peel_route_at(race->t, slot);
	struct peel_session *s = peel_session_at(race->t, r->session);

	if (r->in_cid != race->cid[key] || !peel_addr_equal(&r->in, &race->addr[key]))
		return false;
	if (r->out_cid != ~r->in_cid || r->kind != PEEL_ROUTE_FORWARD || !session_sane(s))
		return false;
	__atomic_add_fetch(&r->n_early, 1, __ATOMIC_RELAXED);
	peel_direction_account(&s->forward, 7, 100);
	(void)peel_direction_next(&s->backward);
	return true;
}

static void
read_burst(struct race *race, uint64_t *x)
{
	const struct peel_addr *from[BURST];
	uint32_t key[BURST], cid[BURST], slot[BURST];
	uint64_t hits = 0, wrong = 0;

	for (unsigned int i = 0; i < BURST; i++) {
		*x = *x * 6364136223846793005u + 1442695040888963407u;
		key[i] = (uint32_t)(*x >> 33) % KEYS;
		from[i] = &race->addr[key[i]];
		cid[i] = race->cid[key[i]];
	}
	peel_route_lookup_burst(race->t, from, cid, BURST, slot);
	if (*x >> 60 == 0) /* let the writer run while slots are held, also on one processor */
		sched_yield();
	for (unsigned int i = 0; i < BURST; i++) {
		if (slot[i] != PEEL_NONE) {
			hits++;
			wrong += !check_hit(race, slot[i], key[i]);
		} else {
			wrong += key[i] < STABLE; /* replaced all the time, but never away */
		}
	}
	uint32_t any = peel_route_lookup_any(race->t, cid[0]);

	if (any != PEEL_NONE)
		wrong += peel_route_at(race->t, any)->in_cid != cid[0];
	__atomic_add_fetch(&race->hits, hits, __ATOMIC_RELAXED);
	__atomic_add_fetch(&race->wrong, wrong, __ATOMIC_RELAXED);
}

static void *
reader(void *arg)
{
	struct race *race = arg;
	uint64_t x = 1;

	peel_rcu_online(race->rcu, 0);
	while (!__atomic_load_n(&race->stop, __ATOMIC_RELAXED)) {
		read_burst(race, &x);
		peel_rcu_quiescent(race->rcu, 0);
		if (__atomic_add_fetch(&race->bursts, 1, __ATOMIC_RELAXED) % 16 == 0) {
			peel_rcu_offline(race->rcu, 0);
			sched_yield();
			peel_rcu_online(race->rcu, 0);
		}
	}
	peel_rcu_offline(race->rcu, 0);
	return NULL;
}

static bool
publish(struct race *race, uint32_t key)
{
	struct key_model *m = &race->model[key];
	struct peel_key k;
	uint32_t session, slot;
	bool was = m->slot != PEEL_NONE;

	memset(&k, (int)(1 + test_random() % 255), sizeof(k));
	if (peel_session_add(race->t, &k, k.b, &k, k.b, 7, &session) != 0)
		return false;
	race->n_sessions++;
	struct peel_route spec = {
		.in = race->addr[key],
		.in_cid = race->cid[key],
		.out_cid = ~race->cid[key],
		.session = session,
		.kind = PEEL_ROUTE_FORWARD,
	};

	if (peel_route_publish(race->t, &spec, &slot) != 0) {
		peel_session_retire(race->t, session);
		race->n_sessions--;
		return false;
	}
	if (was) {
		peel_session_retire(race->t, m->session); /* its route was replaced just now */
		race->n_sessions--;
	} else {
		race->n_routes++;
	}
	*m = (struct key_model){slot, session};
	return true;
}

static void
retire(struct race *race, uint32_t key)
{
	struct key_model *m = &race->model[key];

	peel_route_retire(race->t, m->slot);
	peel_session_retire(race->t, m->session);
	race->n_routes--;
	race->n_sessions--;
	*m = (struct key_model){PEEL_NONE, PEEL_NONE};
}

static void
check_model(const struct race *race)
{
	for (uint32_t k = 0; k < KEYS; k++) {
		uint32_t slot = peel_route_lookup(race->t, &race->addr[k], race->cid[k]);

		assert_int_equal(slot, race->model[k].slot);
		if (slot != PEEL_NONE) {
			assert_int_equal(
				peel_route_at(race->t, slot)->session, race->model[k].session);
			assert_true(peel_route_cid_used(race->t, race->cid[k]));
		}
	}
	assert_int_equal(peel_route_count(race->t), race->n_routes);
	assert_int_equal(peel_session_count(race->t), race->n_sessions);
}

static void
setup(struct race *race)
{
	race->rcu = test_rcu();
	race->t = test_table(MAX_SESSIONS, race->rcu);
	for (uint32_t k = 0; k < KEYS; k++) {
		race->addr[k] = test_addr(k);
		race->cid[k] = k / 3; /* three neighbours share each id */
		race->model[k] = (struct key_model){PEEL_NONE, PEEL_NONE};
	}
	for (uint32_t k = 0; k < STABLE; k++)
		assert_true(publish(race, k));
}

/* Full of what waits for its grace period: the reader must get a processor. */
static void
wait_for_reader(const struct race *race)
{
	uint64_t seen = __atomic_load_n(&race->bursts, __ATOMIC_RELAXED);

	while (__atomic_load_n(&race->bursts, __ATOMIC_RELAXED) < seen + 2)
		sched_yield();
}

static void
test_random_changes_under_a_reader(void **state)
{
	struct race *race = calloc(1, sizeof(*race));
	unsigned int refused = 0;
	pthread_t thread;

	(void)state;
	assert_non_null(race);
	setup(race);
	assert_int_equal(pthread_create(&thread, NULL, reader, race), 0);
	wait_for_reader(race);
	for (unsigned int i = 0; i < CHANGES; i++) {
		uint32_t key = (uint32_t)(test_random() % KEYS);
		bool done = true;

		if (race->model[key].slot == PEEL_NONE || key < STABLE || test_random() % 3 == 0)
			done = publish(race, key);
		else
			retire(race, key);
		refused += !done;
		peel_rcu_poll(race->rcu);
		if (i % 5000 == 0)
			check_model(race);
		if (!done || i % 1024 == 0)
			wait_for_reader(race);
	}
	check_model(race);
	__atomic_store_n(&race->stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(race->hits > 0);
	assert_int_equal(race->wrong, 0);
	assert_true(refused < CHANGES / 2);
	for (uint32_t k = 0; k < KEYS; k++) {
		if (race->model[k].slot != PEEL_NONE)
			retire(race, k);
	}
	check_model(race);
	peel_route_table_free(race->t);
	peel_rcu_free(race->rcu);
	free(race);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes_under_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
