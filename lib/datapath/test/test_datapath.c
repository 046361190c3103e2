/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Behaviour that no vector shows: exits, returns, punting, limits, duplicates, mixed bursts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_aead_engines.h"
#include "rig.h"

#define ENDPOINT 5
#define ALL_FLAGS (PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8 | PEEL_FLAG_SPEED_TEST)

static struct rig rig;
static struct peel_aead *aead;
static const struct peel_aead_engine *engine;

/* One circuit: the neighbours, the keys both sides know, and what the originator's side last used
 * as salt. */
static struct {
	struct peel_addr previous, next, outside;
	struct peel_key forward, backward;
	uint8_t salt_forward[4], salt_backward[4];
	uint32_t session, slot, slot_backward;
	uint64_t counter;
} c;

static const uint8_t dht_payload[] = "d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe";
#define DHT_LEN (sizeof(dht_payload) - 1)

static void
start(enum peel_route_kind kind, uint32_t endpoint)
{
	rig_start(&rig, engine, ALL_FLAGS);
	assert_int_equal(engine->new (&aead), 0);
	memset(&c, 0, sizeof(c));
	c.previous = peel_addr_ipv4(192, 0, 2, 10, 8090);
	c.next = peel_addr_ipv4(192, 0, 2, 12, 8090);
	c.outside = peel_addr_ipv4(198, 51, 100, 7, 6881);
	memset(c.forward.b, 0x11, 32);
	memset(c.backward.b, 0x22, 32);
	memset(c.salt_forward, 0x33, 4);
	memset(c.salt_backward, 0x44, 4);
	c.counter = 1000;
	assert_int_equal(peel_session_add(rig.routes, &c.forward, c.salt_forward, &c.backward,
				 c.salt_backward, 0, &c.session),
		0);
	struct peel_route r = {.in = c.previous,
		.in_cid = 77,
		.out = kind == PEEL_ROUTE_EXIT ? c.previous : c.next,
		.out_cid = kind == PEEL_ROUTE_EXIT ? 77 : 88,
		.session = c.session,
		.kind = (uint8_t)kind,
		.endpoint = endpoint,
		.max_early = 8,
		.n_early = 1};

	assert_int_equal(peel_route_publish(rig.routes, &r, &c.slot), 0);
	if (kind != PEEL_ROUTE_FORWARD)
		return;
	struct peel_route back = {.in = c.next,
		.in_cid = 88,
		.out = c.previous,
		.out_cid = 77,
		.session = c.session,
		.kind = PEEL_ROUTE_BACKWARD,
		.max_early = 8,
		.n_early = 1};

	assert_int_equal(peel_route_publish(rig.routes, &back, &c.slot_backward), 0);
}

static void
finish(void)
{
	engine->free(aead);
	rig_stop(&rig);
}

/* A cell from the originator's side with this message. */
static size_t
sealed_cell(uint8_t *out, const void *msg, size_t len, bool early)
{
	uint8_t *salt = out + PEEL_CELL_HEADER_LEN;
	struct peel_aead_op op = {
		.key = &c.forward, .text = salt + PEEL_SEAL_SALT_LEN, .len = (uint32_t)len};

	peel_cell_header(out, rig_prefix, 77, false, early);
	peel_put_be64(salt, c.counter++);
	memcpy(op.text, msg, len);
	memcpy(op.nonce, c.salt_forward, 4);
	memcpy(op.nonce + 4, salt, 8);
	engine->seal(aead, &op, 1);
	return PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD + len;
}

static void
feed_message(const void *msg, size_t len, bool early)
{
	uint8_t cell[2304];

	rig_feed(&rig, &c.previous, cell, sealed_cell(cell, msg, len, early));
}

/* Opens what the worker sent back to the previous hop; returns the message's length. */
static size_t
open_answer(unsigned int i, uint8_t *msg)
{
	const struct rig_packet *p = &rig.out[i];
	struct peel_aead_op op = {.key = &c.backward};

	assert_true(i < rig.n_out && p->len >= PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD);
	assert_true(peel_addr_equal(&p->remote, &c.previous));
	assert_int_equal(peel_get_be32(p->data + PEEL_CELL_OFF_CID), 77);
	assert_int_equal(p->data[PEEL_CELL_OFF_PLAIN] | p->data[PEEL_CELL_OFF_EARLY], 0);
	op.len = (uint32_t)(p->len - PEEL_CELL_HEADER_LEN - PEEL_SEAL_SALT_LEN);
	op.text = msg;
	memcpy(msg, p->data + PEEL_CELL_HEADER_LEN + PEEL_SEAL_SALT_LEN, op.len);
	memcpy(op.nonce, c.salt_backward, 4);
	memcpy(op.nonce + 4, p->data + PEEL_CELL_HEADER_LEN, 8);
	assert_int_equal(engine->open(aead, &op, 1), 0);
	return op.len - PEEL_SEAL_TAG_LEN;
}

static size_t
data_message(uint8_t *out, const struct peel_host *destination, const void *payload, size_t len)
{
	struct peel_msg_data m = {.destination = *destination,
		.origin = {.type = PEEL_HOST_IPV4, .addr = {.family = PEEL_FAMILY_IPV4}},
		.payload = {payload, len}};
	int n = peel_data_build(out, 2304, &m);

	assert_true(n > 0);
	return (size_t)n;
}

static struct peel_host
host(const struct peel_addr *a)
{
	return (struct peel_host){
		.type = a->family == PEEL_FAMILY_IPV6 ? PEEL_HOST_IPV6 : PEEL_HOST_IPV4,
		.addr = *a};
}

static void
feed_data(const struct peel_host *destination, const void *payload, size_t len)
{
	uint8_t msg[2304];

	feed_message(msg, data_message(msg, destination, payload, len), false);
}

static void
test_exit_sends_payload_from_endpoint(void **state)
{
	struct peel_host to;
	struct peel_addr v6;

	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	to = host(&c.outside);
	feed_data(&to, dht_payload, DHT_LEN);
	assert_int_equal(peel_addr_parse("[2001:db9::1]:6881", 0, &v6), 0);
	to = host(&v6);
	feed_data(&to, dht_payload, DHT_LEN);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 2);
	assert_int_equal(rig.out[0].endpoint, ENDPOINT);
	assert_true(peel_addr_equal(&rig.out[0].remote, &c.outside));
	assert_int_equal(rig.out[0].len, DHT_LEN);
	assert_memory_equal(rig.out[0].data, dht_payload, DHT_LEN);
	assert_true(peel_addr_equal(&rig.out[1].remote, &v6));
	assert_int_equal(rig_count(&rig, PEEL_CELLS_EXITED), 2);
	finish();
}

static void
test_exit_refuses(void **state)
{
	static const struct {
		uint8_t ip[4];
		uint16_t port;
		const char *payload;
		enum peel_counter reason;
	} cases[] = {
		{{127, 0, 0, 1}, 53, "d1:qe", PEEL_DROP_DESTINATION},
		{{10, 1, 2, 3}, 53, "d1:qe", PEEL_DROP_DESTINATION},
		{{224, 0, 0, 1}, 53, "d1:qe", PEEL_DROP_DESTINATION},
		{{198, 51, 100, 7}, 0, "d1:qe", PEEL_DROP_DESTINATION},
		{{0, 0, 0, 0}, 0, "d1:qe", PEEL_DROP_MALFORMED},
		{{198, 51, 100, 7}, 53, "GET / HTTP/1.1", PEEL_DROP_POLICY},
		{{198, 51, 100, 7}, 53, "", PEEL_DROP_POLICY},
	};

	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		const uint8_t *ip = cases[i].ip;
		struct peel_addr a = peel_addr_ipv4(ip[0], ip[1], ip[2], ip[3], cases[i].port);
		struct peel_host to = host(&a);
		uint64_t before = rig_count(&rig, cases[i].reason);

		feed_data(&to, cases[i].payload, strlen(cases[i].payload));
		rig_poll(&rig);
		assert_int_equal(rig.n_out, 0);
		assert_int_equal(rig_count(&rig, cases[i].reason), before + 1);
	}
	finish();
}

/* Hidden service datagrams to our own addresses go to control, whatever the port; nothing else of
 * this machine is reachable. */
static void
test_exit_inside(void **state)
{
	const struct peel_network own[] = {{peel_addr_ipv4(198, 51, 100, 9, 0), 32}};
	struct peel_addr here = peel_addr_ipv4(198, 51, 100, 9, 8090),
			 there = peel_addr_ipv4(198, 51, 100, 10, 8090);
	struct peel_host to = host(&here);
	struct peel_addr_set *set;
	char d[64] = {0};

	(void)state;
	assert_int_equal(peel_addr_set_new(own, 1, &set), 0);
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	rig.policy.own = set;
	memcpy(d, rig_prefix, PEEL_PREFIX_LEN);
	for (unsigned int id = 0; id < 256; id++) {
		bool hidden = id == 13 || id == 14 || id == 17 || id == 18;

		d[PEEL_PREFIX_LEN] = (char)id;
		feed_data(&to, d, sizeof(d));
		rig_poll(&rig);
		struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_EXIT);

		assert_int_equal(m != NULL, hidden);
		if (m == NULL)
			continue;
		assert_int_equal(peel_pkt(m)->kind, PEEL_KIND_EXIT_INSIDE);
		assert_int_equal(peel_pkt(m)->session, c.session);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(rig_count(&rig, PEEL_DROP_POLICY), 252);
	feed_data(&to, dht_payload, DHT_LEN);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 0);
	assert_int_equal(rig_count(&rig, PEEL_DROP_DESTINATION), 1);
	/* Elsewhere they are sent. */
	to = host(&there);
	d[PEEL_PREFIX_LEN] = 13;
	feed_data(&to, d, sizeof(d));
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	finish();
	peel_addr_set_free(set);
}

static void
test_exit_asks_control_for_names_and_endpoints(void **state)
{
	struct peel_host name = {.type = PEEL_HOST_NAME,
		.name = {(const uint8_t *)"example.org", 11},
		.addr = {.port = 80}};
	struct rte_mbuf *m;
	struct peel_host to;

	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	feed_data(&name, dht_payload, DHT_LEN);
	rig_poll(&rig);
	m = rig_pop(&rig, PEEL_CLASS_EXIT);
	assert_non_null(m);
	assert_int_equal(peel_pkt(m)->kind, PEEL_KIND_EXIT_DATA);
	assert_int_equal(peel_pkt(m)->session, c.session);
	assert_int_equal(peel_pkt(m)->generation, peel_session_generation(rig.routes, c.session));
	assert_true(peel_addr_equal(&peel_pkt(m)->remote, &c.previous));
	assert_int_equal(*rte_pktmbuf_mtod(m, uint8_t *), PEEL_MSG_DATA);
	assert_int_equal(rig.wakes, 1);
	rte_pktmbuf_free(m);
	finish();

	start(PEEL_ROUTE_EXIT, PEEL_ENDPOINT_MAIN);
	to = host(&c.outside);
	feed_data(&to, dht_payload, DHT_LEN);
	rig_poll(&rig);
	m = rig_pop(&rig, PEEL_CLASS_EXIT);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	finish();
}

static void
test_return_is_sealed_into_the_circuit(void **state)
{
	uint8_t msg[2304];
	struct peel_msg_data data;
	struct peel_addr v6;
	size_t len;

	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	uint64_t cookie = peel_exit_cookie(c.slot, c.session);

	assert_int_equal(peel_addr_parse("[2001:db9::1]:6881", 0, &v6), 0);
	rig_feed_endpoint(&rig, ENDPOINT, cookie, &c.outside, dht_payload, DHT_LEN);
	rig_feed_endpoint(&rig, ENDPOINT, cookie, &v6, dht_payload, DHT_LEN);
	/* policy holds inwards as well */
	rig_feed_endpoint(&rig, ENDPOINT, cookie, &c.outside, "GET /", 5);
	/* circuit gone */
	rig_feed_endpoint(&rig, ENDPOINT, cookie + 1, &c.outside, dht_payload, DHT_LEN);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 2);
	for (unsigned int i = 0; i < 2; i++) {
		const struct peel_addr *origin = i == 0 ? &c.outside : &v6;

		len = open_answer(i, msg);
		assert_int_equal(msg[0], PEEL_MSG_DATA);
		assert_int_equal(peel_data_parse(msg + 1, len - 1, &data), 0);
		assert_true(peel_addr_is_none(&data.destination.addr));
		assert_true(peel_addr_equal(&data.origin.addr, origin));
		assert_int_equal(data.payload.len, DHT_LEN);
		assert_memory_equal(data.payload.p, dht_payload, DHT_LEN);
	}
	assert_int_equal(rig_count(&rig, PEEL_DROP_POLICY), 1);
	assert_int_equal(rig_count(&rig, PEEL_DROP_UNKNOWN_CIRCUIT), 1);
	finish();
}

/* Who answers from inside of a network would tell the circuit where its exit is. */
static void
test_private_origins_are_not_told(void **state)
{
	static const struct {
		const char *from;
		bool told;
	} cases[] = {{"192.168.1.5:6881", false}, {"10.0.0.1:53", false}, {"127.0.0.1:53", false},
		{"169.254.169.254:80", false}, {"[fd00::1]:53", false}, {"[fe80::1]:53", false},
		{"203.0.113.99:53", false}, /* own */
		{"203.0.113.98:53", true}, {"[2001:db8::1]:53", true}};
	struct peel_network ours = {.addr = peel_addr_ipv4(203, 0, 113, 99, 0), .prefix_len = 32};
	struct peel_policy open;
	struct peel_addr_set *own;

	(void)state;
	assert_int_equal(peel_addr_set_new(&ours, 1, &own), 0);
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	rig.policy.own = own;
	for (unsigned int all = 0; all < 2; all++) {
		uint64_t before = rig_count(&rig, PEEL_DROP_ORIGIN), refused = 0;

		for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
			struct peel_addr from;
			bool told = cases[i].told || all != 0;

			assert_int_equal(peel_addr_parse(cases[i].from, 0, &from), 0);
			rig_feed_endpoint(&rig, ENDPOINT, peel_exit_cookie(c.slot, c.session),
				&from, dht_payload, DHT_LEN);
			rig_poll(&rig);
			assert_int_equal(rig.n_out, told);
			refused += !told;
		}
		assert_int_equal(rig_count(&rig, PEEL_DROP_ORIGIN) - before, refused);
		/* Another policy while the worker runs: from the next datagram on. */
		open = rig.policy;
		open.allow_private = open.allow_loopback = open.allow_link_local = true;
		open.allow_own = true;
		peel_worker_set_policy(rig.worker, &open);
	}
	finish();
	peel_addr_set_free(own);
}

static void
test_speed_test_sizes(void **state)
{
	static const struct {
		uint8_t id;
		uint16_t ask;
		size_t extra, answer;
	} cases[] = {{19, 0, 0, 0}, {19, 1, 0, 1}, {19, 100, 900, 100}, {19, 1400, 3, 1400},
		{19, 65535, 0, 1400}, {21, 512, 512, 512}, {21, 65535, 1, 1400}};
	uint8_t msg[2304], answer[2304];

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		size_t id_len = cases[i].id == 19 ? 2 : 4, len;

		memset(msg, 0x5a, sizeof(msg));
		msg[0] = cases[i].id;
		peel_put_be16(msg + 1 + id_len, cases[i].ask);
		feed_message(msg, 3 + id_len + cases[i].extra, false);
		rig_poll(&rig);
		len = open_answer(0, answer);
		assert_int_equal(answer[0], cases[i].id + 1);
		assert_memory_equal(answer + 1, msg + 1, id_len);
		assert_int_equal(len, 1 + id_len + cases[i].answer);
	}
	rig.policy.flags = PEEL_FLAG_RELAY;
	feed_message(msg, 8, false);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 0);
	finish();
}

static void
test_speed_test_rate(void **state)
{
	uint8_t msg[5] = {PEEL_MSG_TEST_REQUEST, 0, 1, 0, 10};
	unsigned int answered = 0;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	for (int i = 0; i < 400; i++) {
		feed_message(msg, sizeof(msg), false);
		rig_poll(&rig);
		answered += rig.n_out;
	}
	/* 100 a second, all for the one circuit that asks: one second's worth, or more when the
	 * clock's second turned over meanwhile */
	assert_in_range(answered, 100, 300);
	assert_int_equal(rig_count(&rig, PEEL_DROP_RATE), 400 - answered);
	finish();
}

/* Another circuit, of the same keys, from the same neighbour. */
static void
add_circuit(uint32_t cid)
{
	struct peel_route other = {
		.kind = PEEL_ROUTE_EXIT, .in_cid = cid, .out_cid = cid, .max_early = 8};

	other.in = other.out = c.previous;
	assert_int_equal(peel_session_add(rig.routes, &c.forward, c.salt_forward, &c.backward,
				 c.salt_backward, 0, &other.session),
		0);
	assert_int_equal(peel_route_publish(rig.routes, &other, NULL), 0);
}

/* @return answers of @p n requests on it. */
static unsigned int
ask_speed_tests(uint32_t cid, unsigned int n)
{
	uint8_t msg[5] = {PEEL_MSG_TEST_REQUEST, 0, 1, 0, 10}, cell[256];
	unsigned int answered = 0;

	while (n-- > 0) {
		size_t len = sealed_cell(cell, msg, sizeof(msg), false);

		peel_put_be32(cell + PEEL_CELL_OFF_CID, cid);
		rig_feed(&rig, &c.previous, cell, len);
		rig_poll(&rig);
		answered += rig.n_out;
	}
	return answered;
}

/* A circuit that has all answers of a second leaves half of the next ones, and enough in this one,
 * to who comes later. */
static void
test_speed_test_share(void **state)
{
	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	add_circuit(98);
	add_circuit(99);
	assert_in_range(ask_speed_tests(98, 400), 100, 300);
	assert_in_range(ask_speed_tests(99, 400), 50, 300);
	finish();
}

/* Nor do many circuits that ask without end, and before the others do: each has its share. */
static void
test_speed_test_share_among_many(void **state)
{
	const unsigned int n = 8, share = 100 / (n + 1);
	struct timespec t;
	unsigned int answered = 0;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	for (uint32_t i = 0; i <= n; i++)
		add_circuit(100 + i);
	clock_gettime(CLOCK_MONOTONIC, &t);
	for (time_t end = t.tv_sec + 20; answered < 2 * share && t.tv_sec < end;
		clock_gettime(CLOCK_MONOTONIC, &t)) {
		for (uint32_t i = 0; i < n; i++)
			ask_speed_tests(100 + i, 50);
		answered += ask_speed_tests(100 + n, 1);
	}
	assert_in_range(answered, 2 * share, 100);
	finish();
}

static void
test_exact_duplicates_only_are_dropped(void **state)
{
	uint8_t cell[256], other[256], ping[3] = {PEEL_MSG_PING, 1, 2},
				       second[3] = {PEEL_MSG_PING, 3, 4};
	size_t len, other_len;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	len = sealed_cell(cell, ping, 3, false);
	c.counter--; /* same explicit salt, other content: what Rust peers do */
	other_len = sealed_cell(other, second, 3, false);
	rig_feed(&rig, &c.previous, cell, len);
	rig_feed(&rig, &c.previous, cell, len);
	rig_feed(&rig, &c.previous, other, other_len);
	rig_poll(&rig);
	rig_feed(&rig, &c.previous, cell, len);
	unsigned int sent = rig.n_out;

	rig_poll(&rig);
	assert_int_equal(sent + rig.n_out, 2);
	assert_int_equal(rig_count(&rig, PEEL_DROP_REPLAY), 2);
	finish();
}

static void
test_forged_cells_change_nothing(void **state)
{
	uint8_t cell[256], msg[3] = {PEEL_MSG_PING, 1, 2};
	size_t len;

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	struct peel_direction *direction = &peel_session_at(rig.routes, c.session)->forward;

	len = sealed_cell(cell, msg, 3, true);
	for (size_t i = PEEL_CELL_HEADER_LEN; i < len; i++) {
		cell[i] ^= 1;
		rig_feed(&rig, &c.previous, cell, len);
		rig_poll(&rig);
		cell[i] ^= 1;
		assert_int_equal(rig.n_out, 0);
	}
	assert_int_equal(rig_count(&rig, PEEL_DROP_AUTH), len - PEEL_CELL_HEADER_LEN);
	assert_int_equal(direction->cells, 0);
	assert_int_equal(peel_route_at(rig.routes, c.slot)->n_early, 1);
	rig_feed(&rig, &c.previous, cell, len);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_int_equal(direction->cells, 1);
	finish();
}

static void
test_early_cells_are_counted(void **state)
{
	uint8_t msg[3] = {PEEL_MSG_PING, 0, 0};

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	for (unsigned int i = 0; i < 20; i++) {
		feed_message(msg, 3, true);
		rig_poll(&rig);
		/* the counter starts at 1, the limit is 8: seven pass */
		assert_int_equal(rig.n_out, i < 7 ? 1 : 0);
		if (i < 7)
			assert_int_equal(rig.out[0].data[PEEL_CELL_OFF_EARLY], 1);
	}
	feed_message(msg, 3, false);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	finish();
}

/* One circuit cannot keep the control thread from the others' extends. */
static void
test_extends_are_limited(void **state)
{
	static const uint8_t extend[] = {PEEL_MSG_EXTEND, 0, 1};
	static const uint8_t http[] = {PEEL_MSG_HTTP_REQUEST, 0, 1};
	unsigned int punted = 0;
	struct rte_mbuf *m;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	for (int i = 0; i < 1000; i++) {
		feed_message(extend, sizeof(extend), true);
		rig_poll(&rig);
		m = rig_pop(&rig, PEEL_CLASS_OR);
		punted += m != NULL;
		rte_pktmbuf_free(m);
	}
	assert_in_range(punted, 8, 64);
	assert_int_equal(rig_count(&rig, PEEL_DROP_RATE), 1000 - punted);
	feed_message(http, sizeof(http), false);
	rig_poll(&rig);
	assert_null(rig_pop(&rig, PEEL_CLASS_OR));
	m = rig_pop(&rig, PEEL_CLASS_EXIT);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	finish();
}

static void
test_backward_only_from_the_next_hop(void **state)
{
	uint8_t cell[100] = {0};
	struct peel_addr stranger = peel_addr_ipv4(203, 0, 113, 9, 8090), port = {0};

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	peel_cell_header(cell, rig_prefix, 88, false, false);
	port = c.next;
	port.port++;
	rig_feed(&rig, &stranger, cell, sizeof(cell));
	rig_feed(&rig, &port, cell, sizeof(cell));
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 0);
	assert_int_equal(rig_count(&rig, PEEL_DROP_UNKNOWN_CIRCUIT), 2);
	rig_feed(&rig, &c.next, cell, sizeof(cell));
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_int_equal(rig.out[0].len, sizeof(cell) + PEEL_SEAL_OVERHEAD);
	finish();
}

/* Room for fragments is for senders whose address was proved: by a key, or by a circuit id of
 * ours. */
static void
test_who_is_vouched_for(void **state)
{
	uint8_t cell[256], msg[3] = {PEEL_MSG_PING, 1, 2};
	struct peel_addr stranger = peel_addr_ipv4(203, 0, 113, 9, 8090);
	size_t len;

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	feed_message(msg, 3, false);
	rig_poll(&rig);
	assert_int_equal(rig.vouches, 0); /* not in parts */
	rig.in_parts = true;
	len = sealed_cell(cell, msg, 3, false);
	cell[len - 1] ^= 1;
	rig_feed(&rig, &c.previous, cell, len); /* not authentic */
	cell[len - 1] ^= 1;
	rig_feed(&rig, &stranger, cell, len); /* authentic, but anybody's address may be on it */
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_int_equal(rig.vouches, 0);
	feed_message(msg, 3, false);
	rig_poll(&rig);
	assert_int_equal(rig.vouches, 1);
	assert_true(peel_addr_equal(&rig.vouched, &c.previous));
	peel_cell_header(cell, rig_prefix, 88, false, false);
	rig_feed(&rig, &stranger, cell, 100);
	rig_feed(&rig, &c.next, cell, 100);
	rig_poll(&rig);
	assert_int_equal(rig.vouches, 2);
	assert_true(peel_addr_equal(&rig.vouched, &c.next));
	finish();
}

static void
test_backward_too_large_is_dropped(void **state)
{
	static uint8_t cell[2048];

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	peel_cell_header(cell, rig_prefix, 88, false, false);
	rig_feed(&rig, &c.next, cell, PEEL_DATAGRAM_MAX - PEEL_SEAL_OVERHEAD);
	rig_feed(&rig, &c.next, cell, PEEL_DATAGRAM_MAX - PEEL_SEAL_OVERHEAD + 1);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_int_equal(rig.out[0].len, PEEL_DATAGRAM_MAX);
	assert_int_equal(rig_count(&rig, PEEL_DROP_OVERSIZE), 1);
	finish();
}

static void
test_datagrams_reach_their_class(void **state)
{
	static const struct {
		uint8_t id;
		int cls; /* -1: dropped */
	} cases[] = {{PEEL_MSG_DESTROY, PEEL_CLASS_ANSWER},
		{PEEL_MSG_INTRO_REQUEST, PEEL_CLASS_OVERLAY},
		{PEEL_MSG_INTRO_RESPONSE_NEW, PEEL_CLASS_OVERLAY},
		{PEEL_MSG_PUNCTURE, PEEL_CLASS_OVERLAY}, {PEEL_MSG_CREATE_E2E, PEEL_CLASS_OVERLAY},
		{1, -1}, {99, -1}, {251, -1}, {235, -1}};
	uint8_t d[64] = {0};

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	memcpy(d, rig_prefix, PEEL_PREFIX_LEN);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		uint64_t drops = rig_drops(&rig);

		d[PEEL_PREFIX_LEN] = cases[i].id;
		rig_feed(&rig, &c.previous, d, sizeof(d));
		rig_poll(&rig);
		if (cases[i].cls < 0) {
			assert_int_equal(rig_drops(&rig), drops + 1);
		} else {
			struct rte_mbuf *m = rig_pop(&rig, (enum peel_msg_class)cases[i].cls);

			assert_non_null(m);
			assert_memory_equal(rte_pktmbuf_mtod(m, void *), d, sizeof(d));
			rte_pktmbuf_free(m);
		}
	}
	d[5] ^= 0xff; /* the second overlay: everything goes to control */
	rig_feed(&rig, &c.previous, d, sizeof(d));
	d[5] ^= 0x0f; /* no overlay of ours */
	rig_feed(&rig, &c.previous, d, sizeof(d));
	rig_poll(&rig);
	struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_OVERLAY);

	assert_non_null(m);
	rte_pktmbuf_free(m);
	assert_int_equal(rig_count(&rig, PEEL_DROP_PREFIX), 1);
	finish();
}

static unsigned int
n_to_control(const uint8_t d[64])
{
	struct rte_mbuf *m;
	unsigned int n = 0;

	rig_feed(&rig, &c.previous, d, 64);
	rig_poll(&rig);
	while ((m = rig_pop(&rig, PEEL_CLASS_OVERLAY)) != NULL) {
		rte_pktmbuf_free(m);
		n++;
	}
	return n;
}

/* Discovery messages of overlays that come and go: only while they run, and of others few. */
static void
test_listening(void **state)
{
	static const uint8_t ids[] = {231, 232, 233, 234, 245, 246, 249, 250};
	uint8_t d[64] = {0}, other[64];
	unsigned int passed = 0;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	memcpy(d, rig_prefix, PEEL_PREFIX_LEN);
	d[9] ^= 0x55;
	for (unsigned int turn = 0; turn < 4; turn++) {
		if (turn == 1 || turn == 2)
			peel_listen_add(rig.listen, d);
		for (unsigned int id = 0; id < 256; id++) {
			d[PEEL_PREFIX_LEN] = (uint8_t)id;
			bool wanted = memchr(ids, (int)id, sizeof(ids)) != NULL &&
				      (turn == 1 || turn == 2);

			assert_int_equal(n_to_control(d), wanted);
		}
		if (turn == 2) {
			peel_listen_del(rig.listen, d);
			d[PEEL_PREFIX_LEN] = ids[0];
			assert_int_equal(n_to_control(d), 1); /* it was added twice */
			peel_listen_del(rig.listen, d);
			peel_listen_del(rig.listen, d);
		}
	}
	for (uint32_t i = 0; i < 1000; i++) {
		peel_put_be32(d + 2, i);
		peel_listen_add(rig.listen, d);
	}
	memcpy(other, d, sizeof(other));
	other[21] ^= 1;
	other[PEEL_PREFIX_LEN] = d[PEEL_PREFIX_LEN] = ids[5];
	for (uint32_t i = 0; i < 1000; i++) {
		peel_put_be32(d + 2, i);
		assert_int_equal(n_to_control(d), 1);
		peel_put_be32(other + 2, i);
		passed += n_to_control(other);
	}
	assert_in_range(passed, 0, 70);
	finish();
}

static void
test_full_mailbox_drops_and_counts(void **state)
{
	uint8_t d[64] = {0};
	struct rte_mbuf *m;
	unsigned int n = 0;

	(void)state;
	start(PEEL_ROUTE_EXIT, 0);
	peel_cell_header(d, rig_prefix, 1, true, true);
	d[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATE;
	for (int i = 0; i < 100; i++) {
		rig_feed(&rig, &c.previous, d, sizeof(d));
		rig_poll(&rig);
	}
	while ((m = rig_pop(&rig, PEEL_CLASS_CREATE)) != NULL) {
		rte_pktmbuf_free(m);
		n++;
	}
	assert_int_equal(n + rig_count(&rig, PEEL_DROP_CONTROL_FULL), 100);
	assert_true(n > 0 && n < 100);
	/* the other classes are not affected */
	d[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATED;
	rig_feed(&rig, &c.previous, d, sizeof(d));
	rig_poll(&rig);
	m = rig_pop(&rig, PEEL_CLASS_ANSWER);
	assert_non_null(m);
	rte_pktmbuf_free(m);
	finish();
}

/* Full bursts of random and mutated cells among good ones: nothing is lost, leaked or sent
 * twice. */
static void
test_mutated_bursts(void **state)
{
	uint8_t msg[1500] = {0}, cell[2304], back[200];
	uint64_t good = 0, sent = 0, fed = 0, punted = 0;
	struct rte_mbuf *m;

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	srand(7);
	for (int round = 0; round < 2000; round++) {
		unsigned int n = 1 + (unsigned int)rand() % PEEL_PORT_BURST;

		for (unsigned int i = 0; i < n; i++, fed++) {
			size_t len = sealed_cell(cell, msg, (size_t)rand() % 1400, false);

			switch (rand() % 4) {
			case 0:
				good++;
				rig_feed(&rig, &c.previous, cell, len);
				break;
			case 1:
				cell[(size_t)rand() % len] ^= (uint8_t)(1 + rand() % 255);
				rig_feed(&rig, &c.previous, cell, (size_t)rand() % (len + 1));
				break;
			case 2:
				peel_cell_header(back, rig_prefix, 88, false, false);
				good++;
				rig_feed(&rig, &c.next, back, sizeof(back));
				break;
			default:
				for (size_t k = 0; k < 64; k++)
					cell[k] = (uint8_t)rand();
				rig_feed(&rig, &c.outside, cell, len);
			}
		}
		rig_poll(&rig);
		sent += rig.n_out;
		for (int cls = 0; cls < PEEL_N_CLASSES; cls++) {
			while ((m = rig_pop(&rig, (enum peel_msg_class)cls)) != NULL) {
				rte_pktmbuf_free(m);
				punted++;
			}
		}
	}
	assert_true(sent >= good); /* a mutation may hit a byte that nobody reads */
	assert_int_equal(sent + punted + rig_drops(&rig), fed);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exit_sends_payload_from_endpoint),
		cmocka_unit_test(test_exit_refuses),
		cmocka_unit_test(test_exit_inside),
		cmocka_unit_test(test_exit_asks_control_for_names_and_endpoints),
		cmocka_unit_test(test_return_is_sealed_into_the_circuit),
		cmocka_unit_test(test_private_origins_are_not_told),
		cmocka_unit_test(test_speed_test_sizes),
		cmocka_unit_test(test_speed_test_rate),
		cmocka_unit_test(test_speed_test_share),
		cmocka_unit_test(test_speed_test_share_among_many),
		cmocka_unit_test(test_exact_duplicates_only_are_dropped),
		cmocka_unit_test(test_forged_cells_change_nothing),
		cmocka_unit_test(test_early_cells_are_counted),
		cmocka_unit_test(test_extends_are_limited),
		cmocka_unit_test(test_backward_only_from_the_next_hop),
		cmocka_unit_test(test_who_is_vouched_for),
		cmocka_unit_test(test_backward_too_large_is_dropped),
		cmocka_unit_test(test_datagrams_reach_their_class),
		cmocka_unit_test(test_listening),
		cmocka_unit_test(test_full_mailbox_drops_and_counts),
		cmocka_unit_test(test_mutated_bursts),
	};
	int failed = rig_eal(NULL);

	for (size_t i = 0; peel_aead_engines[i] != NULL && failed == 0; i++) {
		engine = peel_aead_engines[i];
		if (peel_aead_self_test(engine) == 0)
			failed = cmocka_run_group_tests_name(engine->name, tests, NULL, NULL);
	}
	return failed;
}
