/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * A port over rings, driven by a script read from the input: frames from the wire (fragments, ARP,
 * neighbour discovery, datagrams, pings), datagrams to send, time. Checksums that random bytes
 * never have are made right where the script says so. Most frames lie in heap blocks of exactly
 * their size, so that a byte read too far is seen.
 */
#include <stdlib.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>

#include "ip.h"
#include "neighbour.h"
#include "peel_port_ethdev.h"

#define MBUFS 1023
#define RING_SIZE 256
#define FRAME_MAX 2000
#define OPS_MAX 64

enum op {
	OP_FRAME,
	OP_SEND,
	OP_TIME,
	OP_VOUCH,
	N_OPS
};

/* What is made right in a frame, beside its destination ... */
#define KEEP_MAC 1 /* ... but for broadcasts */
#define FIX_IP4 2
#define FIX_IP6 4
#define FIX_UDP 8
#define FIX_ICMP6 16
#define FIX_ARP 32
#define IN_MBUF 64 /* where an answer may be written into the frame */

static const uint8_t own_ip4[4] = {10, 0, 0, 1};
static const uint8_t own_ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};

static struct rte_mempool *pool;
static struct rte_ring *in, *out;
static struct peel_port *port;
static struct peel_stats stats;
static struct peel_stats *stats_of[] = {&stats};
static uint64_t now = 1000000, seed;
static uint32_t endpoint;
static uint8_t own_mac[6]; /* as ring devices have it */

static uint64_t
now_ms(void *arg)
{
	(void)arg;
	return now;
}

static void
repeatable(void *arg, void *data, size_t len)
{
	(void)arg;
	for (size_t i = 0; i < len; i++) {
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		((uint8_t *)data)[i] = (uint8_t)(seed >> 56);
	}
}

static void
must(bool good)
{
	if (!good)
		abort();
}

static void
start(void)
{
	static const struct peel_env env = {now_ms, repeatable, NULL};
	char *args[] = {"fuzz", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry", "-m",
		"64", "-l", "0", "--log-level=3", NULL};
	char why[256];
	struct rte_ether_addr mac;
	struct peel_rcu *rcu = NULL;

	must(rte_eal_init((int)PEEL_ARRAY_LEN(args) - 1, args) >= 0);
	pool = peel_port_pool_new("fuzz", MBUFS, false, SOCKET_ID_ANY);
	in = rte_ring_create("in", RING_SIZE, 0, 0);
	out = rte_ring_create("out", RING_SIZE, 0, 0);
	must(pool != NULL && in != NULL && out != NULL && peel_rcu_new(1, &rcu) == 0);
	int id = rte_eth_from_rings("fuzz", &in, 1, &out, 1, 0);

	must(id >= 0);
	rte_eth_macaddr_get((uint16_t)id, &mac);
	memcpy(own_mac, mac.addr_bytes, 6);

	struct peel_port_conf conf = {.n_queues = 1,
		.pool = pool,
		.rcu = rcu,
		.stats = stats_of,
		.listen = peel_addr_ipv4(10, 0, 0, 1, 7000),
		.prefix_len = 24,
		.gateway = peel_addr_ipv4(10, 0, 0, 254, 0),
		.address6 = ethdev_ip6(own_ip6),
		.prefix_len6 = 64,
		.gateway6 = {.family = PEEL_FAMILY_IPV6, .ip = {0xfe, 0x80, [15] = 0xfe}},
		.mtu = 1500,
		.max_endpoints = 1,
		.exit_port_min = 20000,
		.exit_port_max = 20000,
		.device = "net_ring_fuzz",
		.env = &env};

	must(peel_port_ethdev.open(&conf, &port, why, sizeof(why)) == 0);
	must(peel_port_ethdev.exit_open(port, 0, 5, &endpoint) == 0);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static void
fix_udp(uint8_t *udp, size_t room, const uint8_t *src, const uint8_t *dst, unsigned int ip_len)
{
	size_t len = room >= UDP_LEN ? peel_get_be16(udp + 4) : 0;

	if (len < UDP_LEN || len > room)
		return;
	peel_put_be16(udp + 6, 0);
	uint64_t sum = ethdev_pseudo(src, dst, ip_len, PROTO_UDP) + rte_cpu_to_be_16((uint16_t)len);

	ethdev_put_sum(udp + 6, (uint16_t)~ethdev_fold(ethdev_sum(udp, len, sum)));
}

static void
fix_ip4(uint8_t *ip, size_t room, unsigned int fix)
{
	size_t header = room > 0 ? (ip[0] & 15) * 4u : 0;

	if (room < IP4_LEN || header < IP4_LEN || header > room)
		return;
	ip[0] = (uint8_t)(0x40 | (ip[0] & 15));
	memcpy(ip + 16, own_ip4, 4);
	peel_put_be16(ip + 2, (uint16_t)room);
	peel_put_be16(ip + 10, 0);
	ethdev_put_sum(ip + 10, (uint16_t)~ethdev_fold(ethdev_sum(ip, header, 0)));
	if ((fix & FIX_UDP) != 0)
		fix_udp(ip + header, room - header, ip + 12, ip + 16, 4);
}

static void
fix_ip6(uint8_t *ip, size_t room, unsigned int fix)
{
	if (room < IP6_LEN)
		return;
	size_t len = room - IP6_LEN;

	ip[0] = 0x60;
	peel_put_be16(ip + 4, (uint16_t)len);
	if ((fix & FIX_ICMP6) == 0 || ip[24] != 0xff)
		memcpy(ip + 24, own_ip6, 16);
	if ((fix & FIX_UDP) != 0)
		fix_udp(ip + IP6_LEN, len, ip + 8, ip + 24, 16);
	if ((fix & FIX_ICMP6) == 0 || len < 8)
		return;
	ip[6] = PROTO_ICMPV6;
	peel_put_be16(ip + IP6_LEN + 2, 0);
	uint64_t sum =
		ethdev_pseudo(ip + 8, ip + 24, 16, PROTO_ICMPV6) + rte_cpu_to_be_16((uint16_t)len);

	ethdev_put_sum(
		ip + IP6_LEN + 2, (uint16_t)~ethdev_fold(ethdev_sum(ip + IP6_LEN, len, sum)));
}

static void
fix_frame(uint8_t *f, size_t len, unsigned int fix)
{
	static const uint8_t arp[8] = {0, 1, 8, 0, 6, 4, 0, 1};

	if (len < ETH_LEN)
		return;
	if ((fix & KEEP_MAC) == 0)
		memcpy(f, own_mac, 6);
	if ((fix & FIX_IP4) != 0) {
		peel_put_be16(f + 12, ETH_TYPE_IPV4);
		fix_ip4(f + ETH_LEN, len - ETH_LEN, fix);
	} else if ((fix & FIX_IP6) != 0) {
		peel_put_be16(f + 12, ETH_TYPE_IPV6);
		fix_ip6(f + ETH_LEN, len - ETH_LEN, fix);
	} else if ((fix & FIX_ARP) != 0 && len >= ETH_LEN + 28) {
		peel_put_be16(f + 12, ETH_TYPE_ARP);
		memcpy(f + ETH_LEN, arp, 7);
		memcpy(f + ETH_LEN + 24, own_ip4, 4);
	}
}

static void
free_block(void *block, void *info)
{
	free(block);
	free(info);
}

static struct rte_mbuf *
make_frame(const uint8_t *data, size_t len, unsigned int fix)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	struct rte_mbuf_ext_shared_info *info;
	uint8_t *block;

	must(m != NULL);
	if ((fix & IN_MBUF) != 0) {
		block = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
		memcpy(block, data, len);
		fix_frame(block, len, fix);
		return m;
	}
	block = malloc(len > 0 ? len : 1);
	info = malloc(sizeof(*info));
	must(block != NULL && info != NULL);
	memcpy(block, data, len);
	fix_frame(block, len, fix);
	info->free_cb = free_block;
	info->fcb_opaque = info;
	rte_mbuf_ext_refcnt_set(info, 1);
	rte_pktmbuf_attach_extbuf(m, block, RTE_BAD_IOVA, (uint16_t)len, info);
	m->data_off = 0;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

/* ---- the port's side ------------------------------------------------------------------------- */

static void
drain(void)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(out, (void **)&m) == 0) {
		must(m->nb_segs == 1 && m->data_len == m->pkt_len);
		must(m->data_len >= ETH_LEN + 28 &&
			memcmp(rte_pktmbuf_mtod_offset(m, uint8_t *, 6), own_mac, 6) == 0);
		rte_pktmbuf_free(m);
	}
}

static void
round_trip(void)
{
	struct rte_mbuf *got[PEEL_PORT_BURST];
	uint16_t n = peel_port_ethdev.rx(port, 0, got, PEEL_PORT_BURST);

	for (uint16_t i = 0; i < n; i++) {
		const struct rte_mbuf *m = got[i];

		must(m->nb_segs == 1 && m->data_len == m->pkt_len &&
			m->data_len <= PEEL_PORT_RX_MAX);
		must(rte_pktmbuf_headroom(m) >= PEEL_PORT_HEADROOM &&
			rte_pktmbuf_tailroom(m) >= PEEL_PORT_TAILROOM);
		must(peel_pkt(got[i])->remote.port != 0 && peel_pkt(got[i])->endpoint <= endpoint);
		rte_pktmbuf_free(got[i]);
	}
	peel_port_ethdev.flush(port, 0);
	drain();
}

/* Nothing of one input is left for the next: what waits is given up, what was learnt is
 * forgotten. */
static void
forget(void)
{
	struct ethdev_queue *q = &port->queue[0];

	now += 2 * PENDING_MS;
	round_trip();
	must(rte_mempool_avail_count(pool) == MBUFS);
	neigh_init(port->neigh, 1);
	memset(port->known, 0, sizeof(port->known));
	now = 1000000;
	seed = 0;
	q->rng = 0;
	q->next_tick = now;
	peel_bucket_init(&q->answers, ANSWERS_PER_SECOND, now);
	peel_bucket_init(&q->echoes, ECHOES_PER_SECOND, now);
}

/* ---- the script ------------------------------------------------------------------------------ */

struct script {
	const uint8_t *p;
	size_t left;
};

static uint8_t
next(struct script *s)
{
	if (s->left == 0)
		return 0;
	s->left--;
	return *s->p++;
}

static void
frame(struct script *s)
{
	unsigned int fix = next(s);
	size_t len = next(s);

	len |= (size_t)next(s) << 8;
	len = RTE_MIN(RTE_MIN(len, s->left), (size_t)FRAME_MAX);
	must(rte_ring_enqueue(in, make_frame(s->p, len, fix)) == 0);
	s->p += len;
	s->left -= len;
}

static struct peel_addr
address(struct script *s)
{
	uint8_t which = next(s), host = next(s);
	struct peel_addr a = peel_addr_ipv4(10, 0, which & 2 ? 1 : 0, host, 53);

	if ((which & 1) == 0)
		return a;
	a = ethdev_ip6(own_ip6);
	a.ip[7] = which & 2 ? 1 : 0; /* behind the gateway, or not */
	a.ip[15] = host;
	a.port = 53;
	return a;
}

static void
send_one(struct script *s)
{
	struct peel_addr to = address(s);
	size_t len = next(s) * 8u;
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	must(m != NULL);
	memset(rte_pktmbuf_append(m, (uint16_t)len), 1, len);
	*peel_pkt(m) = (struct peel_pkt){.remote = to, .endpoint = next(s) % 2};
	peel_port_ethdev.tx(port, 0, &m, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = {data, size};

	if (port == NULL)
		start();
	for (unsigned int i = 0; i < OPS_MAX && s.left > 0; i++) {
		uint8_t op = next(&s) % N_OPS;
		struct peel_addr who;

		switch (op) {
		case OP_FRAME:
			frame(&s);
			break;
		case OP_SEND:
			send_one(&s);
			break;
		case OP_TIME:
			now += (uint64_t)next(&s) * 16;
			break;
		default:
			who = address(&s);
			peel_port_ethdev.vouch(port, &who);
			break;
		}
		round_trip();
	}
	forget();
	return 0;
}
