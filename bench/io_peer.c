/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The generator of bench_io, over sockets of the kernel or a memif device.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_bus_vdev.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "bench.h"
#include "io_peer.h"
#include "segments.h"

#define PEER_CPU 1 /* from the end: the relay has the last */
#define BATCH 64
#define FRAME_HEADERS                                                                              \
	(sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
#define MEMIF_NAME "net_memif_peer"

static const struct rte_ether_addr port_mac = {{0x02, 0, 0, 0, 0, 1}};
static const struct rte_ether_addr peer_mac = {{0x02, 0, 0, 0, 0, 2}};

/* ---- sockets --------------------------------------------------------------------------------- */

static int
udp_socket(
	const struct peel_addr *local, const struct peel_addr *connect_to, struct peel_addr *name)
{
	struct sockaddr_storage ss;
	socklen_t len = peel_addr_to_sockaddr(local, &ss);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), bytes = 4 << 20, on = 1;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&ss, len) != 0)
		goto fail;
	if (connect_to != NULL) {
		len = peel_addr_to_sockaddr(connect_to, &ss);
		if (connect(fd, (struct sockaddr *)&ss, len) != 0)
			goto fail;
	}
	len = sizeof(ss);
	if (getsockname(fd, (struct sockaddr *)&ss, &len) != 0 ||
		peel_addr_from_sockaddr(&ss, name) != 0)
		goto fail;
	return fd;
fail:
	close(fd);
	return -errno;
}

int
io_peer_sockets(struct io_peer *p, const struct peel_addr *local, const struct peel_addr *port,
	struct peel_addr *sink)
{
	struct peel_addr unused;

	p->device = -1;
	p->in = udp_socket(local, NULL, sink);
	p->out = udp_socket(local, port, &unused);
	return p->in < 0 ? p->in : p->out < 0 ? p->out : 0;
}

static void
swallow(struct io_peer *p)
{
	static struct mmsghdr m[BATCH];
	int n;

	/* No room for data: the kernel copies nothing, but tells the length. */
	while ((n = recvmmsg(p->in, m, BATCH, MSG_TRUNC, NULL)) > 0) {
		for (int i = 0; i < n; i++)
			p->swallowed += (m[i].msg_len + p->size - 1u) / p->size;
		if (n < BATCH)
			break;
	}
}

static void
run_sockets(struct io_peer *p)
{
	static uint8_t data[65536];
	struct iovec iov = {.iov_base = data, .iov_len = (size_t)p->size * p->per_message};
	union segment_control control;
	struct mmsghdr m[BATCH] = {0};
	unsigned int n = p->per_message > 1 ? 2 : BATCH;

	for (unsigned int i = 0; i < n; i++) {
		m[i].msg_hdr.msg_iov = &iov;
		m[i].msg_hdr.msg_iovlen = 1;
		if (p->per_message > 1)
			segment_cut(&m[i].msg_hdr, &control, p->size);
	}
	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		(void)sendmmsg(p->out, m, n, 0); /* what does not fit is lost, as it should be */
		swallow(p);
	}
}

/* ---- memif ----------------------------------------------------------------------------------- */

int
io_peer_memif(struct io_peer *p, const char *socket, struct rte_mempool *pool)
{
	struct rte_eth_conf conf = {0};
	uint16_t device;
	char args[256];
	int rc;

	p->in = p->out = -1;
	p->pool = pool;
	snprintf(args, sizeof(args),
		"role=client,id=0,socket=%s,socket-abstract=no,rsize=11,mac=02:00:00:00:00:02",
		socket);
	rc = rte_vdev_init(MEMIF_NAME, args);
	if (rc != 0)
		return rc;
	if (rte_eth_dev_get_port_by_name(MEMIF_NAME, &device) != 0 ||
		rte_eth_dev_configure(device, 1, 1, &conf) != 0 ||
		rte_eth_rx_queue_setup(device, 0, 2048, SOCKET_ID_ANY, NULL, pool) != 0 ||
		rte_eth_tx_queue_setup(device, 0, 2048, SOCKET_ID_ANY, NULL) != 0 ||
		rte_eth_dev_start(device) != 0) {
		rte_vdev_uninit(MEMIF_NAME);
		return -ENODEV;
	}
	p->device = device;
	return 0;
}

static void
fill_frame(const struct io_peer *p, uint8_t *frame)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)frame;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(eth + 1);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);

	*eth = (struct rte_ether_hdr){.dst_addr = port_mac,
		.src_addr = peer_mac,
		.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)};
	*ip = (struct rte_ipv4_hdr){.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*udp) + p->size)),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP};
	memcpy(&ip->src_addr, p->local.ip, 4);
	memcpy(&ip->dst_addr, p->port.ip, 4);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*udp = (struct rte_udp_hdr){.src_port = rte_cpu_to_be_16(p->local.port),
		.dst_port = rte_cpu_to_be_16(p->port.port),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + p->size))};
	memset(udp + 1, 0, p->size);
	udp->dgram_cksum = rte_ipv4_udptcp_cksum(ip, udp);
}

/* Ask the port for its link address, from which it learns ours, or answer its question. */
static void
send_arp(const struct io_peer *p, bool question)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (m == NULL)
		return;
	eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	m->data_len = RTE_ETHER_MIN_LEN;
	m->pkt_len = RTE_ETHER_MIN_LEN;
	memset(eth, 0, RTE_ETHER_MIN_LEN);
	*eth = (struct rte_ether_hdr){
		.src_addr = peer_mac, .ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)};
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	arp = (struct rte_arp_hdr *)(eth + 1);
	*arp = (struct rte_arp_hdr){.arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER),
		.arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = 4,
		.arp_opcode = rte_cpu_to_be_16(question ? RTE_ARP_OP_REQUEST : RTE_ARP_OP_REPLY),
		.arp_data = {.arp_sha = peer_mac, .arp_tha = port_mac}};
	if (!question)
		eth->dst_addr = port_mac;
	memcpy(&arp->arp_data.arp_sip, p->local.ip, 4);
	memcpy(&arp->arp_data.arp_tip, p->port.ip, 4);
	if (rte_eth_tx_burst((uint16_t)p->device, 0, &m, 1) == 0)
		rte_pktmbuf_free(m);
}

static void
receive_frames(struct io_peer *p)
{
	struct rte_mbuf *m[BATCH];
	uint16_t n;

	while ((n = rte_eth_rx_burst((uint16_t)p->device, 0, m, BATCH)) > 0) {
		for (uint16_t i = 0; i < n; i++) {
			const struct rte_ether_hdr *eth =
				rte_pktmbuf_mtod(m[i], const struct rte_ether_hdr *);

			if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP))
				send_arp(p, false);
			else
				p->swallowed++;
		}
		rte_pktmbuf_free_bulk(m, n);
	}
}

static void
run_frames(struct io_peer *p)
{
	static uint8_t frame[2048];
	uint16_t len = (uint16_t)(FRAME_HEADERS + p->size);

	fill_frame(p, frame);
	send_arp(p, true);
	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		struct rte_mbuf *m[BATCH];
		uint16_t n = 0;

		if (rte_pktmbuf_alloc_bulk(p->pool, m, BATCH) == 0) {
			for (unsigned int i = 0; i < BATCH; i++) {
				memcpy(rte_pktmbuf_mtod(m[i], void *), frame, len);
				m[i]->data_len = len;
				m[i]->pkt_len = len;
			}
			n = rte_eth_tx_burst((uint16_t)p->device, 0, m, BATCH);
			rte_pktmbuf_free_bulk(m + n, BATCH - n);
		}
		receive_frames(p);
	}
}

/* ---- thread ---------------------------------------------------------------------------------- */

static void *
run(void *arg)
{
	struct io_peer *p = arg;

	bench_pin(PEER_CPU);
	if (p->device >= 0)
		run_frames(p);
	else
		run_sockets(p);
	return NULL;
}

int
io_peer_start(struct io_peer *p)
{
	p->stop = false;
	p->swallowed = 0;
	return -pthread_create(&p->thread, NULL, run, p);
}

void
io_peer_stop(struct io_peer *p)
{
	__atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
	pthread_join(p->thread, NULL);
}

void
io_peer_close(struct io_peer *p)
{
	if (p->device >= 0) {
		rte_eth_dev_stop((uint16_t)p->device);
		rte_vdev_uninit(MEMIF_NAME);
		return;
	}
	close(p->in);
	close(p->out);
}
