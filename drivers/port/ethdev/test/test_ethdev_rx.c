/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "world.h"

static void
check_datagram(struct rte_mbuf *m, const uint8_t *ip, size_t ip_len, size_t len)
{
	assert_non_null(m);
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct peel_pkt *pkt = peel_pkt(m);

	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(m->data_len, len);
	assert_int_equal(m->pkt_len, len);
	assert_true(rte_pktmbuf_headroom(m) >= PEEL_PORT_HEADROOM);
	assert_true(rte_pktmbuf_tailroom(m) >= PEEL_PORT_TAILROOM);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(p[i], (uint8_t)i);
	assert_int_equal(pkt->remote.family, ip_len == 4 ? PEEL_FAMILY_IPV4 : PEEL_FAMILY_IPV6);
	assert_memory_equal(pkt->remote.ip, ip, ip_len);
	assert_int_equal(pkt->remote.port, 5555);
	assert_int_equal(pkt->remote.zero, 0);
	assert_int_equal(pkt->endpoint, PEEL_ENDPOINT_MAIN);
	rte_pktmbuf_free(m);
}

static void
test_datagrams_of_all_sizes(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[4096];
	uint64_t bytes = 0;
	static const size_t sizes[] = {0, 1, 2, 17, 18, 19, 23, 100, 576, 1400, 1471, 1472, 1990};

	world_init(&w);
	world_open(&w);
	for (size_t i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
		size_t len = make_frame4(&w, f, 7000, sizes[i]);

		/* Short frames come padded, with anything. */
		for (; len < 60; len++)
			f[len] = 0xee;
		world_send(&w, f, len);
		check_datagram(world_poll(&w), host_ip, 4, sizes[i]);
		world_send(&w, f, make_frame6(&w, f, 7000, sizes[i]));
		check_datagram(world_poll(&w), host_ip6, 16, sizes[i]);
		bytes += 2 * sizes[i];
	}
	assert_int_equal(world_drops(&w), 0);
	assert_int_equal(world_count(&w, PEEL_RX_DATAGRAMS), 2 * PEEL_ARRAY_LEN(sizes));
	assert_int_equal(world_count(&w, PEEL_RX_IPV6), PEEL_ARRAY_LEN(sizes));
	assert_int_equal(world_count(&w, PEEL_RX_BYTES), bytes);
	world_close(&w);
}

static void
test_largest_datagrams_in_one_frame_keep_their_room(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[4096];

	world_init(&w);
	w.conf.mtu = 2100;
	world_open(&w);
	for (size_t len = 1980; len <= PEEL_PORT_RX_MAX; len++) {
		world_send(&w, f, make_frame4(&w, f, 7000, len));
		check_datagram(world_poll(&w), host_ip, 4, len);
	}
	world_send(&w, f, make_frame4(&w, f, 7000, PEEL_PORT_RX_MAX + 1));
	assert_null(world_poll(&w));
	assert_int_equal(world_count(&w, PEEL_DROP_OVERSIZE), 1);
	world_close(&w);
}

static void
test_frame_in_segments(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[4096];

	world_init(&w);
	world_open(&w);
	size_t len = make_frame4(&w, f, 7000, 1000);
	struct rte_mbuf *a = rte_pktmbuf_alloc(world_pool), *b = rte_pktmbuf_alloc(world_pool);

	memcpy(rte_pktmbuf_append(a, 5), f, 5);
	memcpy(rte_pktmbuf_append(b, (uint16_t)(len - 5)), f + 5, len - 5);
	assert_int_equal(rte_pktmbuf_chain(a, b), 0);
	assert_int_equal(rte_ring_enqueue(w.in[0], a), 0);
	check_datagram(world_poll(&w), host_ip, 4, 1000);
	world_close(&w);
}

static void
test_ip_options_are_skipped_and_zero_checksum_is_allowed(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[4096];

	world_init(&w);
	world_open(&w);
	make_frame4(&w, f, 7000, 30);
	memmove(f + 14 + 60, f + 14 + 20, 38);
	memset(f + 14 + 20, 1, 40); /* 40 bytes of "no operation" */
	f[14] = 0x4f;
	peel_put_be16(f + 16, 60 + 38);
	fix_ip4(f + 14);
	world_send(&w, f, 14 + 60 + 38);
	check_datagram(world_poll(&w), host_ip, 4, 30);

	size_t len = make_frame4(&w, f, 7000, 30);

	peel_put_be16(f + 14 + 20 + 6, 0);
	world_send(&w, f, len);
	check_datagram(world_poll(&w), host_ip, 4, 30);
	/* UDP shorter than IP says: the rest is not ours to deliver. */
	make_udp(f + 34, host_ip, own_ip, 4, 5555, 7000, 20);
	world_send(&w, f, len);
	check_datagram(world_poll(&w), host_ip, 4, 20);
	world_close(&w);
}

struct change {
	const char *name;
	size_t at; /* in the frame */
	uint8_t value;
	bool fix_ip; /* make the header checksum right again */
	bool no_sum; /* and leave out the UDP checksum, so that nothing but the change is wrong */
};

static void
check_changes(struct world *w, bool v6, const struct change *c, size_t n)
{
	uint8_t f[4096];

	for (size_t i = 0; i < n; i++) {
		uint64_t before = world_count(w, PEEL_DROP_FRAME);
		size_t len = v6 ? make_frame6(w, f, 7000, 100) : make_frame4(w, f, 7000, 100);

		f[c[i].at] = c[i].value;
		if (c[i].no_sum)
			peel_put_be16(f + 40, 0);
		if (c[i].fix_ip)
			fix_ip4(f + 14);
		world_send(w, f, len);
		if (world_poll(w) != NULL)
			fail_msg("accepted: %s", c[i].name);
		if (world_count(w, PEEL_DROP_FRAME) != before + 1)
			fail_msg("not counted: %s", c[i].name);
		assert_int_equal(rte_ring_count(w->out[0]), 0);
	}
}

static void
test_bad_ipv4_frames(void **state)
{
	(void)state;
	static const struct change changes[] = {
		{"other link address", 5, 0x77, false},
		{"multicast link address", 0, 0x01, false},
		{"other type", 13, 0x35, false},
		{"VLAN tag", 12, 0x81, false},
		{"version 6", 14, 0x65, true, true},
		{"header of 16 bytes", 14, 0x44, true},
		{"header longer than the packet", 14, 0x4f, false},
		{"total length beyond the frame", 16, 0xff, true, true},
		{"total length of 0", 17, 0, true},
		{"header checksum", 24, 0x5a, false},
		{"time to live changed", 22, 9, false},
		{"TCP", 23, 6, true, true},
		{"other destination", 33, 2, true, true},
		{"from 0.x", 26, 0, true, true},
		{"from 127.x", 26, 127, true, true},
		{"from multicast", 26, 224, true, true},
		{"from port 0 (low)", 34, 0, false},
		{"UDP port nobody has", 36, 0, false, true},
		{"UDP length beyond the packet", 38, 2, false, true},
		{"UDP length changed", 39, 100, false},
		{"UDP checksum", 40, 0x99, false},
		{"payload", 60, 0xff, false},
	};
	struct world w;
	uint8_t f[4096];

	world_init(&w);
	world_open(&w);
	check_changes(&w, false, changes, PEEL_ARRAY_LEN(changes));
	/* A datagram from our own address. */
	size_t len = make_frame4(&w, f, 7000, 10);

	memcpy(f + 26, own_ip, 4);
	fix_ip4(f + 14);
	peel_put_be16(f + 40, 0);
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	/* UDP length below its header. */
	make_frame4(&w, f, 7000, 10);
	peel_put_be16(f + 38, 7);
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	/* From port 0, checksum right. */
	make_udp(f + 34, host_ip, own_ip, 4, 0, 7000, 10);
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	assert_int_equal(world_count(&w, PEEL_DROP_FRAME), PEEL_ARRAY_LEN(changes) + 3);
	/* Every truncation. */
	len = make_frame4(&w, f, 7000, 10);
	for (size_t cut = 0; cut < len; cut++) {
		world_send(&w, f, cut);
		assert_null(world_poll(&w));
	}
	assert_int_equal(world_count(&w, PEEL_DROP_FRAME), PEEL_ARRAY_LEN(changes) + 3 + len);
	assert_int_equal(world_drops(&w), world_count(&w, PEEL_DROP_FRAME));
	world_close(&w);
}

static void
test_bad_ipv6_frames(void **state)
{
	(void)state;
	static const struct change changes[] = {
		{"version 4", 14, 0x40, false},
		{"payload length beyond the frame", 18, 0x70, false},
		{"TCP", 20, 6, false},
		{"hop-by-hop options", 20, 0, false},
		{"from multicast", 22, 0xff, false},
		{"other destination", 53, 2, false},
		{"to all nodes", 38, 0xff, false},
		{"UDP checksum", 60, 0x99, false},
		{"payload", 80, 0xff, false},
	};
	struct world w;
	uint8_t f[4096];

	world_init(&w);
	world_open(&w);
	check_changes(&w, true, changes, PEEL_ARRAY_LEN(changes));
	size_t len = make_frame6(&w, f, 7000, 10);

	peel_put_be16(f + 14 + 40 + 6, 0); /* no checksum: IPv4 only */
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	len = make_frame6(&w, f, 7000, 10);
	for (size_t cut = 0; cut < len; cut++) {
		world_send(&w, f, cut);
		assert_null(world_poll(&w));
	}
	assert_int_equal(world_count(&w, PEEL_DROP_FRAME), PEEL_ARRAY_LEN(changes) + 1 + len);
	world_close(&w);

	world_init(&w);
	memset(&w.conf.address6, 0, sizeof(w.conf.address6));
	world_open(&w);
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	assert_int_equal(world_count(&w, PEEL_DROP_FRAME), 1);
	world_close(&w);
}

static size_t
make_ping4(const struct world *w, uint8_t *f, size_t data)
{
	size_t at = make_eth(f, w->mac, gate_mac, 0x0800);
	uint8_t *p;

	at += make_ip4(f + at, far_ip, own_ip, 1, 8 + data, 1, 0);
	p = f + at;
	memset(p, 0, 8);
	p[0] = 8;
	p[5] = 77;
	memset(p + 8, 0x42, data);
	peel_put_be16(p + 2, (uint16_t)~sum16(p, 8 + data, 0));
	return at + 8 + data;
}

static void
test_ping_is_answered_within_limits(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[4096], g[WORLD_FRAME_MAX];
	unsigned int answered = 0;

	world_init(&w);
	world_open(&w);
	size_t len = make_ping4(&w, f, 57);

	world_send(&w, f, len);
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), len);
	assert_memory_equal(g, gate_mac, 6);
	assert_memory_equal(g + 6, w.mac, 6);
	assert_memory_equal(g + 14 + 12, own_ip, 4);
	assert_memory_equal(g + 14 + 16, far_ip, 4);
	assert_int_equal(sum16(g + 14, 20, 0), 0xffff);
	assert_int_equal(g[34], 0);
	assert_int_equal(sum16(g + 34, len - 34, 0), 0xffff);
	assert_memory_equal(g + 38, f + 38, len - 38);

	f[50] ^= 1; /* ICMP checksum wrong */
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	assert_int_equal(world_count(&w, PEEL_DROP_FRAME), 1);
	assert_int_equal(world_drops(&w), 1);

	make_ping4(&w, f, 57);
	for (int i = 0; i < 150; i++) {
		world_send(&w, f, len);
		assert_null(world_poll(&w));
		answered += world_take(&w, g) > 0;
	}
	assert_int_equal(answered, 99);
	assert_int_equal(world_count(&w, PEEL_DROP_RATE), 51);
	world_pass(&w, 50);
	world_send(&w, f, len);
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), len);
	assert_int_equal(world_line(&w, "echo_replies_sent"), 101);
	world_close(&w);
}

static void
test_arp_is_answered(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[64], g[WORLD_FRAME_MAX];
	const uint8_t none[6] = {0};

	world_init(&w);
	world_open(&w);
	size_t len = make_arp(f, all_mac, 1, host_mac, host_ip, none, own_ip);

	world_send(&w, f, len);
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 42);
	make_arp(f, host_mac, 2, w.mac, own_ip, host_mac, host_ip);
	assert_memory_equal(f, g, 42);
	/* A probe of somebody who has no address yet. */
	world_send(&w, f, make_arp(f, all_mac, 1, host_mac, none, none, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 42);
	/* For others. */
	world_send(&w, f, make_arp(f, all_mac, 1, host_mac, host_ip, none, gate_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 0);
	assert_int_equal(world_drops(&w), 0);
	/* Somebody else claims our address. */
	world_send(&w, f, make_arp(f, all_mac, 1, host_mac, own_ip, none, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, g), 0);
	assert_int_equal(world_line(&w, "address_conflicts"), 1);

	static const struct change bad[] = {{"hardware", 15, 6, false}, {"protocol", 16, 9, false},
		{"lengths", 18, 8, false}, {"operation", 21, 9, false},
		{"multicast sender", 22, 1, false}};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(bad); i++) {
		make_arp(f, all_mac, 1, host_mac, host_ip, none, own_ip);
		f[bad[i].at] = bad[i].value;
		world_send(&w, f, 42);
		assert_null(world_poll(&w));
		assert_int_equal(world_take(&w, g), 0);
		assert_int_equal(world_count(&w, PEEL_DROP_FRAME), i + 1);
	}
	world_close(&w);
}

/* Whoever floods the link with questions does not keep the gateway from an answer. */
static void
test_gateway_is_answered_in_a_flood(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX], ip[4] = {10, 0, 0, 0};
	unsigned int others = 0, gateway = 0;

	world_init(&w);
	world_open(&w);
	for (unsigned int i = 0; i < 5000; i++) {
		ip[3] = (uint8_t)(2 + i % 200);
		if (i % 50 == 49)
			world_send(
				&w, f, make_arp(f, all_mac, 1, gate_mac, gate_ip, all_mac, own_ip));
		else
			world_send(&w, f, make_arp(f, all_mac, 1, host_mac, ip, all_mac, own_ip));
		assert_null(world_poll(&w));
		while (world_take(&w, f) > 0) {
			gateway += memcmp(f, gate_mac, 6) == 0;
			others += memcmp(f, host_mac, 6) == 0;
		}
	}
	assert_int_equal(gateway, 100);
	assert_in_range(others, 500, 600);
	world_close(&w);
}

static void
test_address_is_announced(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[64], g[WORLD_FRAME_MAX];
	const uint8_t none[6] = {0};

	world_init(&w);
	world_open(&w); /* the first one was seen there */
	make_arp(f, all_mac, 1, w.mac, own_ip, none, own_ip);
	for (int i = 0; i < 2; i++) {
		world_pass(&w, 999);
		assert_int_equal(world_take(&w, g), 0);
		world_pass(&w, 101);
		assert_int_equal(world_take(&w, g), 42);
		assert_memory_equal(f, g, 42);
	}
	world_pass(&w, 5000);
	assert_int_equal(world_take(&w, g), 0);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_datagrams_of_all_sizes),
		cmocka_unit_test(test_largest_datagrams_in_one_frame_keep_their_room),
		cmocka_unit_test(test_frame_in_segments),
		cmocka_unit_test(test_ip_options_are_skipped_and_zero_checksum_is_allowed),
		cmocka_unit_test(test_bad_ipv4_frames),
		cmocka_unit_test(test_bad_ipv6_frames),
		cmocka_unit_test(test_ping_is_answered_within_limits),
		cmocka_unit_test(test_arp_is_answered),
		cmocka_unit_test(test_gateway_is_answered_in_a_flood),
		cmocka_unit_test(test_address_is_announced),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
