/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Own circuits in the worker, against layers put on and taken off one by one with libsodium.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_aead_engines.h"
#include "peel_keys.h"
#include "rig.h"

#define LAYERS 4
#define CID 0x01020304

static struct rig rig;
static const struct peel_aead_engine *engine;
static struct peel_addr first;

/* What the hops know. */
static struct {
	uint32_t path, route, generation;
	unsigned int n;
	bool e2e_reversed; /* the last layer is a downloader's */
	struct peel_session_keys keys[LAYERS];
	uint64_t counter[LAYERS];
} c;

static void
begin(unsigned int n_layers, uint8_t flags)
{
	memset(&c, 0, sizeof(c));
	first = peel_addr_ipv4(192, 0, 2, 10, 8090);
	c.n = n_layers;
	c.e2e_reversed = (flags & PEEL_PATH_REVERSED) != 0;
	assert_int_equal(peel_path_add(rig.paths, &first, CID, 3, &c.path), 0);
	c.generation = peel_path_generation(rig.paths, c.path);
	for (unsigned int i = 0; i < n_layers; i++) {
		struct peel_session_keys *k = &c.keys[i];
		uint32_t session;

		peel_random(&peel_env_system, k, sizeof(*k));
		assert_int_equal(peel_session_add(rig.routes, &k->forward, k->salt_forward,
					 &k->backward, k->salt_backward, 0, &session),
			0);
		if (i == 0) {
			const struct peel_route r = {.in = first,
				.in_cid = CID,
				.out = first,
				.out_cid = CID,
				.session = session,
				.peer = c.path,
				.kind = PEEL_ROUTE_ORIGIN,
				.max_early = UINT8_MAX};

			assert_int_equal(peel_route_publish(rig.routes, &r, &c.route), 0);
		}
		assert_int_equal(peel_path_layer(rig.paths, c.path, session), 0);
	}
	peel_path_set_flags(rig.paths, c.path, flags);
}

static void
start(unsigned int n_layers, uint8_t flags)
{
	rig_start(&rig, engine, PEEL_FLAG_RELAY);
	begin(n_layers, flags);
}

static void
finish(void)
{
	rig_stop(&rig);
}

/* A cell as it comes from the first hop: each hop's layer around those of the hops behind it. */
static size_t
wrap(const void *msg, size_t len, uint8_t out[2304])
{
	uint8_t a[2304], b[2304];

	memcpy(a, msg, len);
	for (unsigned int i = c.n; i-- > 0;) {
		bool forward = c.e2e_reversed && i == c.n - 1;
		const struct peel_session_keys *k = &c.keys[i];

		peel_seal_one(forward ? &k->forward : &k->backward,
			forward ? k->salt_forward : k->salt_backward, ++c.counter[i], a, len, b);
		len += PEEL_SEAL_OVERHEAD;
		memcpy(a, b, len);
	}
	peel_cell_header(out, rig_prefix, CID, false, false);
	memcpy(out + PEEL_CELL_HEADER_LEN, a, len);
	return PEEL_CELL_HEADER_LEN + len;
}

static void
feed(const void *msg, size_t len)
{
	uint8_t cell[2304];

	rig_feed(&rig, &first, cell, wrap(msg, len, cell));
}

/* What the end of the circuit reads in a cell that left; the layers come off in the hops' order. */
static size_t
unwrap(const struct rig_packet *p, uint8_t out[2304])
{
	uint8_t a[2304];
	size_t len = p->len - PEEL_CELL_HEADER_LEN;

	assert_true(peel_addr_equal(&p->remote, &first));
	assert_int_equal(p->endpoint, PEEL_ENDPOINT_MAIN);
	assert_memory_equal(p->data, rig_prefix, PEEL_PREFIX_LEN);
	assert_int_equal(p->data[PEEL_PREFIX_LEN], 0);
	assert_int_equal(peel_get_be32(p->data + PEEL_CELL_OFF_CID), CID);
	assert_int_equal(p->data[PEEL_CELL_OFF_PLAIN], 0);
	memcpy(a, p->data + PEEL_CELL_HEADER_LEN, len);
	for (unsigned int i = 0; i < c.n; i++) {
		bool backward = c.e2e_reversed && i == c.n - 1;
		const struct peel_session_keys *k = &c.keys[i];
		int rc = peel_open_one(backward ? &k->backward : &k->forward,
			backward ? k->salt_backward : k->salt_forward, a, len, out);

		assert_int_equal(rc, (int)(len - PEEL_SEAL_OVERHEAD));
		len = (size_t)rc;
		memcpy(a, out, len);
	}
	return len;
}

static size_t
data_message(uint8_t *out, const void *payload, size_t len)
{
	const struct peel_msg_data m = {.destination = {.type = PEEL_HOST_IPV4},
		.origin = {.type = PEEL_HOST_IPV4, .addr = peel_addr_ipv4(198, 51, 100, 7, 6881)},
		.payload = {payload, len}};
	int rc = peel_data_build(out, 2048, &m);

	assert_true(rc > 0);
	return (size_t)rc;
}

static void
push(const void *msg, size_t len, uint32_t generation)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool);
	bool wake;

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), msg, len);
	peel_pkt(m)->session = c.path;
	peel_pkt(m)->generation = generation;
	assert_int_equal(peel_submit_queue_push(rig.submit_queue, m, &wake), 0);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void
test_receive_data(void **state)
{
	static const size_t sizes[] = {0, 1, 63, 64, 1400, 1900};

	(void)state;
	for (unsigned int layers = 1; layers <= LAYERS; layers++) {
		start(layers, PEEL_PATH_READY);
		for (size_t s = 0; s < PEEL_ARRAY_LEN(sizes); s++) {
			uint8_t payload[2048], msg[2048];
			size_t len;

			peel_random(&peel_env_system, payload, sizeof(payload));
			payload[0] |= 1; /* no overlay's prefix */
			len = data_message(msg, payload, sizes[s]);
			feed(msg, len);
			rig_poll(&rig);
			struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_ORIGIN);

			assert_non_null(m);
			assert_int_equal(peel_pkt(m)->kind, PEEL_KIND_ORIGIN_DATA);
			assert_int_equal(peel_pkt(m)->session, c.path);
			assert_int_equal(peel_pkt(m)->generation, c.generation);
			assert_int_equal(m->data_len, len);
			assert_memory_equal(rte_pktmbuf_mtod(m, void *), msg, len);
			rte_pktmbuf_free(m);
		}
		assert_int_equal(rig_drops(&rig), 0);
		assert_int_equal(rig_count(&rig, PEEL_OWN_CELLS_RECEIVED), PEEL_ARRAY_LEN(sizes));
		finish();
	}
}

/* More than a round's worth, of circuits of different lengths, in order. */
static void
test_receive_burst(void **state)
{
	uint8_t msg[64];

	(void)state;
	start(3, PEEL_PATH_READY);
	for (uint32_t i = 0; i < 60; i++) {
		size_t len = data_message(msg, &(uint32_t){i << 8 | 1}, 4);

		feed(msg, len);
	}
	rig_poll(&rig);
	for (uint32_t i = 0; i < 60; i++) {
		struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_ORIGIN);
		uint32_t v;

		assert_non_null(m);
		memcpy(&v, rte_pktmbuf_mtod_offset(m, void *, m->data_len - 4), 4);
		assert_int_equal(v >> 8, i);
		rte_pktmbuf_free(m);
	}
	assert_true(rig.wakes > 0);
	const struct peel_direction *h =
		&peel_session_at(rig.routes, peel_path_at(rig.paths, c.path)->session[0])->backward;

	assert_int_equal(h->cells, 60);
	finish();
}

/* Whoever is on the way seals a copy anew, up to the hop before the last: it is the same cell. */
static void
test_copies_sealed_anew(void **state)
{
	static const uint8_t flags[] = {PEEL_PATH_READY, PEEL_PATH_READY | PEEL_PATH_E2E,
		PEEL_PATH_READY | PEEL_PATH_E2E | PEEL_PATH_REVERSED};
	uint8_t msg[128];
	size_t len;

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(flags); i++) {
		start(3, flags[i]);
		len = data_message(msg, "\x01payload", 8);
		feed(msg, len);
		for (uint64_t k = 1; k <= 3; k++) {
			c.counter[2] -= 1; /* the end says nothing new */
			feed(msg, len);
			rig_poll(&rig);
			assert_int_equal(rig_count(&rig, PEEL_DROP_REPLAY), k);
		}
		struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_ORIGIN);

		rte_pktmbuf_free(m);
		assert_null(rig_pop(&rig, PEEL_CLASS_ORIGIN));
		feed(msg, len); /* the same words again are something new */
		rig_poll(&rig);
		assert_int_equal(rig_count(&rig, PEEL_DROP_REPLAY), 3);
		rte_pktmbuf_free(rig_pop(&rig, PEEL_CLASS_ORIGIN));
		finish();
	}
}

static void
test_receive_refuses(void **state)
{
	uint8_t msg[128], cell[2304];
	size_t len, n;

	(void)state;
	start(3, PEEL_PATH_READY);
	len = data_message(msg, "\x01payload", 8);
	n = wrap(msg, len, cell);
	cell[n - 1] ^= 1;
	rig_feed(&rig, &first, cell, n); /* tag of the first hop's layer */
	c.keys[1].backward.b[0] ^= 1;
	feed(msg, len); /* a layer within */
	c.keys[1].backward.b[0] ^= 1;
	rig_poll(&rig);
	assert_int_equal(rig_count(&rig, PEEL_DROP_AUTH), 2);

	n = wrap(msg, len, cell);
	rig_feed(&rig, &first, cell, n);
	rig_feed(&rig, &first, cell, n); /* the same again */
	rig_poll(&rig);
	assert_int_equal(rig_count(&rig, PEEL_DROP_REPLAY), 1);
	struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_ORIGIN);

	rte_pktmbuf_free(m);
	assert_null(rig_pop(&rig, PEEL_CLASS_ORIGIN));

	struct peel_addr elsewhere = peel_addr_ipv4(192, 0, 2, 11, 8090);

	n = wrap(msg, len, cell);
	rig_feed(&rig, &elsewhere, cell, n);
	rig_poll(&rig);
	assert_int_equal(rig_count(&rig, PEEL_DROP_UNKNOWN_CIRCUIT), 1);

	rig_feed(&rig, &first, cell, PEEL_CELL_HEADER_LEN + 23);
	c.n = 2;
	feed(msg, 5); /* opens twice, and has no third layer */
	rig_poll(&rig);
	assert_int_equal(rig_count(&rig, PEEL_DROP_SHORT), 2);
	finish();
}

static void
test_receive_messages(void **state)
{
	static const struct {
		uint8_t id;
		int cls; /* -1: dropped */
	} cases[] = {
		{PEEL_MSG_CREATE, -1},
		{PEEL_MSG_CREATED, -1},
		{PEEL_MSG_EXTEND, -1},
		{PEEL_MSG_EXTENDED, PEEL_CLASS_OR},
		{PEEL_MSG_PING, PEEL_CLASS_OR},
		{PEEL_MSG_PONG, PEEL_CLASS_OR},
		{PEEL_MSG_DESTROY, -1},
		{PEEL_MSG_ESTABLISH_INTRO, -1},
		{PEEL_MSG_INTRO_ESTABLISHED, PEEL_CLASS_OR},
		{PEEL_MSG_RENDEZVOUS_ESTABLISHED, PEEL_CLASS_OR},
		{PEEL_MSG_LINKED_E2E, PEEL_CLASS_OR},
		{PEEL_MSG_PEERS_REQUEST, -1},
		{PEEL_MSG_PEERS_RESPONSE, PEEL_CLASS_OR},
		{PEEL_MSG_TEST_REQUEST, -1},
		{PEEL_MSG_TEST_RESPONSE, PEEL_CLASS_ORIGIN},
		{PEEL_MSG_TEST_RESPONSE_RUST, PEEL_CLASS_ORIGIN},
		{PEEL_MSG_HTTP_REQUEST, -1},
		{PEEL_MSG_HTTP_RESPONSE, PEEL_CLASS_ORIGIN},
		{200, -1},
	};

	(void)state;
	start(2, PEEL_PATH_READY);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		uint8_t msg[40] = {cases[i].id, 1, 2};
		uint64_t drops = rig_drops(&rig);

		feed(msg, sizeof(msg));
		rig_poll(&rig);
		if (cases[i].cls < 0) {
			assert_int_equal(rig_drops(&rig), drops + 1);
			continue;
		}
		struct rte_mbuf *m = rig_pop(&rig, (enum peel_msg_class)cases[i].cls);

		assert_non_null(m);
		assert_int_equal(peel_pkt(m)->kind, PEEL_KIND_ORIGIN_MESSAGE);
		assert_int_equal(*rte_pktmbuf_mtod(m, uint8_t *), cases[i].id);
		rte_pktmbuf_free(m);
	}
	feed("", 0);
	rig_poll(&rig);
	assert_null(rig_pop(&rig, PEEL_CLASS_ORIGIN));
	assert_int_equal(rig.n_out, 0); /* nothing is ever answered by the worker */
	finish();
}

/* One circuit's pings leave room for what others need. */
static void
test_control_flood(void **state)
{
	unsigned int passed = 0;
	struct rte_mbuf *m;

	(void)state;
	start(2, PEEL_PATH_READY);
	for (int i = 0; i < 20; i++) {
		for (int k = 0; k < 32; k++)
			feed("\x06\x01\x02", 3);
		rig_poll(&rig);
		while ((m = rig_pop(&rig, PEEL_CLASS_OR)) != NULL) {
			rte_pktmbuf_free(m);
			passed++;
		}
	}
	assert_in_range(passed, 64, 320); /* 64 per second, and it was quick */
	assert_int_equal(rig_count(&rig, PEEL_DROP_RATE), 640 - passed);
	begin(1, PEEL_PATH_READY); /* another */
	feed("\x05\x01\x02", 3);
	rig_poll(&rig);
	m = rig_pop(&rig, PEEL_CLASS_OR);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	finish();
}

/* W10: a route whose path has no layer yet, and a path that has just gone. */
static void
test_between_times(void **state)
{
	uint8_t cell[256] = {0}, msg[64];
	size_t len = data_message(msg, "\x01payload", 8);

	(void)state;
	start(0, 0);
	const struct peel_route r = {.in = first,
		.in_cid = CID,
		.out = first,
		.out_cid = CID,
		.session = PEEL_NONE,
		.peer = c.path,
		.kind = PEEL_ROUTE_ORIGIN,
		.max_early = UINT8_MAX};

	assert_int_equal(peel_route_publish(rig.routes, &r, &c.route), 0);
	peel_cell_header(cell, rig_prefix, CID, false, false);
	memcpy(cell + PEEL_CELL_HEADER_LEN, msg, len);
	rig_feed(&rig, &first, cell, PEEL_CELL_HEADER_LEN + len);
	rig_poll(&rig);
	assert_null(rig_pop(&rig, PEEL_CLASS_ORIGIN));
	assert_int_equal(rig_count(&rig, PEEL_DROP_UNKNOWN_CIRCUIT), 1);
	finish();

	start(2, PEEL_PATH_READY);
	peel_path_retire(rig.paths, c.path);
	feed(msg, len);
	rig_poll(&rig);
	assert_null(rig_pop(&rig, PEEL_CLASS_ORIGIN));
	assert_int_equal(rig_count(&rig, PEEL_DROP_UNKNOWN_CIRCUIT), 1);
	finish();
}

/* W2: the overlay's own messages inside of data. */
static void
test_receive_hidden(void **state)
{
	uint8_t payload[64], msg[128];

	(void)state;
	for (int round = 0; round < 3; round++) {
		uint8_t flags = round == 0   ? PEEL_PATH_READY
				: round == 1 ? PEEL_PATH_READY | PEEL_PATH_INTRODUCTION
					     : PEEL_PATH_READY | PEEL_PATH_E2E;

		start(2, flags);
		memset(payload, 0, sizeof(payload));
		memcpy(payload, rig_prefix, PEEL_PREFIX_LEN);
		for (unsigned int id = 0; id < 256; id++) {
			bool hidden = id == PEEL_MSG_CREATED_E2E || id == PEEL_MSG_PEERS_RESPONSE ||
				      (id == PEEL_MSG_CREATE_E2E && round == 1);
			struct rte_mbuf *m;

			payload[PEEL_PREFIX_LEN] = (uint8_t)id;
			feed(msg, data_message(msg, payload, sizeof(payload)));
			rig_poll(&rig);
			m = rig_pop(&rig, round == 2 ? PEEL_CLASS_ORIGIN : PEEL_CLASS_OR);
			assert_true((m != NULL) == (round == 2 || hidden));
			if (m != NULL)
				assert_int_equal(
					peel_pkt(m)->kind, round == 2 ? PEEL_KIND_ORIGIN_PEER
								      : PEEL_KIND_ORIGIN_HIDDEN);
			rte_pktmbuf_free(m);
			assert_null(rig_pop(&rig, PEEL_CLASS_ORIGIN));
		}
		finish();
	}
}

/* A node at the end of a service's circuit, or on it, has no data for the program. */
static void
test_receive_on_hidden(void **state)
{
	uint8_t msg[64];
	size_t len = data_message(msg, "\x01payload", 8);

	(void)state;
	start(2, PEEL_PATH_READY | PEEL_PATH_HIDDEN);
	feed(msg, len);
	rig_poll(&rig);
	assert_null(rig_pop(&rig, PEEL_CLASS_ORIGIN));
	assert_int_equal(rig_count(&rig, PEEL_DROP_POLICY), 1);
	peel_path_set_flags(rig.paths, c.path, PEEL_PATH_READY | PEEL_PATH_HIDDEN | PEEL_PATH_E2E);
	feed(msg, len);
	rig_poll(&rig);
	struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_ORIGIN);

	assert_non_null(m);
	assert_int_equal(peel_pkt(m)->kind, PEEL_KIND_ORIGIN_PEER);
	rte_pktmbuf_free(m);
	finish();
}

static void
test_send(void **state)
{
	static const size_t sizes[] = {1, 2, 64, 1400, 1900};

	(void)state;
	for (unsigned int layers = 1; layers <= LAYERS; layers++) {
		uint8_t msg[2048], got[2304];

		start(layers, PEEL_PATH_READY);
		peel_random(&peel_env_system, msg, sizeof(msg));
		for (size_t s = 0; s < PEEL_ARRAY_LEN(sizes); s++)
			push(msg, sizes[s], c.generation);
		rig_poll(&rig);
		assert_int_equal(rig.n_out, PEEL_ARRAY_LEN(sizes));
		for (size_t s = 0; s < PEEL_ARRAY_LEN(sizes); s++) {
			assert_int_equal(unwrap(&rig.out[s], got), sizes[s]);
			assert_memory_equal(got, msg, sizes[s]);
			/* the first cells of a circuit are marked, here three of them */
			assert_int_equal(rig.out[s].data[PEEL_CELL_OFF_EARLY], s < 3);
		}
		const struct peel_path *path = peel_path_at(rig.paths, c.path);
		const struct peel_direction *h =
			&peel_session_at(rig.routes, path->session[0])->forward;

		assert_int_equal(h->cells, PEEL_ARRAY_LEN(sizes));
		assert_int_equal(rig_count(&rig, PEEL_OWN_CELLS_SENT), PEEL_ARRAY_LEN(sizes));
		finish();
	}
}

/* Salts never repeat, whatever else leaves in the same burst. */
static void
test_send_salts(void **state)
{
	uint64_t seen[100];

	(void)state;
	start(1, PEEL_PATH_READY);
	for (unsigned int i = 0; i < 100; i++)
		push("x", 1, c.generation);
	rig.n_out = 0;
	peel_worker_poll(rig.worker);
	peel_worker_poll(rig.worker);
	assert_int_equal(rig.n_out, 100);
	for (unsigned int i = 0; i < 100; i++) {
		seen[i] = peel_get_be64(rig.out[i].data + PEEL_CELL_HEADER_LEN);
		assert_int_equal(seen[i] >> 63, 0);
		for (unsigned int k = 0; k < i; k++)
			assert_true(seen[k] != seen[i]);
	}
	finish();
}

static void
test_send_refuses(void **state)
{
	static uint8_t big[2112];

	(void)state;
	start(3, PEEL_PATH_READY);
	push("x", 1, c.generation + 2);
	push(big, PEEL_DATAGRAM_MAX - PEEL_CELL_HEADER_LEN - 3 * PEEL_SEAL_OVERHEAD, c.generation);
	push(big, PEEL_DATAGRAM_MAX - PEEL_CELL_HEADER_LEN - 3 * PEEL_SEAL_OVERHEAD + 1,
		c.generation);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_int_equal(rig.out[0].len, PEEL_DATAGRAM_MAX);
	assert_int_equal(rig_count(&rig, PEEL_DROP_UNKNOWN_CIRCUIT), 1);
	assert_int_equal(rig_count(&rig, PEEL_DROP_OVERSIZE), 1);

	/* gone between the program's push and the worker's turn */
	push("x", 1, c.generation);
	peel_route_retire(rig.routes, c.route);
	peel_path_retire(rig.paths, c.path);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 0);
	assert_int_equal(rig_count(&rig, PEEL_DROP_UNKNOWN_CIRCUIT), 2);
	finish();
}

/* The end-to-end layer, from both ends. */
static void
test_end_to_end(void **state)
{
	static const uint8_t flags[] = {PEEL_PATH_READY | PEEL_PATH_E2E,
		PEEL_PATH_READY | PEEL_PATH_E2E | PEEL_PATH_REVERSED};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(flags); i++) {
		uint8_t msg[64], got[2304];
		size_t len;

		start(3, flags[i]);
		len = data_message(msg, "\x01hello", 6);
		feed(msg, len);
		push(msg, len, c.generation);
		rig_poll(&rig);
		struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_ORIGIN);

		assert_non_null(m);
		assert_int_equal(m->data_len, len);
		rte_pktmbuf_free(m);
		assert_int_equal(rig.n_out, 1);
		assert_int_equal(unwrap(&rig.out[0], got), len);
		assert_memory_equal(got, msg, len);
		finish();
	}
}

static void
test_application_is_slow(void **state)
{
	uint8_t msg[64];
	size_t len = 0;

	(void)state;
	start(1, PEEL_PATH_READY);
	for (int i = 0; i < 3; i++) {
		for (int k = 0; k < 32; k++) {
			len = data_message(msg, "\x01slow", 5);
			feed(msg, len);
		}
		rig_poll(&rig);
	}
	/* the ring holds 63; a message to control still passes */
	assert_int_equal(rig_count(&rig, PEEL_DROP_OWN_FULL), 96 - 63);
	feed("\x07\x01\x02", 3);
	rig_poll(&rig);
	struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_OR);

	assert_non_null(m);
	rte_pktmbuf_free(m);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_receive_data),
		cmocka_unit_test(test_receive_burst),
		cmocka_unit_test(test_copies_sealed_anew),
		cmocka_unit_test(test_receive_refuses),
		cmocka_unit_test(test_receive_messages),
		cmocka_unit_test(test_control_flood),
		cmocka_unit_test(test_between_times),
		cmocka_unit_test(test_receive_hidden),
		cmocka_unit_test(test_receive_on_hidden),
		cmocka_unit_test(test_send),
		cmocka_unit_test(test_send_salts),
		cmocka_unit_test(test_send_refuses),
		cmocka_unit_test(test_end_to_end),
		cmocka_unit_test(test_application_is_slow),
	};
	int failed = rig_eal(NULL);

	for (const struct peel_aead_engine *const *e = peel_aead_engines; *e != NULL; e++) {
		engine = *e;
		if (peel_aead_self_test(engine) == 0)
			failed |= cmocka_run_group_tests_name(engine->name, tests, NULL, NULL);
	}
	return failed;
}
