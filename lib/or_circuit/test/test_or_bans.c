/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Banned neighbours: their creates, extends to them, and circuits that they are part of already. */
#include <errno.h>

#include "rules.h"

static struct peel_addr next = {.family = PEEL_FAMILY_IPV4, .ip = {192, 0, 2, 88}, .port = 1};

static void
test_create(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, o2;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	n->banned_pk = o.id.pk;
	n->banned_addr = &other;
	assert_int_equal(try_create(n, &o, 7), -EBADMSG);
	assert_int_equal(try_create(n, &o2, 8), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_BANNED), 2);
	n->banned_pk = NULL;
	n->banned_addr = NULL;
	exit_make(n, &o, 7);
	exit_make(n, &o2, 8);
	node_free(n);
}

/* The ban comes while the create waits for its handshake. */
static void
test_ban_before_handshake(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	n->joins_wait = true;
	assert_int_equal(try_create(n, &o, 7), 0);
	n->banned_pk = o.id.pk;
	peel_or_banned(n->circuits);
	assert_int_equal(peel_or_join(n->circuits), 0);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_BANNED), 1);
	assert_int_equal(counts(n).exits, 0);
	node_free(n);
}

static void
test_extend(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	n->banned_pk = nobody_pk;
	assert_int_equal(try_extend(n, &o, nobody_pk, &next), -EBADMSG);
	n->banned_pk = NULL;
	n->banned_addr = &next;
	assert_int_equal(try_extend(n, &o, nobody_pk, &next), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_EXTEND_REFUSED), 2);
	assert_int_equal(counts(n).pending, 0);
	n->banned_addr = NULL;
	relay_make(n, &o, nobody_pk, next);
	node_free(n);
}

/* The ban comes while the next node is being asked: its answer is too late. */
static void
test_ban_before_created(void **state)
{
	struct node *n = node_with(NULL);
	uint8_t out[PEEL_DATAGRAM_MAX];
	struct originator o;
	struct packet p;

	(void)state;
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	assert_int_equal(try_extend(n, &o, nobody_pk, &next), 0);
	while (node_pop(n, &p) && !peel_addr_equal(&p.to, &next))
		;
	n->banned_pk = nobody_pk;
	peel_or_banned(n->circuits);
	size_t len = created_build(peel_get_be32(p.data + PEEL_CELL_OFF_CID),
		peel_get_be16(p.data + PEEL_CELL_HEADER_LEN + 1), out);

	assert_int_equal(node_input(n, &next, out, len), -EBADMSG);
	assert_int_equal(counts(n).relays, 0);
	assert_int_equal(counts(n).exits, 1);
	assert_int_equal(counts(n).pending, 0);
	node_free(n);
}

/* Only those of banned neighbours end, on whichever side these are; both neighbours are told. */
static void
test_circuits_end(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o, o2;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	exit_make(n, &o, 7);
	exit_make(n, &o2, 8);
	relay_make(n, &o2, nobody_pk, next);
	peel_or_banned(n->circuits); /* nobody is */
	node_run(n, 6000, 500);
	assert_int_equal(node_stat(n, PEEL_CIRCUITS_BANNED), 0);
	n->banned_addr = &next;
	peel_or_banned(n->circuits);
	node_run(n, 12000, 500);
	assert_int_equal(counts(n).relays, 0);
	assert_int_equal(counts(n).exits, 1);
	assert_int_equal(node_stat(n, PEEL_DESTROY_SENT), 2);
	n->banned_pk = o.id.pk;
	peel_or_banned(n->circuits);
	node_run(n, 12000, 500);
	assert_int_equal(counts(n).exits, 0);
	assert_int_equal(node_stat(n, PEEL_CIRCUITS_BANNED), 2);
	node_free(n);
}

/* Many neighbours' circuits at once: all end in time, a few at a time. */
static void
test_many_circuits_end(void **state)
{
	struct node *n = node_with(NULL);
	struct originator o;

	(void)state;
	originator_init(&o, alice, 1);
	for (uint32_t i = 0; i < 100; i++) {
		originator_init(&o, alice, 1);
		exit_make(n, &o, 7 + i);
		world_now += 100; /* below the rate of creates */
	}
	n->banned_addr = &alice;
	peel_or_banned(n->circuits);
	node_run(n, 10000, 500);
	assert_int_equal(counts(n).exits, 0);
	assert_int_equal(node_stat(n, PEEL_CIRCUITS_BANNED), 100);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_ban_before_handshake),
		cmocka_unit_test(test_extend),
		cmocka_unit_test(test_ban_before_created),
		cmocka_unit_test(test_circuits_end),
		cmocka_unit_test(test_many_circuits_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
