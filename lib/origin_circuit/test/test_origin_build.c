/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Building: hops, answers that are wrong in some way, retries, the relay_early count. */
#include <errno.h>

#include "world.h"

static const uint8_t hello[] = {PEEL_MSG_DATA, 'h', 'e', 'l', 'l', 'o'};

/* Both ways through the circuit; its end. */
static struct relay *
talk(peel_origin_id id)
{
	struct peel_origin_info info = world_info(id);
	struct relay *end = world_find(info.hop[info.hops - 1].pk);

	assert_non_null(end);
	end->message_len = world->client.message_len = 0;
	assert_int_equal(peel_origin_send(world_origin(), id, hello, sizeof(hello)), 0);
	world_run(500);
	assert_int_equal(end->message_len, sizeof(hello));
	assert_memory_equal(end->message, hello, sizeof(hello));
	assert_int_equal(world_answer(end, hello, sizeof(hello)), 0);
	world_run(500);
	assert_int_equal(world->client.message_len, sizeof(hello));
	assert_memory_equal(world->client.message, hello, sizeof(hello));
	return end;
}

static void
test_lengths(void **state)
{
	(void)state;
	for (unsigned int hops = 1; hops <= PEEL_HOPS_MAX; hops++) {
		world_new(NULL, 16);
		world_relays(12, RELAY);
		world_relays(2, EXIT);
		peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, hops);
		struct peel_origin_info info = world_info(id);

		assert_int_equal(info.hops, hops);
		assert_int_equal(info.exit_flags, EXIT);
		assert_true(talk(id)->node.flags & PEEL_FLAG_EXIT_BT);
		assert_int_equal(world_ends(-1), 1);
		assert_int_equal(world_stat(PEEL_OWN_BEGUN), 1);
		assert_int_equal(world_stat(PEEL_OWN_READY), 1);
		world_check();
		world_free();
	}
}

static void
test_early_is_counted_over_everything(void **state)
{
	(void)state;
	world_new(NULL, 16);
	world_relays(8, RELAY);
	world_relays(1, EXIT);
	peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 3);
	struct client *c = &world->client;
	struct relay *end = world_find(world_info(id).hop[2].pk);

	assert_int_equal(c->n_cells, 3); /* create, extend, extend */
	assert_int_equal(c->n_early, 3);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(peel_origin_send(world_origin(), id, hello, sizeof(hello)), 0);
		world_run(50);
		assert_int_equal(end->message_early, i < 5);
	}
	assert_int_equal(c->n_early, 8);
	world_free();
}

static bool
lose_extends(struct packet *p)
{
	return !(peel_addr_equal(&p->from, &world->client.node.addr) &&
		 !p->data[PEEL_CELL_OFF_PLAIN]);
}

static void
test_extend_is_always_early(void **state)
{
	struct client *c;
	peel_origin_id id;

	(void)state;
	world_new(NULL, 16);
	c = &world->client;
	world_relays(4, RELAY);
	world_relays(1, EXIT);
	world->tap = lose_extends;
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 3}, &id), 0);
	world_run(1000);
	for (int i = 0; i < 10; i++)
		assert_int_equal(peel_origin_send(world_origin(), id, hello, sizeof(hello)), 0);
	assert_int_equal(c->n_early, 8); /* used up */
	world_run(10000);		 /* pings, and another extend */
	assert_int_equal(c->n_early, 9);
	world_free();
}

static void
misbehave(enum misdeed misdeed, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		world->relay[i]->misdeed = misdeed;
}

/* What a hop does wrong happens to its created on the wire, so at every place in the circuit. */
static bool
spoil(struct packet *p)
{
	if (p->data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL || !p->data[PEEL_CELL_OFF_PLAIN] ||
		p->data[PEEL_CELL_HEADER_LEN] != PEEL_MSG_CREATED)
		return true;
	for (unsigned int i = 0; i < world->n_relays; i++) {
		const struct relay *r = world->relay[i];

		if (!peel_addr_equal(&r->node.addr, &p->from))
			continue;
		if (r->misdeed == BAD_AUTH)
			p->data[PEEL_CELL_HEADER_LEN + 37] ^= 1;
		if (r->misdeed == BAD_LIST)
			p->data[PEEL_CELL_HEADER_LEN + 80] ^= 1;
		if (r->misdeed == LOW_ORDER)
			memset(p->data + PEEL_CELL_HEADER_LEN + 5, 0, 32);
	}
	return true;
}

static void
test_bad_first_hop_next_at_once(void **state)
{
	static const enum misdeed misdeeds[] = {BAD_AUTH, BAD_LIST, LOW_ORDER};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(misdeeds); i++) {
		for (int seed = 0; seed < 5; seed++) {
			world_new(NULL, 16);
			world->random_state += (uint64_t)seed;
			world_relays(6, RELAY);
			/* exits come later as first hop: all the bad are tried */
			world_relays(2, EXIT);
			misbehave(misdeeds[i], 4);
			world->tap = spoil;
			peel_origin_id id = world_circuit(PEEL_ORIGIN_DATA, 2);

			assert_int_equal(world_info(id).hops, 2);
			talk(id);
			assert_int_equal(world_stat(PEEL_OWN_HOP_TIMEOUT), 0);
			assert_int_equal(world->client.n_creates, 1 + world_stat(PEEL_OWN_HOP_BAD));
			world_free();
		}
	}
}

static void
use_up_the_budget(enum misdeed misdeed)
{
	peel_origin_id id;

	world_new(NULL, 16);
	world_relays(10, RELAY);
	misbehave(misdeed, 10);
	world_relays(1, EXIT);
	world->relay[10]->misdeed = misdeed;
	world->tap = spoil;
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 2}, &id), 0);
	world_run(2000);
	assert_int_equal(world->client.n_creates, 6);
	assert_int_equal(world_stat(PEEL_OWN_HOP_BAD), 6);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 1);
	assert_int_equal(
		peel_origin_info(world_origin(), id, &(struct peel_origin_info){0}), -ENOENT);
	world_check();
	world_free();
}

static void
test_bad_first_hops_use_up_the_budget(void **state)
{
	(void)state;
	use_up_the_budget(BAD_AUTH);
	use_up_the_budget(BAD_LIST);
	use_up_the_budget(LOW_ORDER);
}

static void
bad_second_hop(enum misdeed misdeed)
{
	world_new(NULL, 16);
	world_relays(1, RELAY);
	world_relays(1, EXIT);
	world->relay[1]->misdeed = misdeed;
	world->tap = spoil;
	assert_int_equal(peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 2},
				 &(peel_origin_id){0}),
		0);
	world_run(2000);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 1);
	assert_int_equal(world_stat(PEEL_OWN_HOP_BAD), 1);
	/* Nothing more went through: the bad hop would have read it. */
	assert_int_equal(world->client.n_cells, 2);
	assert_int_equal(world->relay[0]->n_destroys, 0);
	world_check();
	world_free();
}

static void
test_bad_second_hop_ends_the_circuit(void **state)
{
	(void)state;
	bad_second_hop(BAD_AUTH);
	bad_second_hop(BAD_LIST);
	bad_second_hop(LOW_ORDER);
}

static void
test_dead_nodes_and_the_budget(void **state)
{
	peel_origin_id id;

	(void)state;
	world_new(NULL, 16);
	world_relays(10, RELAY);
	misbehave(DEAD, 10);
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 2}, &id), 0);
	world_run(59000);
	assert_int_equal(world->client.n_creates, 6);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_EXTENDING);
	world_run(2000);
	assert_int_equal(world->client.n_creates, 6);
	assert_int_equal(world_stat(PEEL_OWN_HOP_TIMEOUT), 6);
	assert_int_equal(world_stat(PEEL_OWN_FAILED), 1);
	assert_int_equal(world_ends(PEEL_ORIGIN_END_FAILED), 1);
	world_check();
	world_free();
}

static void
test_dead_second_hop_next_of_the_list(void **state)
{
	peel_origin_id id;

	(void)state;
	world_new(NULL, 16);
	world_relays(1, RELAY);
	world_relays(4, EXIT);
	for (int i = 1; i < 4; i++)
		world->relay[i]->misdeed = DEAD;
	for (int i = 1; i < 5; i++) /* or the list would not count */
		world->relay[i]->node.known = false;
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 2}, &id), 0);
	world_run(45000);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	assert_true(world_find(world_info(id).hop[1].pk) == world->relay[4]);
	talk(id);
	world_free();
}

/* ---- forged answers -------------------------------------------------------------------------- */

static struct packet caught;
static unsigned int n_caught;

static bool
catch_created(struct packet *p)
{
	if (p->data[PEEL_PREFIX_LEN] != PEEL_MSG_CELL || !p->data[PEEL_CELL_OFF_PLAIN] ||
		p->data[PEEL_CELL_HEADER_LEN] != PEEL_MSG_CREATED)
		return true;
	caught = *p;
	n_caught++;
	return false;
}

static void
test_created_must_match(void **state)
{
	struct peel_addr elsewhere;
	peel_origin_id id;

	(void)state;
	world_new(NULL, 16);
	world_relays(3, EXIT);
	world->tap = catch_created;
	n_caught = 0;
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 1}, &id), 0);
	world_run(1000);
	assert_int_equal(n_caught, 1);
	elsewhere = caught.from;
	elsewhere.port++;
	assert_int_equal(world_inject(&elsewhere, caught.data, caught.len), -EBADMSG);
	/* no cell */
	assert_int_equal(world_inject(&world->relay[0]->node.addr, caught.data, 20), -ENOENT);
	caught.data[PEEL_CELL_OFF_CID] ^= 1;
	assert_int_equal(world_inject(&caught.from, caught.data, caught.len), -ENOENT);
	caught.data[PEEL_CELL_OFF_CID] ^= 1;
	caught.data[PEEL_CELL_HEADER_LEN + 1] ^= 1; /* identifier */
	assert_int_equal(world_inject(&caught.from, caught.data, caught.len), -EBADMSG);
	caught.data[PEEL_CELL_HEADER_LEN + 1] ^= 1;
	assert_int_equal(world_inject(&caught.from, caught.data, 90), -EBADMSG); /* cut */
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_EXTENDING);
	assert_int_equal(world_stat(PEEL_OWN_HOP_BAD), 0);
	assert_int_equal(world_stat(PEEL_CONTROL_UNKNOWN), 2);
	assert_int_equal(world_stat(PEEL_CONTROL_MALFORMED), 1);
	assert_int_equal(world_inject(&caught.from, caught.data, caught.len), 0);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	assert_int_equal(world_inject(&caught.from, caught.data, caught.len), -EBADMSG); /* again */
	world_check();
	world_free();
}

static void
test_stale_created(void **state)
{
	struct packet old;
	peel_origin_id id;

	(void)state;
	world_new(NULL, 16);
	world_relays(3, EXIT);
	world->tap = catch_created;
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 1}, &id), 0);
	world_run(1000);
	old = caught;
	world_run(10000); /* the second attempt, to somebody else */
	assert_false(peel_addr_equal(&old.from, &caught.from));
	assert_int_equal(world_inject(&old.from, old.data, old.len), -EBADMSG);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_EXTENDING);
	assert_int_equal(world_inject(&caught.from, caught.data, caught.len), 0);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	world_free();
}

static void
test_stale_extended(void **state)
{
	peel_origin_id id;
	uint8_t msg[PEEL_DATAGRAM_MAX] = {PEEL_MSG_EXTENDED};

	(void)state;
	world_new(NULL, 16);
	world_relays(1, RELAY);
	world_relays(2, EXIT);
	world->relay[1]->misdeed = world->relay[2]->misdeed = DEAD;
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 2}, &id), 0);
	world_run(1000);
	assert_int_equal(world_info(id).hops, 1);
	/* One of 65536 fits; 20 random ones will not. */
	for (int i = 0; i < 20; i++) {
		msg[1] = (uint8_t)(i * 13);
		msg[4] = 32;
		assert_int_equal(peel_origin_message(world_origin(), id, msg, 120), -EBADMSG);
	}
	assert_int_equal(peel_origin_message(world_origin(), id, msg, 30), -EBADMSG);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_EXTENDING);
	assert_int_equal(
		peel_origin_message(world_origin(), id + ((uint64_t)2 << 32), msg, 120), -ENOENT);
	assert_int_equal(peel_origin_message(world_origin(), 5000, msg, 120), -ENOENT);
	assert_int_equal(peel_origin_message(world_origin(), id, msg, 0), -ENOENT);
	world_free();
}

static void
test_circuit_id_taken_meanwhile(void **state)
{
	struct client *c;
	struct peel_route route = {.kind = PEEL_ROUTE_ORIGIN, .session = PEEL_NONE};
	peel_origin_id id;
	uint32_t slot;

	(void)state;
	world_new(NULL, 16);
	c = &world->client;
	world_relays(1, EXIT);
	world->tap = catch_created;
	assert_int_equal(
		peel_origin_create(world_origin(), &(struct peel_origin_spec){.hops = 1}, &id), 0);
	world_run(1000);
	uint32_t cid = world_info(id).cid;

	route.in = world->relay[0]->node.addr;
	route.in_cid = cid;
	assert_int_equal(peel_route_publish(c->node.routes, &route, &slot), 0);
	world->tap = NULL;
	assert_int_equal(world_inject(&caught.from, caught.data, caught.len), 0);
	world_run(1000);
	assert_int_equal(world_info(id).state, PEEL_ORIGIN_READY);
	assert_int_not_equal(world_info(id).cid, cid);
	talk(id);
	peel_route_retire(c->node.routes, slot);
	world_check();
	world_free();
}

static void
test_arguments(void **state)
{
	struct peel_origin_spec spec = {.hops = 1};
	peel_origin_id id;

	(void)state;
	world_new(NULL, 2);
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EAGAIN);
	world_relays(4, EXIT);
	spec.hops = 0;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EINVAL);
	spec.hops = PEEL_HOPS_MAX + 1;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EINVAL);
	spec = (struct peel_origin_spec){.hops = 1, .type = PEEL_ORIGIN_RP_DOWNLOADER};
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EINVAL); /* to whom? */
	spec.type = (enum peel_origin_type)9;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EINVAL);
	struct peel_target self = world_target(world->relay[0]);

	memcpy(self.pk, world->client.node.id.pk, PEEL_PK_LEN);
	spec = (struct peel_origin_spec){.hops = 2, .exit = &self};
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EINVAL);
	/* Whoever meets us does not know that it has chosen ourselves as the place. */
	spec.type = PEEL_ORIGIN_RP_DOWNLOADER;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), 0);
	spec.hops = 1;
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -EINVAL);
	spec = (struct peel_origin_spec){.hops = 1};
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), 0);
	assert_int_equal(peel_origin_create(world_origin(), &spec, &id), -ENOSPC);
	assert_int_equal(peel_origin_send(world_origin(), id, hello, sizeof(hello)), -ENOENT);
	world_run(1000);
	uint8_t big[PEEL_DATAGRAM_MAX] = {PEEL_MSG_DATA};

	assert_int_equal(peel_origin_send(world_origin(), id, big, 2048 - 29 - 24), 0);
	assert_int_equal(peel_origin_send(world_origin(), id, big, 2048 - 29 - 23), -EMSGSIZE);
	assert_int_equal(peel_origin_send(world_origin(), id, big, 0), -EMSGSIZE);
	world_check();
	world_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_early_is_counted_over_everything),
		cmocka_unit_test(test_extend_is_always_early),
		cmocka_unit_test(test_bad_first_hop_next_at_once),
		cmocka_unit_test(test_bad_first_hops_use_up_the_budget),
		cmocka_unit_test(test_bad_second_hop_ends_the_circuit),
		cmocka_unit_test(test_dead_nodes_and_the_budget),
		cmocka_unit_test(test_dead_second_hop_next_of_the_list),
		cmocka_unit_test(test_created_must_match),
		cmocka_unit_test(test_stale_created),
		cmocka_unit_test(test_stale_extended),
		cmocka_unit_test(test_circuit_id_taken_meanwhile),
		cmocka_unit_test(test_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
