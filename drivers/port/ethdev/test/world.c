/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#include <stdio.h>
#include <stdlib.h>

#include <rte_bus_vdev.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "world.h"

#define RING_SIZE 256

const uint8_t host_mac[6] = {2, 0, 0, 0, 0, 0x10}, gate_mac[6] = {2, 0, 0, 0, 0, 0xfe};
const uint8_t all_mac[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
const uint8_t own_ip[4] = {10, 0, 0, 1}, host_ip[4] = {10, 0, 0, 16}, gate_ip[4] = {10, 0, 0, 254};
const uint8_t far_ip[4] = {192, 0, 2, 7};
const uint8_t own_ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
const uint8_t host_ip6[16] = {0x20, 1, 0xd, 0xb8, [13] = 0xaa, [15] = 0x10};
const uint8_t gate_ip6[16] = {0xfe, 0x80, [15] = 0xfe};
const uint8_t far_ip6[16] = {0x20, 1, 0xd, 0xb8, 0xff, [15] = 7};

struct rte_mempool *world_pool;

int
world_setup(void **state)
{
	char *args[] = {"test", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"128", "-l", "0", "--log-level=3", NULL};

	(void)state;
	if (rte_eal_init((int)PEEL_ARRAY_LEN(args) - 1, args) < 0)
		return -1;
	world_pool = peel_port_pool_new("test", WORLD_MBUFS, false, SOCKET_ID_ANY);
	return world_pool == NULL ? -1 : 0;
}

static uint64_t
world_now(void *arg)
{
	return ((struct world *)arg)->now;
}

static void
world_random(void *arg, void *out, size_t len)
{
	struct world *w = arg;

	for (size_t i = 0; i < len; i++) {
		w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)out)[i] = (uint8_t)(w->seed >> 56);
	}
}

void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->now = 1000000;
	w->seed = 1;
	w->env = (struct peel_env){world_now, world_random, w};
	for (int i = 0; i < WORLD_QUEUES_MAX; i++)
		w->stats_of[i] = &w->stats[i];
	w->conf = (struct peel_port_conf){
		.n_queues = 1,
		.pool = world_pool,
		.stats = w->stats_of,
		.listen = addr4(own_ip, 7000),
		.prefix_len = 24,
		.gateway = addr4(gate_ip, 0),
		.address6 = addr6(own_ip6, 0),
		.prefix_len6 = 64,
		.gateway6 = addr6(gate_ip6, 0),
		.mtu = 1500,
		.max_endpoints = 3,
		.exit_port_min = 20000,
		.exit_port_max = 20004,
		.env = &w->env,
	};
}

void
world_open(struct world *w)
{
	static int n;
	struct rte_ether_addr mac;
	char why[256] = "", name[32];
	int id;

	for (int i = 0; i < w->conf.n_queues; i++) {
		snprintf(name, sizeof(name), "in%d", i);
		w->in[i] = rte_ring_create(name, RING_SIZE, 0, 0);
		snprintf(name, sizeof(name), "out%d", i);
		w->out[i] = rte_ring_create(name, RING_SIZE, 0, 0);
	}
	snprintf(name, sizeof(name), "peel%d", n++);
	id = rte_eth_from_rings(name, w->in, w->conf.n_queues, w->out, w->conf.n_queues, 0);
	assert_true(id >= 0);
	snprintf(w->name, sizeof(w->name), "net_ring_%s", name);
	w->id = (uint16_t)id;
	mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, 1}};
	rte_eth_dev_default_mac_addr_set(w->id, &mac);
	rte_eth_macaddr_get(w->id, &mac);
	memcpy(w->mac, mac.addr_bytes, 6);

	assert_int_equal(peel_rcu_new(WORLD_QUEUES_MAX, &w->rcu), 0);
	w->conf.rcu = w->rcu;
	w->conf.device = w->name;
	if (peel_port_ethdev.open(&w->conf, &w->port, why, sizeof(why)) != 0)
		fail_msg("open: %s", why);
	peel_port_ethdev.flush(w->port, 0);
	world_drain(w);
}

void
world_close(struct world *w)
{
	struct rte_mbuf *m;

	peel_port_ethdev.close(w->port);
	for (int i = 0; i < w->conf.n_queues; i++) {
		while (rte_ring_dequeue(w->in[i], (void **)&m) == 0)
			rte_pktmbuf_free(m);
		while (rte_ring_dequeue(w->out[i], (void **)&m) == 0)
			rte_pktmbuf_free(m);
	}
	assert_int_equal(rte_vdev_uninit(w->name), 0);
	for (int i = 0; i < w->conf.n_queues; i++) {
		rte_ring_free(w->in[i]);
		rte_ring_free(w->out[i]);
	}
	peel_rcu_free(w->rcu);
	assert_int_equal(rte_mempool_avail_count(world_pool), WORLD_MBUFS);
}

uint64_t
world_count(const struct world *w, enum peel_counter c)
{
	return peel_stats_get(&w->stats[0], c) + peel_stats_get(&w->stats[1], c);
}

uint64_t
world_drops(const struct world *w)
{
	uint64_t sum = 0;

	for (int c = 0; c < PEEL_N_COUNTERS; c++) {
		if (strncmp(peel_counter_info[c].name, "drop_", 5) == 0)
			sum += world_count(w, (enum peel_counter)c);
	}
	return sum;
}

struct wanted {
	const char *name;
	uint64_t value;
	bool found;
};

static void
on_line(void *arg, const char *name, uint64_t value)
{
	struct wanted *want = arg;

	if (strcmp(name, want->name) == 0) {
		want->found = true;
		want->value = value;
	}
}

uint64_t
world_line(const struct world *w, const char *name)
{
	struct wanted want = {.name = name};

	peel_port_ethdev.dump(w->port, on_line, &want);
	assert_true(want.found);
	return want.value;
}

void
world_send(struct world *w, const void *frame, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(world_pool);

	assert_non_null(m);
	assert_true(len <= rte_pktmbuf_tailroom(m));
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	assert_int_equal(rte_ring_enqueue(w->in[0], m), 0);
}

struct rte_mbuf *
world_poll(struct world *w)
{
	struct rte_mbuf *pkts[PEEL_PORT_BURST], *first = NULL;
	uint16_t n = peel_port_ethdev.rx(w->port, 0, pkts, PEEL_PORT_BURST);

	peel_port_ethdev.flush(w->port, 0);
	for (uint16_t i = 0; i < n; i++) {
		if (i == 0)
			first = pkts[i];
		else
			rte_pktmbuf_free(pkts[i]);
	}
	return first;
}

size_t
world_take(struct world *w, uint8_t frame[WORLD_FRAME_MAX])
{
	struct rte_mbuf *m;
	size_t len;

	if (rte_ring_dequeue(w->out[0], (void **)&m) != 0)
		return 0;
	assert_int_equal(m->nb_segs, 1);
	len = m->data_len;
	assert_true(len <= WORLD_FRAME_MAX);
	memcpy(frame, rte_pktmbuf_mtod(m, void *), len);
	rte_pktmbuf_free(m);
	return len;
}

void
world_drain(struct world *w)
{
	uint8_t frame[WORLD_FRAME_MAX];

	while (world_take(w, frame) > 0) {
	}
}

void
world_pass(struct world *w, uint64_t ms)
{
	w->now += ms;
	peel_port_ethdev.flush(w->port, 0);
}

void
world_tx(struct world *w, const struct peel_addr *remote, uint32_t endpoint, size_t len,
	uint8_t fill)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(world_pool);

	assert_non_null(m);
	memset(rte_pktmbuf_append(m, (uint16_t)len), fill, len);
	*peel_pkt(m) = (struct peel_pkt){.remote = *remote, .endpoint = endpoint};
	peel_port_ethdev.tx(w->port, 0, &m, 1);
	peel_port_ethdev.flush(w->port, 0);
}

struct peel_addr
addr4(const uint8_t *ip, uint16_t port)
{
	return peel_addr_ipv4(ip[0], ip[1], ip[2], ip[3], port);
}

struct peel_addr
addr6(const uint8_t *ip, uint16_t port)
{
	struct peel_addr a = {.family = PEEL_FAMILY_IPV6, .port = port};

	memcpy(a.ip, ip, 16);
	return a;
}

void
world_resolve(struct world *w, const uint8_t *ip, const uint8_t *mac)
{
	const struct peel_addr to = addr4(ip, 9);
	uint8_t f[WORLD_FRAME_MAX];

	world_tx(w, &to, 0, 1, 0);
	assert_int_equal(world_take(w, f), 42);
	world_send(w, f, make_arp(f, w->mac, 2, mac, ip, w->mac, own_ip));
	assert_null(world_poll(w));
	world_drain(w);
}
