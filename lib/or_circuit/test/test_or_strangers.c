/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* What strangers may take: forged creates, unused circuits, neighbours that want everything. */
#include <errno.h>

#include "rules.h"

#define RTT_MS 300   /* of honest nodes, until their first cell */
#define FORGED 400   /* creates a second */
#define N_WAITING 16 /* honest circuits begun and not used yet */

static const struct peel_addr nobody = {
	.family = PEEL_FAMILY_IPV4, .port = 9, .ip = {192, 0, 2, 99}};
static struct peel_addr victim_of_forgery; /* whoever is next in 10.0.0.0/8 */
static uint8_t forged[PEEL_DATAGRAM_MAX];
static size_t forged_len;

static void
forge_init(const struct node *n)
{
	struct originator o;

	originator_init(&o, peel_addr_ipv4(10, 0, 0, 0, 7000), 99);
	victim_of_forgery = o.addr;
	forged_len = originator_create(&o, n, 0, forged);
}

/* A create of an address that was not seen before. */
static int
forge(struct node *n)
{
	uint8_t *ip = victim_of_forgery.ip;

	for (int i = 3; i > 0 && ++ip[i] == 0; i--)
		;
	peel_put_be32(forged + PEEL_CELL_OFF_CID, peel_random_u32(&n->env));
	int ret = node_input(n, &victim_of_forgery, forged, forged_len);

	drain(n);
	return ret;
}

static struct node *
node_for(const struct peel_or_settings *s, bool strangers)
{
	struct node *n = node_with(NULL);

	node_free(n);
	n = node_new(peel_addr_ipv4(192, 0, 2, 11, 8090), NULL, s, 8192);
	n->reach_result = -ENOTSUP;
	n->strangers = strangers;
	forge_init(n);
	return n;
}

static bool
alive(const struct node *n, const struct originator *o)
{
	return node_route(n, &o->addr, o->cid) != PEEL_NONE;
}

/*
 * Forged creates, four times as many a second as there are places, for half a minute. Honest nodes
 * come at ten a second and use their circuit a round trip later: nothing of this is in their way.
 */
static void
forged_creates_leave_room(bool strangers)
{
	struct node *n = node_for(NULL, strangers);
	struct originator o[N_WAITING];
	unsigned int begun = 0, used = 0, refused = 0, next_use = 0;
	struct peel_or_count count;

	for (unsigned int ms = 0; ms < 30000; ms += 10) {
		for (unsigned int i = 0; i < FORGED / 100; i++)
			forge(n);
		if (ms % 100 == 0 && used < 80) {
			struct originator *h = &o[begun % N_WAITING];

			originator_init(h,
				peel_addr_ipv4(172, 20, (uint8_t)(begun >> 8), (uint8_t)begun, 5),
				begun);
			refused += try_create(n, h, 1000 + begun) != 0;
			begun++;
		}
		if (ms >= RTT_MS && ms % 100 == 0 && next_use < begun) {
			struct originator *h = &o[next_use++ % N_WAITING];

			if (alive(n, h)) {
				exit_use(n, h);
				used++;
			}
		}
		node_run(n, 10, 10);
	}
	print_message("%u of %u circuits were there when their first cell came\n", used, begun);
	assert_int_equal(refused, 0);
	assert_int_equal(used, begun);
	assert_in_range(used, 80, 100);
	peel_or_count(n->circuits, &count);
	assert_in_range(count.unproved, 500, 2048);
	node_free(n);
}

static void
test_forged_creates_of_strangers(void **state)
{
	(void)state;
	forged_creates_leave_room(true);
}

/* Addresses of relays are no secret. */
static void
test_forged_creates_of_neighbours(void **state)
{
	(void)state;
	forged_creates_leave_room(false);
}

/* A host that answers nothing it hears has a small part of what there is for strangers, and others
 * the rest. */
static void
test_stranger_alone(void **state)
{
	struct node *n = node_for(NULL, true);
	struct originator o, o2;
	unsigned int joined = 0;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	for (uint32_t i = 0; i < 400; i++) {
		joined += try_create(n, &o, 10 + i) == 0;
		node_run(n, 10, 10);
		o.addr.port++; /* ports are free */
	}
	/* of as many places as there are, unused ones of one's own count */
	assert_int_equal(joined, 100);
	assert_int_equal(try_create(n, &o2, 1), 0);
	node_free(n);
}

static void
test_stranger_in_a_large_node(void **state)
{
	struct peel_or_settings s;
	struct originator o, o2;
	unsigned int joined = 0;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 3000;
	struct node *n = node_for(&s, true);

	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	for (uint32_t i = 0; i < 400; i++) {
		joined += try_create(n, &o, 10 + i) == 0;
		node_run(n, 10, 10);
	}
	assert_int_equal(joined, 128);
	assert_int_equal(try_create(n, &o2, 1), 0);
	exit_use(n, &o2); /* a neighbour from now on */
	node_run(n, 6000, 100);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(try_create(n, &o2, 10 + i), 0);
	node_free(n);
}

/* Forged creates cost their own budget: a neighbour gets every one of its circuits meanwhile. */
static void
test_budgets_are_apart(void **state)
{
	struct peel_or_settings s;
	struct originator o, newcomer;
	unsigned int accepted = 0;

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 1000;
	struct node *n = node_for(&s, true);

	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	node_run(n, 6000, 100);
	assert_int_equal(counts(n).unproved, 0);
	for (uint32_t second = 0; second < 3; second++) {
		for (uint32_t i = 0; i < 100; i++) {
			for (int k = 0; k < 40; k++)
				accepted += forge(n) == 0;
			if (i % 2 == 0)
				assert_int_equal(try_create(n, &o, 1000 * second + 10 + i), 0);
			node_run(n, 10, 10);
		}
	}
	assert_in_range(accepted, 1900, 2100); /* 500 a second, and 500 at once */
	assert_true(alive(n, &o));
	/* A node that has answered the overlay is no stranger either. */
	originator_init(&newcomer, other, 2);
	while (forge(n) == 0)
		;
	assert_int_equal(try_create(n, &newcomer, 1), -EBADMSG);
	n->strangers = false;
	assert_int_equal(try_create(n, &newcomer, 2), 0);
	node_free(n);
}

/* Signatures of destroys: circuits that strangers invented, and bad signatures, do not use up what
 * others need. */
static void
test_destroys_of_strangers(void **state)
{
	struct peel_or_settings s;
	struct originator o;
	uint8_t out[256];
	size_t len;

	(void)state;
	peel_or_settings_init(&s);
	s.create_rate = 40; /* ten signatures for strangers, thirty for neighbours */
	struct node *n = node_for(&s, true);

	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	node_run(n, 6000, 100);
	originator_init(&o, other, 2);
	assert_int_equal(try_create(n, &o, 8), 0);
	len = destroy_build(&o.id, 8, 4, out);
	out[len - 1] ^= 1;
	for (int i = 0; i < 100; i++)
		assert_int_equal(node_input(n, &other, out, len), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_BAD_SIGNATURE), 3);
	originator_init(&o, alice, 1);
	o.cid = 7;
	len = destroy_build(&o.id, 7, 4, out);
	assert_int_equal(node_input(n, &alice, out, len), 0);
	node_free(n);
}

/* Bad signatures of the next hop are not held against the one before, which may always destroy what
 * is its own. */
static void
test_bad_destroys_of_the_other_side(void **state)
{
	struct node *n = node_for(NULL, false);
	struct originator o, next;
	struct packet p;
	uint8_t out[256];
	size_t len;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&next, nobody, 2);
	exit_make(n, &o, 7);
	len = destroy_build(&next.id, relay_make(n, &o, next.id.pk, nobody), 4, out);
	out[len - 1] ^= 1;
	for (int i = 0; i < 10; i++)
		assert_int_equal(node_input(n, &nobody, out, len), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_BAD_SIGNATURE), 3);
	assert_int_equal(node_input(n, &alice, out, destroy_build(&o.id, 7, 4, out)), 0);
	assert_true(node_pop(n, &p));
	assert_true(peel_addr_equal(&p.to, &nobody));
	node_free(n);
}

/* On the network a created is at most three times its create, until the neighbour is known to
 * receive. */
static void
test_created_is_small_for_strangers(void **state)
{
	struct node *n = node_for(NULL, true);
	struct originator o;
	struct packet p;
	uint8_t out[256];

	(void)state;
	for (uint8_t i = 0; i < 8; i++) {
		struct peel_target *t = i < 4 ? &n->relays[n->n_relays++] : &n->exits[n->n_exits++];
		struct peel_identity id;

		assert_int_equal(peel_identity_generate(&n->env, &id), 0);
		memcpy(t->pk, id.pk, PEEL_PK_LEN);
		t->addr = peel_addr_ipv4(192, 0, 2, (uint8_t)(100 + i), 1);
	}
	originator_init(&o, alice, 1);
	size_t len = originator_create(&o, n, 1, out);

	assert_int_equal(node_input(n, &alice, out, len), 0);
	assert_true(node_pop(n, &p));
	assert_in_range(p.len + 28, 1, 3 * (len + 28));
	exit_make(n, &o, 2);
	assert_int_equal(o.candidates.n_relays, 2);
	assert_int_equal(o.candidates.n, 3);
	node_run(n, 6000, 100);
	o.addr.port++; /* another program of the same host */
	exit_make(n, &o, 3);
	assert_int_equal(o.candidates.n, 8);
	n->strangers = false; /* has answered the overlay */
	originator_init(&o, other, 2);
	exit_make(n, &o, 4);
	assert_int_equal(o.candidates.n, 8);
	node_free(n);
}

/* Cells on those of n_cids circuits that still are. @return how many. */
static unsigned int
keep_alive(struct node *n, struct originator *o, uint32_t first, uint32_t n_cids)
{
	unsigned int found = 0;

	for (uint32_t i = 0; i < n_cids; i++) {
		o->cid = first + i;
		if (!alive(n, o))
			continue;
		touch(n, o);
		found++;
	}
	return found;
}

/* One neighbour may have everything as long as nobody else wants some; then it gives. */
static void
test_share_of_one_neighbour(void **state)
{
	struct node *n = node_for(NULL, false);
	struct originator o, o2, forger;
	struct packet p;
	unsigned int given = 0;
	uint32_t has = 0, has2 = 0;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	originator_init(&forger, other, 3);
	while (try_create(n, &o, has) == 0) {
		exit_use(n, &o);
		drain(n);
		has++;
	}
	assert_int_equal(has, 100);
	node_run(n, 6000, 100);
	/* Creates alone end nothing: whoever sent them may not be there. */
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(try_create(n, &forger, 5000 + i), 0);
	assert_int_equal(counts(n).exits - counts(n).unproved, 100);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(keep_alive(n, &o, 0, has), 100);
		node_run(n, 6000, 100);
	}
	assert_int_equal(counts(n).unproved, 0);
	while (has2 < 60 && try_create(n, &o2, 9000 + has2) == 0) {
		exit_use(n, &o2);
		drain(n);
		node_run(n, 6000, 500); /* found used by then */
		given += node_pop(n, &p) && p.data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY &&
			 peel_addr_equal(&p.to, &alice);
		has2++;
		assert_int_equal(keep_alive(n, &o2, 9000, has2), has2);
		assert_int_equal(keep_alive(n, &o, 0, has), 100 - given);
	}
	print_message("%u made room for %u\n", given, has2);
	assert_in_range(given, 20, 40); /* until the other one has half as many */
	assert_int_equal(node_stat(n, PEEL_CIRCUITS_DISPLACED), given);
	assert_in_range(counts(n).exits, 100, 112);
	assert_int_equal(try_create(n, &o, 20000), -EBADMSG); /* and never the other way round */
	node_free(n);
}

/* Relays that were exits a moment ago make room as well, and the one who had them hears of it. */
static void
test_young_relays_make_room(void **state)
{
	struct node *n = node_for(NULL, false);
	struct originator o, o2;
	uint32_t has = 0, has2 = 0;

	(void)state;
	originator_init(&o, alice, 1);
	originator_init(&o2, other, 2);
	for (; has < 50; has++) {
		originator_init(&o, alice, 1 + has);
		exit_make(n, &o, has);
		relay_make(n, &o, nobody_pk, nobody);
	}
	n->n_gone = 0;
	while (has2 < 16 && try_create(n, &o2, 9000 + has2) == 0) {
		exit_use(n, &o2);
		drain(n);
		has2++;
	}
	assert_int_equal(has2, 16);
	for (int i = 0; i < 60; i++) {
		node_run(n, 100, 100);
		assert_int_equal(keep_alive(n, &o2, 9000, has2), has2);
		drain(n);
	}
	/* Once for each exit that was, and for nobody else. */
	assert_int_equal(n->n_gone, has);
	assert_int_equal(node_stat(n, PEEL_CIRCUITS_DISPLACED), 4);
	node_run(n, 6000, 100);
	assert_int_equal(counts(n).exits + counts(n).relays, 50 - 4 + has2);
	node_free(n);
}

/* Let in by many doors at once, all used: what is over the limit ends, and is told. */
static void
test_more_used_than_places(void **state)
{
	struct node *n = node_for(NULL, true);
	struct originator o[300];

	(void)state;
	for (uint32_t i = 0; i < PEEL_ARRAY_LEN(o); i++) {
		originator_init(
			&o[i], peel_addr_ipv4(172, 20, (uint8_t)(i >> 8), (uint8_t)i, 5), i);
		assert_int_equal(try_create(n, &o[i], 1000 + i), 0);
		drain(n);
	}
	for (uint32_t i = 0; i < PEEL_ARRAY_LEN(o); i++)
		exit_use(n, &o[i]);
	node_run(n, 6000, 100);
	assert_int_equal(counts(n).unproved, 0);
	assert_int_equal(counts(n).exits, 112);
	assert_int_equal(node_stat(n, PEEL_DESTROY_SENT), 188);
	assert_int_equal(try_create(n, &o[0], 8), -EBADMSG);
	node_free(n);
}

/* A node that ends tells those who used a circuit, and known ones, but no address that may be
 * forged. */
static void
test_shutdown_among_strangers(void **state)
{
	struct node *n = node_for(NULL, true);
	struct originator o, o2;
	struct packet p;

	(void)state;
	for (int i = 0; i < 50; i++)
		assert_int_equal(forge(n), 0);
	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	n->strangers = false;
	originator_init(&o2, other, 2);
	assert_int_equal(try_create(n, &o2, 8), 0);
	drain(n);
	assert_int_equal(peel_or_shutdown(n->circuits), 2);
	assert_true(node_pop(n, &p));
	assert_true(peel_addr_equal(&p.to, &alice));
	assert_true(node_pop(n, &p));
	assert_true(peel_addr_equal(&p.to, &other));
	assert_false(node_pop(n, &p));
	node_free(n);
}

/* Extensions to nodes that do not answer: a few circuits cannot keep all others from being
 * extended. */
static void
test_extensions_into_the_void(void **state)
{
	struct node *n = node_for(NULL, false);
	struct originator o;
	unsigned int accepted = 0;

	(void)state;
	originator_init(&o, alice, 1);
	for (uint32_t i = 0; i < 50; i++) {
		exit_make(n, &o, 10 + i);
		for (int k = 0; k < 9; k++)
			accepted += try_extend(n, &o, nobody_pk, &other) == 0;
		drain(n);
	}
	assert_int_equal(accepted, 400);
	originator_init(&o, other, 2);
	exit_make(n, &o, 7);
	assert_int_equal(try_extend(n, &o, nobody_pk, &alice), 0);
	node_free(n);
}

/* What strangers invent does not make us forget which ids were used lately (W4). */
static void
test_forged_creates_and_recent_ids(void **state)
{
	struct peel_or_settings s;
	struct originator o;
	uint8_t out[256];

	(void)state;
	peel_or_settings_init(&s);
	s.max_joined_circuits = 10;
	struct node *n = node_for(&s, true);

	originator_init(&o, alice, 1);
	exit_make(n, &o, 7);
	node_run(n, 6000, 100);
	assert_int_equal(node_input(n, &alice, out, destroy_build(&o.id, 7, 4, out)), 0);
	for (int i = 0; i < 4000; i++) {
		forge(n);
		node_run(n, 10, 10);
	}
	assert_false(alive(n, &o));
	assert_int_equal(try_create(n, &o, 7), -EBADMSG);
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_IN_USE), 1);
	node_free(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forged_creates_of_strangers),
		cmocka_unit_test(test_forged_creates_of_neighbours),
		cmocka_unit_test(test_stranger_alone),
		cmocka_unit_test(test_stranger_in_a_large_node),
		cmocka_unit_test(test_budgets_are_apart),
		cmocka_unit_test(test_destroys_of_strangers),
		cmocka_unit_test(test_bad_destroys_of_the_other_side),
		cmocka_unit_test(test_created_is_small_for_strangers),
		cmocka_unit_test(test_share_of_one_neighbour),
		cmocka_unit_test(test_young_relays_make_room),
		cmocka_unit_test(test_more_used_than_places),
		cmocka_unit_test(test_shutdown_among_strangers),
		cmocka_unit_test(test_extensions_into_the_void),
		cmocka_unit_test(test_forged_creates_and_recent_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
