/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Recorded destroys, creates, extends and handshakes: obeyed, answered or dropped as they should
 * be. */
#include <errno.h>
#include <stdlib.h>

#include "recorded.h"

/* ---- destroy --------------------------------------------------------------------------------- */

/* The circuit as recorded, with ids and keys of the neighbours but session keys of its own. */
static void
make_circuit(struct node *n, const json_t *before, const struct peel_addr *from)
{
	json_t *relays = peel_vec_get(before, "relay"), *exits = peel_vec_get(before, "exit");
	const json_t *entry;
	const char *key;
	struct originator o;
	uint8_t next_pk[PEEL_PK_LEN];

	json_object_foreach (exits, key, entry) {
		originator_init(&o, *from, 1);
		peel_vec_bytes(entry, "prev_public_key", o.id.pk, PEEL_PK_LEN);
		exit_make(n, &o, (uint32_t)strtoul(key, NULL, 10));
	}
	if (json_object_size(relays) == 0)
		return;
	/* 4109982766 -> 176204514 is the way back to the originator */
	const json_t *back = peel_vec_get(relays, "4109982766");
	const json_t *forth = peel_vec_get(relays, "176204514");
	uint32_t cid = 4109982766;
	uint16_t identifier = 77;

	originator_init(&o, addr_of(back, "next_address"), 1);
	peel_vec_bytes(back, "next_public_key", o.id.pk, PEEL_PK_LEN);
	exit_make(n, &o, 176204514);
	peel_vec_bytes(forth, "next_public_key", next_pk, PEEL_PK_LEN);
	n->reach_result = -ENOTSUP; /* it cannot: create is sent right away */
	node_script(n, &cid, sizeof(cid));
	node_script(n, &identifier, sizeof(identifier));
	assert_int_equal(relay_make(n, &o, next_pk, addr_of(forth, "next_address")), cid);
}

static void
destroy_one(const json_t *v)
{
	uint8_t sk[PEEL_SK_LEN];
	size_t len, want_len;
	uint8_t *in = peel_vec_hex(v, "packet", &len);
	bool ignore = strcmp(peel_vec_str(v, "expect"), "ignore") == 0;
	const json_t *sends = peel_vec_get(v, "sends");
	struct peel_addr from = addr_of(v, "from");
	struct peel_or_count count;
	struct packet got;

	peel_vec_bytes(v, "node_private_key_bin", sk, sizeof(sk));
	struct node *n = node_new(peel_addr_ipv4(192, 0, 2, 99, 8090), sk, NULL, 16);

	make_circuit(n, peel_vec_get(v, "neighbours_before"), &from);
	node_run(n, 6000, 1000); /* the grace of the former exit is over */
	size_t gone = n->n_gone;

	assert_int_equal(node_input(n, &from, in, len), ignore ? -EBADMSG : 0);
	assert_int_equal(node_stat(n, PEEL_DESTROY_RECEIVED), !ignore);
	assert_int_equal(node_pop(n, &got), json_array_size(sends) == 1);
	if (json_array_size(sends) == 1) {
		const json_t *send = json_array_get(sends, 0);
		uint8_t *want = peel_vec_hex(send, "packet", &want_len);
		struct peel_addr to = addr_of(send, "to");

		assert_true(peel_addr_equal(&got.to, &to));
		expect_bytes(&got, want, want_len);
		free(want);
	}
	node_run(n, 4900, 100);
	peel_or_count(n->circuits, &count);
	assert_int_equal(count.exits + count.relays, 1); /* still works */
	assert_int_equal(count.removing, !ignore);
	node_run(n, 100, 100);
	peel_or_count(n->circuits, &count);
	assert_int_equal(count.exits + count.relays, ignore);
	assert_int_equal(peel_route_count(n->routes) > 0, ignore);
	assert_int_equal(peel_session_count(n->routes), ignore);
	/* A relay's exit was gone before, an exit goes now. */
	assert_int_equal(n->n_gone, gone + (gone == 0 && !ignore));
	node_free(n);
	free(in);
}

static void
test_destroy_vectors(void **state)
{
	json_t *file = peel_vectors_load("destroy"), *v;
	size_t i;
	unsigned int n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		if (strcmp(peel_vec_id(v), "originator-from-hop") == 0)
			continue; /* an own circuit: not this library's */
		destroy_one(v);
		n++;
	}
	assert_int_equal(n, 13);
	json_decref(file);
}

/* ---- cells to drop or to answer -------------------------------------------------------------- */

static void
apply_config(const json_t *v, struct peel_or_settings *s)
{
	const json_t *config = json_object_get(v, "config"), *x;

	if ((x = json_object_get(config, "peer_flags")) != NULL)
		s->peer_flags = flags_of(x);
	if ((x = json_object_get(config, "max_relay_early")) != NULL)
		s->max_relay_early = (uint32_t)json_integer_value(x);
	if ((x = json_object_get(config, "max_joined_circuits")) != NULL)
		s->max_joined_circuits = (uint32_t)json_integer_value(x);
}

static void
set_keys(struct node *n, const struct peel_addr *from, uint32_t cid, const json_t *keys)
{
	uint32_t slot = node_route(n, from, cid);
	struct peel_session *s =
		peel_session_at(n->routes, peel_route_at(n->routes, slot)->session);

	peel_vec_bytes(keys, "key_forward", s->forward.key.b, 32);
	peel_vec_bytes(keys, "key_backward", s->backward.key.b, 32);
	peel_vec_bytes(keys, "salt_forward", s->forward.salt, 4);
	peel_vec_bytes(keys, "salt_backward", s->backward.salt, 4);
}

static struct node *
node_of(const json_t *v)
{
	json_t *file = peel_vectors_load("keys"), *key;
	struct peel_or_settings settings;
	uint8_t sk[PEEL_SK_LEN];
	bool found = false;
	size_t i;

	peel_vectors_foreach (file, i, key) {
		if (strcmp(peel_vec_id(key), peel_vec_str(v, "node")) == 0) {
			peel_vec_bytes(key, "private_key_bin", sk, sizeof(sk));
			found = true;
		}
	}
	assert_true(found);
	json_decref(file);
	peel_or_settings_init(&settings);
	settings.peer_flags = 15;
	apply_config(v, &settings);
	return node_new(peel_addr_ipv4(192, 0, 2, 99, 8090), sk, &settings, 16);
}

/* The state before: an exit or relay with the recorded keys, or as many circuits as the limit
 * allows. */
static void
prepare_state(struct node *n, const json_t *v)
{
	const char *role = peel_vec_str(v, "state.role");
	struct peel_addr from = addr_of(v, "from");
	uint32_t cid = (uint32_t)peel_vec_int(v, "state.circuit_id");
	struct originator o;

	originator_init(&o, from, 5);
	if (strcmp(role, "exit") == 0 || strcmp(role, "relay") == 0) {
		exit_make(n, &o, cid);
		if (strcmp(role, "relay") == 0) {
			n->reach_result = -ENOTSUP;
			relay_make(n, &o, o.id.pk, addr_of(v, "state.next_address"));
		}
		set_keys(n, &from, cid, peel_vec_get(v, "state.keys"));
	}
	if (strcmp(peel_vec_id(v), "create-full") == 0) {
		for (uint32_t i = 0; i < 5; i++)
			exit_make(n, &o, 1000 + i);
	}
	if (strcmp(peel_vec_id(v), "exit-extend-too-late") == 0)
		world_now += 60001;
}

static void
drop_one(const json_t *v)
{
	struct node *n = node_of(v);
	struct peel_addr from = addr_of(v, "from");
	struct peel_or_count before, after;
	size_t len;
	uint8_t *in = peel_vec_hex(v, "packet", &len);

	prepare_state(n, v);
	uint64_t sent = n->sent_total;

	peel_or_count(n->circuits, &before);
	assert_true(node_input(n, &from, in, len) != 0);
	peel_or_count(n->circuits, &after);
	/* what could be opened proves its circuit, whatever it says */
	after.unproved = before.unproved;
	assert_memory_equal(&before, &after, sizeof(before));
	if (n->sent_total != sent)
		fail_msg("%s: something was sent", peel_vec_id(v));
	node_free(n);
	free(in);
}

static bool
ours(const json_t *v)
{
	const char *id = peel_vec_id(v);

	return strncmp(id, "create-", 7) == 0 || strcmp(id, "relay-plaintext-create") == 0 ||
	       (strncmp(id, "exit-", 5) == 0 &&
		       (strstr(id, "extend") != NULL || strstr(id, "created") != NULL));
}

static void
test_negative_vectors(void **state)
{
	json_t *file = peel_vectors_load("negative"), *v;
	size_t i;
	unsigned int n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		if (ours(v)) {
			drop_one(v);
			n++;
		}
	}
	assert_int_equal(n, 21);
	json_decref(file);
}

static void
answer_one(const json_t *v)
{
	struct node *n = node_of(v);
	struct peel_addr from = addr_of(v, "from");
	const json_t *send = json_array_get(peel_vec_get(v, "reference.sends"), 0);
	size_t len, want_len;
	uint8_t *in = peel_vec_hex(v, "packet", &len), secret[32];
	uint8_t *want = peel_vec_hex(send, "packet", &want_len);
	struct packet got;

	peel_vec_bytes(v, "responder_ephemeral_secret", secret, 32);
	node_script(n, secret, 32);
	assert_int_equal(node_input(n, &from, in, len), 0);
	assert_true(node_pop(n, &got));
	assert_true(peel_addr_equal(&got.to, &from));
	assert_memory_equal(got.data, want, PEEL_CELL_HEADER_LEN + 69);
	assert_int_equal(got.len, PEEL_CELL_HEADER_LEN + 69 + PEEL_SEAL_OVERHEAD + 1);
	/* The same again is not answered. */
	assert_int_equal(node_input(n, &from, in, len), -EBADMSG);
	assert_false(node_pop(n, &got));
	assert_int_equal(node_stat(n, PEEL_CREATE_REFUSED_IN_USE), 1);
	node_free(n);
	free(in);
	free(want);
}

static void
test_tolerate_vectors(void **state)
{
	json_t *file = peel_vectors_load("tolerate"), *v;
	size_t i;
	unsigned int n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		if (strcmp(peel_vec_str(v, "expect"), "answer") == 0 &&
			strncmp(peel_vec_id(v), "create-", 7) == 0) {
			answer_one(v);
			n++;
		}
	}
	assert_int_equal(n, 5);
	json_decref(file);
}

/* Every responder entry, as a create on the wire. */
static void
test_handshake_vectors(void **state)
{
	json_t *file = peel_vectors_load("handshake"), *v;
	size_t i;
	unsigned int n = 0;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		uint8_t cell[256], secret[32];
		struct peel_writer w;
		struct packet got;
		struct originator o;
		size_t x_len;

		if (json_object_get(v, "responder_ephemeral_secret") == NULL ||
			json_object_get(v, "initiator_ephemeral_public") == NULL)
			continue;
		uint8_t sk[PEEL_SK_LEN] = "LibNaCLSK:";
		uint8_t *x = peel_vec_hex(v, "initiator_ephemeral_public", &x_len);
		bool ok = strcmp(peel_vec_str(v, "expect"), "ok") == 0;

		peel_vec_bytes(v, "responder_static_secret", sk + 10, 32);
		peel_vec_bytes(v, "responder_ephemeral_secret", secret, 32);
		struct node *node = node_new(peel_addr_ipv4(192, 0, 2, 99, 8090), sk, NULL, 16);

		originator_init(&o, peel_addr_ipv4(192, 0, 2, 1, 1), 1);
		w = peel_writer_init(cell, sizeof(cell));
		w.p += PEEL_CELL_HEADER_LEN;
		peel_cell_header(cell, world_prefix, 4, true, true);
		peel_write_u8(&w, PEEL_MSG_CREATE);
		peel_write_u16(&w, 9);
		peel_write_varlen(&w, o.id.pk, PEEL_PK_LEN);
		peel_write_varlen(&w, x, x_len);
		if (x_len == 32)
			node_script(node, secret, 32);
		assert_int_equal(node_input(node, &o.addr, cell, (size_t)peel_writer_len(&w)),
			ok ? 0 : -EBADMSG);
		assert_int_equal(node_pop(node, &got), ok);
		assert_int_equal(node_stat(node, PEEL_CREATE_REFUSED_BAD), !ok);
		if (ok && json_object_get(v, "auth") != NULL) {
			uint8_t want[64];

			peel_vec_bytes(v, "responder_ephemeral_public", want, 32);
			peel_vec_bytes(v, "auth", want + 32, 32);
			assert_memory_equal(got.data + PEEL_CELL_HEADER_LEN + 5, want, 64);
		}
		node_free(node);
		free(x);
		n++;
	}
	assert_int_equal(n, 14);
	json_decref(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_destroy_vectors),
		cmocka_unit_test(test_negative_vectors),
		cmocka_unit_test(test_tolerate_vectors),
		cmocka_unit_test(test_handshake_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
