/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/*
 * The recorded session of a hidden service, replayed at its seeder and at its downloader: every
 * datagram that they sent is sent again, byte for byte. Only what the seeder seals end to end has
 * other salts (W1), and is compared opened.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_discovery.h"
#include "peel_swarm.h"
#include "peel_vectors.h"

#define DRAWN_MAX 16
#define COUNTER_BEFORE 1 /* the recording's first explicit salt is 2 */
#define QUEUE 4
#define NO_PING_SOON 7499
#define QUESTIONS_CID 0x7613b8c0
#define UNTIL_CREATED_E2E 6	      /* what the seeder gets until it sends that */
#define TEST_PHASE "e2e_test_request" /* we answer no speed tests */

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0x00, 0x02, 0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd,
	0xc7, 0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3};

struct sent {
	struct peel_addr to;
	size_t len;
	uint8_t data[PEEL_DATAGRAM_MAX];
};

struct flow {
	json_t *file;
	const char *name, *other; /* who is replayed, and whom it talks to */
	uint64_t now_ms;
	struct peel_addr me;
	struct peel_identity id, seeder_key;
	struct peel_stats stats;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_paths *paths;
	struct peel_origin_circuits *origin;
	struct peel_swarms *swarms;
	uint32_t swarm;
	/* what the recording drew */
	uint32_t cid; /* of the circuit that comes next */
	uint16_t identifier[DRAWN_MAX];
	uint8_t secret[DRAWN_MAX][32], cookie[PEEL_COOKIE_LEN];
	unsigned int n_identifiers, n_secrets, at_identifier, at_secret;
	bool rendezvous; /* the seeder is making one */
	struct sent sent[QUEUE];
	unsigned int n_sent;
	peel_origin_id peer;
	unsigned int n_compared, n_received;
};

static uint64_t
flow_now(void *arg)
{
	return ((struct flow *)arg)->now_ms;
}

/* By its size it is known what a random number is for. */
static void
flow_random(void *arg, void *out, size_t len)
{
	const uint64_t counter = (uint64_t)COUNTER_BEFORE << 2; /* 62 of its bits are taken */
	struct flow *f = arg;

	memset(out, 0, len);
	if (len == 2) {
		assert_true(f->at_identifier < f->n_identifiers);
		memcpy(out, &f->identifier[f->at_identifier++], 2);
	} else if (len == 4) {
		memcpy(out, &f->cid, 4);
	} else if (len == 8) {
		memcpy(out, &counter, 8);
	} else if (len == PEEL_COOKIE_LEN) {
		memcpy(out, f->cookie, PEEL_COOKIE_LEN);
	} else if (len == 32) {
		assert_true(f->at_secret < f->n_secrets);
		memcpy(out, f->secret[f->at_secret++], 32);
	}
}

static struct peel_addr
addr_of(const json_t *v, const char *key)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(peel_vec_str(v, key), 0, &a), 0);
	return a;
}

static const json_t *
step(const struct flow *f, size_t i)
{
	return json_array_get(peel_vec_get(f->file, "vectors"), i);
}

static bool
is_at(const json_t *v, const char *name)
{
	const json_t *node = json_object_get(v, "node");

	return json_is_string(node) && strcmp(json_string_value(node), name) == 0;
}

/* The message that this step brought; NULL: none. */
static uint8_t *
message_of(const json_t *v, size_t *len)
{
	return json_is_string(json_object_get(v, "decrypted_message"))
		       ? peel_vec_hex(v, "decrypted_message", len)
		       : NULL;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static const json_t *
node_named(const struct flow *f, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach (peel_vec_get(f->file, "nodes"), i, v) {
		if (strcmp(peel_vec_str(v, "name"), name) == 0)
			return v;
	}
	fail_msg("no node %s", name);
	return NULL;
}

static void
target_named(const struct flow *f, const char *name, struct peel_target *out)
{
	const json_t *v = node_named(f, name);

	*out = (struct peel_target){
		.addr = addr_of(v, "address"), .flags = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT};
	peel_vec_bytes(v, "public_key_bin", out->pk, PEEL_PK_LEN);
}

/* Whom the recording chose: both lead through relay1, the seeder has exit1 introduce it and meets
 * at exit2, the downloader asks from exit2. */
static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	struct flow *f = arg;
	bool end = (all & PEEL_FLAG_EXIT_BT) != 0;
	bool seeder = strcmp(f->name, "seeder") == 0;

	(void)none;
	assert_true(n > 0);
	target_named(f,
		seeder ? f->rendezvous ? "exit2"
			 : end	       ? "exit1"
				       : "relay1"
		: end  ? "exit2"
		       : "relay1",
		out);
	return 1;
}

static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	static const char *const names[] = {"relay1", "exit1", "exit2"};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(names); i++) {
		target_named(arg, names[i], out);
		if (memcmp(out->pk, pk, PEEL_PK_LEN) == 0)
			return true;
	}
	return false;
}

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct flow *f = arg;

	assert_true(f->n_sent < QUEUE);
	f->sent[f->n_sent].to = *to;
	f->sent[f->n_sent].len = len;
	memcpy(f->sent[f->n_sent++].data, data, len);
}

static void
on_ready(void *arg, peel_origin_id id)
{
	peel_swarms_circuit_ready(((struct flow *)arg)->swarms, id);
}

static void
on_ended(void *arg, peel_origin_id id, enum peel_origin_end why)
{
	(void)why;
	peel_swarms_circuit_ended(((struct flow *)arg)->swarms, id);
}

static void
on_peer(void *arg, uint32_t swarm, peel_origin_id circuit, bool connected)
{
	struct flow *f = arg;

	assert_int_equal(swarm, f->swarm);
	f->peer = connected ? circuit : 0;
}

/* ---- what the recording drew ----------------------------------------------------------------- */

static void
add_secret(struct flow *f, const uint8_t *public)
{
	uint8_t known[32];
	const json_t *v;
	size_t i;

	assert_true(f->n_secrets < DRAWN_MAX);
	json_array_foreach (peel_vec_get(f->file, "ephemeral_keys_in_order_of_use"), i, v) {
		peel_vec_bytes(v, "x25519_public", known, 32);
		if (memcmp(known, public, 32) == 0) {
			peel_vec_bytes(v, "x25519_secret", f->secret[f->n_secrets++], 32);
			return;
		}
	}
	fail_msg("ephemeral key not in the file");
}

static void
add_identifier(struct flow *f, const uint8_t *at)
{
	assert_true(f->n_identifiers < DRAWN_MAX);
	f->identifier[f->n_identifiers++] = peel_get_be16(at);
}

/* From what its hops and its peers got. */
static void
learn(struct flow *f, const json_t *v)
{
	const struct peel_addr from = addr_of(v, "from");
	bool seeder = strcmp(f->name, "seeder") == 0, mine = peel_addr_equal(&from, &f->me);
	size_t len, packet_len;
	uint8_t *msg = message_of(v, &len), *packet = peel_vec_hex(v, "packet", &packet_len);
	uint8_t id = msg != NULL ? msg[0] : 0, bare = packet[PEEL_PREFIX_LEN];

	if (mine && (id == PEEL_MSG_CREATE || id == PEEL_MSG_EXTEND)) {
		add_identifier(f, msg + 1);
		add_secret(f, msg + 81);
	}
	if ((seeder && (id == PEEL_MSG_ESTABLISH_INTRO || id == PEEL_MSG_ESTABLISH_RENDEZVOUS)) ||
		(!seeder && (id == PEEL_MSG_PEERS_REQUEST || id == PEEL_MSG_LINK_E2E ||
				    id == PEEL_MSG_PING)))
		add_identifier(f, msg + 1);
	if (seeder && id == PEEL_MSG_ESTABLISH_RENDEZVOUS)
		memcpy(f->cookie, msg + 3, PEEL_COOKIE_LEN);
	if (seeder && bare == PEEL_MSG_CREATED_E2E)
		add_secret(f, packet + PEEL_HEADER_LEN + 4);
	if (!seeder && bare == PEEL_MSG_CREATE_E2E) {
		add_identifier(f, packet + PEEL_HEADER_LEN);
		add_secret(f, packet + PEEL_HEADER_LEN + 2 + 20 + 2 + PEEL_PK_LEN + 2);
	}
	if (!seeder && bare == PEEL_MSG_PEERS_REQUEST)
		add_identifier(f, packet + PEEL_HEADER_LEN + 4);
	free(msg);
	free(packet);
}

/* The id of the circuit that is made next, from a step on. */
static void
expect_circuit(struct flow *f, size_t from)
{
	for (size_t i = from; step(f, i) != NULL; i++) {
		const struct peel_addr a = addr_of(step(f, i), "from");
		size_t len;
		uint8_t *packet = peel_vec_hex(step(f, i), "packet", &len);
		bool create = packet[PEEL_PREFIX_LEN] == PEEL_MSG_CELL &&
			      packet[PEEL_CELL_OFF_PLAIN] != 0;

		if (create && peel_addr_equal(&a, &f->me))
			f->cid = peel_get_be32(packet + PEEL_CELL_OFF_CID);
		free(packet);
		if (create && peel_addr_equal(&a, &f->me))
			return;
	}
}

/* ---- replay ---------------------------------------------------------------------------------- */

static void
tick(struct flow *f)
{
	(void)peel_origin_tick(f->origin);
	(void)peel_swarms_tick(f->swarms);
}

/* All layers of a path, as a worker opens them. */
static int
open_layers(struct flow *f, uint32_t index, const struct peel_cell *cell, uint8_t *msg)
{
	const struct peel_path *path = peel_path_at(f->paths, index);
	unsigned int n = peel_path_n_layers(path);
	const uint8_t reversed = PEEL_PATH_E2E | PEEL_PATH_REVERSED;
	uint8_t in[PEEL_DATAGRAM_MAX];
	int len = (int)cell->message.len;

	memcpy(msg, cell->message.p, cell->message.len);
	for (unsigned int i = 0; i < n; i++) {
		struct peel_session *s = peel_session_at(f->routes, path->session[i]);
		bool back = i + 1 < n || (peel_path_flags(path) & reversed) != reversed;
		struct peel_direction *direction = back ? &s->backward : &s->forward;

		memcpy(in, msg, (size_t)len);
		len = peel_open_one(&direction->key, direction->salt, in, (size_t)len, msg);
		assert_true(len > 0);
		peel_direction_seen(direction, (uint32_t)(f->now_ms / 1000));
	}
	return len;
}

/* The recording's DHT was a mock, which did not say that it is the DHT. */
static void
say_dht(uint8_t *msg, size_t len)
{
	struct peel_msg_peers_response m;

	assert_int_equal(peel_peers_response_parse(msg + 1, len - 1, false, &m), 0);
	for (size_t i = 0; i < m.n; i++)
		m.peer[i].source = PEEL_SOURCE_DHT;
	uint8_t out[PEEL_DATAGRAM_MAX];

	assert_int_equal(peel_peers_response_build(out, sizeof(out), false, &m), len);
	memcpy(msg, out, len);
}

static int
give(struct flow *f, peel_origin_id id, uint8_t *msg, size_t len)
{
	struct peel_msg_data data;
	bool e2e = (peel_path_flags(peel_path_at(f->paths, (uint32_t)id)) & PEEL_PATH_E2E) != 0;

	if (msg[0] == PEEL_MSG_PEERS_RESPONSE)
		say_dht(msg, len);
	if (msg[0] == PEEL_MSG_DATA && e2e) {
		assert_true(peel_swarms_heard(f->swarms, id));
		return 0;
	}
	if (msg[0] == PEEL_MSG_DATA) {
		assert_int_equal(peel_data_parse(msg + 1, len - 1, &data), 0);
		return peel_swarms_datagram(
			f->swarms, id, &data.origin, data.payload.p, data.payload.len);
	}
	int ret = peel_origin_message(f->origin, id, msg, len);

	return ret == -ENOENT ? peel_swarms_message(f->swarms, id, msg, len) : ret;
}

static void
receive(struct flow *f, const json_t *v)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	const struct peel_addr from = addr_of(v, "from");
	struct peel_cell cell;
	size_t len, want_len;
	uint8_t *packet = peel_vec_hex(v, "packet", &len);

	f->n_received++;
	f->rendezvous = f->n_received > 3; /* created, extended, intro-established */
	if (peel_cell_parse(packet, len, &cell) != 0 || cell.plain) {
		uint32_t cid = f->cid;

		f->cid = NO_PING_SOON; /* also decides when a circuit's first ping is due */
		assert_int_equal(peel_origin_datagram(f->origin, &from, packet, len), 0);
		f->cid = cid;
	} else {
		uint32_t slot = peel_route_lookup(f->routes, &from, cell.cid);

		assert_int_not_equal(slot, PEEL_NONE);
		uint32_t path = peel_route_at(f->routes, slot)->peer;
		int got = open_layers(f, path, &cell, msg);
		uint8_t *want = message_of(v, &want_len);

		assert_int_equal(got, want_len);
		assert_memory_equal(msg, want, want_len);
		assert_int_equal(
			give(f, peel_origin_make_id(path, peel_path_generation(f->paths, path)),
				msg, (size_t)got),
			0);
		free(want);
	}
	free(packet);
	tick(f);
}

/* What a step of ours sent end to end, as the other end read it. */
static uint8_t *
said_to_other(const struct flow *f, size_t i, size_t *len)
{
	uint8_t *msg = NULL;

	for (; msg == NULL; i++)
		msg = is_at(step(f, i), f->other) ? message_of(step(f, i), len) : NULL;
	return msg;
}

/* The last layer of the recording's keys is the end-to-end one. */
static int
open_info(const struct flow *f, const struct peel_span *sealed, uint8_t *out)
{
	const json_t *list = peel_vec_get(f->file, "session_keys");
	const json_t *keys = json_array_get(list, json_array_size(list) - 1);
	struct peel_key key;
	uint8_t salt[4];

	peel_vec_bytes(keys, "key_forward", key.b, 32);
	peel_vec_bytes(keys, "salt_forward", salt, 4);
	return peel_open_one(&key, salt, sealed->p, sealed->len, out);
}

/* The same handshake, and the same sealed information. */
static void
compare_created_e2e(const struct flow *f, const uint8_t *a, const uint8_t *b, size_t len)
{
	uint8_t info_a[256], info_b[256];
	struct peel_msg_data data_a, data_b;
	struct peel_msg_created m, n;
	size_t until;

	assert_int_equal(peel_data_parse(a + 1, len - 1, &data_a), 0);
	assert_int_equal(peel_data_parse(b + 1, len - 1, &data_b), 0);
	assert_int_equal(peel_created_parse(data_a.payload.p + PEEL_HEADER_LEN,
				 data_a.payload.len - PEEL_HEADER_LEN, &m),
		0);
	assert_int_equal(peel_created_parse(data_b.payload.p + PEEL_HEADER_LEN,
				 data_b.payload.len - PEEL_HEADER_LEN, &n),
		0);
	until = (size_t)(m.candidates_enc.p - a);
	assert_memory_equal(a, b, until);
	assert_true((m.candidates_enc.p[0] & 0x80) != 0); /* W1 */
	int got = open_info(f, &m.candidates_enc, info_a);

	assert_true(got > 0);
	assert_int_equal(open_info(f, &n.candidates_enc, info_b), got);
	assert_memory_equal(info_a, info_b, (size_t)got);
}

/* What the seeder seals end to end has other salts: the message inside is the same. */
static void
compare_opened(struct flow *f, size_t i)
{
	uint8_t msg[PEEL_DATAGRAM_MAX], in[PEEL_DATAGRAM_MAX];
	const struct sent *sent = &f->sent[0];
	struct peel_cell cell;
	size_t len;

	assert_int_equal(peel_cell_parse(sent->data, sent->len, &cell), 0);
	uint32_t slot = peel_route_lookup(f->routes, &sent->to, cell.cid);
	const struct peel_path *path = peel_path_at(f->paths, peel_route_at(f->routes, slot)->peer);
	int got = (int)cell.message.len;

	memcpy(msg, cell.message.p, cell.message.len);
	for (unsigned int k = 0; k < peel_path_n_layers(path); k++) {
		struct peel_direction *direction =
			&peel_session_at(f->routes, path->session[k])->forward;

		memcpy(in, msg, (size_t)got);
		got = peel_open_one(&direction->key, direction->salt, in, (size_t)got, msg);
		assert_true(got > 0);
	}
	bool e2e = (peel_path_flags(path) & PEEL_PATH_E2E) != 0;
	uint8_t *want = e2e ? said_to_other(f, i, &len) : message_of(step(f, i + 1), &len);

	assert_int_equal(got, len);
	if (e2e)
		assert_memory_equal(msg, want, len);
	else
		compare_created_e2e(f, msg, want, len);
	free(want);
}

static void
compare(struct flow *f, size_t i)
{
	const struct peel_addr to = addr_of(step(f, i), "to");
	bool seeder = strcmp(f->name, "seeder") == 0;
	size_t len;
	uint8_t *want = peel_vec_hex(step(f, i), "packet", &len);

	for (int n = 0; f->n_sent == 0 && n < 3; n++)
		tick(f);
	assert_true(f->n_sent > 0);
	assert_true(peel_addr_equal(&to, &f->sent[0].to));
	if (want[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY)
		len = 103; /* the recording gives another reason, so it has another signature */
	else
		assert_int_equal(f->sent[0].len, len);
	if (seeder && f->n_received >= UNTIL_CREATED_E2E) {
		compare_opened(f, i);
		len = PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN;
	}
	assert_memory_equal(f->sent[0].data, want, len);
	memmove(&f->sent[0], &f->sent[1], sizeof(f->sent) - sizeof(f->sent[0]));
	f->n_sent--;
	f->n_compared++;
	free(want);
}

static void
send_again(struct flow *f, size_t i)
{
	const char *phase = peel_vec_str(step(f, i), "phase");
	size_t len;

	if (strcmp(phase, "destroy") == 0) {
		assert_int_equal(peel_swarm_leave(f->swarms, f->swarm), 0);
		assert_int_equal(f->peer, 0);
	} else if (f->n_sent == 0 && f->peer != 0 && strcmp(phase, "e2e_data") == 0) {
		uint8_t *msg = said_to_other(f, i, &len);

		assert_int_equal(peel_origin_send(f->origin, f->peer, msg, len), 0);
		free(msg);
	} else if (strcmp(phase, "pex_request") == 0) {
		f->now_ms += 1200;	/* the interval has passed; no ping is due */
		f->cid = QUESTIONS_CID; /* the recording asked with that, we draw a number */
	}
	compare(f, i);
	expect_circuit(f, i + 1);
}

static void
open_all(struct flow *f, const struct peel_env *env)
{
	struct peel_origin_conf oc = {.env = env,
		.identity = &f->id,
		.stats = &f->stats,
		.send = on_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.ready = on_ready,
		.ended = on_ended,
		.arg = f};
	struct peel_swarms_conf sc = {.env = env,
		.identity = &f->id,
		.stats = &f->stats,
		.peer = on_peer,
		.settings = {.lookup_interval = 1, .connection_limit = 15},
		.arg = f};
	const struct peel_route_conf rc = {
		.max_sessions = 32, .rcu = f->rcu, .env = env, .heap = true};

	assert_int_equal(peel_route_table_new(&rc, &f->routes), 0);
	assert_int_equal(peel_paths_new(8, f->rcu, &f->paths), 0);
	oc.routes = f->routes;
	oc.paths = f->paths;
	memcpy(oc.prefix, prefix, sizeof(prefix));
	memcpy(sc.prefix, prefix, sizeof(prefix));
	peel_origin_settings_init(&oc.settings);
	oc.settings.allow_same_network = true; /* all of them are neighbours */
	assert_int_equal(peel_origin_new(&oc, &f->origin), 0);
	sc.origin_circuits = f->origin;
	assert_int_equal(peel_swarms_new(&sc, &f->swarms), 0);
}

static void
join(struct flow *f)
{
	bool seeder = strcmp(f->name, "seeder") == 0;
	struct peel_swarm_spec spec = {
		.hops = 1, .seed = seeder, .find = !seeder, .key = &f->seeder_key};
	uint8_t sk[PEEL_SK_LEN];

	peel_vec_bytes(f->file, "info_hash", spec.info_hash, sizeof(spec.info_hash));
	peel_vec_bytes(f->file, "seeder_private_key_bin", sk, sizeof(sk));
	assert_int_equal(peel_identity_parse(sk, sizeof(sk), &f->seeder_key), 0);
	expect_circuit(f, 0);
	assert_int_equal(peel_swarm_join(f->swarms, &spec, &f->swarm), 0);
}

static void
flow_of(const char *name, const char *other, unsigned int n_compared)
{
	struct flow *f = calloc(1, sizeof(*f));
	const struct peel_env env = {flow_now, flow_random, f};
	uint8_t sk[PEEL_SK_LEN];
	const json_t *v;
	size_t i;

	assert_non_null(f);
	assert_int_equal(peel_keys_init(), 0);
	f->file = peel_vectors_load("flow_hidden");
	f->name = name;
	f->other = other;
	f->now_ms = 1000000;
	f->me = addr_of(node_named(f, name), "address");
	peel_vec_bytes(node_named(f, name), "private_key_bin", sk, sizeof(sk));
	assert_int_equal(peel_identity_parse(sk, sizeof(sk), &f->id), 0);
	peel_vectors_foreach (f->file, i, v)
		learn(f, v);
	assert_int_equal(peel_rcu_new(1, &f->rcu), 0);
	open_all(f, &env);
	join(f);
	peel_vectors_foreach (f->file, i, v) {
		const struct peel_addr from = addr_of(v, "from"), to = addr_of(v, "to");

		if (strcmp(peel_vec_str(v, "phase"), TEST_PHASE) == 0)
			continue;
		if (peel_addr_equal(&from, &f->me))
			send_again(f, i);
		else if (peel_addr_equal(&to, &f->me))
			receive(f, v);
	}
	assert_int_equal(f->n_compared, n_compared);
	assert_int_equal(peel_stats_get(&f->stats, PEEL_SWARM_PEERS), 1);
	peel_swarms_free(f->swarms);
	peel_origin_free(f->origin);
	peel_rcu_poll(f->rcu);
	peel_paths_free(f->paths);
	peel_route_table_free(f->routes);
	peel_rcu_free(f->rcu);
	json_decref(f->file);
	free(f);
}

static void
test_seeder(void **state)
{
	(void)state;
	flow_of("seeder", "downloader", 10);
}

static void
test_downloader(void **state)
{
	(void)state;
	flow_of("downloader", "seeder", 12);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeder),
		cmocka_unit_test(test_downloader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
