/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "world.h"

/* A datagram of ours in @p f, of the size and fill that was sent. */
static void
check_frame4(const struct world *w, const uint8_t *f, size_t len, const uint8_t *mac,
	const uint8_t *dst, uint16_t dport, size_t payload, uint8_t fill)
{
	assert_int_equal(len, 42 + payload);
	assert_memory_equal(f, mac, 6);
	assert_memory_equal(f + 6, w->mac, 6);
	assert_int_equal(peel_get_be16(f + 12), 0x0800);
	assert_int_equal(f[14], 0x45);
	assert_int_equal(peel_get_be16(f + 16), 28 + payload);
	assert_int_equal(peel_get_be16(f + 20), 0);
	assert_int_equal(f[23], 17);
	assert_int_equal(sum16(f + 14, 20, 0), 0xffff);
	assert_memory_equal(f + 26, own_ip, 4);
	assert_memory_equal(f + 30, dst, 4);
	assert_int_equal(peel_get_be16(f + 34), 7000);
	assert_int_equal(peel_get_be16(f + 36), dport);
	assert_int_equal(peel_get_be16(f + 38), 8 + payload);
	assert_int_not_equal(peel_get_be16(f + 40), 0);
	assert_true(udp_sum_ok(f + 34, 8 + payload, own_ip, dst, 4));
	for (size_t i = 0; i < payload; i++)
		assert_int_equal(f[42 + i], fill);
}

static void
test_first_datagram_waits_for_arp(void **state)
{
	(void)state;
	struct world w;
	const struct peel_addr to = addr4(host_ip, 4000);
	uint8_t f[WORLD_FRAME_MAX], g[64];
	const uint8_t none[6] = {0};

	world_init(&w);
	world_open(&w);
	for (uint8_t i = 0; i < 3; i++)
		world_tx(&w, &to, 0, 10u + i, i);
	assert_int_equal(world_take(&w, f), 42);
	make_arp(g, all_mac, 1, w.mac, own_ip, none, host_ip);
	assert_memory_equal(f, g, 42);
	assert_int_equal(world_take(&w, f), 0); /* one request for three datagrams */

	world_send(&w, g, make_arp(g, w.mac, 2, host_mac, host_ip, w.mac, own_ip));
	assert_null(world_poll(&w));
	for (uint8_t i = 0; i < 3; i++) {
		size_t len = world_take(&w, f);

		check_frame4(&w, f, len, host_mac, host_ip, 4000, 10u + i, i);
	}
	for (size_t payload = 0; payload <= 1472; payload += payload < 40 ? 1 : 13) {
		world_tx(&w, &to, 0, payload, 0xa5);
		check_frame4(&w, f, world_take(&w, f), host_mac, host_ip, 4000, payload, 0xa5);
	}
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_drops(&w), 0);
	world_close(&w);
}

/* An address of /32 and a gateway elsewhere, as hosting companies give them. */
static void
test_gateway_outside_of_the_network(void **state)
{
	(void)state;
	static const uint8_t gate[4] = {172, 31, 1, 1}, other[4] = {172, 31, 1, 2};
	const struct peel_addr far = addr4(far_ip, 4000), near = addr4(host_ip, 4001),
			       itself = addr4(gate, 4002);
	uint8_t f[WORLD_FRAME_MAX], g[64];
	const uint8_t none[6] = {0};
	struct world w;

	world_init(&w);
	w.conf.prefix_len = 32;
	w.conf.gateway = addr4(gate, 0);
	world_open(&w);
	world_tx(&w, &far, 0, 10, 1);
	world_tx(&w, &near, 0, 11, 2);
	world_tx(&w, &itself, 0, 12, 3);
	assert_int_equal(world_take(&w, f), 42);
	make_arp(g, all_mac, 1, w.mac, own_ip, none, gate);
	assert_memory_equal(f, g, 42);
	assert_int_equal(world_take(&w, f), 0);
	/* Nobody else from out there is believed, not even as a neighbour. */
	world_send(&w, g, make_arp(g, w.mac, 2, host_mac, other, w.mac, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_line(&w, "neighbours"), 1);
	world_send(&w, g, make_arp(g, w.mac, 2, gate_mac, gate, w.mac, own_ip));
	assert_null(world_poll(&w));
	check_frame4(&w, f, world_take(&w, f), gate_mac, far_ip, 4000, 10, 1);
	check_frame4(&w, f, world_take(&w, f), gate_mac, host_ip, 4001, 11, 2);
	check_frame4(&w, f, world_take(&w, f), gate_mac, gate, 4002, 12, 3);
	/* It may ask before we do. */
	world_close(&w);
	world_init(&w);
	w.conf.prefix_len = 32;
	w.conf.gateway = addr4(gate, 0);
	world_open(&w);
	world_send(&w, g, make_arp(g, all_mac, 1, gate_mac, gate, none, own_ip));
	assert_null(world_poll(&w));
	world_drain(&w);
	world_tx(&w, &far, 0, 10, 1);
	check_frame4(&w, f, world_take(&w, f), gate_mac, far_ip, 4000, 10, 1);
	assert_int_equal(world_drops(&w), 0);
	world_close(&w);
}

/* The answer came, but the next burst is sent before the waiting datagrams were looked at again. */
static void
test_waiting_datagrams_go_first(void **state)
{
	(void)state;
	struct world w;
	struct rte_mbuf *m;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr4(host_ip, 4000);

	world_init(&w);
	world_open(&w);
	world_tx(&w, &to, 0, 10, 1);
	world_drain(&w);
	world_send(&w, f, make_arp(f, w.mac, 2, host_mac, host_ip, w.mac, own_ip));
	assert_int_equal(peel_port_ethdev.rx(w.port, 0, &m, 1), 0);
	world_tx(&w, &to, 0, 10, 2);
	check_frame4(&w, f, world_take(&w, f), host_mac, host_ip, 4000, 10, 1);
	check_frame4(&w, f, world_take(&w, f), host_mac, host_ip, 4000, 10, 2);
	world_close(&w);
}

static void
test_checksum_zero_is_sent_as_ones(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	bool seen = false;

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	/* Some port makes the sum 0xffff, whose complement means "none" on the wire. */
	for (uint32_t port = 1; port < 65536 && !seen; port++) {
		const struct peel_addr to = addr4(host_ip, (uint16_t)port);

		world_tx(&w, &to, 0, 4, 0);
		assert_int_equal(world_take(&w, f), 46);
		seen = peel_get_be16(f + 40) == 0xffff;
		assert_int_not_equal(peel_get_be16(f + 40), 0);
	}
	assert_true(seen);
	world_close(&w);
}

static void
test_routes(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr far = addr4(far_ip, 53), near = addr4(host_ip, 53);
	static const uint8_t refused[][4] = {{0, 0, 0, 0}, {127, 0, 0, 1}, {224, 0, 0, 251},
		{255, 255, 255, 255}, {10, 0, 0, 1}};

	world_init(&w);
	world_open(&w);
	world_tx(&w, &far, 0, 5, 1);
	assert_int_equal(world_take(&w, f), 42);
	assert_memory_equal(f + 38, gate_ip, 4);
	world_send(&w, f, make_arp(f, w.mac, 2, gate_mac, gate_ip, w.mac, own_ip));
	assert_null(world_poll(&w));
	check_frame4(&w, f, world_take(&w, f), gate_mac, far_ip, 53, 5, 1);
	world_resolve(&w, host_ip, host_mac);
	world_tx(&w, &near, 0, 6, 2);
	check_frame4(&w, f, world_take(&w, f), host_mac, host_ip, 53, 6, 2);

	for (size_t i = 0; i < PEEL_ARRAY_LEN(refused); i++) {
		const struct peel_addr to = addr4(refused[i], 53);

		world_tx(&w, &to, 0, 5, 1);
	}
	const struct peel_addr no_port = addr4(host_ip, 0), no_family = {.port = 1};

	world_tx(&w, &no_port, 0, 5, 1);
	world_tx(&w, &no_family, 0, 5, 1);
	world_tx(&w, &near, 1, 5, 1); /* endpoint that is not open */
	world_tx(&w, &near, 99, 5, 1);
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_count(&w, PEEL_DROP_TX), PEEL_ARRAY_LEN(refused) + 4);
	world_close(&w);

	world_init(&w);
	memset(&w.conf.gateway, 0, sizeof(w.conf.gateway));
	world_open(&w);
	world_tx(&w, &far, 0, 5, 1);
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_count(&w, PEEL_DROP_TX), 1);
	world_close(&w);
}

static void
test_waiting_is_bounded(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX], ip[4] = {10, 0, 0, 100};
	unsigned int requests = 0;

	world_init(&w);
	world_open(&w);
	for (int k = 0; k < 40; k++) {
		ip[3] = (uint8_t)(100 + k);
		const struct peel_addr to = addr4(ip, 53);

		for (int i = 0; i < 6; i++)
			world_tx(&w, &to, 0, 5, 1);
	}
	/* 32 hops, 4 each. */
	assert_int_equal(world_count(&w, PEEL_DROP_NEIGHBOUR), 40 * 6 - 32 * 4);
	world_drain(&w);
	/* The gateway has a place of its own. */
	const struct peel_addr far = addr4(far_ip, 4000);

	world_tx(&w, &far, 0, 10, 1);
	assert_int_equal(world_take(&w, f), 42);
	world_send(&w, f, make_arp(f, w.mac, 2, gate_mac, gate_ip, w.mac, own_ip));
	assert_null(world_poll(&w));
	check_frame4(&w, f, world_take(&w, f), gate_mac, far_ip, 4000, 10, 1);
	world_drain(&w);
	/* One request a second for those that wait, then all are given up. */
	for (int i = 0; i < 40; i++) {
		world_pass(&w, 100);
		while (world_take(&w, f) > 0)
			requests += f[21] == 1 && memcmp(f + 38, own_ip, 4) != 0;
	}
	assert_in_range(requests, 32 * 2, 32 * 3);
	assert_int_equal(world_count(&w, PEEL_DROP_NEIGHBOUR), 40 * 6);
	assert_int_equal(world_count(&w, PEEL_TX_DATAGRAMS), 1);
	/* Left behind when the port closes: freed, which world_close checks. */
	const struct peel_addr to = addr4(ip, 53);

	world_tx(&w, &to, 0, 5, 1);
	world_close(&w);
}

static void
test_arp_poison_is_refused(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	const uint8_t evil[6] = {2, 6, 6, 6, 6, 6}, none[6] = {0};
	const struct peel_addr to = addr4(host_ip, 53);

	world_init(&w);
	world_open(&w);
	/* Nobody asked. */
	world_send(&w, f, make_arp(f, w.mac, 2, evil, host_ip, w.mac, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_line(&w, "neighbours"), 0);
	/* Outside of our network. */
	world_send(&w, f, make_arp(f, all_mac, 1, evil, far_ip, none, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_line(&w, "neighbours"), 0);
	world_drain(&w);

	/* A reply to everybody is no answer to us, even while we wait for one. */
	world_tx(&w, &to, 0, 5, 9);
	world_drain(&w);
	world_send(&w, f, make_arp(f, all_mac, 2, evil, host_ip, w.mac, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, f), 0);
	world_pass(&w, 4000);
	world_resolve(&w, host_ip, host_mac);
	w.now += 10000;
	world_send(&w, f, make_arp(f, all_mac, 2, evil, host_ip, evil, host_ip));
	assert_null(world_poll(&w));
	world_send(&w, f, make_arp(f, w.mac, 1, evil, host_ip, none, own_ip));
	assert_null(world_poll(&w));
	world_drain(&w);
	world_tx(&w, &to, 0, 5, 9);
	assert_int_equal(world_take(&w, f), 42); /* "who has": to everybody */
	assert_memory_equal(f, all_mac, 6);
	check_frame4(&w, f, world_take(&w, f), host_mac, host_ip, 53, 5, 9);
	world_close(&w);
}

static void
test_neighbour_is_refreshed_with_unicast(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr4(host_ip, 53);

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	world_pass(&w, 30001);
	world_drain(&w);
	world_tx(&w, &to, 0, 5, 9);
	assert_int_equal(world_take(&w, f), 42);
	assert_memory_equal(f, host_mac, 6);
	check_frame4(&w, f, world_take(&w, f), host_mac, host_ip, 53, 5, 9);
	/* Silence: the datagrams wait again in the end. */
	world_pass(&w, 60000);
	world_drain(&w);
	world_tx(&w, &to, 0, 5, 9);
	assert_int_equal(world_take(&w, f), 42);
	assert_memory_equal(f, all_mac, 6);
	assert_int_equal(world_take(&w, f), 0);
	world_close(&w);
}

static void
test_mbufs_that_cannot_be_written_are_copied(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr4(host_ip, 53);
	struct rte_mbuf *m, *b;

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	/* No headroom. */
	m = rte_pktmbuf_alloc(world_pool);
	m->data_off = 10;
	memset(rte_pktmbuf_append(m, 100), 7, 100);
	*peel_pkt(m) = (struct peel_pkt){.remote = to};
	peel_port_ethdev.tx(w.port, 0, &m, 1);
	/* Somebody else holds it too. */
	m = rte_pktmbuf_alloc(world_pool);
	memset(rte_pktmbuf_append(m, 100), 7, 100);
	*peel_pkt(m) = (struct peel_pkt){.remote = to};
	rte_mbuf_refcnt_update(m, 1);
	b = m;
	peel_port_ethdev.tx(w.port, 0, &m, 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rte_pktmbuf_mtod(b, uint8_t *)[i], 7);
	assert_int_equal(b->data_len, 100);
	rte_pktmbuf_free(b);
	/* Two segments. */
	m = rte_pktmbuf_alloc(world_pool);
	b = rte_pktmbuf_alloc(world_pool);
	memset(rte_pktmbuf_append(m, 60), 7, 60);
	memset(rte_pktmbuf_append(b, 40), 7, 40);
	rte_pktmbuf_chain(m, b);
	*peel_pkt(m) = (struct peel_pkt){.remote = to};
	peel_port_ethdev.tx(w.port, 0, &m, 1);
	peel_port_ethdev.flush(w.port, 0);
	for (int i = 0; i < 3; i++)
		check_frame4(&w, f, world_take(&w, f), host_mac, host_ip, 53, 100, 7);
	assert_int_equal(world_line(&w, "datagrams_copied"), 3);
	world_close(&w);
}

static void
test_full_device_drops_and_counts(void **state)
{
	(void)state;
	struct world w;
	const struct peel_addr to = addr4(host_ip, 53);

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	uint64_t before = world_count(&w, PEEL_TX_DATAGRAMS);

	for (int i = 0; i < 300; i++)
		world_tx(&w, &to, 0, 5, 9);
	assert_int_equal(world_count(&w, PEEL_TX_DATAGRAMS) - before, 255);
	assert_int_equal(world_count(&w, PEEL_DROP_TX), 45);
	world_close(&w);
}

static void
test_bursts_keep_their_order(void **state)
{
	(void)state;
	struct world w;
	struct rte_mbuf *burst[PEEL_PORT_BURST];
	uint8_t f[WORLD_FRAME_MAX];

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < PEEL_PORT_BURST; i++) {
			burst[i] = rte_pktmbuf_alloc(world_pool);
			memset(rte_pktmbuf_append(burst[i], 8), (int)i, 8);
			*peel_pkt(burst[i]) = (struct peel_pkt){.remote = addr4(host_ip, 53)};
		}
		peel_port_ethdev.tx(w.port, 0, burst, PEEL_PORT_BURST);
		peel_port_ethdev.flush(w.port, 0);
		for (uint32_t i = 0; i < PEEL_PORT_BURST; i++) {
			size_t len = world_take(&w, f);

			check_frame4(&w, f, len, host_mac, host_ip, 53, 8, (uint8_t)i);
		}
	}
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_datagram_waits_for_arp),
		cmocka_unit_test(test_gateway_outside_of_the_network),
		cmocka_unit_test(test_waiting_datagrams_go_first),
		cmocka_unit_test(test_checksum_zero_is_sent_as_ones),
		cmocka_unit_test(test_routes),
		cmocka_unit_test(test_waiting_is_bounded),
		cmocka_unit_test(test_arp_poison_is_refused),
		cmocka_unit_test(test_neighbour_is_refreshed_with_unicast),
		cmocka_unit_test(test_mbufs_that_cannot_be_written_are_copied),
		cmocka_unit_test(test_full_device_drops_and_counts),
		cmocka_unit_test(test_bursts_keep_their_order),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
