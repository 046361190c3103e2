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

static const uint8_t community_default[PEEL_N_COMMUNITIES][PEEL_COMMUNITY_LEN] = {
	[PEEL_COMMUNITY_TUNNEL] = {0x81, 0xde, 0xd0, 0x73, 0x32, 0xbd, 0xc7, 0x75, 0xaa, 0x5a, 0x46,
		0xf9, 0x6d, 0xe9, 0xf8, 0xf3, 0x90, 0xbb, 0xc9, 0xf3},
	[PEEL_COMMUNITY_DISCOVERY] = {0x7e, 0x31, 0x36, 0x85, 0xc1, 0x91, 0x2a, 0x14, 0x12, 0x79,
		0xf8, 0x24, 0x8f, 0xc8, 0xdb, 0x58, 0x99, 0xc5, 0xdf, 0x5a},
	[PEEL_COMMUNITY_DHT] = {0x8d, 0x0b, 0xe1, 0x84, 0x5d, 0x74, 0xd1, 0x75, 0xf1, 0x78, 0x19,
		0x7c, 0xad, 0x00, 0x15, 0x91, 0xd0, 0x4d, 0x73, 0xcc},
};
static const uint8_t community_tribler[PEEL_COMMUNITY_LEN] = {0xa3, 0x59, 0x1a, 0x6b, 0xd8, 0x9b,
	0xba, 0xca, 0x09, 0x74, 0x06, 0x2a, 0x12, 0x87, 0xaf, 0xcf, 0xbc, 0x6f, 0xd6, 0xbc};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int
set_community(struct peel_conf *c, enum peel_community which, const char *value, char *why,
	size_t why_size)
{
	uint8_t id[PEEL_COMMUNITY_LEN];

	if (strcmp(value, "default") == 0) {
		memcpy(c->node.community[which], community_default[which], sizeof(id));
		return 0;
	}
	if (which == PEEL_COMMUNITY_TUNNEL && strcmp(value, "tribler") == 0) {
		memcpy(c->node.community[which], community_tribler, sizeof(id));
		return 0;
	}
	if (strlen(value) != 2 * sizeof(id)) {
		snprintf(why, why_size, "\"%.64s\" has %zu characters, not 40", value,
			strlen(value));
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(id); i++) {
		int high = hex_digit(value[2 * i]), low = hex_digit(value[2 * i + 1]);

		if (high < 0 || low < 0) {
			snprintf(why, why_size, "\"%s\" is not hexadecimal", value);
			return -EINVAL;
		}
		id[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(c->node.community[which], id, sizeof(id));
	return 0;
}

int
conf_set_community(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_community(c, PEEL_COMMUNITY_TUNNEL, value, why, why_size);
}

int
conf_set_discovery_community(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_community(c, PEEL_COMMUNITY_DISCOVERY, value, why, why_size);
}

int
conf_set_dht_community(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_community(c, PEEL_COMMUNITY_DHT, value, why, why_size);
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

/* The public servers of the overlay, protocol section 8.6. */
static const char *const public_servers[] = {"130.161.119.206:6421", "130.161.119.206:6422",
	"131.180.27.155:6423", "131.180.27.156:6424", "131.180.27.161:6427", "131.180.27.161:6521",
	"131.180.27.161:6522", "131.180.27.162:6523", "131.180.27.162:6524", "130.161.119.215:6525",
	"130.161.119.215:6526", "130.161.119.201:6527", "130.161.119.201:6528"};

static bool
is_name_and_port(const char *value)
{
	const char *colon = strrchr(value, ':');
	unsigned long port;
	char *end;

	if (colon == NULL || colon == value || strchr(value, ':') != colon)
		return false;
	for (const char *p = value; p < colon; p++) {
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' && *p != '_')
			return false;
	}
	if (!isdigit((unsigned char)colon[1]))
		return false;
	port = strtoul(colon + 1, &end, 10);
	/* Only digits and points: an address with a mistake in it, not a name. */
	return *end == '\0' && port >= 1 && port <= UINT16_MAX &&
	       strspn(value, "0123456789.") < (size_t)(colon - value);
}

int
conf_set_bootstrap(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	struct peel_node_conf *n = &c->node;
	struct peel_addr a;

	if (first) {
		memset(n->bootstrap, 0, sizeof(n->bootstrap));
		memset(n->bootstrap_name, 0, sizeof(n->bootstrap_name));
		n->n_bootstrap = n->n_bootstrap_names = 0;
	}
	if (*value == '\0')
		return 0;
	if (strcmp(value, "default") == 0) {
		int ret = 0;

		for (size_t i = 0; i < PEEL_ARRAY_LEN(public_servers) && ret == 0; i++)
			ret = conf_set_bootstrap(c, public_servers[i], false, why, why_size);
		return ret;
	}
	if (n->n_bootstrap + n->n_bootstrap_names == PEEL_BOOTSTRAP_MAX) {
		snprintf(why, why_size, "has more than %d servers", PEEL_BOOTSTRAP_MAX);
		return -EINVAL;
	}
	if (peel_addr_parse(value, 0, &a) == 0 && conf_has_port(value) && a.port != 0) {
		n->bootstrap[n->n_bootstrap++] = a;
		return 0;
	}
	if (!is_name_and_port(value) || strlen(value) >= sizeof(n->bootstrap_name[0])) {
		snprintf(why, why_size, "\"%.128s\" is not a server and a port", value);
		return -EINVAL;
	}
	memcpy(n->bootstrap_name[n->n_bootstrap_names++], value, strlen(value) + 1);
	return 0;
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
	struct peel_addr a;

	if (first) {
		memset(n->dns, 0, sizeof(n->dns));
		n->n_dns = 0;
	}
	if (*value == '\0' || strcmp(value, "system") == 0)
		return 0;
	if (peel_addr_parse(value, 53, &a) != 0 || a.port == 0) {
		snprintf(why, why_size, "\"%.64s\" is not an address", value);
		return -EINVAL;
	}
	if (n->n_dns == PEEL_DNS_MAX) {
		snprintf(why, why_size, "has more than %d servers", PEEL_DNS_MAX);
		return -EINVAL;
	}
	n->dns[n->n_dns++] = a;
	return 0;
}
