/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The device: finding it, its queues and buffers, opening and closing.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>

#include "ip.h"
#include "neighbour.h"

#define DESCRIPTORS 1024
/* header, a VLAN tag that we would drop, frame check sequence */
#define ETH_OVERHEAD (ETH_LEN + 4 + 4)
#define XDP_HEADROOM 256 /* the kernel keeps it in front of every frame */
#define MTU_MIN4 576
#define MTU_MIN6 1280

#define RX_CHECKSUM (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)
#define TX_CHECKSUM (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM)
#define RSS_WANTED                                                                                 \
	(RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP |                 \
		RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

/* ---- finding the device ---------------------------------------------------------------------- */

/* The value of "key=" in devargs; false when it is not there. */
static bool
devarg(const char *devargs, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *p = strchr(devargs, ','); p != NULL; p = strchr(p, ',')) {
		p++;
		if (strncmp(p, key, key_len) != 0 || p[key_len] != '=')
			continue;
		p += key_len + 1;
		snprintf(out, size, "%.*s", (int)strcspn(p, ","), p);
		return true;
	}
	return false;
}

static bool
lookup(const char *devargs, uint16_t *id)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_dev_iterator it;
	uint16_t found;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(devargs, ","), devargs);
	if (rte_eth_dev_get_port_by_name(name, id) == 0)
		return true;
	/* PCI devices are known by their full address, whatever form was asked for. */
	if (rte_eth_iterator_init(&it, name) != 0)
		return false;
	found = rte_eth_iterator_next(&it);
	if (found >= RTE_MAX_ETHPORTS)
		return false;
	rte_eth_iterator_cleanup(&it);
	*id = found;
	return true;
}

static int
find_device(struct peel_port *port, char *why, size_t why_size)
{
	const char *device = port->conf.device;
	int rc;

	if (lookup(device, &port->id))
		return 0;
	rc = rte_dev_probe(device);
	if (rc < 0)
		return peel_fail(why, why_size, rc,
			"device \"%s\": DPDK cannot open it (%s): check the name and its options, "
			"that the interface exists, the driver is installed (Debian: "
			"librte-net-...) "
			"and you may use it",
			device, strerror(-rc));
	if (!lookup(device, &port->id))
		return peel_fail(why, why_size, -ENODEV,
			"device \"%s\" is there but is no network port", device);
	port->created = true;
	return 0;
}

/* ---- the interface below --------------------------------------------------------------------- */

int
ethdev_interface_take(struct peel_port *port, char *why, size_t why_size)
{
	const char *device = port->conf.device, *name = port->interface_name;

	if ((strncmp(device, "net_af_packet", 13) != 0 && strncmp(device, "net_af_xdp", 10) != 0 &&
		    strncmp(device, "net_pcap", 8) != 0) ||
		!devarg(device, "iface", port->interface_name, sizeof(port->interface_name)))
		return 0;
	if (strncmp(device, "net_af_xdp", 10) == 0)
		ethdev_xdp_log();
	port->interface_fd = interface_open();
	if (port->interface_fd < 0)
		return port->interface_fd;
	port->lock_fd = interface_lock(name);
	if (port->lock_fd != -EADDRINUSE)
		return port->lock_fd < 0 ? port->lock_fd : 0;
	return peel_fail(why, why_size, -EBUSY,
		"interface %s is used by another relay or client: end that one, or give each an "
		"interface of its own",
		name);
}

/* Before the driver touches it. */
static int
look_at_interface(struct peel_port *port, char *why, size_t why_size)
{
	const char *name = port->interface_name;
	char text[16] = "0";

	if (name[0] == '\0')
		return 0;
	int rc = interface_get(port->interface_fd, name, &port->interface);

	if (rc != 0)
		return peel_fail(why, why_size, rc, "device \"%s\": interface %s: %s",
			port->conf.device, name,
			rc == -ENODEV ? "there is none of this name" : strerror(-rc));
	if (strncmp(port->conf.device, "net_af_xdp", 10) != 0)
		return 0;
	devarg(port->conf.device, "start_queue", text, sizeof(text));
	return interface_xdp_free(&port->interface, name, (unsigned int)strtoul(text, NULL, 0),
		port->conf.n_queues, why, why_size);
}

/* ---- MTU and buffers ------------------------------------------------------------------------- */

/* Drivers that sit on an interface of the kernel, whose MTU is set with ip(8), not by us. */
static bool
kernel_owned(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_af_packet") == 0 ||
	       strcmp(info->driver_name, "net_af_xdp") == 0 ||
	       strcmp(info->driver_name, "net_pcap") == 0;
}

static int
choose_mtu(struct peel_port *port, const struct rte_eth_dev_info *info, char *why, size_t why_size)
{
	uint16_t asked = port->conf.mtu, device = 0;
	uint16_t least = port->has_ip6 ? MTU_MIN6 : MTU_MIN4;

	if (kernel_owned(info))
		device = (uint16_t)RTE_MIN(port->interface.mtu, UINT16_MAX);
	else if (asked == 0)
		rte_eth_dev_get_mtu(port->id, &device);
	port->mtu_max = port->mtu = asked != 0 ? asked : device != 0 ? device : RTE_ETHER_MTU;
	if (port->mtu < least)
		return peel_fail(why, why_size, -EINVAL,
			"MTU %u is too small: %s needs at least %u", port->mtu,
			port->has_ip6 ? "IPv6" : "IPv4", least);
	if (kernel_owned(info) && device != 0 && port->mtu > device)
		return peel_fail(why, why_size, -EINVAL,
			"MTU %u is larger than the interface's %u: set it with ip link set ... mtu "
			"%u",
			port->mtu, device, port->mtu);
	if (!kernel_owned(info) && info->max_mtu != 0 && port->mtu > info->max_mtu)
		return peel_fail(why, why_size, -EINVAL,
			"MTU %u is larger than the device's limit of %u", port->mtu, info->max_mtu);
	return 0;
}

/* The workers' pool has room for common frames; devices with larger ones get a pool of their
 * own. */
static int
choose_pool(struct peel_port *port, const struct rte_eth_dev_info *info, char *why, size_t why_size)
{
	struct rte_mempool *pool = port->conf.pool, *own = NULL;
	uint32_t room = RTE_PKTMBUF_HEADROOM + port->mtu + ETH_OVERHEAD;
	char text[32];

	if (strcmp(info->driver_name, "net_af_xdp") == 0)
		room += XDP_HEADROOM;
	/* af_packet wants mbufs as large as its ring's slots, whatever the MTU. */
	if (strcmp(info->driver_name, "net_af_packet") == 0 &&
		devarg(port->conf.device, "framesz", text, sizeof(text)))
		room = RTE_MAX(room, RTE_PKTMBUF_HEADROOM + (uint32_t)strtoul(text, NULL, 0));
	room = RTE_MAX(room, RTE_PKTMBUF_HEADROOM + info->min_rx_bufsize);
	/* The workers' pool, or what was made when the device was opened before. */
	if (room <= rte_pktmbuf_data_room_size(port->rx_pool))
		return 0;
	if (room <= UINT16_MAX) {
		snprintf(text, sizeof(text), "peel_rx_%u", port->id);
		own = rte_pktmbuf_pool_create(text, pool->size, pool->cache_size,
			PEEL_PKT_PRIV_SIZE, (uint16_t)room, rte_eth_dev_socket_id(port->id));
	}
	if (own != NULL) {
		port->rx_pool = own;
		return 0;
	}
	return peel_fail(why, why_size, -ENOMEM,
		"no memory for %u receive buffers of %u bytes: lower the MTU or give more memory",
		pool->size, room);
}

/* ---- configuring ----------------------------------------------------------------------------- */

static int
check_queues(const struct peel_port *port, const struct rte_eth_dev_info *info, char *why,
	size_t why_size)
{
	uint16_t n = port->conf.n_queues;

	if (n > info->max_rx_queues || n > info->max_tx_queues)
		return peel_fail(why, why_size, -EINVAL,
			"device \"%s\" has %u receive and %u transmit queues, %u workers need one "
			"each: run fewer workers, or ask the device for more (af_packet: "
			"qpairs=%u)",
			port->conf.device, info->max_rx_queues, info->max_tx_queues, n, n);
	if (strcmp(info->driver_name, "net_af_packet") == 0 && n != info->max_rx_queues)
		return peel_fail(why, why_size, -EINVAL,
			"device \"%s\" spreads frames over %u queues, but only %u workers would "
			"read them: set qpairs=%u",
			port->conf.device, info->max_rx_queues, n, n);
	return 0;
}

/* Interrupts are asked for only where they are known to work: some devices lose queues or refuse to
 * start with them. */
static bool
wants_interrupts(const struct rte_eth_dev_info *info)
{
	return strcmp(info->driver_name, "net_tap") == 0;
}

static int
configure(struct peel_port *port, const struct rte_eth_dev_info *info, char *why, size_t why_size)
{
	struct rte_eth_conf c = {0};
	uint16_t n = port->conf.n_queues;
	int rc;

	c.rxmode.offloads = RX_CHECKSUM & info->rx_offload_capa;
	if ((info->tx_offload_capa & TX_CHECKSUM) == TX_CHECKSUM) {
		c.txmode.offloads = TX_CHECKSUM;
		port->tx_checksum = true;
	}
	if (!kernel_owned(info) && port->conf.mtu != 0)
		c.rxmode.mtu = port->mtu;
	if (n > 1 && (info->flow_type_rss_offloads & RSS_WANTED) != 0) {
		c.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		c.rx_adv_conf.rss_conf.rss_hf = RSS_WANTED & info->flow_type_rss_offloads;
	}
	c.intr_conf.rxq = wants_interrupts(info);
	rc = rte_eth_dev_configure(port->id, n, n, &c);
	if (rc != 0)
		return peel_fail(why, why_size, rc,
			"device \"%s\" refused %u queues with MTU %u: %s", port->conf.device, n,
			port->mtu, strerror(-rc));
	return 0;
}

static int
set_up_queues(struct peel_port *port, char *why, size_t why_size)
{
	uint16_t rx = (uint16_t)RTE_MIN(port->conf.rx_descriptors, UINT16_MAX);
	uint16_t tx = (uint16_t)RTE_MIN(port->conf.tx_descriptors, UINT16_MAX);
	unsigned int socket = (unsigned int)rte_eth_dev_socket_id(port->id);
	int rc;

	rx = rx != 0 ? rx : DESCRIPTORS;
	tx = tx != 0 ? tx : DESCRIPTORS;
	rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx, &tx);
	for (uint16_t i = 0; i < port->conf.n_queues; i++) {
		rc = rte_eth_rx_queue_setup(port->id, i, rx, socket, NULL, port->rx_pool);
		if (rc != 0)
			return peel_fail(why, why_size, rc,
				"device \"%s\": receive queue %u: %s: buffers of %u bytes, %u of "
				"them free (af_xdp takes 2048 a queue at once and frames of a page "
				"at most)",
				port->conf.device, i, strerror(-rc),
				rte_pktmbuf_data_room_size(port->rx_pool),
				rte_mempool_avail_count(port->rx_pool));
		rc = rte_eth_tx_queue_setup(port->id, i, tx, socket, NULL);
		if (rc != 0)
			return peel_fail(why, why_size, rc, "device \"%s\": transmit queue %u: %s",
				port->conf.device, i, strerror(-rc));
	}
	return 0;
}

/* IPv6 finds us through a multicast group. Whatever way the device has to let it through will
 * do. */
static void
join_group(const struct peel_port *port)
{
	struct rte_ether_addr groups[2] = {{{0}}, {{0x33, 0x33, 0, 0, 0, 1}}};

	ethdev_nd_group(port->ip6, groups[0].addr_bytes);
	if (rte_eth_dev_set_mc_addr_list(port->id, groups, RTE_DIM(groups)) != 0 &&
		rte_eth_allmulticast_enable(port->id) != 0 &&
		rte_eth_promiscuous_enable(port->id) != 0)
		peel_log(PEEL_LOG_WARNING,
			"device \"%s\" has no filter for IPv6 neighbour discovery; others may not "
			"find us",
			port->conf.device);
}

int
ethdev_device_open(struct peel_port *port, char *why, size_t why_size)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc;

	if ((rc = look_at_interface(port, why, why_size)) != 0 ||
		(rc = find_device(port, why, why_size)) != 0)
		return rc;
	rc = rte_eth_dev_info_get(port->id, &info);
	if (rc == 0)
		rc = rte_eth_macaddr_get(port->id, &mac);
	if (rc != 0)
		return peel_fail(why, why_size, rc, "device \"%s\" does not answer: %s",
			port->conf.device, strerror(-rc));
	memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	if ((rc = check_queues(port, &info, why, why_size)) != 0 ||
		(rc = choose_mtu(port, &info, why, why_size)) != 0 ||
		(rc = choose_pool(port, &info, why, why_size)) != 0 ||
		(rc = configure(port, &info, why, why_size)) != 0 ||
		(rc = set_up_queues(port, why, why_size)) != 0)
		return rc;
	rc = rte_eth_dev_start(port->id);
	if (rc != 0)
		return peel_fail(why, why_size, rc, "device \"%s\" does not start: %s",
			port->conf.device, strerror(-rc));
	port->started = true;
	port->interrupts = wants_interrupts(&info);
	if (port->has_ip6)
		join_group(port);
	/* With the program that the driver put there. */
	if (port->interface_name[0] != '\0' &&
		interface_get(port->interface_fd, port->interface_name, &port->interface) != 0)
		port->interface.index = 0; /* gone already: the first look will tell */
	/* Held, to put it back when somebody takes it off: later the right to get hold of it may be
	 * gone. */
	if (port->interface.xdp != 0)
		port->program_fd = interface_xdp_program(port->interface.xdp);
	return 0;
}

/* Is somebody else's XDP program where ours should be? */
static bool
has_foreign(const struct peel_port *port)
{
	struct interface now;

	return port->started && port->interface.xdp != 0 &&
	       interface_get(port->interface_fd, port->interface_name, &now) == 0 &&
	       now.index == port->interface.index && now.xdp != 0 && now.xdp != port->interface.xdp;
}

/* Of this thread, as far as it may have it. @return whether it had it. */
static bool
net_admin(bool on)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct caps[_LINUX_CAPABILITY_U32S_3];
	bool had;

	if (syscall(SYS_capget, &header, caps) != 0)
		return false;
	had = (caps[0].effective >> CAP_NET_ADMIN & 1) != 0;
	caps[0].effective &= ~(1u << CAP_NET_ADMIN);
	caps[0].effective |= (uint32_t)on << CAP_NET_ADMIN;
	return syscall(SYS_capset, &header, caps) == 0 && had;
}

void
ethdev_device_close(struct peel_port *port)
{
	struct rte_eth_dev_info info;
	/* The driver of af_xdp takes off whatever program is there: not without the right to. */
	bool held_back = has_foreign(port) && net_admin(false);

	if (port->started && rte_eth_dev_stop(port->id) != 0)
		peel_log(PEEL_LOG_WARNING, "device \"%s\" did not stop cleanly", port->conf.device);
	port->started = false;
	if (port->created && rte_eth_dev_info_get(port->id, &info) == 0) {
		rte_eth_dev_close(port->id);
		rte_dev_remove(info.device);
	}
	port->created = false;
	if (held_back)
		net_admin(true);
	if (port->program_fd >= 0)
		close(port->program_fd);
	port->program_fd = -1;
}
