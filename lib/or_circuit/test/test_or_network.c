/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Several nodes on a bus and an originator made of lib/keys alone: whole circuits, opened by
 * hand. */
#include <errno.h>
#include <stdlib.h>

#include "world.h"

#define N_NODES 4

struct bus {
	struct node *node[N_NODES];
	struct originator o;
	unsigned int loss; /* percent */
	uint64_t state;
	struct packet inbox; /* last for the originator */
	bool got;
};

static void
bus_init(struct bus *b)
{
	memset(b, 0, sizeof(*b));
	for (uint8_t i = 0; i < N_NODES; i++)
		b->node[i] = node_new(peel_addr_ipv4(192, 0, 2, 20 + i, 8090), NULL, NULL, 64);
	for (int i = 0; i < N_NODES; i++) {
		for (int j = 1; j < N_NODES; j++) {
			if (i != j)
				b->node[i]->relays[b->node[i]->n_relays++] =
					node_target(b->node[j]);
		}
	}
	originator_init(&b->o, peel_addr_ipv4(198, 51, 100, 9, 999), 42);
}

static void
bus_free(struct bus *b)
{
	for (int i = 0; i < N_NODES; i++)
		node_free(b->node[i]);
}

static void
deliver(struct bus *b, const struct peel_addr *from, const struct packet *p)
{
	uint8_t dice;

	world_prng(&b->state, &dice, 1);
	if (dice % 100 < b->loss)
		return;
	if (peel_addr_equal(&p->to, &b->o.addr)) {
		assert_true(peel_addr_equal(from, &b->o.first));
		b->inbox = *p;
		b->got = true;
	}
	for (int i = 0; i < N_NODES; i++) {
		if (peel_addr_equal(&p->to, &b->node[i]->addr))
			node_input(b->node[i], from, p->data, p->len);
	}
}

static void
pump(struct bus *b)
{
	struct packet p;
	bool busy;

	do {
		busy = false;
		for (int i = 0; i < N_NODES; i++) {
			while (node_pop(b->node[i], &p)) {
				busy = true;
				deliver(b, &b->node[i]->addr, &p);
			}
		}
	} while (busy);
}

static void
run(struct bus *b, uint64_t ms)
{
	for (uint64_t at = 0; at < ms; at += 1000) {
		world_now += 1000;
		for (int i = 0; i < N_NODES; i++) {
			peel_or_tick(b->node[i]->circuits);
			peel_rcu_poll(b->node[i]->rcu);
		}
		pump(b);
	}
}

/* From the originator to the first hop. @return what came back: message length, or 0. */
static int
ask(struct bus *b, const uint8_t *data, size_t len, uint8_t *msg)
{
	struct packet p = {.to = b->o.first, .len = len};

	memcpy(p.data, data, len);
	b->got = false;
	deliver(b, &b->o.addr, &p);
	pump(b);
	if (!b->got)
		return 0;
	int got = originator_open(&b->o, b->inbox.data, b->inbox.len, msg);

	assert_true(got > 0);
	return got;
}

static int
add_hop(struct bus *b, const uint8_t *pk, const struct peel_addr *address)
{
	uint8_t out[PEEL_DATAGRAM_MAX], msg[PEEL_DATAGRAM_MAX];
	int len = ask(b, out, originator_extend(&b->o, pk, address, out), msg);

	return len > 0 ? originator_hop(&b->o, msg, (size_t)len) : -ETIMEDOUT;
}

static int
first_hop(struct bus *b, uint32_t cid)
{
	uint8_t out[PEEL_DATAGRAM_MAX], msg[PEEL_DATAGRAM_MAX];
	int len = ask(b, out, originator_create(&b->o, b->node[0], cid, out), msg);

	return len > 0 ? originator_hop(&b->o, msg, (size_t)len) : -ETIMEDOUT;
}

static void
ping_end(struct bus *b, uint16_t identifier)
{
	uint8_t out[PEEL_DATAGRAM_MAX], msg[PEEL_DATAGRAM_MAX], ping[3];
	size_t len = originator_seal(&b->o, ping, ping_build(identifier, ping), false, out);

	assert_int_equal(ask(b, out, len, msg), 3);
	assert_int_equal(msg[0], PEEL_MSG_PONG);
	assert_int_equal(peel_get_be16(msg + 1), identifier);
}

static void
expect_counts(struct bus *b, const uint32_t relays[N_NODES], const uint32_t exits[N_NODES])
{
	struct peel_or_count count;

	for (int i = 0; i < N_NODES; i++) {
		peel_or_count(b->node[i]->circuits, &count);
		assert_int_equal(count.relays, relays[i]);
		assert_int_equal(count.exits, exits[i]);
		assert_int_equal(count.pending, 0);
	}
}

static void
test_three_hops(void **state)
{
	static const uint32_t none[N_NODES], relays[N_NODES] = {1, 1}, exits[N_NODES] = {0, 0, 1};
	struct bus b;
	uint8_t out[256];
	struct packet p;

	(void)state;
	bus_init(&b);
	assert_int_equal(first_hop(&b, 0x01020304), 0);
	assert_int_equal(b.o.candidates.n_relays, 3);
	assert_int_equal(add_hop(&b, b.o.candidates.key[0].p, NULL), 0); /* node 1, from the list */
	assert_memory_equal(b.o.candidates.key[0].p, b.node[2]->id.pk, PEEL_PK_LEN);
	assert_int_equal(add_hop(&b, b.o.candidates.key[0].p, NULL), 0);
	assert_int_equal(b.o.n_hops, 3);
	for (uint16_t i = 0; i < 60; i++) { /* pings keep all of it alive */
		ping_end(&b, i);
		run(&b, 7000);
	}
	expect_counts(&b, relays, exits);
	/* Destroy travels the whole way, link by link. */
	p = (struct packet){.to = b.o.first, .len = destroy_build(&b.o.id, b.o.cid, 4, out)};
	memcpy(p.data, out, p.len);
	deliver(&b, &b.o.addr, &p);
	pump(&b);
	ping_end(&b, 99); /* works for five more seconds */
	run(&b, 5000);
	expect_counts(&b, none, none);
	for (int i = 0; i < 3; i++)
		assert_int_equal(node_stat(b.node[i], PEEL_DESTROY_RECEIVED), 1);
	bus_free(&b);
}

/* A next hop that does not answer: the originator tries another one after 10 s. */
static void
test_second_attempt(void **state)
{
	static const uint32_t relays[N_NODES] = {1}, exits[N_NODES] = {0, 0, 0, 1};
	struct peel_addr nowhere = peel_addr_ipv4(203, 0, 113, 1, 1);
	uint8_t dead[PEEL_PK_LEN];
	struct bus b;

	(void)state;
	bus_init(&b);
	b.node[0]->reach_result = -ENOTSUP;
	assert_int_equal(first_hop(&b, 5), 0);
	memcpy(dead, b.node[1]->id.pk, PEEL_PK_LEN);
	dead[20] ^= 1;
	assert_int_equal(add_hop(&b, dead, &nowhere), -ETIMEDOUT);
	run(&b, 10000);
	assert_int_equal(node_stat(b.node[0], PEEL_EXTEND_TIMEOUT), 1);
	assert_int_equal(add_hop(&b, b.node[3]->id.pk, NULL), 0);
	ping_end(&b, 1);
	expect_counts(&b, relays, exits);
	bus_free(&b);
}

/* The last hop stops: everybody on the way hears of it. */
static void
test_shutdown_travels(void **state)
{
	static const uint32_t none[N_NODES];
	struct bus b;

	(void)state;
	bus_init(&b);
	assert_int_equal(first_hop(&b, 5), 0);
	assert_int_equal(add_hop(&b, b.node[1]->id.pk, NULL), 0);
	assert_int_equal(add_hop(&b, b.node[2]->id.pk, NULL), 0);
	assert_int_equal(peel_or_shutdown(b.node[2]->circuits), 1);
	b.got = false;
	pump(&b);
	assert_true(b.got); /* a destroy for the originator */
	assert_int_equal(b.inbox.data[PEEL_PREFIX_LEN], PEEL_MSG_DESTROY);
	run(&b, 5000);
	expect_counts(&b, none, none);
	bus_free(&b);
}

/* Loss: attempts fail and are repeated; nothing is left over at the end. */
static void
test_lossy(void **state)
{
	static const uint32_t none[N_NODES];
	struct bus b;
	unsigned int complete = 0;

	(void)state;
	bus_init(&b);
	b.loss = 5;
	for (uint32_t i = 0; i < 60; i++) {
		uint8_t ping[3], out[256], msg[256];

		if (first_hop(&b, 100 + i) != 0)
			continue;
		for (int try = 0; try < 6 && b.o.n_hops < 3; try++) {
			if (add_hop(&b, b.node[b.o.n_hops]->id.pk, NULL) != 0)
				run(&b, 10000);
		}
		if (b.o.n_hops < 3)
			continue; /* extended was lost: the circuit is split */
		size_t len = originator_seal(&b.o, ping, ping_build(1, ping), false, out);

		complete += ask(&b, out, len, msg) == 3;
	}
	assert_in_range(complete, 5, 59);
	run(&b, 40000);
	expect_counts(&b, none, none);
	for (int i = 0; i < N_NODES; i++) {
		assert_int_equal(peel_route_count(b.node[i]->routes), 0);
		assert_int_equal(peel_session_count(b.node[i]->routes), 0);
	}
	bus_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_hops),
		cmocka_unit_test(test_second_attempt),
		cmocka_unit_test(test_shutdown_travels),
		cmocka_unit_test(test_lossy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
