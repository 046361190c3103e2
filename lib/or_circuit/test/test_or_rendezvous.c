/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Two circuits joined at a rendezvous: what passes, what may be joined, and how it ends. */
#include <errno.h>

#include "rules.h"

struct pair {
	struct node *n;
	struct originator a, b;
};

static uint32_t
session_index(const struct node *n, const struct originator *o)
{
	return peel_route_at(n->routes, node_route(n, &o->addr, o->cid))->session;
}

static int
join(struct pair *p, const struct originator *a, const struct originator *b)
{
	uint32_t sa = session_index(p->n, a), sb = session_index(p->n, b);

	return peel_or_rendezvous(p->n->circuits, sa, peel_session_generation(p->n->routes, sa), sb,
		peel_session_generation(p->n->routes, sb));
}

static void
pair_init(struct pair *p, const struct peel_or_settings *settings)
{
	p->n = node_with(settings);
	originator_init(&p->a, alice, 1);
	originator_init(&p->b, other, 2);
	exit_make(p->n, &p->a, 7);
	exit_make(p->n, &p->b, 7); /* neighbours choose their ids alone */
}

static void
pair_join(struct pair *p)
{
	pair_init(p, NULL);
	assert_int_equal(join(p, &p->a, &p->b), 0);
}

/* From one end to the other, unchanged. */
static void
expect_passes_early(struct pair *p, struct originator *from, struct originator *to, bool early)
{
	uint8_t text[700], out[PEEL_DATAGRAM_MAX], msg[PEEL_DATAGRAM_MAX];
	struct packet got;

	memset(text, 0xa5, sizeof(text));
	size_t len = originator_seal(from, text, sizeof(text), early, out);

	assert_int_equal(node_input(p->n, &from->addr, out, len), 0);
	assert_true(node_pop(p->n, &got));
	assert_true(peel_addr_equal(&got.to, &to->addr));
	assert_int_equal(got.len, len);
	assert_int_equal(got.data[PEEL_CELL_OFF_EARLY], 0);
	assert_int_equal(originator_open(to, got.data, got.len, msg), sizeof(text));
	assert_memory_equal(msg, text, sizeof(text));
}

static void
expect_passes(struct pair *p, struct originator *from, struct originator *to)
{
	expect_passes_early(p, from, to, false);
}

static void
test_cells_pass_both_ways(void **state)
{
	struct pair p;

	(void)state;
	pair_join(&p);
	for (int i = 0; i < 3; i++) {
		expect_passes(&p, &p.a, &p.b);
		expect_passes(&p, &p.b, &p.a);
	}
	struct peel_or_count count = counts(p.n);

	assert_int_equal(count.rendezvous, 2);
	assert_int_equal(count.exits, 0);
	node_free(p.n);
}

/* Early cells are limited as they are in a relay. */
static void
test_early_cells_are_limited(void **state)
{
	uint8_t out[PEEL_DATAGRAM_MAX], text[8] = {0};
	struct pair p;

	(void)state;
	pair_join(&p);
	for (int i = 1; i < 8; i++)
		expect_passes_early(&p, &p.a, &p.b, true);
	size_t len = originator_seal(&p.a, text, sizeof(text), true, out);

	assert_int_equal(node_input(p.n, &p.a.addr, out, len), -EBADMSG);
	len = originator_seal(&p.a, text, sizeof(text), false, out);
	assert_int_equal(node_input(p.n, &p.a.addr, out, len), 0);
	node_free(p.n);
}

/* The answer to who asked for it is still sealed with its own keys, and counters go on. */
static void
test_answer_after_joining(void **state)
{
	static const uint8_t linked[] = {PEEL_MSG_LINKED_E2E, 0, 5};
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct packet got;
	struct pair p;

	(void)state;
	pair_init(&p, NULL);
	uint64_t before = session_of(p.n, &p.b)->backward.seal;

	assert_int_equal(join(&p, &p.a, &p.b), 0);
	assert_int_equal(peel_or_answer(p.n->circuits, session_index(p.n, &p.b), linked, 3), 0);
	assert_true(node_pop(p.n, &got));
	assert_int_equal(originator_open(&p.b, got.data, got.len, msg), 3);
	assert_memory_equal(msg, linked, 3);
	assert_int_equal(session_of(p.n, &p.b)->backward.seal, before + 1);
	node_free(p.n);
}

static void
test_not_joined(void **state)
{
	struct peel_addr third = peel_addr_ipv4(192, 0, 2, 77, 8090);
	struct pair p;
	struct originator c;

	(void)state;
	pair_init(&p, NULL);
	assert_int_equal(join(&p, &p.a, &p.a), -EINVAL);
	uint32_t sa = session_index(p.n, &p.a), sb = session_index(p.n, &p.b);
	uint32_t ga = peel_session_generation(p.n->routes, sa);
	uint32_t gb = peel_session_generation(p.n->routes, sb);

	assert_int_equal(peel_or_rendezvous(p.n->circuits, sa, ga, sb, gb + 2), -ENOENT);
	assert_int_equal(peel_or_rendezvous(p.n->circuits, 200, 1, sb, gb), -ENOENT);
	/* Data has left through one, something else through another. */
	assert_int_equal(peel_or_exit_opened(p.n->circuits, sa, ga, 9), 0);
	assert_int_equal(join(&p, &p.a, &p.b), -EPERM);
	assert_int_equal(join(&p, &p.b, &p.a), -EPERM);
	originator_init(&c, third, 3);
	exit_make(p.n, &c, 8);
	sb = session_index(p.n, &c);
	assert_int_equal(
		peel_or_exit_used(p.n->circuits, sb, peel_session_generation(p.n->routes, sb)), 0);
	assert_int_equal(join(&p, &p.b, &c), -EPERM);
	/* A relay is no exit. */
	relay_make(p.n, &p.b, nobody_pk, peel_addr_ipv4(192, 0, 2, 88, 1));
	assert_int_equal(join(&p, &p.b, &p.a), -ENOENT);
	assert_int_equal(counts(p.n).rendezvous, 0);
	node_free(p.n);
}

/* Never an exit again, never extended, never joined a second time. */
static void
test_joined_for_good(void **state)
{
	struct peel_addr third = peel_addr_ipv4(192, 0, 2, 77, 8090);
	struct peel_exit_info info;
	struct originator c;
	struct pair p;

	(void)state;
	pair_join(&p);
	uint32_t s = session_index(p.n, &p.a), g = peel_session_generation(p.n->routes, s);
	uint8_t extend[] = {PEEL_MSG_EXTEND, 0, 1};

	assert_int_equal(peel_or_exit(p.n->circuits, s, g, &info), -ENOENT);
	assert_int_equal(peel_or_exit_opened(p.n->circuits, s, g, 3), -ENOENT);
	assert_int_equal(peel_or_message(p.n->circuits, s, g, true, extend, 3), -EBADMSG);
	originator_init(&c, third, 3);
	exit_make(p.n, &c, 8);
	assert_int_equal(join(&p, &c, &p.a), -ENOENT);
	assert_int_equal(join(&p, &p.a, &p.b), -ENOENT);
	expect_passes(&p, &p.a, &p.b);
	node_free(p.n);
}

static void
expect_gone(struct pair *p)
{
	assert_int_equal(counts(p->n).rendezvous, 0);
	assert_int_equal(peel_route_count(p->n->routes), 0);
	assert_int_equal(peel_session_count(p->n->routes), 0);
	assert_int_equal(p->n->n_gone, 2);
	assert_int_equal(p->n->gone[0].endpoint, 0);
	assert_int_equal(p->n->gone[1].endpoint, 0);
	node_free(p->n);
}

/* From either side; the other one is told, and both work until the grace period is over. */
static void
test_destroy(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		uint8_t out[256];
		struct packet got;
		struct pair p;

		pair_join(&p);
		struct originator *from = i == 0 ? &p.a : &p.b, *to = i == 0 ? &p.b : &p.a;
		size_t len = destroy_build(&from->id, from->cid, PEEL_DESTROY_UNNEEDED, out);

		assert_int_equal(node_input(p.n, &from->addr, out, len), 0);
		assert_true(node_pop(p.n, &got));
		assert_true(peel_addr_equal(&got.to, &to->addr));
		assert_int_equal(got.data[PEEL_PREFIX_LEN], PEEL_MSG_DESTROY);
		assert_int_equal(peel_get_be32(got.data + 99), to->cid);
		assert_int_equal(peel_get_be16(got.data + 103), PEEL_DESTROY_UNNEEDED);
		assert_int_equal(counts(p.n).removing, 2);
		expect_passes(&p, to, from);
		assert_int_equal(node_input(p.n, &from->addr, out, len), -EBADMSG);
		node_run(p.n, 5000, 500);
		expect_gone(&p);
	}
}

static void
test_idle(void **state)
{
	struct pair p;

	(void)state;
	pair_join(&p);
	for (int i = 0; i < 10; i++) { /* cells of one direction keep both */
		node_run(p.n, 10000, 500);
		expect_passes(&p, &p.b, &p.a);
		session_of(p.n, &p.a)->forward.last_seen_s = 0;
	}
	node_run(p.n, 35000, 500);
	expect_gone(&p);
}

/* Older than an exit may become. */
static void
test_age(void **state)
{
	uint8_t text[8] = {0}, out[PEEL_DATAGRAM_MAX];
	struct pair p;

	(void)state;
	pair_join(&p);
	for (int i = 0; i < 400; i++) {
		size_t len = originator_seal(&p.a, text, sizeof(text), false, out);

		node_run(p.n, 10000, 5000);
		assert_int_equal(node_input(p.n, &p.a.addr, out, len), 0);
		drain(p.n);
	}
	assert_int_equal(counts(p.n).rendezvous, 2);
	node_free(p.n);
}

static void
test_too_much_traffic(void **state)
{
	struct packet first, second;
	struct pair p;

	(void)state;
	pair_join(&p);
	session_of(p.n, &p.b)->backward.bytes = UINT64_MAX / 2;
	node_run(p.n, 6000, 500);
	assert_true(node_pop(p.n, &first));
	assert_true(node_pop(p.n, &second));
	assert_int_equal(first.data[PEEL_PREFIX_LEN], PEEL_MSG_DESTROY);
	assert_int_equal(second.data[PEEL_PREFIX_LEN], PEEL_MSG_DESTROY);
	assert_false(peel_addr_equal(&first.to, &second.to));
	node_run(p.n, 6000, 500);
	expect_gone(&p);
}

static void
test_shutdown(void **state)
{
	struct pair p;

	(void)state;
	pair_join(&p);
	assert_int_equal(peel_or_shutdown(p.n->circuits), 2);
	assert_int_equal(p.n->n_sent, 2);
	expect_gone(&p);
	pair_join(&p);
	node_free(p.n); /* without it */
}

/* Each takes one place, as it did before. */
static void
test_places(void **state)
{
	struct peel_addr third = peel_addr_ipv4(192, 0, 2, 77, 8090);
	struct peel_or_settings s;
	struct originator c;
	struct pair p;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 3;
	pair_init(&p, &s);
	assert_int_equal(join(&p, &p.a, &p.b), 0);
	originator_init(&c, third, 3);
	exit_make(p.n, &c, 8);
	assert_int_equal(try_create(p.n, &c, 9), -EBADMSG);
	assert_int_equal(node_stat(p.n, PEEL_CREATE_REFUSED_LIMIT), 1);
	node_free(p.n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cells_pass_both_ways),
		cmocka_unit_test(test_early_cells_are_limited),
		cmocka_unit_test(test_answer_after_joining),
		cmocka_unit_test(test_not_joined),
		cmocka_unit_test(test_joined_for_good),
		cmocka_unit_test(test_destroy),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_too_much_traffic),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
