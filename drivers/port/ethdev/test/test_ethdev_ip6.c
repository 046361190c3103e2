/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "world.h"

/* 33:33:ff:00:00:10 and ff02::1:ff00:10, of host_ip6; twins of others differ in the last bytes. */
static const uint8_t own_group_mac[6] = {0x33, 0x33, 0xff, 0, 0, 1};
static const uint8_t own_group[16] = {0xff, 2, [11] = 1, [12] = 0xff, [15] = 1};
static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1}, unspecified[16];
static const uint8_t evil[6] = {2, 6, 6, 6, 6, 6};

static void
check_nd(const struct world *w, const uint8_t *g, const uint8_t *mac, uint8_t type, uint8_t flags,
	const uint8_t *dst, const uint8_t *target)
{
	uint8_t f[128];
	size_t len = make_nd(f, mac, w->mac, type, flags, own_ip6, dst, target);

	assert_int_equal(len, 86);
	assert_memory_equal(f, g, len);
}

static void
check_frame6(const struct world *w, const uint8_t *f, size_t len, const uint8_t *mac,
	const uint8_t *dst, size_t payload, uint8_t fill)
{
	assert_int_equal(len, 62 + payload);
	assert_memory_equal(f, mac, 6);
	assert_memory_equal(f + 6, w->mac, 6);
	assert_int_equal(peel_get_be16(f + 12), 0x86dd);
	assert_int_equal(peel_get_be32(f + 14), 0x60000000);
	assert_int_equal(peel_get_be16(f + 18), 8 + payload);
	assert_int_equal(f[20], 17);
	assert_memory_equal(f + 22, own_ip6, 16);
	assert_memory_equal(f + 38, dst, 16);
	assert_int_equal(peel_get_be16(f + 54), 7000);
	assert_true(udp_sum_ok(f + 54, 8 + payload, own_ip6, dst, 16));
	for (size_t i = 0; i < payload; i++)
		assert_int_equal(f[62 + i], fill);
}

static void
test_solicitations_are_answered(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[128], g[WORLD_FRAME_MAX];
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};

	world_init(&w);
	world_open(&w);
	world_send(
		&w, f, make_nd(f, own_group_mac, host_mac, 135, 0, host_ip6, own_group, own_ip6));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 86);
	check_nd(&w, g, host_mac, 136, 0x60, host_ip6, own_ip6);
	/* Unicast, as for a refresh. */
	world_send(&w, f, make_nd(f, w.mac, gate_mac, 135, 0, gate_ip6, own_ip6, own_ip6));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 86);
	check_nd(&w, g, gate_mac, 136, 0x60, gate_ip6, own_ip6);
	/* Somebody wants our address: everybody is told that it is taken. */
	world_send(&w, f,
		make_nd(f, own_group_mac, host_mac, 135, 0, unspecified, own_group, own_ip6));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 86);
	check_nd(&w, g, all_nodes_mac, 136, 0x20, all_nodes, own_ip6);
	assert_int_equal(world_drops(&w), 0);

	/* For another address of the same group, from beyond a router, checksum wrong, bad
	 * option. */
	static const uint8_t twin[16] = {0x20, 1, 0xd, 0xb8, [12] = 9, [15] = 1};

	world_send(&w, f, make_nd(f, own_group_mac, host_mac, 135, 0, host_ip6, own_group, twin));
	assert_null(world_poll(&w));
	size_t len = make_nd(f, own_group_mac, host_mac, 135, 0, host_ip6, own_group, own_ip6);

	f[21] = 254;
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	f[21] = 255;
	f[60] ^= 1;
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 0);
	assert_int_equal(world_count(&w, PEEL_DROP_FRAME), 3);
	world_close(&w);
}

/* An address of /128 and a gateway elsewhere that has no link-local address either. */
static void
test_gateway_outside_of_the_network(void **state)
{
	(void)state;
	static const uint8_t gate[16] = {0x20, 1, 0xd, 0xb8, 0x77, [15] = 1};
	static const uint8_t other[16] = {0x20, 1, 0xd, 0xb8, 0x77, [15] = 2};
	const struct peel_addr far = addr6(far_ip6, 53), near = addr6(host_ip6, 53);
	uint8_t f[WORLD_FRAME_MAX];
	struct world w;

	world_init(&w);
	w.conf.prefix_len6 = 128;
	w.conf.gateway6 = addr6(gate, 0);
	world_open(&w);
	world_tx(&w, &far, 0, 20, 1);
	world_tx(&w, &near, 0, 21, 2);
	assert_int_equal(world_take(&w, f), 86);
	assert_memory_equal(f + 14 + 40 + 8, gate, 16);
	assert_int_equal(world_take(&w, f), 0);
	world_send(&w, f, make_nd(f, w.mac, host_mac, 136, 0x60, other, own_ip6, other));
	assert_null(world_poll(&w));
	assert_int_equal(world_line(&w, "neighbours"), 1);
	world_send(&w, f, make_nd(f, w.mac, gate_mac, 136, 0x60, gate, own_ip6, gate));
	assert_null(world_poll(&w));
	check_frame6(&w, f, world_take(&w, f), gate_mac, far_ip6, 20, 1);
	check_frame6(&w, f, world_take(&w, f), gate_mac, host_ip6, 21, 2);
	assert_int_equal(world_drops(&w), 0);
	world_close(&w);
}

static void
test_first_datagram_waits_for_neighbour(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr near = addr6(host_ip6, 53), far = addr6(far_ip6, 53);
	static const uint8_t host_group_mac[6] = {0x33, 0x33, 0xff, 0xaa, 0, 0x10};
	static const uint8_t host_group[16] = {0xff, 2, [11] = 1, [12] = 0xff, 0xaa, 0, 0x10};

	world_init(&w);
	world_open(&w);
	world_tx(&w, &near, 0, 20, 1);
	world_tx(&w, &near, 0, 21, 2);
	assert_int_equal(world_take(&w, f), 86);
	check_nd(&w, f, host_group_mac, 135, 0, host_group, host_ip6);
	assert_int_equal(world_take(&w, f), 0);
	world_send(&w, f, make_nd(f, w.mac, host_mac, 136, 0x60, host_ip6, own_ip6, host_ip6));
	assert_null(world_poll(&w));
	check_frame6(&w, f, world_take(&w, f), host_mac, host_ip6, 20, 1);
	check_frame6(&w, f, world_take(&w, f), host_mac, host_ip6, 21, 2);

	world_tx(&w, &far, 0, 30, 3);
	assert_int_equal(world_take(&w, f), 86);
	assert_memory_equal(f + 14 + 40 + 8, gate_ip6, 16);
	world_send(&w, f, make_nd(f, w.mac, gate_mac, 136, 0x60, gate_ip6, own_ip6, gate_ip6));
	assert_null(world_poll(&w));
	check_frame6(&w, f, world_take(&w, f), gate_mac, far_ip6, 30, 3);

	/* Refresh: a unicast question, and an answer that may leave out the link address. */
	world_pass(&w, 30500);
	world_drain(&w);
	world_tx(&w, &near, 0, 20, 1);
	assert_int_equal(world_take(&w, f), 86);
	check_nd(&w, f, host_mac, 135, 0, host_ip6, host_ip6);
	check_frame6(&w, f, world_take(&w, f), host_mac, host_ip6, 20, 1);
	size_t len = make_nd(f, w.mac, host_mac, 136, 0x40, host_ip6, own_ip6, host_ip6);
	uint32_t sum;

	peel_put_be16(f + 18, 24);
	peel_put_be16(f + 56, 0);
	sum = sum16(f + 22, 32, 58 + 24);
	peel_put_be16(f + 56, (uint16_t)~sum16(f + 54, 24, sum));
	world_send(&w, f, len - 8);
	assert_null(world_poll(&w));
	assert_int_equal(world_drops(&w), 0);
	world_pass(&w, 29000);
	world_drain(&w);
	world_tx(&w, &near, 0, 22, 4);
	check_frame6(&w, f, world_take(&w, f), host_mac, host_ip6, 22, 4);
	world_close(&w);
}

static void
test_neighbour_poison_is_refused(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr near = addr6(host_ip6, 53);

	world_init(&w);
	world_open(&w);
	world_send(&w, f, make_nd(f, w.mac, evil, 136, 0x60, host_ip6, own_ip6, host_ip6));
	assert_null(world_poll(&w));
	world_send(&w, f, make_nd(f, w.mac, evil, 136, 0x60, far_ip6, own_ip6, far_ip6));
	assert_null(world_poll(&w));
	world_send(&w, f, make_nd(f, w.mac, evil, 135, 0, far_ip6, own_ip6, own_ip6));
	assert_null(world_poll(&w));
	assert_int_equal(world_line(&w, "neighbours"), 0);
	world_drain(&w);

	world_tx(&w, &near, 0, 1, 1);
	world_send(&w, f, make_nd(f, w.mac, host_mac, 136, 0x60, host_ip6, own_ip6, host_ip6));
	assert_null(world_poll(&w));
	world_drain(&w);
	w.now += 10000;
	/* Unsolicited with the override flag, and a solicitation in somebody's name. */
	world_send(&w, f, make_nd(f, w.mac, evil, 136, 0x20, host_ip6, all_nodes, host_ip6));
	assert_null(world_poll(&w));
	world_send(&w, f, make_nd(f, w.mac, evil, 135, 0, host_ip6, own_ip6, own_ip6));
	assert_null(world_poll(&w));
	world_drain(&w);
	world_tx(&w, &near, 0, 5, 9);
	assert_int_equal(world_take(&w, f), 86); /* doubt: asks everybody */
	assert_int_equal(f[0], 0x33);
	check_frame6(&w, f, world_take(&w, f), host_mac, host_ip6, 5, 9);
	world_close(&w);
}

static void
test_ping(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[256], g[WORLD_FRAME_MAX], *p = f + 54;
	uint32_t sum;

	world_init(&w);
	world_open(&w);
	make_eth(f, w.mac, gate_mac, 0x86dd);
	make_ip6(f + 14, far_ip6, own_ip6, 58, 40, 60);
	memset(p, 0x42, 40);
	p[0] = 128;
	p[1] = 0;
	peel_put_be16(p + 2, 0);
	sum = sum16(f + 22, 32, 58 + 40);
	peel_put_be16(p + 2, (uint16_t)~sum16(p, 40, sum));
	world_send(&w, f, 94);
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 94);
	assert_memory_equal(g, gate_mac, 6);
	assert_memory_equal(g + 22, own_ip6, 16);
	assert_memory_equal(g + 38, far_ip6, 16);
	assert_int_equal(g[54], 129);
	assert_int_equal(sum16(g + 54, 40, sum16(g + 22, 32, 58 + 40)), 0xffff);
	assert_memory_equal(g + 58, p + 4, 36);
	/* To all nodes: not answered. */
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};

	make_eth(f, all_nodes_mac, gate_mac, 0x86dd);
	memcpy(f + 38, all_nodes, 16);
	peel_put_be16(p + 2, 0);
	peel_put_be16(p + 2, (uint16_t)~sum16(p, 40, sum16(f + 22, 32, 58 + 40)));
	world_send(&w, f, 94);
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 0);
	assert_int_equal(world_count(&w, PEEL_DROP_FRAME), 1);
	world_close(&w);
}

static void
test_addresses_that_cannot_be_reached(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	static const uint8_t loopback[16] = {[15] = 1};
	const struct peel_addr refused[] = {
		addr6(unspecified, 1), addr6(loopback, 1), addr6(all_nodes, 1), addr6(own_ip6, 1)};

	world_init(&w);
	world_open(&w);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(refused); i++)
		world_tx(&w, &refused[i], 0, 5, 1);
	assert_int_equal(world_count(&w, PEEL_DROP_TX), PEEL_ARRAY_LEN(refused));
	world_close(&w);

	world_init(&w);
	memset(&w.conf.address6, 0, sizeof(w.conf.address6));
	world_open(&w);
	const struct peel_addr near = addr6(host_ip6, 53);

	world_tx(&w, &near, 0, 5, 1);
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_count(&w, PEEL_DROP_TX), 1);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_solicitations_are_answered),
		cmocka_unit_test(test_first_datagram_waits_for_neighbour),
		cmocka_unit_test(test_gateway_outside_of_the_network),
		cmocka_unit_test(test_neighbour_poison_is_refused),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_addresses_that_cannot_be_reached),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
