/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A worker of a guest's node: what is the guest's, what is not, in which order, and what is
 * counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "peel_aead_engines.h"
#include "peel_keys.h"
#include "rig.h"

#define FLAGS (PEEL_FLAG_RELAY | PEEL_FLAG_EXIT_IPV8 | PEEL_FLAG_SPEED_TEST)
#define MAIN_PORT 8090
#define ENDPOINT 5

static struct rig rig;
static struct peel_addr previous, next, own;
static struct peel_key forward, backward;
static const uint8_t salt[4] = {1, 2, 3, 4};
static uint32_t session, slot;
static uint64_t counter;
static struct peel_addr_set *own_set;

static void
publish(enum peel_route_kind kind, const struct peel_addr *from, uint32_t cid)
{
	struct peel_route r = {.in = *from,
		.in_cid = cid,
		.out = kind == PEEL_ROUTE_EXIT ? *from : next,
		.out_cid = cid,
		.session = session,
		.kind = (uint8_t)kind,
		.endpoint = ENDPOINT,
		.max_early = 8};

	assert_int_equal(peel_route_publish(rig.routes, &r, &slot), 0);
}

static int
setup(void **state)
{
	struct peel_network net;

	(void)state;
	rig_start_guest(&rig, peel_aead_engine_best(), FLAGS);
	previous = peel_addr_ipv4(192, 0, 2, 10, 8090);
	next = peel_addr_ipv4(192, 0, 2, 12, 8090);
	own = peel_addr_ipv4(192, 0, 2, 99, MAIN_PORT);
	net = (struct peel_network){own, 128};
	assert_int_equal(peel_addr_set_new(&net, 1, &own_set), 0);
	rig.policy.own = own_set;
	memset(forward.b, 1, sizeof(forward.b));
	memset(backward.b, 2, sizeof(backward.b));
	assert_int_equal(
		peel_session_add(rig.routes, &forward, salt, &backward, salt, 0, &session), 0);
	publish(PEEL_ROUTE_EXIT, &previous, 77);
	counter = 1000;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	rig_stop(&rig);
	peel_addr_set_free(own_set);
	return 0;
}

static void
feed_sealed(const void *msg, size_t len, bool early)
{
	uint8_t cell[2048];

	peel_cell_header(cell, rig_prefix, 77, false, early);
	peel_seal_one(&forward, salt, counter++, msg, len, cell + PEEL_CELL_HEADER_LEN);
	rig_feed(&rig, &previous, cell, PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD + len);
}

/* The guest has this mail, and (n 0) no other. */
static void
guest_has(const struct peel_addr *from, const void *data, size_t len)
{
	struct rte_mbuf *m = rig_pop_guest(&rig);

	assert_non_null(m);
	assert_true(peel_addr_equal(&peel_pkt(m)->remote, from));
	assert_int_equal(m->data_len, len);
	assert_int_equal(m->pkt_len, len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), data, len);
	rte_pktmbuf_free(m);
}

static void
guest_has_cell(const void *msg, size_t len, bool early)
{
	uint8_t cell[2048];

	peel_cell_header(cell, rig_prefix, 77, false, early);
	memcpy(cell + PEEL_CELL_HEADER_LEN, msg, len);
	guest_has(&previous, cell, PEEL_CELL_HEADER_LEN + len);
}

static void
guest_has_nothing(void)
{
	assert_null(rig_pop_guest(&rig));
}

/* Change overlays, as the control thread does. */
static void
set_overlays(void (*change)(struct peel_guest_overlays *o))
{
	struct peel_guest_overlays *fresh = malloc(sizeof(*fresh));

	assert_non_null(fresh);
	*fresh = *rig.overlays;
	change(fresh);
	fresh->version++;
	peel_worker_set_overlays(rig.worker, fresh);
	free(rig.overlays);
	rig.overlays = fresh;
}

/* ---- datagrams ------------------------------------------------------------------------------- */

static const uint8_t other_prefix[PEEL_PREFIX_LEN] = {0, 2, 9};

static void
open_both(struct peel_guest_overlays *o)
{
	memcpy(o->prefix[1], other_prefix, PEEL_PREFIX_LEN);
	o->bucket[peel_guest_overlay_bucket(o, other_prefix)] = 2;
	o->n = 2;
	o->open[0] = o->open[1] = true;
}

static void
close_other(struct peel_guest_overlays *o)
{
	o->open[1] = false;
}

static void
test_overlays(void **state)
{
	uint8_t ours[40] = {0}, others[40] = {0}, strange[40] = {0, 2, 8};

	(void)state;
	memcpy(ours, rig_prefix, PEEL_PREFIX_LEN);
	memcpy(others, other_prefix, PEEL_PREFIX_LEN);
	ours[PEEL_PREFIX_LEN] = PEEL_MSG_DESTROY;
	others[PEEL_PREFIX_LEN] = 0; /* no cell: only one overlay has them */
	rig_feed(&rig, &next, ours, sizeof(ours));
	rig_poll(&rig);
	guest_has_nothing();
	assert_int_equal(rig_count(&rig, PEEL_DROP_PREFIX), 1);
	set_overlays(open_both);
	rig_feed(&rig, &next, ours, sizeof(ours));
	rig_feed(&rig, &next, others, sizeof(others));
	rig_feed(&rig, &next, strange, sizeof(strange));
	rig_feed(&rig, &next, ours, PEEL_PREFIX_LEN);
	rig_poll(&rig);
	guest_has(&next, ours, sizeof(ours));
	guest_has(&next, others, sizeof(others));
	guest_has_nothing();
	assert_int_equal(rig_count(&rig, PEEL_DROP_PREFIX), 2);
	assert_int_equal(rig_count(&rig, PEEL_DROP_SHORT), 1);
	set_overlays(close_other);
	rig_feed(&rig, &next, others, sizeof(others));
	rig_poll(&rig);
	guest_has_nothing();
	assert_int_equal(rig.guest_counts->count[1][0].num_down, 2);
	assert_int_equal(rig.guest_counts->count[1][0].bytes_down, 80);
	assert_int_equal(rig.guest_counts->count[0][PEEL_MSG_DESTROY].num_down, 2);
}

static void
open_both_now(void)
{
	set_overlays(open_both);
}

/* A guest opens an overlay, and asks for something there, after a round has begun. */
static void
test_change_in_a_round(void **state)
{
	uint8_t others[40] = {0};

	(void)state;
	memcpy(others, other_prefix, PEEL_PREFIX_LEN);
	rig.on_rx = open_both_now;
	rig_feed(&rig, &next, others, sizeof(others));
	rig_poll(&rig);
	guest_has(&next, others, sizeof(others));
	guest_has_nothing();
}

/* Another overlay's cells from now on, in both directions. */
static void
change_cells(struct peel_guest_overlays *o)
{
	open_both(o);
	o->cells = 1;
}

static void
test_prefix_changes(void **state)
{
	uint8_t cell[128];

	(void)state;
	set_overlays(change_cells);
	feed_sealed("\x06\x12\x34", 3, false);
	rig_poll(&rig);
	/* It is no cell any more. */
	struct rte_mbuf *m = rig_pop_guest(&rig);

	assert_int_equal(m->data_len, PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD + 3);
	rte_pktmbuf_free(m);
	peel_cell_header(cell, other_prefix, 77, false, false);
	peel_seal_one(&forward, salt, counter++, (const uint8_t *)"\x15\0\0\0\1\0\4", 7,
		cell + PEEL_CELL_HEADER_LEN);
	rig_feed(&rig, &previous, cell, PEEL_CELL_HEADER_LEN + PEEL_SEAL_OVERHEAD + 7);
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_memory_equal(rig.out[0].data, other_prefix, PEEL_PREFIX_LEN);
	assert_int_equal(rig.guest_counts->count[1][0].num_up, 1);
	assert_int_equal(rig.guest_counts->count[1][0].bytes_up, rig.out[0].len);
}

static void
test_plain(void **state)
{
	uint8_t cell[64] = {0};
	static const uint8_t plain[] = {2, 3, 31, 33};

	(void)state;
	for (size_t i = 0; i < sizeof(plain); i++) {
		peel_cell_header(cell, rig_prefix, 5, true, true);
		cell[PEEL_CELL_HEADER_LEN] = plain[i];
		rig_feed(&rig, &next, cell, sizeof(cell));
		rig_poll(&rig);
		guest_has(&next, cell, sizeof(cell));
	}
	cell[PEEL_CELL_HEADER_LEN] = PEEL_MSG_EXTEND;
	rig_feed(&rig, &next, cell, sizeof(cell));
	rig_feed(&rig, &next, cell, PEEL_CELL_HEADER_LEN);
	/* With the id of a relay, from wherever. */
	publish(PEEL_ROUTE_FORWARD, &previous, 78);
	publish(PEEL_ROUTE_BACKWARD, &next, 79);
	for (uint32_t cid = 78; cid <= 79; cid++) {
		peel_cell_header(cell, rig_prefix, cid, true, true);
		cell[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATE;
		rig_feed(&rig, &own, cell, sizeof(cell));
	}
	rig_poll(&rig);
	guest_has_nothing();
	assert_int_equal(rig_count(&rig, PEEL_DROP_PLAIN), 3);
	assert_int_equal(rig_count(&rig, PEEL_DROP_SHORT), 1);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void
test_messages(void **state)
{
	(void)state;
	/* All but data (1), tests (21) and HTTP requests (28). */
	for (unsigned int id = 1; id < 256; id++) {
		uint8_t msg[] = {(uint8_t)id, 0, 0, 0, 1, 0, 4};
		bool ours = id == PEEL_MSG_DATA || id == PEEL_MSG_TEST_REQUEST_RUST ||
			    id == PEEL_MSG_HTTP_REQUEST;

		feed_sealed(msg, sizeof(msg), id == PEEL_MSG_EXTEND);
		rig_poll(&rig);
		if (!ours)
			guest_has_cell(msg, sizeof(msg), id == PEEL_MSG_EXTEND);
		guest_has_nothing();
		assert_int_equal(rig.n_out, id == PEEL_MSG_TEST_REQUEST_RUST);
	}
	rte_pktmbuf_free(rig_pop(&rig, PEEL_CLASS_EXIT));	   /* HTTP */
	assert_int_equal(rig_count(&rig, PEEL_DROP_MALFORMED), 1); /* that data */
	feed_sealed("\x04", 1, false);
	feed_sealed("", 0, false);
	rig_poll(&rig);
	guest_has_nothing();
	assert_int_equal(rig_count(&rig, PEEL_DROP_EARLY), 1);
	assert_int_equal(rig_count(&rig, PEEL_DROP_MALFORMED), 2);
}

/* What is counted by the second does not begin anew in the middle. */
static void
be_early_in_second(void)
{
	while (peel_now_ms(&peel_env_system) % 1000 > 500)
		rte_delay_us_sleep(1000);
	rig_poll(&rig);
}

/* So many of one kind, numbered behind the header of a cell. @return how many fitted in. */
static unsigned int
feed_many(const struct peel_addr *from, uint8_t cell[64], unsigned int n)
{
	uint64_t before = rig_count(&rig, PEEL_DROP_CONTROL_FULL);

	for (unsigned int i = 0; i < n; i++) {
		cell[PEEL_CELL_HEADER_LEN + 1] = (uint8_t)i;
		rig_feed(&rig, from, cell, 64);
		rig_poll(&rig);
	}
	return n - (unsigned int)(rig_count(&rig, PEEL_DROP_CONTROL_FULL) - before);
}

static unsigned int
feed_pings(unsigned int n)
{
	uint64_t before = rig_count(&rig, PEEL_DROP_CONTROL_FULL);
	uint8_t msg[] = {PEEL_MSG_PING, 0};

	for (unsigned int i = 0; i < n; i++) {
		msg[1] = (uint8_t)i;
		feed_sealed(msg, sizeof(msg), false);
		rig_poll(&rig);
	}
	return n - (unsigned int)(rig_count(&rig, PEEL_DROP_CONTROL_FULL) - before);
}

static void
guest_has_in_order(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		struct rte_mbuf *m = rig_pop_guest(&rig);

		assert_non_null(m);
		assert_int_equal(
			*rte_pktmbuf_mtod_offset(m, uint8_t *, PEEL_CELL_HEADER_LEN + 1), i);
		rte_pktmbuf_free(m);
	}
}

/* What does not fit into the guest's ring of 128 is dropped and counted, and the rest stays in
 * order. Whoever floods it with datagrams leaves room for creates, and both for circuits. */
static void
test_full(void **state)
{
	uint8_t datagram[64] = {0}, create[64] = {0};

	(void)state;
	be_early_in_second();
	set_overlays(open_both);
	memcpy(datagram, other_prefix, PEEL_PREFIX_LEN);
	peel_cell_header(create, rig_prefix, 5, true, false);
	create[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATE;
	assert_int_equal(feed_many(&next, datagram, 200), 64);
	assert_int_equal(feed_many(&next, create, 200), 32);
	assert_int_equal(feed_many(&next, datagram, 10), 0);
	assert_int_equal(feed_pings(40), 31);
	guest_has_in_order(64);
	guest_has_in_order(32);
	guest_has_in_order(31);
	guest_has_nothing();
}

/* Nor does one circuit take the room of others, but it may have more while there is some. */
static void
test_full_of_one_circuit(void **state)
{
	uint8_t create[64] = {0};

	(void)state;
	be_early_in_second();
	peel_cell_header(create, rig_prefix, 5, true, false);
	create[PEEL_CELL_HEADER_LEN] = PEEL_MSG_CREATE;
	assert_int_equal(feed_pings(200), 64);
	assert_int_equal(feed_many(&next, create, 10), 10);
	guest_has_in_order(64);
	guest_has_in_order(10);
	assert_int_equal(feed_pings(60), 60);
	guest_has_in_order(60);
}

/* Whoever sleeps is woken once, and not while awake. */
static void
test_wake(void **state)
{
	(void)state;
	feed_sealed("\x06\1\2", 3, false);
	rig_poll(&rig);
	assert_int_equal(rig.guest_wakes, 0);
	assert_true(peel_submit_queue_doze(rig.guest)); /* there is mail */
	guest_has_cell("\x06\1\2", 3, false);
	assert_false(peel_submit_queue_doze(rig.guest));
	for (int i = 0; i < 10; i++)
		feed_sealed("\x06\1\2", 3, false);
	rig_poll(&rig);
	assert_int_equal(rig.guest_wakes, 1);
	for (int i = 0; i < 10; i++)
		guest_has_cell("\x06\1\2", 3, false);
}

/* ---- the guest's own overlay through its own exit -------------------------------------------- */

static void
know_port(struct peel_guest_overlays *o)
{
	o->port = MAIN_PORT;
}

static void
feed_data(const struct peel_addr *to, const void *payload, size_t len)
{
	uint8_t msg[256];
	struct peel_msg_data data = {.destination = {.type = PEEL_HOST_IPV4, .addr = *to},
		.origin = {.type = PEEL_HOST_IPV4, .addr.family = PEEL_FAMILY_IPV4},
		.payload = {payload, len}};
	int n = peel_data_build(msg, sizeof(msg), &data);

	assert_true(n > 0);
	feed_sealed(msg, (size_t)n, false);
	rig_poll(&rig);
}

/* A downloader whose exit is the introduction point asks it like any other; nothing else reaches an
 * address of our own. */
static void
test_itself(void **state)
{
	uint8_t payload[64] = {0};
	struct peel_addr wrong = own;

	(void)state;
	memcpy(payload, rig_prefix, PEEL_PREFIX_LEN);
	payload[PEEL_PREFIX_LEN] = PEEL_MSG_CREATE_E2E;
	feed_data(&own, payload, sizeof(payload));
	assert_int_equal(rig_count(&rig, PEEL_DROP_DESTINATION), 1);
	set_overlays(know_port);
	feed_data(&own, payload, sizeof(payload));
	assert_int_equal(rig.n_out, 1);
	assert_int_equal(rig.out[0].endpoint, ENDPOINT);
	assert_true(peel_addr_equal(&rig.out[0].remote, &own));
	payload[PEEL_PREFIX_LEN] = PEEL_MSG_CELL;
	feed_data(&own, payload, sizeof(payload));
	assert_int_equal(rig_count(&rig, PEEL_DROP_POLICY), 1);
	payload[PEEL_PREFIX_LEN] = PEEL_MSG_CREATE_E2E;
	wrong.port++;
	feed_data(&wrong, payload, sizeof(payload));
	payload[2] ^= 1; /* another overlay */
	feed_data(&own, payload, sizeof(payload));
	assert_int_equal(rig_count(&rig, PEEL_DROP_DESTINATION), 3);
	/* The answer. */
	rig_feed_endpoint(
		&rig, ENDPOINT, peel_exit_cookie(slot, session), &own, payload, sizeof(payload));
	rig_poll(&rig);
	assert_int_equal(rig_count(&rig, PEEL_DROP_ORIGIN), 1);
	payload[2] ^= 1;
	rig_feed_endpoint(
		&rig, ENDPOINT, peel_exit_cookie(slot, session), &own, payload, sizeof(payload));
	rig_poll(&rig);
	assert_int_equal(rig.n_out, 1);
	assert_true(peel_addr_equal(&rig.out[0].remote, &previous));
	guest_has_nothing();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_overlays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_change_in_a_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefix_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_of_one_circuit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wake, setup, teardown),
		cmocka_unit_test_setup_teardown(test_itself, setup, teardown),
	};

	return cmocka_run_group_tests(tests, rig_eal, NULL);
}
