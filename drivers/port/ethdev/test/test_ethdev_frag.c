/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include "world.h"

/* A datagram from host_ip to us, before it is cut: UDP header and payload. */
static uint8_t whole[9000];
static size_t whole_len;

static void
make_whole(bool v6, size_t len)
{
	whole_len = v6 ? make_udp(whole, host_ip6, own_ip6, 16, 5555, 7000, len)
		       : make_udp(whole, host_ip, own_ip, 4, 5555, 7000, len);
}

/* Send bytes from..to of it as one fragment, which says it comes from @p src. */
static void
send_part_as(struct world *w, bool v6, const uint8_t *src, uint32_t id, size_t from, size_t to)
{
	uint8_t f[4096];
	size_t at = make_eth(f, w->mac, host_mac, v6 ? 0x86dd : 0x0800);
	bool more = to < whole_len;

	if (v6) {
		at += make_ip6(f + at, src, own_ip6, 44, 8 + to - from, 9);
		f[at] = 17;
		f[at + 1] = 0;
		peel_put_be16(f + at + 2, (uint16_t)(from | more));
		peel_put_be32(f + at + 4, id);
		at += 8;
	} else {
		at += make_ip4(f + at, src, own_ip, 17, to - from, (uint16_t)id,
			(uint16_t)(from / 8 | (more ? 0x2000 : 0)));
	}
	if (to > from)
		memcpy(f + at, whole + from, to - from);
	world_send(w, f, at + to - from);
}

static void
send_part(struct world *w, bool v6, uint32_t id, size_t from, size_t to)
{
	send_part_as(w, v6, v6 ? host_ip6 : host_ip, id, from, to);
}

static void
expect(struct world *w, size_t len)
{
	struct rte_mbuf *m = world_poll(w);

	assert_non_null(m);
	assert_int_equal(m->nb_segs, 1);
	assert_int_equal(m->data_len, len);
	assert_true(rte_pktmbuf_headroom(m) >= PEEL_PORT_HEADROOM);
	assert_true(rte_pktmbuf_tailroom(m) >= PEEL_PORT_TAILROOM);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), whole + 8, len);
	assert_int_equal(peel_pkt(m)->remote.port, 5555);
	assert_int_equal(peel_pkt(m)->endpoint, 0);
	rte_pktmbuf_free(m);
}

static void
test_parts_in_every_order(void **state)
{
	(void)state;
	static const size_t cut[] = {0, 400, 1200, 1208, 2056};
	struct world w;
	uint32_t id = 0;

	world_init(&w);
	world_open(&w);
	for (int v6 = 0; v6 <= 1; v6++) {
		make_whole(v6, PEEL_PORT_RX_MAX);
		for (int code = 0; code < 256; code++) {
			unsigned int seen = 0;

			id++;
			for (int k = 0; k < 4; k++)
				seen |= 1u << (code >> 2 * k & 3);
			if (seen != 15)
				continue;
			for (int k = 0; k < 4; k++) {
				int i = code >> 2 * k & 3;

				send_part(&w, v6, id, cut[i], cut[i + 1]);
			}
			expect(&w, PEEL_PORT_RX_MAX);
		}
	}
	assert_int_equal(world_line(&w, "datagrams_reassembled"), 48);
	assert_int_equal(world_drops(&w), 0);
	world_close(&w);
}

static void
test_two_datagrams_do_not_mix(void **state)
{
	(void)state;
	struct world w;

	world_init(&w);
	world_open(&w);
	make_whole(false, 1900);
	send_part(&w, false, 7, 0, 1000);
	send_part(&w, false, 8, 1000, whole_len);
	assert_null(world_poll(&w));
	send_part(&w, false, 7, 1000, whole_len);
	expect(&w, 1900);
	send_part(&w, false, 8, 0, 1000);
	expect(&w, 1900);
	world_close(&w);
}

static void
test_overlaps_and_repeats_are_dropped(void **state)
{
	(void)state;
	struct world w;

	world_init(&w);
	world_open(&w);
	for (int v6 = 0; v6 <= 1; v6++) {
		make_whole(v6, 1992);
		uint64_t before = world_count(&w, PEEL_DROP_FRAGMENT);

		/* Overlapping by eight bytes. */
		send_part(&w, v6, 1, 0, 1000);
		send_part(&w, v6, 1, 992, 2000);
		assert_null(world_poll(&w));
		assert_int_equal(world_count(&w, PEEL_DROP_FRAGMENT), before + 2);
		/* The sum of the lengths is right, but there is a hole. */
		send_part(&w, v6, 2, 0, 800);
		send_part(&w, v6, 2, 200, 400);
		send_part(&w, v6, 2, 1000, 2000);
		assert_null(world_poll(&w));
		assert_int_equal(world_count(&w, PEEL_DROP_FRAGMENT), before + 5);
		/* The first twice. */
		send_part(&w, v6, 3, 0, 1000);
		send_part(&w, v6, 3, 0, 1000);
		assert_null(world_poll(&w));
		assert_int_equal(world_count(&w, PEEL_DROP_FRAGMENT), before + 7);
		/* Too many. */
		for (size_t at = 0; at < 2000; at += 200)
			send_part(&w, v6, 4, at, at + 200);
		assert_null(world_poll(&w));
		world_pass(&w, 5000);
		assert_int_equal(world_count(&w, PEEL_DROP_FRAGMENT), before + 17);
	}
	assert_int_equal(world_drops(&w), world_count(&w, PEEL_DROP_FRAGMENT));
	world_close(&w);
}

static void
test_bad_fragments(void **state)
{
	(void)state;
	struct world w;

	world_init(&w);
	world_open(&w);
	for (int v6 = 0; v6 <= 1; v6++) {
		uint64_t before = world_count(&w, PEEL_DROP_FRAGMENT);

		make_whole(v6, 1992);
		send_part(&w, v6, 1, 0, 1001); /* not a multiple of eight */
		send_part(&w, v6, 2, 0, 0);    /* empty */
		assert_null(world_poll(&w));
		whole_len = 70000; /* ends beyond the largest packet */
		send_part(&w, v6, 3, 65528, 65528);
		assert_null(world_poll(&w));
		assert_int_equal(world_count(&w, PEEL_DROP_FRAGMENT), before + 3);
		/* Corrupted in the middle: the checksum says so. */
		make_whole(v6, 1992);
		whole[500] ^= 1;
		send_part(&w, v6, 4, 0, 1000);
		send_part(&w, v6, 4, 1000, 2000);
		assert_null(world_poll(&w));
		assert_int_equal(world_count(&w, PEEL_DROP_FRAME), (uint64_t)v6 + 1);
		/* Larger than a datagram may be. */
		make_whole(v6, PEEL_PORT_RX_MAX + 1);
		send_part(&w, v6, 5, 0, 1400);
		send_part(&w, v6, 5, 1400, whole_len);
		assert_null(world_poll(&w));
		assert_int_equal(world_count(&w, PEEL_DROP_OVERSIZE), (uint64_t)v6 + 1);
		/* Less than a UDP header altogether. */
		make_whole(v6, 0);
		whole_len = 8;
		send_part(&w, v6, 6, 0, 8);
		if (v6)
			expect(&w, 0); /* an atomic fragment */
		else
			rte_pktmbuf_free(world_poll(&w));
	}
	world_close(&w);
}

static void
test_missing_parts_time_out(void **state)
{
	(void)state;
	struct world w;
	unsigned int free_before;

	world_init(&w);
	world_open(&w);
	make_whole(false, 1992);
	free_before = rte_mempool_avail_count(world_pool);
	/* More than the table holds. They keep no buffers. */
	for (uint32_t id = 0; id < 400; id++) {
		send_part(&w, false, id, 0, 1000);
		assert_null(world_poll(&w));
	}
	assert_in_range(world_count(&w, PEEL_DROP_FRAGMENT), 1, 399);
	assert_int_equal(
		world_line(&w, "reassemblies_displaced"), world_count(&w, PEEL_DROP_FRAGMENT));
	assert_int_equal(rte_mempool_avail_count(world_pool), free_before);
	world_pass(&w, 100);
	uint64_t before = world_count(&w, PEEL_DROP_FRAGMENT);

	world_pass(&w, 190);
	assert_int_equal(world_count(&w, PEEL_DROP_FRAGMENT), before);
	world_pass(&w, 150);
	assert_int_equal(world_count(&w, PEEL_DROP_FRAGMENT), 400);
	world_drain(&w);
	/* The rest comes too late, a new one works. */
	send_part(&w, false, 1, 1000, 2000);
	assert_null(world_poll(&w));
	send_part(&w, false, 500, 1000, 2000);
	send_part(&w, false, 500, 0, 1000);
	expect(&w, 1992);
	world_close(&w);
}

/* A busy link on which a part of 100 datagrams a second is lost: the others still arrive. */
static void
test_losses_do_not_fill_the_table(void **state)
{
	(void)state;
	struct world w;

	world_init(&w);
	world_open(&w);
	make_whole(false, 1992);
	for (uint32_t id = 0; id < 1000; id += 2) {
		send_part(&w, false, id, 0, 1000); /* the rest is lost */
		assert_null(world_poll(&w));
		send_part(&w, false, id + 1, 0, 1000);
		send_part(&w, false, id + 1, 1000, 2000);
		expect(&w, 1992);
		world_pass(&w, 10);
	}
	world_pass(&w, 1000);
	world_drain(&w);
	world_close(&w);
}

/* ---- strangers' first parts ------------------------------------------------------------------ */

enum forged {
	FROM_ANYWHERE,
	FROM_ONE,
	FROM_THE_SAME
};

/* A burst of @p n first parts whose rest never comes. */
static void
forge(struct world *w, bool v6, enum forged how, unsigned int n)
{
	static uint32_t id = 100000;
	uint8_t src[16];

	for (; n > 0; n--, id++) {
		memcpy(src, v6 ? host_ip6 : host_ip, v6 ? 16 : 4);
		if (how != FROM_THE_SAME && v6) {
			src[2] = how == FROM_ONE ? 9 : (uint8_t)(id * 2654435761u >> 24);
			src[3] = how == FROM_ONE ? 9 : (uint8_t)(id * 2654435761u >> 16);
		} else if (how != FROM_THE_SAME) {
			src[0] = 198;
			peel_put_be16(src + 1, how == FROM_ONE ? 9 : (uint16_t)(id * 40503u));
		}
		send_part_as(w, v6, src, id, 0, 1000);
		assert_null(world_poll(w));
	}
}

/* Honest datagrams, whose two parts are @p gap_ms apart, while @p per_ms parts a millisecond are
 * forged: how many of 500 arrive? */
static unsigned int
under_flood(bool v6, enum forged how, unsigned int per_ms, unsigned int gap_ms, bool known)
{
	struct world w;
	unsigned int arrived = 0;

	world_init(&w);
	world_open(&w);
	make_whole(v6, 1992);
	if (known) {
		const struct peel_addr who = v6 ? addr6(host_ip6, 5555) : addr4(host_ip, 5555);

		peel_port_ethdev.vouch(w.port, &who);
	}
	for (uint32_t id = 0; id < 500; id++) {
		struct rte_mbuf *m;

		send_part(&w, v6, id, 0, 1000);
		assert_null(world_poll(&w));
		for (unsigned int ms = 0; ms < gap_ms; ms++) {
			forge(&w, v6, how, per_ms);
			w.now++;
		}
		send_part(&w, v6, id, 1000, whole_len);
		m = world_poll(&w);
		arrived += m != NULL;
		rte_pktmbuf_free(m);
	}
	world_pass(&w, 1000);
	world_drain(&w);
	world_close(&w);
	return arrived;
}

static void
test_forged_first_parts_leave_room(void **state)
{
	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		/* Ten thousand a second from everywhere. */
		assert_true(under_flood(v6, FROM_ANYWHERE, 10, 20, false) >= 495);
		/* One source, however many: only in its own way. */
		assert_int_equal(under_flood(v6, FROM_ONE, 50, 20, false), 500);
		/* In the name of an honest one. */
		assert_int_equal(under_flood(v6, FROM_THE_SAME, 10, 2, false), 500);
	}
}

static void
test_neighbours_have_room_that_strangers_cannot_take(void **state)
{
	(void)state;
	for (int v6 = 0; v6 <= 1; v6++) {
		assert_true(under_flood(v6, FROM_ANYWHERE, 50, 100, false) < 50);
		assert_int_equal(under_flood(v6, FROM_ANYWHERE, 50, 100, true), 500);
	}
}

/* Put together what the port sent, by offset; the IP payload ends up in @p out. */
/* Between the parts of a datagram its source may prove itself, or be forgotten. */
static void
test_source_becomes_known_between_parts(void **state)
{
	static const bool v6[] = {false, true};

	(void)state;
	for (size_t i = 0; i < PEEL_ARRAY_LEN(v6); i++) {
		const struct peel_addr who = v6[i] ? addr6(host_ip6, 5555) : addr4(host_ip, 5555);
		struct rte_mbuf *m;
		struct world w;

		world_init(&w);
		world_open(&w);
		make_whole(v6[i], 1992);
		send_part(&w, v6[i], 1, 0, 1000);
		assert_null(world_poll(&w));
		peel_port_ethdev.vouch(w.port, &who);
		send_part(&w, v6[i], 1, 1000, whole_len);
		assert_non_null(m = world_poll(&w));
		rte_pktmbuf_free(m);

		/* Known for ten minutes, in whole seconds. */
		w.now += 600 * 1000 + 999 - w.now % 1000;
		send_part(&w, v6[i], 2, 0, 1000);
		assert_null(world_poll(&w));
		w.now++;
		send_part(&w, v6[i], 2, 1000, whole_len);
		assert_non_null(m = world_poll(&w));
		rte_pktmbuf_free(m);
		world_close(&w);
	}
}

static size_t
collect(struct world *w, bool v6, uint16_t mtu, uint8_t *out)
{
	uint8_t f[WORLD_FRAME_MAX];
	size_t total = 0, sum = 0, len;
	uint32_t id = 0;
	unsigned int n = 0;

	for (; (len = world_take(w, f)) > 0; n++) {
		const uint8_t *ip = f + 14;
		size_t headers = v6 ? 48 : 20, part = len - 14 - headers, at;
		bool more;
		uint32_t this_id;

		assert_true(len <= 14u + mtu);
		if (v6) {
			assert_int_equal(ip[6], 44);
			assert_int_equal(ip[40], 17);
			assert_int_equal(peel_get_be16(ip + 4), 8 + part);
			at = peel_get_be16(ip + 42) & 0xfff8u;
			more = (ip[43] & 1) != 0;
			this_id = peel_get_be32(ip + 44);
		} else {
			assert_int_equal(sum16(ip, 20, 0), 0xffff);
			assert_int_equal(peel_get_be16(ip + 2), 20 + part);
			at = (peel_get_be16(ip + 6) & 0x1fffu) * 8;
			more = (ip[6] & 0x20) != 0;
			this_id = peel_get_be16(ip + 4);
		}
		assert_true(n == 0 || id == this_id);
		id = this_id;
		assert_true(!more || part % 8 == 0);
		memcpy(out + at, ip + headers, part);
		sum += part;
		assert_true(total == 0 || more); /* one last part only */
		if (!more)
			total = at + part;
	}
	assert_true(n > 1);
	assert_int_equal(sum, total);
	return total;
}

static void
test_large_datagrams_leave_in_parts(void **state)
{
	(void)state;
	struct world w;
	uint8_t got[4096], f[WORLD_FRAME_MAX];
	static const size_t sizes[] = {1473, 1480, 1488, 2000, PEEL_PORT_RX_MAX};

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	w.now++;
	uint64_t tx = world_count(&w, PEEL_TX_DATAGRAMS), bytes = world_count(&w, PEEL_TX_BYTES);
	const struct peel_addr to = addr4(host_ip, 4000);

	for (size_t i = 0; i < PEEL_ARRAY_LEN(sizes); i++) {
		world_tx(&w, &to, 0, sizes[i], 0x3c);
		assert_int_equal(collect(&w, false, 1500, got), 8 + sizes[i]);
		assert_int_equal(peel_get_be16(got + 4), 8 + sizes[i]);
		assert_true(udp_sum_ok(got, 8 + sizes[i], own_ip, host_ip, 4));
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(got[8 + k], 0x3c);
		tx++;
		bytes += sizes[i];
	}
	world_tx(&w, &to, 0, 1472, 1); /* just fits */
	assert_int_equal(world_take(&w, f), 14 + 1500);
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_count(&w, PEEL_TX_DATAGRAMS), tx + 1);
	assert_int_equal(world_count(&w, PEEL_TX_BYTES), bytes + 1472);
	assert_int_equal(world_count(&w, PEEL_TX_IPV6), 0);
	world_close(&w);
}

static void
test_large_datagrams_over_ipv6(void **state)
{
	(void)state;
	struct world w;
	uint8_t got[4096], f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr6(host_ip6, 4000);

	world_init(&w);
	w.conf.mtu = 1280;
	world_open(&w);
	world_tx(&w, &to, 0, 2000, 0x3c);
	world_drain(&w);
	world_send(&w, f, make_nd(f, w.mac, host_mac, 136, 0x60, host_ip6, own_ip6, host_ip6));
	assert_null(world_poll(&w));
	assert_int_equal(collect(&w, true, 1280, got), 2008);
	assert_true(udp_sum_ok(got, 2008, own_ip6, host_ip6, 16));
	world_tx(&w, &to, 0, 1280 - 48, 1);
	assert_int_equal(world_take(&w, f), 14 + 1280);
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_count(&w, PEEL_TX_DATAGRAMS), 2);
	assert_int_equal(world_count(&w, PEEL_TX_IPV6), 2);
	world_close(&w);
}

static void
test_parts_need_buffers(void **state)
{
	(void)state;
	struct world w;
	static struct rte_mbuf *hold[WORLD_MBUFS];
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr4(host_ip, 4000);
	struct rte_mbuf *m;
	unsigned int n = 0;

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	m = rte_pktmbuf_alloc(world_pool);
	rte_pktmbuf_append(m, 2000);
	*peel_pkt(m) = (struct peel_pkt){.remote = to};
	while (n < WORLD_MBUFS && (hold[n] = rte_pktmbuf_alloc(world_pool)) != NULL)
		n++;
	rte_pktmbuf_free(hold[--n]); /* one is left, two are needed */
	peel_port_ethdev.tx(w.port, 0, &m, 1);
	peel_port_ethdev.flush(w.port, 0);
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_count(&w, PEEL_DROP_NO_BUFFER), 1);
	rte_pktmbuf_free_bulk(hold, n);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts_in_every_order),
		cmocka_unit_test(test_two_datagrams_do_not_mix),
		cmocka_unit_test(test_overlaps_and_repeats_are_dropped),
		cmocka_unit_test(test_bad_fragments),
		cmocka_unit_test(test_missing_parts_time_out),
		cmocka_unit_test(test_losses_do_not_fill_the_table),
		cmocka_unit_test(test_forged_first_parts_leave_room),
		cmocka_unit_test(test_neighbours_have_room_that_strangers_cannot_take),
		cmocka_unit_test(test_source_becomes_known_between_parts),
		cmocka_unit_test(test_large_datagrams_leave_in_parts),
		cmocka_unit_test(test_large_datagrams_over_ipv6),
		cmocka_unit_test(test_parts_need_buffers),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
