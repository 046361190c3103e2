/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Banned nodes are no hops: not of new circuits, nor of those that are there. */
#include <errno.h>

#include "world.h"

static void
few_relays(void)
{
	world_new(NULL, 64);
	world_relays(4, RELAY);
	world_relays(2, EXIT);
}

static void
test_circuits_close(void **state)
{
	(void)state;
	few_relays();
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);
	struct relay *first = world_find(world_info(id).hop[0].pk);
	struct relay *last = world_find(world_info(id).hop[1].pk);

	peel_origin_banned(world_origin());
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY); /* nobody is */
	world->client.banned_pk = last->node.id.pk;
	peel_origin_banned(world_origin());
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_CLOSING);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_CLOSED), 1);
	peel_origin_banned(world_origin()); /* once */
	assert_int_equal(world_ends(PEEL_ORIGIN_END_CLOSED), 1);
	world_run(100);
	assert_int_equal(first->n_destroys, 1);
	world_free();
}

/* Also by its address alone, and until the ban ends. */
static void
test_never_chosen(void **state)
{
	bool again = false;

	(void)state;
	few_relays();
	struct relay *relay = world->relay[0], *exit = world->relay[4];

	world->client.banned_addr = &relay->node.addr;
	world->client.banned_pk = exit->node.id.pk;
	for (unsigned int i = 0; i < 20; i++) {
		struct peel_origin_info info = world_info(world_circuit(PEEL_ORIGIN_DATA, 2));

		for (unsigned int k = 0; k < info.hops; k++) {
			assert_ptr_not_equal(world_find(info.hop[k].pk), relay);
			assert_ptr_not_equal(world_find(info.hop[k].pk), exit);
		}
	}
	assert_int_equal(relay->n_created + exit->n_created, 0);
	world->client.banned_addr = NULL;
	world->client.banned_pk = NULL;
	for (unsigned int i = 0; i < 20 && !again; i++) {
		(void)world_circuit(PEEL_ORIGIN_DATA, 2);
		again = relay->n_created + exit->n_created > 0;
	}
	assert_true(again);
	world_free();
}

/* A ban while the node is being asked to become a hop. */
static void
test_being_built(void **state)
{
	const struct peel_origin_spec spec = {.type = PEEL_ORIGIN_DATA, .hops = 1};
	peel_origin_id id;

	(void)state;
	world_new(NULL, 64);
	world_relays(1, EXIT);
	world->client.banned_pk = world->relay[0]->node.id.pk;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EAGAIN);
	world->client.banned_pk = NULL;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), 0);
	assert_int_equal(world_info(id).hops, 0);
	world->client.banned_pk = world->relay[0]->node.id.pk;
	peel_origin_banned(world_origin());
	assert_int_equal(world_ends(PEEL_ORIGIN_END_CLOSED), 1);
	world_run(2000);
	assert_int_equal(world_ends(-1), 0);
	world_free();
}

/* The end that is wanted, before it is asked. */
static void
test_required_end(void **state)
{
	(void)state;
	few_relays();
	struct peel_target end = world_target(world->relay[4]);
	const struct peel_origin_spec spec = {.type = PEEL_ORIGIN_DATA, .hops = 2, .exit = &end};
	peel_origin_id id;

	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), 0);
	world->client.banned_addr = &world->relay[4]->node.addr;
	peel_origin_banned(world_origin());
	assert_int_equal(world_ends(PEEL_ORIGIN_END_CLOSED), 1);
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EAGAIN);
	world_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_circuits_close),
		cmocka_unit_test(test_never_chosen),
		cmocka_unit_test(test_being_built),
		cmocka_unit_test(test_required_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
