/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* Handshakes, candidate lists and opened messages as they travel in whole circuits. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fixture.h"
#include "peel_cell.h"

/* One hop as the flow shows it: its create and created as delivered. */
struct hop {
	struct peel_msg_create create;
	struct peel_msg_created created;
	const json_t *node; /* who answered */
};

static const json_t *
node_by_name(const json_t *file, const char *name)
{
	json_t *node;
	size_t i;

	json_array_foreach (peel_vec_get(file, "nodes"), i, node) {
		if (strcmp(peel_vec_str(node, "name"), name) == 0)
			return node;
	}
	fail_msg("no node %s", name);
	return NULL;
}

static void
ephemeral_secret(const json_t *file, struct peel_span public, uint8_t secret[32])
{
	json_t *pair;
	size_t i;

	json_array_foreach (peel_vec_get(file, "ephemeral_keys_in_order_of_use"), i, pair) {
		uint8_t got[32];

		peel_vec_bytes(pair, "x25519_public", got, 32);
		if (memcmp(got, public.p, 32) == 0) {
			peel_vec_bytes(pair, "x25519_secret", secret, 32);
			return;
		}
	}
	fail_msg("ephemeral key not listed");
}

static bool
is_node_key(const json_t *file, struct peel_span key)
{
	json_t *node;
	size_t i;

	json_array_foreach (peel_vec_get(file, "nodes"), i, node) {
		uint8_t pk[PEEL_PK_LEN];

		peel_vec_bytes(node, "public_key_bin", pk, sizeof(pk));
		if (key.len == sizeof(pk) && memcmp(pk, key.p, sizeof(pk)) == 0)
			return true;
	}
	return false;
}

/* Open the candidate list, split it, and build the same list again. */
static void
check_candidates(const json_t *file, const struct hop *hop, const struct peel_session_keys *keys)
{
	uint8_t list[1024], again[1024];
	const uint8_t *relays[8] = {0}, *exits[8] = {0};
	struct peel_candidates got;
	int len = peel_open_one(&keys->forward, keys->salt_forward, hop->created.candidates_enc.p,
		hop->created.candidates_enc.len, list);

	assert_true(len > 0);
	assert_int_equal(peel_candidates_parse(list, (size_t)len, &got), 0);
	assert_true(got.n <= 8);
	for (size_t i = 0; i < got.n; i++) {
		assert_true(is_node_key(file, got.key[i]));
		if (i < got.n_relays)
			relays[i] = got.key[i].p;
		else
			exits[i - got.n_relays] = got.key[i].p;
	}
	assert_int_equal(peel_candidates_build(again, sizeof(again), relays, got.n_relays, exits,
				 got.n - got.n_relays),
		len);
	expect_bytes("candidates", again, list, (size_t)len);
}

static void
check_hop(const json_t *file, const struct hop *hop)
{
	struct peel_identity id;
	struct peel_session_keys keys, theirs;
	struct chosen_random random;
	uint8_t x_secret[32], y_secret[32], y[32], auth[32];

	identity_from(hop->node, "private_key_bin", &id);
	ephemeral_secret(file, hop->create.x, x_secret);
	ephemeral_secret(file, hop->created.y, y_secret);
	assert_int_equal(peel_handshake_finish(
				 x_secret, id.pk, hop->created.y.p, hop->created.auth.p, &keys),
		0);
	chosen_random_init(&random, y_secret, sizeof(y_secret));
	assert_int_equal(
		peel_handshake_respond(&random.env, &id, hop->create.x.p, y, auth, &theirs), 0);
	expect_bytes("Y", y, hop->created.y.p, sizeof(y));
	expect_bytes("auth", auth, hop->created.auth.p, sizeof(auth));
	assert_memory_equal(&keys, &theirs, sizeof(keys));
	check_candidates(file, hop, &keys);
}

/* Follow one flow: each create is answered by the created of the same identifier. */
static size_t
check_flow(const char *name)
{
	json_t *file = peel_vectors_load(name), *v;
	struct hop hops[32] = {0};
	uint8_t *blocks[64];
	size_t i, n_hops = 0, n_blocks = 0, n_checked = 0;

	peel_vectors_foreach (file, i, v) {
		size_t len;

		if (peel_vec_find(v, "decrypted_message") == NULL)
			continue;
		uint8_t *m = peel_vec_hex(v, "decrypted_message", &len);

		if (len == 0 || (m[0] != PEEL_MSG_CREATE && m[0] != PEEL_MSG_CREATED)) {
			free(m);
			continue;
		}
		assert_true(n_hops < PEEL_ARRAY_LEN(hops) && n_blocks < PEEL_ARRAY_LEN(blocks));
		blocks[n_blocks++] = m;
		if (m[0] == PEEL_MSG_CREATE) {
			assert_int_equal(
				peel_create_parse(m + 1, len - 1, &hops[n_hops].create), 0);
			hops[n_hops++].node = node_by_name(file, peel_vec_str(v, "node"));
			continue;
		}
		struct peel_msg_created created;

		assert_int_equal(peel_created_parse(m + 1, len - 1, &created), 0);
		for (size_t k = 0; k < n_hops; k++) {
			if (hops[k].create.identifier != created.identifier)
				continue;
			hops[k].created = created;
			check_hop(file, &hops[k]);
			n_checked++;
		}
	}
	while (n_blocks > 0)
		free(blocks[--n_blocks]);
	json_decref(file);
	return n_checked;
}

static void
test_flows(void **state)
{
	(void)state;
	assert_int_equal(check_flow("flow_circuit_1hop"), 1);
	assert_int_equal(check_flow("flow_circuit_2hop"), 2);
	assert_int_equal(check_flow("flow_circuit_3hop"), 3);
	assert_true(check_flow("flow_hidden") > 3);
}

/* Cells an exit opens but whose message must not parse, and one that must. */
static void
test_opened_messages(void **state)
{
	static const struct {
		const char *file, *id;
		bool good;
	} cases[] = {
		{"tolerate", "exit-good", true},
		{"tolerate", "exit-ping", true},
		{"tolerate", "exit-ping-trailing", true},
		{"negative", "exit-empty-data", true}, /* parses; the policy refuses it */
		{"negative", "exit-data-truncated-1", false},
		{"negative", "exit-data-truncated-2", false},
		{"negative", "exit-data-truncated-3", false},
		{"negative", "exit-data-address-type-4", false},
		{"negative", "exit-extend-cut", false},
		{"negative", "exit-ping-cut", false},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		json_t *file = peel_vectors_load(cases[i].file);
		const json_t *v = peel_vectors_find(file, cases[i].id);
		struct peel_session_keys keys;
		struct peel_cell cell;
		struct peel_msg_data data;
		struct peel_msg_extend extend;
		uint8_t m[512];
		uint16_t identifier;
		size_t len;
		uint8_t *packet = peel_vec_hex(v, "packet", &len);

		session_from(peel_vec_get(v, "state.keys"), &keys);
		assert_int_equal(peel_cell_parse(packet, len, &cell), 0);
		int n = peel_open_one(
			&keys.forward, keys.salt_forward, cell.message.p, cell.message.len, m);
		assert_true(n > 0);
		int ret = m[0] == PEEL_MSG_DATA ? peel_data_parse(m + 1, (size_t)n - 1, &data)
			  : m[0] == PEEL_MSG_EXTEND
				  ? peel_extend_parse(m + 1, (size_t)n - 1, &extend)
				  : peel_identifier_parse(m + 1, (size_t)n - 1, &identifier);
		if ((ret == 0) != cases[i].good)
			fail_msg("%s: %d", cases[i].id, ret);
		free(packet);
		json_decref(file);
	}
}

/* Plaintext create cells of the negative and tolerate files. */
static void
test_create_cells(void **state)
{
	static const struct {
		const char *file, *id;
		int parsed, answered;
	} cases[] = {
		{"tolerate", "create-good", 0, 0},
		{"tolerate", "create-trailing", 0, 0},
		{"negative", "create-low-order", 0, -EBADMSG},
		{"negative", "create-short-key", -EBADMSG, 0},
		{"negative", "create-long-key", -EBADMSG, 0},
		{"negative", "create-bad-node-key", -EBADMSG, 0},
		{"negative", "create-node-key-short", -EBADMSG, 0},
		{"negative", "create-cut", -EBADMSG, 0},
		{"negative", "create-only-id", -EBADMSG, 0},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		json_t *file = peel_vectors_load(cases[i].file);
		const json_t *v = peel_vectors_find(file, cases[i].id);
		struct peel_identity id;
		struct peel_session_keys keys;
		struct peel_msg_create m;
		struct peel_cell cell;
		uint8_t y[32], auth[32];
		size_t len;
		uint8_t *packet = peel_vec_hex(v, "packet", &len);

		identity_from(v, "node_private_key_bin", &id);
		assert_int_equal(peel_cell_parse(packet, len, &cell), 0);
		assert_int_equal(cell.message.p[0], PEEL_MSG_CREATE);
		if (peel_create_parse(cell.message.p + 1, cell.message.len - 1, &m) !=
			cases[i].parsed)
			fail_msg("%s", cases[i].id);
		if (cases[i].parsed == 0)
			assert_int_equal(peel_handshake_respond(
						 &peel_env_system, &id, m.x.p, y, auth, &keys),
				cases[i].answered);
		free(packet);
		json_decref(file);
	}
}

static int
init(void **state)
{
	(void)state;
	return peel_keys_init();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flows),
		cmocka_unit_test(test_opened_messages),
		cmocka_unit_test(test_create_cells),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
