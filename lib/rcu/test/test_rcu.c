/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_rcu.h"

struct seen {
	unsigned int n;
	uint64_t values[4096];
};

static void
note(void *arg, uint64_t value)
{
	struct seen *seen = arg;

	assert_true(seen->n < PEEL_ARRAY_LEN(seen->values));
	seen->values[seen->n++] = value;
}

static void
test_nobody_online_is_due_at_once(void **state)
{
	struct peel_rcu *rcu;
	struct seen seen = {0};

	(void)state;
	assert_int_equal(peel_rcu_new(2, &rcu), 0);
	assert_int_equal(peel_rcu_poll(rcu), 0);
	assert_int_equal(peel_rcu_defer(rcu, note, &seen, 7), 0);
	assert_int_equal(seen.n, 0); /* never from inside defer */
	assert_int_equal(peel_rcu_poll(rcu), 1);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.values[0], 7);
	assert_int_equal(peel_rcu_poll(rcu), 0);
	peel_rcu_free(rcu);
	peel_rcu_free(NULL);
}

static void
test_waits_for_every_online_worker(void **state)
{
	struct peel_rcu *rcu;
	struct seen seen = {0};

	(void)state;
	assert_int_equal(peel_rcu_new(3, &rcu), 0);
	peel_rcu_online(rcu, 0);
	peel_rcu_online(rcu, 2);
	assert_int_equal(peel_rcu_defer(rcu, note, &seen, 1), 0);
	assert_int_equal(peel_rcu_poll(rcu), 0);
	peel_rcu_quiescent(rcu, 0);
	assert_int_equal(peel_rcu_poll(rcu), 0);
	assert_int_equal(peel_rcu_defer(rcu, note, &seen, 2), 0);
	peel_rcu_quiescent(rcu, 2); /* has now seen both, worker 0 only the first */
	assert_int_equal(peel_rcu_poll(rcu), 1);
	assert_int_equal(seen.values[0], 1);
	peel_rcu_offline(rcu, 0); /* an offline worker holds up nobody */
	assert_int_equal(peel_rcu_poll(rcu), 1);
	assert_int_equal(seen.values[1], 2);
	/* Coming online later does not delay what was deferred before. */
	assert_int_equal(peel_rcu_defer(rcu, note, &seen, 3), 0);
	peel_rcu_online(rcu, 0);
	peel_rcu_quiescent(rcu, 2);
	assert_int_equal(peel_rcu_poll(rcu), 1);
	peel_rcu_free(rcu);
}

static void
test_queue_grows_shrinks_and_keeps_order(void **state)
{
	struct peel_rcu *rcu;
	static struct seen seen;
	unsigned int next = 0, done = 0;

	(void)state;
	seen.n = 0;
	assert_int_equal(peel_rcu_new(1, &rcu), 0);
	peel_rcu_online(rcu, 0);
	/* Some run in between, so that the ring is wrapped when it grows. */
	for (; next < 50; next++)
		assert_int_equal(peel_rcu_defer(rcu, note, &seen, next), 0);
	peel_rcu_quiescent(rcu, 0);
	done += peel_rcu_poll(rcu);
	assert_int_equal(done, 50);
	for (; next < 3000; next++)
		assert_int_equal(peel_rcu_defer(rcu, note, &seen, next), 0);
	assert_int_equal(peel_rcu_poll(rcu), 0);
	peel_rcu_quiescent(rcu, 0);
	for (; next < 3040; next++) /* not yet seen by the worker */
		assert_int_equal(peel_rcu_defer(rcu, note, &seen, next), 0);
	assert_int_equal(peel_rcu_poll(rcu), 2950);
	peel_rcu_quiescent(rcu, 0);
	assert_int_equal(peel_rcu_poll(rcu), 40);
	for (; next < 3100; next++)
		assert_int_equal(peel_rcu_defer(rcu, note, &seen, next), 0);
	peel_rcu_free(rcu); /* runs the rest although the worker never reported */
	assert_int_equal(seen.n, 3100);
	for (unsigned int i = 0; i < seen.n; i++)
		assert_int_equal(seen.values[i], i);
}

struct again {
	struct peel_rcu *rcu;
	unsigned int n;
};

static void
defer_again(void *arg, uint64_t left)
{
	struct again *again = arg;

	again->n++;
	if (left > 0)
		assert_int_equal(peel_rcu_defer(again->rcu, defer_again, again, left - 1), 0);
}

static void
test_callbacks_may_defer(void **state)
{
	struct again again = {0};

	(void)state;
	assert_int_equal(peel_rcu_new(1, &again.rcu), 0);
	for (unsigned int i = 0; i < 64; i++) /* full, so that the first callback makes it grow */
		assert_int_equal(peel_rcu_defer(again.rcu, defer_again, &again, 2), 0);
	assert_int_equal(peel_rcu_poll(again.rcu), 64);
	assert_int_equal(peel_rcu_poll(again.rcu), 64);
	peel_rcu_free(again.rcu);
	assert_int_equal(again.n, 192);
}

/* One pointer changes owner again and again; two readers must never see an object after its end. */
#define LIVE 0x11fe11feu
#define DEAD 0xdeaddeadu

struct race {
	struct peel_rcu *rcu;
	uint32_t *shared;
	uint64_t reads[2];
	unsigned int bad;
	bool stop;
};

struct reader {
	struct race *race;
	unsigned int id;
};

static void
end_of_object(void *arg, uint64_t value)
{
	uint32_t *object = arg;

	(void)value;
	*object = DEAD; /* a plain store: the thread sanitizer would see an early end */
	free(object);
}

static void *
read_loop(void *arg)
{
	struct reader *r = arg;
	struct race *race = r->race;

	for (unsigned int round = 0; !__atomic_load_n(&race->stop, __ATOMIC_RELAXED); round++) {
		if (round % 64 == 0) {
			peel_rcu_offline(race->rcu, r->id);
			sched_yield();
			peel_rcu_online(race->rcu, r->id);
		}
		for (unsigned int i = 0; i < 32; i++) {
			uint32_t *object = __atomic_load_n(&race->shared, __ATOMIC_ACQUIRE);

			if (*object != LIVE)
				__atomic_store_n(&race->bad, 1, __ATOMIC_RELAXED);
		}
		peel_rcu_quiescent(race->rcu, r->id);
		__atomic_add_fetch(&race->reads[r->id], 1, __ATOMIC_RELAXED);
	}
	peel_rcu_offline(race->rcu, r->id);
	return NULL;
}

static uint32_t *
new_object(void)
{
	uint32_t *object = malloc(sizeof(*object));

	assert_non_null(object);
	*object = LIVE;
	return object;
}

static void
test_two_readers_never_see_the_dead(void **state)
{
	struct race race = {0};
	struct reader reader[2] = {{&race, 0}, {&race, 1}};
	pthread_t thread[2];
	unsigned int ended = 0;

	(void)state;
	assert_int_equal(peel_rcu_new(2, &race.rcu), 0);
	race.shared = new_object();
	for (unsigned int i = 0; i < 2; i++) {
		peel_rcu_online(race.rcu, i);
		assert_int_equal(pthread_create(&thread[i], NULL, read_loop, &reader[i]), 0);
	}
	for (unsigned int i = 0; i < 2; i++) { /* both must run before the race starts */
		while (__atomic_load_n(&race.reads[i], __ATOMIC_RELAXED) == 0)
			sched_yield();
	}
	for (unsigned int i = 0; i < 20000; i++) {
		uint32_t *old = race.shared;

		__atomic_store_n(&race.shared, new_object(), __ATOMIC_RELEASE);
		assert_int_equal(peel_rcu_defer(race.rcu, end_of_object, old, 0), 0);
		ended += peel_rcu_poll(race.rcu);
		if (i % 64 == 0)
			sched_yield();
	}
	__atomic_store_n(&race.stop, true, __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	ended += peel_rcu_poll(race.rcu);
	assert_int_equal(race.bad, 0);
	assert_true(ended > 0);
	peel_rcu_free(race.rcu);
	free(race.shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_online_is_due_at_once),
		cmocka_unit_test(test_waits_for_every_online_worker),
		cmocka_unit_test(test_queue_grows_shrinks_and_keeps_order),
		cmocka_unit_test(test_callbacks_may_defer),
		cmocka_unit_test(test_two_readers_never_see_the_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
