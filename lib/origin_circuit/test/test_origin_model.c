/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* A client on a bad network, for hours: circuits come and go, and what is said of them stays
 * true. */
#include <errno.h>
#include <stdlib.h>

#include "world.h"

#define N_RELAYS 20

static const uint8_t hello[] = {PEEL_MSG_DATA, 'h', 'i'};

static uint32_t
below(uint32_t n)
{
	return peel_random_below(&world->client.node.env, n);
}

static bool
spoil_some(struct packet *p)
{
	if (below(50) == 0 && p->len > PEEL_CELL_MIN)
		p->data[below((uint32_t)p->len)] ^= (uint8_t)(1 + below(255));
	return true;
}

static void
random_node(void)
{
	struct relay *r = world->relay[below(N_RELAYS)];

	switch (below(4)) {
	case 0:
		r->misdeed = DEAD;
		break;
	case 1:
		r->misdeed = MUTE;
		break;
	default:
		r->misdeed = HONEST;
	}
	r->node.known = below(4) > 0;
}

static void
random_close(void)
{
	peel_origin_id id;

	if (peel_origin_active(world->client.origin_circuits, 0, &id, 1) > 0)
		assert_int_equal(peel_origin_close(world->client.origin_circuits, id), 0);
}

static void
random_create(void)
{
	struct peel_target exit = world_target(world->relay[below(N_RELAYS)]);
	const struct peel_origin_spec spec = {
		.type = (enum peel_origin_type)below(4),
		.hops = 1 + below(PEEL_HOPS_MAX),
		.exit = below(2) ? &exit : NULL,
		.exit_flags = below(4) == 0 ? PEEL_FLAG_EXIT_IPV8 : 0,
	};
	peel_origin_id id;
	int ret = peel_origin_create(world->client.origin_circuits, &spec, &id);

	assert_true(ret == 0 || ret == -EAGAIN || ret == -EINVAL || ret == -ENOSPC);
	if (ret == 0)
		assert_int_equal(world_info(id).goal, spec.hops);
}

static void
random_send(void)
{
	peel_origin_id id;

	if (peel_origin_active(world->client.origin_circuits, 0, &id, 1) > 0)
		assert_int_equal(
			peel_origin_send(world->client.origin_circuits, id, hello, sizeof(hello)),
			0);
}

static void
random_step(void)
{
	switch (below(12)) {
	case 0:
		random_node();
		break;
	case 1:
		random_close();
		break;
	case 2:
		random_create();
		break;
	case 3:
		(void)peel_origin_build(world->client.origin_circuits, 1 + below(4));
		break;
	case 4:
		if (below(4) == 0)
			(void)peel_origin_stop(world->client.origin_circuits, 1 + below(4));
		break;
	default:
		random_send();
	}
}

static void
ageing(struct peel_origin_settings *s)
{
	peel_origin_settings_init(s);
	s->max_circuits = 4;
	s->max_time = 120;
	s->max_time_ip = 240;
	s->max_traffic = 20000;
}

static void
test_bad_network(void **state)
{
	struct peel_origin_settings s;

	(void)state;
	ageing(&s);
	for (uint64_t seed = 1; seed <= 4; seed++) {
		world_new(&s, 40);
		world->random_state = world->client.node.random_state = seed * 77777;
		world_relays(12, RELAY);
		world_relays(8, EXIT | PEEL_FLAG_EXIT_IPV8);
		world->loss_percent = 5 * ((unsigned int)seed - 1);
		world->repeat_percent = 10;
		world->delay_max_ms = 300;
		world->tap = spoil_some;
		for (int i = 0; i < 2500; i++) {
			random_step();
			world_run(below(1000));
			world_check();
			/* What is offered stays within the pools' bounds and what was made beside
			 * them. */
			assert_true(world_count().ready + world_count().extending +
					    world_count().closing <=
				    40);
			world->client.n_events = world->client.n_events > MAX_EVENTS - 200
							 ? 0
							 : world->client.n_events;
		}
		assert_true(world_stat(PEEL_OWN_READY) > 20);
		assert_true(world_stat(PEEL_OWN_EXPIRED) > 0);
		/* The network recovers, and so do the pools. */
		world->tap = NULL;
		world->loss_percent = 0;
		for (unsigned int i = 0; i < N_RELAYS; i++) {
			world->relay[i]->misdeed = HONEST;
			world->relay[i]->node.known = true;
		}
		assert_int_equal(peel_origin_build(world->client.origin_circuits, 2), 0);
		world_run(400000);
		assert_int_equal(peel_origin_active(world->client.origin_circuits, 2, NULL, 0),
			s.max_circuits);
		world_check();
		(void)peel_origin_shutdown(world->client.origin_circuits);
		world_check();
		world_free();
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
