/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * Values of the configuration with a form of their own: addresses and networks.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "conf_table.h"
#include "peel_node_text.h"

/* An address without port, or nothing. family NONE: either will do. */
static int
set_ip(struct peel_addr *field, uint8_t family, const char *value, char *why, size_t why_size)
{
	struct peel_addr a;

	memset(&a, 0, sizeof(a));
	if (*value != '\0') {
		if (peel_addr_parse(value, 0, &a) != 0 || peel_node_has_port(value) ||
			value[0] == '[') {
			snprintf(why, why_size, "\"%.64s\" is not an IP address", value);
			return -EINVAL;
		}
		if (a.family != family) {
			snprintf(why, why_size, "%.64s is not an IPv%u address", value, family);
			return -EINVAL;
		}
	}
	*field = a;
	return 0;
}

int
conf_set_listen(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	struct peel_addr a;
	int ret = peel_node_parse_address(value, &a, why, why_size);

	(void)first;
	if (ret == 0)
		c->node.port_conf.listen = a;
	return ret;
}

int
conf_set_gateway(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_ip(&c->node.port_conf.gateway, PEEL_FAMILY_IPV4, value, why, why_size);
}

int
conf_set_gateway6(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_ip(&c->node.port_conf.gateway6, PEEL_FAMILY_IPV6, value, why, why_size);
}

int
conf_set_exit_address(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_ip(&c->node.port_conf.exit_ipv4, PEEL_FAMILY_IPV4, value, why, why_size);
}

int
conf_set_exit_address6(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_ip(&c->node.port_conf.exit_ipv6, PEEL_FAMILY_IPV6, value, why, why_size);
}

int
conf_set_public_address(
	struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	struct peel_addr a;
	int ret;

	(void)first;
	memset(&a, 0, sizeof(a));
	if (*value != '\0') {
		ret = peel_node_parse_address(value, &a, why, why_size);
		if (ret != 0)
			return ret;
		if (a.port == 0) {
			snprintf(why, why_size, "port 0 cannot be reached");
			return -EINVAL;
		}
	}
	c->node.public_address = a;
	return 0;
}

int
conf_parse_network(const char *value, struct peel_network *out, char *why, size_t why_size)
{
	char host[PEEL_ADDR_TEXT_MAX];
	const char *slash = strchr(value, '/');
	size_t len = slash != NULL ? (size_t)(slash - value) : strlen(value);
	unsigned long bits, max;
	char *end = NULL;

	memset(out, 0, sizeof(*out));
	if (len >= sizeof(host))
		len = 0;
	memcpy(host, value, len);
	host[len] = '\0';
	if (peel_addr_parse(host, 0, &out->addr) != 0 || peel_node_has_port(host) ||
		host[0] == '[') {
		snprintf(why, why_size, "\"%.64s\" is not an address and a prefix length", value);
		return -EINVAL;
	}
	max = out->addr.family == PEEL_FAMILY_IPV4 ? 32 : 128;
	bits = max;
	if (slash != NULL) {
		bits = isdigit((unsigned char)slash[1]) ? strtoul(slash + 1, &end, 10) : max + 1;
		if (bits > max || *end != '\0') {
			snprintf(why, why_size, "\"%.64s\" has no prefix length of 0 to %lu", value,
				max);
			return -EINVAL;
		}
	}
	out->prefix_len = (uint8_t)bits;
	return 0;
}

static int
set_own_network(
	struct peel_network *field, uint8_t family, const char *value, char *why, size_t why_size)
{
	struct peel_network n;
	int ret;

	memset(&n, 0, sizeof(n));
	if (*value != '\0') {
		ret = conf_parse_network(value, &n, why, why_size);
		if (ret != 0)
			return ret;
		if (n.addr.family != family) {
			snprintf(why, why_size, "%.64s is not IPv%u", value, family);
			return -EINVAL;
		}
		if (strchr(value, '/') == NULL || n.prefix_len == 0) {
			snprintf(why, why_size, "%.64s says no network", value);
			return -EINVAL;
		}
	}
	*field = n;
	return 0;
}

int
conf_set_address(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_own_network(&c->address, PEEL_FAMILY_IPV4, value, why, why_size);
}

int
conf_set_address6(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	(void)first;
	return set_own_network(&c->address6, PEEL_FAMILY_IPV6, value, why, why_size);
}

int
conf_set_exit_ports(struct peel_conf *c, const char *value, bool first, char *why, size_t why_size)
{
	unsigned int low, high;
	char rest;

	(void)first;
	if (strspn(value, "0123456789-") != strlen(value) || value[0] == '-' ||
		strstr(value, "--") != NULL ||
		sscanf(value, "%5u-%5u%c", &low, &high, &rest) != 2) {
		snprintf(why, why_size, "\"%.64s\" is not a range of ports", value);
		return -EINVAL;
	}
	if (low < 1024 || high > UINT16_MAX || low > high) {
		snprintf(why, why_size, "%.64s is out of range", value);
		return -EINVAL;
	}
	c->node.port_conf.exit_port_min = (uint16_t)low;
	c->node.port_conf.exit_port_max = (uint16_t)high;
	return 0;
}
