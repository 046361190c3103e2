/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Whether the values fit together, and what follows from them for the node. Each value is in its
 * own range already. Only the configuration is looked at.
 */
#include "conf_table.h"
#include "peel_discovery.h"
#include "peel_socks.h"

_Static_assert(PEEL_HOPS_MAX == 8, "[socks] has a key for each length of a circuit");

static void
check_node(const struct conf *c, struct conf_errors *e)
{
	if (c->node.key_file[0] == '\0' && c->use == CONF_FOR_RELAY)
		conf_wrong(e, CONF_node_key, "is missing (`peel keygen FILE` makes a key)");
	for (int i = 1; i < PEEL_N_COMMUNITIES; i++) {
		for (int j = 0; j < i; j++) {
			if (memcmp(c->node.community[i], c->node.community[j],
				    PEEL_COMMUNITY_LEN) == 0)
				conf_wrong(e, CONF_node_community + (enum conf_id)i,
					"is the same as %s",
					conf_settings[CONF_node_community + j].name);
		}
	}
}

static void
check_ethdev(struct conf *c, struct conf_errors *e)
{
	struct peel_port_conf *p = &c->node.port_conf;
	uint32_t ports = p->exit_port_max - p->exit_port_min + 1u;

	if (c->node.device[0] == '\0')
		conf_wrong(e, CONF_port_device, "is missing: ethdev needs one");
	conf_check_network(c, e);
	if (p->listen.port == 0)
		conf_wrong(e, CONF_port_listen, "has port 0, which ethdev cannot choose from");
	if (p->mtu != 0 && p->mtu < 1280 && c->address6.addr.family != PEEL_FAMILY_NONE)
		conf_wrong(e, CONF_port_mtu, "is below 1280, the least for IPv6");
	if (ports < p->max_endpoints && c->line[CONF_exit_max_sockets] != 0)
		conf_wrong(e, CONF_exit_max_sockets, "is more than exit_ports has (%u)", ports);
	if (e->n > 0)
		return;
	/* The driver takes its own address from `listen`; each exit has a port of the range. */
	uint16_t port = p->listen.port;

	p->listen = c->address.addr;
	p->listen.port = port;
	p->prefix_len = c->address.prefix_len;
	p->address6 = c->address6.addr;
	p->prefix_len6 = c->address6.prefix_len;
	if (p->max_endpoints > ports)
		p->max_endpoints = ports;
}

static void
check_port(struct conf *c, struct conf_errors *e)
{
	static const enum conf_id socket_only[] = {CONF_port_exit_address, CONF_port_exit_address6},
				  ethdev_only[] = {CONF_port_device, CONF_port_address,
					  CONF_port_address6, CONF_port_gateway, CONF_port_gateway6,
					  CONF_port_mtu, CONF_port_exit_ports,
					  CONF_port_rx_descriptors, CONF_port_tx_descriptors,
					  CONF_port_device_lost};
	const struct peel_addr *public = &c->node.public_address;
	const struct peel_port_conf *p = &c->node.port_conf;
	bool ethdev = strcmp(c->node.port->name, "ethdev") == 0;
	const enum conf_id *other = ethdev ? socket_only : ethdev_only;
	size_t n = ethdev ? PEEL_ARRAY_LEN(socket_only) : PEEL_ARRAY_LEN(ethdev_only);

	if (public->family != PEEL_FAMILY_NONE && peel_addr_is_any(public))
		conf_wrong(e, CONF_discovery_public_address, "is the unspecified address");
	if (!peel_addr_is_any(&p->listen) && !peel_addr_is_host(&p->listen))
		conf_wrong(e, CONF_port_listen, "is not an address that one host has");
	if (p->exit_ipv4.family != PEEL_FAMILY_NONE && !peel_addr_is_host(&p->exit_ipv4))
		conf_wrong(e, CONF_port_exit_address, "is not an address that one host has");
	if (p->exit_ipv6.family != PEEL_FAMILY_NONE && !peel_addr_is_host(&p->exit_ipv6))
		conf_wrong(e, CONF_port_exit_address6, "is not an address that one host has");
	/* Somebody would rely on a setting that does nothing. */
	for (size_t i = 0; i < n; i++) {
		if (c->line[other[i]] != 0)
			conf_wrong(e, other[i], "has no meaning with driver = %s: remove it%s",
				c->node.port->name, ethdev ? "" : ", or set driver = ethdev");
	}
	if (ethdev)
		check_ethdev(c, e);
}

static void
check_workers(const struct conf *c, struct conf_errors *e)
{
	const struct peel_node_conf *n = &c->node;

	if (n->core[0] >= 0 && c->line[CONF_workers_count] != 0)
		conf_wrong(e, CONF_workers_count,
			"is there beside cores, which says how many workers there are");
	if (n->control_core >= 0 && n->core[0] < 0)
		conf_wrong(e, CONF_workers_control_core,
			"needs cores: workers without a core of their own would run there, too");
	for (unsigned int i = 0; i < n->n_workers; i++) {
		if (n->control_core >= 0 && n->core[i] == n->control_core)
			conf_wrong(e, CONF_workers_control_core, "is the core of a worker, too");
	}
	if ((n->ring_size & (n->ring_size - 1)) != 0)
		conf_wrong(e, CONF_workers_ring, "%u is not a power of two", n->ring_size);
	if (c->hugepages == HUGEPAGES_YES && c->memory_mib != 0)
		conf_wrong(e, CONF_workers_memory,
			"is for memory without hugepages, and hugepages = yes");
}

static void
check_tunnel(struct conf *c, struct conf_errors *e)
{
	uint16_t *flags = &c->node.tunnel.peer_flags;
	bool exit_bt = *flags & PEEL_FLAG_EXIT_BT;

	if (c->line[CONF_tunnel_become_exitnode] != 0) {
		if (c->line[CONF_tunnel_exit_bt] != 0 && exit_bt != c->become_exitnode)
			conf_wrong(e, CONF_tunnel_become_exitnode,
				"contradicts exit_bt, which means the same");
		*flags = (uint16_t)(c->become_exitnode ? *flags | PEEL_FLAG_EXIT_BT
						       : *flags & ~PEEL_FLAG_EXIT_BT);
	}
	if (c->node.accounting.limit != 0 &&
		c->node.accounting.soft_limit > c->node.accounting.limit)
		conf_wrong(e, CONF_accounting_soft_limit, "is more than limit");
	if (c->rule_verb != 0)
		conf_wrong(e, CONF_exit_rules, "ends with a verb: its pattern is missing");
	if (c->node.policy.any_payload && !(*flags & (PEEL_FLAG_EXIT_BT | PEEL_FLAG_EXIT_IPV8)))
		conf_wrong(e, CONF_exit_policy,
			"any lets nothing out without exit_bt or exit_ipv8 in [tunnel]");
}

/* ---- [client] and [socks] -------------------------------------------------------------------- */

static void
check_listener(const struct conf *c, unsigned int i, struct conf_errors *e)
{
	const struct peel_addr *a = &c->client.listen[i];
	enum conf_id id = CONF_socks_hops1 + i;

	if (i + 1 > c->node.tunnel.max_relay_early)
		conf_wrong(e, id, "is longer than max_relay_early in [tunnel] lets a circuit grow");
	if (c->client.password[0] == '\0' && !peel_addr_is_loopback(a))
		conf_wrong(e, id, "other machines reach this address: set user and password");
	for (unsigned int j = 0; j < i && a->port != 0; j++) {
		if (peel_addr_equal(a, &c->client.listen[j]))
			conf_wrong(e, id, "is the same as %s",
				conf_settings[CONF_socks_hops1 + j].name);
	}
}

/* A service's peers are reached through the listener of its length. */
static void
check_services(const struct conf *c, enum conf_id id, struct conf_errors *e)
{
	const struct service_list *join = &c->client.join, *publish = &c->client.publish;
	const struct service_list *list = id == CONF_services_join ? join : publish;

	for (size_t i = 0; i < list->n; i++) {
		const struct service_name *s = &list->item[i];
		size_t other = service_find(join, s->text);

		if (c->client.listen[s->hops - 1].family == PEEL_FAMILY_NONE)
			conf_wrong(e, id, "%s has %u hops, and [socks] hops%u is not set", s->text,
				s->hops, s->hops);
		if (list == publish && other < SERVICES_MAX && join->item[other].hops != s->hops)
			conf_wrong(e, id, "%s has other hops than in join", s->text);
	}
}

/* Each element of a list, for the mainline driver, which gets it as it is. */
static void
check_list(
	struct conf_errors *e, enum conf_id id, const char *list, bool (*fits)(const char *element))
{
	char element[256];

	while (*(list += strspn(list, ", \t")) != '\0') {
		size_t len = strcspn(list, ", \t");

		memcpy(element, list, len); /* shorter than the list, which has no more */
		element[len] = '\0';
		list += len;
		if (!fits(element))
			conf_wrong(e, id, "\"%.64s\" is not an address and a port", element);
	}
}

static bool
is_address(const char *element)
{
	struct peel_addr addr;

	return peel_addr_parse(element, 0, &addr) == 0 && addr.port != 0;
}

static bool
has_port(const char *element)
{
	const char *colon = strrchr(element, ':');
	char rest;
	unsigned int port;

	return colon != NULL && colon > element && sscanf(colon + 1, "%5u%c", &port, &rest) == 1 &&
	       port > 0 && port <= UINT16_MAX;
}

static void
check_dht(const struct conf *c, struct conf_errors *e)
{
	if (c->node.mainline_listen[0] == '\0')
		conf_wrong(e, CONF_dht_mainline_listen, "is empty");
	check_list(e, CONF_dht_mainline_listen, c->node.mainline_listen, is_address);
	check_list(e, CONF_dht_mainline_bootstrap, c->node.mainline_bootstrap, has_port);
}

static void
check_client(const struct conf *c, struct conf_errors *e)
{
	const struct client_conf *cc = &c->client;
	const struct peel_origin_settings *o = &c->node.originator;
	bool any = false;

	if (o->min_circuits > o->max_circuits)
		conf_wrong(e, CONF_client_min_circuits, "is more than max_circuits, %u",
			o->max_circuits);
	if (o->circuit_timeout < c->node.tunnel.next_hop_timeout)
		conf_wrong(e, CONF_client_circuit_timeout,
			"is less than next_hop_timeout in [tunnel], %u: no circuit would be tried",
			c->node.tunnel.next_hop_timeout);
	for (unsigned int i = 0; i < PEEL_HOPS_MAX; i++) {
		if (cc->listen[i].family == PEEL_FAMILY_NONE)
			continue;
		any = true;
		check_listener(c, i, e);
	}
	if (!any && c->use == CONF_FOR_CLIENT)
		conf_error(e, 0, "socks", NULL, "names no listener: set one of hops1 to hops8");
	check_services(c, CONF_services_join, e);
	check_services(c, CONF_services_publish, e);
	if ((cc->user[0] == '\0') != (cc->password[0] == '\0'))
		conf_wrong(e, cc->user[0] == '\0' ? CONF_socks_user : CONF_socks_password,
			"is missing: they belong together");
}

/* What [tunnel] says also holds for own circuits. */
static void
share(struct conf *c)
{
	struct peel_origin_settings *o = &c->node.originator;

#define SET_both(field) o->field = c->node.tunnel.field;
#define VALUE(section, name, owner, field, ...) SET_##owner(field)
#include "peel_settings.def"
	c->node.max_own_circuits = PEEL_OWN_EXTRA;
	for (unsigned int i = 0; i < PEEL_HOPS_MAX; i++) {
		if (c->client.listen[i].family != PEEL_FAMILY_NONE)
			/* twice: old ones end slowly */
			c->node.max_own_circuits += 2 * o->max_circuits;
	}
}

static void
check_metrics(const struct conf *c, struct conf_errors *e)
{
	const struct peel_addr *a = &c->metrics.listen;

	if (a->family == PEEL_FAMILY_NONE)
		return;
	if (c->metrics.key[0] == '\0' && !peel_addr_is_loopback(a))
		conf_wrong(e, CONF_metrics_listen, "other machines reach this address: set key");
	for (const char *k = c->metrics.key; *k != '\0'; k++) {
		if (*k <= ' ' || *k > '~') {
			conf_wrong(e, CONF_metrics_key, "has characters that no header can carry");
			break;
		}
	}
}

static void
check_notice(const struct conf *c, struct conf_errors *e)
{
	if (c->notice.file[0] != '\0' && c->notice.listen.family == PEEL_FAMILY_NONE)
		conf_wrong(e, CONF_exit_notice_listen, "`notice` needs an address to be shown at");
}

void
conf_check(struct conf *c, struct conf_errors *e)
{
	check_node(c, e);
	check_tunnel(c, e);
	check_workers(c, e);
	check_port(c, e);
	check_dht(c, e);
	check_metrics(c, e);
	check_notice(c, e);
	if (c->use & CONF_FOR_CLIENT)
		check_client(c, e);
	if (c->use == CONF_FOR_CLIENT)
		share(c);
}
