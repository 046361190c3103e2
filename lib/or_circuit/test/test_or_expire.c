/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The ends of circuits: destroy, age, idleness, traffic, shutdown; with a fake clock. */
#include <errno.h>

#include "rules.h"

static void
test_destroy_same_id_and_key(void **state)
{
	struct node *n = node_with(NULL);
	struct originator a, b;
	uint8_t out[256];

	(void)state;
	originator_init(&a, alice, 1); /* one key, two addresses, one id */
	exit_make(n, &a, 7);
	originator_init(&b, other, 1);
	exit_make(n, &b, 7);
	size_t len = destroy_build(&a.id, 7, 4, out);

	assert_int_equal(node_input(n, &alice, out, len), 0);
	node_run(n, 5000, 1000);
	assert_int_equal(node_route(n, &alice, 7), PEEL_NONE);
	assert_true(node_route(n, &other, 7) != PEEL_NONE);
	assert_int_equal(node_input(n, &alice, out, len), 0); /* from elsewhere: the other one */
	assert_int_equal(node_input(n, &alice, out, len), -EBADMSG);
	node_free(n);
}

static void
test_expire_idle(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, r;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&r, alice, 2);
	exit_make(n, &o, 7);
	exit_make(n, &r, 8);
	relay_make(n, &r, nobody_pk, other);
	for (int i = 0; i < 20; i++) { /* alive while something flows */
		touch(n, &o);
		peel_direction_account(
			&session_of(n, &r)->backward, (uint32_t)(world_now / 1000), 1);
		node_run(n, 7500, 500);
	}
	assert_int_equal(counts(n).exits, 1);
	assert_int_equal(counts(n).relays, 1);
	drain(n);
	touch(n, &o);
	touch(n, &r);
	/* Cells towards an exit count, cells out of it do not. */
	node_run(n, 10000, 100);
	peel_direction_account(&session_of(n, &o)->backward, (uint32_t)(world_now / 1000), 1);
	node_run(n, 10000, 100);
	assert_int_equal(counts(n).removing, 0);
	node_run(n, 6000, 100); /* a round of housekeeping and a second of rounding */
	assert_int_equal(counts(n).removing, 2);
	node_run(n, 5000, 100);
	assert_int_equal(counts(n).exits + counts(n).relays + counts(n).removing, 0);
	assert_int_equal(node_stat(n, PEEL_CIRCUITS_EXPIRED), 2);
	assert_int_equal(n->n_sent, 0); /* without destroy */
	assert_int_equal(peel_route_count(n->routes), 0);
	assert_int_equal(peel_session_count(n->routes), 0);
	assert_int_equal(n->n_gone, 2);
	node_free(n);
}

/* A worker's clock that goes wrong, by minutes after a day, neither ends circuits nor keeps
 * them. */
static void
test_expire_with_wrong_worker_clocks(void **state)
{
	static const int32_t wrong[] = {-100000, -3600, -21, -3, 3, 21, 3600, 100000};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(wrong); i++) {
		struct node *n = node_with(NULL);
		struct originator o, r;

		originator_init(&o, alice, 1);
		originator_init(&r, alice, 2);
		exit_make(n, &o, 7);
		exit_make(n, &r, 8);
		relay_make(n, &r, nobody_pk, other);
		for (int k = 0; k < 20; k++) {
			uint32_t clock = (uint32_t)(world_now / 1000) + (uint32_t)wrong[i];

			peel_direction_account(&session_of(n, &o)->forward, clock, 1);
			peel_direction_account(&session_of(n, &r)->forward, clock, 1);
			node_run(n, 7500, 500);
			assert_int_equal(counts(n).removing, 0);
		}
		node_run(n, 4000, 500);
		assert_int_equal(counts(n).removing, 0);
		node_run(n, 20000, 500);
		assert_int_equal(counts(n).exits + counts(n).relays, counts(n).removing);
		node_free(n);
	}
}

static void
run_alive(struct node *n, struct originator *o, unsigned int n_o, uint64_t ms)
{
	for (uint64_t at = 0; at < ms; at += 10000) {
		for (unsigned int i = 0; i < n_o; i++) {
			if (node_route(n, &o[i].addr, o[i].cid) != PEEL_NONE)
				touch(n, &o[i]);
		}
		node_run(n, 10000, 1000);
	}
}

/* Only exits grow old; introduction points later. */
static void
test_expire_age(void **state)
{
	struct peel_or_settings s;
	struct originator o[3];

	(void)state;
	peel_or_settings_init(&s);
	s.max_time = 100;
	s.max_time_ip = 300;
	struct node *n = node_with(&s);

	for (unsigned int i = 0; i < 3; i++) {
		originator_init(&o[i], alice, i);
		exit_make(n, &o[i], i);
	}
	relay_make(n, &o[0], nobody_pk, other);
	uint32_t session = peel_route_at(n->routes, node_route(n, &alice, 1))->session;
	uint32_t generation = peel_session_generation(n->routes, session);

	assert_int_equal(peel_or_exit_introduction(n->circuits, session, generation, true), 0);
	assert_int_equal(
		peel_or_exit_introduction(n->circuits, session, generation + 1, true), -ENOENT);
	run_alive(n, o, 3, 100000);
	assert_int_equal(counts(n).exits, 2);
	run_alive(n, o, 3, 20000);
	assert_int_equal(counts(n).exits, 1);
	assert_int_equal(node_route(n, &alice, 2), PEEL_NONE);
	run_alive(n, o, 3, 180000);
	assert_int_equal(counts(n).exits, 1);
	run_alive(n, o, 3, 20000);
	assert_int_equal(counts(n).exits, 0);
	assert_int_equal(counts(n).relays, 1);
	node_free(n);
}

static bool
is_destroy(const struct packet *p, const struct peel_addr *to, uint32_t cid, uint16_t reason)
{
	struct peel_signed frame;
	struct peel_msg_destroy m;

	return peel_addr_equal(&p->to, to) && p->data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY &&
	       peel_signed_parse(p->data, p->len, false, false, &frame) == 0 &&
	       peel_signed_verify(&frame) &&
	       peel_destroy_parse(frame.body.p, frame.body.len, &m) == 0 && m.cid == cid &&
	       m.reason == reason;
}

static void
test_expire_traffic(void **state)
{
	struct peel_or_settings s;
	struct originator o, r;
	struct packet p;

	(void)state;
	peel_or_settings_init(&s);
	s.max_traffic = 1000;
	struct node *n = node_with(&s);

	originator_init(&o, alice, 1);
	originator_init(&r, alice, 2);
	exit_make(n, &o, 7);
	exit_make(n, &r, 8);
	uint32_t d = relay_make(n, &r, nobody_pk, other);

	session_of(n, &o)->forward.bytes = 600;
	session_of(n, &o)->backward.bytes = 400;
	session_of(n, &r)->forward.bytes = 1000;
	session_of(n, &r)->backward.bytes = 0;
	node_run(n, 6000, 500);
	assert_int_equal(counts(n).removing, 0);
	session_of(n, &o)->backward.bytes++;
	session_of(n, &r)->backward.bytes++;
	node_run(n, 6000, 500);
	assert_int_equal(counts(n).removing, 2);
	assert_true(node_pop(n, &p) && is_destroy(&p, &alice, 7, PEEL_DESTROY_UNKNOWN));
	assert_true(node_pop(n, &p) && is_destroy(&p, &alice, 8, PEEL_DESTROY_UNKNOWN));
	assert_true(node_pop(n, &p) && is_destroy(&p, &other, d, PEEL_DESTROY_UNKNOWN));
	assert_false(node_pop(n, &p));
	node_free(n);
}

/* W13: as many uses of a key as peers can count. */
static void
test_expire_cells(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	session_of(n, &o)->backward.cells = UINT32_MAX;
	node_run(n, 6000, 500);
	assert_int_equal(counts(n).removing, 1);
	node_free(n);
}

/* The work is spread: a slice per tick, each circuit about every 5 s. */
static void
test_expire_spread(void **state)
{
	struct peel_or_settings s;
	struct originator o;
	uint32_t before = 0, most = 0;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 200;
	struct node *n = node_with(&s);

	originator_init(&o, alice, 1);
	for (uint32_t i = 0; i < 200; i++) {
		exit_make(n, &o, 1000 + i);
		session_of(n, &o)->forward.bytes = UINT64_MAX / 4;
	}
	for (int i = 0; i < 50; i++) {
		node_run(n, 100, 100);
		uint32_t now = counts(n).removing + (200 - counts(n).exits);

		most = now - before > most ? now - before : most;
		before = now;
	}
	assert_int_equal(before, 200);
	assert_in_range(most, 4, 5);
	node_free(n);
}

static void
test_tick_interval(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	assert_int_equal(peel_or_tick(n->circuits), 5000);
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(peel_or_tick(n->circuits), 1000);
	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	world_now += 9700;
	assert_int_equal(peel_or_tick(n->circuits), 300);
	world_now += 300;
	assert_int_equal(peel_or_tick(n->circuits), 1000);
	assert_int_equal(counts(n).pending, 0);
	node_free(n);
}

static void
count_row(void *arg, const struct peel_or_row *row)
{
	unsigned int *n = arg;

	n[strcmp(row->kind, "relay") == 0]++;
	assert_true(row->age_ms == 3000);
	assert_true(row->cells_forward >= 1);
	assert_true(peel_addr_equal(&row->previous, &alice));
	assert_true(peel_addr_is_none(&row->next) == (strcmp(row->kind, "exit") == 0));
}

static void
test_shutdown(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, r;
	struct packet p;
	unsigned int rows[2] = {0};

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&r, alice, 2);
	exit_make(n, &o, 7);
	exit_make(n, &r, 8);
	uint32_t d = relay_make(n, &r, nobody_pk, other);

	assert_int_equal(try_extend(n, &o, nobody_pk, &other), 0);
	drain(n);
	touch(n, &o);
	world_now += 3000;
	peel_or_dump(n->circuits, count_row, rows);
	assert_int_equal(rows[0], 1);
	assert_int_equal(rows[1], 1);
	/* The same in parts. */
	uint32_t next = peel_or_dump_some(n->circuits, 0, 1, count_row, rows);

	assert_int_equal(rows[0] + rows[1], 3);
	assert_int_equal(peel_or_dump_some(n->circuits, next, 1000, count_row, rows), 0);
	assert_int_equal(rows[0], 2);
	assert_int_equal(rows[1], 2);
	assert_int_equal(peel_or_dump_some(n->circuits, 100000, 1, count_row, rows), 0);
	assert_int_equal(peel_or_shutdown(n->circuits), 3);
	assert_true(node_pop(n, &p) && is_destroy(&p, &alice, 7, PEEL_DESTROY_SHUTDOWN));
	assert_true(node_pop(n, &p) && is_destroy(&p, &alice, 8, PEEL_DESTROY_SHUTDOWN));
	assert_true(node_pop(n, &p) && is_destroy(&p, &other, d, PEEL_DESTROY_SHUTDOWN));
	assert_false(node_pop(n, &p));
	assert_int_equal(counts(n).exits + counts(n).relays + counts(n).pending, 0);
	assert_int_equal(n->n_gone, 2);
	assert_int_equal(peel_route_count(n->routes), 0);
	assert_int_equal(peel_or_shutdown(n->circuits), 0);
	node_run(n, 10000, 1000);
	node_free(n);
}

static void
test_new_arguments(void **state)
{
	struct peel_or_conf conf = {0};
	struct peel_or_circuits *c;

	(void)state;
	assert_int_equal(peel_or_new(&conf, &c), -EINVAL);
	peel_or_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroy_same_id_and_key),
		cmocka_unit_test(test_expire_idle),
		cmocka_unit_test(test_expire_with_wrong_worker_clocks),
		cmocka_unit_test(test_expire_age),
		cmocka_unit_test(test_expire_traffic),
		cmocka_unit_test(test_expire_cells),
		cmocka_unit_test(test_expire_spread),
		cmocka_unit_test(test_tick_interval),
		cmocka_unit_test(test_shutdown),
		cmocka_unit_test(test_new_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
