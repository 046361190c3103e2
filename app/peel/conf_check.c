/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Do the values fit together? Each is in its own range already. Looks at nothing but the configuration.
 */
#include <stdio.h>

#include "conf_table.h"
#include "peel_discovery.h"

static bool
is_ethdev(const struct peel_conf *c)
{
	return strcmp(c->node.port->name, "ethdev") == 0;
}

static void
check_node(const struct peel_conf *c, struct conf_errors *e)
{
	static const char *const name[PEEL_N_COMMUNITIES] = {
		"community", "discovery_community", "dht_community"};

	if (c->node.key_file[0] == '\0' && c->use == PEEL_CONF_RELAY)
		conf_error_key(e, c, "node", "key", "is missing (`peel keygen FILE` makes a key)");
	for (int i = 1; i < PEEL_N_COMMUNITIES; i++) {
		for (int j = 0; j < i; j++) {
			if (memcmp(c->node.community[i], c->node.community[j],
				    PEEL_COMMUNITY_LEN) == 0)
				conf_error_key(e, c, "node", name[i], "is the same as %s", name[j]);
		}
	}
}

static void
check_ethdev(struct peel_conf *c, struct conf_errors *e)
{
	struct peel_port_conf *p = &c->node.port_conf;

	if (c->node.device[0] == '\0')
		conf_error_key(e, c, "port", "device", "is missing: ethdev needs one");
	conf_check_network(c, e);
	if (p->listen.port == 0)
		conf_error_key(
			e, c, "port", "listen", "has port 0, which ethdev cannot choose from");
	if (p->mtu != 0 && p->mtu < 1280 && c->address6.addr.family != PEEL_FAMILY_NONE)
		conf_error_key(e, c, "port", "mtu", "is below 1280, the least for IPv6");
	if (p->exit_port_max - p->exit_port_min + 1 < (int)p->max_endpoints &&
		conf_given(c, "exit", "max_sockets"))
		conf_error_key(e, c, "exit", "max_sockets", "is more than exit_ports has (%d)",
			p->exit_port_max - p->exit_port_min + 1);
	if (e->n > 0)
		return;
	/* The driver takes its own address from `listen`; each exit has a port of the range. */
	uint16_t port = p->listen.port;

	p->listen = c->address.addr;
	p->listen.port = port;
	p->prefix_len = c->address.prefix_len;
	p->address6 = c->address6.addr;
	p->prefix_len6 = c->address6.prefix_len;
	if (p->max_endpoints > (uint32_t)(p->exit_port_max - p->exit_port_min + 1))
		p->max_endpoints = (uint32_t)(p->exit_port_max - p->exit_port_min + 1);
}

static void
check_port(struct peel_conf *c, struct conf_errors *e)
{
	static const char *const ethdev_only[] = {"device", "address", "address6", "gateway",
		"gateway6", "mtu", "exit_ports", "rx_descriptors", "tx_descriptors", "device_lost"};
	static const char *const socket_only[] = {"exit_address", "exit_address6"};
	static const uint8_t any[sizeof(((struct peel_addr *)0)->ip)];
	const struct peel_addr *public = &c->node.public_address;

	if (public->family != PEEL_FAMILY_NONE && memcmp(public->ip, any, sizeof(any)) == 0)
		conf_error_key(e, c, "discovery", "public_address", "is the unspecified address");
	if (is_ethdev(c)) {
		for (size_t i = 0; i < PEEL_ARRAY_LEN(socket_only); i++) {
			if (conf_given(c, "port", socket_only[i]))
				conf_error_key(e, c, "port", socket_only[i],
					"has no meaning with driver = ethdev: remove it");
		}
		check_ethdev(c, e);
		return;
	}
	/* A setting that does nothing is a setting somebody relies on. */
	for (size_t i = 0; i < PEEL_ARRAY_LEN(ethdev_only); i++) {
		if (conf_given(c, "port", ethdev_only[i]))
			conf_error_key(e, c, "port", ethdev_only[i],
				"has no meaning with driver = %s: remove it, or set driver = "
				"ethdev",
				c->node.port->name);
	}
}

static void
check_workers(const struct peel_conf *c, struct conf_errors *e)
{
	if (c->node.core[0] >= 0 && conf_given(c, "workers", "count"))
		conf_error_key(e, c, "workers", "count",
			"is there beside cores, which says how many workers there are");
	if (c->node.control_core >= 0 && c->node.core[0] < 0)
		conf_error_key(e, c, "workers", "control_core",
			"needs cores: workers without a core of their own would run there, too");
	for (unsigned int i = 0; i < c->node.n_workers; i++) {
		if (c->node.control_core >= 0 && c->node.core[i] == c->node.control_core)
			conf_error_key(
				e, c, "workers", "control_core", "is the core of a worker, too");
	}
	if ((c->node.ring_size & (c->node.ring_size - 1)) != 0)
		conf_error_key(
			e, c, "workers", "ring", "%u is not a power of two", c->node.ring_size);
	if (c->hugepages == PEEL_HUGEPAGES_YES && c->memory_mib != 0)
		conf_error_key(e, c, "workers", "memory",
			"is for memory without hugepages, and hugepages = yes");
}

static void
check_tunnel(struct peel_conf *c, struct conf_errors *e)
{
	struct peel_tunnel_settings *t = &c->node.tunnel;
	bool exit_bt = t->peer_flags & PEEL_FLAG_EXIT_BT;

	if (conf_given(c, "tunnel", "become_exitnode")) {
		if (conf_given(c, "tunnel", "exit_bt") && exit_bt != c->become_exitnode)
			conf_error_key(e, c, "tunnel", "become_exitnode",
				"contradicts exit_bt, which means the same");
		t->peer_flags = (uint16_t)(c->become_exitnode ? t->peer_flags | PEEL_FLAG_EXIT_BT
							      : t->peer_flags & ~PEEL_FLAG_EXIT_BT);
	}
	if (c->node.policy.any_payload &&
		!(t->peer_flags & (PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8)))
		conf_error_key(e, c, "exit", "policy",
			"any lets nothing out without exit_bt or exit_ipv8 in [tunnel]");
}

void
conf_check(struct peel_conf *c, struct conf_errors *e)
{
	check_node(c, e);
	check_tunnel(c, e);
	check_workers(c, e);
	check_port(c, e);
	if (c->use & PEEL_CONF_CLIENT)
		conf_check_client(c, e);
}
