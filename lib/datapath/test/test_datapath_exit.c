/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The end of a circuit: what goes out, what is refused, what comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "one_circuit.h"

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

/* A datagram to the nth host. @return whether it left. */
static bool
send_to(uint32_t n)
{
	struct peel_addr a = peel_addr_ipv4(198, 51, 100, (uint8_t)n, 6881);
	struct peel_host to = host(&a);

	feed_data(&to, dht_payload, DHT_LEN);
	rig_poll(&rig);
	return rig.n_out == 1;
}

/* A circuit has so many datagrams and hosts; what is dropped is counted by reason, and what comes
 * back passes. Exits without endpoints are the control thread's. */
static void
test_circuit_limits(void **state)
{
	static const struct {
		struct peel_circuit_limits_settings limit;
		enum peel_counter reason;
	} cases[] = {
		{{.packets = 10}, PEEL_DROP_CIRCUIT_PACKETS},
		{{.destinations = 10}, PEEL_DROP_CIRCUIT_DESTINATIONS},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		struct peel_circuit_limits *limits;
		unsigned int left = 0;

		start(PEEL_ROUTE_EXIT, ENDPOINT);
		/* So few cycles a second that none is over while the test runs. */
		assert_int_equal(peel_circuit_limits_new(
					 &cases[i].limit, ENDPOINT, UINT64_C(1) << 50, 7, &limits),
			0);
		peel_worker_set_circuit_limits(rig.worker, limits);
		for (uint32_t n = 0; n < 50; n++)
			left += send_to(n);
		assert_int_equal(left, 10);
		assert_int_equal(rig_count(&rig, cases[i].reason), 40);
		assert_int_equal(rig_drops(&rig), 40);
		rig_feed_endpoint(&rig, ENDPOINT, peel_exit_cookie(c.slot, c.session), &c.outside,
			dht_payload, DHT_LEN);
		rig_poll(&rig);
		assert_int_equal(rig.n_out, 1);
		__atomic_store_n(&peel_route_at(rig.routes, c.slot)->endpoint, PEEL_ENDPOINT_MAIN,
			__ATOMIC_RELAXED);
		assert_false(send_to(99));
		struct rte_mbuf *m = rig_pop(&rig, PEEL_CLASS_EXIT);

		assert_non_null(m);
		assert_int_equal(peel_pkt(m)->endpoint, PEEL_ENDPOINT_MAIN);
		rte_pktmbuf_free(m);
		__atomic_store_n(
			&peel_route_at(rig.routes, c.slot)->endpoint, ENDPOINT, __ATOMIC_RELAXED);
		peel_worker_set_circuit_limits(rig.worker, NULL);
		assert_true(send_to(99));
		peel_circuit_limits_free(limits);
		finish();
	}
}

/* A name that passed the limits says so: the control thread does not ask again. */
static void
test_names_are_limited(void **state)
{
	const struct peel_circuit_limits_settings limit = {.destinations = 8};
	struct peel_circuit_limits *limits;
	unsigned int asked = 0;
	struct rte_mbuf *m;

	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	assert_int_equal(
		peel_circuit_limits_new(&limit, ENDPOINT, UINT64_C(1) << 50, 7, &limits), 0);
	peel_worker_set_circuit_limits(rig.worker, limits);
	for (unsigned int n = 0; n < 20; n++) {
		char text[16];
		struct peel_host name = {.type = PEEL_HOST_NAME, .addr = {.port = 80}};

		snprintf(text, sizeof(text), "host%u.test", n);
		name.name = (struct peel_span){(const uint8_t *)text, strlen(text)};
		feed_data(&name, dht_payload, DHT_LEN);
		rig_poll(&rig);
		m = rig_pop(&rig, PEEL_CLASS_EXIT);
		if (m == NULL)
			continue;
		asked++;
		assert_int_equal(peel_pkt(m)->endpoint, ENDPOINT);
		rte_pktmbuf_free(m);
	}
	assert_int_equal(asked, 8);
	assert_int_equal(rig_count(&rig, PEEL_DROP_CIRCUIT_DESTINATIONS), 12);
	peel_worker_set_circuit_limits(rig.worker, NULL);
	peel_circuit_limits_free(limits);
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
		cmocka_unit_test(test_circuit_limits),
		cmocka_unit_test(test_names_are_limited),
	};

	return with_each_engine(tests, PEEL_ARRAY_LEN(tests));
}
