/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Every vector that a relay's or an exit's data path decides: packet in, packet out, byte for byte,
 * with both engines.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_aead_engines.h"
#include "peel_vectors.h"
#include "rig.h"

#define ENDPOINT 7

static struct rig rig;
static const struct peel_aead_engine *engine;

static struct peel_addr
address(const json_t *v, const char *key)
{
	struct peel_addr a;

	assert_int_equal(peel_addr_parse(peel_vec_str(v, key), 0, &a), 0);
	return a;
}

static uint32_t
add_session(const json_t *keys)
{
	struct peel_key f, b;
	uint8_t sf[4], sb[4];
	uint32_t session;

	peel_vec_bytes(keys, "key_forward", f.b, 32);
	peel_vec_bytes(keys, "key_backward", b.b, 32);
	peel_vec_bytes(keys, "salt_forward", sf, 4);
	peel_vec_bytes(keys, "salt_backward", sb, 4);
	assert_int_equal(peel_session_add(rig.routes, &f, sf, &b, sb, 0, &session), 0);
	peel_session_at(rig.routes, session)->backward.seal =
		peel_vec_u64(keys, "counter_backward");
	return session;
}

/* The route that the vector's state describes. The neighbour a cell comes from is not part of the
 * state: take it. */
static uint32_t
add_route(const json_t *v, const struct peel_addr *in)
{
	const json_t *state = peel_vec_get(v, "state");
	const char *role = peel_vec_str(state, "role");
	struct peel_route r = {.in = *in, .max_early = 8};
	uint32_t slot;

	r.in_cid = (uint32_t)peel_vec_int(state, "circuit_id");
	r.session = add_session(peel_vec_get(state, "keys"));
	if (strcmp(role, "exit") == 0) {
		r.kind = PEEL_ROUTE_EXIT;
		r.in = r.out = address(state, "prev_address");
		r.out_cid = r.in_cid;
		r.endpoint = json_is_true(peel_vec_get(state, "enabled")) ? ENDPOINT
									  : PEEL_ENDPOINT_MAIN;
	} else {
		r.out = address(state, "next_address");
		r.out_cid = (uint32_t)peel_vec_int(state, "next_circuit_id");
		r.n_early = (uint8_t)peel_vec_int(state, "relay_early_count");
		if (strcmp(role, "rendezvous") == 0) {
			r.kind = PEEL_ROUTE_RENDEZVOUS;
			r.peer = add_session(peel_vec_get(state, "next_keys"));
		} else {
			bool fwd = strcmp(peel_vec_str(state, "direction"), "forward") == 0;

			r.kind = fwd ? PEEL_ROUTE_FORWARD : PEEL_ROUTE_BACKWARD;
		}
	}
	assert_int_equal(peel_route_publish(rig.routes, &r, &slot), 0);
	return slot;
}

static void
expect_packet(const json_t *v, const char *hex, const struct peel_addr *to)
{
	size_t len;
	uint8_t *want = peel_unhex(hex, &len);

	if (rig.n_out != 1 || rig.out[0].len != len || memcmp(rig.out[0].data, want, len) != 0)
		fail_msg("%s: %u packets, %zu bytes instead of %zu or other content",
			peel_vec_id(v), rig.n_out, rig.n_out > 0 ? rig.out[0].len : 0, len);
	assert_true(peel_addr_equal(&rig.out[0].remote, to));
	free(want);
}

static void
feed(const json_t *v, const struct peel_addr *from)
{
	size_t len;
	uint8_t *packet = peel_vec_hex(v, "packet", &len);

	rig_feed(&rig, from, packet, len);
	rig_poll(&rig);
	free(packet);
}

static unsigned int
relay_file(const char *name)
{
	struct peel_addr from = peel_addr_ipv4(192, 0, 2, 99, 1234);
	json_t *file = peel_vectors_load(name), *v;
	unsigned int n = 0;
	size_t i;

	peel_vectors_foreach (file, i, v) {
		if (strcmp(peel_vec_str(v, "kind"), "relay") != 0)
			continue;
		rig_start(&rig, engine, PEEL_FLAG_RELAY);
		add_route(v, &from);
		/* Vectors count every cell the reference's way; here only early ones count, from
		 * the stated value. */
		struct peel_addr to = address(v, "to");

		feed(v, &from);
		expect_packet(v, peel_vec_str(v, "out"), &to);
		rig_stop(&rig);
		n++;
	}
	json_decref(file);
	return n;
}

static void
test_relay_cells(void **state)
{
	(void)state;
	assert_int_equal(relay_file("cells"), 47);
	assert_int_equal(relay_file("cells_hidden"), 16);
}

static void
test_rendezvous_cells(void **state)
{
	(void)state;
	assert_int_equal(relay_file("rendezvous"), 10);
}

/* What arrives at an exit is opened; whatever class it goes to, the message is the vector's. */
static void
check_received(const json_t *v)
{
	size_t len;
	uint8_t *want = peel_vec_hex(v, "message", &len);
	struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_OR);

	if (m == NULL)
		m = rig_pop(&rig, PEEL_CLASS_EXIT);
	if (m != NULL) {
		assert_int_equal(m->data_len, len);
		assert_memory_equal(rte_pktmbuf_mtod(m, void *), want, len);
		rte_pktmbuf_free(m);
	} else if (want[0] == PEEL_MSG_PING || want[0] == PEEL_MSG_TEST_REQUEST) {
		assert_int_equal(rig.n_out, 1); /* answered at once */
	} else {
		/* data through an open endpoint or refused by the policy; handled in the exit
		 * tests */
		assert_int_equal(want[0], PEEL_MSG_DATA);
		assert_int_equal(rig.n_out + rig_drops(&rig), 1);
	}
	free(want);
}

static void
test_exit_cells(void **state)
{
	json_t *file = peel_vectors_load("cells"), *v;
	unsigned int n = 0;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const json_t *st = peel_vec_get(v, "state");
		struct peel_addr from;

		if (strcmp(peel_vec_str(v, "kind"), "receive") != 0 ||
			strcmp(peel_vec_str(st, "role"), "exit") != 0)
			continue;
		rig_start(&rig, engine, PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT | PEEL_FLAG_SPEED_TEST);
		from = address(st, "prev_address");
		add_route(v, &from);
		feed(v, &from);
		assert_int_equal(rig_count(&rig, PEEL_DROP_AUTH), 0);
		check_received(v);
		rig_stop(&rig);
		n++;
	}
	assert_int_equal(n, 30);
	json_decref(file);
}

/* Cells an exit sends: pongs are the worker's, so feed the ping that asks for them. */
static void
test_tolerated(void **state)
{
	json_t *file = peel_vectors_load("tolerate"), *v;
	unsigned int n = 0;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const char *expect = peel_vec_str(v, "expect"), *id = peel_vec_id(v);
		const json_t *send =
			json_array_get(json_object_get(peel_vec_get(v, "reference"), "sends"), 0);
		struct peel_addr from = address(v, "from"), to;
		bool relay = strcmp(expect, "relay") == 0;

		if (!relay && strncmp(id, "exit-ping", 9) != 0)
			continue;
		rig_start(&rig, engine, PEEL_FLAG_RELAY | PEEL_FLAG_SPEED_TEST);
		/* "other source" arrives from a stranger: the route belongs to the real
		 * neighbour. */
		struct peel_addr neighbour = peel_addr_ipv4(192, 0, 2, 10, 8090);
		bool other = strstr(id, "other-source") != NULL;

		add_route(v, other ? &neighbour : &from);
		to = address(send, "to");
		feed(v, &from);
		expect_packet(v, peel_vec_str(send, "packet"), &to);
		rig_stop(&rig);
		n++;
	}
	assert_int_equal(n, 13);
	json_decref(file);
}

static bool
decided_by_control(const char *id)
{
	/* Verdicts that need state of the control thread, judged in its own tests. */
	return strncmp(id, "create", 6) == 0 || strncmp(id, "exit-extend", 11) == 0 ||
	       strncmp(id, "exit-link", 9) == 0 ||
	       strcmp(id, "exit-not-enabled-other-source-ip") == 0 ||
	       strcmp(id, "relay-plaintext-create") == 0;
}

static uint16_t
flags_of(const json_t *v)
{
	const json_t *list = peel_vec_find(v, "config.peer_flags"), *flag;
	uint16_t flags = 0;
	size_t i;

	if (list == NULL)
		return PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8 |
		       PEEL_FLAG_SPEED_TEST;
	json_array_foreach (list, i, flag)
		flags |= (uint16_t)json_integer_value(flag);
	return flags;
}

static void
test_dropped(void **state)
{
	json_t *file = peel_vectors_load("negative"), *v;
	unsigned int n = 0;
	size_t i;

	(void)state;
	peel_vectors_foreach (file, i, v) {
		const json_t *st = json_object_get(v, "state");
		const char *role = json_is_object(st) ? peel_vec_str(st, "role") : "none";
		struct peel_addr from = address(v, "from");

		if (strcmp(role, "originator") == 0 ||
			strcmp(peel_vec_str(v, "node"), "alice") == 0 ||
			decided_by_control(peel_vec_id(v)))
			continue;
		rig_start(&rig, engine, flags_of(v));
		if (strcmp(role, "none") != 0)
			add_route(v, &from);
		feed(v, &from);
		if (rig.n_out != 0 || rig_drops(&rig) != 1)
			fail_msg("%s: %u sent, %u dropped", peel_vec_id(v), rig.n_out,
				(unsigned int)rig_drops(&rig));
		rig_stop(&rig);
		n++;
	}
	assert_int_equal(n, 42);
	json_decref(file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relay_cells),
		cmocka_unit_test(test_rendezvous_cells),
		cmocka_unit_test(test_exit_cells),
		cmocka_unit_test(test_tolerated),
		cmocka_unit_test(test_dropped),
	};
	int failed = rig_eal(NULL);

	for (size_t i = 0; peel_aead_engines[i] != NULL && failed == 0; i++) {
		engine = peel_aead_engines[i];
		if (peel_aead_self_test(engine) == 0)
			failed = cmocka_run_group_tests_name(engine->name, tests, NULL, NULL);
	}
	return failed;
}
