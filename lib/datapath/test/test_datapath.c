/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Behaviour that no vector shows: duplicates, limits, punting, mixed bursts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "one_circuit.h"

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
test_banned_addresses_are_dropped(void **state)
{
	struct peel_network previous;
	struct peel_addr_set *set;
	uint8_t msg[3] = {PEEL_MSG_PING, 0, 0};

	(void)state;
	start(PEEL_ROUTE_FORWARD, 0);
	previous = (struct peel_network){.addr = c.previous, .prefix_len = 24};
	assert_int_equal(peel_addr_set_new(&previous, 1, &set), 0);
	peel_worker_set_banned(rig.worker, set);
	feed_message(msg, 3, false);
	rig_feed(&rig, &c.outside, msg, 3); /* from elsewhere: it is too short */
	feed_message(msg, 3, false);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 0);
	assert_int_equal(rig_count(&rig, PEEL_DROP_BANNED), 2);
	assert_int_equal(rig_drops(&rig), 3);
	peel_worker_set_banned(rig.worker, NULL);
	peel_addr_set_free(set);
	feed_message(msg, 3, false);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_int_equal(rig_count(&rig, PEEL_DROP_BANNED), 2);
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
		cmocka_unit_test(test_exact_duplicates_only_are_dropped),
		cmocka_unit_test(test_forged_cells_change_nothing),
		cmocka_unit_test(test_banned_addresses_are_dropped),
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

	return with_each_engine(tests, PEEL_ARRAY_LEN(tests));
}
