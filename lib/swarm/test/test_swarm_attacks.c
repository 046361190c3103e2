/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Introduction points that lie or are silent, rendezvous points that die, forged and repeated
 * messages, floods: limits hold, what is connected stays, and the service recovers. How long that
 * took is printed. */
#include <errno.h>
#include <stdio.h>

#include "swarm_world.h"

static void
report(const char *what, uint64_t ms)
{
	print_message("%s: %.1f s\n", what, (double)ms / 1000);
}

static struct user *seeder, *downloader;
static uint32_t seeding, finding;

/* A service that is ready, and who will look for it. */
static void
scene(unsigned int relays, unsigned int hops)
{
	net_new(relays);
	seeder = net_user(NULL, NULL, 128);
	downloader = net_user(NULL, NULL, 128);
	seeding = net_join(seeder, 1, hops, true, false);
	net_run(5000);
	assert_int_equal(net_info(seeder, seeding).introductions, 3);
}

static void
find(unsigned int hops)
{
	finding = net_join(downloader, 1, hops, false, true);
}

static struct relay *
introduction_point(unsigned int nth)
{
	peel_origin_id id[3];

	assert_int_equal(net_circuits(seeder, seeding, PEEL_ORIGIN_IP_SEEDER, id, 3), 3);
	return net_end(seeder, id[nth]);
}

/* ---- who introduces -------------------------------------------------------------------------- */

static unsigned int n_networks; /* that the attacker has, each with 128 nodes */

/* Any number of seeders. */
static size_t
lie(struct relay *r, const uint8_t *info_hash, struct peel_dht_introduction out[PEEL_PEERS_MAX])
{
	(void)info_hash;
	for (size_t i = 0; i < PEEL_PEERS_MAX; i++) {
		out[i] = (struct peel_dht_introduction){
			.address = peel_addr_ipv4(66, (uint8_t)net_below(n_networks), 6,
				(uint8_t)net_below(128), 6666)};
		memcpy(out[i].pk, r->id.pk, PEEL_PK_LEN);
		memcpy(out[i].seeder_pk, r->id.pk, PEEL_PK_LEN);
		for (size_t k = 10; k < PEEL_PK_LEN; k++)
			out[i].seeder_pk[k] = (uint8_t)net_below(256);
	}
	return PEEL_PEERS_MAX;
}

/* Half or three of four exits say that others introduce. */
static void
test_lying_exits(void **state)
{
	static const unsigned int networks[] = {2, 100};
	char what[80];

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t ms = 0, longest = 0;

		n_networks = networks[i % 2];
		for (uint64_t seed = 1; seed <= 10; seed++) {
			scene(16, 1);
			net->random_state = seed * 12345;
			for (unsigned int k = 0; k < 16; k += 2)
				net->relay[k]->lie = k % 8 < (i < 2 ? 4 : 6) ? lie : NULL;
			find(1);
			uint64_t took = net_wait_peers(downloader, finding, 1, 1200000);

			ms += took;
			longest = took > longest ? took : longest;
			net_free();
		}
		snprintf(what, sizeof(what),
			"connected although %s of the exits lie, of %u networks",
			i < 2 ? "half" : "three of four", n_networks);
		report(what, ms / 10);
		report("... at most", longest);
	}
}

/* What is known is not pushed out by what others say: a seeder that is lost is found again at once,
 * whatever the exits have told for an hour. */
static void
test_lies_do_not_push_out(void **state)
{
	(void)state;
	n_networks = 100;
	scene(16, 1);
	find(1);
	net_wait_peers(downloader, finding, 1, 10000);
	for (unsigned int i = 0; i < 16; i++)
		net->relay[i]->lie = lie;
	net_run(3000000);
	assert_in_range(net_info(downloader, finding).known, 1, 64);
	assert_int_equal(net_peers(downloader, finding, NULL), 1);
	net_run(600000); /* max_time has passed, and the circuit with it */
	report("connected anew although all exits have lied for an hour",
		net_wait_peers(downloader, finding, 1, 1000));
	net_free();
}

static void
test_silent_introduction_points(void **state)
{
	uint64_t ms;

	(void)state;
	scene(16, 1);
	introduction_point(0)->silent = true;
	introduction_point(1)->silent = true;
	find(1);
	ms = net_wait_peers(downloader, finding, 1, 120000);
	report("connected although two of three introduction points are silent", ms);
	net_free();
}

static void
test_dead_introduction_points(void **state)
{
	struct relay *r[3];
	uint64_t since;

	(void)state;
	scene(16, 1);
	for (unsigned int i = 0; i < 3; i++)
		r[i] = introduction_point(i);
	for (unsigned int i = 0; i < 3; i++)
		r[i]->dead = true;
	since = net->now_ms;
	net_run(21000); /* max_time_inactive; the last pong came 7.5 s ago at most */
	while (net_info(seeder, seeding).introductions < 3) {
		assert_true(net->now_ms - since < 120000);
		net_run(100);
	}
	report("three dead introduction points replaced", net->now_ms - since);
	for (unsigned int i = 0; i < 3; i++)
		assert_false(introduction_point(i)->dead);
	find(1);
	report("connected after that", net_wait_peers(downloader, finding, 1, 200000));
	net_free();
}

/* They join the circuit, but never say that the introduction point is established. */
static void
test_refusing_introduction_points(void **state)
{
	uint64_t since;

	(void)state;
	net_new(16);
	for (unsigned int i = 0; i < 16; i += 4)
		net->relay[i]->secretive = true; /* four of eight exits */
	seeder = net_user(NULL, NULL, 128);
	seeding = net_join(seeder, 1, 1, true, false);
	since = net->now_ms;
	while (net_info(seeder, seeding).introductions < 3) {
		assert_true(net->now_ms - since < 60000);
		net_run(100);
	}
	report("three introduction points where half of the nodes refuse", net->now_ms - since);
	net_free();
}

/* ---- rendezvous points ----------------------------------------------------------------------- */

static struct relay *
rendezvous_point(void)
{
	struct peer *p;

	assert_int_equal(net_peers(downloader, finding, &p), 1);
	return net_end(downloader, p->circuit);
}

static void
test_dying_rendezvous_point(void **state)
{
	uint64_t gone_ms, back_ms;
	struct peer *p;

	(void)state;
	for (int forgetful = 0; forgetful < 2; forgetful++) {
		scene(16, 1);
		find(1);
		net_wait_peers(downloader, finding, 1, 10000);
		net_run(70000);
		if (forgetful)
			rendezvous_point()->forgetful = true;
		else
			rendezvous_point()->dead = true;
		net_peers(downloader, finding, &p);
		gone_ms = net_wait_peers(downloader, finding, 0, 40000);
		net_wait_peers(seeder, seeding, 0, 10000);
		back_ms = net_wait_peers(downloader, finding, 1, 40000);
		net_wait_peers(seeder, seeding, 1, 1000);
		report(forgetful ? "rendezvous point that passes nothing on: noticed"
				 : "dead rendezvous point: noticed",
			gone_ms);
		report("... and connected anew after", back_ms);
		net_free();
	}
}

/* Nodes that do not know their address are of no use; they are not asked a second time. */
static void
test_rendezvous_points_that_refuse(void **state)
{
	uint64_t ms;

	(void)state;
	scene(16, 1);
	for (unsigned int i = 0; i < 16; i++)
		net->relay[i]->secretive = i / 2 % 2 != 0;
	find(1);
	ms = net_wait_peers(downloader, finding, 1, 120000);
	report("connected although half of the nodes refuse a rendezvous", ms);
	net_free();
}

/* ---- created-e2e ----------------------------------------------------------------------------- */

static unsigned int n_forged;

/* Whoever is in the middle changes what it can: first a bit of the authenticator, then one of the
 * sealed info, and sends the true one after that. */
static bool
forge(struct flying *p)
{
	static const size_t at[] = {PEEL_HEADER_LEN + 2 + 2 + 32 + 5, PEEL_HEADER_LEN + 68 + 12};
	const struct flying true_one = *p;
	uint8_t d[PEEL_DATAGRAM_MAX];

	if (p->len < 100 || p->data[PEEL_PREFIX_LEN] != PEEL_MSG_CREATED_E2E)
		return true;
	net->tap = NULL;
	for (size_t i = 0; i < 2; i++) {
		memcpy(d, true_one.data, true_one.len);
		d[at[i]] ^= 1;
		n_forged++;
		net_send(&true_one.from, &true_one.to, d, true_one.len);
	}
	net->tap = forge;
	*p = true_one;
	return true;
}

static void
test_forged_created_e2e(void **state)
{
	(void)state;
	scene(16, 1);
	n_forged = 0;
	net->tap = forge;
	find(1);
	net_wait_peers(downloader, finding, 1, 5000);
	assert_int_equal(n_forged, 2);
	assert_int_equal(net_stat(downloader, PEEL_SWARM_FORGED), 2);
	net_free();
}

static bool
forge_endlessly(struct flying *p)
{
	const struct flying true_one = *p;
	uint8_t d[PEEL_DATAGRAM_MAX];

	if (p->len < 100 || p->data[PEEL_PREFIX_LEN] != PEEL_MSG_CREATED_E2E)
		return true;
	net->tap = NULL;
	for (unsigned int i = 0; i < 100; i++) {
		memcpy(d, true_one.data, true_one.len);
		d[PEEL_HEADER_LEN + 40] ^= (uint8_t)(1 + i);
		net_send(&true_one.from, &true_one.to, d, true_one.len);
	}
	net->tap = forge_endlessly;
	return false;
}

static void
test_verifying_is_bounded(void **state)
{
	(void)state;
	scene(16, 1);
	net->tap = forge_endlessly;
	find(1);
	net_run(5000);
	assert_int_equal(net_peers(downloader, finding, NULL), 0);
	assert_in_range(net_stat(downloader, PEEL_SWARM_FORGED), 8, 8 * 3);
	net->tap = NULL;
	report("connected after endless forged answers",
		net_wait_peers(downloader, finding, 1, 120000));
	net_free();
}

/* ---- create-e2e ------------------------------------------------------------------------------ */

static struct flying asked;

static bool
catch_create_e2e(struct flying *p)
{
	if (p->len > PEEL_PREFIX_LEN && p->data[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E)
		asked = *p;
	return true;
}

static unsigned int
rendezvous_circuits(void)
{
	peel_origin_id id;

	return net_circuits(seeder, seeding, PEEL_ORIGIN_RP_SEEDER, &id, 1);
}

static void
test_repeated_create_e2e(void **state)
{
	(void)state;
	scene(16, 1);
	asked.len = 0;
	net->tap = catch_create_e2e;
	find(1);
	net_wait_peers(downloader, finding, 1, 5000);
	assert_true(asked.len > 0);
	assert_int_equal(rendezvous_circuits(), 1);
	/* As many at once as an introduction point hands on of one address; and again when nobody
	 * waits for an answer any more. */
	for (int i = 0; i < 4; i++)
		net_send(&asked.from, &asked.to, asked.data, asked.len);
	net_run(5000);
	assert_int_equal(rendezvous_circuits(), 1);
	net_run(60000);
	for (int i = 0; i < 4; i++)
		net_send(&asked.from, &asked.to, asked.data, asked.len);
	net_run(5000);
	assert_int_equal(rendezvous_circuits(), 1);
	assert_int_equal(net_info(seeder, seeding).refused, 8 - 3); /* answered again */
	net_free();
}

/* From the introduction points themselves, which know no limit: straight into the seeder. */
static int
ask_seeder(peel_origin_id over, uint8_t hash, const uint8_t *seeder_pk)
{
	const struct peel_host from = {
		.type = PEEL_HOST_IPV4, .addr = peel_addr_ipv4(20, 5, 3, 4, 20001)};
	uint8_t x[PEEL_X_LEN], d[256];
	const struct peel_msg_create_e2e m = {.identifier = 5,
		.info_hash = net_hash(hash),
		.seeder_pk = {seeder_pk, PEEL_PK_LEN},
		.x = {x, sizeof(x)}};

	for (size_t i = 0; i < sizeof(x); i++)
		x[i] = (uint8_t)net_below(256);
	memcpy(d, net_prefix, PEEL_PREFIX_LEN);
	int len = peel_create_e2e_build(d + PEEL_PREFIX_LEN, sizeof(d) - PEEL_PREFIX_LEN, &m);

	return peel_swarms_datagram(seeder->swarms, over, &from, d, PEEL_PREFIX_LEN + (size_t)len);
}

static void
test_flood_of_create_e2e(void **state)
{
	struct peel_origin_count count;
	peel_origin_id id[3];
	struct peer *before;
	unsigned int most = 0;
	uint64_t ms;

	(void)state;
	scene(16, 1);
	find(1);
	net_wait_peers(downloader, finding, 1, 5000);
	net_wait_peers(seeder, seeding, 1, 1000);
	net_peers(seeder, seeding, &before);
	assert_int_equal(net_circuits(seeder, seeding, PEEL_ORIGIN_IP_SEEDER, id, 3), 3);
	struct peel_swarm_info info = net_info(seeder, seeding);

	/* One introduction point, a minute of 1000 a second. */
	for (int i = 0; i < 600; i++) {
		for (int k = 0; k < 100; k++)
			(void)ask_seeder(id[0], 1, info.seeder_pk);
		net_run(100);
		unsigned int n = net_info(seeder, seeding).pending;

		most = n > most ? n : most;
	}
	assert_in_range(most, 4, 8);
	assert_false(before->gone);
	/* Meanwhile another downloader comes through the others. */
	struct user *late = net_user(NULL, NULL, 64);
	uint32_t swarm = net_join(late, 1, 1, false, true);

	for (ms = 0; net_peers(late, swarm, NULL) == 0 && ms < 60000; ms += 100) {
		for (int k = 0; k < 100; k++)
			(void)ask_seeder(id[0], 1, info.seeder_pk);
		net_run(100);
	}
	assert_int_equal(net_peers(late, swarm, NULL), 1);
	report("connected beside a flood over one introduction point", ms);
	/* All three: still bounded, and nothing that is linked goes. */
	most = 0;
	for (int i = 0; i < 600; i++) {
		for (int k = 0; k < 99; k++)
			(void)ask_seeder(id[k % 3], 1, info.seeder_pk);
		net_run(100);
		unsigned int n = net_info(seeder, seeding).pending;

		most = n > most ? n : most;
	}
	assert_in_range(most, 12, 24);
	peel_origin_count(seeder->origin, &count);
	assert_true(count.extending + count.ready + count.closing < 64);
	assert_false(before->gone);
	assert_int_equal(net_info(seeder, seeding).connections, 2);
	assert_true(net_info(seeder, seeding).refused > 100000);
	net_run(40000);
	assert_int_equal(net_info(seeder, seeding).pending, 0);
	net_check(seeder);
	net_free();
}

/* Another service of the same node has its share, while two of them are flooded over all their
 * introduction points. */
static void
test_flood_leaves_other_services(void **state)
{
	struct peel_swarm_info info[2];
	peel_origin_id id[6];
	uint32_t other;

	(void)state;
	scene(30, 1);
	other = net_join(seeder, 2, 1, true, false);
	net_join(seeder, 3, 1, true, false);
	net_run(5000);
	assert_int_equal(net_circuits(seeder, seeding, PEEL_ORIGIN_IP_SEEDER, id, 3), 3);
	assert_int_equal(net_circuits(seeder, other + 1, PEEL_ORIGIN_IP_SEEDER, id + 3, 3), 3);
	info[0] = net_info(seeder, seeding);
	info[1] = net_info(seeder, other + 1);
	finding = net_join(downloader, 2, 1, false, true);
	uint64_t since = net->now_ms;

	for (int i = 0; i < 600 && net_peers(downloader, finding, NULL) == 0; i++) {
		for (int k = 0; k < 120; k++)
			(void)ask_seeder(id[k % 6], k % 6 < 3 ? 1 : 3, info[k % 6 / 3].seeder_pk);
		net_run(100);
	}
	assert_int_equal(net_peers(downloader, finding, NULL), 1);
	assert_int_equal(net_info(seeder, other).connections, 1);
	report("connected beside floods at two other services", net->now_ms - since);
	net_free();
}

/* Connections that somebody keeps to one service leave others a place. */
static void
test_visitors_leave_other_services(void **state)
{
	struct user *visitor;

	(void)state;
	net_new(16);
	seeder = net_user(NULL, NULL, 16);
	uint32_t crowded = net_join(seeder, 1, 1, true, false);

	seeding = net_join(seeder, 2, 1, true, false);
	for (unsigned int i = 0; i < 6; i++) {
		visitor = net_user(NULL, NULL, 64);
		net_join(visitor, 1, 1, false, true);
	}
	net_run(60000);
	assert_int_equal(net_info(seeder, crowded).connections, 3);
	visitor = net_user(NULL, NULL, 64);
	finding = net_join(visitor, 2, 1, false, true);
	net_wait_peers(visitor, finding, 1, 60000);
	net_free();
}

/* The same for those that this node finds. */
static void
test_connections_leave_other_services(void **state)
{
	(void)state;
	net_new(16);
	downloader = net_user(NULL, NULL, 8);
	uint32_t crowded = net_join(downloader, 1, 1, false, true);

	finding = net_join(downloader, 2, 1, false, true);
	for (unsigned int i = 0; i < 5; i++) {
		seeder = net_user(NULL, NULL, 64);
		net_join(seeder, 1, 1, true, false);
	}
	net_run(120000);
	assert_int_equal(net_info(downloader, crowded).connections, 3);
	seeder = net_user(NULL, NULL, 64);
	net_join(seeder, 2, 1, true, false);
	net_wait_peers(downloader, finding, 1, 120000);
	assert_int_equal(net_info(downloader, crowded).connections, 3);
	net_free();
}

/* Whatever swarms do and however many peers come, a quarter of all circuits is left to others, and
 * each swarm has what it needs. */
static void
test_room_for_ordinary_circuits(void **state)
{
	struct peel_origin_count count;
	struct user *others[3];
	uint32_t swarm[4];

	(void)state;
	net_new(20);
	struct user *u = net_user(NULL, NULL, 16);

	for (unsigned int i = 0; i < 3; i++)
		others[i] = net_user(NULL, NULL, 256);
	for (uint8_t i = 0; i < 4; i++) {
		swarm[i] = net_join(u, i, 1, true, true);
		for (unsigned int k = 0; k < 3; k++)
			net_join(others[k], i, 1, true, true);
	}
	net_run(60000);
	peel_origin_count(u->origin, &count);
	assert_in_range(count.ready + count.extending, 10, 12);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(net_info(u, swarm[i]).introductions, 1);
		assert_int_not_equal(net_info(u, swarm[i]).looked_up_ms, UINT64_MAX);
	}
	assert_int_equal(peel_origin_build(u->origin, 1), 0);
	net_run(60000);
	assert_true(peel_origin_active(u->origin, 1, NULL, 0) >= 4);
	net_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lying_exits),
		cmocka_unit_test(test_lies_do_not_push_out),
		cmocka_unit_test(test_silent_introduction_points),
		cmocka_unit_test(test_dead_introduction_points),
		cmocka_unit_test(test_refusing_introduction_points),
		cmocka_unit_test(test_dying_rendezvous_point),
		cmocka_unit_test(test_rendezvous_points_that_refuse),
		cmocka_unit_test(test_forged_created_e2e),
		cmocka_unit_test(test_verifying_is_bounded),
		cmocka_unit_test(test_repeated_create_e2e),
		cmocka_unit_test(test_flood_of_create_e2e),
		cmocka_unit_test(test_flood_leaves_other_services),
		cmocka_unit_test(test_visitors_leave_other_services),
		cmocka_unit_test(test_connections_leave_other_services),
		cmocka_unit_test(test_room_for_ordinary_circuits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
