/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values of the configuration with a form of their own: lists, community ids, names of drivers.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf_table.h"
#include "drivers.h"
#include "peel_aead_engines.h"
#include "peel_node_text.h"

int
conf_set_community(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return peel_node_conf_set_community(&c->node, PEEL_COMMUNITY_TUNNEL, value, why, why_size);
}

int
conf_set_discovery_community(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return peel_node_conf_set_community(
		&c->node, PEEL_COMMUNITY_DISCOVERY, value, why, why_size);
}

int
conf_set_dht_community(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return peel_node_conf_set_community(&c->node, PEEL_COMMUNITY_DHT, value, why, why_size);
}

int
conf_set_driver(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	c->node.port = peel_port_find(value);
	if (c->node.port != NULL)
		return 0;
	c->node.port = peel_ports[0];
	snprintf(why, why_size, "there is no port driver \"%.64s\"", value);
	return -EINVAL;
}

int
conf_set_engine(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	c->node.engine = NULL;
	if (strcmp(value, "auto") == 0)
		return 0;
	c->node.engine = peel_aead_engine_find(value);
	if (c->node.engine != NULL)
		return 0;
	snprintf(why, why_size, "there is no engine \"%.64s\" in this build", value);
	return -EINVAL;
}

static int
add_core(struct peel_conf *c, unsigned int core, char *why, size_t why_size)
{
	for (unsigned int i = 0; i < c->node.n_workers; i++) {
		if (c->node.core[i] == (int)core) {
			snprintf(why, why_size, "names CPU %u twice", core);
			return -EINVAL;
		}
	}
	if (c->node.n_workers == PEEL_MAX_WORKERS) {
		snprintf(why, why_size, "names more than %d CPUs", PEEL_MAX_WORKERS);
		return -EINVAL;
	}
	c->node.core[c->node.n_workers++] = (int)core;
	return 0;
}

int
conf_set_cores(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	unsigned int low, high;
	char rest;
	int n, ret;

	if (*value == '\0') {
		for (unsigned int i = 0; i < PEEL_MAX_WORKERS; i++)
			c->node.core[i] = -1;
		return 0;
	}
	if (first) {
		conf_set_cores(c, "", true, why, why_size);
		c->node.n_workers = 0;
	}
	n = isdigit((unsigned char)value[0]) ? sscanf(value, "%4u-%4u%c", &low, &high, &rest) : 0;
	if (n == 1 && strspn(value, "0123456789") == strlen(value))
		high = low;
	else if (n != 2 || strchr(value, '+') != NULL || strstr(value, "--") != NULL || low > high)
		n = 0;
	if (n == 0 || high >= CPU_SETSIZE) {
		snprintf(why, why_size, "\"%.64s\" is not a CPU or a range of CPUs", value);
		return -EINVAL;
	}
	for (unsigned int core = low; core <= high; core++) {
		ret = add_core(c, core, why, why_size);
		if (ret != 0)
			return ret;
	}
	return 0;
}

int
conf_set_bootstrap(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	struct peel_node_conf *n = &c->node;

	if (first) {
		memset(n->bootstrap, 0, sizeof(n->bootstrap));
		memset(n->bootstrap_name, 0, sizeof(n->bootstrap_name));
		n->n_bootstrap = n->n_bootstrap_names = 0;
	}
	return *value == '\0' ? 0 : peel_node_conf_add_bootstrap(n, value, why, why_size);
}

/* Bits behind the prefix are most likely a slip: 10.0.0.1/8 for 10.0.0.1/32. */
static bool
has_host_bits(const struct peel_network *n)
{
	unsigned int bytes = n->addr.family == PEEL_FAMILY_IPV4 ? 4 : 16;

	for (unsigned int bit = n->prefix_len; bit < 8 * bytes; bit++) {
		if (n->addr.ip[bit / 8] & (0x80u >> bit % 8))
			return true;
	}
	return false;
}

int
conf_set_deny(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	struct peel_policy *p = &c->node.policy;
	struct peel_network n;
	int ret;

	if (first) {
		memset(p->deny, 0, sizeof(p->deny));
		p->n_deny = 0;
	}
	if (*value == '\0')
		return 0;
	ret = conf_parse_network(value, &n, why, why_size);
	if (ret != 0)
		return ret;
	if (has_host_bits(&n)) {
		snprintf(why, why_size, "%.64s has bits set behind its prefix of %u", value,
			n.prefix_len);
		return -EINVAL;
	}
	if (p->n_deny == PEEL_POLICY_DENY_MAX) {
		snprintf(why, why_size, "has more than %d networks", PEEL_POLICY_DENY_MAX);
		return -EINVAL;
	}
	p->deny[p->n_deny++] = n;
	return 0;
}

int
conf_set_dns(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	struct peel_node_conf *n = &c->node;

	if (first) {
		memset(n->dns, 0, sizeof(n->dns));
		n->n_dns = 0;
	}
	if (*value == '\0' || strcmp(value, "system") == 0)
		return 0;
	return peel_node_conf_add_dns(n, value, why, why_size);
}
