/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <errno.h>
#include <time.h>

#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include "world.h"

/* ---- exit endpoints -------------------------------------------------------------------------- */

/* Which cookie does a datagram to this port carry? 0: it is dropped. */
static uint64_t
cookie_at(struct world *w, uint16_t port, bool v6)
{
	uint8_t f[256];
	uint64_t cookie;
	struct rte_mbuf *m;

	world_send(w, f, v6 ? make_frame6(w, f, port, 9) : make_frame4(w, f, port, 9));
	m = world_poll(w);
	if (m == NULL)
		return 0;
	cookie = peel_pkt(m)->cookie;
	assert_true(peel_pkt(m)->endpoint != PEEL_ENDPOINT_MAIN);
	rte_pktmbuf_free(m);
	return cookie;
}

static uint16_t
port_of(struct world *w, uint32_t endpoint)
{
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr4(host_ip, 53);

	world_tx(w, &to, endpoint, 5, 1);
	assert_int_equal(world_take(w, f), 47);
	return peel_get_be16(f + 34);
}

static void
test_endpoints_open_and_close(void **state)
{
	(void)state;
	struct world w;
	uint32_t e[3], more;
	const uint64_t cookie[3] = {111, UINT64_MAX, 333};

	world_init(&w);
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	assert_int_equal(cookie_at(&w, 20000, false), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, cookie[i], &e[i]), 0);
		assert_in_range(e[i], 1, 3);
		assert_int_equal(port_of(&w, e[i]), 20000 + i);
		assert_int_equal(cookie_at(&w, (uint16_t)(20000 + i), false), cookie[i]);
		assert_int_equal(cookie_at(&w, (uint16_t)(20000 + i), true), cookie[i]);
	}
	assert_int_equal(world_line(&w, "exit_endpoints_open"), 3);
	assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, 4, &more), -ENOSPC);

	/* Closed: deaf at once, reusable after a grace period, its port last of all. */
	peel_rcu_online(w.rcu, 0);
	peel_port_ethdev.exit_close(w.port, e[1]);
	assert_int_equal(cookie_at(&w, 20001, false), 0);
	peel_port_ethdev.exit_close(w.port, e[1]); /* twice: harmless */
	peel_port_ethdev.exit_close(w.port, 0);
	peel_port_ethdev.exit_close(w.port, 77);
	peel_rcu_poll(w.rcu);
	assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, 4, &more), -ENOSPC);
	peel_rcu_quiescent(w.rcu, 0);
	assert_int_equal(peel_rcu_poll(w.rcu), 1);
	assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, 4, &more), 0);
	assert_int_equal(port_of(&w, more), 20003);
	assert_int_equal(cookie_at(&w, 20001, false), 0);
	assert_int_equal(cookie_at(&w, 20003, false), 4);

	/* Ports go round: 20004, then 20001, which was closed first. */
	static const uint16_t next[] = {20004, 20001, 20003, 20004};

	for (size_t i = 0; i < PEEL_ARRAY_LEN(next); i++) {
		peel_port_ethdev.exit_close(w.port, more);
		peel_rcu_quiescent(w.rcu, 0);
		assert_int_equal(peel_rcu_poll(w.rcu), 1);
		assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, 5 + i, &more), 0);
		assert_int_equal(port_of(&w, more), next[i]);
	}
	/* The port goes while an end is still with RCU: world_close frees RCU last. */
	peel_port_ethdev.exit_close(w.port, more);
	peel_rcu_offline(w.rcu, 0);
	world_close(&w);
}

static void
test_main_port_inside_the_exit_range(void **state)
{
	(void)state;
	struct world w;
	uint32_t e[3];

	world_init(&w);
	w.conf.listen.port = 20001;
	world_open(&w);
	world_resolve(&w, host_ip, host_mac);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			peel_port_ethdev.exit_open(w.port, 0, 10u + (uint64_t)i, &e[i]), 0);
	assert_int_equal(port_of(&w, e[0]), 20000);
	assert_int_equal(port_of(&w, e[1]), 20002);
	assert_int_equal(port_of(&w, e[2]), 20003);
	world_close(&w);
}

/* A datagram that waited for a neighbour does not leave from a port that is somebody else's by
 * now. */
static void
test_waiting_datagram_of_a_closed_endpoint(void **state)
{
	(void)state;
	struct world w;
	uint32_t e, again;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr4(host_ip, 53);

	world_init(&w);
	w.conf.max_endpoints = 1;
	world_open(&w);
	assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, 1, &e), 0);
	world_tx(&w, &to, e, 5, 1);
	peel_port_ethdev.exit_close(w.port, e);
	assert_int_equal(peel_rcu_poll(w.rcu), 1);
	assert_int_equal(peel_port_ethdev.exit_open(w.port, 0, 2, &again), 0);
	assert_int_equal(again, e);
	world_drain(&w);
	world_send(&w, f, make_arp(f, w.mac, 2, host_mac, host_ip, w.mac, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(world_take(&w, f), 0);
	assert_int_equal(world_count(&w, PEEL_DROP_TX), 1);
	world_close(&w);
}

/* ---- several queues -------------------------------------------------------------------------- */

static void
test_answer_at_another_queue(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[WORLD_FRAME_MAX];
	const struct peel_addr to = addr4(host_ip, 53);
	struct rte_mbuf *m, *got[4];

	world_init(&w);
	w.conf.n_queues = 2;
	world_open(&w);
	m = rte_pktmbuf_alloc(world_pool);
	rte_pktmbuf_append(m, 5);
	*peel_pkt(m) = (struct peel_pkt){.remote = to};
	peel_port_ethdev.tx(w.port, 1, &m, 1);
	peel_port_ethdev.flush(w.port, 1);
	assert_int_equal(rte_ring_count(w.out[1]), 1);
	/* world_send and world_poll are queue 0. */
	world_send(&w, f, make_arp(f, w.mac, 2, host_mac, host_ip, w.mac, own_ip));
	assert_null(world_poll(&w));
	assert_int_equal(rte_ring_count(w.out[1]), 1);
	peel_port_ethdev.flush(w.port, 1);
	assert_int_equal(rte_ring_count(w.out[1]), 2);
	assert_int_equal(peel_stats_get(&w.stats[1], PEEL_TX_DATAGRAMS), 1);
	/* A datagram of an endpoint is delivered where it arrives. */
	uint32_t e;

	assert_int_equal(peel_port_ethdev.exit_open(w.port, 1, 99, &e), 0);
	world_send(&w, f, make_frame4(&w, f, 20000, 9));
	assert_int_equal(peel_port_ethdev.rx(w.port, 0, got, 4), 1);
	assert_int_equal(peel_pkt(got[0])->cookie, 99);
	assert_int_equal(peel_pkt(got[0])->endpoint, e);
	rte_pktmbuf_free(got[0]);
	world_close(&w);
}

/* ---- open ------------------------------------------------------------------------------------ */

static void
check_refused(struct world *w, const char *part)
{
	struct peel_port *port;
	char why[256] = "";

	if (peel_port_ethdev.open(&w->conf, &port, why, sizeof(why)) == 0)
		fail_msg("opened although: %s", part);
	if (strstr(why, part) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", why, part);
}

static void
test_what_open_refuses(void **state)
{
	(void)state;
	struct world w;
	struct peel_port_conf good;
	struct rte_mempool *small;

	world_init(&w);
	world_open(&w);
	peel_port_ethdev.close(w.port);
	good = w.conf;
#define REFUSED(field, v, part)                                                                    \
	do {                                                                                       \
		w.conf = good;                                                                     \
		w.conf.field = v;                                                                  \
		check_refused(&w, part);                                                           \
	} while (0)
	REFUSED(device, NULL, "needs a device");
	REFUSED(device, "", "needs a device");
	REFUSED(device, "net_nothing0,iface=lo", "cannot open it");
	REFUSED(device, "net_af_packet0,iface=peel-not-there", "none of this name");
	REFUSED(n_queues, 0, "queues");
	REFUSED(n_queues, 2, "1 receive and 1 transmit queues");
	REFUSED(listen.port, 0, "port number");
	REFUSED(listen.family, PEEL_FAMILY_IPV6, "one IPv4 address");
	REFUSED(listen.ip[0], 224, "one IPv4 address");
	REFUSED(prefix_len, 33, "prefix length");
	REFUSED(gateway.ip[0], 127, "another host");
	REFUSED(gateway.ip[3], 1, "another host"); /* ourselves */
	REFUSED(gateway.family, PEEL_FAMILY_IPV6, "gateway must");
	REFUSED(gateway6.ip[0], 0xff, "another host");
	REFUSED(gateway6, w.conf.address6, "another host");
	REFUSED(address6.ip[0], 0xff, "unicast IPv6");
	REFUSED(prefix_len6, 129, "prefix length");
	REFUSED(exit_port_min, 30000, "exit port range");
	REFUSED(exit_port_max, 0, "exit port range");
	REFUSED(rcu, NULL, "RCU");
	REFUSED(mtu, 1279, "too small");
	w.conf = good;
	w.conf.address6.family = PEEL_FAMILY_NONE;
	w.conf.mtu = 575;
	check_refused(&w, "too small");
	small = rte_pktmbuf_pool_create("small", 31, 0, 0, 2048, SOCKET_ID_ANY);
	REFUSED(pool, small, "peel_port_pool_new");
	rte_mempool_free(small);
	w.conf = good;

	/* Opens again after all that, and knows itself. */
	struct peel_addr a;

	assert_int_equal(peel_port_ethdev.open(&w.conf, &w.port, (char[9]){""}, 9), 0);
	peel_port_ethdev.local(w.port, &a);
	assert_true(peel_addr_equal(&a, &good.listen));
	world_close(&w);
}

static void
test_device_is_made_and_removed(void **state)
{
	(void)state;
	struct world w;
	char why[256] = "";
	uint16_t id;

	for (int round = 0; round < 3; round++) {
		world_init(&w);
		w.conf.device = "net_ring7";
		w.conf.max_endpoints = 0;
		w.conf.mtu = 0;
		if (peel_port_ethdev.open(&w.conf, &w.port, why, sizeof(why)) != 0)
			fail_msg("%s", why);
		assert_int_equal(rte_eth_dev_get_port_by_name("net_ring7", &id), 0);
		peel_port_ethdev.close(w.port);
		assert_int_not_equal(rte_eth_dev_get_port_by_name("net_ring7", &id), 0);
	}
}

static void
test_device_with_large_frames_gets_its_own_pool(void **state)
{
	(void)state;
	struct world w;
	uint8_t f[256];

	world_init(&w);
	w.conf.mtu = 4000;
	world_open(&w);
	assert_non_null(rte_mempool_lookup("peel_rx_0"));
	world_send(&w, f, make_frame4(&w, f, 7000, 100));
	rte_pktmbuf_free(world_poll(&w));
	world_close(&w);
	assert_null(rte_mempool_lookup("peel_rx_0"));
}

static void
test_link_is_watched(void **state)
{
	(void)state;
	struct world w;
	char why[64];
	uint8_t f[WORLD_FRAME_MAX];

	world_init(&w);
	world_open(&w);
	assert_int_equal(peel_port_ethdev.watch(w.port, why, sizeof(why)), 0);
	assert_int_equal(world_line(&w, "device_present"), 1);
	assert_int_equal(world_line(&w, "link_up"), 1);
	for (int i = 0; i < 5; i++) /* the announcements of the start */
		world_pass(&w, 1000);
	world_drain(&w);
	assert_int_equal(rte_eth_dev_set_link_down(w.id), 0);
	assert_int_equal(peel_port_ethdev.watch(w.port, why, sizeof(why)), 0);
	assert_int_equal(world_line(&w, "link_up"), 0);
	world_pass(&w, 1000);
	assert_int_equal(world_take(&w, f), 0);
	/* Back: the others are told where we are. */
	assert_int_equal(rte_eth_dev_set_link_up(w.id), 0);
	assert_int_equal(peel_port_ethdev.watch(w.port, why, sizeof(why)), 0);
	assert_int_equal(world_line(&w, "link_up"), 1);
	world_pass(&w, 1000);
	assert_int_equal(world_take(&w, f), 42);
	world_close(&w);
}

static uint64_t
monotonic_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The shortest of some waits: one of them was not held up by somebody else. */
static uint64_t
shortest_wait(struct world *w, int n, bool frame, bool wake)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < n; i++) {
		uint8_t f[256];

		if (frame) {
			world_send(w, f,
				make_arp(f, all_mac, 1, host_mac, host_ip, host_mac, host_ip));
			assert_null(world_poll(w));
		}
		if (wake)
			peel_port_ethdev.wake(w->port, 0);
		uint64_t start = monotonic_us();

		peel_port_ethdev.wait(w->port, 0, 60000000);
		best = RTE_MIN(best, monotonic_us() - start);
	}
	return best;
}

static void
test_naps_grow_in_silence(void **state)
{
	(void)state;
	struct world w;

	world_init(&w);
	world_open(&w);
	peel_port_ethdev.wait(w.port, 0, 0);
	assert_true(shortest_wait(&w, 1000, true, false) < 1000);
	shortest_wait(&w, 100, false, false);
	/* Silence: rarely a look, but a call is heard at once; and after a frame it looks often
	 * again. */
	assert_in_range(shortest_wait(&w, 10, false, false), 1500, 100000);
	assert_true(shortest_wait(&w, 1000, false, true) < 1000);
	assert_true(shortest_wait(&w, 1000, true, false) < 1000);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endpoints_open_and_close),
		cmocka_unit_test(test_main_port_inside_the_exit_range),
		cmocka_unit_test(test_waiting_datagram_of_a_closed_endpoint),
		cmocka_unit_test(test_answer_at_another_queue),
		cmocka_unit_test(test_what_open_refuses),
		cmocka_unit_test(test_device_is_made_and_removed),
		cmocka_unit_test(test_device_with_large_frames_gets_its_own_pool),
		cmocka_unit_test(test_link_is_watched),
		cmocka_unit_test(test_naps_grow_in_silence),
	};

	return cmocka_run_group_tests(tests, world_setup, NULL);
}
