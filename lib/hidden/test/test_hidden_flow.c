/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
/* The recorded session of a hidden service, at its introduction point and at its rendezvous point:
 * the same questions get the same answers. */
#include <stdlib.h>

#include "recorded.h"
#include "scene.h"

#define CIRCUITS 8

struct flow {
	json_t *file;
	const json_t *me;
	struct scene scene;
	struct originator circuit[CIRCUITS];
	unsigned int n_circuits;
	unsigned int n_cells, n_datagrams, n_joined;
};

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
	if (!json_is_string(json_object_get(v, "decrypted_message")))
		return NULL;
	return peel_vec_hex(v, "decrypted_message", len);
}

static struct originator *
circuit_of(struct flow *f, uint32_t cid)
{
	for (unsigned int i = 0; i < f->n_circuits; i++) {
		if (f->circuit[i].cid == cid)
			return &f->circuit[i];
	}
	assert_true(f->n_circuits < CIRCUITS);
	struct originator *o = &f->circuit[f->n_circuits++];

	originator_init(o, peel_addr_ipv4(192, 0, 2, 100, (uint16_t)(1 + f->n_circuits)), cid);
	exit_make(f->scene.n, o, cid);
	return o;
}

/* The next message with this id that seeder or downloader got. */
static uint8_t *
answer_after(struct flow *f, size_t step, uint8_t id, uint8_t inner, size_t *len)
{
	const json_t *steps = peel_vec_get(f->file, "vectors");

	for (size_t i = step + 1; i < json_array_size(steps); i++) {
		const json_t *v = json_array_get(steps, i);
		uint8_t *msg =
			is_at(v, "seeder") || is_at(v, "downloader") ? message_of(v, len) : NULL;

		if (msg != NULL && msg[0] == id &&
			(inner == 0 || msg[15 + PEEL_PREFIX_LEN] == inner))
			return msg;
		free(msg);
	}
	fail_msg("no answer with id %u in the recording", id);
	return NULL;
}

static void
expect_answer(struct flow *f, struct originator *o, const uint8_t *want, size_t len)
{
	uint8_t msg[PEEL_DATAGRAM_MAX];
	int got = scene_answer(&f->scene, o, msg);

	assert_int_equal(got, len);
	assert_memory_equal(msg, want, len);
}

/* The recording's DHT was a mock: what it found is what was answered. It did not say that it is the
 * DHT, as the real one does. */
static void
find_as_recorded(struct flow *f, uint8_t *want, size_t len)
{
	struct peel_dht_introduction found[PEEL_PEERS_MAX] = {0};
	struct peel_msg_peers_response m;
	uint8_t real[PEEL_DATAGRAM_MAX];

	assert_int_equal(peel_peers_response_parse(want + 1, len - 1, false, &m), 0);
	for (size_t i = 0; i < m.n; i++) {
		m.peer[i].source = PEEL_SOURCE_DHT;
		found[i].address = m.peer[i].address;
		memcpy(found[i].pk, m.peer[i].pk.p, PEEL_PK_LEN);
		memcpy(found[i].seeder_pk, m.peer[i].seeder_pk.p, PEEL_PK_LEN);
	}
	assert_int_equal(peel_peers_response_build(real, sizeof(real), false, &m), len);
	memcpy(want, real, len);
	scene_found(&f->scene, found, m.n);
	f->scene.n_look_ups = 0;
}

static void
cell(struct flow *f, size_t step, const json_t *v, const uint8_t *msg, size_t len)
{
	struct originator *o = circuit_of(f, (uint32_t)peel_vec_int(v, "state.circuit_id"));
	size_t want_len;
	uint8_t *want = answer_after(f, step, (uint8_t)(msg[0] + 1), 0, &want_len);

	assert_int_equal(scene_message(&f->scene, o, msg, len), 0);
	if (f->scene.n_look_ups > 0)
		find_as_recorded(f, want, want_len);
	expect_answer(f, o, want, want_len);
	f->n_cells++;
	f->n_joined += msg[0] == PEEL_MSG_LINK_E2E;
	free(want);
}

static void
datagram(struct flow *f, size_t step, const json_t *v, const uint8_t *data, size_t len)
{
	struct peel_addr from = addr_of(v, "from");
	const json_t *sends = peel_vec_get(v, "sends");
	size_t want_len;
	uint8_t *want;

	assert_int_equal(json_array_size(sends), 1);
	assert_int_equal(peel_hidden_datagram(f->scene.h, &from, data, len), 0);
	f->n_datagrams++;
	if (data[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E) {
		want = answer_after(f, step, PEEL_MSG_DATA, PEEL_MSG_CREATE_E2E, &want_len);
		expect_answer(f, &f->circuit[0], want, want_len);
	} else {
		want = peel_vec_hex(json_array_get(sends, 0), "packet", &want_len);
		expect_bytes(&f->scene.sent, want, want_len);
		assert_true(peel_addr_equal(&f->scene.sent.to, &from));
	}
	free(want);
}

static void
flow_at(const char *name, struct flow *f)
{
	uint8_t sk[PEEL_SK_LEN];
	const json_t *v;
	size_t i;

	memset(f, 0, sizeof(*f));
	f->file = peel_vectors_load("flow_hidden");
	json_array_foreach (peel_vec_get(f->file, "nodes"), i, v) {
		if (strcmp(peel_vec_str(v, "name"), name) == 0)
			f->me = v;
	}
	peel_vec_bytes(f->me, "private_key_bin", sk, sizeof(sk));
	scene_open(&f->scene, addr_of(f->me, "address"), sk, NULL, 64);
	peel_vectors_foreach (f->file, i, v) {
		size_t len, packet_len;

		if (!is_at(v, name))
			continue;
		uint8_t *packet = peel_vec_hex(v, "packet", &packet_len);
		uint8_t *msg = message_of(v, &len);

		if (msg != NULL &&
			(msg[0] == PEEL_MSG_ESTABLISH_INTRO ||
				msg[0] == PEEL_MSG_ESTABLISH_RENDEZVOUS ||
				msg[0] == PEEL_MSG_LINK_E2E || msg[0] == PEEL_MSG_PEERS_REQUEST))
			cell(f, i, v, msg, len);
		else if (packet[PEEL_PREFIX_LEN] == PEEL_MSG_CREATE_E2E ||
			 packet[PEEL_PREFIX_LEN] == PEEL_MSG_PEERS_REQUEST)
			datagram(f, i, v, packet, packet_len);
		free(msg);
		free(packet);
	}
}

static void
test_introduction_point(void **state)
{
	struct flow f;

	(void)state;
	flow_at("exit1", &f);
	assert_int_equal(f.n_cells, 1);
	assert_int_equal(f.n_datagrams, 2);
	assert_int_equal(f.scene.n_announced, 1);
	assert_int_equal(scene_count(&f.scene).introductions, 1);
	scene_close(&f.scene);
	json_decref(f.file);
}

static void
test_rendezvous_point(void **state)
{
	struct flow f;

	(void)state;
	flow_at("exit2", &f);
	assert_int_equal(f.n_cells, 3);
	assert_int_equal(f.n_joined, 1);
	assert_int_equal(counts(f.scene.n).rendezvous, 2);
	assert_int_equal(scene_count(&f.scene).rendezvous, 0);
	scene_close(&f.scene);
	json_decref(f.file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_introduction_point),
		cmocka_unit_test(test_rendezvous_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
