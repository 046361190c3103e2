/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The recorded circuits of 1, 2 and 3 hops, replayed at their originator: every byte it sent must
 * be sent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_discovery.h"
#include "peel_origin_circuit.h"
#include "peel_vectors.h"

#define SECRETS 3
#define COUNTER_BEFORE 1 /* the recording's first explicit salt is 2 */

static const uint8_t prefix[PEEL_PREFIX_LEN] = {0x00, 0x02, 0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd,
	0xc7, 0x75, 0xaa, 0x5a, 0x46, 0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3};

struct flow {
	json_t *file;
	unsigned int hops;
	uint64_t now_ms;
	struct peel_addr me;
	struct peel_identity id;
	struct peel_stats stats;
	struct peel_rcu *rcu;
	struct peel_route_table *routes;
	struct peel_paths *paths;
	struct peel_origin_circuits *origin_circuits;
	peel_origin_id tunnel;
	/* what the recording drew */
	uint32_t cid;
	uint8_t secret[SECRETS][32];
	uint16_t identifier[SECRETS + 1]; /* create, extends, ping */
	unsigned int n_secrets, n_identifiers, at_secret, at_identifier;
	uint8_t chosen[SECRETS][PEEL_PK_LEN]; /* the hops */
	/* the last datagram sent */
	uint8_t sent[PEEL_DATAGRAM_MAX];
	size_t sent_len;
	struct peel_addr sent_to;
	unsigned int n_compared, n_opened;
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
	struct flow *f = arg;
	const uint64_t counter = (uint64_t)COUNTER_BEFORE << 2; /* 62 of its bits are taken */

	memset(out, 0, len);
	if (len == 2) {
		assert_true(f->at_identifier < f->n_identifiers);
		memcpy(out, &f->identifier[f->at_identifier++], 2);
	} else if (len == 4) {
		memcpy(out, &f->cid, 4);
	} else if (len == 8) {
		memcpy(out, &counter, 8);
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

static void
on_send(void *arg, const struct peel_addr *to, const uint8_t *data, size_t len)
{
	struct flow *f = arg;

	assert_int_equal(f->sent_len, 0); /* the one before was looked at */
	memcpy(f->sent, data, len);
	f->sent_len = len;
	f->sent_to = *to;
}

/* The recorded hops may be chosen, others have no flags. */
static bool
on_find_peer(void *arg, const uint8_t pk[PEEL_PK_LEN], struct peel_target *out)
{
	struct flow *f = arg;
	const json_t *v;
	size_t i;

	json_array_foreach (peel_vec_get(f->file, "nodes"), i, v) {
		uint8_t key[PEEL_PK_LEN];

		peel_vec_bytes(v, "public_key_bin", key, sizeof(key));
		if (memcmp(key, pk, PEEL_PK_LEN) != 0)
			continue;
		*out = (struct peel_target){
			.addr = addr_of(v, "address"), .flags = PEEL_FLAG_SPEED_TEST};
		memcpy(out->pk, pk, PEEL_PK_LEN);
		for (unsigned int k = 0; k < f->hops; k++) {
			if (memcmp(f->chosen[k], pk, PEEL_PK_LEN) == 0)
				out->flags = PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT;
		}
		return true;
	}
	return false;
}

static size_t
on_candidates(void *arg, uint16_t all, uint16_t none, struct peel_target *out, size_t n)
{
	struct flow *f = arg;

	(void)all;
	(void)none;
	return n > 0 && on_find_peer(arg, f->chosen[0], out) ? 1 : 0;
}

/* ---- what the recording drew ----------------------------------------------------------------- */

static void
add_secret(struct flow *f, const uint8_t *x)
{
	uint8_t public[32];
	const json_t *v;
	size_t i;

	assert_true(f->n_secrets < SECRETS);
	json_array_foreach (peel_vec_get(f->file, "ephemeral_keys_in_order_of_use"), i, v) {
		peel_vec_bytes(v, "x25519_public", public, 32);
		if (memcmp(public, x, 32) == 0) {
			peel_vec_bytes(v, "x25519_secret", f->secret[f->n_secrets++], 32);
			return;
		}
	}
	fail_msg("ephemeral key not in the file");
}

/* Messages of the originator as its hops read them: its create, each extend, the ping. */
static void
learn(struct flow *f, const json_t *v, const struct peel_addr *from)
{
	uint8_t *msg;
	size_t len;

	if (peel_vec_find(v, "decrypted_message") == NULL)
		return;
	msg = peel_vec_hex(v, "decrypted_message", &len);
	bool create = msg[0] == PEEL_MSG_CREATE && peel_addr_equal(from, &f->me);

	if (create || msg[0] == PEEL_MSG_EXTEND) {
		/* pk of the next hop in extend; a create's is the sender's, so that hop is the
		 * receiver */
		if (!create)
			memcpy(f->chosen[f->n_secrets], msg + 5, PEEL_PK_LEN);
		add_secret(f, msg + 81);
	}
	if (create || msg[0] == PEEL_MSG_EXTEND || msg[0] == PEEL_MSG_PING)
		f->identifier[f->n_identifiers++] = peel_get_be16(msg + 1);
	free(msg);
}

static void
learn_all(struct flow *f)
{
	const json_t *v;
	uint8_t *packet;
	size_t i, len;

	peel_vectors_foreach (f->file, i, v) {
		const struct peel_addr from = addr_of(v, "from");

		learn(f, v, &from);
		if (i > 0)
			continue;
		packet = peel_vec_hex(v, "packet", &len);
		f->cid = peel_get_be32(packet + PEEL_CELL_OFF_CID);
		free(packet);
	}
	assert_int_equal(f->n_secrets, f->hops);
	assert_int_equal(f->n_identifiers, f->hops + 1);
}

static void
learn_nodes(struct flow *f)
{
	const char *first =
		peel_vec_str(json_array_get(peel_vec_get(f->file, "vectors"), 0), "node");
	const json_t *v;
	uint8_t sk[PEEL_SK_LEN];
	size_t i;

	json_array_foreach (peel_vec_get(f->file, "nodes"), i, v) {
		if (strcmp(peel_vec_str(v, "name"), first) == 0)
			peel_vec_bytes(v, "public_key_bin", f->chosen[0], PEEL_PK_LEN);
		if (strcmp(peel_vec_str(v, "name"), "alice") != 0)
			continue;
		peel_vec_bytes(v, "private_key_bin", sk, sizeof(sk));
		assert_int_equal(peel_identity_parse(sk, sizeof(sk), &f->id), 0);
		f->me = addr_of(v, "address");
	}
}

/* ---- replay ---------------------------------------------------------------------------------- */

static void
compare(struct flow *f, const json_t *v)
{
	size_t len;
	uint8_t *want = peel_vec_hex(v, "packet", &len);
	const struct peel_addr to = addr_of(v, "to");

	assert_true(peel_addr_equal(&to, &f->sent_to));
	assert_int_equal(f->sent_len, len);
	/* The recording gives another reason for its destroy, so that the signature is another one
	 * too. */
	if (f->sent[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY) {
		struct peel_signed frame;

		assert_int_equal(peel_get_be16(f->sent + len - 66), PEEL_DESTROY_UNNEEDED);
		assert_int_equal(peel_signed_parse(f->sent, len, false, false, &frame), 0);
		assert_true(peel_signed_verify(&frame));
		len -= 66;
	}
	assert_memory_equal(f->sent, want, len);
	f->sent_len = 0;
	f->n_compared++;
	free(want);
}

/* The message that the originator put into a cell. */
static size_t
unpack(struct flow *f, const json_t *v, uint8_t *msg)
{
	size_t len;
	uint8_t *packet = peel_vec_hex(v, "packet", &len), in[PEEL_DATAGRAM_MAX];

	len -= PEEL_CELL_HEADER_LEN;
	memcpy(msg, packet + PEEL_CELL_HEADER_LEN, len);
	free(packet);
	for (unsigned int i = 0; i < f->hops; i++) {
		const json_t *keys = json_array_get(peel_vec_get(f->file, "session_keys"), i);
		struct peel_key key;
		uint8_t salt[4];

		peel_vec_bytes(keys, "key_forward", key.b, 32);
		peel_vec_bytes(keys, "salt_forward", salt, 4);
		memcpy(in, msg, len);
		int got = peel_open_one(&key, salt, in, len, msg);

		assert_true(got > 0);
		len = (size_t)got;
	}
	return len;
}

static void
send_again(struct flow *f, const json_t *v)
{
	const struct peel_origin_spec spec = {.hops = f->hops};
	const char *phase = peel_vec_str(v, "phase");
	uint8_t msg[PEEL_DATAGRAM_MAX];

	if (strcmp(phase, "build") == 0) {
		if (peel_vec_int(v, "n") == 0)
			assert_int_equal(
				peel_origin_create(f->origin_circuits, &spec, &f->tunnel), 0);
	} else if (strcmp(phase, "ping") == 0) {
		f->now_ms += 8000;
		(void)peel_origin_tick(f->origin_circuits);
	} else if (strcmp(phase, "destroy") == 0) {
		assert_int_equal(peel_origin_close(f->origin_circuits, f->tunnel), 0);
	} else {
		size_t len = unpack(f, v, msg);

		assert_int_equal(peel_origin_send(f->origin_circuits, f->tunnel, msg, len), 0);
	}
	compare(f, v);
}

static void
receive(struct flow *f, const json_t *v)
{
	uint8_t msg[PEEL_DATAGRAM_MAX], in[PEEL_DATAGRAM_MAX];
	const struct peel_path *path = peel_path_at(f->paths, (uint32_t)f->tunnel);
	const struct peel_addr from = addr_of(v, "from");
	struct peel_cell cell;
	size_t n, want_len;
	uint8_t *packet = peel_vec_hex(v, "packet", &n);

	assert_int_equal(peel_cell_parse(packet, n, &cell), 0);
	if (cell.plain) {
		assert_int_equal(peel_origin_datagram(f->origin_circuits, &from, packet, n), 0);
		free(packet);
		return;
	}
	int len = (int)cell.message.len;

	memcpy(msg, cell.message.p, cell.message.len);
	for (unsigned int i = 0; i < peel_path_n_layers(path); i++) {
		struct peel_direction *direction =
			&peel_session_at(f->routes, path->session[i])->backward;

		memcpy(in, msg, (size_t)len);
		len = peel_open_one(&direction->key, direction->salt, in, (size_t)len, msg);
		assert_true(len > 0);
	}
	uint8_t *want = peel_vec_hex(v, "decrypted_message", &want_len);

	assert_int_equal(len, want_len);
	assert_memory_equal(msg, want, want_len);
	int ret = peel_origin_message(f->origin_circuits, f->tunnel, msg, (size_t)len);

	assert_int_equal(ret == 0, msg[0] == PEEL_MSG_EXTENDED || msg[0] == PEEL_MSG_PONG);
	f->n_opened++;
	free(want);
	free(packet);
}

static void
flow_open(struct flow *f, const struct peel_env *env)
{
	const struct peel_route_conf rc = {
		.max_sessions = 16, .rcu = f->rcu, .env = env, .heap = true};
	struct peel_origin_conf conf = {
		.env = env,
		.identity = &f->id,
		.stats = &f->stats,
		.send = on_send,
		.candidates = on_candidates,
		.find_peer = on_find_peer,
		.arg = f,
	};

	assert_int_equal(peel_route_table_new(&rc, &f->routes), 0);
	assert_int_equal(peel_paths_new(4, f->rcu, &f->paths), 0);
	conf.routes = f->routes;
	conf.paths = f->paths;
	memcpy(conf.prefix, prefix, sizeof(prefix));
	peel_origin_settings_init(&conf.settings);
	conf.settings.allow_same_network = true; /* all of them are neighbours */
	assert_int_equal(peel_origin_new(&conf, &f->origin_circuits), 0);
}

static void
replay(struct flow *f, const json_t *v)
{
	const struct peel_addr from = addr_of(v, "from"), to = addr_of(v, "to");

	if (peel_addr_equal(&from, &f->me))
		send_again(f, v);
	else if (peel_addr_equal(&to, &f->me))
		receive(f, v);
}

static void
test_flow(void **state)
{
	(void)state;
	assert_int_equal(peel_keys_init(), 0);
	for (unsigned int hops = 1; hops <= 3; hops++) {
		struct flow *f = calloc(1, sizeof(*f));
		const struct peel_env env = {flow_now, flow_random, f};
		char name[32];
		const json_t *v;
		size_t i;

		assert_non_null(f);
		snprintf(name, sizeof(name), "flow_circuit_%uhop", hops);
		f->hops = hops;
		f->now_ms = 1000000;
		f->file = peel_vectors_load(name);
		learn_nodes(f);
		learn_all(f);
		assert_int_equal(peel_rcu_new(1, &f->rcu), 0);
		flow_open(f, &env);
		peel_vectors_foreach (f->file, i, v) {
			replay(f, v);
		}
		assert_true(f->n_compared >= 10 + hops);
		assert_true(f->n_opened >= 5);
		assert_int_equal(peel_stats_get(&f->stats, PEEL_OWN_READY), 1);
		peel_origin_free(f->origin_circuits);
		peel_rcu_poll(f->rcu);
		peel_paths_free(f->paths);
		peel_route_table_free(f->routes);
		peel_rcu_free(f->rcu);
		json_decref(f->file);
		free(f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
