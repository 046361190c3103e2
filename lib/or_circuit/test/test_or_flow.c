/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The recorded circuits, replayed at each of their relays and exits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "recorded.h"

struct flow {
	json_t *file;
	const json_t *me; /* entry of "nodes" */
	struct node *node;
	unsigned int n_created, n_extended, n_relayed, n_destroyed; /* steps judged */
};

static void
flow_targets(struct flow *f)
{
	const json_t *v;
	size_t i;

	f->node->n_peers = 0;
	json_array_foreach (peel_vec_get(f->file, "nodes"), i, v) {
		struct peel_target *t = &f->node->peers[f->node->n_peers++];

		t->addr = addr_of(v, "address");
		t->last_heard_ms = world_now;
		peel_vec_bytes(v, "public_key_bin", t->pk, PEEL_PK_LEN);
	}
}

/* Opens the candidate list of a recorded created, whoever's keys it takes. */
static int
open_list(struct flow *f, struct peel_span enc, uint8_t *out)
{
	const json_t *v;
	size_t i;

	json_array_foreach (peel_vec_get(f->file, "session_keys"), i, v) {
		struct peel_key key;
		uint8_t salt[4];

		peel_vec_bytes(v, "key_forward", key.b, 32);
		peel_vec_bytes(v, "salt_forward", salt, 4);
		int len = peel_open_one(&key, salt, enc.p, enc.len, out);

		if (len >= 0)
			return len;
	}
	fail_msg("no session opens the candidate list");
	return -1;
}

static void
push_target(struct flow *f, struct peel_target *list, size_t *n, const uint8_t *pk)
{
	for (size_t i = 0; i < f->node->n_peers; i++) {
		if (memcmp(f->node->peers[i].pk, pk, PEEL_PK_LEN) == 0)
			list[(*n)++] = f->node->peers[i];
	}
}

/* The node shall know the candidates and draw the ephemeral key of the recording. */
static void
prepare_created(struct flow *f, const uint8_t *want, size_t len, uint8_t *list, int *list_len)
{
	struct peel_candidates candidates;
	struct peel_msg_created m;
	const json_t *v;
	uint8_t public[32], secret[32];
	size_t i;

	assert_int_equal(peel_created_parse(want + PEEL_CELL_MIN, len - PEEL_CELL_MIN, &m), 0);
	*list_len = open_list(f, m.candidates_enc, list);
	assert_int_equal(peel_candidates_parse(list, (size_t)*list_len, &candidates), 0);
	f->node->n_relays = f->node->n_exits = 0;
	for (i = 0; i < candidates.n_relays; i++)
		push_target(f, f->node->relays, &f->node->n_relays, candidates.key[i].p);
	for (; i < candidates.n; i++)
		push_target(f, f->node->exits, &f->node->n_exits, candidates.key[i].p);
	json_array_foreach (peel_vec_get(f->file, "ephemeral_keys_in_order_of_use"), i, v) {
		peel_vec_bytes(v, "x25519_public", public, 32);
		if (memcmp(public, m.y.p, 32) == 0) {
			peel_vec_bytes(v, "x25519_secret", secret, 32);
			node_script(f->node, secret, 32);
			return;
		}
	}
	fail_msg("ephemeral key not in the file");
}

/* created is bit-exact except for the candidate list, which must open to the same under a better
 * salt. */
static void
check_created(struct flow *f, const struct packet *got, const uint8_t *want, size_t len,
	const uint8_t *list, int list_len)
{
	uint8_t ours[1024];
	struct peel_msg_created m;

	assert_int_equal(got->len, len);
	assert_memory_equal(got->data, want, PEEL_CELL_HEADER_LEN + 69);
	assert_int_equal(
		peel_created_parse(got->data + PEEL_CELL_MIN, got->len - PEEL_CELL_MIN, &m), 0);
	assert_true((m.candidates_enc.p[0] & 0x80) != 0);
	assert_int_equal(open_list(f, m.candidates_enc, ours), list_len);
	assert_memory_equal(ours, list, (size_t)list_len);
	f->n_created++;
}

/* The recording drew this id and identifier. */
static void
prepare_create(struct flow *f, const uint8_t *want)
{
	uint32_t cid = peel_get_be32(want + PEEL_CELL_OFF_CID);
	uint16_t identifier = peel_get_be16(want + PEEL_CELL_HEADER_LEN + 1);

	node_script(f->node, &cid, sizeof(cid));
	node_script(f->node, &identifier, sizeof(identifier));
}

/* Continue from the counter of the recording. */
static void
prepare_seal(struct flow *f, const struct peel_addr *to, const uint8_t *want)
{
	uint32_t slot = node_route(f->node, to, peel_get_be32(want + PEEL_CELL_OFF_CID));

	if (slot == PEEL_NONE)
		return;
	const struct peel_route *route = peel_route_at(f->node->routes, slot);

	if (route->kind == PEEL_ROUTE_EXIT || route->kind == PEEL_ROUTE_FORWARD)
		peel_session_at(f->node->routes, route->session)->backward.seal =
			peel_get_be64(want + PEEL_CELL_HEADER_LEN) - 1;
}

static bool
judged(const json_t *step, const uint8_t *in, size_t len, const json_t *message)
{
	const json_t *role = json_object_get(json_object_get(step, "state"), "role");
	uint8_t id;

	if (role != NULL && strcmp(json_string_value(role), "exit_socket") == 0)
		return false; /* from outside */
	assert_true(len >= PEEL_CELL_MIN);
	if (in[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY || !json_is_string(message))
		return true; /* relayed */
	sscanf(json_string_value(message), "%2hhx", &id);
	return (id >= PEEL_MSG_CREATE && id <= PEEL_MSG_EXTEND) || id == PEEL_MSG_PING;
}

static void
flow_step(struct flow *f, const json_t *v)
{
	const json_t *sends = peel_vec_get(v, "sends");
	struct peel_addr from = addr_of(v, "from"), to;
	struct packet got;
	size_t len, want_len = 0;
	uint8_t *in = peel_vec_hex(v, "packet", &len), *want = NULL, list[1024];
	int list_len = 0;
	bool created = false;

	if (!judged(v, in, len, json_object_get(v, "decrypted_message"))) {
		free(in);
		return;
	}
	assert_in_range(json_array_size(sends), 0, 1);
	if (json_array_size(sends) == 1) {
		const json_t *send = json_array_get(sends, 0);

		want = peel_vec_hex(send, "packet", &want_len);
		to = addr_of(send, "to");
		created = want[PEEL_CELL_OFF_PLAIN] != 0 &&
			  want[PEEL_CELL_HEADER_LEN] == PEEL_MSG_CREATED;
		if (created)
			prepare_created(f, want, want_len, list, &list_len);
		else if (want[PEEL_PREFIX_LEN] == 0 && want[PEEL_CELL_OFF_PLAIN] != 0)
			prepare_create(f, want);
		else if (want[PEEL_PREFIX_LEN] == 0)
			prepare_seal(f, &to, want);
	}
	node_input(f->node, &from, in, len);
	assert_int_equal(node_pop(f->node, &got), want != NULL);
	if (want != NULL) {
		assert_true(peel_addr_equal(&got.to, &to));
		if (created)
			check_created(f, &got, want, want_len, list, list_len);
		else
			expect_bytes(&got, want, want_len);
		f->n_extended +=
			in[PEEL_PREFIX_LEN] == 0 && in[PEEL_CELL_OFF_PLAIN] != 0 && !created;
		f->n_relayed += in[PEEL_PREFIX_LEN] == 0 && in[PEEL_CELL_OFF_PLAIN] == 0;
	}
	f->n_destroyed += in[PEEL_PREFIX_LEN] == PEEL_MSG_DESTROY;
	assert_false(node_pop(f->node, &got));
	free(in);
	free(want);
}

static void
flow_run(const char *name, unsigned int hops)
{
	struct flow f = {.file = peel_vectors_load(name)};
	const json_t *v;
	size_t i, j;
	unsigned int n_created = 0, n_extended = 0, n_destroyed = 0;

	json_array_foreach (peel_vec_get(f.file, "nodes"), i, f.me) {
		struct peel_or_settings settings;
		uint8_t sk[PEEL_SK_LEN];
		struct peel_or_count count;

		if (i == 0)
			continue; /* the originator */
		f.n_created = f.n_extended = f.n_relayed = f.n_destroyed = 0;
		peel_or_settings_init(&settings);
		settings.peer_flags = flags_of(peel_vec_get(f.me, "flags"));
		peel_vec_bytes(f.me, "private_key_bin", sk, sizeof(sk));
		f.node = node_new(addr_of(f.me, "address"), sk, &settings, 16);
		flow_targets(&f);
		peel_vectors_foreach (f.file, j, v) {
			const char *at = json_string_value(json_object_get(v, "node"));

			if (at != NULL && strcmp(at, peel_vec_str(f.me, "name")) == 0)
				flow_step(&f, v);
		}
		peel_or_count(f.node->circuits, &count);
		assert_int_equal(count.exits + count.relays, f.n_created);
		assert_int_equal(count.removing, f.n_destroyed);
		assert_int_equal(count.relays, f.n_extended);
		assert_int_equal(node_stat(f.node, PEEL_EXTENDED), f.n_extended);
		n_created += f.n_created;
		n_extended += f.n_extended;
		n_destroyed += f.n_destroyed;
		node_run(f.node, 5000, 500);
		peel_or_count(f.node->circuits, &count);
		assert_int_equal(count.exits + count.relays, 0);
		assert_int_equal(f.node->n_gone, f.n_created);
		node_free(f.node);
	}
	assert_int_equal(n_created, hops);
	assert_int_equal(n_extended, hops - 1);
	assert_int_equal(n_destroyed, hops);
	json_decref(f.file);
}

static void
test_flow_1hop(void **state)
{
	(void)state;
	flow_run("flow_circuit_1hop", 1);
}

static void
test_flow_2hop(void **state)
{
	(void)state;
	flow_run("flow_circuit_2hop", 2);
}

static void
test_flow_3hop(void **state)
{
	(void)state;
	flow_run("flow_circuit_3hop", 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flow_1hop),
		cmocka_unit_test(test_flow_2hop),
		cmocka_unit_test(test_flow_3hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
