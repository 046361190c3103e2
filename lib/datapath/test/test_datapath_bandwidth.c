/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Limits in a worker: what they count, whom they hold back, and that they can go again. The rate is
 * so low that hardly anything but the burst passes while a test runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <rte_cycles.h>

#include "one_circuit.h"

#define RATE 16384
#define BURST_BYTES 65536 /* 32768 of them for one circuit alone */
#define TEXT 967	  /* a cell of 1020 bytes, 996 once it was opened */

static struct peel_bandwidth *limits;
static uint64_t since;

static void
limit(enum peel_bandwidth_kind kind)
{
	struct peel_bandwidth_settings s = {0};

	s.limit[kind] = (struct peel_bandwidth_limit){.rate = RATE, .burst = BURST_BYTES};
	since = rte_rdtsc();
	assert_int_equal(peel_bandwidth_new(&s, peel_session_limit(rig.routes), rte_get_tsc_hz(),
				 since, &limits),
		0);
	peel_worker_set_bandwidth(rig.worker, limits);
}

/* No worker has them any more. */
static void
unlimit(void)
{
	peel_worker_set_bandwidth(rig.worker, NULL);
	rig_poll(&rig);
	peel_bandwidth_free(limits);
}

/* As many bytes as the rate may have given meanwhile, on however slow a machine. */
static uint64_t
meanwhile(void)
{
	return (rte_rdtsc() - since) / (rte_get_tsc_hz() / RATE) + RATE / 100;
}

/* Another circuit, of the same keys, from the same neighbour. */
static void
add_circuit(enum peel_route_kind kind, uint32_t cid)
{
	struct peel_route other = {.kind = (uint8_t)kind,
		.in = c.previous,
		.in_cid = cid,
		.out = kind == PEEL_ROUTE_EXIT ? c.previous : c.next,
		.out_cid = kind == PEEL_ROUTE_EXIT ? cid : cid + 1000,
		.endpoint = kind == PEEL_ROUTE_EXIT ? ENDPOINT : 0,
		.max_early = 8};

	assert_int_equal(peel_session_add(rig.routes, &c.forward, c.salt_forward, &c.backward,
				 c.salt_backward, 0, &other.session),
		0);
	assert_int_equal(peel_route_publish(rig.routes, &other, NULL), 0);
}

/* @return how many of @p n cells with this message passed. */
static unsigned int
send_message(uint32_t cid, const void *msg, size_t len, unsigned int n)
{
	unsigned int passed = 0;
	uint8_t cell[2304];

	while (n-- > 0) {
		size_t size = sealed_cell(cell, msg, len, false);

		peel_put_be32(cell + PEEL_CELL_OFF_CID, cid);
		rig_feed(&rig, &c.previous, cell, size);
		rig_poll(&rig);
		passed += rig.n_out;
	}
	return passed;
}

static unsigned int
send_cells(uint32_t cid, unsigned int n)
{
	static const uint8_t text[TEXT];

	return send_message(cid, text, sizeof(text), n);
}

/* A circuit alone has what half of the bucket holds; others still have theirs, until it is empty.
 */
static void
test_relay(void **state)
{
	unsigned int greedy, modest = 0;

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	for (uint32_t cid = 100; cid < 140; cid++)
		add_circuit(PEEL_ROUTE_FORWARD, cid);
	limit(PEEL_BANDWIDTH_RELAY);
	greedy = send_cells(77, 200);
	assert_in_range(greedy, 32, 34 + meanwhile() / 996);
	assert_int_equal(rig_count(&rig, PEEL_DROP_BANDWIDTH_RELAY), 200 - greedy);
	assert_int_equal(rig_count(&rig, PEEL_CELLS_FORWARD), greedy);
	for (uint32_t cid = 100; cid < 110; cid++)
		modest += send_cells(cid, 1);
	assert_int_equal(modest, 10);
	greedy += send_cells(77, 50);
	for (uint32_t cid = 110; cid < 140; cid++)
		modest += send_cells(cid, 1);
	assert_in_range(greedy + modest, 62, 67 + meanwhile() / 996);
	/* Forged cells are no circuit's. */
	uint8_t forged[PEEL_CELL_HEADER_LEN + 100] = {0};
	int64_t level = peel_bandwidth_level(limits, PEEL_BANDWIDTH_RELAY, since);

	peel_cell_header(forged, rig_prefix, 77, false, false);
	rig_feed(&rig, &c.previous, forged, sizeof(forged));
	rig_poll(&rig);
	assert_int_equal(rig_count(&rig, PEEL_DROP_AUTH), 1);
	assert_int_equal(peel_bandwidth_level(limits, PEEL_BANDWIDTH_RELAY, since), level);
	unlimit();
	assert_int_equal(send_cells(77, 20), 20);
	finish();
}

/* Backward cells are counted as they leave, and the circuit has one account for both directions. */
static void
test_backward(void **state)
{
	uint8_t cell[1020];
	unsigned int passed = 0;

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	limit(PEEL_BANDWIDTH_CIRCUIT);
	for (unsigned int i = 0; i < 20; i++) {
		peel_cell_header(cell, rig_prefix, 88, false, false);
		memset(cell + PEEL_CELL_HEADER_LEN, (int)i, sizeof(cell) - PEEL_CELL_HEADER_LEN);
		rig_feed(&rig, &c.next, cell, sizeof(cell));
		rig_poll(&rig);
		passed += rig.n_out;
	}
	assert_int_equal(passed, 20);
	passed = send_cells(77, 100);
	assert_in_range(20 * 1044 + passed * 996, BURST_BYTES, BURST_BYTES + 996 + meanwhile());
	assert_int_equal(rig_count(&rig, PEEL_DROP_BANDWIDTH_CIRCUIT), 100 - passed);
	unlimit();
	finish();
}

/* Data that leaves, with what comes back; answers of the exit itself are no part of it. */
static void
test_exit(void **state)
{
	struct peel_addr to = {0};
	uint8_t msg[2304], payload[996] = "d1:ad2:id20:";
	const uint8_t ping[3] = {PEEL_MSG_PING, 1, 2};
	unsigned int sent, returned = 0;
	struct peel_host destination;
	size_t len;

	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	add_circuit(PEEL_ROUTE_EXIT, 100);
	to = c.outside;
	destination = host(&to);
	memset(payload + 12, 'e', sizeof(payload) - 12);
	len = data_message(msg, &destination, payload, sizeof(payload));
	limit(PEEL_BANDWIDTH_EXIT);
	sent = send_message(77, msg, len, 100);
	assert_in_range(sent, 32, 34 + meanwhile() / 996);
	assert_int_equal(rig_count(&rig, PEEL_CELLS_EXITED), sent);
	for (unsigned int i = 0; i < 10; i++) {
		rig_feed_endpoint(&rig, ENDPOINT, peel_exit_cookie(c.slot, c.session), &to, payload,
			sizeof(payload));
		rig_poll(&rig);
		returned += rig.n_out;
	}
	assert_in_range(sent + returned, 32, 34 + meanwhile() / 996);
	assert_int_equal(rig_count(&rig, PEEL_CELLS_RETURNED), returned);
	assert_int_equal(rig_count(&rig, PEEL_DROP_BANDWIDTH_EXIT), 110 - sent - returned);
	assert_int_equal(send_message(77, ping, sizeof(ping), 20), 20);
	assert_int_equal(send_message(100, msg, len, 1), 1);
	unlimit();
	finish();
}

/* Mail of 1000 bytes to the next hop. @return whether it left. */
static bool
send_mail(enum peel_msg_kind kind, uint32_t session)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool);

	assert_non_null(m);
	assert_non_null(rte_pktmbuf_append(m, 1000));
	peel_pkt(m)->remote = c.next;
	peel_pkt(m)->endpoint = PEEL_ENDPOINT_MAIN;
	peel_pkt(m)->kind = (uint8_t)kind;
	peel_pkt(m)->session = session;
	assert_int_equal(peel_mailbox_push_worker(rig.mailbox, m), 0);
	rig_poll(&rig);
	return rig.n_out == 1;
}

/* HTTP answers come over the control thread. They are their circuit's, and what an exit sends. */
static void
test_http_answers(void **state)
{
	static const struct {
		enum peel_bandwidth_kind limit;
		enum peel_counter reason;
		unsigned int at_once;
	} cases[] = {
		{PEEL_BANDWIDTH_ALL, PEEL_DROP_BANDWIDTH, 33},
		{PEEL_BANDWIDTH_EXIT, PEEL_DROP_BANDWIDTH_EXIT, 33},
		{PEEL_BANDWIDTH_CIRCUIT, PEEL_DROP_BANDWIDTH_CIRCUIT, 66},
	};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(cases); i++) {
		unsigned int left = 0;

		start(PEEL_ROUTE_EXIT, ENDPOINT);
		limit(cases[i].limit);
		for (unsigned int k = 0; k < 200; k++)
			left += send_mail(PEEL_KIND_EXIT_ANSWER, c.session);
		assert_in_range(
			left, cases[i].at_once - 1, cases[i].at_once + 1 + meanwhile() / 1000);
		assert_int_equal(rig_count(&rig, cases[i].reason), 200 - left);
		/* Others have theirs, and what keeps the node in the network is not dropped. */
		assert_true(send_mail(PEEL_KIND_EXIT_ANSWER, c.session + 1));
		assert_true(send_mail(PEEL_KIND_DATAGRAM, c.session));
		unlimit();
		assert_true(send_mail(PEEL_KIND_EXIT_ANSWER, c.session));
		finish();
	}
}

/* What exits must ask the control thread for is limited before it gets there, and what the control
 * thread sends leaves in any case. */
static void
test_control(void **state)
{
	struct peel_host name = {.type = PEEL_HOST_NAME,
		.addr = {.port = 6881},
		.name = {(const uint8_t *)"tracker.test", 12}};
	uint8_t msg[2304], payload[996] = "d1:ad2:id20:";
	unsigned int n = 0;
	struct rte_mbuf *m;
	size_t len;

	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	memset(payload + 12, 'e', sizeof(payload) - 12);
	len = data_message(msg, &name, payload, sizeof(payload));
	limit(PEEL_BANDWIDTH_ALL);
	send_message(77, msg, len, 60);
	while ((m = rig_pop(&rig, PEEL_CLASS_EXIT)) != NULL) {
		rte_pktmbuf_free(m);
		n++;
	}
	assert_in_range(n, 32, 34 + meanwhile() / 996);
	assert_int_equal(rig_count(&rig, PEEL_DROP_BANDWIDTH), 60 - n);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(send_mail(PEEL_KIND_DATAGRAM, 0));
	assert_true(peel_bandwidth_level(limits, PEEL_BANDWIDTH_ALL, since) < -60000);
	unlimit();
	finish();
}

/* Nothing passes in any direction, until it may again; the control thread's datagrams leave. */
static void
test_closed(void **state)
{
	(void)state;
	start(PEEL_ROUTE_EXIT, ENDPOINT);
	add_circuit(PEEL_ROUTE_FORWARD, 100);
	peel_worker_close(rig.worker, true);
	assert_int_equal(send_cells(100, 10), 0);
	rig_feed_endpoint(&rig, ENDPOINT, peel_exit_cookie(c.slot, c.session), &c.outside,
		dht_payload, DHT_LEN);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 0);
	assert_int_equal(rig_count(&rig, PEEL_DROP_ACCOUNTING), 11);
	peel_worker_close(rig.worker, false);
	assert_int_equal(send_cells(100, 10), 10);
	rig_feed_endpoint(&rig, ENDPOINT, peel_exit_cookie(c.slot, c.session), &c.outside,
		dht_payload, DHT_LEN);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	finish();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_backward),
		cmocka_unit_test(test_exit),
		cmocka_unit_test(test_http_answers),
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_closed),
	};

	return with_each_engine(tests, PEEL_ARRAY_LEN(tests));
}
