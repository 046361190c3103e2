/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Joining: the rules of create one by one. */
#include <errno.h>

#include "rules.h"

static void
test_create_candidates(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		struct peel_identity id;

		assert_int_equal(peel_identity_generate(&n->env, &id), 0);
		struct peel_target *t = i < 5 ? &n->relays[n->n_relays++] : &n->exits[n->n_exits++];

		memcpy(t->pk, id.pk, PEEL_PK_LEN);
		t->addr = peel_addr_ipv4(192, 0, 2, (uint8_t)(100 + i), 1);
	}
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(o.candidates.n_relays, 4);
	assert_int_equal(o.candidates.n, 7);
	assert_memory_equal(o.candidates.key[0].p, n->relays[0].pk, PEEL_PK_LEN);
	assert_memory_equal(o.candidates.key[6].p, n->exits[2].pk, PEEL_PK_LEN);
	assert_int_equal(counts(n).exits, 1);
	assert_int_equal(node_stat(n, PEEL_CREATE_ACCEPTED), 1);
	node_free(n);
}

/* Who drains joins nothing, however good the create; what is there works on, and may be extended.
 */
static void
test_create_while_draining(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, late;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&late, other, 2);
	exit_make(n, &o, 7);
	peel_or_drain(n->circuits, true);
	assert_int_equal(try_create(n, &late, 8), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_DRAIN), 1);
	relay_make(n, &o, nobody_pk, peel_addr_ipv4(192, 0, 2, 88, 1));
	assert_int_equal(counts(n).relays, 1);
	peel_or_drain(n->circuits, false);
	assert_int_equal(try_create(n, &late, 8), 0);
	assert_int_equal(node_stat(n, PEEL_CREATE_ACCEPTED), 2);
	node_free(n);
}

/* Closed by id: the neighbours on both sides hear of it, other circuits stay. */
static void
test_close(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, o2;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	exit_make(n, &o, 7);
	exit_make(n, &o2, 8);
	relay_make(n, &o, nobody_pk, peel_addr_ipv4(192, 0, 2, 88, 1));
	assert_int_equal(peel_or_close(n->circuits, 9), 0);
	assert_int_equal(peel_or_close(n->circuits, 7), 1);
	assert_int_equal(node_stat(n, PEEL_DESTROY_SENT), 2);
	assert_int_equal(peel_or_close(n->circuits, 7), 0);
	node_run(n, 6000, 500);
	assert_int_equal(counts(n).relays, 0);
	assert_int_equal(counts(n).exits, 1);
	node_free(n);
}

/* New limits and rates hold at once, for circuits that are there, too; tables do not grow. */
static void
test_settings_change(void **state)
{
	struct node *n = node_with(NULL);
	struct peel_or_settings s, now;
	struct originator o, late;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&late, other, 2);
	peel_or_settings(n->circuits, &s);
	exit_make(n, &o, 7);
	s.max_joined_circuits++;
	assert_int_equal(peel_or_change(n->circuits, &s), -ENOSPC);
	s.max_joined_circuits = 0;
	s.create_rate = s.create_rate_per_source = 1;
	s.unstable_timeout = 1;
	assert_int_equal(peel_or_change(n->circuits, &s), 0);
	peel_or_settings(n->circuits, &now);
	assert_int_equal(now.create_rate, 1);
	assert_int_not_equal(now.unstable_timeout, 1);
	assert_int_equal(counts(n).exits, 1);
	assert_int_equal(try_create(n, &late, 8), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_LIMIT), 1);
	s.max_joined_circuits = 10;
	assert_int_equal(peel_or_change(n->circuits, &s), 0);
	world_now += 2000;
	assert_int_equal(try_create(n, &late, 8), 0);
	assert_int_equal(try_create(n, &late, 9), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_RATE), 1);
	node_free(n);
}

/* W4: whatever lives on an id stays; the id of somebody else's link is another one. */
static void
test_create_in_use(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, o2, thief;
	uint8_t key[32];

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&thief, alice, 2); /* spoofs alice's address */
	originator_init(&o2, other, 3);
	exit_make(n, &o, 7);
	memcpy(key, session_of(n, &o)->forward.key.b, 32);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(try_create(n, &thief, 7), -EBADMSG);
		world_now += 6000; /* also long after unstable_timeout */
		touch(n, &o);
		peel_or_tick(n->circuits);
	}
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_IN_USE), 20);
	assert_memory_equal(key, session_of(n, &o)->forward.key.b, 32);
	exit_make(n, &o2, 7); /* another neighbour may use the same id */
	assert_int_equal(counts(n).exits, 2);
	node_free(n);
}

/* An id that we chose for a link to somebody is in use by him too. */
static void
test_create_on_next_hops_id(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, next;
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct packet p;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&next, other, 2);
	exit_make(n, &o, 7);
	size_t len = originator_extend(&o, nobody_pk, &other, out);

	assert_int_equal(node_input(n, &alice, out, len), 0);
	assert_true(node_pop(n, &p));
	uint32_t d = peel_get_be32(p.data + PEEL_CELL_OFF_CID);

	assert_int_equal(try_create(n, &next, d), -EBADMSG); /* while the create is pending */
	len = created_build(d, peel_get_be16(p.data + PEEL_CELL_HEADER_LEN + 1), out);
	assert_int_equal(node_input(n, &other, out, len), 0);
	assert_int_equal(try_create(n, &next, d), -EBADMSG); /* and when it is a relay */
	assert_int_equal(counts(n).relays, 1);
	assert_int_equal(counts(n).exits, 0);
	node_free(n);
}

/* A circuit that is gone: its id is not joined again within unstable_timeout, by the same
 * neighbour. */
static void
test_create_recent(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, o2;
	uint8_t out[256];

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 1);
	exit_make(n, &o, 7);
	assert_int_equal(node_input(n, &alice, out, destroy_build(&o.id, 7, 4, out)), 0);
	node_run(n, 6000, 100);
	assert_int_equal(counts(n).exits, 0);
	assert_int_equal(try_create(n, &o, 7), -EBADMSG);
	exit_make(n, &o2, 7);
	node_run(n, 55000, 100);
	exit_make(n, &o, 7);
	node_free(n);
}

static void
test_create_many_with_one_id(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	for (uint16_t i = 0; i < 40; i++) {
		o.addr.port = (uint16_t)(1000 + i);
		try_create(n, &o, 7);
		drain(n);
	}
	assert_int_equal(counts(n).exits, PEEL_ROUTE_SAME_CID_MAX);
	node_free(n);
}

static void
test_create_limit(void **state)
{
	struct peel_or_settings s;
	struct originator o;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 4;
	struct node *n = node_with(&s);

	originator_init(&o, alice, 1);
	exit_make(n, &o, 1);
	relay_make(n, &o, nobody_pk, other); /* counts two */
	exit_make(n, &o, 2);
	exit_make(n, &o, 3);
	assert_int_equal(try_create(n, &o, 4), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_LIMIT), 1);
	assert_int_equal(counts(n).exits, 2);
	assert_int_equal(counts(n).relays, 1);
	node_free(n);
	s.max_joined_circuits = 0;
	n = node_with(&s);
	assert_int_equal(try_create(n, &o, 4), -EBADMSG);
	node_free(n);
}

/* The route table may be smaller than the limit. */
static void
test_create_table_full(void **state)
{
	struct peel_or_settings s;
	struct originator o;
	unsigned int n_ok = 0;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 1000;
	s.create_rate_per_source = 0;
	struct node *n = node_with(&s);

	originator_init(&o, alice, 1);
	for (uint32_t i = 0; i < 300; i++) {
		n_ok += try_create(n, &o, 10 + i) == 0;
		drain(n);
	}
	assert_in_range(n_ok, 200, 256);
	assert_int_equal(counts(n).exits, n_ok);
	assert_int_equal(peel_session_count(n->routes), n_ok);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_LIMIT), 300 - n_ok);
	node_free(n);
}

static void
test_create_rate(void **state)
{
	struct peel_or_settings s;
	struct originator o, o2;
	unsigned int n_ok = 0;

	(void)state;
	peel_or_settings_init(&s);
	s.create_rate_per_source = 1;
	s.create_rate = 20; /* three quarters for neighbours */
	struct node *n = node_with(&s);

	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	for (uint32_t i = 0; i < 20; i++) {
		n_ok += try_create(n, &o, 10 + i) == 0;
		drain(n);
	}
	assert_int_equal(n_ok, 10); /* ten times the rate at once */
	for (uint32_t i = 0; i < 20; i++) {
		n_ok += try_create(n, &o2, 10 + i) == 0;
		drain(n);
	}
	assert_int_equal(n_ok, 15); /* of all */
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_RATE), 25);
	node_free(n);
}

/* While little may be sent, strangers are refused, at the cost of nothing; neighbours are not. */
static void
test_create_when_little_may_be_sent(void **state)
{
	struct peel_or_settings s;
	struct originator o;

	(void)state;
	peel_or_settings_init(&s);
	s.create_rate = 8; /* a quarter for strangers */
	struct node *n = node_with(&s);

	originator_init(&o, alice, 1);
	n->scarce = n->strangers = true;
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(try_create(n, &o, 10 + i), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_BANDWIDTH), 5);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_RATE), 0);
	assert_int_equal(n->sent_total, 0);
	n->scarce = false;
	assert_int_equal(try_create(n, &o, 20), 0);
	n->scarce = true;
	n->strangers = false;
	assert_int_equal(try_create(n, &o, 30), 0);
	assert_int_equal(n->sent_total, 2);
	node_free(n);
}

static void
test_datagram_others(void **state)
{
	struct node *n = node_with(NULL);
	uint8_t d[64] = {0};

	(void)state;
	assert_int_equal(peel_or_datagram(n->circuits, &alice, d, 0), -ENOENT);
	assert_int_equal(peel_or_datagram(n->circuits, &alice, d, sizeof(d)), -ENOENT);
	memcpy(d, world_prefix, PEEL_PREFIX_LEN);
	d[22] = 13;
	assert_int_equal(peel_or_datagram(n->circuits, &alice, d, sizeof(d)), -ENOENT);
	d[22] = 0;
	assert_int_equal(peel_or_datagram(n->circuits, &alice, d, 29), -EBADMSG);
	assert_int_equal(peel_or_datagram(n->circuits, &alice, d, sizeof(d)), -ENOENT);
	d[PEEL_CELL_OFF_PLAIN] = 7; /* any value is "true" */
	d[PEEL_CELL_HEADER_LEN] = PEEL_MSG_PING;
	assert_int_equal(peel_or_datagram(n->circuits, &alice, d, sizeof(d)), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_DROP_PLAIN), 1);
	d[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATED;
	assert_int_equal(peel_or_datagram(n->circuits, &alice, d, sizeof(d)), -ENOENT);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_candidates),
		cmocka_unit_test(test_create_while_draining),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_settings_change),
		cmocka_unit_test(test_create_in_use),
		cmocka_unit_test(test_create_on_next_hops_id),
		cmocka_unit_test(test_create_recent),
		cmocka_unit_test(test_create_many_with_one_id),
		cmocka_unit_test(test_create_limit),
		cmocka_unit_test(test_create_table_full),
		cmocka_unit_test(test_create_rate),
		cmocka_unit_test(test_create_when_little_may_be_sent),
		cmocka_unit_test(test_datagram_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
