/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* What strangers may try, and a model of what is promised to whom. */
#include <stdlib.h>

#include "scene.h"

#define N_CIRCUITS 300

static struct originator circuits[N_CIRCUITS];

static void
circuit(struct scene *s, struct originator *o, uint32_t host, uint32_t cid)
{
	originator_init(
		o, peel_addr_ipv4(198, 51, (uint8_t)(host >> 8), (uint8_t)host, 8090), 1000 + cid);
	drain(s->n); /* answers that nobody has looked at */
	exit_make(s->n, o, cid);
}

static void
open_scene(struct scene *s, uint32_t max)
{
	struct peel_or_settings settings;

	peel_or_settings_init(&settings);
	settings.max_joined_circuits = max;
	settings.create_rate = settings.create_rate_per_source = 0;
	scene_open(s, peel_addr_ipv4(192, 0, 2, 11, 8090), NULL, &settings,
		peel_or_sessions(&settings));
}

/* W12: who was first keeps key and cookie, whatever others say; the same holds for cookies. */
static void
test_squatters_get_nothing(void **state)
{
	struct peel_addr asker = peel_addr_ipv4(203, 0, 113, 5, 40000);
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	for (uint32_t i = 0; i < 3; i++)
		circuit(&s, &circuits[i], i + 1, i + 1);
	assert_int_equal(say_establish_intro(&s, &circuits[0], 1, 1), 0);
	assert_int_equal(say_cookie(&s, &circuits[0], PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), 0);
	drain(s.n);
	assert_int_equal(say_establish_intro(&s, &circuits[1], 1, 1), -EBADMSG);
	assert_int_equal(say_establish_intro(&s, &circuits[1], 1, 2), -EBADMSG);
	assert_int_equal(say_cookie(&s, &circuits[1], PEEL_MSG_ESTABLISH_RENDEZVOUS, 1), -EBADMSG);
	assert_int_equal(s.n->n_sent, 0);
	assert_int_equal(say_create_e2e(&s, &asker, 1, 1), 0);
	assert_true(scene_answer(&s, &circuits[0], msg) > 0);
	scene_close(&s);
}

/* One circuit that wants everything gets four. */
static void
test_limit_of_a_circuit(void **state)
{
	unsigned int n = 0;
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	circuit(&s, &circuits[0], 1, 1);
	for (uint32_t i = 0; i < 1000; i++) {
		n += say_establish_intro(&s, &circuits[0], i, (uint8_t)i) == 0;
		n += say_cookie(&s, &circuits[0], PEEL_MSG_ESTABLISH_RENDEZVOUS, i) == 0;
	}
	assert_int_equal(n, 8);
	assert_int_equal(scene_count(&s).introductions, 4);
	assert_int_equal(scene_count(&s).rendezvous, 4);
	scene_close(&s);
}

/*
 * One neighbour's circuits take all places; whoever comes from elsewhere finds one all the same,
 * and keeps it however much more the first one asks.
 */
static void
test_flood_of_one_neighbour(void **state)
{
	const uint32_t max = 64;
	struct peel_addr asker = peel_addr_ipv4(203, 0, 113, 5, 40000);
	struct scene s;

	(void)state;
	open_scene(&s, max);
	for (uint32_t i = 0; i < 40; i++) {
		circuit(&s, &circuits[i], 7, i + 1);
		for (uint32_t k = 0; k < 4; k++)
			(void)say_establish_intro(&s, &circuits[i], 4 * i + k, 1);
	}
	assert_int_equal(scene_count(&s).introductions, max);
	for (uint32_t i = 0; i < 10; i++) {
		circuit(&s, &circuits[50 + i], 100 + i, 100 + i);
		assert_int_equal(say_establish_intro(&s, &circuits[50 + i], 5000 + i, 2), 0);
	}
	drain(s.n);
	for (uint32_t i = 0; i < 40; i++) {
		for (uint32_t k = 0; k < 4; k++)
			(void)say_establish_intro(&s, &circuits[i], 9000 + 4 * i + k, 1);
	}
	drain(s.n);
	for (uint32_t i = 0; i < 10; i++) {
		uint8_t msg[PEEL_DATAGRAM_MAX];

		world_now += 1000;
		assert_int_equal(say_create_e2e(&s, &asker, 5000 + i, 2), 0);
		assert_true(scene_answer(&s, &circuits[50 + i], msg) > 0);
	}
	assert_int_equal(scene_count(&s).introductions, max);
	scene_close(&s);
}

/*
 * Questions for hashes that somebody invents: each circuit, each neighbour and all together have so
 * many look-ups at a time, and a hash under which something was found before still gets one.
 */
static void
test_flood_of_random_hashes(void **state)
{
	struct peel_dht_introduction one = {.address = peel_addr_ipv4(192, 0, 2, 1, 1)};
	uint32_t hash = 1000;
	struct scene s;

	(void)state;
	seeder_key(1, one.pk);
	seeder_key(2, one.seeder_pk);
	open_scene(&s, 100);
	for (uint32_t i = 0; i < 60; i++)
		circuit(&s, &circuits[i], 1 + i / 10, 1 + i);
	assert_int_equal(say_peers_cell(&s, &circuits[50], 1), 0);
	scene_found(&s, &one, 1);
	world_now += 30000;
	drain(s.n);
	s.n_look_ups = 0;
	for (uint32_t i = 0; i < 20; i++)
		assert_int_equal(say_peers_cell(&s, &circuits[0], hash++), 0);
	assert_int_equal(s.n_look_ups, 2); /* of a circuit */
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(say_peers_cell(&s, &circuits[i % 10], hash++), 0);
	assert_int_equal(s.n_look_ups, 3); /* of a neighbour */
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(say_peers_cell(&s, &circuits[i % 50], hash++), 0);
	/* of all; two neighbours that had none got places of those with three */
	assert_int_equal(s.n_look_ups - s.n_cancelled, 9);
	assert_int_equal(s.n_cancelled, 2);
	assert_int_equal(say_peers_cell(&s, &circuits[50], 1), 0);
	assert_int_equal(s.n_look_ups - s.n_cancelled, 10); /* what is known to exist */
	assert_int_equal(scene_count(&s).searches, 10);
	assert_int_equal(s.n->n_sent, 0);
	scene_close(&s);
}

/* Three neighbours whose look-ups never end do not keep another from one of its own. */
static void
test_slow_look_ups_give_way(void **state)
{
	uint8_t first[PEEL_INFO_HASH_LEN] = {0}, msg[PEEL_DATAGRAM_MAX];
	uint32_t hash = 1000;
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	for (uint32_t i = 0; i < 60; i++)
		circuit(&s, &circuits[i], 1 + i / 10, 1 + i);
	for (uint32_t i = 0; i < 30; i++) {
		world_now += 100;
		assert_int_equal(say_peers_cell(&s, &circuits[i], hash++), 0);
	}
	assert_int_equal(s.n_look_ups, 9);
	drain(s.n);
	assert_int_equal(say_peers_cell(&s, &circuits[50], 7), 0);
	assert_int_equal(s.n_look_ups, 10);
	assert_int_equal(s.n_cancelled, 1);
	peel_put_be32(first, 1000);
	assert_memory_equal(s.cancelled, first, sizeof(first));
	/* Whose look-up that was is not told anything; the newcomer is. */
	scene_found(&s, NULL, 0);
	assert_int_equal(scene_answer(&s, &circuits[50], msg), 24);
	assert_int_equal(s.n->n_sent, 0);
	/* Those who have one already get no more of others' places. */
	assert_int_equal(say_peers_cell(&s, &circuits[50], 8), 0);
	assert_int_equal(say_peers_cell(&s, &circuits[51], 9), 0);
	assert_int_equal(s.n_cancelled, 1);
	assert_int_equal(scene_count(&s).searches, 9);
	scene_close(&s);
}

/* A look-up ends with the last circuit that waits for it. */
static void
test_look_up_that_nobody_waits_for(void **state)
{
	uint8_t out[256];
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	for (uint32_t i = 0; i < 2; i++) {
		circuit(&s, &circuits[i], 1 + i, 1 + i);
		assert_int_equal(say_peers_cell(&s, &circuits[i], 1), 0);
	}
	assert_int_equal(s.n_look_ups, 1);
	for (uint32_t i = 0; i < 2; i++) {
		size_t len =
			destroy_build(&circuits[i].id, circuits[i].cid, PEEL_DESTROY_UNNEEDED, out);

		assert_int_equal(s.n_cancelled, 0);
		assert_int_equal(scene_count(&s).searches, 1);
		assert_int_equal(node_input(s.n, &circuits[i].addr, out, len), 0);
		scene_run(&s, 6000);
	}
	assert_int_equal(s.n_cancelled, 1);
	assert_int_equal(scene_count(&s).searches, 0);
	scene_close(&s);
}

/* Look-ups that end at once do not make a neighbour's questions more than one a second, and what
 * was found is not forgotten for hashes under which there is nothing. */
static void
test_flood_of_short_look_ups(void **state)
{
	struct peel_dht_introduction one = {.address = peel_addr_ipv4(192, 0, 2, 1, 1)};
	uint8_t msg[PEEL_DATAGRAM_MAX];
	struct scene s;

	(void)state;
	seeder_key(1, one.pk);
	seeder_key(2, one.seeder_pk);
	open_scene(&s, 100);
	circuit(&s, &circuits[0], 1, 1);
	for (uint32_t i = 0; i < 250; i++)
		circuit(&s, &circuits[1 + i], 2 + i, 2 + i);
	assert_int_equal(say_peers_cell(&s, &circuits[0], 1), 0);
	scene_found(&s, &one, 1);
	for (uint32_t i = 0; i < 250; i++) {
		assert_int_equal(say_peers_cell(&s, &circuits[1 + i], 1000 + i), 0);
		scene_found(&s, NULL, 0);
	}
	assert_int_equal(s.n_look_ups, 251);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(say_peers_cell(&s, &circuits[1], 2000 + i), 0);
		scene_found(&s, NULL, 0);
	}
	assert_int_equal(s.n_look_ups, 260); /* ten of a neighbour at once */
	drain(s.n);
	assert_int_equal(say_peers_cell(&s, &circuits[0], 1), 0);
	assert_int_equal(scene_answer(&s, &circuits[0], msg), 24 + 162);
	scene_close(&s);
}

/* A neighbour that announces without end leaves the DHT to others; what it has is announced bit by
 * bit. */
static void
test_flood_of_announcements(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	for (uint32_t i = 0; i < 20; i++) {
		circuit(&s, &circuits[i], 1, 1 + i);
		assert_int_equal(say_establish_intro(&s, &circuits[i], i, 1), 0);
	}
	assert_int_equal(s.n_announced, 10);
	circuit(&s, &circuits[20], 2, 21);
	assert_int_equal(say_establish_intro(&s, &circuits[20], 20, 1), 0);
	assert_int_equal(s.n_announced, 11);
	for (uint32_t i = 0; i < 12; i++) {
		world_now += 1000;
		peel_hidden_tick(s.h);
	}
	assert_int_equal(s.n_announced, 21);
	scene_close(&s);
}

/* A seeder is asked so often a second, however many ask; who asks too often is not heard. */
static void
test_flood_of_create_e2e(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	circuit(&s, &circuits[0], 1, 1);
	assert_int_equal(say_establish_intro(&s, &circuits[0], 1, 1), 0);
	s.n->sent_total = 0;
	for (uint32_t i = 0; i < 20000; i++) {
		struct peel_addr from =
			peel_addr_ipv4(203, (uint8_t)(i >> 8), (uint8_t)i, 5, 40000);

		world_now += i % 2;
		assert_int_equal(say_create_e2e(&s, &from, 1, 1), 0);
	}
	assert_in_range(s.n->sent_total, 60, 75); /* 10 s: 20 and 5 a second */
	assert_true(node_stat(s.n, PEEL_CONTROL_RATE) > 19000);
	scene_close(&s);
}

/* Whoever asks without end from one address leaves others what they need of a seeder. */
static void
test_one_address_does_not_use_up_a_seeder(void **state)
{
	struct peel_addr loud = peel_addr_ipv4(203, 0, 113, 5, 40000);
	unsigned int heard = 0;
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	circuit(&s, &circuits[0], 1, 1);
	assert_int_equal(say_establish_intro(&s, &circuits[0], 1, 1), 0);
	for (uint32_t i = 0; i < 60000; i++) {
		world_now++;
		loud.port = (uint16_t)(1 + i % 1000);
		assert_int_equal(say_create_e2e(&s, &loud, 1, 1), 0);
		if (i % 2000 != 1999)
			continue;
		struct peel_addr quiet = peel_addr_ipv4(198, 18, 0, 1, 8090);
		uint64_t before = s.n->sent_total;

		assert_int_equal(say_create_e2e(&s, &quiet, 1, 1), 0);
		heard += s.n->sent_total > before;
	}
	assert_int_equal(heard, 30);
	scene_close(&s);
}

/* A circuit that asks without end costs relays before us no more than a few answers; another one of
 * the same neighbour is heard. */
static void
test_flood_of_peers_cells(void **state)
{
	uint64_t before;
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	for (uint32_t i = 0; i < 3; i++)
		circuit(&s, &circuits[i], 1 + i / 2, i + 1);
	uint8_t hash[PEEL_INFO_HASH_LEN] = {0, 0, 0, 1};

	assert_int_equal(say_establish_intro_hash(&s, &circuits[2], 1, hash), 0);
	before = s.n->sent_total;
	for (uint32_t i = 0; i < 10000; i++) {
		world_now += i % 2;
		assert_int_equal(say_peers_cell(&s, &circuits[0], 1), 0);
	}
	assert_in_range(s.n->sent_total - before, 10, 16); /* 5 s: 10 and 1 a second */
	before = s.n->sent_total;
	assert_int_equal(say_peers_cell(&s, &circuits[1], 1), 0);
	assert_int_equal(s.n->sent_total, before + 1);
	scene_close(&s);
}

/* Answers that go to an address which may be forged: few for each, bounded for all. */
static void
test_flood_of_peers_requests(void **state)
{
	struct peel_addr victim = peel_addr_ipv4(203, 0, 113, 5, 40000);
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	circuit(&s, &circuits[0], 1, 1);
	assert_int_equal(say_establish_intro(&s, &circuits[0], 1, 1), 0);
	for (uint32_t i = 0; i < 10000; i++) {
		world_now += i % 2;
		victim.port = (uint16_t)(1 + i);
		assert_int_equal(say_peers_request(&s, &victim, 1), 0);
	}
	assert_in_range(s.n_sent, 40, 50); /* 5 s: 20 and 5 a second */
	s.n_sent = 0;
	for (uint32_t i = 0; i < 10000; i++) {
		struct peel_addr from =
			peel_addr_ipv4(203, (uint8_t)(i >> 8), (uint8_t)i, 5, 40000);

		world_now += i % 2;
		assert_int_equal(say_peers_request(&s, &from, 1), 0);
	}
	assert_in_range(s.n_sent, 250, 360); /* 5 s: 100 and 50 a second */
	scene_close(&s);
}

/* W2: a create or ping that comes as a datagram of this overlay is none of ours, and what a peer
 * hides in create-e2e goes no further. */
static void
test_only_what_belongs_is_handed_on(void **state)
{
	struct peel_addr from = peel_addr_ipv4(203, 0, 113, 5, 40000);
	uint8_t pk[PEEL_PK_LEN], hash[PEEL_INFO_HASH_LEN], x[PEEL_X_LEN] = {9},
							   msg[PEEL_DATAGRAM_MAX];
	uint8_t d[1400];
	const struct peel_msg_create_e2e m = {.identifier = 3,
		.info_hash = hash,
		.seeder_pk = {pk, sizeof(pk)},
		.x = {x, sizeof(x)}};
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	circuit(&s, &circuits[0], 1, 1);
	assert_int_equal(say_establish_intro(&s, &circuits[0], 1, 1), 0);
	drain(s.n);
	seeder_key(1, pk);
	memset(hash, 1, sizeof(hash));
	memset(d, 0xee, sizeof(d));
	memcpy(d, world_prefix, PEEL_PREFIX_LEN);
	assert_true(peel_create_e2e_build(d + PEEL_PREFIX_LEN, 300, &m) > 0);
	assert_int_equal(peel_hidden_datagram(s.h, &from, d, sizeof(d)), 0);
	int len = scene_answer(&s, &circuits[0], msg);

	assert_int_equal(len, 15 + 155);
	for (uint8_t id = PEEL_MSG_CREATE; id <= PEEL_MSG_PONG; id++) {
		d[PEEL_PREFIX_LEN] = id;
		assert_int_equal(peel_hidden_datagram(s.h, &from, d, sizeof(d)), -ENOENT);
	}
	assert_int_equal(s.n->n_sent, 0);
	scene_close(&s);
}

static void
test_random_input(void **state)
{
	uint64_t random = 42;
	struct peel_addr from = peel_addr_ipv4(203, 0, 113, 5, 40000);
	struct scene s;

	(void)state;
	open_scene(&s, 100);
	circuit(&s, &circuits[0], 1, 1);
	assert_int_equal(say_establish_intro(&s, &circuits[0], 1, 1), 0);
	for (int i = 0; i < 100000; i++) {
		size_t len = peel_splitmix(&random) % 200;
		uint8_t *d = malloc(len + PEEL_HEADER_LEN);

		assert_non_null(d);
		world_prng(&random, d, len + PEEL_HEADER_LEN);
		memcpy(d, world_prefix, PEEL_PREFIX_LEN);
		d[PEEL_PREFIX_LEN] = (uint8_t)(9 + peel_splitmix(&random) % 10);
		peel_hidden_datagram(s.h, &from, d, len + PEEL_HEADER_LEN);
		memmove(d, d + PEEL_PREFIX_LEN, len + 1);
		(void)scene_message(&s, &circuits[0], d, len + 1);
		free(d);
		drain(s.n);
	}
	assert_true(scene_count(&s).introductions <= 4);
	assert_true(scene_count(&s).rendezvous <= 4);
	scene_close(&s);
}

/* ---- a model --------------------------------------------------------------------------------- */

#define M_CIRCUITS 24
#define M_KEYS 40

struct model {
	struct scene s;
	uint64_t random;
	uint32_t cid;
	bool open[M_CIRCUITS];
	int owner[M_KEYS]; /* circuit, or -1 */
	uint8_t hash[M_KEYS];
	int cookie[M_KEYS];
};

static uint32_t
draw(struct model *m, uint32_t n)
{
	return (uint32_t)(peel_splitmix(&m->random) % n);
}

static unsigned int
owned(const int *owner, int circuit)
{
	unsigned int n = 0;

	for (int i = 0; i < M_KEYS; i++)
		n += owner[i] == circuit;
	return n;
}

static void
model_end(struct model *m, int i)
{
	uint8_t out[256];
	size_t len = destroy_build(&circuits[i].id, circuits[i].cid, PEEL_DESTROY_UNNEEDED, out);

	assert_int_equal(node_input(m->s.n, &circuits[i].addr, out, len), 0);
	m->open[i] = false;
	for (int k = 0; k < M_KEYS; k++) {
		m->owner[k] = m->owner[k] == i ? -1 : m->owner[k];
		m->cookie[k] = m->cookie[k] == i ? -1 : m->cookie[k];
	}
	/* The grace period, during which nobody else is silent for too long. */
	for (int k = 0; k < M_CIRCUITS; k++) {
		if (m->open[k])
			touch(m->s.n, &circuits[k]);
	}
	scene_run(&m->s, 5500);
	drain(m->s.n);
}

static void
model_intro(struct model *m, int i)
{
	int key = (int)draw(m, M_KEYS);
	uint8_t hash = (uint8_t)draw(m, 4);
	bool fine = m->owner[key] == i || (m->owner[key] < 0 && owned(m->owner, i) < 4);

	assert_int_equal(
		say_establish_intro(&m->s, &circuits[i], (uint32_t)key, hash), fine ? 0 : -EBADMSG);
	if (m->owner[key] < 0 && fine) {
		m->owner[key] = i;
		m->hash[key] = hash;
	}
}

static void
model_ask(struct model *m)
{
	struct peel_addr from = peel_addr_ipv4(203, 0, (uint8_t)draw(m, 256), 5, 4000);
	struct peel_msg_peers_response r;
	uint8_t hash = (uint8_t)draw(m, 4);
	size_t want = 0;

	world_now += 1000;
	for (int k = 0; k < M_KEYS; k++)
		want += m->owner[k] >= 0 && m->hash[k] == hash;
	assert_int_equal(say_peers_request(&m->s, &from, hash), want > 0 ? 0 : -EBADMSG);
	if (want == 0)
		return;
	assert_int_equal(peel_peers_response_parse(m->s.sent.data + PEEL_HEADER_LEN,
				 m->s.sent.len - PEEL_HEADER_LEN, true, &r),
		0);
	assert_int_equal(r.n, want < PEEL_PEERS_MAX ? want : PEEL_PEERS_MAX);
	for (size_t i = 0; i < r.n; i++) {
		uint32_t key = peel_get_be32(r.peer[i].seeder_pk.p + 10);

		assert_true(m->owner[key] >= 0 && m->hash[key] == hash);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(key, peel_get_be32(r.peer[k].seeder_pk.p + 10));
	}
}

static void
model_cookie(struct model *m, int i)
{
	int key = (int)draw(m, M_KEYS);
	bool fine = m->cookie[key] == i || (m->cookie[key] < 0 && owned(m->cookie, i) < 4);

	assert_int_equal(
		say_cookie(&m->s, &circuits[i], PEEL_MSG_ESTABLISH_RENDEZVOUS, (uint32_t)key),
		fine ? 0 : -EBADMSG);
	if (fine)
		m->cookie[key] = i;
}

static void
model_link(struct model *m, int i)
{
	int key = (int)draw(m, M_KEYS), with = m->cookie[key];
	bool fine = with >= 0 && with != i && owned(m->owner, i) == 0 && owned(m->owner, with) == 0;

	assert_int_equal(say_cookie(&m->s, &circuits[i], PEEL_MSG_LINK_E2E, (uint32_t)key),
		fine ? 0 : -EBADMSG);
	if (!fine)
		return;
	for (int k = 0; k < M_KEYS; k++)
		m->cookie[k] = m->cookie[k] == i || m->cookie[k] == with ? -1 : m->cookie[k];
	assert_int_equal(counts(m->s.n).rendezvous, 2);
	m->open[with] = false; /* ends with its partner */
	model_end(m, i);
	assert_int_equal(counts(m->s.n).rendezvous, 0);
}

static void
test_model(void **state)
{
	struct model m = {.random = 7};

	(void)state;
	open_scene(&m.s, 200);
	for (int k = 0; k < M_KEYS; k++)
		m.owner[k] = m.cookie[k] = -1;
	for (int round = 0; round < 20000; round++) {
		int i = (int)draw(&m, M_CIRCUITS);
		unsigned int n = 0, n_cookies = 0;

		if (round % 16 == 0) {
			for (int k = 0; k < M_CIRCUITS; k++) {
				if (m.open[k])
					touch(m.s.n, &circuits[k]);
			}
		}
		if (!m.open[i]) {
			circuit(&m.s, &circuits[i], (uint32_t)i, ++m.cid);
			m.open[i] = true;
		}
		switch (draw(&m, 40)) {
		case 0:
			model_end(&m, i);
			break;
		case 1 ... 15:
			model_intro(&m, i);
			break;
		case 16 ... 30:
			model_cookie(&m, i);
			break;
		case 31 ... 34:
			model_link(&m, i);
			break;
		default:
			model_ask(&m);
		}
		drain(m.s.n);
		for (int k = 0; k < M_KEYS; k++) {
			n += m.owner[k] >= 0;
			n_cookies += m.cookie[k] >= 0;
		}
		assert_int_equal(scene_count(&m.s).introductions, n);
		assert_true(scene_count(&m.s).rendezvous <= n_cookies);
		if (scene_count(&m.s).rendezvous < n_cookies) { /* some are too old */
			for (int k = 0; k < M_CIRCUITS; k++) {
				if (m.open[k])
					model_end(&m, k);
			}
		}
	}
	scene_close(&m.s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_squatters_get_nothing),
		cmocka_unit_test(test_limit_of_a_circuit),
		cmocka_unit_test(test_flood_of_one_neighbour),
		cmocka_unit_test(test_flood_of_random_hashes),
		cmocka_unit_test(test_slow_look_ups_give_way),
		cmocka_unit_test(test_look_up_that_nobody_waits_for),
		cmocka_unit_test(test_flood_of_short_look_ups),
		cmocka_unit_test(test_flood_of_announcements),
		cmocka_unit_test(test_flood_of_create_e2e),
		cmocka_unit_test(test_one_address_does_not_use_up_a_seeder),
		cmocka_unit_test(test_flood_of_peers_cells),
		cmocka_unit_test(test_flood_of_peers_requests),
		cmocka_unit_test(test_only_what_belongs_is_handed_on),
		cmocka_unit_test(test_random_input),
		cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
