/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * [client] and [socks]: do the values fit together, and what follows from them for the node.
 */
#include <stdio.h>

#include "conf_table.h"
#include "peel_socks.h"

#define OWN_EXTRA 32 /* circuits beside the pools: for HTTP requests and the like */

_Static_assert(PEEL_HOPS_MAX == 8, "[socks] has a key for each length of a circuit");

static const char *const listener_name[PEEL_HOPS_MAX] = {
	"hops1", "hops2", "hops3", "hops4", "hops5", "hops6", "hops7", "hops8"};

static void
check_listener(const struct peel_conf *c, unsigned int i, struct conf_errors *e)
{
	const struct peel_client_conf *cc = &c->client;
	const struct peel_addr *a = &cc->listen[i];

	if (a->family == PEEL_FAMILY_NONE)
		return;
	if (i + 1 > c->node.tunnel.max_relay_early)
		conf_error_key(e, c, "socks", listener_name[i],
			"is longer than max_relay_early in [tunnel] lets a circuit grow");
	if (cc->password[0] == '\0' && !peel_socks_is_loopback(a))
		conf_error_key(e, c, "socks", listener_name[i],
			"other machines reach this address: set user and password");
	for (unsigned int j = 0; j < i && a->port != 0; j++) {
		if (peel_addr_equal(a, &cc->listen[j]))
			conf_error_key(e, c, "socks", listener_name[i], "is the same as %s",
				listener_name[j]);
	}
}

static void
check_socks(const struct peel_conf *c, struct conf_errors *e)
{
	const struct peel_client_conf *cc = &c->client;
	bool any = false;

	for (unsigned int i = 0; i < PEEL_HOPS_MAX; i++) {
		any |= cc->listen[i].family != PEEL_FAMILY_NONE;
		check_listener(c, i, e);
	}
	if (!any && c->use == PEEL_CONF_CLIENT)
		conf_error(e, 0, "socks", NULL, "names no listener: set one of hops1 to hops8");
	if ((cc->user[0] == '\0') != (cc->password[0] == '\0'))
		conf_error_key(e, c, "socks", cc->user[0] == '\0' ? "user" : "password",
			"is missing: they belong together");
}

static void
check_circuits(const struct peel_conf *c, struct conf_errors *e)
{
	const struct peel_originator_settings *o = &c->node.originator;

	if (o->min_circuits > o->max_circuits)
		conf_error_key(e, c, "client", "min_circuits", "is more than max_circuits, %u",
			o->max_circuits);
	if (o->circuit_timeout < c->node.tunnel.next_hop_timeout)
		conf_error_key(e, c, "client", "circuit_timeout",
			"is less than next_hop_timeout in [tunnel], %u: no circuit would be tried",
			c->node.tunnel.next_hop_timeout);
}

/* What is said once in [tunnel] counts for own circuits, too. */
static void
share(struct peel_conf *c)
{
	struct peel_originator_settings *o = &c->node.originator;
	const struct peel_tunnel_settings *t = &c->node.tunnel;

	o->max_time = t->max_time;
	o->max_time_ip = t->max_time_ip;
	o->max_time_inactive = t->max_time_inactive;
	o->max_traffic = t->max_traffic;
	o->next_hop_timeout = t->next_hop_timeout;
	o->remove_tunnel_delay = t->remove_tunnel_delay;
	o->max_relay_early = t->max_relay_early;
	c->node.max_own_circuits = OWN_EXTRA;
	for (unsigned int i = 0; i < PEEL_HOPS_MAX; i++) {
		if (c->client.listen[i].family != PEEL_FAMILY_NONE)
			c->node.max_own_circuits +=
				2 * o->max_circuits; /* twice: old ones end slowly */
	}
}

void
conf_check_client(struct peel_conf *c, struct conf_errors *e)
{
	check_circuits(c, e);
	check_socks(c, e);
	if (c->use == PEEL_CONF_CLIENT)
		share(c);
}
