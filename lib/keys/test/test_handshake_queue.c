/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Handshakes that helper threads compute. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fixture.h"
#include "peel_handshake_queue.h"

#define THREADS 3

static sem_t done;
static atomic_uint n_told;
static pthread_t helper[THREADS];

static void
on_done(void *arg)
{
	(void)arg;
	atomic_fetch_add(&n_told, 1);
	sem_post(&done);
}

static struct peel_handshake_queue *
queue_new(unsigned int threads, const struct peel_env *env, const struct peel_identity *id)
{
	const struct peel_handshake_queue_conf conf = {
		.threads = threads,
		.env = env,
		.identity = id,
		.key_pairs = env == &peel_env_system,
		.done = on_done,
	};
	struct peel_handshake_queue *q;

	assert_int_equal(peel_handshake_queue_new(&conf, &q), 0);
	return q;
}

static void *
helper_main(void *arg)
{
	peel_handshake_queue_run(arg);
	return NULL;
}

static void
start(struct peel_handshake_queue *q, unsigned int threads)
{
	for (unsigned int i = 0; i < threads; i++)
		assert_int_equal(pthread_create(&helper[i], NULL, helper_main, q), 0);
}

static void
stop(struct peel_handshake_queue *q, unsigned int threads)
{
	peel_handshake_queue_stop(q);
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(helper[i], NULL);
	peel_handshake_queue_free(q);
}

static struct peel_handshake_batch *
collect(struct peel_handshake_queue *q)
{
	struct peel_handshake_batch *b;

	while ((b = peel_handshake_queue_collect(q)) == NULL)
		assert_int_equal(sem_wait(&done), 0);
	return b;
}

/* Recorded handshakes of py-ipv8, by a helper: the same bytes. */
static void
test_vectors(void **state)
{
	json_t *file = peel_vectors_load("handshake"), *v;
	unsigned int n_checked = 0;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		uint8_t sk[PEEL_SK_LEN] = "LibNaCLSK:", secret[32];
		struct peel_handshake_queue *q;
		struct peel_handshake_batch *b;
		struct chosen_random random;
		struct peel_identity id;

		if (strncmp(peel_vec_id(v), "handshake-", 10) != 0)
			continue;
		peel_vec_bytes(v, "responder_static_secret", sk + 10, 32);
		assert_int_equal(peel_identity_parse(sk, sizeof(sk), &id), 0);
		peel_vec_bytes(v, "responder_ephemeral_secret", secret, sizeof(secret));
		chosen_random_init(&random, secret, sizeof(secret));
		q = queue_new(1, &random.env, &id);
		start(q, 1);
		b = peel_handshake_queue_take(q, 1);
		assert_non_null(b);
		b->n = 1;
		peel_vec_bytes(v, "initiator_ephemeral_public", b->h[0].x, 32);
		peel_handshake_queue_put(q, b);
		b = collect(q);
		assert_int_equal(b->h[0].ret, 0);
		expect_field(v, "responder_ephemeral_public", b->h[0].y, 32);
		expect_field(v, "auth", b->h[0].auth, 32);
		expect_session(v, &b->h[0].keys);
		peel_handshake_queue_give(q, b);
		stop(q, 1);
		n_checked++;
	}
	assert_true(n_checked > 0);
	json_decref(file);
}

/* Many, by several helpers: each answer belongs to its ticket, and keys are used once. */
static void
test_many(void **state)
{
	enum {
		N = 400,
		BAD = 77
	};
	static uint8_t secret[N][32], x[N][32], y[N][32];
	struct peel_session_keys keys;
	struct peel_identity id;
	unsigned int put = 0, collected = 0;

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(peel_handshake_start(&peel_env_system, secret[i], x[i]), 0);
	memset(x[BAD], 0, sizeof(x[BAD]));
	struct peel_handshake_queue *q = queue_new(THREADS, &peel_env_system, &id);

	start(q, THREADS);
	while (collected < N) {
		unsigned int want = 1 + put % PEEL_HANDSHAKES, left = N - put;
		struct peel_handshake_batch *b = NULL;

		if (want > left)
			want = left;
		if (want > 0)
			b = peel_handshake_queue_take(q, want);
		if (b != NULL) {
			for (b->n = 0; b->n < want; b->n++) {
				b->ticket[b->n] = put;
				memcpy(b->h[b->n].x, x[put++], 32);
			}
			peel_handshake_queue_put(q, b);
			continue;
		}
		b = collect(q);
		assert_true(b->ns > 0);
		for (unsigned int i = 0; i < b->n; i++) {
			const struct peel_handshake *h = &b->h[i];
			uint32_t t = b->ticket[i];

			assert_int_equal(h->ret, t == BAD ? -EBADMSG : 0);
			if (t == BAD)
				continue;
			assert_int_equal(
				peel_handshake_finish(secret[t], id.pk, h->y, h->auth, &keys), 0);
			assert_memory_equal(&keys, &h->keys, sizeof(keys));
			memcpy(y[t], h->y, 32);
		}
		collected += b->n;
		peel_handshake_queue_give(q, b);
	}
	assert_int_equal(peel_handshake_queue_under_way(q), 0);
	stop(q, THREADS);
	for (unsigned int i = 0; i < N; i++) {
		for (unsigned int k = 0; k < i; k++)
			assert_memory_not_equal(y[k], y[i], 32);
	}
}

/* Batches are bounded, and those that are not full wait while every helper has work. */
static void
test_take(void **state)
{
	struct peel_handshake_batch *b, *full;
	struct peel_identity id;

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	struct peel_handshake_queue *q = queue_new(2, &peel_env_system, &id);

	for (unsigned int i = 0; i < 2; i++) {
		b = peel_handshake_queue_take(q, 1);
		assert_non_null(b);
		b->n = 1;
		peel_handshake_queue_put(q, b);
	}
	assert_null(peel_handshake_queue_take(q, PEEL_HANDSHAKES - 1));
	for (unsigned int i = 2; i < 2 * PEEL_HANDSHAKE_BATCHES; i++) {
		full = peel_handshake_queue_take(q, PEEL_HANDSHAKES);
		assert_non_null(full);
	}
	assert_null(peel_handshake_queue_take(q, PEEL_HANDSHAKES));
	memset(full->h, 0xa5, sizeof(full->h));
	peel_handshake_queue_give(q, full);
	for (size_t i = 0; i < sizeof(full->h); i++) /* its keys are gone */
		assert_int_equal(((const uint8_t *)full->h)[i], 0);
	assert_ptr_equal(peel_handshake_queue_take(q, PEEL_HANDSHAKES), full);
	assert_int_equal(peel_handshake_queue_under_way(q), 2);
	assert_null(peel_handshake_queue_collect(q));
	peel_handshake_queue_free(q); /* with all that is in it */
}

/* The owner does not hear of batches while more than half of all wait, then of each. */
static void
test_told(void **state)
{
	struct peel_handshake_batch *b;
	struct peel_identity id;

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	struct peel_handshake_queue *q = queue_new(1, &peel_env_system, &id);

	for (unsigned int i = 0; i < PEEL_HANDSHAKE_BATCHES; i++) {
		b = peel_handshake_queue_take(q, PEEL_HANDSHAKES);
		assert_non_null(b);
		b->n = 1;
		memcpy(b->h[0].x, id.pk + 10, 32);
		peel_handshake_queue_put(q, b);
	}
	atomic_store(&n_told, 0);
	start(q, 1);
	for (unsigned int i = 0; i < PEEL_HANDSHAKE_BATCHES; i++)
		peel_handshake_queue_give(q, collect(q));
	stop(q, 1);
	assert_int_equal(atomic_load(&n_told), PEEL_HANDSHAKE_BATCHES / 2 + 1);
}

/* Stopped helpers begin nothing, and the queue ends with what waits. */
static void
test_stop(void **state)
{
	struct peel_identity id;

	(void)state;
	assert_int_equal(peel_identity_generate(&peel_env_system, &id), 0);
	struct peel_handshake_queue *q = queue_new(THREADS, &peel_env_system, &id);
	struct peel_handshake_batch *b;

	while ((b = peel_handshake_queue_take(q, PEEL_HANDSHAKES)) != NULL) {
		b->n = PEEL_HANDSHAKES;
		for (unsigned int i = 0; i < b->n; i++)
			memcpy(b->h[i].x, id.pk + 10, 32);
		peel_handshake_queue_put(q, b);
	}
	peel_handshake_queue_stop(q);
	start(q, THREADS);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(helper[i], NULL);
	assert_null(peel_handshake_queue_collect(q));
	peel_handshake_queue_free(q);
}

static void
test_conf(void **state)
{
	struct peel_handshake_queue *q;

	(void)state;
	assert_int_equal(
		peel_handshake_queue_new(&(struct peel_handshake_queue_conf){.threads = 0}, &q),
		-EINVAL);
	assert_int_equal(peel_handshake_queue_new(
				 &(struct peel_handshake_queue_conf){
					 .threads = PEEL_HANDSHAKE_THREADS_MAX + 1},
				 &q),
		-EINVAL);
	peel_handshake_queue_free(NULL);
}

static int
init(void **state)
{
	(void)state;
	sem_init(&done, 0, 0);
	return peel_keys_init();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_conf),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
