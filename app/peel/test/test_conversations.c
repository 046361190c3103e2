/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "conversations.h"

#define IDLE_MS 300000

static uint64_t clock_ms;
static uint16_t closed_port; /* of the program that has closed its socket */
static unsigned int asked, n_ended, last_ended;

static uint64_t
test_now(void *arg)
{
	(void)arg;
	return clock_ms;
}

static const struct peel_env env = {.now_ms = test_now};

static bool
is_open(void *arg, const struct peel_addr *local)
{
	(void)arg;
	asked++;
	return local->port != closed_port;
}

static void
on_ended(void *arg, unsigned int slot)
{
	(void)arg;
	n_ended++;
	last_ended = slot;
}

static int
setup(void **state)
{
	const struct conversations_conf conf = {
		.env = &env, .idle_ms = IDLE_MS, .is_open = is_open, .ended = on_ended};

	clock_ms = 1000;
	closed_port = 0;
	asked = n_ended = 0;
	*state = conversations_new(&conf);
	return *state != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	conversations_free(*state);
	return 0;
}

static int
from(struct conversations *c, uint16_t port)
{
	struct peel_addr local = peel_addr_ipv4(127, 0, 0, 1, port);

	return conversations_from(c, &local);
}

/* The peer that a port gets now; 0: none. */
static uint32_t
peer_of(struct conversations *c, uint16_t port)
{
	int slot = from(c, port);
	uint32_t peer;
	bool fresh;

	assert_true(slot >= 0);
	return conversations_peer(c, (unsigned int)slot, &peer, &fresh) == 0 ? peer : 0;
}

static void
test_a_conversation_keeps_its_peer(void **state)
{
	struct conversations *c = *state;
	uint32_t peer;
	bool fresh;
	int slot;

	assert_int_equal(conversations_add_peer(c, 11), 0);
	assert_int_equal(conversations_add_peer(c, 12), 0);
	slot = from(c, 1);
	assert_int_equal(conversations_peer(c, (unsigned int)slot, &peer, &fresh), 0);
	assert_true(fresh);
	assert_int_equal(peer, 11);
	assert_int_equal(conversations_peer(c, (unsigned int)slot, &peer, &fresh), 0);
	assert_false(fresh);
	assert_int_equal(peer, 11);
	assert_int_equal(peer_of(c, 2), 12);
	assert_int_equal(peer_of(c, 1), 11);
	assert_int_equal(conversations_to(c, 11), slot);
	assert_int_equal(conversations_local(c, (unsigned int)slot)->port, 1);
	assert_int_equal(conversations_to(c, 13), -ENOENT);
}

static void
test_two_programs_never_share_a_peer(void **state)
{
	struct conversations *c = *state;

	assert_int_equal(peer_of(c, 1), 0);
	assert_int_equal(conversations_waiting(c), 1);
	assert_int_equal(conversations_add_peer(c, 11), 0);
	assert_int_equal(peer_of(c, 1), 11);
	assert_int_equal(peer_of(c, 2), 0);
	assert_int_equal(conversations_waiting(c), 1);
	/* The first one is silent for a while, though it still has its socket. */
	clock_ms += CONVERSATION_YIELD_MS - 1;
	assert_int_equal(peer_of(c, 2), 0);
	clock_ms += 1000;
	assert_int_equal(peer_of(c, 2), 11);
	assert_int_equal(n_ended, 1);
	/* It begins again, and waits in turn. */
	assert_int_equal(peer_of(c, 1), 0);
	/* What the peer sends counts as well: nobody is silent who is talked to. */
	clock_ms += CONVERSATION_YIELD_MS - 1;
	assert_true(conversations_to(c, 11) >= 0);
	clock_ms += 1000;
	assert_int_equal(peer_of(c, 1), 0);
}

static void
test_who_closes_its_socket_gives_its_peer_away_at_once(void **state)
{
	struct conversations *c = *state;
	unsigned int before;

	assert_int_equal(conversations_add_peer(c, 11), 0);
	assert_int_equal(peer_of(c, 1), 11);
	assert_int_equal(peer_of(c, 2), 0);
	/* Asking the kernel has its pauses. */
	before = asked;
	for (int i = 0; i < 100; i++)
		assert_int_equal(peer_of(c, 2), 0);
	assert_int_equal(asked, before);
	closed_port = 1;
	clock_ms += 1000;
	assert_int_equal(peer_of(c, 2), 11);
	assert_int_equal(n_ended, 1);
	/* A socket that was never found, such as one on another machine, does not count as
	 * closed. */
	closed_port = 3;
	assert_int_equal(conversations_add_peer(c, 12), 0);
	assert_int_equal(peer_of(c, 3), 12);
	clock_ms += 1000;
	assert_int_equal(peer_of(c, 4), 0);
	assert_int_equal(peer_of(c, 3), 12);
}

static void
test_a_peer_that_is_gone(void **state)
{
	struct conversations *c = *state;

	assert_int_equal(conversations_add_peer(c, 11), 0);
	assert_int_equal(peer_of(c, 1), 11);
	conversations_del_peer(c, 11);
	conversations_del_peer(c, 11);
	assert_int_equal(conversations_to(c, 11), -ENOENT);
	assert_int_equal(peer_of(c, 1), 0);
	assert_int_equal(conversations_add_peer(c, 12), 0);
	assert_int_equal(peer_of(c, 1), 12);
	assert_int_equal(n_ended, 0);
}

static void
test_the_peer_left_first_is_taken_first(void **state)
{
	struct conversations *c = *state;

	assert_int_equal(conversations_add_peer(c, 11), 0);
	assert_int_equal(conversations_add_peer(c, 12), 0);
	assert_int_equal(peer_of(c, 1), 11);
	assert_int_equal(peer_of(c, 2), 12);
	clock_ms += IDLE_MS / 2;
	assert_int_equal(peer_of(c, 1), 11);
	clock_ms += IDLE_MS / 2;
	conversations_expire(c);
	assert_int_equal(n_ended, 1);
	assert_int_equal(conversations_to(c, 12), -ENOENT);
	clock_ms += IDLE_MS;
	conversations_expire(c);
	assert_int_equal(n_ended, 2);
	assert_int_equal(peer_of(c, 3), 12);
	assert_int_equal(peer_of(c, 4), 11);
}

static void
test_limits(void **state)
{
	struct conversations *c = *state;
	int first = from(c, 1);

	for (uint16_t port = 2; port <= CONVERSATIONS_MAX; port++)
		assert_true(from(c, port) >= 0);
	clock_ms += CONVERSATION_YIELD_MS - 1;
	assert_int_equal(from(c, 1000), -ENOSPC);
	clock_ms += 1000;
	for (uint16_t port = 2; port <= CONVERSATIONS_MAX; port++)
		assert_true(from(c, port) >= 0);
	/* Only the first one has been silent. */
	assert_int_equal(from(c, 1000), first);
	assert_int_equal(last_ended, first);
	assert_int_equal(from(c, 1001), -ENOSPC);
	for (uint32_t peer = 1; peer <= CONVERSATIONS_MAX; peer++)
		assert_int_equal(conversations_add_peer(c, peer), 0);
	assert_int_equal(conversations_add_peer(c, 1000), -ENOSPC);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_conversation_keeps_its_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_two_programs_never_share_a_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_who_closes_its_socket_gives_its_peer_away_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_peer_that_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_the_peer_left_first_is_taken_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
