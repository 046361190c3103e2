/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdlib.h>

#include "world.h"

/*
 * Frames of every kind with random damage, many with their checksums made right again so that the
 * damage gets deep. Nothing may crash, leak or break the contract. The seed is fixed: a failure
 * comes back. PEEL_MUTATIONS=n for more.
 */

#define MUTATIONS 100000

static uint64_t rng = 20260101;

static uint32_t
random_below(uint32_t n)
{
	rng = rng * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((rng >> 33) % n);
}

static size_t
make_part(const struct world *w, uint8_t *f, bool v6)
{
	size_t at = make_eth(f, w->mac, host_mac, v6 ? 0x86dd : 0x0800);
	uint32_t from = 8 * random_below(40), len = 8 + 8 * random_below(40),
		 more = random_below(2);

	if (v6) {
		at += make_ip6(f + at, host_ip6, own_ip6, 44, 8 + len, 9);
		f[at] = 17;
		f[at + 1] = 0;
		peel_put_be16(f + at + 2, (uint16_t)(from | more));
		peel_put_be32(f + at + 4, random_below(8));
		at += 8;
	} else {
		at += make_ip4(f + at, host_ip, own_ip, 17, len, (uint16_t)random_below(8),
			(uint16_t)(from / 8 | more << 13));
	}
	make_udp(f + at, host_ip, own_ip, 4, 5555, 7000, len - 8);
	return at + len;
}

static size_t
make_any(const struct world *w, uint8_t *f)
{
	switch (random_below(8)) {
	case 0:
		return make_frame4(w, f, 7000, random_below(300));
	case 1:
		return make_frame6(w, f, 20000, random_below(300));
	case 2:
		return make_arp(f, all_mac, 1, host_mac, host_ip, host_mac, own_ip);
	case 3:
		return make_arp(f, w->mac, 2, host_mac, host_ip, w->mac, own_ip);
	case 4:
		return make_nd(f, w->mac, host_mac, 135, 0, host_ip6, own_ip6, own_ip6);
	case 5:
		return make_nd(f, w->mac, host_mac, 136, 0x60, host_ip6, own_ip6, host_ip6);
	case 6:
		return make_part(w, f, false);
	default:
		return make_part(w, f, true);
	}
}

/* Make the ICMPv6 checksum right for whatever the lengths say, as far as the frame reaches. */
static void
fix_icmp6(uint8_t *f, size_t len)
{
	size_t payload = peel_get_be16(f + 18);

	if (len < 62 || f[20] != 58 || payload < 8 || payload > len - 54)
		return;
	peel_put_be16(f + 56, 0);
	peel_put_be16(f + 56,
		(uint16_t)~sum16(f + 54, payload, sum16(f + 22, 32, 58 + (uint32_t)payload)));
}

static size_t
damage(uint8_t *f, size_t len)
{
	for (uint32_t n = 1 + random_below(4); n > 0; n--) {
		/* Mostly headers. */
		size_t at = random_below(random_below(4) == 0 ? (uint32_t)len : 86) % len;

		switch (random_below(4)) {
		case 0:
			f[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 1:
			f[at] = (uint8_t)random_below(256);
			break;
		case 2:
			f[at] = random_below(2) ? 0xff : 0;
			break;
		default:
			if (random_below(8) == 0)
				len = 1 + random_below((uint32_t)len);
			break;
		}
	}
	if (random_below(4) != 0 && len >= 14 + 60)
		fix_ip4(f + 14);
	if (random_below(4) != 0 && len >= 62 && f[12] == 0x86)
		fix_icmp6(f, len);
	return len;
}

static void
feed_datagrams(struct world *w)
{
	struct peel_addr to = random_below(2) ? addr4(host_ip, 53) : addr6(host_ip6, 53);

	to.ip[3] = (uint8_t)(to.ip[3] + random_below(3));
	world_tx(w, &to, random_below(4), random_below(2100), 1);
}

static void
test_mutated_frames(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[4096];
	const char *asked = getenv("PEEL_MUTATIONS");
	uint32_t n = asked != NULL ? (uint32_t)strtoul(asked, NULL, 0) : MUTATIONS, e;
	uint64_t delivered = 0;

	world_init(&w);
	world_open(&w);
	assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, 5, &e), 0);
	for (uint32_t i = 0; i < n; i++) {
		size_t len = make_any(&w, f);
		struct rte_mbuf *m;

		if (random_below(8) != 0)
			len = damage(f, len);
		world_send(&w, f, len);
		w.now += random_below(3);
		m = world_poll(&w);
		if (m != NULL) {
			delivered++;
			assert_int_equal(m->nb_segs, 1);
			assert_int_equal(m->data_len, m->pkt_len);
			assert_true(m->data_len <= PEEL_PORT_RX_MAX);
			assert_true(rte_pktmbuf_headroom(m) >= PEEL_PORT_HEADROOM);
			assert_true(rte_pktmbuf_tailroom(m) >= PEEL_PORT_TAILROOM);
			assert_true(peel_pkt(m)->remote.port != 0);
			rte_pktmbuf_free(m);
		}
		if (random_below(16) == 0)
			feed_datagrams(&w);
		world_drain(&w);
	}
	print_message("%u frames, %llu delivered, %llu dropped\n", n, (unsigned long long)delivered,
		(unsigned long long)world_drops(&w));
	assert_true(delivered > n / 50);
	assert_true(world_count(&w, PEEL_DROP_FRAME) > n / 50);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_mutated_frames)};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
