/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Own addresses of an Ethernet device and the routers on its network.
 */
#include "conf_table.h"

static bool
same_network(const struct peel_network *n, const struct peel_addr *a)
{
	for (unsigned int bit = 0; bit < n->prefix_len; bit++) {
		if ((n->addr.ip[bit / 8] ^ a->ip[bit / 8]) & (0x80u >> bit % 8))
			return false;
	}
	return true;
}

/* Why no single host on @p network can have the address, or NULL. In networks of one or two hosts
 * every address is a host's. */
static const char *
no_host(const struct peel_addr *a, const struct peel_network *network)
{
	bool v4 = a->family == PEEL_FAMILY_IPV4, none, all;

	if (!peel_addr_is_host(a) || peel_addr_is_loopback(a))
		return "is not an address that a host has on a network";
	if (network->prefix_len + 2u > peel_addr_bits(a) || !same_network(network, a))
		return NULL;
	conf_host_bits(&(struct peel_network){*a, network->prefix_len}, &none, &all);
	if (none)
		return "is the address of the network itself";
	return v4 && all ? "is the broadcast address of its network" : NULL;
}

bool
conf_gateway_on_link(const struct peel_network *network, const struct peel_addr *gateway)
{
	return same_network(network, gateway) ||
	       (gateway->family == PEEL_FAMILY_IPV6 && gateway->ip[0] == 0xfe &&
		       (gateway->ip[1] & 0xc0) == 0x80);
}

static void
check_gateway(struct conf_errors *e, const struct peel_network *own,
	const struct peel_addr *gateway, enum conf_id address_id, enum conf_id id)
{
	const char *address = conf_settings[address_id].name, *why;
	unsigned int whole = peel_addr_bits(&own->addr);

	if (gateway->family == PEEL_FAMILY_NONE)
		return;
	if (own->addr.family == PEEL_FAMILY_NONE) {
		conf_wrong(e, id, "is given without %s", address);
		return;
	}
	why = no_host(gateway, own);
	if (why != NULL)
		conf_wrong(e, id, "%s", why);
	else if (peel_addr_same_ip(&own->addr, gateway))
		conf_wrong(e, id, "is our own address");
	else if (own->prefix_len != whole && !conf_gateway_on_link(own, gateway))
		conf_wrong(e, id,
			"is not on the network of %s; where a provider's router is outside of it, "
			"write %s with the length /%u",
			address, address, whole);
}

void
conf_check_network(const struct conf *c, struct conf_errors *e)
{
	const struct peel_port_conf *p = &c->node.port_conf;
	const char *why;

	if (c->address.addr.family == PEEL_FAMILY_NONE)
		conf_wrong(e, CONF_port_address, "is missing: ethdev needs one");
	else if ((why = no_host(&c->address.addr, &c->address)) != NULL)
		conf_wrong(e, CONF_port_address, "%s", why);
	if (c->address6.addr.family != PEEL_FAMILY_NONE &&
		(why = no_host(&c->address6.addr, &c->address6)) != NULL)
		conf_wrong(e, CONF_port_address6, "%s", why);
	check_gateway(e, &c->address, &p->gateway, CONF_port_address, CONF_port_gateway);
	check_gateway(e, &c->address6, &p->gateway6, CONF_port_address6, CONF_port_gateway6);
}
