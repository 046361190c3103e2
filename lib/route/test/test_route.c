/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <stdlib.h>

#include "helpers.h"
#include "table.h"

static void
test_publish_lookup_retire(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(16, rcu);
	uint32_t s = test_session(t, 1);
	struct peel_route forward = test_spec(1, 111, PEEL_ROUTE_FORWARD, s);
	struct peel_route backward = test_spec(2, 222, PEEL_ROUTE_BACKWARD, s);

	(void)state;
	assert_int_equal(test_lookup(t, 1, 111), PEEL_NONE);
	assert_int_equal(peel_route_lookup_any(t, 111), PEEL_NONE);
	uint32_t f = test_publish(t, &forward), b = test_publish(t, &backward);

	assert_int_equal(peel_route_count(t), 2);
	assert_int_equal(test_lookup(t, 1, 111), f);
	assert_int_equal(test_lookup(t, 2, 222), b);
	assert_memory_equal(peel_route_at(t, f), &forward, sizeof(forward));
	assert_memory_equal(peel_route_at(t, b), &backward, sizeof(backward));
	/* The whole key counts. */
	assert_int_equal(test_lookup(t, 2, 111), PEEL_NONE);
	assert_int_equal(test_lookup(t, 1, 222), PEEL_NONE);
	for (unsigned int byte = 0; byte < sizeof(struct peel_addr); byte++) {
		struct peel_addr a = test_addr(1);
		const struct peel_addr *from = &a;
		uint32_t cid = 111, slot;

		((uint8_t *)&a)[byte] ^= 1;
		peel_route_lookup_burst(t, &from, &cid, 1, &slot);
		assert_int_equal(slot, PEEL_NONE);
	}
	peel_route_set_endpoint(t, f, 77);
	assert_int_equal(peel_route_at(t, f)->endpoint, 77);
	peel_route_retire(t, f);
	assert_int_equal(test_lookup(t, 1, 111), PEEL_NONE);
	assert_int_equal(test_lookup(t, 2, 222), b);
	assert_int_equal(peel_route_count(t), 1);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_by_cid_finds_inbound_kinds_only(void **state)
{
	static const struct {
		uint8_t kind;
		bool found;
	} kinds[] = {
		{PEEL_ROUTE_FORWARD, true},
		{PEEL_ROUTE_BACKWARD, false},
		{PEEL_ROUTE_RENDEZVOUS, true},
		{PEEL_ROUTE_EXIT, true},
		{PEEL_ROUTE_ORIGIN, false},
	};
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(16, rcu);
	uint32_t s = test_session(t, 1);

	(void)state;
	for (uint32_t i = 0; i < PEEL_ARRAY_LEN(kinds); i++) {
		struct peel_route spec = test_spec(i, 50 + i, kinds[i].kind, s);

		assert_false(peel_route_cid_used(t, 50 + i));
		uint32_t slot = test_publish(t, &spec);

		assert_int_equal(test_lookup(t, i, 50 + i), slot);
		assert_int_equal(
			peel_route_lookup_any(t, 50 + i), kinds[i].found ? slot : PEEL_NONE);
		assert_true(peel_route_cid_used(t, 50 + i)); /* used, whatever the kind */
		peel_route_retire(t, slot);
		assert_int_equal(peel_route_lookup_any(t, 50 + i), PEEL_NONE);
		assert_false(peel_route_cid_used(t, 50 + i));
	}
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_same_cid_from_several_neighbours(void **state)
{
	const uint32_t n = 3 * PEEL_ROUTE_SAME_CID_MAX;
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(64, rcu);
	uint32_t s = test_session(t, 1), slot[3 * PEEL_ROUTE_SAME_CID_MAX];

	(void)state;
	for (uint32_t i = 0; i < n; i++) {
		struct peel_route spec = test_spec(i, 42, PEEL_ROUTE_EXIT, s);

		slot[i] = test_publish(t, &spec);
	}
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(test_lookup(t, i, 42), slot[i]);
	/* Some route of that id, as long as there is one of the indexed. */
	for (uint32_t i = 0; i < PEEL_ROUTE_SAME_CID_MAX; i++) {
		uint32_t any = peel_route_lookup_any(t, 42);

		assert_int_not_equal(any, PEEL_NONE);
		assert_int_equal(peel_route_at(t, any)->in_cid, 42);
		assert_true(peel_route_cid_used(t, 42));
		peel_route_retire(t, slot[i]);
		assert_int_not_equal(peel_route_lookup_any(t, 42), slot[i]);
	}
	assert_int_equal(peel_route_lookup_any(t, 42), PEEL_NONE);
	for (uint32_t i = PEEL_ROUTE_SAME_CID_MAX; i < n; i++) {
		assert_int_equal(test_lookup(t, i, 42), slot[i]);
		peel_route_retire(t, slot[i]);
	}
	assert_int_equal(peel_route_count(t), 0);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_replace_swaps_and_retires(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(4, rcu);
	uint32_t s = test_session(t, 1);
	struct peel_route exit = test_spec(1, 5, PEEL_ROUTE_EXIT, s);
	struct peel_route relay = test_spec(1, 5, PEEL_ROUTE_FORWARD, s);

	(void)state;
	peel_rcu_online(rcu, 0);
	uint32_t old = test_publish(t, &exit);

	assert_int_equal(peel_route_lookup_any(t, 5), old);
	uint32_t new = test_publish(t, &relay);

	assert_int_not_equal(old, new);
	assert_int_equal(peel_route_count(t), 1);
	assert_int_equal(test_lookup(t, 1, 5), new);
	assert_int_equal(peel_route_lookup_any(t, 5), new);
	/* A worker that looked it up before may still use the old line. */
	assert_memory_equal(peel_route_at(t, old), &exit, sizeof(exit));
	peel_rcu_quiescent(rcu, 0);
	assert_int_equal(peel_rcu_poll(rcu), 1);
	assert_int_equal(peel_route_at(t, old)->kind, PEEL_ROUTE_NONE);
	peel_route_retire(t, new);
	assert_int_equal(test_lookup(t, 1, 5), PEEL_NONE);
	assert_false(peel_route_cid_used(t, 5));
	peel_rcu_offline(rcu, 0);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static bool
all_bytes(const void *p, size_t len, uint8_t value)
{
	for (size_t i = 0; i < len; i++) {
		if (((const uint8_t *)p)[i] != value)
			return false;
	}
	return true;
}

static void
test_session_lives_until_grace(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(1, rcu);
	struct peel_key key;
	const uint8_t salt[4] = {9, 9, 9, 9};
	uint32_t s = test_session(t, 0xab), other;
	struct peel_session *at = peel_session_at(t, s);
	uint32_t generation = peel_session_generation(t, s);

	(void)state;
	memset(&key, 7, sizeof(key));
	assert_int_equal(generation % 2, 1);
	assert_true(all_bytes(&at->forward.key, sizeof(key), 0xab));
	assert_true(all_bytes(at->backward.salt, 4, 0xab));
	assert_int_equal(at->forward.last_seen_s, 1000);
	assert_int_equal(at->backward.last_seen_s, 1000);
	peel_rcu_online(rcu, 0);
	peel_session_retire(t, s);
	assert_int_equal(peel_session_count(t), 0);
	assert_int_not_equal(peel_session_generation(t, s), generation);
	/* A worker may still be sealing with it: neither wiped nor given out again. */
	assert_true(all_bytes(&at->forward.key, sizeof(key), 0xab));
	assert_int_equal(peel_session_add(t, &key, salt, &key, salt, 0, &other), -ENOSPC);
	assert_int_equal(other, PEEL_NONE);
	assert_int_equal(peel_rcu_poll(rcu), 0);
	peel_rcu_quiescent(rcu, 0);
	assert_int_equal(peel_rcu_poll(rcu), 1);
	assert_true(all_bytes(&at->forward.key, sizeof(key), 0));
	assert_true(all_bytes(&at->backward.key, sizeof(key), 0));
	assert_true(all_bytes(at->forward.salt, 4, 0));
	assert_true(all_bytes(at->backward.salt, 4, 0));
	assert_int_equal(at->forward.seal, 0);
	assert_int_equal(at->backward.seal, 0);
	assert_int_equal(peel_session_add(t, &key, salt, &key, salt, 0, &other), 0);
	assert_int_equal(other, s);
	assert_int_equal(peel_session_count(t), 1);
	assert_int_not_equal(peel_session_generation(t, s), generation);
	assert_int_equal(peel_session_generation(t, s) % 2, 1);
	peel_rcu_offline(rcu, 0);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static uint32_t begun[8], n_begun;

static void
on_begin(void *arg, uint32_t session)
{
	assert_ptr_equal(arg, begun);
	begun[n_begun++] = session;
}

/* Whoever keeps something for each session hears of every one, also of one in another's place. */
static void
test_sessions_are_announced(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	const struct peel_route_conf conf = {.max_sessions = 2,
		.rcu = rcu,
		.env = &test_env,
		.heap = true,
		.begins = on_begin,
		.arg = begun};
	struct peel_route_table *t;
	uint32_t first, second;

	(void)state;
	assert_int_equal(peel_route_table_new(&conf, &t), 0);
	first = test_session(t, 1);
	second = test_session(t, 2);
	peel_session_retire(t, first);
	while (peel_rcu_poll(rcu) > 0)
		;
	assert_int_equal(test_session(t, 3), first);
	assert_int_equal(n_begun, 3);
	assert_int_equal(begun[0], first);
	assert_int_equal(begun[1], second);
	assert_int_equal(begun[2], first);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_seal_counters(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(256, rcu);
	uint64_t low = UINT64_MAX, high = 0;

	(void)state;
	for (unsigned int i = 0; i < 256; i++) {
		struct peel_session *s = peel_session_at(t, test_session(t, 1));
		uint64_t first = s->forward.seal;

		assert_true(s->forward.seal < UINT64_C(1) << 62);
		assert_true(s->backward.seal < UINT64_C(1) << 62);
		assert_true(s->forward.seal != s->backward.seal);
		assert_true(peel_direction_next(&s->forward) == first + 1);
		assert_true(peel_direction_next(&s->forward) == first + 2);
		low = first < low ? first : low;
		high = first > high ? first : high;
	}
	assert_true(low < UINT64_C(1) << 57); /* spread over the range */
	assert_true(high > UINT64_C(1) << 61);

	struct peel_direction h = {.seal = UINT64_MAX};

	assert_true(peel_direction_next(&h) >> 63 == 0); /* never in the range of candidate lists */
	peel_direction_account(&h, 5, 100);
	peel_direction_account(&h, 6, 11);
	assert_int_equal(h.cells, 2);
	assert_int_equal(h.bytes, 111);
	assert_int_equal(h.last_seen_s, 6);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
assert_all_found(const struct peel_route_table *t, const uint32_t *slot, uint32_t n)
{
	struct peel_addr addr[64];
	const struct peel_addr *from[64];
	uint32_t cid[64], found[64];

	for (uint32_t first = 0; first < n; first += 64) {
		unsigned int k = n - first < 64 ? n - first : 64;

		for (unsigned int i = 0; i < k; i++) {
			addr[i] = test_addr(first + i);
			from[i] = &addr[i];
			cid[i] = (first + i) * 3;
		}
		peel_route_lookup_burst(t, from, cid, k, found);
		for (unsigned int i = 0; i < k; i++)
			assert_int_equal(found[i], slot[first + i]);
	}
}

static void
test_full_table(void **state)
{
	const uint32_t max = 1000, n = 2 * max;
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(max, rcu);
	uint32_t *slot = calloc(n, sizeof(*slot)), s = 0, none;
	struct peel_key key = {{0}};

	(void)state;
	assert_non_null(slot);
	for (uint32_t i = 0; i < max; i++)
		s = test_session(t, 1);
	assert_int_equal(peel_session_add(t, &key, key.b, &key, key.b, 0, &none), -ENOSPC);
	for (uint32_t i = 0; i < n; i++) {
		struct peel_route spec = test_spec(i, i * 3, 1 + i % 5, s);

		slot[i] = test_publish(t, &spec);
	}
	struct peel_route more = test_spec(n, 1, PEEL_ROUTE_EXIT, s);

	assert_int_equal(peel_route_publish(t, &more, &none), -ENOSPC);
	assert_int_equal(none, PEEL_NONE);
	assert_all_found(t, slot, n);
	/* An exit becomes a relay even now, and long runs of changes leave nothing behind. */
	for (uint32_t round = 0; round < 20 * n; round++) {
		uint32_t i = (uint32_t)(test_random() % n);
		struct peel_route spec = test_spec(i, i * 3, PEEL_ROUTE_FORWARD, s);

		if (round % 2 == 0)
			peel_route_retire(t, slot[i]);
		slot[i] = test_publish(t, &spec);
		peel_rcu_poll(rcu);
	}
	assert_all_found(t, slot, n);
	assert_int_equal(peel_route_count(t), n);
	for (uint32_t i = 0; i < n; i++)
		peel_route_retire(t, slot[i]);
	assert_int_equal(peel_route_count(t), 0);
	peel_rcu_poll(rcu);
	for (uint64_t i = 0; i < t->exact.n_groups * PEEL_INDEX_WAYS; i++)
		assert_true(t->exact.buckets[i] == 0); /* not a single tombstone */
	for (uint64_t i = 0; i < t->by_cid.n_groups * PEEL_INDEX_WAYS; i++)
		assert_true(t->by_cid.buckets[i] == 0);
	for (uint32_t i = 0; i < t->n_pages; i++)
		assert_true(t->lines[i] == 0);
	free(slot);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static uint32_t
page_of(uint32_t slot)
{
	return slot / PEEL_ROUTE_PAGE_LINES;
}

static void
test_routes_live_beside_their_session(void **state)
{
	const uint32_t n = 4 * PEEL_ROUTE_PAGE_SESSIONS;
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(n, rcu);
	uint32_t session[4 * PEEL_ROUTE_PAGE_SESSIONS], far = 0;

	(void)state;
	assert_int_equal((uintptr_t)t->base.pages % PEEL_ROUTE_PAGE, 0);
	for (uint32_t i = 0; i < n; i++)
		session[i] = test_session(t, 1);
	for (uint32_t i = 0; i < n; i++) {
		struct peel_route exit = test_spec(i, 1, PEEL_ROUTE_EXIT, session[i]);
		struct peel_route forward = test_spec(i, 1, PEEL_ROUTE_FORWARD, session[i]);
		struct peel_route backward = test_spec(i, 2, PEEL_ROUTE_BACKWARD, session[i]);
		uint32_t page = session[i] >> PEEL_ROUTE_PAGE_SESSION_BITS;

		assert_int_equal(page_of(test_publish(t, &exit)), page);
		assert_int_equal(page_of(test_publish(t, &backward)), page);
		assert_int_equal(page_of(test_publish(t, &forward)), page);
		peel_rcu_poll(rcu);
		/* Nothing is in the way of anything else. */
		assert_true(all_bytes(&peel_session_at(t, session[i])->forward.key, 32, 1));
		assert_true(all_bytes(&peel_session_at(t, session[i])->backward.key, 32, 1));
	}
	/* One session cannot have more than its page: the others of its routes are elsewhere, and
	 * found. */
	for (uint32_t i = 0; i < n; i++)
		peel_route_retire(t, test_lookup(t, i, 1));
	peel_rcu_poll(rcu);
	for (uint32_t i = 0; i < n; i++) {
		struct peel_route spec = test_spec(i, 3, PEEL_ROUTE_EXIT, session[0]);
		uint32_t slot = test_publish(t, &spec);

		far += page_of(slot) != 0;
		assert_int_equal(test_lookup(t, i, 3), slot);
	}
	assert_int_equal(far, n - (PEEL_PAGE_ROUTES - PEEL_ROUTE_PAGE_SESSIONS));
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_replace_needs_a_spare_slot(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(1, rcu);
	struct peel_route spec = test_spec(1, 1, PEEL_ROUTE_EXIT, test_session(t, 1));
	unsigned int n = 0;

	(void)state;
	peel_rcu_online(rcu, 0); /* never reports */
	while (peel_route_publish(t, &spec, NULL) == 0) {
		n++;
		assert_int_not_equal(test_lookup(t, 1, 1), PEEL_NONE);
	}
	assert_true(n > 2);
	assert_int_not_equal(test_lookup(t, 1, 1), PEEL_NONE); /* the last one stays */
	assert_int_equal(peel_route_count(t), 1);
	peel_rcu_quiescent(rcu, 0);
	assert_int_equal(peel_rcu_poll(rcu), n - 1);
	test_publish(t, &spec);
	peel_rcu_offline(rcu, 0);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_refuses_impossible_specs(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_conf conf = {.rcu = rcu, .env = &test_env, .heap = true};
	struct peel_route_table *t;

	(void)state;
	assert_int_equal(peel_route_table_new(&conf, &t), -EINVAL);
	conf.max_sessions = PEEL_ROUTE_SESSIONS_MAX + 1;
	assert_int_equal(peel_route_table_new(&conf, &t), -EINVAL);
	assert_null(t);
	t = test_table(2, rcu);
	uint32_t s = test_session(t, 1);
	struct peel_route good = test_spec(1, 1, PEEL_ROUTE_FORWARD, s), bad = good;

	bad.kind = PEEL_ROUTE_NONE;
	assert_int_equal(peel_route_publish(t, &bad, NULL), -EINVAL);
	bad.kind = PEEL_ROUTE_ORIGIN + 1;
	assert_int_equal(peel_route_publish(t, &bad, NULL), -EINVAL);
	bad = good;
	bad.session = 2;
	assert_int_equal(peel_route_publish(t, &bad, NULL), -EINVAL);
	bad.session = 1; /* never added */
	assert_int_equal(peel_route_publish(t, &bad, NULL), -EINVAL);
	bad.session = PEEL_NONE;
	assert_int_equal(peel_route_publish(t, &bad, NULL), -EINVAL);
	bad = test_spec(1, 1, PEEL_ROUTE_RENDEZVOUS, s);
	bad.peer = PEEL_NONE;
	assert_int_equal(peel_route_publish(t, &bad, NULL), -EINVAL);
	assert_int_equal(peel_route_count(t), 0);
	bad.kind = PEEL_ROUTE_ORIGIN;
	bad.session = PEEL_NONE;
	assert_int_equal(peel_route_publish(t, &bad, NULL), 0);
	peel_session_retire(t, s);
	assert_int_equal(peel_route_publish(t, &good, NULL), -EINVAL);
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_new_cid_is_free(void **state)
{
	struct peel_rcu *rcu = test_rcu();
	struct peel_route_table *t = test_table(64, rcu);
	uint32_t s = test_session(t, 1);

	(void)state;
	for (uint32_t i = 0; i < 128; i++) {
		uint32_t cid = peel_route_new_cid(t);
		struct peel_route spec = test_spec(i, cid, PEEL_ROUTE_BACKWARD, s);

		assert_int_not_equal(cid, 0);
		assert_false(peel_route_cid_used(t, cid));
		test_publish(t, &spec);
		assert_true(peel_route_cid_used(t, cid));
	}
	peel_route_table_free(t);
	peel_rcu_free(rcu);
}

static void
test_free_in_any_order(void **state)
{
	(void)state;
	for (unsigned int order = 0; order < 3; order++) {
		struct peel_rcu *rcu = test_rcu();
		struct peel_route_table *t = test_table(4, rcu);
		uint32_t s = test_session(t, 1);
		struct peel_route spec = test_spec(1, 1, PEEL_ROUTE_FORWARD, s);

		peel_rcu_online(rcu, 0);
		peel_route_retire(t, test_publish(t, &spec));
		peel_session_retire(t, s);
		if (order == 0) /* a worker that never came back: rcu ends the table */
			peel_route_table_free(t);
		peel_rcu_offline(rcu, 0);
		if (order == 1)
			peel_route_table_free(t);
		peel_rcu_free(rcu);
		if (order == 2)
			peel_route_table_free(t);
	}
	peel_route_table_free(NULL);
}

static void
test_memory_per_circuit(void **state)
{
	static const uint32_t sizes[] = {1000, 100000, 1000000, 10000000};
	struct peel_rcu *rcu = test_rcu();

	(void)state;
	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
		struct peel_route_table *t;
		struct peel_route_conf conf = {
			.max_sessions = sizes[i], .rcu = rcu, .env = &test_env, .heap = true};

		/* Not touched, so that even the largest costs next to nothing here. */
		assert_int_equal(peel_route_table_new(&conf, &t), 0);
		assert_true(peel_route_memory(t) / sizes[i] < 336);
		struct peel_route spec =
			test_spec(1, sizes[i], PEEL_ROUTE_FORWARD, test_session(t, 1));

		assert_int_equal(test_lookup(t, 1, sizes[i]), PEEL_NONE);
		assert_int_equal(test_lookup(t, 1, sizes[i]), PEEL_NONE);
		test_publish(t, &spec);
		assert_int_not_equal(test_lookup(t, 1, sizes[i]), PEEL_NONE);
		peel_route_table_free(t);
	}
	peel_rcu_free(rcu);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_publish_lookup_retire),
		cmocka_unit_test(test_by_cid_finds_inbound_kinds_only),
		cmocka_unit_test(test_same_cid_from_several_neighbours),
		cmocka_unit_test(test_replace_swaps_and_retires),
		cmocka_unit_test(test_session_lives_until_grace),
		cmocka_unit_test(test_sessions_are_announced),
		cmocka_unit_test(test_seal_counters),
		cmocka_unit_test(test_full_table),
		cmocka_unit_test(test_routes_live_beside_their_session),
		cmocka_unit_test(test_replace_needs_a_spare_slot),
		cmocka_unit_test(test_refuses_impossible_specs),
		cmocka_unit_test(test_new_cid_is_free),
		cmocka_unit_test(test_free_in_any_order),
		cmocka_unit_test(test_memory_per_circuit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
