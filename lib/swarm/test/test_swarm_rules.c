/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Rule by rule: joining, limits, times, what is taken from whom, and that swarms share nothing. */
#include <errno.h>

#include "swarm_world.h"

static struct peel_swarm_spec
spec_of(uint8_t hash, unsigned int hops, bool seed, bool find)
{
	struct peel_swarm_spec spec = {.hops = hops, .seed = seed, .find = find};

	memcpy(spec.info_hash, net_hash(hash), PEEL_INFO_HASH_LEN);
	return spec;
}

/* ---- joining and leaving --------------------------------------------------------------------- */

static void
test_join(void **state)
{
	struct peel_swarm_spec spec;
	uint32_t first, swarm;

	(void)state;
	net_new(8);
	struct user *u = net_user(NULL, NULL, 1024);

	spec = spec_of(1, 0, true, true);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), -EINVAL);
	spec.hops = PEEL_HOPS_MAX; /* no room for one more */
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), -EINVAL);
	spec = spec_of(1, 1, false, false);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), -EINVAL);
	spec = spec_of(1, PEEL_HOPS_MAX - 1, true, false);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &first), 0);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), -EEXIST);
	assert_int_equal(peel_swarm_leave(u->swarms, first), 0);
	assert_int_equal(peel_swarm_leave(u->swarms, first), -ENOENT);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), 0);
	assert_int_not_equal(swarm, first);
	for (int i = 1; i < PEEL_SWARMS_MAX; i++) {
		spec.info_hash[1] = (uint8_t)(spec.info_hash[1] + 1);
		assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), 0);
	}
	spec.info_hash[2] = 7;
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), -ENOSPC);
	net_free();
}

static void
test_given_key_is_kept(void **state)
{
	struct peel_swarm_spec spec = spec_of(1, 1, true, false);
	struct peel_identity key;
	uint32_t swarm;

	(void)state;
	net_new(8);
	struct user *u = net_user(NULL, NULL, 64);

	assert_int_equal(peel_identity_generate(&u->env, &key), 0);
	spec.key = &key;
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), 0);
	u->tick_ms = net->now_ms;
	net_run(3000);
	assert_memory_equal(net_info(u, swarm).seeder_pk, key.pk, PEEL_PK_LEN);
	assert_memory_equal(net->dht[0].introduction.seeder_pk, key.pk, PEEL_PK_LEN);
	net_free();
}

/* Whoever sees a key in two places knows that it is one node. */
static void
test_key_of_another(void **state)
{
	struct peel_swarm_spec spec = spec_of(1, 1, true, false);
	struct peel_identity key;
	uint32_t swarm, other;

	(void)state;
	net_new(8);
	struct user *u = net_user(NULL, NULL, 64);

	spec.key = &u->id;
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), -EKEYREJECTED);
	assert_int_equal(peel_identity_generate(&u->env, &key), 0);
	spec.key = &key;
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &swarm), 0);
	memcpy(spec.info_hash, net_hash(2), PEEL_INFO_HASH_LEN);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &other), -EKEYREJECTED);
	assert_int_equal(peel_swarm_leave(u->swarms, swarm), 0);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &other), 0);
	net_free();
}

/* Fresh keys differ, and none is the node's own. */
static void
test_fresh_keys(void **state)
{
	(void)state;
	net_new(8);
	struct user *u = net_user(NULL, NULL, 64);
	uint32_t one = net_join(u, 1, 1, true, false), two = net_join(u, 2, 1, true, false);

	assert_memory_not_equal(
		net_info(u, one).seeder_pk, net_info(u, two).seeder_pk, PEEL_PK_LEN);
	assert_memory_not_equal(net_info(u, one).seeder_pk, u->id.pk, PEEL_PK_LEN);
	net_free();
}

static unsigned int n_destroys;

static bool
count_destroys(struct flying *p)
{
	if (peel_addr_equal(&p->from, &net->user[0]->addr) &&
		p->data[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY)
		n_destroys++;
	return true;
}

static void
test_leaving_closes_everything(void **state)
{
	struct peel_origin_count count;

	(void)state;
	net_new(12);
	struct user *u = net_user(NULL, NULL, 64), *other = net_user(NULL, NULL, 64);
	uint32_t seeding = net_join(u, 1, 1, true, true);

	net_join(other, 1, 1, true, true);
	net_wait_peers(u, seeding, 2, 10000);
	net->tap = count_destroys;
	n_destroys = 0;
	peel_origin_count(u->origin, &count);
	assert_int_equal(count.ready, 1 + 3 + 2);
	assert_int_equal(peel_swarm_leave(u->swarms, seeding), 0);
	assert_int_equal(n_destroys, 6);
	assert_int_equal(net_peers(u, seeding, NULL), 0);
	net_run(6000);
	peel_origin_count(u->origin, &count);
	assert_int_equal(count.ready + count.extending + count.closing, 0);
	net_check(u);
	net_free();
}

/* ---- settings -------------------------------------------------------------------------------- */

static unsigned int n_asked;
static uint64_t asked_ms[64];

static bool
note_requests(struct relay *r, const struct peel_route *route, const uint8_t *msg, size_t len)
{
	(void)r;
	(void)route;
	if (len == 0 || msg[0] != PEEL_MSG_PEERS_REQUEST || n_asked == 64)
		return true;
	asked_ms[n_asked++] = net->now_ms;
	return true;
}

static void
look_ups_every(uint32_t interval)
{
	const struct peel_swarm_settings s = {.lookup_interval = interval, .connection_limit = 15};

	net_new(8);
	net->at_end = note_requests;
	n_asked = 0;
	struct user *u = net_user(&s, NULL, 64);
	uint32_t swarm = net_join(u, 1, 1, false, true);

	net_run(1000);
	assert_int_equal(n_asked, 1); /* at once */
	assert_in_range(net_info(u, swarm).looked_up_ms, 0, 1000);
	/* Nothing is found, so the circuit is replaced now and then, and then asks at once. */
	net_run(10000ull * interval);
	assert_in_range(n_asked, 9, 22);
	assert_int_equal(net_stat(u, PEEL_SWARM_LOOKUPS), n_asked);
	/* Twice early, as others may have joined just now, too. */
	const uint64_t wanted[] = {4000, 8000, 1000 * interval};

	for (unsigned int i = 0; i < PEEL_ARRAY_LEN(wanted); i++)
		assert_in_range(
			asked_ms[i + 1] - asked_ms[i], wanted[i], wanted[i] * 11 / 10 + 100);
	net_free();
}

static void
test_lookup_interval(void **state)
{
	(void)state;
	look_ups_every(30);
	look_ups_every(70);
}

static void
limited_to(uint32_t limit, unsigned int found)
{
	const struct peel_swarm_settings s = {.lookup_interval = 30, .connection_limit = limit};
	uint64_t before;

	net_new(24);
	struct user *u = net_user(&s, NULL, 64);

	for (int i = 0; i < 4; i++)
		net_join(net_user(NULL, NULL, 64), 1, 1, true, false);
	net_run(5000);
	uint32_t swarm = net_join(u, 1, 1, false, true);

	net_wait_peers(u, swarm, found, 60000);
	before = net_stat(u, PEEL_SWARM_LOOKUPS);
	net_run(120000);
	assert_int_equal(net_peers(u, swarm, NULL), found);
	/* With all that it may have, nothing is looked up. */
	if (found == limit)
		assert_int_equal(net_stat(u, PEEL_SWARM_LOOKUPS), before);
	else
		assert_in_range(net_stat(u, PEEL_SWARM_LOOKUPS) - before, 3, 4);
	assert_true(net_info(u, swarm).seeders >= found);
	net_free();
}

static void
test_connection_limit(void **state)
{
	(void)state;
	limited_to(1, 1);
	limited_to(2, 2);
	limited_to(15, 4);
}

static void
test_max_time_ip(void **state)
{
	struct peel_origin_settings s;
	peel_origin_id before[3], after[4];
	unsigned int n, kept = 0;

	(void)state;
	peel_origin_settings_init(&s);
	s.max_time = 60;
	s.max_time_ip = 400;
	net_new(20);
	struct user *u = net_user(NULL, &s, 64);
	uint32_t swarm = net_join(u, 1, 1, true, false);

	net_run(5000);
	assert_int_equal(net_circuits(u, swarm, PEEL_ORIGIN_IP_SEEDER, before, 3), 3);
	net_run(270000);
	assert_int_equal(net_circuits(u, swarm, PEEL_ORIGIN_IP_SEEDER, after, 3), 3);
	for (int i = 0; i < 3; i++)
		assert_true(
			before[i] == after[0] || before[i] == after[1] || before[i] == after[2]);
	/* Each is replaced before its end, none at the same time as another. */
	for (int i = 0; i < 1250; i++) {
		net_run(100);
		assert_in_range(net_info(u, swarm).introductions, 3, 4);
	}
	n = net_circuits(u, swarm, PEEL_ORIGIN_IP_SEEDER, after, 4);
	for (unsigned int i = 0; i < n; i++)
		kept += before[0] == after[i] || before[1] == after[i] || before[2] == after[i];
	assert_int_equal(kept, 0);
	net_free();
}

/* ---- who connects to whom -------------------------------------------------------------------- */

static void
test_never_to_oneself(void **state)
{
	unsigned int asked = 0;

	(void)state;
	net_new(12);
	struct user *u = net_user(NULL, NULL, 64);
	uint32_t swarm = net_join(u, 1, 1, true, true);

	net_run(200000);
	for (unsigned int i = 0; i < net->n_relays; i++)
		asked += net->relay[i]->n_create_e2e;
	assert_int_equal(asked, 0);
	assert_int_equal(net_info(u, swarm).known, 0);
	assert_int_equal(net_info(u, swarm).introductions, 3);
	net_free();
}

static void
test_both_find_each_other(void **state)
{
	(void)state;
	net_new(12);
	struct user *a = net_user(NULL, NULL, 64), *b = net_user(NULL, NULL, 64);
	uint32_t swarm_a = net_join(a, 1, 1, true, true), swarm_b = net_join(b, 1, 2, true, true);

	net_wait_peers(a, swarm_a, 2, 60000);
	net_wait_peers(b, swarm_b, 2, 1000);
	net_free();
}

static void
test_other_hash_other_swarm(void **state)
{
	(void)state;
	net_new(12);
	struct user *a = net_user(NULL, NULL, 64), *b = net_user(NULL, NULL, 64);

	net_join(a, 1, 1, true, false);
	uint32_t swarm = net_join(b, 2, 1, false, true);

	net_run(60000);
	assert_int_equal(net_info(b, swarm).known, 0);
	assert_int_equal(net_peers(b, swarm, NULL), 0);
	net_free();
}

/* However many services there are, each can be found, finds others and has peers; one more than
 * that is refused. */
static void
test_many_services(void **state)
{
	struct peel_swarm_spec spec = spec_of(1, 1, true, true);
	uint32_t swarm[16], other[16];

	(void)state;
	net_new(30);
	struct user *u = net_user(NULL, NULL, 64), *v = net_user(NULL, NULL, 1024);

	for (uint8_t i = 0; i < 16; i++)
		swarm[i] = net_join(u, i, 1, true, true);
	memcpy(spec.info_hash, net_hash(16), PEEL_INFO_HASH_LEN);
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &other[0]), -ENOSPC);
	spec.find = false;
	assert_int_equal(peel_swarm_join(u->swarms, &spec, &other[0]), -ENOSPC);
	net_run(20000);
	for (unsigned int i = 0; i < 16; i++) {
		assert_int_equal(net_info(u, swarm[i]).introductions, 1);
		assert_int_not_equal(net_info(u, swarm[i]).looked_up_ms, UINT64_MAX);
	}
	for (uint8_t i = 0; i < 16; i += 5)
		other[i] = net_join(v, i, 1, false, true);
	for (unsigned int i = 0; i < 16; i += 5)
		net_wait_peers(v, other[i], 1, 60000);
	/* Those that stay share what the others leave, and give it back. */
	for (unsigned int i = 1; i < 16; i++)
		assert_int_equal(peel_swarm_leave(u->swarms, swarm[i]), 0);
	net_run(5000);
	assert_int_equal(net_info(u, swarm[0]).introductions, 3);
	for (uint8_t i = 1; i < 16; i++)
		net_join(u, i, 1, true, true);
	net_run(20000);
	for (uint32_t i = swarm[15] + 1; i <= swarm[15] + 15; i++)
		assert_int_equal(net_info(u, i).introductions, 1);
	assert_int_equal(net_info(u, swarm[0]).introductions, 1);
	net_free();
}

/* ---- nothing of one swarm is another's ------------------------------------------------------- */

struct use {
	struct relay *relay;
	uint32_t session;
	uint8_t hash;
};
static struct use uses[512];
static unsigned int n_uses;

static const uint8_t *
hash_in(const uint8_t *msg, size_t len)
{
	struct peel_msg_data m;

	switch (msg[0]) {
	case PEEL_MSG_ESTABLISH_INTRO:
	case PEEL_MSG_PEERS_REQUEST:
		return msg + 3;
	case PEEL_MSG_DATA:
		if (peel_data_parse(msg + 1, len - 1, &m) != 0)
			return NULL;
		if (m.payload.p[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E)
			return m.payload.p + PEEL_HEADER_LEN + 2;
		if (m.payload.p[PEEL_PREFIX_LEN] == PEEL_MSG_PEERS_REQUEST)
			return m.payload.p + PEEL_HEADER_LEN + 6;
	}
	return NULL;
}

static bool
note_use(struct relay *r, const struct peel_route *route, const uint8_t *msg, size_t len)
{
	const uint8_t *hash = hash_in(msg, len);

	if (hash == NULL)
		return true;
	for (unsigned int i = 0; i < n_uses; i++) {
		if (uses[i].relay == r && uses[i].session == route->session) {
			assert_int_equal(uses[i].hash, hash[0]);
			return true;
		}
	}
	assert_true(n_uses < PEEL_ARRAY_LEN(uses));
	uses[n_uses++] = (struct use){r, route->session, hash[0]};
	return true;
}

static void
test_swarms_share_nothing(void **state)
{
	peel_origin_id id[9], ordinary[8];
	bool peer;

	(void)state;
	net_new(30);
	net->at_end = note_use;
	n_uses = 0;
	struct user *u = net_user(NULL, NULL, 128), *other = net_user(NULL, NULL, 128);

	assert_int_equal(peel_origin_build(u->origin, 1), 0);
	for (uint8_t hash = 1; hash <= 3; hash++) {
		net_join(u, hash, 1, true, true);
		net_join(other, hash, 1, true, true);
	}
	net_run(60000);
	assert_true(n_uses >= 2 * 3 * (3 + 1));
	unsigned int n = 0;

	for (uint32_t swarm = 1; swarm <= 3; swarm++) {
		assert_int_equal(net_info(u, swarm).connections, 2);
		n += net_circuits(u, swarm, PEEL_ORIGIN_IP_SEEDER, id + n, 9 - n);
	}
	assert_int_equal(n, 9);
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < i; k++)
			assert_ptr_not_equal(net_end(u, id[i]), net_end(u, id[k]));
	}
	/* Ordinary data takes ordinary circuits. */
	n = (unsigned int)peel_origin_active(u->origin, 0, ordinary, 8);
	assert_int_equal(n, 8);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(peel_swarm_of_circuit(u->swarms, ordinary[i], &peer), 0);
	net_free();
}

/* ---- what gets lost -------------------------------------------------------------------------- */

static uint8_t losing; /* this message, or its answer */
static bool losing_answer;
static unsigned int to_lose; /* how many more */
static struct relay *muted;  /* what it sends next is lost */

static bool
lose_message(struct relay *r, const struct peel_route *route, const uint8_t *msg, size_t len)
{
	(void)route;
	if (len == 0 || msg[0] != losing || to_lose == 0)
		return true;
	to_lose--;
	if (losing_answer)
		muted = r;
	return losing_answer;
}

static bool
lose_datagram(struct flying *p)
{
	if (muted != NULL && peel_addr_equal(&p->from, &muted->addr)) {
		muted = NULL;
		return false;
	}
	if (p->data[PEEL_PREFIX_LEN] != losing || to_lose == 0)
		return true;
	to_lose--;
	return false;
}

/* Lost so often, everything takes so much longer. */
static void
test_lost_messages(void **state)
{
	static const struct {
		uint8_t id;
		bool answer;
		unsigned int n;
		uint64_t at_least_ms, at_most_ms; /* after the seeder has joined */
	} cases[] = {
		{PEEL_MSG_CELL, false, 0, 0, 5600}, /* nothing */
		{PEEL_MSG_ESTABLISH_RENDEZVOUS, false, 1, 6500, 7200},
		{PEEL_MSG_ESTABLISH_RENDEZVOUS, true, 1, 6500, 7200},
		{PEEL_MSG_ESTABLISH_RENDEZVOUS, false, 3, 8000, 8700}, /* asked elsewhere */
		{PEEL_MSG_LINK_E2E, false, 1, 7500, 8200},
		{PEEL_MSG_LINK_E2E, false, 2, 10000, 10700},
		{PEEL_MSG_LINK_E2E, true, 1, 12500, 13200},  /* pings tell */
		{PEEL_MSG_CREATE_E2E, false, 1, 8000, 8700}, /* another introduction point */
		{PEEL_MSG_CREATED_E2E, false, 1, 8000, 8700},
		{PEEL_MSG_CREATED_E2E, false, 2, 10000, 10700},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		net_new(16);
		net->at_end = lose_message;
		net->tap = lose_datagram;
		losing = cases[i].id;
		losing_answer = cases[i].answer;
		to_lose = cases[i].n;
		struct user *seeder = net_user(NULL, NULL, 64), *u = net_user(NULL, NULL, 64);
		uint64_t since = net->now_ms;

		net_join(seeder, 1, 1, true, false);
		net_run(5000);
		net_wait_peers(u, net_join(u, 1, 1, false, true), 1, 30000);
		assert_in_range(net->now_ms - since, cases[i].at_least_ms, cases[i].at_most_ms);
		assert_int_equal(to_lose, 0);
		net_free();
	}
}

static void
test_lost_introductions(void **state)
{
	(void)state;
	for (int answer = 0; answer < 2; answer++) {
		net_new(16);
		net->at_end = lose_message;
		net->tap = lose_datagram;
		losing = PEEL_MSG_ESTABLISH_INTRO;
		losing_answer = answer;
		to_lose = 3;
		struct user *u = net_user(NULL, NULL, 64);
		uint32_t swarm = net_join(u, 1, 1, true, false);

		net_run(2500);
		assert_int_equal(net_info(u, swarm).introductions, 0);
		net_run(1500);
		assert_int_equal(net_info(u, swarm).introductions, 3);
		net_free();
	}
}

/* ---- what is taken --------------------------------------------------------------------------- */

static size_t
datagram(uint8_t *out, uint8_t id, size_t body)
{
	memcpy(out, net_prefix, PEEL_PREFIX_LEN);
	out[PEEL_PREFIX_LEN] = id;
	memset(out + PEEL_HEADER_LEN, 0, body);
	return PEEL_HEADER_LEN + body;
}

static void
test_input(void **state)
{
	const struct peel_host from = {
		.type = PEEL_HOST_IPV4, .addr = peel_addr_ipv4(20, 1, 3, 4, 20001)};
	const uint8_t established[] = {PEEL_MSG_INTRO_ESTABLISHED, 0, 0},
		      linked[] = {PEEL_MSG_LINKED_E2E, 0, 0}, pong[] = {PEEL_MSG_PONG, 0, 0};
	uint8_t d[512];
	peel_origin_id introduction, questions;
	size_t len;

	(void)state;
	net_new(12);
	struct user *u = net_user(NULL, NULL, 64);
	uint32_t swarm = net_join(u, 1, 1, true, true);
	struct peel_swarms *s = u->swarms;

	net_run(5000);
	questions = net_questions(u, swarm);
	assert_int_equal(net_circuits(u, swarm, PEEL_ORIGIN_IP_SEEDER, &introduction, 1), 3);
	/* no circuit of a swarm, or no message of ours */
	assert_int_equal(peel_swarms_message(s, 99, established, 3), -ENOENT);
	assert_int_equal(peel_swarms_message(s, questions + (1ull << 32), established, 3), -ENOENT);
	assert_int_equal(peel_swarms_message(s, questions, pong, 3), -ENOENT);
	assert_int_equal(peel_swarms_message(s, questions, pong, 0), -ENOENT);
	/* answers that nobody waits for, on circuits of any kind */
	assert_int_equal(peel_swarms_message(s, questions, established, 3), -EBADMSG);
	assert_int_equal(peel_swarms_message(s, introduction, established, 3), -EBADMSG);
	assert_int_equal(peel_swarms_message(s, introduction, linked, 3), -EBADMSG);
	len = datagram(d, PEEL_MSG_CREATE_E2E, 200);
	assert_int_equal(peel_swarms_datagram(s, questions, &from, d, len), -EBADMSG); /* W2 */
	assert_int_equal(peel_swarms_datagram(s, introduction, &from, d, len), -EBADMSG);
	len = datagram(d, PEEL_MSG_CREATED_E2E, 200);
	assert_int_equal(peel_swarms_datagram(s, introduction, &from, d, len), -EBADMSG);
	assert_int_equal(peel_swarms_datagram(s, questions, &from, d, len), -EBADMSG);
	len = datagram(d, PEEL_MSG_PEERS_RESPONSE, 27);
	assert_int_equal(peel_swarms_datagram(s, questions, &from, d, len), -EBADMSG);
	len = datagram(d, PEEL_MSG_CREATE, 27);
	assert_int_equal(peel_swarms_datagram(s, questions, &from, d, len), -ENOENT); /* W2 */
	assert_int_equal(peel_swarms_datagram(s, questions, &from, d, 3), -ENOENT);
	d[5] ^= 1; /* another overlay's */
	assert_int_equal(peel_swarms_datagram(s, questions, &from, d, len), -ENOENT);
	assert_false(peel_swarms_heard(s, questions));
	assert_false(peel_swarms_heard(s, 99));
	net_free();
}

/* An introduction point that does not know its own address is the only exit, and so the end of the
 * circuit: it tells of itself, but not where it is. */
static struct user *asking;
static uint32_t asking_swarm;
static uint8_t told_key[PEEL_PK_LEN];

static bool
tell_of_itself(struct relay *r, const struct peel_route *route, const uint8_t *msg, size_t len)
{
	struct peel_msg_peers_request q;
	uint8_t out[512];

	(void)route;
	if (len == 0 || msg[0] != PEEL_MSG_PEERS_REQUEST)
		return true;
	assert_int_equal(peel_peers_request_parse(msg + 1, len - 1, false, &q), 0);
	const struct peel_msg_peers_response m = {
		.identifier = q.identifier,
		.info_hash = q.info_hash,
		.n = 1,
		.peer[0] = {.address = peel_addr_ipv4(0, 0, 0, 0, 0),
			.pk = {r->id.pk, PEEL_PK_LEN},
			.seeder_pk = {told_key, PEEL_PK_LEN},
			.source = PEEL_SOURCE_PEX},
	};
	int n = peel_peers_response_build(out, sizeof(out), false, &m);

	assert_true(n > 0);
	assert_int_equal(peel_swarms_message(asking->swarms, net_questions(asking, asking_swarm),
				 out, (size_t)n),
		0);
	return true;
}

static void
test_end_is_introduction_point(void **state)
{
	(void)state;
	net_new(0);
	net_relay(peel_addr_ipv4(20, 1, 3, 1, 8090), PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT);
	for (uint8_t i = 2; i < 6; i++)
		net_relay(peel_addr_ipv4((uint8_t)(20 + i), 1, 3, i, 8090), PEEL_FLAG_RELAY);
	struct user *seeder = net_user(NULL, NULL, 64);
	uint32_t seeding = net_join(seeder, 1, 1, true, false);

	net_run(5000);
	memcpy(told_key, net_info(seeder, seeding).seeder_pk, sizeof(told_key));
	net->at_end = tell_of_itself;
	asking = net_user(NULL, NULL, 64);
	asking_swarm = net_join(asking, 1, 1, false, true);
	net_wait_peers(asking, asking_swarm, 1, 10000);
	net_free();
}

static uint8_t other_key[PEEL_PK_LEN];
static const struct relay *other_point;

/* Of a seeder that it introduces itself, and of one that another relay introduces. */
static bool
tell_of_two(struct relay *r, const struct peel_route *route, const uint8_t *msg, size_t len)
{
	struct peel_msg_peers_request q;
	uint8_t out[1024];

	(void)route;
	if (len == 0 || msg[0] != PEEL_MSG_PEERS_REQUEST)
		return true;
	assert_int_equal(peel_peers_request_parse(msg + 1, len - 1, false, &q), 0);
	const struct peel_msg_peers_response m = {
		.identifier = q.identifier,
		.info_hash = q.info_hash,
		.n = 2,
		.peer = {{.address = r->addr,
				 .pk = {r->id.pk, PEEL_PK_LEN},
				 .seeder_pk = {told_key, PEEL_PK_LEN},
				 .source = PEEL_SOURCE_PEX},
			{.address = other_point->addr,
				.pk = {other_point->id.pk, PEEL_PK_LEN},
				.seeder_pk = {other_key, PEEL_PK_LEN},
				.source = PEEL_SOURCE_PEX}},
	};
	int n = peel_peers_response_build(out, sizeof(out), false, &m);

	assert_true(n > 0);
	(void)peel_swarms_message(
		asking->swarms, net_questions(asking, asking_swarm), out, (size_t)n);
	return true;
}

/* The circuit is not replaced again and again because its end introduces one of the seeders, and
 * not while another one may still answer. */
static void
test_end_introduces_one_of_two(void **state)
{
	peel_origin_id id[3];

	(void)state;
	net_new(0);
	net_relay(peel_addr_ipv4(20, 1, 3, 1, 8090), PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT);
	for (uint8_t i = 2; i < 6; i++)
		net_relay(peel_addr_ipv4((uint8_t)(20 + i), 1, 3, i, 8090), PEEL_FLAG_RELAY);
	struct user *seeder = net_user(NULL, NULL, 64), *other = net_user(NULL, NULL, 64);
	uint32_t seeding = net_join(seeder, 1, 1, true, false);
	uint32_t other_seeding = net_join(other, 1, 1, true, false);

	net_run(5000);
	memcpy(told_key, net_info(seeder, seeding).seeder_pk, sizeof(told_key));
	memcpy(other_key, net_info(other, other_seeding).seeder_pk, sizeof(other_key));
	assert_int_equal(net_circuits(other, other_seeding, PEEL_ORIGIN_IP_SEEDER, id, 3), 3);
	other_point = net_end(other, id[0]);
	if (other_point == net->relay[0])
		other_point = net_end(other, id[1]);
	net->at_end = tell_of_two;
	asking = net_user(NULL, NULL, 64);
	asking_swarm = net_join(asking, 1, 1, false, true);
	net_wait_peers(asking, asking_swarm, 2, 20000);
	assert_in_range(net_stat(asking, PEEL_OWN_BEGUN), 3, 10);
	net_free();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_given_key_is_kept),
		cmocka_unit_test(test_key_of_another),
		cmocka_unit_test(test_fresh_keys),
		cmocka_unit_test(test_leaving_closes_everything),
		cmocka_unit_test(test_lookup_interval),
		cmocka_unit_test(test_connection_limit),
		cmocka_unit_test(test_max_time_ip),
		cmocka_unit_test(test_never_to_oneself),
		cmocka_unit_test(test_both_find_each_other),
		cmocka_unit_test(test_other_hash_other_swarm),
		cmocka_unit_test(test_many_services),
		cmocka_unit_test(test_swarms_share_nothing),
		cmocka_unit_test(test_lost_messages),
		cmocka_unit_test(test_lost_introductions),
		cmocka_unit_test(test_input),
		cmocka_unit_test(test_end_is_introduction_point),
		cmocka_unit_test(test_end_introduces_one_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
