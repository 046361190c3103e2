/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Users on a bad network, for hours: swarms, circuits and peers come and go, what is said of them
 * stays true, and all recovers once the network does. */
#include <errno.h>

#include "swarm_world.h"

#define N_RELAYS 14
#define N_USERS 3
#define N_HASHES 3

static uint32_t joined[N_USERS][N_HASHES];
static uint64_t n_words;
static const char *const names[N_HASHES] = {"first", "second", "third"};

static uint32_t
below(uint32_t n)
{
	return (uint32_t)net_below(n);
}

static bool
spoil_some(struct flying *p)
{
	if (below(50) == 0 && p->len > PEEL_CELL_MIN)
		p->data[below((uint32_t)p->len)] ^= (uint8_t)(1 + below(255));
	return true;
}

static void
random_relay(void)
{
	struct relay *r = net->relay[below(N_RELAYS)];
	uint32_t what = below(8);

	r->dead = what == 0;
	r->secretive = what == 1;
	r->silent = what == 2;
	r->forgetful = what == 3;
}

static void
random_join(void)
{
	uint32_t who = below(N_USERS), hash = below(N_HASHES), role = 1 + below(3);
	struct user *u = net->user[who];
	struct peel_swarm_spec spec = {.hops = 1 + below(2), .seed = role & 1, .find = role & 2};
	uint32_t swarm;

	memcpy(spec.info_hash, net_hash((uint8_t)hash), PEEL_INFO_HASH_LEN);
	int ret = peel_swarm_join(u->swarms, &spec, &swarm);

	assert_int_equal(ret, joined[who][hash] == 0 ? 0 : -EEXIST);
	if (ret == 0)
		joined[who][hash] = swarm;
}

static void
random_leave(void)
{
	uint32_t who = below(N_USERS), hash = below(N_HASHES);
	struct user *u = net->user[who];
	uint32_t swarm = joined[who][hash];

	if (swarm == 0)
		return;
	assert_int_equal(peel_swarm_leave(u->swarms, swarm), 0);
	assert_int_equal(peel_swarm_leave(u->swarms, swarm), -ENOENT);
	assert_int_equal(net_peers(u, swarm, NULL), 0);
	joined[who][hash] = 0;
}

static void
random_data(void)
{
	uint32_t who = below(N_USERS), hash = below(N_HASHES);
	struct peer *p;

	if (net_peers(net->user[who], joined[who][hash], &p) > 0)
		net_data(net->user[who], p, names[hash]);
}

static void
random_step(void)
{
	switch (below(16)) {
	case 0:
		random_relay();
		break;
	case 1:
		random_join();
		break;
	case 2:
		if (below(3) == 0)
			random_leave();
		break;
	default:
		random_data();
	}
}

/* What peers say is about their service: nobody meets others than those of the same. */
static void
check_words(const struct user *u, uint32_t swarm, const char *name)
{
	for (unsigned int i = 0; i < u->n_peers; i++) {
		const struct peer *p = &u->peer[i];

		if (p->swarm != swarm || p->n_data == 0)
			continue;
		assert_int_equal(p->data_len, strlen(name));
		assert_memory_equal(p->data, name, p->data_len);
		n_words++;
	}
}

static void
forget_gone(struct user *u)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < u->n_peers; i++) {
		if (!u->peer[i].gone)
			u->peer[n++] = u->peer[i];
	}
	u->n_peers = n;
}

static void
check_all(void)
{
	for (uint32_t who = 0; who < N_USERS; who++) {
		struct user *u = net->user[who];

		net_check(u);
		for (uint32_t hash = 0; hash < N_HASHES; hash++) {
			if (joined[who][hash] == 0)
				continue;
			struct peel_swarm_info info = net_info(u, joined[who][hash]);

			check_words(u, joined[who][hash], names[hash]);
			assert_int_equal(info.connections, net_peers(u, joined[who][hash], NULL));
			assert_true(info.introductions <= 3);
			assert_true(info.seeders <= info.known);
			if (!info.find)
				assert_int_equal(info.known, 0);
			if (!info.seed)
				assert_int_equal(info.introductions, 0);
		}
		if (u->n_peers > PEERS_MAX / 2)
			forget_gone(u);
	}
}

static void
recover(void)
{
	net->tap = NULL;
	net->loss_percent = 0;
	for (unsigned int i = 0; i < N_RELAYS; i++)
		net->relay[i]->dead = net->relay[i]->secretive = net->relay[i]->silent =
			net->relay[i]->forgetful = false;
	for (uint32_t who = 0; who < N_USERS; who++) {
		for (uint32_t hash = 0; hash < N_HASHES; hash++) {
			if (joined[who][hash] != 0)
				(void)peel_swarm_leave(net->user[who]->swarms, joined[who][hash]);
		}
	}
	for (uint32_t hash = 0; hash < N_HASHES; hash++) {
		joined[0][hash] = net_join(net->user[0], (uint8_t)hash, 1, true, false);
		joined[1][hash] = net_join(net->user[1], (uint8_t)hash, 2, false, true);
		joined[2][hash] = net_join(net->user[2], (uint8_t)hash, 1, true, true);
	}
	/* Who was not announced yet is found with the next look-up in the DHT, 300 s later. */
	net_run(600000);
	check_all();
	for (uint32_t hash = 0; hash < N_HASHES; hash++) {
		/* one of each way for those that seed and find, too */
		net_wait_peers(net->user[0], joined[0][hash], 2, 60000);
		net_wait_peers(net->user[1], joined[1][hash], 2, 60000);
		net_wait_peers(net->user[2], joined[2][hash], 2, 60000);
		assert_in_range(net_info(net->user[0], joined[0][hash]).introductions, 3, 4);
	}
}

static void
test_bad_network(void **state)
{
	uint64_t connected = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct peel_origin_settings s;

		peel_origin_settings_init(&s);
		s.max_time = 300;
		s.max_time_ip = 600;
		memset(joined, 0, sizeof(joined));
		net_new(N_RELAYS);
		net->random_state = seed * 77777;
		for (int i = 0; i < N_USERS; i++)
			net_user(NULL, &s, 40);
		net->loss_percent = 3 * ((unsigned int)seed - 1);
		net->repeat_percent = 10;
		net->delay_max_ms = 200;
		net->tap = spoil_some;
		for (int i = 0; i < 2000; i++) {
			random_step();
			net_run(below(2000));
			check_all();
		}
		for (int i = 0; i < N_USERS; i++)
			connected += net_stat(net->user[i], PEEL_SWARM_PEERS);
		recover();
		net_free();
	}
	assert_true(connected > 100);
	assert_true(n_words > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_network),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
