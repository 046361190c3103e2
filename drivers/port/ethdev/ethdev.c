/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The port as a table of functions: its configuration, its life and its status.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "ethdev_internal.h"
#include "peel_port_ethdev.h"

/* ---- open and close -------------------------------------------------------------------------- */

static void
make_mask(uint8_t *mask, unsigned int bytes, unsigned int prefix_len)
{
	for (unsigned int i = 0; i < bytes; i++) {
		unsigned int bits = prefix_len > 8 * i ? prefix_len - 8 * i : 0;

		mask[i] = bits >= 8 ? 0xff : (uint8_t)(0xff00 >> bits);
	}
}

static bool
usable_source(const struct peel_addr *a)
{
	return peel_addr_is_host(a) && !peel_addr_is_loopback(a);
}

static const char *
check_addresses(const struct peel_port_conf *c)
{
	if (c->listen.family != PEEL_FAMILY_IPV4 || !usable_source(&c->listen))
		return "the main address of an Ethernet port must be one IPv4 address";
	if (c->listen.port == 0)
		return "the main address of an Ethernet port needs a UDP port number";
	if (c->prefix_len > 32)
		return "the IPv4 prefix length must be 0 to 32";
	if (c->gateway.family != PEEL_FAMILY_NONE && c->gateway.family != PEEL_FAMILY_IPV4)
		return "the gateway must be an IPv4 address";
	if (c->gateway6.family != PEEL_FAMILY_NONE && c->gateway6.family != PEEL_FAMILY_IPV6)
		return "the IPv6 gateway must be an IPv6 address";
	if (c->address6.family == PEEL_FAMILY_NONE)
		return NULL;
	if (c->address6.family != PEEL_FAMILY_IPV6 || !usable_source(&c->address6))
		return "the IPv6 address must be one unicast IPv6 address";
	if (c->prefix_len6 > 128)
		return "the IPv6 prefix length must be 0 to 128";
	return NULL;
}

/* NULL, or what is wrong. */
static const char *
check_conf(const struct peel_port_conf *c)
{
	if (c->device == NULL || c->device[0] == '\0')
		return "an Ethernet port needs a device: a PCI address or the options of a virtual "
		       "device";
	if (c->n_queues == 0 || c->stats == NULL || c->pool == NULL || c->env == NULL)
		return "queues, counters, packet pool and environment must be given";
	if (!peel_port_pool_fits(c->pool))
		return "the packet pool must come from peel_port_pool_new";
	if ((c->exit_port_min == 0) != (c->exit_port_max == 0) ||
		c->exit_port_min > c->exit_port_max)
		return "the exit port range is empty or upside down";
	if (c->exit_port_min != 0 && c->max_endpoints > 0 && c->rcu == NULL)
		return "exit endpoints need RCU";
	return check_addresses(c);
}

/*
 * A gateway need not be in the network of our own address: with an address of /32, as hosting
 * companies give them, it never is. It is a neighbour because the configuration says so.
 */
static const char *
check_gateways(const struct peel_port *p)
{
	if (p->gateway.family != PEEL_FAMILY_NONE &&
		(!usable_source(&p->gateway) || memcmp(p->gateway.ip, p->ip4, 4) == 0))
		return "the gateway must be the unicast address of another host";
	if (p->gateway6.family != PEEL_FAMILY_NONE &&
		(!usable_source(&p->gateway6) || memcmp(p->gateway6.ip, p->ip6, 16) == 0))
		return "the IPv6 gateway must be the unicast address of another host";
	return NULL;
}

static void
set_addresses(struct peel_port *p)
{
	const struct peel_port_conf *c = &p->conf;

	memcpy(p->ip4, c->listen.ip, 4);
	make_mask(p->mask4, 4, c->prefix_len);
	memcpy(p->ip6, c->address6.ip, 16);
	make_mask(p->mask6, 16, c->prefix_len6);
	p->has_ip6 = c->address6.family == PEEL_FAMILY_IPV6;
	p->gateway = c->gateway;
	p->gateway.port = 0;
	p->gateway6 = c->gateway6;
	p->gateway6.port = 0;
}

static int
make_tables(struct peel_port *p)
{
	const struct peel_env *env = p->conf.env;
	uint16_t n = p->conf.n_queues;

	p->neigh = aligned_alloc(64, sizeof(*p->neigh));
	p->queue = aligned_alloc(64, n * sizeof(*p->queue));
	if (p->queue == NULL || p->neigh == NULL) {
		free(p->queue);
		p->queue = NULL; /* close() walks it */
		return -ENOMEM;
	}
	neigh_init(p->neigh, peel_random_u64(env));
	memset(p->queue, 0, n * sizeof(*p->queue));
	for (uint16_t i = 0; i < n; i++) {
		struct ethdev_queue *q = &p->queue[i];

		q->port = p;
		q->id = i;
		q->stats = p->conf.stats[i];
		q->now = peel_now_ms(env);
		q->rng = peel_random_u64(env);
		q->announcements = i == 0 ? ANNOUNCEMENTS : 0;
		peel_bucket_init(&q->answers, ANSWERS_PER_SECOND, q->now);
		q->gateway_answers = q->answers;
		peel_bucket_init(&q->echoes, ECHOES_PER_SECOND, q->now);
		q->epoll_fd = -1;
		q->wake_fd = -1;
		if (ethdev_frag_init(q) != 0)
			return -ENOMEM;
	}
	return ethdev_endpoints_new(&p->conf, &p->endpoints);
}

static void
ethdev_close(struct peel_port *p)
{
	if (p == NULL)
		return;
	for (uint16_t i = 0; p->queue != NULL && i < p->conf.n_queues; i++) {
		struct ethdev_queue *q = &p->queue[i];

		ethdev_wait_fini(q);
		for (size_t k = 0; k < RTE_DIM(q->pending); k++)
			rte_pktmbuf_free_bulk(q->pending[k].pkts, q->pending[k].n);
		rte_pktmbuf_free_bulk(q->tx_buf, q->n_tx);
		ethdev_frag_fini(q);
	}
	ethdev_device_close(p);
	/* Somebody may still hold a datagram; then the pool stays until the process ends. */
	if (p->rx_pool != p->conf.pool && rte_mempool_full(p->rx_pool))
		rte_mempool_free(p->rx_pool);
	if (p->interface_fd >= 0)
		close(p->interface_fd);
	if (p->lock_fd >= 0)
		close(p->lock_fd);
	ethdev_endpoints_free(p->endpoints);
	free(p->neigh);
	free(p->queue);
	free((void *)(uintptr_t)p->conf.device);
	free(p);
}

static int
ethdev_open(const struct peel_port_conf *conf, struct peel_port **out, char *why, size_t why_size)
{
	const char *wrong = check_conf(conf);
	struct peel_port *p;
	int rc;

	if (wrong != NULL)
		return peel_fail(why, why_size, -EINVAL, "%s", wrong);
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->conf = *conf;
	p->rx_pool = conf->pool;
	p->interface_fd = p->lock_fd = p->program_fd = -1;
	p->link_up = true;
	p->conf.device = strdup(conf->device);
	p->known_seed = peel_random_u64(conf->env);
	set_addresses(p);
	wrong = check_gateways(p);
	if (wrong != NULL)
		rc = peel_fail(why, why_size, -EINVAL, "%s", wrong);
	else if (p->conf.device == NULL || make_tables(p) != 0)
		rc = peel_fail(why, why_size, -ENOMEM, "no memory for the tables of the port");
	else
		rc = ethdev_interface_take(p, why, why_size);
	if (rc == 0)
		rc = ethdev_device_open(p, why, why_size);
	if (rc != 0) {
		ethdev_close(p);
		return rc;
	}
	for (uint16_t i = 0; i < conf->n_queues; i++)
		ethdev_wait_init(&p->queue[i], p->interrupts);
	peel_log(PEEL_LOG_INFO,
		"port \"%s\": %02x:%02x:%02x:%02x:%02x:%02x, MTU %u, %u queue(s), checksums by %s",
		conf->device, p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4], p->mac[5],
		p->mtu, conf->n_queues, p->tx_checksum ? "the device" : "software");
	*out = p;
	return 0;
}

/* ---- questions ------------------------------------------------------------------------------- */

static void
ethdev_local(const struct peel_port *port, struct peel_addr *out)
{
	*out = port->conf.listen;
}

/* A gateway reaches everybody, as far as we know. */
static bool
ethdev_can_reach(const struct peel_port *port, bool exit, const struct peel_addr *to)
{
	(void)exit; /* the same addresses */
	if (to->family == PEEL_FAMILY_IPV4)
		return port->gateway.family != PEEL_FAMILY_NONE ||
		       ethdev_on_link(to->ip, port->ip4, port->mask4, 4);
	return to->family == PEEL_FAMILY_IPV6 && port->has_ip6 &&
	       (port->gateway6.family != PEEL_FAMILY_NONE ||
		       ethdev_on_link(to->ip, port->ip6, port->mask6, 16));
}

static void
ethdev_dump(const struct peel_port *port, void (*line)(void *arg, const char *name, uint64_t value),
	void *arg)
{
	static const char *const names[] = {
#define X(id, name) name,
		PEEL_ETHDEV_COUNTERS(X)
#undef X
	};
	struct rte_eth_stats s;

	for (unsigned int c = 0; c < ETHDEV_N_COUNTERS; c++) {
		uint64_t sum = 0;

		for (uint16_t i = 0; i < port->conf.n_queues; i++)
			sum += __atomic_load_n(&port->queue[i].count[c], __ATOMIC_RELAXED);
		line(arg, names[c], sum);
	}
	line(arg, "neighbours", __atomic_load_n(&port->neigh->used, __ATOMIC_RELAXED));
	line(arg, "exit_endpoints_open", ethdev_endpoints_count(port->endpoints));
	line(arg, "mtu", port->mtu);
	line(arg, "device_present", !port->gone && !port->foreign);
	line(arg, "link_up", !port->gone && port->link_up);
	if (port->gone || rte_eth_stats_get(port->id, &s) != 0)
		return;
	line(arg, "device_rx_frames", s.ipackets);
	line(arg, "device_tx_frames", s.opackets);
	line(arg, "device_rx_missed", s.imissed);
	line(arg, "device_rx_errors", s.ierrors);
	line(arg, "device_rx_no_buffer", s.rx_nombuf);
	line(arg, "device_tx_errors", s.oerrors);
	ethdev_watch_dump(port, &s, line, arg);
}

const struct peel_port_ops peel_port_ethdev = {
	.name = "ethdev",
	.open = ethdev_open,
	.close = ethdev_close,
	.local = ethdev_local,
	.rx = ethdev_rx,
	.tx = ethdev_tx,
	.flush = ethdev_flush,
	.wait = ethdev_wait,
	.wake = ethdev_wake,
	.exit_open = ethdev_exit_open,
	.exit_close = ethdev_exit_close,
	.can_reach = ethdev_can_reach,
	.watch = ethdev_watch,
	.vouch = ethdev_vouch,
	.dump = ethdev_dump,
};
